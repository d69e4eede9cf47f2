"""What trials are made of: the encoder, the tasks with their data, what decides each result."""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from typing import Any

from mslt_tf.conversion import encoders, own_runs
from mslt_tf.errors import UserError
from mslt_tf.finetuning import tasks
from mslt_tf.finetuning.squad import squad_splits
from mslt_tf.finetuning.task import FineTuningTask
from mslt_tf.finetuning.trial import FURTHER, Trial
from mslt_tf.finetuning_settings import FineTuningSettings
from mslt_tf.modeling import trained_model
from mslt_tf.modeling.trained_model import TrainedModel


class Setup:
    """The encoder and the tasks, each read when it is first asked for.

    Its `settings` are those of the program, with RUN@STEP where `encoder` was a run's folder.
    """

    def __init__(self, settings: FineTuningSettings, *, report: Callable[[str], None]) -> None:
        """Reads the encoder.

        Args:
            settings: of the program.
            report: takes lines about what is passed over in encoder and data.

        Raises:
            UserError: the encoder cannot be read, see `encoders.read`; a task is not known or has
                longer sequences than the encoder has positions; or files of GLUE are not there.
        """
        self._report = report
        self.names = tasks.names_of(settings.task)
        self.encoder: TrainedModel = encoders.read(
            settings.encoder,
            vocab_file=settings.vocab_file,
            text_case=settings.text_case,
            report=report,
        )
        # All trials begin from what was read just now, also in other processes and later on.
        path = own_runs.at_step(settings.encoder, self.encoder.step)
        self.settings = dataclasses.replace(settings, encoder=path)
        if path != settings.encoder:
            report(f"encoder: the newest checkpoint of {settings.encoder}, {path}")
        for name in self.names:
            self._check_length(name)
            if name in squad_splits.VERSIONS:
                self._note_missing_overlap(name)
        tasks.check_files(self.names, settings)
        self._tasks: dict[str, FineTuningTask] = {}

    def task(self, name: str) -> FineTuningTask:
        """Returns a task with its data.

        Raises:
            UserError: the data is not as it must be, see `tasks.read`.
        """
        if name not in self._tasks:
            self._tasks[name] = tasks.read(name, self.settings, self.encoder, report=self._report)
        return self._tasks[name]

    def trials(self) -> list[Trial]:
        """Returns the whole grid: all seeds of a rate, all rates of a task, task after task."""
        return [
            Trial(name, rate, seed)
            for name in self.names
            for rate in self.settings.learning_rates
            for seed in self.settings.seeds
        ]

    def identity(self, trial: Trial) -> Mapping[str, Any]:
        """Returns what decides a trial's result, as JSON values.

        Raises:
            UserError: see `task`.
        """
        task, training = self.task(trial.task), self.settings.training
        return {
            **dataclasses.asdict(trial),
            **dataclasses.asdict(training),
            "num_epochs": training.num_epochs or task.num_epochs,
            **task.identity(),
            "model": dataclasses.asdict(self.encoder.config),
            "encoder": self.encoder_fingerprint,
            "data": task.fingerprint,
            FURTHER: dict(task.further_fingerprints),
        }

    @functools.cached_property
    def encoder_fingerprint(self) -> str:
        """Tells the encoder from others: of its weights, its vocabulary and what letters become."""
        encoder = self.encoder
        known = (encoder.config, encoder.vocabulary, encoder.weights)
        return f"{trained_model.fingerprint(*known)} {encoder.text_case}"

    def _check_length(self, name: str) -> None:
        is_squad = name in squad_splits.VERSIONS
        windows, longest = self.settings.squad.windows, self.encoder.config.max_position_embeddings
        length = windows.max_seq_length if is_squad else self.settings.glue_max_length
        if length > longest:
            raise UserError(
                f"--max_seq_length is {length} for {name}, and the encoder has {longest} "
                f"positions. Give at most --max_seq_length={longest}."
            )
        trained = self.encoder.longest_trained_sequence
        if trained is not None and length > trained:
            self._report(
                f"note: {name} has sequences of up to {length} tokens, and the encoder's run "
                f"trained on no more than {trained}. Unless it began with a model that had, "
                f"positions from {trained} on are as random as at its start. Pretrain the last "
                "steps on longer sequences (--long_seq_length), or give "
                f"--max_seq_length={trained}."
            )

    def _note_missing_overlap(self, name: str) -> None:
        windows = self.settings.squad.windows
        if windows.doc_stride >= windows.least_context:
            self._report(
                f"note: {name}: beside a question of {windows.max_query_length} tokens a window "
                f"of --max_seq_length={windows.max_seq_length} has {windows.least_context} tokens "
                f"of the context, and --doc_stride={windows.doc_stride} is not below that. So "
                "windows do not overlap, and an answer across their border is not found. Give a "
                "smaller --doc_stride."
            )
