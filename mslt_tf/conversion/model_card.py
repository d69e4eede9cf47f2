"""What a folder for others says of its model: `README.md`, as hubs of models show it."""

import json
import math
from collections.abc import Mapping
from typing import Any

from mslt_tf import json_values
from mslt_tf.conversion import names
from mslt_tf.modeling.trained_model import TrainedModel
from mslt_tf.records.record_identity import Identity
from mslt_tf.stage_plan import StagePlan, format_table

_NOT_RECORDED = "not recorded"
# Of a line of metrics.jsonl, with what it is called here, and in which unit.
_EVALUATED = (
    ("masked_lm_loss", "masked LM loss", "nats per masked token"),
    ("masked_lm_accuracy", "masked LM accuracy", "share of 1"),
    ("sentence_pair_loss", "sentence pair loss", "nats per sequence"),
    ("sentence_pair_accuracy", "sentence pair accuracy", "share of 1"),
)


def to_markdown(model: TrainedModel) -> str:
    """Returns the model card: what the model is, how it was trained, and on what."""
    plan = _plan(model)
    return f"""\
---
library_name: transformers
pipeline_tag: fill-mask
---

# {"ALBERT" if names.is_albert(model.config) else "BERT"} by mslt_tf

{model.config.summary()}.

```
{format_table(_figures(model, plan))}
```

Masked words and sentence pairs were learnt together. Of the two sentence logits, the first one is
for "the second segment follows the first".

## Plan

The weights are those of step {model.step:,}, in stage {model.stage} of this plan:

```
{plan.table() if plan else _NOT_RECORDED}
```

## Data

Records of pretraining examples, by their number of tokens:

```
{format_table(_data(model.identity))}
```
"""


def _figures(model: TrainedModel, plan: StagePlan | None) -> list[tuple[str, str]]:
    sizes = names.shapes(model.config).values()
    step = model.evaluation.get("step", 0)
    figures = [
        ("parameters", f"{sum(map(math.prod, sizes)):,}"),
        ("longest sequence", f"{model.config.max_position_embeddings:,} tokens"),
        ("letters", str(model.text_case)),
        ("step", f"{model.step:,}" + (f" of {plan.num_steps:,}" if plan else "")),
        ("objective", str(model.identity.get("objective", _NOT_RECORDED))),
        ("seed", str(model.identity.get("seed", _NOT_RECORDED))),
    ]
    figures += [
        (name, f"{model.evaluation[key]:.3f} ({unit}, held-out records, step {step:,})")
        for key, name, unit in _EVALUATED
        if key in model.evaluation
    ]
    for length in sorted({stage.seq_length for stage in plan.stages} if plan else ()):
        read = plan.sequences_before(model.step, seq_length=length) if plan else 0
        figures.append((f"read at {length} tokens", f"{read:,} sequences"))
    return figures


def _plan(model: TrainedModel) -> StagePlan | None:
    """Returns the plan of the run; None where the model came from elsewhere."""
    if "stages" not in model.identity:
        return None
    content = {"stages": model.identity["stages"], "block_unit": model.config.block_unit}
    return json_values.parse(StagePlan, json.loads(json.dumps(content)))


def _data(identity: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Returns which records were read, by what tells them from others."""
    found = identity.get("data")
    if not found:
        return [(_NOT_RECORDED,)]
    return [(length, _in_words(data)) for length, data in found.items()]


def _in_words(data: Any) -> str:
    """Returns an `Identity` in words; older checkpoints hold a fingerprint only."""
    if isinstance(data, str):
        return data
    return json_values.parse(Identity, json.loads(json.dumps(data))).in_words()
