"""Signals that end a command: the first one stops it, the next ones must not disturb the end."""

from __future__ import annotations

import os
import signal

import pytest

from campaign_lab.cli.interrupts import ENDING, Stopped, ending_signals_stop, exit_code


@pytest.mark.parametrize("number", ENDING)
def test_the_first_signal_stops_and_the_next_ones_are_not_heard(number: signal.Signals) -> None:
    """A closed terminal sends two, a machine that shuts down one of each: the exit code is that of the first."""
    before = [signal.getsignal(each) for each in ENDING]
    with pytest.raises(Stopped) as stopped, ending_signals_stop():
        try:
            os.kill(os.getpid(), number)
        finally:
            for each in ENDING:
                os.kill(os.getpid(), each)
    assert exit_code(stopped.value) == 128 + number
    assert [signal.getsignal(each) for each in ENDING] == before


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    """Under nohup a command outlives its terminal."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with ending_signals_stop():
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)
