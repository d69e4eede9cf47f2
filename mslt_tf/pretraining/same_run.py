"""Whether a checkpoint belongs to the run that wants to go on from it."""

import json
from collections.abc import Mapping
from typing import Any

from mslt_tf.errors import UserError
from mslt_tf.records import record_identity
from mslt_tf.training.checkpointing import Checkpoint


def check(
    checkpoint: Checkpoint,
    identity: Mapping[str, Any],
    *,
    lengthen: bool,
    output_dir: str,
) -> list[str]:
    """Checks that a checkpoint belongs to the run that wants to go on from it.

    Args:
        checkpoint: the checkpoint found.
        identity: the run's; "data" is compared by content, as `record_identity` says.
        lengthen: allows more steps in stages that the checkpoint has not left behind.
        output_dir: for the message.

    Returns:
        Lines to be said, where the same records come in another order.

    Raises:
        UserError: names each difference.
    """
    old, new = dict(checkpoint.identity), json.loads(json.dumps(identity))
    of_data, notes = record_identity.compare(old.pop("data", {}), new.pop("data"))
    differences = differing_leaves(old, new)
    if lengthen:
        ended = _stages_ended(checkpoint)
        differences = {
            name: values
            for name, values in differences.items()
            if not _is_longer_stage(name, values, first_stage=ended)
        }
    listed = [f"{k}: {old} there, {new} now" for k, (old, new) in differences.items()] + of_data
    if listed:
        more = " (To give it more steps, use --lengthen with --stage_steps, and change only stages "
        more += "that it has not left behind; a long stage has --long_seq_fraction of all steps.)"
        differs_in_plan = any(name.startswith("stages") for name in differences)
        raise UserError(
            f"{output_dir} holds a checkpoint of another run ({'; '.join(listed)}). Give another "
            f"--output_dir, or the flags and records of that run.{more if differs_in_plan else ''}"
        )
    return notes


def _is_longer_stage(name: str, values: tuple[Any, Any], *, first_stage: int) -> bool:
    """Returns whether a difference is just more steps in stage `first_stage` or a later one."""
    part, _, rest = name.partition(".")
    index, _, field = rest.partition(".")
    longer = part == "stages" and field == "num_steps" and values[1] >= values[0]
    return longer and int(index) >= first_stage


def _stages_ended(checkpoint: Checkpoint) -> int:
    """Returns how many stages a checkpoint has left behind; the one it holds may still go on."""
    end, ended = 0, 0
    for stage in checkpoint.identity["stages"]:
        end += stage["num_steps"]
        ended += end < checkpoint.step
    return ended


def differing_leaves(old: Any, new: Any, name: str = "") -> dict[str, tuple[Any, Any]]:
    """Returns the leaves in which two JSON values differ, by dotted path."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        keys = sorted(old.keys() | new.keys())
        pairs = [(key, old.get(key), new.get(key)) for key in keys]
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        pairs = [(str(index), *values) for index, values in enumerate(zip(old, new, strict=True))]
    else:
        return {} if old == new else {name: (old, new)}
    found: dict[str, tuple[Any, Any]] = {}
    for key, old_part, new_part in pairs:
        found |= differing_leaves(old_part, new_part, f"{name}.{key}" if name else key)
    return found
