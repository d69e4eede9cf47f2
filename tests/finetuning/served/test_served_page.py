"""The requests in docs/finetuning.md, each answered as a server would."""

import json
from pathlib import Path

import pytest

from tests import documented_commands
from tests.export.serving_requests import answer, from_json

PAGE = (Path(__file__).parents[3] / "docs" / "finetuning.md").read_text("utf-8")
MRPC, MRPC_BY_IDS, SQUAD = map(json.loads, documented_commands.code_blocks(PAGE, "json"))


def respond(run, body, *place):
    """Returns the outputs, each of which the page explains."""
    served = run.load(*place).signatures
    name = body.get("signature_name", "serving_default")
    specs = served[name].structured_input_signature[1]
    inputs = {key: from_json(v, specs[key].dtype) for key, v in body["inputs"].items()}
    found = answer(served, name, inputs)
    assert all(f"`{key}`" in PAGE for key in found)
    assert all(f"`{each}`" in PAGE for each in served)
    return found


@pytest.mark.parametrize("body", [MRPC, MRPC_BY_IDS])
def test_a_request_for_mrpc_has_one_of_its_labels(mrpc_run, body):
    found = respond(mrpc_run, body, "mrpc")
    assert found["label"].numpy().tolist()[0].decode() in ("equivalent", "not_equivalent")


def test_a_request_for_squad_has_an_answer_of_its_context(squad_run):
    found = respond(squad_run, SQUAD, "squad_2.0", "squad_2_0")
    (context,) = SQUAD["inputs"]["context"]
    ((text, start, end),) = zip(
        *(found[name].numpy() for name in ("answer", "start", "end")), strict=True
    )
    assert text.decode() == context[start:end]


def test_the_docker_command_serves_the_exported_folder(mrpc_run):
    assert '-v "$PWD/runs/one_gpu_glue/mrpc/export/mrpc:/models/mrpc" tensorflow/serving' in PAGE
    assert (mrpc_run.folder / "mrpc/export/mrpc/1/saved_model.pb").exists()
