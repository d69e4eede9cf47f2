"""What the demo says at its end: what was learnt, where everything lies, what comes next."""

import json
from pathlib import Path

from mslt_tf.dataset_info import FILE_NAME, DatasetInfo
from mslt_tf.stage_plan import format_table

CLOSING_TEXT = """
The demo is done ({seconds:,.0f} s this time). On documents kept out of training, after each stage:

{table}

Loss is in nats per masked word piece. Always guessing by how frequent each piece is, without a look
at the sentence, has a loss of {entropy:.3f}; what lies below that was learnt from the context.
The words that it guessed above show what such a loss is worth. Model and text are tiny: this shows
that all parts work and that something is learnt, and not how good the method is.

What lies in {folder} (to remove it all: {removal}):
  vocab.txt          {vocab_size:,} word pieces; vocab_origin.json says of which text
  records/           pretraining records; to look into them:
                       {python} -m tfrecords_tools.inspect_data \\
                         --input_dir={folder}/records --vocab_file={folder}/vocab.txt
  run/metrics.jsonl  losses, speed and evaluations, one JSON object a line
  run/tensorboard/   the same as curves:
                       {python} -m tensorboard.main --logdir={folder}/run/tensorboard
  run/checkpoints/   the newest three
  run/export/        SavedModels; to use them from {python}:
                       import tensorflow as tf, tensorflow_text
                       preprocessor = tf.saved_model.load("{folder}/run/export/preprocessor")
                       encoder = tf.saved_model.load("{folder}/run/export/encoder")
                       encoder(preprocessor(tf.constant(["a text"])))["sequence_output"]

Next: your own text and a larger model. README.md has the commands, docs/data.md says how text must
look.
"""


def text(folder: Path, *, shown_as: str, seconds: float, removal: str, python: str) -> str:
    """Returns the closing text.

    Args:
        folder: the demo's.
        shown_as: how the folder is written.
        seconds: how long the demo took.
        removal: the command that removes what the demo made.
        python: how the interpreter is written.
    """
    evaluations = _read_evaluations(folder)
    rows = [("stage", "step", "masked LM loss", "accuracy", "sentence accuracy")]
    for entry in evaluations:
        names = ("masked_lm_loss", "masked_lm_accuracy", "sentence_pair_accuracy")
        values = [f"{entry[name]:.3f}" for name in names]
        rows.append((entry["stage"], f"{entry['step']:,}", *values))
    return CLOSING_TEXT.format(
        seconds=seconds,
        table=format_table(rows),
        entropy=evaluations[-1]["unigram_entropy"],
        folder=shown_as,
        removal=removal,
        vocab_size=read_info(folder).vocab_size,
        python=python,
    )


def read_info(folder: Path) -> DatasetInfo:
    """Returns what the demo's records say of themselves."""
    path = folder / "records" / FILE_NAME
    return DatasetInfo.from_json(path.read_text("utf-8"), path=str(path))


def _read_evaluations(folder: Path) -> list[dict]:
    """Returns the last evaluation of each stage."""
    lines = (folder / "run" / "metrics.jsonl").read_text("utf-8").splitlines()
    entries = [entry for entry in map(json.loads, lines) if entry["kind"] == "eval"]
    return list({entry["stage"]: entry for entry in entries}.values())
