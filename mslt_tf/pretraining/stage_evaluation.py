"""When a stage is evaluated, and what becomes of the result."""

from collections.abc import Callable

import tensorflow as tf

from mslt_tf.pretraining import evaluation, stage_input
from mslt_tf.pretraining.run_setup import Run
from mslt_tf.stage_plan import StageSpan
from mslt_tf.training.interruption import Interruption


def make_evaluate_if_due(
    run: Run, span: StageSpan, model: tf.keras.Model, interruption: Interruption
) -> Callable[[int], None]:
    """Returns a function that evaluates at the stage's end and every `eval_steps` steps, once.

    It takes the global step; all workers must call it.
    """
    records = run.records.held_out.get(span.stage.seq_length)
    if records is None:
        return lambda step: None
    evaluate = evaluation.make_evaluate(
        run.workers,
        model,
        records,
        batch_size=run.config.eval_batch_size,
        vocab_size=run.config.model.vocab_size,
    )

    def evaluate_if_due(step: int) -> None:
        is_due = step == span.end or (run.config.eval_steps and step % run.config.eval_steps == 0)
        # The chief knows what was done: it holds the metrics.
        if not is_due or run.workers.of_chief(run.log.has_evaluation(step)):
            return
        with stage_input.naming_damage(records, lambda: range(len(records.blocks))):
            values = evaluate(lambda: bool(interruption.agree()))
        if values is not None:  # else interrupted: done when the run goes on
            run.log.evaluation(stage=span.stage.name, step=step, values=values)

    return evaluate_if_due
