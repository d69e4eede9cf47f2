"""The page about an export that programs read: what it is of, and what it answers to."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_text
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2, saved_model_pb2

from mslt_tf.export import allowed_ops
from mslt_tf.modeling.trained_model import TrainedModel

FILE = "export_manifest.json"


def describe(
    graphs: Mapping[str, saved_model_pb2.SavedModel], facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the manifest.

    Args:
        graphs: the SavedModels by their folders within the export.
        facts: JSON values on the model.
    """
    return {
        "versions": {"tensorflow": tf.__version__, "tensorflow_text": tensorflow_text.__version__},
        "oldest_server": allowed_ops.OLDEST_SERVER,
        "saved_models": {folder: _describe_graph(saved) for folder, saved in graphs.items()},
        **facts,
    }


def model_facts(trained: TrainedModel) -> dict[str, Any]:
    """Returns what there is to know of a model before it is used."""
    return {
        "model": trained.config.to_bert_config(),
        "text_case": dataclasses.asdict(trained.text_case),
        "has_vocabulary": trained.vocabulary is not None,
    }


def pretraining_facts(trained: TrainedModel) -> dict[str, Any]:
    """Returns where a model comes from."""
    return {
        "step": trained.step,
        "stage": trained.stage,
        "plan": trained.identity.get("stages"),
        "data": trained.identity.get("data"),
        "seed": trained.identity.get("seed"),
    }


def _describe_graph(saved: saved_model_pb2.SavedModel) -> dict[str, Any]:
    (graph,) = saved.meta_graphs
    return {
        "signatures": {
            name: {"inputs": _describe(found.inputs), "outputs": _describe(found.outputs)}
            for name, found in sorted(graph.signature_def.items())
            if not name.startswith("__")  # TensorFlow's own, such as "__saved_model_init_op"
        },
        "text_ops": sorted(allowed_ops.TEXT_OPS & allowed_ops.ops_of(saved)),
    }


def _describe(tensors: Mapping[str, meta_graph_pb2.TensorInfo]) -> dict[str, Any]:
    """Returns the types and shapes of tensors by name; a free size is None."""
    return {
        name: {
            "dtype": types_pb2.DataType.Name(info.dtype).removeprefix("DT_").lower(),
            "shape": [None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim],
        }
        for name, info in sorted(tensors.items())
    }
