"""Signals as a wish to stop."""

import signal

import pytest

from mslt_tf.pretraining.interruption import Interruption


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
)
def test_a_signal_sets_the_exit_status_and_a_second_one_acts_as_before(number, status):
    before = []
    previous = signal.signal(number, lambda *_: before.append(number))
    try:
        with Interruption() as interruption:
            assert interruption.status == 0
            signal.raise_signal(number)
            assert interruption.status == status
            assert not before
            signal.raise_signal(number)
        assert before == [number]
    finally:
        signal.signal(number, previous)
