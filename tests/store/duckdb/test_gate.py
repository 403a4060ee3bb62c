"""The gate between processes: waiting, giving up, dying, forking."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import wait
from contextlib import contextmanager
from multiprocessing.connection import Connection

import pytest

from campaign_lab.errors import StoreError
from campaign_lab.store.duckdb import engine
from campaign_lab.store.duckdb.engine import DuckFile, open_file
from campaign_lab.store.duckdb.gate import Gate, GateTimeout
from campaign_lab.store.schema import MIGRATIONS
from support.workers import store_writers
from support.workers.store_writers import PROCESSES, in_child

pytestmark = pytest.mark.usefixtures("process")


@contextmanager
def another_process_holds(path: str) -> Iterator[tuple[int, Connection]]:
    """A process in the middle of a transaction: its id, and the pipe that lets it go on."""
    ours, its = PROCESSES.Pipe()
    process = PROCESSES.Process(target=store_writers.hold, args=(path, its))
    process.start()
    try:
        assert ours.poll(30)
        yield ours.recv(), ours
    finally:
        process.kill()
        process.join()


def test_giving_up_names_the_process_that_holds_the_file(path: str) -> None:
    """Who waits too long is told whom to look for."""
    with another_process_holds(path) as (pid, _), pytest.raises(StoreError, match=rf"in use by process {pid}\b"):
        open_file(path, patience=0.1)


def test_a_file_is_handed_over_to_who_waits(path: str) -> None:
    """The holder ends its transaction, and the one in line goes on."""
    with another_process_holds(path) as (_, pipe):
        file = DuckFile(path)
        waiting = file.submit(lambda con: con.execute("SELECT 1").fetchone())
        pipe.send("go on")
        assert waiting.result(timeout=20) == (1,)
        file.close()


def test_a_killed_process_leaves_the_gate_free(path: str) -> None:
    """After kill -9 in the middle of a transaction: the kernel gives the gate to the next one."""
    with another_process_holds(path) as (pid, _):
        os.kill(pid, signal.SIGKILL)
        file = open_file(path)
        found = file.call(lambda con: con.execute("SELECT max(version) FROM schema_version").fetchone())
        assert found == (MIGRATIONS[-1].version,)
        file.close()


def test_all_who_queue_behind_a_held_gate_give_up_together(path: str) -> None:
    """Patience counts from the submission, so a long queue does not wait once per member."""
    open_file(path).close()
    with another_process_holds(path):
        file = DuckFile(path, patience=0.3)
        futures = [file.submit(lambda con: None) for _ in range(20)]
        assert not wait(futures, timeout=3).not_done
        assert all(isinstance(future.exception(), StoreError) for future in futures)
        file.close()


def test_who_gave_up_does_not_take_the_gate_later(path: str) -> None:
    """A place in line that nobody wants any more is passed on."""
    holder, quitter, third = Gate(path), Gate(path), Gate(path)
    holder.acquire(0)
    with pytest.raises(GateTimeout) as late:
        quitter.acquire(0.02)
    assert late.value.holder == os.getpid()
    assert holder.wanted()
    holder.release()
    third.acquire(10)
    third.release()
    quitter.acquire(10)
    quitter.release()


def test_who_tries_again_has_kept_the_place_in_line(path: str) -> None:
    """Giving up and coming back is not starting at the end."""
    holder, waiter = Gate(path), Gate(path)
    holder.acquire(0)
    for _ in range(3):
        with pytest.raises(GateTimeout):
            waiter.acquire(0.01)
    got = threading.Thread(target=waiter.acquire, args=(10,))
    got.start()
    holder.release()
    got.join(10)
    assert not got.is_alive()
    with pytest.raises(GateTimeout):
        holder.acquire(0.01)
    waiter.release()


def test_a_free_gate_is_not_wanted(path: str) -> None:
    """The holder keeps the file as long as nobody stands in line."""
    gate = Gate(path)
    gate.acquire(0)
    assert not gate.wanted()
    gate.release()
    gate.close()


def test_a_forked_child_does_not_share_the_lock(path: str) -> None:
    """It stands in line like everybody else, and cannot unlock its parent's gate."""
    gate = Gate(path)
    gate.acquire(0)

    def shut_out() -> bool:
        gate.after_fork()
        try:
            gate.acquire(0.02)
        except GateTimeout as late:
            return late.holder == os.getppid()
        return False

    assert in_child(shut_out) == 0
    with pytest.raises(GateTimeout):
        Gate(path).acquire(0.02)
    gate.release()


def test_parent_and_forked_child_both_go_on_writing(file: DuckFile) -> None:
    """A fork while the file is open: each side opens it anew, and no row is lost."""

    def write(name: str) -> bool:
        for _ in range(20):
            file.call(lambda con: con.execute("INSERT INTO claims (key, attempt_id) VALUES (?, 'a')", [name]) and None)
        return True

    write("parent")
    assert in_child(lambda: write("child")) == 0
    write("parent")
    rows = file.call(lambda con: con.execute("SELECT key, count(*) FROM claims GROUP BY key ORDER BY key").fetchall())
    assert rows == [("child", 20), ("parent", 40)]


def test_a_child_forked_in_the_middle_of_a_transaction_refuses_the_file(
    file: DuckFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a connection in its memory must never touch the file; the parent does not notice."""
    monkeypatch.setattr(engine, "FORK_WAIT", 0.05)
    started, go_on = threading.Event(), threading.Event()

    def slow(con: object) -> int:
        started.set()
        go_on.wait(10)
        return 7

    running = file.submit(slow)
    assert started.wait(10)

    def refused() -> bool:
        errors = []
        for attempt in (lambda: file.call(lambda con: None), lambda: open_file(file.path)):
            try:
                attempt()
            except StoreError as error:
                errors.append(str(error))
        return len(errors) == 2 and all("forked while its parent was writing" in error for error in errors)

    assert in_child(refused) == 0
    go_on.set()
    assert running.result() == 7
    assert file.call(lambda con: con.execute("SELECT 1").fetchone()) == (1,)
