"""Settings that are refused before any work."""

from collections.abc import Callable

import pytest

from mslt_tf.errors import UserError
from tfrecords_tools.settings import DatasetSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"input": ""},
        {"output_dir": ""},
        {"vocab_file": ""},
        {"heldout_fraction": 0.7},
        {"num_shards": 0},
        {"num_shards": 100_000},
    ],
)
def test_a_setting_out_of_range_is_refused_by_its_flag(
    make_settings: Callable[..., DatasetSettings], wrong: dict[str, object]
):
    with pytest.raises(UserError, match=f"--{next(iter(wrong))} is "):
        make_settings(**wrong)
