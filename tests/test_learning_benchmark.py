"""The table of benchmarks/learning.py, from metrics written by hand."""

import json

from benchmarks import learning


def test_the_table_has_a_row_per_stage_with_its_last_evaluation_and_its_time(tmp_path):
    def train(stage, step, seconds, speed=None):
        entry = {"kind": "train", "stage": stage, "step": step, "seconds": seconds}
        return entry if speed is None else {**entry, "sequences_per_second": speed}

    def heldout(stage, step, loss):
        values = {"masked_lm_loss": loss, "unigram_entropy": 6.0, "masked_lm_accuracy": 0.25}
        return {
            "kind": "eval",
            "stage": stage,
            "step": step,
            "sentence_pair_accuracy": 0.5,
        } | values

    entries = [
        train("a", 2, 5.0),
        train("a", 4, 1.0, 10),
        heldout("a", 4, 5.5),
        train("a", 6, 1.0, 30),
        train("a", 8, 1.0, 20),
        heldout("a", 8, 5.25),
        train("b", 10, 2.0, 7),
        heldout("b", 10, 4.5),
    ]
    (tmp_path / "original").mkdir()
    (tmp_path / "original" / "metrics.jsonl").write_text(
        "".join(json.dumps(entry) + "\n" for entry in entries)
    )
    rows = [line.split() for line in learning.report(tmp_path, ["original"]).splitlines()[1:]]
    assert rows == [
        ["original", "a", "8", "5.250", "0.750", "0.250", "0.500", "20", "8"],
        ["original", "b", "10", "4.500", "1.500", "0.250", "0.500", "7", "2"],
    ]
