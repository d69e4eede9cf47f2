"""Which operations an exported graph may have: those of TensorFlow Serving 2.15."""

import functools

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

OLDEST_SERVER = "TensorFlow Serving 2.15"  # the oldest that has all of what `check` lets pass

# Of tensorflow-text 2.12.1, which TensorFlow Serving 2.12 to 2.19 holds. Its RoundRobinTrim and
# Utf8Binarize came later.
TEXT_OPS = frozenset(
    {
        "CaseFoldUTF8",
        "FastBertNormalize",
        "FastWordpieceTokenizeWithOffsets",
        "FindSourceOffsets",
        "NormalizeUTF8",
        "NormalizeUTF8WithOffsetsMap",
        "RegexSplitWithOffsets",
        "TFText>FastWordpieceDetokenize",
        "TFText>NgramsStringJoin",
        "TFText>WhitespaceTokenizeWithOffsetsV2",
        "UnicodeScriptTokenizeWithOffsets",
        "WhitespaceTokenizeWithOffsets",
        "WordpieceTokenizeWithOffsets",
    }
)
# They call back into the Python process that made them.
_PYTHON_OPS = frozenset({"EagerPyFunc", "PyFunc", "PyFuncStateless"})


@functools.cache
def allowed() -> frozenset[str]:
    """Returns the names of all operations that a graph may have."""
    # raw_ops are those of TensorFlow itself, whatever else the process has loaded.
    own = frozenset(name for name in dir(tf.raw_ops) if not name.startswith("_"))
    return TEXT_OPS | own - _PYTHON_OPS


def ops_of(saved: saved_model_pb2.SavedModel) -> set[str]:
    """Returns the names of all operations in a SavedModel, those in its functions included."""
    found = set()
    for graph in (meta_graph.graph_def for meta_graph in saved.meta_graphs):
        functions = graph.library.function
        nodes = [*graph.node, *(node for function in functions for node in function.node_def)]
        # A call may name a function as if it were an operation.
        found |= {node.op for node in nodes} - {function.signature.name for function in functions}
    return found


def check(saved: saved_model_pb2.SavedModel, *, what: str) -> None:
    """Checks that a server has all operations of a SavedModel.

    Args:
        saved: what is checked.
        what: it is, for the message.

    Raises:
        ValueError: the server lacks some; they are named. Users cannot mend that.
    """
    lacking = sorted(ops_of(saved) - allowed())
    if lacking:
        raise ValueError(f"{what} has operations that {OLDEST_SERVER} lacks: {', '.join(lacking)}")
