"""`bert_config.json` and `albert_config.json`, as google-research/bert and /albert read them.

Two of our settings have no word there:

* The form of GELU. "gelu" was the erf form in BERT's code until February 2019, and is the tanh
  form since then, and in ALBERT's. We write "gelu" for both, and add a key `gelu_form`, which
  their code passes over. So their code computes one of the two a little otherwise: logits of a
  published model with 6 layers differed by up to 0.02.
* The epsilon of LayerNorm, which their code fixes. A model with another one is refused.
"""

import json
from collections.abc import Mapping
from typing import Any

from mslt_tf import json_values
from mslt_tf.conversion import names
from mslt_tf.errors import UserError
from mslt_tf.model_config import ModelConfig

_LAYER_NORM_EPS = 1e-12  # tf.contrib's, which has no other
_GELU_FORMS = {"gelu": "erf", "gelu_new": "tanh"}  # hidden_act -> gelu_form
_SIZES = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads"),
    *("intermediate_size", "max_position_embeddings", "type_vocab_size"),
)
_ALBERT_SIZES = ("embedding_size", "num_hidden_groups")
_TRAINING = ("hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range")
# What their ALBERT can do, and ours cannot: its values where it does not.
_ALBERT_EXTRAS = {"inner_group_num": 1, "down_scale_factor": 1, "net_structure_type": 0}


def to_json(config: ModelConfig) -> str:
    """Returns the content of the file.

    Raises:
        UserError: their code cannot compute such a model.
    """
    if config.layer_norm_eps != _LAYER_NORM_EPS:
        raise UserError(
            f"layer_norm_eps is {config.layer_norm_eps:g}; Google's code computes with "
            f"{_LAYER_NORM_EPS:g} and its format has no word for another. Use another --format."
        )
    stray = _stray_layer(config)
    if stray is not None:
        raise UserError(
            f"Google's code would give layer {stray} of this model the weights of group "
            f"{stray // config.layers_per_block - 1}: with {config.num_hidden_layers} layers in "
            f"{config.num_blocks} groups its division rounds down. Use another --format."
        )
    content = {name: getattr(config, name) for name in (*_SIZES, *_TRAINING)}
    content |= {"hidden_act": "gelu", "gelu_form": _GELU_FORMS[config.hidden_act]}
    if names.is_albert(config):
        content |= {
            "embedding_size": config.embedding_width,
            "num_hidden_groups": config.num_blocks,
            **_ALBERT_EXTRAS,
        }
    return json.dumps(content, indent=2, sort_keys=True) + "\n"


def parse(content: bytes, *, path: str, is_albert: bool) -> tuple[ModelConfig, bool]:
    """Returns what the file says, and whether it says which form of GELU is meant.

    Where it does not, it is taken as their code of today takes it. Keys of others are passed over.

    Raises:
        UserError: it is damaged, lacks a size, or is of a model that is not ours.
    """
    sizes = _SIZES + (_ALBERT_SIZES if is_albert else ())
    try:
        found = json_values.parse(Mapping[str, Any], json_values.loads(content))
        missing = [name for name in sizes if name not in found]
        if missing:
            raise json_values.JsonValueError(f"{missing[0]} is missing")
        known = {name: found[name] for name in (*sizes, *_TRAINING) if name in found}
        config = json_values.parse(ModelConfig, {**known, "hidden_act": _hidden_act(found)})
        if is_albert:
            _check_albert(found, config)
    except (json_values.JsonValueError, UserError) as error:
        raise UserError(
            f"{path} does not describe a model of ours: {str(error).rstrip('.')}. Give the "
            "configuration that belongs to the checkpoint."
        ) from error
    return config, found.get("hidden_act") == "gelu_new" or "gelu_form" in found


def _hidden_act(found: Mapping[str, Any]) -> str:
    name, form = found.get("hidden_act", "gelu"), found.get("gelu_form", "tanh")
    forms = {form: ours for ours, form in _GELU_FORMS.items()}
    if name not in ("gelu", "gelu_new") or form not in list(forms):
        raise json_values.JsonValueError(
            f"hidden_act is {str(name)[:40]!r} and gelu_form {str(form)[:40]!r}, which must be "
            "gelu, and erf or tanh"
        )
    return "gelu_new" if name == "gelu_new" else forms[form]


def _check_albert(found: Mapping[str, Any], config: ModelConfig) -> None:
    for name, value in _ALBERT_EXTRAS.items():
        if found.get(name, value) != value:
            raise json_values.JsonValueError(f"{name} is {str(found[name])[:40]}, not {value}")
    if _stray_layer(config) is not None:
        raise json_values.JsonValueError(
            f"{config.num_hidden_layers} layers in {config.num_blocks} groups get uneven groups "
            "from Google's code"
        )


def _stray_layer(config: ModelConfig) -> int | None:
    """Returns the first layer that their code takes into another group than ours, None for none.

    Theirs finds the group of a layer in floating point and cuts off what is behind the point, so
    that layer 15 of 22 in 22 groups gets the weights of group 14.
    """
    num_layers = config.num_hidden_layers if names.is_albert(config) else 0
    for layer in range(num_layers):
        if int(layer / num_layers * config.num_blocks) != layer // config.layers_per_block:
            return layer
    return None
