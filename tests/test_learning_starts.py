"""benchmarks/learning, given again: vocabularies, settings, what is left, the background."""

import pytest
from absl import flags

from benchmarks.learning import __main__ as program
from benchmarks.learning import background, metrics, runs, table
from mslt_tf.errors import UserError
from mslt_tf.vocabulary import SPECIAL_TOKENS
from tests import compared_runs


@pytest.fixture
def configs(tmp_path):
    return compared_runs.write_flag_files(tmp_path / "configs")


def find(configs, folder, names=("a",), **others):
    return runs.find(configs, names, folder=folder, seeds=range(1), **others)


def test_models_and_costs_are_those_of_the_vocabulary_that_was_made(configs, tmp_path):
    before = find(configs, tmp_path, names=("a", "b"))
    tokens = [*SPECIAL_TOKENS, *map(str, range(900))]
    (tmp_path / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens))
    after = find(configs, tmp_path, names=("a", "b"))
    assert [run.config.model.vocab_size for run in before + after] == [50, 50, 905, 905]
    # The matrix of the output layer costs every stage the same, so it weighs on the cheap ones.
    assert after[1].flops / after[0].flops > before[1].flops / before[0].flops
    assert after[0].flops > before[0].flops
    assert "--vocab_size=905" in after[0].extra_flags  # so the run is told


@pytest.mark.parametrize("given", [0, 300])
def test_without_a_size_as_many_word_pieces_are_learnt_as_the_models_have(
    configs, tmp_path, monkeypatch, given
):
    commands = []
    monkeypatch.setattr(runs, "_call", lambda *words: commands.append(words))
    values = flags.FlagValues()
    program.define_flags(values)
    folder = f"--output_dir={tmp_path / 'out'}"
    values(["", f"--configs={configs}", folder, "--data_only", f"--vocab_size={given}"])
    monkeypatch.setattr(flags, "FLAGS", values)
    assert program.main() == 0
    assert f"--vocab_size={given or 50}" in commands[0]


def test_without_a_text_data_are_taken_as_they_are_or_what_is_missing_is_named(
    tmp_path, monkeypatch
):
    commands = []
    monkeypatch.setattr(runs, "_call", lambda *words: commands.append(words))
    data = runs.Data("", 50, (), tmp_path)
    for path in (tmp_path / "vocab.txt", tmp_path / "records_16" / "dataset_info.json"):
        with pytest.raises(UserError, match=f"--input is empty, and {path} is not there"):
            data.make({16: 4})
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    data.make({16: 4})
    assert commands == []


def test_a_run_of_the_same_settings_goes_on(configs, tmp_path):
    (run,) = find(configs, tmp_path)
    run.folder.mkdir()
    (run.folder / "config.json").write_text(run.config.to_json())
    assert find(configs, tmp_path, extra_flags=["--log_steps=7"])


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--learning_rate=0.5", r"optimizer\.learning_rate 0\.01, and .*a\.flags .* say 0\.5\."),
        ("--hidden_size=16", r"model\.hidden_size 8, and .* say 16\."),
        ("--num_train_steps=5", r"optimizer\.num_train_steps 10, and .* say 5\."),
        ("--max_seq_length=8", r"plan\.stages .*'seq_length': 16.* say .*'seq_length': 8"),
        ("--precision=bfloat16", r"precision float32, and .* say bfloat16\. Give another --output"),
    ],
)
def test_results_of_other_settings_are_not_shown_as_those_of_now(configs, tmp_path, flag, message):
    (run,) = find(configs, tmp_path)
    compared_runs.write_metrics(run, [4.5])
    (run.folder / "config.json").write_text(run.config.to_json())
    with pytest.raises(UserError, match=rf"a_seed_0 was trained with {message}"):
        find(configs, tmp_path, extra_flags=[flag])


@pytest.mark.parametrize("content", ["", "{", "7", "[1]"])
def test_settings_that_cannot_be_read_are_told(configs, tmp_path, content):
    (run,) = find(configs, tmp_path)
    run.folder.mkdir()
    (run.folder / "config.json").write_text(content)
    with pytest.raises(UserError, match=r"config\.json cannot be read .* Move .*a_seed_0 away"):
        find(configs, tmp_path)


def test_damaged_lines_of_metrics_are_passed_over(configs, tmp_path):
    (run,) = find(configs, tmp_path)
    compared_runs.write_metrics(run, [4.5])
    path = run.folder / "metrics.jsonl"
    path.write_bytes(b"\0\0\0\n[1]\n{}\n{'kind'\n" + path.read_bytes())
    assert [entry["kind"] for entry in metrics.read(run.folder)] == ["train", "eval"]
    assert table.results([run])[0]["final_loss"] == [4.5]


def test_what_was_done_before_counts_neither_as_left_nor_as_done(
    configs, tmp_path, monkeypatch, capsys
):
    done, half, new = runs.find(configs, ["b"], folder=tmp_path, seeds=range(3))
    compared_runs.write_metrics(done, [5.0, 4.0, 3.0, 2.0, 1.0])
    compared_runs.write_metrics(half, [5.0, 4.0])  # two of five stages
    assert done.flops_left == 0
    stages = half.config.plan.stages
    of_stages = [runs.cost_model.stage_flops(half.config.model, stage) for stage in stages]
    assert half.flops_left == sum(of_stages[2:])
    assert new.flops_left == new.flops
    clock = iter((0.0, 100.0))
    monkeypatch.setattr(runs.time, "monotonic", lambda: next(clock))
    progress = runs._Progress([done, half, new])
    progress.say_done(done)
    assert capsys.readouterr().out == "b, seed 0: done; 2 left\n"  # nothing is known of its time
    progress.say_done(half)
    seconds = 100 * new.flops / half.flops_left
    assert f"done; 1 left, about {runs.format_duration(seconds)}\n" in capsys.readouterr().out


@pytest.mark.parametrize("form", ["--background", "--background=true", "-background", "flagfile"])
def test_the_process_in_the_background_starts_no_further_one(tmp_path, monkeypatch, form):
    if form == "flagfile":
        (tmp_path / "all.flags").write_text("--background\n")
        form = f"--flagfile={tmp_path / 'all.flags'}"
    started = []

    def start(command, **_):
        started.append(command)
        raise KeyboardInterrupt  # there is no process to be weighed

    monkeypatch.setattr(background.subprocess, "Popen", start)
    monkeypatch.setattr(background.sys, "argv", ["benchmarks.learning", form, "--num_seeds=2"])
    with pytest.raises(KeyboardInterrupt):
        background.start(tmp_path / "out")
    values = flags.FlagValues()
    program.define_flags(values)
    values(started[0][2:])
    assert (values.background, values.num_seeds) == (False, 2)
