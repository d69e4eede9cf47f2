"""Which tasks the words of --task mean."""

from mslt_tf.finetuning import tasks


def test_all_is_what_glue_trains():
    names = ("cola", "sst2", "mrpc", "stsb", "qqp", "mnli", "qnli", "rte", "wnli")
    assert tasks.names_of(["all"]) == names
    assert tasks.names_of(["squad_2.0", "all"]) == ("squad_2.0", *names)


def test_ax_is_the_task_of_its_model_and_each_task_comes_once():
    assert tasks.names_of(["AX", "rte", "MNLI", "STS-B"]) == ("mnli", "rte", "stsb")
    assert tasks.names_of(["SQuAD_2.0", "squad_2.0"]) == ("squad_2.0",)
