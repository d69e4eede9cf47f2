"""When a stage is evaluated, and what becomes of the result."""

from collections.abc import Callable, Mapping

import tensorflow as tf

from mslt_tf.pretraining import evaluation, stage_input
from mslt_tf.pretraining.frozen_stage import FrozenStage, is_frozen_next, last_tenth_begin
from mslt_tf.pretraining.run import Run
from mslt_tf.stage_plan import StageSpan
from mslt_tf.training.interruption import Interruption


def make_evaluate_if_due(
    run: Run, span: StageSpan, model: tf.keras.Model, interruption: Interruption
) -> Callable[[int], None]:
    """Returns a function that evaluates once at the stage's end and every `eval_steps` steps.

    A stage that is going to be frozen is also evaluated before its last tenth, and judged at its
    end. The function takes the global step; all workers must call it.
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
        # The chief knows what was done: it holds the metrics.
        if not _is_due(run, span, step) or run.workers.of_chief(run.log.has_evaluation(step)):
            return
        with stage_input.naming_damage(records, lambda: range(len(records.blocks))):
            values = evaluate(lambda: bool(interruption.agree()))
        if values is not None:  # else interrupted: done when the run goes on
            _log(run, span, step, values)

    return evaluate_if_due


def _is_due(run: Run, span: StageSpan, step: int) -> bool:
    is_of_interval = run.config.eval_steps and step % run.config.eval_steps == 0
    return bool(is_of_interval) or step in (span.end, last_tenth_begin(run.plan, span))


def _log(run: Run, span: StageSpan, step: int, values: Mapping[str, float]) -> None:
    if step != span.end or not is_frozen_next(run.plan, span):
        run.log.evaluation(stage=span.stage.name, step=step, values=values)
        return
    entropy = values["unigram_entropy"]
    tenth = last_tenth_begin(run.plan, span)
    frozen = FrozenStage(
        span,
        masked_lm_loss=values["masked_lm_loss"],
        unigram_entropy=entropy,
        loss_before_last_tenth=run.log.held_out_loss(tenth, unigram_entropy=entropy),
        loss_of_stage_before=run.log.held_out_loss(span.first_step, unigram_entropy=entropy),
    )
    run.log.evaluation(stage=span.stage.name, step=step, values={**values, **frozen.values})
    for line in frozen.lines():
        run.log.line(line)
