"""What several tests of pretraining ask for."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="module")
def quick_export() -> Iterator[None]:
    """Lets runs write what stands for an export, see `quick_runs.write_export`."""
    # Most tests need no part of them.
    from mslt_tf.export import saved_models
    from tests.pretraining import quick_runs

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(saved_models, "write", quick_runs.write_export)
        yield
