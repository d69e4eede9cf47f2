"""Training in the background: the same command, at the lowest priority, without a terminal."""

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from mslt_tf.errors import UserError
from mslt_tf.terminal import say

LOWEST = 19  # of the priorities that `nice` gives


def start(folder: Path) -> None:
    """Starts the command of this process without --background, unless one is at work in `folder`.

    It goes on when the terminal is closed. SIGTERM ends it in order: its runs save.
    """
    # It loads TensorFlow, which takes seconds.
    from mslt_tf.files import folder_lock

    folder.mkdir(parents=True, exist_ok=True)
    log = folder / "log.txt"
    try:
        folder_lock.check_free(str(folder))
    except UserError as error:
        say(f"Not started: {error}\nIts log: {log}")
        return
    # The last word counts, wherever --background stands, and in whatever form.
    command = [sys.executable, "-m", "benchmarks.learning", *sys.argv[1:], "--nobackground"]
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        )
    _yield_to_others(process.pid)
    say(f"Training in the background; its log: {log}. To stop it: kill {process.pid}")


def _yield_to_others(process: int) -> None:
    """Gives a process the lowest priority, and its session where Linux weighs sessions."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process, LOWEST)
        Path(f"/proc/{process}/autogroup").write_text(str(LOWEST))
