"""The tasks that --task names, with their data and an encoder's tokens."""

import itertools
from collections.abc import Callable, Sequence

from mslt_tf.errors import UserError
from mslt_tf.finetuning.glue import glue_data, glue_splits, glue_tasks
from mslt_tf.finetuning.glue.glue_sequences import PairTokenizer
from mslt_tf.finetuning.glue.glue_splits import Source
from mslt_tf.finetuning.glue.glue_task import GlueTask
from mslt_tf.finetuning.squad import squad_splits, squad_tfds
from mslt_tf.finetuning.squad.squad_splits import SquadSplits
from mslt_tf.finetuning.squad.squad_task import SquadTask
from mslt_tf.finetuning.squad.squad_tokens import OffsetTokenizer
from mslt_tf.finetuning.task import FineTuningTask
from mslt_tf.finetuning_settings import FineTuningSettings
from mslt_tf.modeling.trained_model import TrainedModel
from mslt_tf.tokenization.wordpiece import WordpieceTokenizer

ALL = "all"
GLUE_NAMES = tuple(task.name for task in glue_tasks.TASKS if not task.trained_as)
NAMES = (*GLUE_NAMES, *squad_splits.VERSIONS)  # of all that can be trained


def names_of(words: Sequence[str]) -> tuple[str, ...]:
    """Returns the names of the tasks that are trained, each once, in the order of the words.

    >>> names_of(["RTE", "ax", "squad_1.1"])
    ('rte', 'mnli', 'squad_1.1')

    Raises:
        UserError: a word is no task; those there are are named.
    """
    names = (name for word in words for name in _names_of(word))
    return tuple(dict.fromkeys(names))


def _names_of(word: str) -> tuple[str, ...]:
    plain = word.lower()
    if plain == ALL:
        return GLUE_NAMES
    if plain in squad_splits.VERSIONS:
        return (plain,)
    try:
        task = glue_tasks.find(word)
    except UserError as error:
        known = ", ".join((*glue_tasks.NAMES, *squad_splits.VERSIONS, ALL))
        raise UserError(f"--task {word} is not known. Give one of {known}.") from error
    return (task.predicted_by,)


def check_files(names: Sequence[str], settings: FineTuningSettings) -> None:
    """Checks that the files of all tasks of GLUE are there, if they are to come from files.

    Raises:
        UserError: names all that are not there.
    """
    tasks = [glue_tasks.find(name) for name in names if name in GLUE_NAMES]
    if tasks and settings.glue_dir:
        wanted = [glue_splits.needed(task, with_tests=settings.submit) for task in tasks]
        glue_data.check_files(list(itertools.chain(*wanted)), settings.glue_dir)


def read(
    name: str,
    settings: FineTuningSettings,
    encoder: TrainedModel,
    *,
    report: Callable[[str], None],
) -> FineTuningTask:
    """Reads a task's data and checks it; nothing is tokenised yet.

    Args:
        name: one of `names_of`.
        settings: of the program.
        encoder: whose tokens are to be used; has a vocabulary.
        report: takes lines about what is passed over.

    Raises:
        UserError: the data is not there, cannot be read, or is not as it must be.
    """
    assert encoder.vocabulary
    vocabulary, text_case = list(encoder.vocabulary), encoder.text_case
    if name in squad_splits.VERSIONS:
        splits = _squad_splits(name, settings, report)
        tokenizer = OffsetTokenizer(vocabulary, text_case)
        return SquadTask(splits, tokenizer, settings.squad, report)
    task = glue_tasks.find(name)
    pairs = PairTokenizer(
        WordpieceTokenizer(vocabulary, text_case),
        vocabulary,
        max_length=settings.glue_max_length,
    )
    source = Source(settings.glue_dir, settings.tfds_data_dir, report=report)
    tests = source.tests(task) if settings.submit else ()
    return GlueTask(task, source.train(task), source.scored(task), pairs, tests)


def _squad_splits(
    name: str, settings: FineTuningSettings, report: Callable[[str], None]
) -> SquadSplits:
    if settings.squad_dir:
        return squad_splits.read(name, settings.squad_dir, report=report)
    if not settings.tfds_data_dir:
        raise UserError(
            "SQuAD's data are not named. Give its official files by --squad_dir, or by "
            "--tfds_data_dir a folder for tensorflow-datasets, which downloads them."
        )
    return squad_tfds.read(name, data_dir=settings.tfds_data_dir, download=True, report=report)
