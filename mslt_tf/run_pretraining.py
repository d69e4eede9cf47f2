r"""Pretrains BERT or ALBERT by multi-stage layerwise training.

  python -m mslt_tf.run_pretraining --flagfile=configs/base.flags \
      --train_records='data/train-*.tfrecord' --eval_records='data/heldout-*.tfrecord' \
      --vocab_file=data/vocab.txt --output_dir=runs/base

--dry_run prints the plan and what it costs, and needs neither data nor TensorFlow. A run that was
interrupted goes on from its newest checkpoint when the same command is given again.
"""

import sys

from absl import flags

from mslt_tf import cost_model, pretraining_flags, startup


def main() -> int:
    """Prints the plan, then trains it unless `--dry_run`."""
    config = pretraining_flags.config_from_flags(flags.FLAGS)
    sys.stdout.write(
        f"{config.model.summary()}\n\n{config.plan.table()}\n\n"
        f"{cost_model.table(config.model, config.plan, transport=config.gradient_transport)}\n\n"
    )
    sys.stdout.flush()
    if flags.FLAGS.dry_run:
        return 0
    # TensorFlow takes seconds to import; a dry run has no need of it.
    from mslt_tf.pretraining import training

    return training.check(config) if flags.FLAGS.check_cluster else training.pretrain(config)


if __name__ == "__main__":
    startup.run(main, define_flags=pretraining_flags.define_flags, description=__doc__ or "")
