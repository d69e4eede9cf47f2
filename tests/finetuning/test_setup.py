"""What is said of the encoder before its fine-tunings begin."""

import pytest

from mslt_tf.conversion import encoders
from mslt_tf.finetuning.setup import Setup
from tests.conversion.trained_models import trained_model
from tests.finetuning import tiny_grid
from tests.finetuning.squad import squad_texts


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


@pytest.mark.parametrize(("doc_stride", "num_notes"), [(7, 0), (8, 1)])
def test_windows_that_do_not_overlap_are_noted(
    tiny_data, tmp_path, monkeypatch, doc_stride, num_notes
):
    monkeypatch.setattr(encoders, "read", lambda *_, **__: trained_model())
    squad_texts.write(tmp_path / "train-v1.1.json", squad_texts.layout())
    squad_texts.write(tmp_path / "dev-v1.1.json", squad_texts.layout())
    notes: list[str] = []
    sizes = {"max_seq_length": 16, "max_query_length": 5, "doc_stride": doc_stride}
    given = {**tiny_data, "output_dir": tmp_path, "task": "squad_1.1", "squad_dir": tmp_path}
    Setup(tiny_grid.settings({**given, **sizes}), report=notes.append)
    assert len(notes) == num_notes
    for note in notes:
        assert "has 8 tokens of the context" in note
        assert "--doc_stride=8 is not below that. So windows do not overlap" in note
