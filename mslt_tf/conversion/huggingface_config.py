"""The configuration of a model in transformers: `config.json` of BertConfig and AlbertConfig."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from mslt_tf import json_values
from mslt_tf.conversion import names
from mslt_tf.errors import UserError
from mslt_tf.model_config import ModelConfig

# What transformers calls the two forms of GELU that the model has.
_ACTIVATIONS: Final = {
    **dict.fromkeys(("gelu", "gelu_python"), "gelu"),
    **dict.fromkeys(("gelu_new", "gelu_pytorch_tanh", "gelu_fast", "gelu_accurate"), "gelu_new"),
}
# What the model has in one way only. Absent or null means this, too.
_ONLY: Final[dict[str, Any]] = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "pruned_heads": {},
    "inner_group_num": 1,
}
# Of what a file leaves out; those of BertConfig are the defaults of ModelConfig.
_ALBERT_DEFAULTS: Final[dict[str, Any]] = {
    "vocab_size": 30_000,
    "embedding_size": 128,
    "hidden_size": 4_096,
    "num_hidden_groups": 1,
    "num_attention_heads": 64,
    "intermediate_size": 16_384,
    "hidden_act": "gelu_new",
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
_ALBERT_ONLY: Final = ("embedding_size", "num_hidden_groups")


def to_json(config: ModelConfig, vocabulary: Sequence[str] | None) -> str:
    """Returns the content of `config.json`; `vocabulary` is None where it is not known."""
    is_albert = names.is_albert(config)
    content = {
        "architectures": ["AlbertForPreTraining" if is_albert else "BertForPreTraining"],
        "model_type": "albert" if is_albert else "bert",
        **dataclasses.asdict(config),
        "pad_token_id": vocabulary.index("[PAD]") if vocabulary else 0,
        "position_embedding_type": "absolute",
    }
    if is_albert:
        content |= {
            "embedding_size": config.embedding_width,
            "num_hidden_groups": config.num_blocks,
            "inner_group_num": 1,
            # Those of AlbertConfig are the ids of its own vocabulary.
            "bos_token_id": vocabulary.index("[CLS]") if vocabulary else None,
            "eos_token_id": vocabulary.index("[SEP]") if vocabulary else None,
        }
    else:
        for name in _ALBERT_ONLY:
            del content[name]
    return json.dumps(content, indent=2) + "\n"


def parse(text: bytes, *, path: str) -> ModelConfig:
    """Returns the configuration that a `config.json` describes.

    Args:
        text: of the file.
        path: for messages.

    Raises:
        UserError: it is not one, or of a model that this program has not; it is said what differs.
    """
    try:
        content = json_values.parse(Mapping[str, Any], json_values.loads(text))
        sizes = _sizes(content, path)
        return json_values.parse(ModelConfig, sizes)
    except json_values.JsonValueError as error:
        raise UserError(
            f"{path} is not as transformers writes it: {error}. Give the config.json that came "
            "with the weights."
        ) from error
    except UserError as error:
        raise error if path in str(error) else UserError(f"{path}: {error}") from error


def _sizes(content: Mapping[str, Any], path: str) -> dict[str, Any]:
    model_type = content.get("model_type")
    if model_type not in ("bert", "albert"):
        raise UserError(
            f"{path} has model_type {model_type!r}; only 'bert' and 'albert' are read. Give one of "
            "these."
        )
    for name, value in _ONLY.items():
        found = content.get(name)
        if found is not None and found != value:
            raise UserError(
                f"{path} has {name} {found!r}, which the model of this program cannot express. "
                f"Give a model with {value!r}."
            )
    sizes = {} if model_type == "bert" else dict(_ALBERT_DEFAULTS)
    for field in dataclasses.fields(ModelConfig):
        is_other_kind = model_type == "bert" and field.name in _ALBERT_ONLY
        if content.get(field.name) is not None and not is_other_kind:
            sizes[field.name] = content[field.name]
    return sizes | {"hidden_act": _activation(sizes.get("hidden_act", "gelu"), path)}


def _activation(name: Any, path: str) -> str:
    if not isinstance(name, str) or name not in _ACTIVATIONS:
        raise UserError(
            f"{path} has hidden_act {name!r}, which the model of this program cannot express. Give "
            f"a model with one of {', '.join(_ACTIVATIONS)}."
        )
    return _ACTIVATIONS[name]
