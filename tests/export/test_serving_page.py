"""The requests in docs/serving.md, each answered as a server would."""

import base64
import collections
import json
import sys
import types
from pathlib import Path

import grpc
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from tests import documented_commands
from tests.export.serving_requests import answer, from_json

PAGE = (Path(__file__).parents[2] / "docs" / "serving.md").read_text("utf-8")
EXAMPLE_PROGRAM, GRPC_PROGRAM = documented_commands.code_blocks(PAGE, "python")
BODIES = [json.loads(body) for body in documented_commands.code_blocks(PAGE, "json")]


@pytest.fixture(scope="module")
def served(bert_export):
    return bert_export.load("bert/1").signatures


def test_every_signature_has_a_request_of_both_kinds(served):
    assert sorted(body["signature_name"] for body in BODIES) == sorted(served)
    assert all(f'ask("{name}"' in GRPC_PROGRAM.replace("(\n    ", "(") for name in served)
    assert all(f"| `{name}` |" in PAGE for name in served)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body["signature_name"])
def test_rest_requests_fit_the_signatures(served, body):
    name = body["signature_name"]
    specs = served[name].structured_input_signature[1]
    inputs = {key: from_json(v, specs[key].dtype) for key, v in body["inputs"].items()}
    found = answer(served, name, inputs)
    assert all(f"`{key}`" in PAGE for key in found)
    if name == "fill_mask":
        assert found["tokens"].shape == [2, 1, 5]


def test_the_example_in_base64_is_the_one_of_the_program():
    found = {}
    exec(EXAMPLE_PROGRAM, found)  # code of our own
    (body,) = (body for body in BODIES if body["signature_name"] == "serve_examples")
    (sent,) = body["inputs"]["examples"]
    assert base64.b64decode(sent["b64"]) == found["serialized"]


def stand_in_for_the_server(served, monkeypatch):
    """Puts what answers from Python in the place of the packages that speak to a server."""
    names = []

    class Request:
        def __init__(self):
            self.model_spec = types.SimpleNamespace()
            self.inputs = collections.defaultdict(tensor_pb2.TensorProto)

    class Stub:
        def __init__(self, channel):
            assert channel == "localhost:8500"

        def Predict(self, request, timeout):  # noqa: N802  (the API's name)
            assert request.model_spec.name == "bert"
            name = request.model_spec.signature_name
            names.append(name)
            values = {key: tf.make_ndarray(proto) for key, proto in request.inputs.items()}
            found = answer(served, name, values)
            protos = {key: tf.make_tensor_proto(value) for key, value in found.items()}
            return types.SimpleNamespace(outputs=protos)

    apis = types.SimpleNamespace(
        predict_pb2=types.SimpleNamespace(PredictRequest=Request),
        prediction_service_pb2_grpc=types.SimpleNamespace(PredictionServiceStub=Stub),
    )
    monkeypatch.setitem(sys.modules, "tensorflow_serving", types.ModuleType("tensorflow_serving"))
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis", apis)
    monkeypatch.setattr(grpc, "insecure_channel", lambda address: address)
    return names


def test_grpc_requests_fit_the_signatures(served, monkeypatch):
    asked = stand_in_for_the_server(served, monkeypatch)
    found = {}
    exec(EXAMPLE_PROGRAM + GRPC_PROGRAM, found)
    assert sorted(asked) == sorted(served)
    by_ids = found["ask"](
        "serving_default",
        **dict.fromkeys(("input_word_ids", "input_mask", "input_type_ids"), found["ids"]),
    )
    assert by_ids["pooled_output"].shape == (1, 32)


def test_the_docker_command_serves_the_exported_folder(bert_export):
    assert '-v "$PWD/exports/base/bert:/models/bert" tensorflow/serving:2.15.1' in PAGE
    assert (bert_export.folder / "bert" / "1" / "saved_model.pb").exists()
