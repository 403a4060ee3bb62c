"""Several processes work in one lab: nothing is lost or doubled, one turn is paid once, and kill -9 harms nothing."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any

import pytest

from campaign_lab import Lab
from campaign_lab.store import queries
from campaign_lab.store.connection import Store
from campaign_lab.store.rows import AttemptRow, RequestRow, SessionRow, TurnRow
from support.stores import Stores
from support.workers import session_workers

pytestmark = [pytest.mark.both_stores, pytest.mark.usefixtures("slow")]
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(session_workers.PRELOAD)
KILLS = {"file": 20, "server": 8}
"""Fewer on a server: there a writer that dies holds nothing that others need."""
AT_ONCE, SEED = 2, 20261122


def started(target: Any, place: str, *given: Any) -> tuple[Any, Connection]:
    """A process at work on the lab, and the pipe on which it tells."""
    ours, its = PROCESSES.Pipe()
    process = PROCESSES.Process(target=target, args=(place, its, *given))
    process.start()
    its.close()
    return process, ours


def told_by(pipe: Connection) -> Iterator[Any]:
    """What a process tells until it is done or dead."""
    try:
        while (each := pipe.recv()) is not None:
            yield each
    except EOFError:
        return


@contextmanager
def lab_at(place: str, **options: Any) -> Iterator[Lab]:
    with Lab(place, user="ana", endpoint="rehearsal", **options) as lab:
        yield lab


def rows(file: Store, table: type, rest: str = "") -> list[Any]:
    return file.call(lambda con: queries.select(con, table, rest))


def assert_sound(lab: Lab) -> None:
    """Every session proves, and no row or transcript entry stands there twice or out of its place."""
    file = lab._context.engine
    for table in (SessionRow, TurnRow, AttemptRow):
        assert max(Counter(row.id for row in rows(file, table)).values()) == 1
    assert (
        max(
            Counter((row.attempt_id, row.subpath, row.message_id) for row in rows(file, RequestRow)).values(), default=1
        )
        == 1
    )
    doubled = "SELECT uuid FROM entries WHERE uuid IS NOT NULL GROUP BY uuid HAVING count(*) > 1"
    gaps = "SELECT session_id FROM entries GROUP BY session_id, subpath HAVING count(*) <> max(seq) + 1"
    for sql in (doubled, gaps):
        assert file.call(lambda con, sql=sql: con.execute(sql).fetchall()) == []
    for row in rows(file, SessionRow):
        assert lab.open(row.id).verify() == []


def test_processes_with_the_real_cli_lose_and_double_nothing(researched_stores: Stores, clock: Any) -> None:
    """Three processes ask the same question at once, which is paid once, and then work in forks of their own."""
    place = researched_stores.place(user="ana")
    working = [started(session_workers.talk, place, f"Worker {n}", 1) for n in range(3)]
    for _, pipe in working:
        pipe.send("go")
    told = [list(told_by(pipe)) for _, pipe in working]
    for process, _ in working:
        process.join(60)
        assert process.exitcode == 0

    with lab_at(place, now=clock) as lab:
        file = lab._context.engine
        shared = [(key, replayed) for each in told for kind, key, replayed in each if kind == "shared"]
        assert sorted(replayed for _, replayed in shared) == [False, True, True]
        assert len({key for key, _ in shared}) == 1
        key = shared[0][0]
        assert (
            len(rows(file, TurnRow, f"WHERE key = '{key}'")) == len(rows(file, AttemptRow, f"WHERE key = '{key}'")) == 1
        )

        forks = {fork: turns for each in told for kind, fork, turns in each if kind == "fork"}
        assert len(forks) == 3
        stored = {row.id: row for row in rows(file, TurnRow)}
        for fork, turns in forks.items():
            assert lab.open(fork).checkpoint().turn_id == turns[-1]
            assert [stored[turn].session_id for turn in turns] == [fork, fork]
            assert stored[turns[1]].parent_turn == turns[0]
        assert len(stored) == 2 + 1 + 2 * len(forks)  # research and strategy were there
        assert {row.state for row in rows(file, AttemptRow)} == {"finished"}
        assert_sound(lab)


@pytest.mark.usefixtures("process")
def test_what_a_killed_process_was_told_is_stored(stores: Stores) -> None:
    """Two write at a time and are killed at random moments, over and over: each acknowledged row stands, all sessions prove."""
    place, chance = stores.place(user="ana"), random.Random(SEED)
    acknowledged: list[tuple[str, str]] = []
    deaths: list[int | None] = []
    kills = KILLS[stores.kind]
    for pair in range(kills // AT_ONCE):
        working = [started(session_workers.write_until, place, pair * AT_ONCE + n, 60.0) for n in range(AT_ONCE)]
        for process, pipe in working:
            heard = told_by(pipe)
            acknowledged += [next(heard)[:2] for _ in range(chance.randrange(2, 14))]
            time.sleep(chance.random() * 0.03)  # somewhere within the next row
            process.kill()
            acknowledged += [each[:2] for each in heard]
            process.join(30)
            deaths.append(process.exitcode)
    assert deaths == [-9] * kills

    with lab_at(place) as lab:
        file = lab._context.engine
        stored = {
            "turn": {row.id for row in rows(file, TurnRow)},
            "session": {row.id for row in rows(file, SessionRow)},
            "append": {uid for (uid,) in file.call(lambda con: con.execute("SELECT uuid FROM entries").fetchall())},
        }
        assert {kind for kind, _ in acknowledged} == set(stored)
        for kind, ids in stored.items():
            assert {row for told, row in acknowledged if told == kind} <= ids
        finished = {row.id for row in rows(file, AttemptRow) if row.state == "finished"}
        assert finished == stored["turn"]
        assert {row.state for row in rows(file, AttemptRow)} == {
            "finished",
            "running",
        }  # some died in the middle of a turn
        assert_sound(lab)
