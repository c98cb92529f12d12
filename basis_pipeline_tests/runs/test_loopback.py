"""Servers end when they are asked to, and leave no process behind."""

from __future__ import annotations

import os
import signal

import pytest

from basis_pipeline.runs.loopback import stoppable, uninterrupted


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_is_being_started_is_known_before_the_signal_that_stops_it(number: signal.Signals) -> None:
    started = []
    with pytest.raises(KeyboardInterrupt), stoppable():
        with uninterrupted():
            os.kill(os.getpid(), number)
            started.append("the process")
        started.append("its end is waited for")
    assert started == ["the process"]


def test_signals_mean_afterwards_what_they_meant_before() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with stoppable(), uninterrupted():
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
