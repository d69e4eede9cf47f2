"""Runs a Beam pipeline: its options, quiet where all goes well, and errors that people can read."""

import contextlib
import io
import logging
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions, TypeOptions

from mslt_tf.errors import UserError

# How a UserError stands in the traceback that a runner passes on; Beam names the step behind it.
_USER_ERROR = re.compile(r"UserError: (.+?)(?: \[while running|\\n|\n|$)")
_ON_THIS_MACHINE = (None, "DirectRunner")  # names of runners; None: not given
_STDERR = 2


def run(arguments: Sequence[str], build: Callable[[beam.Pipeline], None]) -> None:
    """Makes a pipeline, has it built, and runs it to its end.

    Args:
        arguments: Beam's options, as on a command line.
        build: puts the steps into the pipeline.

    Raises:
        UserError: the options do not do; or a worker raised it.
    """
    with _holding_back_stderr():
        pipeline = _make_pipeline(arguments)
        build(pipeline)
    is_here = pipeline.options.view_as(StandardOptions).runner in _ON_THIS_MACHINE
    if is_here:
        # An error comes as an exception, with the worker's traceback. The log repeats it, and late.
        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)
    # Elsewhere, what a runner says of its work is news for hours.
    with _holding_back_stderr() if is_here else contextlib.nullcontext(), _errors_of_workers():
        pipeline.run().wait_until_finish()


def _make_pipeline(arguments: Sequence[str]) -> beam.Pipeline:
    """Returns an empty pipeline."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            options = PipelineOptions(list(arguments))
            options.get_all_options()
            # There are no triggers here. With this word Beam's DirectRunner does the work itself;
            # without, it first downloads a program that would.
            options.view_as(TypeOptions).allow_unsafe_triggers = True
            return beam.Pipeline(options=options)
    except (SystemExit, ValueError, ImportError) as error:
        # argparse explains itself on standard error, in the last line, and exits.
        is_exit = isinstance(error, SystemExit)
        reason = said.getvalue().rpartition("error: ")[2] if is_exit else str(error)
        raise UserError(
            f"--beam_options={','.join(arguments)} will not do: {' '.join(reason.split())} "
            "Give options of Beam, as its documentation of the runner has them."
        ) from error


@contextlib.contextmanager
def _errors_of_workers() -> Iterator[None]:
    """Turns the text that a runner makes of a worker's UserError into a UserError again."""
    try:
        yield
    except Exception as error:  # each runner has types of its own
        text = f"UserError: {error}" if isinstance(error, UserError) else str(error)
        found = _USER_ERROR.search(text)
        if found is None:
            raise
        raise UserError(found[1]) from error


@contextlib.contextmanager
def _holding_back_stderr() -> Iterator[None]:
    """Holds back standard error, also of child processes; shows it if there is a defect.

    Beam's worker processes log dozens of lines, and begin before any option could stop them.
    """
    sys.stderr.flush()
    terminal = os.dup(_STDERR)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), _STDERR)
        is_defect = False
        try:
            yield
        except UserError:
            raise
        except Exception:
            is_defect = True
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, _STDERR)
            os.close(terminal)
            if is_defect:
                held_back.seek(0)
                sys.stderr.write(held_back.read().decode("utf-8", "replace"))
