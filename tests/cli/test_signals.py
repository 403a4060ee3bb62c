"""Signals that end a command: the first one stops it, the next ones must not disturb the end."""

from __future__ import annotations

import os
import signal

import pytest

from campaign_lab.cli.terminal.signals import ENDING, Stopped, ending_signals_stop, exit_code


def _stopped_by(first: int, *next_ones: int) -> None:
    """A command that gets the first signal, and the next ones while it cleans up."""
    with ending_signals_stop():
        try:
            os.kill(os.getpid(), first)
        finally:
            for each in next_ones:
                os.kill(os.getpid(), each)


@pytest.mark.parametrize("number", ENDING)
def test_the_first_signal_stops_and_the_next_ones_are_not_heard(number: signal.Signals) -> None:
    """A closed terminal sends two, a machine that shuts down one of each: the exit code is that of the first."""
    before = [signal.getsignal(each) for each in ENDING]
    with pytest.raises(Stopped) as stopped:
        _stopped_by(number, *ENDING)
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
