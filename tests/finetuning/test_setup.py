"""What is said of the encoder before its fine-tunings begin."""

import pytest

from mslt_tf.conversion import encoders
from mslt_tf.finetuning.setup import Setup
from tests.conversion.trained_models import trained_model
from tests.finetuning import tiny_grid


@pytest.mark.parametrize(("max_seq_length", "num_notes"), [(16, 0), (17, 1)])
def test_positions_that_the_encoders_run_never_trained_are_noted(
    tiny_data, tmp_path, monkeypatch, max_seq_length, num_notes
):
    encoder = trained_model()
    assert encoder.longest_trained_sequence == 16
    monkeypatch.setattr(encoders, "read", lambda *_, **__: encoder)
    notes: list[str] = []
    given = {**tiny_data, "output_dir": tmp_path, "max_seq_length": max_seq_length}
    Setup(tiny_grid.settings(given), report=notes.append)
    assert len(notes) == num_notes
    for note in notes:
        assert "mrpc has sequences of up to 17 tokens" in note
        assert "trained on no more than 16" in note
        assert "--max_seq_length=16" in note
