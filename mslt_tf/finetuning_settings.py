"""The settings of `mslt_tf.run_finetuning`: on what, from what and how is fine-tuned."""

import dataclasses
from typing import Annotated, Literal

from mslt_tf.bounds import Bounds, NonNegativeInt, PositiveInt, check_numbers
from mslt_tf.errors import UserError
from mslt_tf.flag_fields import flag_field
from mslt_tf.path_flags import FilePath
from mslt_tf.squad_settings import SquadSettings
from mslt_tf.text_case import STRIP_ACCENTS, TextCase

FineTuningPrecision = Literal["float32", "bfloat16"]

GLUE_MAX_LENGTH = 128
_MIN_LENGTH = 5  # [CLS], [SEP] twice, and a token of each of two texts

_Rate = Annotated[tuple[float, ...], Bounds(above=0, at_most=1)]
_Seed = Annotated[int, Bounds(at_least=0, at_most=2**31 - 1)]
_Fraction = Annotated[float, Bounds(at_least=0, below=1)]
_MaxLength = Annotated[
    int, Bounds(at_least=0, hint="0: 128 for GLUE and 384 for SQuAD, as the paper has it.")
]


@dataclasses.dataclass(frozen=True)
class TrainingSettings:
    """What decides the result of one fine-tuning, beside task, encoder, learning rate and seed."""

    num_epochs: NonNegativeInt = flag_field(
        0,
        "Times that the training examples are gone through. 0: 3; for STS-B and RTE 10, for "
        "SQuAD 2.",
    )
    train_batch_size: PositiveInt = flag_field(32, "Sequences of an update.")
    warmup_fraction: _Fraction = flag_field(
        0.1, "Share of the updates in which the learning rate rises; then it falls to 0."
    )
    weight_decay_rate: Annotated[float, Bounds(at_least=0, at_most=1)] = flag_field(
        0.01, "Weight decay of AdamW, of all weights but those of LayerNorm and biases."
    )
    precision: FineTuningPrecision = flag_field(
        "float32",
        "Type of the activations. bfloat16 is for recent GPUs and CPUs with AVX512_BF16. Weights, "
        "outputs and losses are always float32.",
    )
    from_scratch: bool = flag_field(
        False,
        "Start from random weights of the encoder's sizes: what pretraining is worth is the "
        "difference.",
    )

    def __post_init__(self) -> None:
        check_numbers(self, prefix="--")


@dataclasses.dataclass(frozen=True)
class FineTuningSettings:
    """Everything that the program is told."""

    training: TrainingSettings = dataclasses.field(default_factory=TrainingSettings)
    squad: SquadSettings = dataclasses.field(default_factory=SquadSettings)
    task: tuple[str, ...] = flag_field(
        (),
        "What to fine-tune on: cola, sst2, mrpc, stsb, qqp, mnli, qnli, rte, wnli, squad_1.1 or "
        "squad_2.0; several with commas, or all, which is all of GLUE. The diagnostic task ax is "
        "predicted by the model of mnli.",
    )
    encoder: FilePath = flag_field(
        "",
        "The model to start from: an export of this project, a run's folder, RUN@STEP, "
        "RUN/checkpoints/step-N, a Hugging Face folder with safetensors, or a checkpoint of "
        "Google's BERT or ALBERT code.",
    )
    output_dir: FilePath = flag_field(
        "",
        "The folder of the results, a folder for each task and each trial in it. The same command "
        "goes on where it was interrupted; more seeds, rates and tasks can be added.",
    )
    glue_dir: FilePath = flag_field(
        "", "GLUE as gluebenchmark.com hands it out: a folder with CoLA, SST-2, MRPC, ... in it."
    )
    squad_dir: FilePath = flag_field(
        "", "SQuAD's official files: train-v1.1.json and dev-v1.1.json, or those of v2.0."
    )
    tfds_data_dir: FilePath = flag_field(
        "",
        "Folder of tensorflow-datasets, which is the source where --glue_dir or --squad_dir is not "
        "given. It downloads into it what is not there.",
    )
    vocab_file: FilePath = flag_field(
        "", "The WordPiece vocabulary. Empty: the one that lies with the encoder."
    )
    do_lower_case: bool | None = flag_field(
        None, "Whether the vocabulary is uncased. Not told: what is known of the encoder."
    )
    strip_accents: bool | None = flag_field(None, STRIP_ACCENTS)
    learning_rates: _Rate = flag_field(
        (5e-5, 4e-5, 3e-5, 2e-5),
        "Peak learning rates to try. The one with the best median over the seeds is reported.",
    )
    num_seeds: PositiveInt = flag_field(5, "Trials of each learning rate.")
    seed: _Seed = flag_field(
        0, "The first seed. It decides the head's initial weights, the order and dropout."
    )
    max_seq_length: _MaxLength = flag_field(
        0,
        "Most tokens of a sequence. Longer texts of GLUE are cut; contexts of SQuAD are read in "
        "windows of this length. 0: 128 for GLUE and 384 for SQuAD.",
    )
    eval_batch_size: PositiveInt = flag_field(128, "Sequences that are scored at once.")
    num_parallel_runs: NonNegativeInt = flag_field(
        0, "Trials that train at the same time. 0: one for each GPU, else one for two cores."
    )
    checkpoint_steps: PositiveInt = flag_field(
        1_000, "Steps between checkpoints, from which an interrupted trial goes on."
    )
    log_steps: PositiveInt = flag_field(50, "Steps between points of the curves in TensorBoard.")
    submit: bool = flag_field(
        False,
        "Predict the test sets by the best trial of each task, and write submission.zip for "
        "gluebenchmark.com into the output folder.",
    )
    validate_submission: FilePath = flag_field(
        "",
        "Check this zip file as GLUE's server would, and against the test files in --glue_dir if "
        "that is given; nothing is trained.",
    )
    export: bool = flag_field(
        False,
        "Write the best trial of each task as a SavedModel: text in, labels or answers out.",
    )

    def __post_init__(self) -> None:
        check_numbers(self, prefix="--")
        if self.do_lower_case is None and self.strip_accents is not None:
            raise UserError("--strip_accents is set without --do_lower_case. Give both.")
        for name in ("learning_rates", "task"):
            _check_no_repetition(name, getattr(self, name))
        if 0 < self.max_seq_length < _MIN_LENGTH:
            raise UserError(
                f"--max_seq_length is {self.max_seq_length}. Use at least {_MIN_LENGTH}: [CLS], "
                "two [SEP] and a token of each of two texts."
            )
        if not self.validate_submission:
            _check_given(self, ("task", "encoder", "output_dir", "learning_rates"))
            _check_submission(self)
        elif self.submit:
            raise UserError(
                "--submit makes a submission, and --validate_submission checks one and does "
                "nothing else. Give one of them."
            )

    @property
    def seeds(self) -> range:
        """The seeds of each learning rate."""
        return range(self.seed, self.seed + self.num_seeds)

    @property
    def text_case(self) -> TextCase | None:
        """What is done to letters; None for what is known of the encoder."""
        if self.do_lower_case is None:
            return None
        return TextCase.of(self.do_lower_case, self.strip_accents)

    @property
    def glue_max_length(self) -> int:
        """Most tokens of a sequence of GLUE."""
        return self.max_seq_length or GLUE_MAX_LENGTH


def is_of_squad(task: str) -> bool:
    """Returns whether a word of --task, in any case, names a version of SQuAD."""
    return task.lower().startswith("squad")


def _check_submission(settings: FineTuningSettings) -> None:
    """Checks that there is something to submit."""
    if settings.submit and all(map(is_of_squad, settings.task)):
        raise UserError(
            f"--submit predicts GLUE's test sets, and --task is {','.join(settings.task)}. Leave "
            "--submit out, or name tasks of GLUE."
        )


def _check_no_repetition(name: str, values: tuple[object, ...]) -> None:
    for index, value in enumerate(values):
        if value in values[:index]:
            raise UserError(f"--{name} names {value} twice. Give each once.")


def _check_given(settings: FineTuningSettings, names: tuple[str, ...]) -> None:
    for name in names:
        if not getattr(settings, name):
            raise UserError(f"--{name} is not set. See --help.")
