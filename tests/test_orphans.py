"""A process that is gone sends nothing more, and what it has sent is booked: against an endpoint that outlives it."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support.web.messages_api import messages_api
from support.workers.orphans import GONE_S, Batch, Command, Ground, JupyterKernel, closing, compare_books, kill, names

pytestmark = pytest.mark.usefixtures("process", "slow")
THINKING = 4
"""Requests after which the main agent and three researchers have asked: the middle of a research turn."""


@pytest.fixture
def ground(tmp_path: Path) -> Iterator[Ground]:
    """A lab, and an endpoint in a process of its own."""
    with messages_api(tmp_path / "api", 0.2) as api:
        yield Ground(tmp_path / "g", api)


def _start_and_hold(ground: Ground, command: Command) -> None:
    """Begins a research turn, and holds the answers to its three researchers back."""
    command.start()
    ground.api.wait_for(1)
    ground.api.hold()
    ground.api.wait_for(THINKING)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGKILL])
def test_after_the_signal_nothing_is_sent_and_nothing_is_left_running(ground: Ground, number: signal.Signals) -> None:
    """While the endpoint holds its answers back: no CLI after three seconds, no request more, the exit code says why."""
    with closing(Command(ground)) as command:
        command.start()
        ground.api.wait_for(THINKING)
        ground.api.hold()
        done = kill(ground, command, number)
        code = command.wait()
        assert code == (-number if number == signal.SIGKILL else 128 + number)
        assert done.last_cli_s is not None
        assert done.last_cli_s < GONE_S
        assert done.asked_after <= done.asked_before + 1  # one may have been on its way when the book was read
        if number != signal.SIGKILL:
            assert "Stopped" in command.said
            assert names(ground.attempts()) == [("research", "failed", "cancelled")]
            assert ground.folders() == []
            assert compare_books(ground).wrong == []


def test_what_a_killed_run_was_charged_is_booked_at_the_next_start(ground: Ground) -> None:
    """From the lab and from the dead folder; who starts next is told of cut requests, and folders with all in them are gone."""
    with closing(Command(ground)) as command:
        _start_and_hold(ground, command)
        time.sleep(0.5)  # its CLI writes down what it asks
        kill(ground, command, signal.SIGKILL)
        command.wait()
        ground.api.go_on()
        (folder,) = ground.tmp.glob("campaign-lab-*/run-*")
        assert folder.stat().st_mode & 0o777 == 0o700
        (folder / "config" / "echo.jsonl").write_text(ground.api.token)  # as an endpoint may repeat it
        command.finish()
    assert "was cut off when its process ended" in command.said
    assert "3 requests cut: the endpoint may bill that too" in command.said
    assert names(ground.attempts())[0] == ("research", "failed", "process")
    books = compare_books(ground)
    assert books.wrong == []
    assert books.cut == 3
    assert ground.folders() == []
    files = [path for path in ground.folder.rglob("*") if path.is_file()]
    assert [path for path in files if ground.api.token.encode() in path.read_bytes()] == []


def test_what_only_the_dead_folder_knows_is_booked(ground: Ground) -> None:
    """The CLI writes a response down before we hear of it: what stands in its folder alone is in the ledger too."""
    with closing(Command(ground)) as command:
        _start_and_hold(ground, command)
        owner = command.victim
        owner.suspend()  # it hears nothing from here on; its CLI does
        ground.api.go_on()
        ground.api.wait_for(THINKING, served=THINKING)
        time.sleep(1.0)  # the CLI writes it down
        owner.kill()
        command.wait()
        heard = {row.attempt_id for row in ground.requests()}
    with closing(Command(ground, "costs")) as costs:
        costs.finish()
    assert heard == set()
    assert f"{THINKING} answered requests booked" in costs.said
    (dead,) = [row.id for row in ground.attempts() if row.state == "failed"]
    assert len([row for row in ground.requests() if row.attempt_id == dead and row.complete]) == THINKING
    assert compare_books(ground).wrong == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_batch_that_is_ended_leaves_no_cli(ground: Ground, number: signal.Signals) -> None:
    """Two notebooks at once: three seconds later nobody asks any more, and the books agree; after a kill at the next start."""
    with closing(Batch(ground)) as batch:
        batch.start()
        ground.api.wait_for(2 * THINKING)
        below = batch.victim.children(recursive=True)
        done = kill(ground, batch, number)
        assert batch.wait() == (143 if number == signal.SIGTERM else -number)
        assert done.last_cli_s is not None
        assert done.last_cli_s < GONE_S
        assert [each for each in below if each.is_running() and each.status() != psutil.STATUS_ZOMBIE] == []
        if number == signal.SIGKILL:
            batch.finish()
    assert compare_books(ground).wrong == []
    assert ground.folders() == []


@pytest.mark.parametrize("how", ["restart", "shut_down"])
def test_a_kernel_that_jupyterlab_ends_books_its_turn(ground: Ground, how: str) -> None:
    """Restart and shutdown interrupt the turn: it is booked as cancelled, and its CLI is gone."""
    with closing(JupyterKernel(ground)) as jupyter:
        jupyter.start()
        ground.api.wait_for(THINKING)
        ground.api.hold()
        getattr(jupyter, how)()
        assert ground.clis() == []
        assert names(ground.attempts()) == [("research", "failed", "cancelled")]
        assert compare_books(ground).wrong == []
        ground.api.go_on()
        jupyter.finish()
