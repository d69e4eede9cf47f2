"""benchmarks/serving: what it asks of both sides, and what it prints."""

import dataclasses
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from benchmarks.serving import __main__ as program
from benchmarks.serving import job, ours, report
from benchmarks.serving.job import OURS, THEIRS, Job
from benchmarks.step_time import participants, pipes
from mslt_tf.conversion import huggingface
from mslt_tf.errors import UserError
from mslt_tf.export import allowed_ops, saved_models
from tests.conversion.trained_models import outputs, trained_model

PYTHON = "MSLT_TORCH_PYTHON"  # names a Python that has torch and transformers 5


@pytest.fixture(scope="module")
def model():
    return trained_model(vocabulary=None)


@pytest.fixture(scope="module")
def export(model, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("serving") / "export"
    saved_models.write(model, str(folder), report=lambda line: None)
    return folder


@pytest.fixture
def small_job(export, model):
    return Job(str(export / "bert" / "1"), [1, 3], seq_length=6, vocab_size=model.config.vocab_size)


def pooled_vector(model, ids):
    """Returns what our model computes for one text."""
    tokens = tf.constant(ids)
    inputs = {
        "input_ids": tokens,
        "input_mask": tf.ones_like(tokens),
        "segment_ids": tf.zeros_like(tokens),
        "masked_lm_positions": tf.zeros([1, 1], tf.int32),
        "dropout_seed": tf.zeros([2], tf.int32),
    }
    return outputs(model, inputs)["pooled_output"][0]


def test_our_side_answers_with_the_models_vectors(small_job, model):
    tasks = ours.served_tasks(small_job)
    expected = pooled_vector(model, small_job.ids(1))
    np.testing.assert_allclose(tasks["facts"](1), expected, atol=1e-5)
    assert tasks["batch 3"](2)["seconds"] > 0


def test_times_are_of_the_parts_of_a_start_and_of_so_many_requests(small_job):
    asked = []

    def answer(ids):
        return lambda: asked.append(np.shape(ids)) or [[0.5]]

    clock = itertools.accumulate(itertools.count(1)).__next__  # 1, 3, 6, 10, 15
    tasks = job.make_tasks(small_job, clock=clock, start=0, load=lambda: None, answer=answer)
    assert tasks["start"](1) == {"import": 1, "load": 2, "first answer": 3}
    assert tasks["batch 3"](4) == {"seconds": 5}
    assert asked == [(1, 6), *[(3, 6)] * 4]


def test_ids_are_in_the_vocabulary_and_a_job_survives_its_way(small_job):
    ids = np.array(small_job.ids(3))
    assert ids.shape == (3, 6)
    assert set(ids.flat) <= set(range(small_job.vocab_size))
    assert len(set(map(tuple, ids))) == 3
    assert Job.read(small_job.to_json()) == small_job


def test_the_ratio_is_of_speeds_in_the_same_round():
    samples = {OURS: {"batch 1": [0.1, 0.2, 0.4]}, THEIRS: {"batch 1": [0.2, 0.5, 0.4]}}
    lines = report.speed_text(samples).splitlines()
    assert lines[0].split() == ["requests/s", OURS, THEIRS, OURS, "/", THEIRS]
    assert lines[1].endswith("5 (3.75 - 7.5)  2.5 (2.25 - 3.75)  2 (1.5 - 2.25)")
    assert THEIRS not in report.speed_text({OURS: samples[OURS]})


def test_graphs_are_counted_and_weighed(export):
    lines = report.graph_text(export, ["encoder", "bert/1"]).splitlines()
    size = sum(path.stat().st_size for path in (export / "encoder").rglob("*") if path.is_file())
    assert lines[1].split()[0::2] == ["encoder", "0"]  # no text is taken
    assert lines[1].split()[-1] == f"{size / 1e6:.1f}"
    assert lines[-1] == f"{len(allowed_ops.allowed()):,} operations are allowed"


@pytest.mark.parametrize(
    "content", [None, "no JSON", "[]", "{}", '{"saved_models": {}, "model": 1}']
)
def test_what_is_no_export_is_told(tmp_path, content):
    if content is not None:
        (tmp_path / "export_manifest.json").write_text(content)
    with pytest.raises(UserError, match=r"--export .* is no export for TensorFlow \(.*run_export"):
        program.read_manifest(tmp_path)


def test_the_manifest_tells_the_served_model(export):
    manifest = program.read_manifest(export)
    assert program.served_folder(list(manifest["saved_models"])) == "bert/1"
    assert manifest["model"]["vocab_size"] == 50


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get(PYTHON), reason=f"{PYTHON} names no Python with torch")
def test_the_peer_answers_with_the_same_vectors(small_job, model, tmp_path):
    huggingface.write(model, str(tmp_path / "model"))
    theirs = dataclasses.replace(small_job, folder=str(tmp_path / "model")).to_json()
    module, python = "benchmarks.serving.theirs", os.environ[PYTHON]
    child = participants.start_process(THEIRS, module, theirs, python=python)
    with pipes.children([child]):
        expected = pooled_vector(model, small_job.ids(1))
        np.testing.assert_allclose(child.ask("facts"), expected, atol=1e-5)
        assert child.ask("batch 3", 2)["seconds"] > 0
        assert all(seconds > 0 for seconds in child.ask("start").values())
