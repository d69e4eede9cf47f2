"""The signals that end a run in order, and the exit status of each."""

import signal

import pytest

STATUSES = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGHUP: 129, signal.SIGUSR1: 138}
EACH_SIGNAL = pytest.mark.parametrize(
    ("number", "status"), STATUSES.items(), ids=[number.name for number in STATUSES]
)
