"""Which operations an exported graph may have: those of TensorFlow Serving 2.15."""

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
    lacking = sorted(op for op in ops_of(saved) if not _is_served(op))
    if lacking:
        raise ValueError(f"{what} has operations that {OLDEST_SERVER} lacks: {', '.join(lacking)}")


def _is_served(op: str) -> bool:
    # raw_ops are those of TensorFlow itself, whatever else the process has loaded.
    return op in TEXT_OPS or (hasattr(tf.raw_ops, op) and op not in _PYTHON_OPS)
