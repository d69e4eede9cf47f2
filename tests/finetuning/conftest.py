"""Tiny data and a tiny encoder, made once."""

import pytest


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The flags of tiny GLUE files and of an encoder; nothing may be written there."""
    from tests.finetuning import tiny_grid  # many tests need no TensorFlow

    folder = tmp_path_factory.mktemp("tiny_data")
    return {
        "glue_dir": tiny_grid.write_glue(folder / "glue"),
        "encoder": tiny_grid.write_encoder(folder / "encoder"),
    }
