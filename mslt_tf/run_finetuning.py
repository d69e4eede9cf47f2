r"""Fine-tunes a pretrained encoder on tasks of GLUE or on SQuAD, and scores it on their dev sets.

  python -m mslt_tf.run_finetuning --flagfile=configs/glue.flags --task=mrpc --glue_dir=glue_data \
      --encoder=runs/base --output_dir=runs/base_glue

trains a grid: each learning rate with each seed. The table of results, results.md in the output
folder, has the median of the seeds for the learning rate with the best median, as papers report it.
An interrupted grid goes on when the same command is given again.
"""

import os

from absl import flags

from mslt_tf import finetuning_flags, startup


def main() -> int:
    """Does what the command line asks for."""
    settings = finetuning_flags.settings_from_flags(flags.FLAGS)
    # Several trials, and the program that started them, share a GPU.
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    # TensorFlow takes seconds to import; wrong flags are told before.
    from mslt_tf.finetuning import finetuning, submission

    if settings.validate_submission:
        is_right = submission.check(settings.validate_submission, settings.glue_dir)
        return 0 if is_right else submission.WRONG_STATUS
    return finetuning.finetune(settings)


if __name__ == "__main__":
    startup.run(main, define_flags=finetuning_flags.define_flags, description=__doc__ or "")
