"""The process that fine-tunes as run_finetuning does, by the parts that it is made of."""

import pickle
import sys
import time
from pathlib import Path

from benchmarks.step_time import pipes
from mslt_tf import startup
from mslt_tf.finetuning import length_batches, updates
from mslt_tf.finetuning.sequences import Sequences
from mslt_tf.finetuning.setup import Setup
from mslt_tf.finetuning.trial_parts import TrialParts
from mslt_tf.finetuning_settings import FineTuningSettings, TrainingSettings

NUM_STEPS = 1_000_000  # more than are ever measured


def make_tasks(settings: FineTuningSettings) -> pipes.Tasks:
    """Returns what can be asked for.

    "train" trains whole batches of at least so many examples, and goes on where it stood; the
    seconds it tells are those of the examples that were asked for. "facts" are tokens of an
    example, without padding and with it.
    """
    setup = Setup(settings, report=lambda line: None)
    (trial,) = setup.trials()
    task, training = setup.task(trial.task), settings.training
    sequences = task.training_sequences()
    parts = TrialParts.build(setup.encoder, task.objective, training, seed=trial.seed)
    done = updates.updates(parts, task.objective, sequences, trial, training, num_steps=NUM_STEPS)

    def train(num_examples: int) -> dict[str, float]:
        start, num_done = time.perf_counter(), 0
        while num_done < num_examples:
            num_done += next(done).num_examples
        seconds = time.perf_counter() - start
        return {"seconds": seconds * num_examples / num_done}

    return {"train": train, "facts": lambda _: tokens_per_example(sequences, training, trial.seed)}


def tokens_per_example(
    sequences: Sequences, training: TrainingSettings, seed: int
) -> dict[str, float]:
    """Returns the means over an epoch, without padding and with it."""
    batches = updates.epoch_batches(sequences, training, seed, epoch=0)
    tokens = float(sequences.lengths.mean())
    padding = length_batches.padding_share(sequences, batches)
    return {"tokens": tokens, "padded": tokens / (1 - padding)}


if __name__ == "__main__":
    startup.prepare_tensorflow()
    content = Path(sys.argv[1]).read_bytes()
    pipes.serve(lambda: make_tasks(pickle.loads(content)))
