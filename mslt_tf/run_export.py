r"""Exports a checkpoint of any stage: for TF Hub, TensorFlow Serving, Hugging Face, Google's code.

  python -m mslt_tf.run_export --checkpoint=runs/base --output_dir=exports/base
  python -m mslt_tf.run_export --checkpoint=runs/base@400000 --format=huggingface \
      --output_dir=exports/base_huggingface

Needs no GPU. The run may go on meanwhile.
"""

import functools
import os
import time
from collections.abc import Callable
from typing import NamedTuple

from absl import flags

from mslt_tf import flag_fields, startup
from mslt_tf.errors import UserError
from mslt_tf.export_settings import ExportSettings
from mslt_tf.terminal import say

KIND = "export"  # as the folder's mark calls it


class Writer(NamedTuple):
    """What writes a format."""

    write: Callable[..., None]  # takes a TrainedModel, and a folder that is not there yet
    owns: Callable[[str], bool]  # tells which files it may write


def define_flags(flag_values: flags.FlagValues) -> None:
    """Defines the flags of this program."""
    groups = {"Flags": flag_fields.flag_names(ExportSettings)}
    flag_fields.define_flags(groups, [ExportSettings], flag_values)


def main() -> None:
    """Exports what the command line asks for."""
    settings = ExportSettings(**flag_fields.values_of(ExportSettings, flags.FLAGS))
    # It needs no GPU, and TensorFlow would take all memory of one from a training run.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    begin = time.monotonic()
    _export(settings)
    say(f"done in {time.monotonic() - begin:,.1f} s: {settings.output_dir}")


def _export(settings: ExportSettings) -> None:
    # TensorFlow takes seconds to import; wrong flags are told before.
    from mslt_tf.conversion import own_runs
    from mslt_tf.files import published_folder

    path = settings.output_dir.rstrip("/") or "/"
    writer = _writer(settings)
    _check_free(path)
    published_folder.check_place(path, KIND, writer.owns)
    model = own_runs.read(
        settings.checkpoint,
        vocab_file=settings.vocab_file,
        text_case=settings.text_case,
        report=say,
    )
    say(f"step {model.step:,}, stage {model.stage}: {model.config.summary()}")
    if model.vocabulary is None and settings.format != "saved_model":  # which says so itself
        say("no vocabulary is known: the export has no tokenizer")
    published_folder.publish(
        path,
        KIND,
        lambda folder: writer.write(model, folder),
        owns=writer.owns,
        facts={"step": model.step, "identity": dict(model.identity)},
        advice="Mend that and export again.",
    )


def _writer(settings: ExportSettings) -> Writer:
    """Returns what writes the format."""
    if settings.format == "huggingface":
        from mslt_tf.conversion import huggingface

        return Writer(huggingface.write, huggingface.owns)
    if settings.format == "google_tf1":
        from mslt_tf.conversion import google_tf1

        write = functools.partial(google_tf1.write, report=say)
        return Writer(write, google_tf1.owns)
    from mslt_tf.export import saved_models

    write = functools.partial(saved_models.write, model_name=settings.model_name, report=say)
    return Writer(write, saved_models.owns)


def _check_free(path: str) -> None:
    """Checks that nothing is at `path`, and that something can be written there."""
    import tensorflow as tf

    from mslt_tf.files import file_errors, new_file, pattern_names

    pattern_names.check(path, what="--output_dir")
    advice = "Give another --output_dir."
    with file_errors.naming(f"--output_dir {path} cannot be written to", advice):
        if os.path.lexists(path) or tf.io.gfile.exists(path):
            raise UserError(f"--output_dir {path} is there already. {advice[:-1]}, or remove it.")
        new_file.make_parent(path)


if __name__ == "__main__":
    startup.run(main, define_flags=define_flags, description=__doc__ or "")
