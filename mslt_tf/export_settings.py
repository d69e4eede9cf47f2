"""The settings of `mslt_tf.run_export`: what is exported, as what, and where to."""

import dataclasses
import re
from typing import Literal

from mslt_tf.errors import UserError
from mslt_tf.flag_fields import flag_field
from mslt_tf.path_flags import FilePath
from mslt_tf.text_case import TextCase

Format = Literal["saved_model", "huggingface", "google_tf1"]
DEFAULT_NAME = "bert"

# What TensorFlow Serving takes in the path of a request; no name of the folders beside it.
_MODEL_NAME = re.compile(r"(?!(encoder|preprocessor)\Z)[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


@dataclasses.dataclass(frozen=True)
class ExportSettings:
    """Everything that the program is told."""

    checkpoint: FilePath = flag_field(
        "",
        "What to export: the folder of a run (its newest checkpoint), RUN@STEP, or "
        "RUN/checkpoints/step-N. Any stage will do: six layers of twelve are a model.",
    )
    format: Format = flag_field(
        "saved_model",
        "saved_model: encoder and preprocessor for TF Hub, and a folder for TensorFlow Serving. "
        "huggingface: a folder for transformers. google_tf1: bert_model.ckpt with the names of "
        "google-research/bert (or albert).",
    )
    output_dir: FilePath = flag_field("", "The folder to write; it must not be there yet.")
    vocab_file: FilePath = flag_field(
        "", "The WordPiece vocabulary. Empty: the one that the run was given."
    )
    do_lower_case: bool | None = flag_field(
        None, "Whether the vocabulary is uncased. Not told: what the run was told."
    )
    strip_accents: bool | None = flag_field(
        None,
        "Whether accents are taken off. Only with do_lower_case, whose value it has if not told.",
    )
    model_name: str = flag_field(
        DEFAULT_NAME,
        "Of saved_model: the name of the model in TensorFlow Serving, and of its folder.",
    )

    def __post_init__(self) -> None:
        if not self.checkpoint:
            raise UserError("--checkpoint is not set. Name a run's folder, or one checkpoint.")
        if not self.output_dir:
            raise UserError("--output_dir is not set. Name the folder to write.")
        if self.do_lower_case is None and self.strip_accents is not None:
            raise UserError("--strip_accents is set without --do_lower_case. Give both.")
        if self.model_name != DEFAULT_NAME and self.format != "saved_model":
            raise UserError(f"--model_name has no meaning in --format={self.format}. Leave it out.")
        if not _MODEL_NAME.fullmatch(self.model_name):
            raise UserError(
                f"--model_name is {self.model_name!r}. Use letters, digits, _ and -, and not "
                "encoder or preprocessor, which lie beside it."
            )

    @property
    def text_case(self) -> TextCase | None:
        """What is done to letters; None for what the run was told."""
        if self.do_lower_case is None:
            return None
        return TextCase.of(self.do_lower_case, self.strip_accents)
