"""Weights that a run starts from: of our own runs or of published models, in any format."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from mslt_tf.conversion import formats, found_model
from mslt_tf.conversion.found_model import FoundModel
from mslt_tf.dataset_info import hash_vocabulary
from mslt_tf.errors import UserError
from mslt_tf.model_config import ModelConfig
from mslt_tf.modeling import bert, trained_model, weights

# How the weights were trained is free. Their depth is compared with that of a stage, elsewhere.
_FREE = (
    *("hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range"),
    *("num_hidden_layers", "num_hidden_groups"),
)


def read(path: str, *, report: Callable[[str], None]) -> FoundModel:
    """Returns the model at a path, in any of `formats.FORMS`.

    Args:
        path: of --init_checkpoint.
        report: takes lines about damaged checkpoints of our own that are passed over.

    Raises:
        UserError: it is none of them, or cannot be read.
    """
    return formats.read(path, flag="--init_checkpoint", report=report)


def fingerprint(found: FoundModel) -> str:
    """Returns a number that tells one model from others: of its weights and its vocabulary."""
    return trained_model.fingerprint(found.config, found.vocabulary, found.weights)


def check(found: FoundModel, model: ModelConfig, *, vocabulary: Sequence[str]) -> list[str]:
    """Checks that a model's weights fit a run's, at any depth.

    Args:
        found: from `read`.
        model: the run's.
        vocabulary: the run's tokens; empty if it was not told.

    Returns:
        Lines to be said: heads that begin new, tensors of no use, what was taken on trust.

    Raises:
        UserError: the embeddings or blocks are incomplete, the shapes or the activation differ,
            or the vocabulary does, or a weight is no number or far too large.
    """
    found_model.check_encoder(found)
    _check_shapes(found, model)
    _check_vocabulary(found, vocabulary)
    weights.check_values(found.weights, what=found.path)
    return _notes(found, model)


def _check_shapes(found: FoundModel, model: ModelConfig) -> None:
    there, now = _shape(found.config), _shape(model)
    differing = [name for name in there if there[name] != now[name] and name not in found.untold]
    if differing:
        listed = "; ".join(f"{name}: {there[name]} there, {now[name]} now" for name in differing)
        flags = " ".join(f"--{name}={there[name]}" for name in differing)
        raise UserError(f"{found.path} is of another model ({listed}). Set {flags}.")
    times = found.config.layers_per_block
    if times != model.layers_per_block:
        raise UserError(
            f"{found.path} applies the weights of a group {times} times in a row, this run "
            f"{model.layers_per_block} times. Set --num_hidden_layers to {times} times "
            "--num_hidden_groups."
        )


def _shape(config: ModelConfig) -> dict[str, Any]:
    """Returns what must be equal for weights to fit, by the names of flags."""
    values = {name: v for name, v in dataclasses.asdict(config).items() if name not in _FREE}
    # Embeddings of the full width are the same whether their size is told or not.
    values["embedding_size"] = config.embedding_size if config.projects_embeddings else 0
    return values


def _check_vocabulary(found: FoundModel, vocabulary: Sequence[str]) -> None:
    known = found.vocabulary_sha256
    if known and vocabulary and known != hash_vocabulary(vocabulary):
        raise UserError(
            f"{found.path} was trained with another vocabulary than --vocab_file (its hash "
            "differs). Give its own, and records that were made with it."
        )
    there, now = found.vocabulary or (), tuple(vocabulary)
    if not there or not now or there == now:
        return
    tokens = enumerate(zip(there, now, strict=False))
    lengths = f"it has {len(there):,} tokens there, {len(now):,} now"
    first = next(
        (f"token {i} is {a!r} there, {b!r} now" for i, (a, b) in tokens if a != b), lengths
    )
    raise UserError(
        f"{found.path} has another vocabulary than --vocab_file: {first}. Give its own, and "
        "records that were made with it."
    )


def _notes(found: FoundModel, model: ModelConfig) -> list[str]:
    notes = []
    if "hidden_act" in found.untold:
        notes.append(
            f"note: {found.path} does not tell which form of GELU it was trained with; "
            f"--hidden_act={model.hidden_act} is used. (BERT's code had gelu until February 2019, "
            "and has gelu_new since.)"
        )
    heads = [name for name in bert.HEADS if name not in found.weights]
    if heads:
        listed = ", ".join(heads)
        notes.append(f"note: {found.path} lacks heads, which get initial weights: {listed}")
    return notes + found_model.unused_notes(found)
