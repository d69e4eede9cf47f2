"""A stage's variables do not outlive it: the next one needs the device's memory for itself."""

import weakref

import pytest

from mslt_tf.pretraining import training
from mslt_tf.pretraining.stage_parts import StageParts
from tests import tiny

pytestmark = pytest.mark.usefixtures("quick_export")


@pytest.mark.multi_device
@pytest.mark.parametrize("distribution_strategy", ["one_device", "mirrored"])
def test_nothing_of_a_stage_is_left_when_the_next_is_built(
    tmp_path, monkeypatch, distribution_strategy
):
    build, kept, counts = StageParts.build, [], []

    def noting(*arguments):
        counts.append((len(kept), sum(reference() is not None for reference in kept)))
        parts = build(*arguments)
        variables = [*parts.model.variables, *parts.optimizer.variables()]
        replicas = [replica for v in variables for replica in getattr(v, "values", [v])]
        kept.extend(map(weakref.ref, replicas))
        return parts

    monkeypatch.setattr(StageParts, "build", noting)
    flags = {"num_hidden_layers": 2, "num_stages": 2, "num_train_steps": 6, "xla": "auto"}
    data = {"train_records": tiny.write_random_shards(tmp_path / "data")}
    config = tiny.config(
        **data, **flags, distribution_strategy=distribution_strategy, output_dir=tmp_path / "run"
    )
    assert training.pretrain(config) == 0
    begun, alive = zip(*counts, strict=True)
    assert begun[0] == 0 < begun[1] < begun[2]
    assert alive == (0, 0, 0)
