"""How every command of this project starts: quiet libraries, flags, help, errors for people."""

import dataclasses
import logging
import os
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from absl import flags

from mslt_tf.errors import UserError

USAGE_STATUS = 2  # a flag, a file or a machine is not as it must be
BROKEN_PIPE_STATUS = 141  # as shells count it: 128 + SIGPIPE
INTERRUPTED_STATUS = 130  # Ctrl-C, as shells count it: 128 + SIGINT


def run(
    main: Callable[[], int | None],
    *,
    define_flags: Callable[[flags.FlagValues], None],
    description: str,
) -> NoReturn:
    """Parses the command line into `flags.FLAGS`, calls `main` and exits with its status.

    Args:
        main: the command; reads `flags.FLAGS`; its result is the exit status, None means 0.
        define_flags: defines the command's flags on the values it is given.
        description: what `--help` says before it lists these flags.
    """
    prepare_tensorflow()
    foreign = set(flags.FLAGS)
    define_flags(flags.FLAGS)
    own_flags = [flags.FLAGS[name] for name in flags.FLAGS if name not in foreign]
    if {"--help", "-h", "-help", "--helpfull"} & set(sys.argv[1:]):
        sys.stdout.write(help_text(description, own_flags))
        sys.exit(0)
    try:
        unparsed = flags.FLAGS(sys.argv)[1:]
        if unparsed:
            raise UserError(f"{unparsed[0]!r} is not a flag. Flags are written --name=value.")
        sys.exit(main())
    except (UserError, flags.Error) as error:
        sys.stdout.flush()
        sys.stderr.write(f"error: {error}\n")
        sys.exit(USAGE_STATUS)
    except BrokenPipeError:  # whoever read our output, e.g. head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE_STATUS)
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted\n")
        sys.exit(INTERRUPTED_STATUS)


def values_of(
    settings: type, flag_values: flags.FlagValues, *, without: Iterable[str] = ()
) -> dict[str, Any]:
    """Returns the flags that are named like the fields of the dataclass `settings`."""
    names = {field.name for field in dataclasses.fields(settings)} - set(without)
    return {name: flag_values[name].value for name in names}


def prepare_tensorflow() -> None:
    """Sets what TensorFlow and XLA read from the environment; must run before they are imported."""
    _silence_tensorflow()
    _choose_matmul_kernels()


def _silence_tensorflow() -> None:
    """Keeps start-up notes off the terminal."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # tensorflow-hub, behind tensorflow-text, imports it; setup.py pins a version that has it.
    warnings.filterwarnings("ignore", message="pkg_resources is deprecated")


def _choose_matmul_kernels() -> None:
    """Leaves matrix products on GPUs to cuBLAS, unless XLA_FLAGS says otherwise.

    XLA's own kernels (Triton) ended the process on an H100, with TensorFlow 2.15, where a division
    in bfloat16, such as softmax's, stands before a product: "'arith.divf' op requires the same
    type".
    """
    xla_flags = os.environ.get("XLA_FLAGS", "")
    if "xla_gpu_enable_triton_gemm" not in xla_flags:
        os.environ["XLA_FLAGS"] = f"{xla_flags} --xla_gpu_enable_triton_gemm=false".strip()


def help_text(description: str, own_flags: list[flags.Flag[Any]]) -> str:
    """Returns the description and a table of flags with their defaults, in order of definition."""
    lines = [description.strip(), "", "Flags:"]
    for flag in own_flags:
        lines.append(f"  --{flag.name} (default: {flag.default_as_str or 'none'})")
        lines += textwrap.wrap(
            flag.help, width=96, initial_indent=" " * 6, subsequent_indent=" " * 6
        )
    lines += ["", "--flagfile=FILE reads flags from a file; later flags win over earlier ones."]
    return "\n".join(lines) + "\n"
