"""The model of one stage: built anew, frozen below, started from the stage before it."""

import tensorflow as tf

from mslt_tf.config import PretrainingConfig
from mslt_tf.errors import UserError
from mslt_tf.modeling import bert, weights
from mslt_tf.modeling.forms import Forms
from mslt_tf.modeling.weights import Weights
from mslt_tf.stage_plan import Stage


def build(
    config: PretrainingConfig, stage: Stage, *, forms: Forms = Forms.DEFINITIONS
) -> tf.keras.Model:
    """Returns the model of `stage` with initial weights, its lower blocks frozen.

    While blocks are frozen the embeddings are frozen too, and with them the output matrix, which
    is the table of word embeddings. The last layer is computed where the losses read it.

    Args:
        config: of the run.
        stage: one of its plan.
        forms: how the model is computed in training.
    """
    is_same = config.trunk_precision == "same"
    trunk_policy = bert.COMPUTE_DTYPES[config.precision if is_same else config.trunk_precision]
    frozen = frozen_layers(stage)
    model = bert.build_bert(
        config.model,
        num_blocks=stage.num_blocks,
        compute_dtype=bert.COMPUTE_DTYPES[config.precision],
        other_dtypes=dict.fromkeys(frozen, trunk_policy),
        without_dropout=() if config.trunk_dropout else frozen,
        read_at=bert.ReadAt.CLS_AND_MASKED,
        forms=forms,
        initializer_seed=config.seed,
    )
    for name in frozen:
        model.get_layer(name).trainable = False
    return model


def frozen_layers(stage: Stage) -> list[str]:
    """Returns the names of the layers that do not train in `stage`, from the bottom up."""
    if stage.trains_embeddings:
        return []
    return [bert.EMBEDDINGS, *(bert.block_name(i) for i in range(stage.num_frozen_blocks))]


def source_layers(stage: Stage) -> dict[str, str | None]:
    """Returns for each layer of `stage` the layer of the stage before that it starts from.

    None means: keeps its initial weights. Without a stage before, all do.
    """
    sources: dict[str, str | None] = {name: name for name in (bert.EMBEDDINGS, *bert.HEADS)}
    for index, source in enumerate(stage.block_sources):
        sources[bert.block_name(index)] = None if source is None else bert.block_name(source)
    return sources


def grow(model: tf.keras.Model, before: Weights, stage: Stage) -> None:
    """Gives the layers of `stage`'s model the weights they start from.

    Raises:
        KeyError: a layer or variable has no counterpart in `before`.
    """
    for name, source in source_layers(stage).items():
        if source is not None:
            weights.assign(model.get_layer(name), before[source])


def check_depth(found: Weights, stage: Stage, *, path: str) -> None:
    """Checks that another run's weights have the depth of the first stage.

    Raises:
        UserError: they have not.
    """
    depth = sum(name not in (bert.EMBEDDINGS, *bert.HEADS) for name in found)
    if depth != stage.num_blocks:
        raise UserError(
            f"{path} has {depth} blocks (layers, or groups of ALBERT), stage {stage.name} begins "
            f"with {stage.num_blocks}. Give a model of that depth, or set --method, --num_stages "
            f"and --num_hidden_layers so that the first stage has {depth}."
        )
