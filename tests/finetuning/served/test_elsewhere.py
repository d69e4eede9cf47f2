"""Exports answer dev in a process that has TensorFlow and tensorflow-text, and none of our code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from mslt_tf.finetuning.glue import glue_data, glue_metrics, glue_tasks
from mslt_tf.finetuning.squad import squad_data

pytestmark = pytest.mark.slow  # TensorFlow starts anew

PROGRAM = Path(__file__).with_name("plain_client.py")


def ask(folder, **texts):
    result = subprocess.run(
        [sys.executable, "-I", str(PROGRAM), str(folder)],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout.splitlines()[-1])


def test_a_classifier_has_the_trials_score(mrpc_run):
    task = glue_tasks.find("mrpc")
    dev = glue_data.read(task, "dev", mrpc_run.settings.glue_dir, report=print)
    found = ask(
        mrpc_run.model("mrpc"),
        text=[each.text for each in dev],
        text_pair=[each.text_pair for each in dev],
    )
    predictions = [task.label_names.index(label) for label in found["label"]]
    scores = glue_metrics.score(task, [each.label for each in dev], predictions)
    assert scores == pytest.approx(mrpc_run.results("mrpc")[0].scores["dev"])


def test_questions_have_the_trials_answers(squad_run):
    dev = squad_data.read(f"{squad_run.settings.squad_dir}/dev-v2.0.json").questions
    found = ask(
        squad_run.model("squad_2.0", "squad_2_0"),
        question=[each.question for each in dev],
        context=[each.context for each in dev],
    )
    (path,) = (squad_run.folder / "squad_2.0").glob("*/predictions.json")
    assert found["answer"] == list(json.loads(path.read_text()).values())
