"""Signals as a wish to stop."""

import signal

import pytest
import tensorflow as tf

from mslt_tf.distribution.workers import Workers
from mslt_tf.pretraining.interruption import Interrupted, Interruption

ALONE = Workers(tf.distribute.get_strategy())


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["SIGTERM", "SIGINT"]
)
def test_a_signal_sets_the_exit_status_and_a_second_one_acts_as_before(number, status):
    before = []
    previous = signal.signal(number, lambda *_: before.append(number))
    try:
        with Interruption(ALONE) as interruption:
            interruption.has_unsaved_steps = True
            assert interruption.agree() == 0
            signal.raise_signal(number)
            assert interruption.stop == 0  # until all agree
            assert interruption.agree() == interruption.stop == status
            assert not before
            signal.raise_signal(number)
        assert before == [number]
    finally:
        signal.signal(number, previous)


def test_a_signal_ends_the_program_at_once_while_there_is_nothing_to_save():
    with Interruption(ALONE) as interruption:
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGTERM)
        assert interruption.status == 143
