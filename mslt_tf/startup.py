"""How every command of this project starts: quiet libraries, flags, help, errors for people."""

import logging
import os
import re
import sys
import textwrap
import warnings
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from absl import flags

from mslt_tf import terminal
from mslt_tf.errors import UserError
from mslt_tf.flag_fields import heading_of

USAGE_STATUS = 2  # a flag, a file or a machine is not as it must be
BROKEN_PIPE_STATUS = 141  # as shells count it: 128 + SIGPIPE
INTERRUPTED_STATUS = 130  # Ctrl-C, as shells count it: 128 + SIGINT
_GIVE_FLAG_FILE = "Give the path of a file of flags by --flagfile."
# What a flag's value must be, by what absl and Python say where it is not.
_WANTED = {
    "Non-boolean argument": "true or false",
    "invalid literal for int()": "a whole number",
    "could not convert string to float": "a number",
}


def run(
    main: Callable[..., int | None],
    *,
    define_flags: Callable[[flags.FlagValues], None],
    description: str,
    arguments: Sequence[str] = (),
) -> NoReturn:
    """Parses the command line into `flags.FLAGS`, calls `main` and exits with its status.

    Args:
        main: the command; reads `flags.FLAGS`, takes the words of `arguments`; its result is the
            exit status, None means 0.
        define_flags: defines the command's flags on the values it is given.
        description: what `--help` says before it lists these flags.
        arguments: names of what is given without a flag, in order, e.g. "DATA.json".
    """
    terminal.open_closed()
    prepare_tensorflow()
    terminal.escape_unprintable()
    foreign = set(flags.FLAGS)
    define_flags(flags.FLAGS)
    own_flags = [flags.FLAGS[name] for name in flags.FLAGS if name not in foreign]
    try:
        if {"--help", "-h", "-help", "--helpfull"} & set(sys.argv[1:]):
            sys.stdout.write(help_text(description, own_flags))
            sys.stdout.flush()
            sys.exit(0)
        sys.exit(main(*_parse_command_line(arguments)))
    except (UserError, flags.Error) as error:
        terminal.write("")  # what was said comes before the error
        terminal.write(f"error: {error}\n", sys.stderr)
        sys.exit(USAGE_STATUS)
    except BrokenPipeError:  # whoever read our output, e.g. head, has enough
        sys.exit(BROKEN_PIPE_STATUS)
    except KeyboardInterrupt:
        terminal.write("\ninterrupted\n", sys.stderr)
        sys.exit(INTERRUPTED_STATUS)
    finally:
        terminal.finish()


def _parse_command_line(arguments: Sequence[str]) -> list[str]:
    """Parses flags; returns the words beside them, one for each name in `arguments`."""
    words = _parse_flags()
    if words and not arguments:
        raise UserError(f"{words[0]!r} is not a flag. Flags are written --name=value.")
    if len(words) != len(arguments):
        raise UserError(
            f"{len(words)} words are given beside flags, and must be {len(arguments)}. Give "
            f"{' '.join(arguments)}; flags are written --name=value."
        )
    return words


def _parse_flags() -> list[str]:
    """Parses flags; returns the words beside them."""
    if {"--flagfile=", "-flagfile="} & set(sys.argv[1:]):  # e.g. of a shell variable without value
        raise UserError(f"--flagfile names no file. {_GIVE_FLAG_FILE}")
    try:
        words: list[str] = flags.FLAGS(sys.argv)[1:]
    except flags.IllegalFlagValueError as error:
        raise UserError(_in_plain_words(str(error))) from error
    except flags.CantOpenFlagFileError as error:
        if isinstance(error.__context__, OSError):
            raise UserError(_unreadable_flag_file(error.__context__, sys.argv)) from error
        raise
    except UnicodeDecodeError as error:  # absl reads nothing but flag files
        raise UserError(
            f"a flag file is not text ({error}). Give another by --flagfile."
        ) from error
    except ValueError as error:  # of a flag of yes or no, such as --nolengthen=1
        raise UserError(f"{error}. Write --name, --noname or --name=true.") from error
    return words


def _in_plain_words(message: str) -> str:
    """Returns what a flag needs, where absl says what Python's conversion said."""
    given, _, reason = message.partition(": ")
    for conversion, wanted in _WANTED.items():
        if conversion in reason:
            return f"{given.removeprefix('flag ')} needs {wanted}."
    return message


def _unreadable_flag_file(error: OSError, arguments: list[str]) -> str:
    given = {os.path.expanduser(re.sub("^--?flagfile=", "", word)) for word in arguments}
    advice = _GIVE_FLAG_FILE
    if error.filename not in given:
        advice = (
            "Another flag file names it, and such a name counts from the folder where the command "
            "runs. Mend the name, or run the command in the right folder."
        )
    return f"the flag file {error.filename} cannot be read ({error.strerror}). {advice}"


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
    """Returns the description and the flags with their defaults, under the headings they have."""
    groups: dict[str, list[flags.Flag[Any]]] = {}
    for flag in own_flags:
        groups.setdefault(heading_of(flag) or "Flags", []).append(flag)
    lines = [description.strip()]
    for heading, members in groups.items():
        lines += ["", f"{heading}:"]
        for flag in members:
            lines.append(f"  --{flag.name} (default: {flag.default_as_str or 'none'})")
            # absl's own words for flags that may be given several times are hard to read.
            text = re.sub(r";\s+repeat this option.*", " May be repeated.", flag.help)
            # Never within a word: it may be a flag to copy.
            words = textwrap.wrap(text, width=90, break_long_words=False, break_on_hyphens=False)
            lines += [" " * 6 + line for line in words]
    lines += ["", "--flagfile=FILE reads flags from a file; later flags win over earlier ones."]
    return "\n".join(lines) + "\n"
