"""Runs on several machines: one that works is seen to live, one that falls silent holds nobody up and loses nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.errors import StoreError, TurnFailed
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server.app import RehearsalServer
from campaign_lab.sessions.run.claims import kept_alive, store_time
from campaign_lab.sessions.run.recovery import _settle_dead, recover
from campaign_lab.sessions.session import Session
from campaign_lab.store import queries
from campaign_lab.store.rows import AttemptRow, ClaimRow, SessionRow
from support.postgres import OWNER, running
from support.stores import Stores, opened

pytestmark = pytest.mark.both_stores
LabOf = Callable[..., Lab]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


class Model(RehearsalServer):
    """One that answers nothing until it may."""

    def __init__(self) -> None:
        self.asked, self.may = threading.Event(), threading.Event()
        super().__init__(faults=lambda _ask, _times: self._held())

    def _held(self) -> None:
        self.asked.set()
        assert self.may.wait(60)


@pytest.fixture
def silent() -> Iterator[Model]:
    """A model that waits for ``may``."""
    model = Model()
    yield model
    model.may.set()
    model.stop()


def on(lab: Lab, server: RehearsalServer, clock: Any) -> Lab:
    """The lab, answered by that server."""
    lab._context.endpoint = RehearsalEndpoint(server, now=clock)
    return lab


def select(lab: Lab, table: Any, rest: str = "") -> list[Any]:
    return lab._context.engine.call(lambda con: queries.select(con, table, rest))


def fall_silent(stores: Stores) -> None:
    """What is claimed is claimed by another machine, which was last seen ten minutes ago."""

    def move(con: queries.Con) -> None:
        gone = store_time(con) - timedelta(minutes=10)
        con.execute("UPDATE claims SET host = 'another-machine', seen_at = ?", [gone])

    with opened(stores.place()) as store:  # as who may change what no run of a lab changes
        store.call(move)


def lost(name: str, session: Session, user: str) -> AttemptRow:
    """An attempt that is down as running, and that nobody runs."""
    row = AttemptRow(
        id=name, session_id=session.id, parent_turn=None, key=name, phase="research", user_name=user, state="running",
        cause=None, reason=None, started_at=NOW, ended_at=None, cost_usd=None, versions="{}",
    )  # fmt: skip
    session._context.engine.call(lambda con: queries.insert(con, [row]))
    return row


def state_of(lab: Lab, attempt: str) -> str:
    (row,) = select(lab, AttemptRow, f"WHERE id = '{attempt}'")
    return str(row.state)


@pytest.mark.usefixtures("slow")
def test_a_running_turn_is_seen_to_live(lab_of: LabOf, silent: Model, clock: Any) -> None:
    """Its claim's sign of life moves on while it runs, and the claim is gone when it has ended."""
    lab = on(lab_of(), silent, clock)
    lab._context.beat_s = 0.05
    seen: set[datetime | None] = set()

    async def watched() -> None:
        turn = asyncio.ensure_future(lab.open("main").fork("calm", at="research").run("strategy"))
        while len(seen) < 5 and not turn.done():
            rows = await lab._context.engine.run(lambda con: queries.select(con, ClaimRow))
            seen.update(row.seen_at for row in rows)
            await asyncio.sleep(0.05)
        silent.may.set()
        await turn

    lab.run_sync(asyncio.wait_for(watched(), timeout=60))
    assert len(seen) >= 5
    assert None not in seen
    assert select(lab, ClaimRow) == []


def test_a_store_that_is_away_for_a_moment_ends_no_turn(lab_of: LabOf, caplog: pytest.LogCaptureFixture) -> None:
    """The sign of life is missed, and said in the log; what runs inside goes on."""
    lab = lab_of()
    lab._context.engine.close()

    async def turn() -> str:
        async with kept_alive(lab._context.engine, "a1", every_s=0.001):
            await asyncio.sleep(0.5)
            return "the answer"

    assert asyncio.run(turn()) == "the answer"
    assert "could not be told that a turn is running" in caplog.text


@pytest.mark.usefixtures("slow")
def test_a_run_that_was_only_out_of_touch_keeps_what_it_paid_for(
    lab_of: LabOf, researched_stores: Stores, silent: Model, clock: Any
) -> None:
    """Taken for dead, it is booked as failed and its turn is made anew elsewhere; then it ends: both are kept, both booked."""
    lab, other = on(lab_of(), silent, clock), lab_of()
    asleep = lab.open("main").fork("calm", at="research")
    job = lab._context.loop.submit(asleep.run("strategy"))
    assert silent.asked.wait(60)

    fall_silent(researched_stores)
    (first,) = select(other, ClaimRow)
    awake = other.open("main").fork("calm", at="research")
    assert not other.run_sync(awake.run("strategy")).replayed
    assert state_of(other, first.attempt_id) == "failed"
    silent.may.set()
    turn = job.future.result(timeout=60)
    assert not turn.replayed
    assert turn.forked
    assert asleep.checkpoint().turn_id == first.attempt_id
    assert awake.checkpoint().turn_id != first.attempt_id
    pair = [
        row for row in select(lab, AttemptRow, "WHERE phase = 'strategy'") if row.session_id in (asleep.id, awake.id)
    ]
    assert [row.state for row in pair] == ["finished", "finished"]
    assert all(row.cost_usd and row.cause is None for row in pair)
    assert select(lab, ClaimRow) == []
    for row in select(lab, SessionRow):
        assert lab.open(row.id).verify() == []


def test_an_attempt_that_has_finished_meanwhile_is_not_marked_as_failed(lab_of: LabOf) -> None:
    """Between looking and booking, a machine that was out of touch may have come back."""
    lab = lab_of()
    engine = lab._context.engine
    session = lab.open("main")
    dead = lost("late", session, "ana")
    ended = replace(dead, state="finished", ended_at=NOW, cost_usd=0.5)
    engine.call(lambda con: queries.end_attempt(con, ended))
    failed = replace(dead, state="failed", cause="process", ended_at=NOW, cost_usd=0.0)
    engine.call(lambda con: _settle_dead(con, failed, []))
    assert select(lab, AttemptRow, "WHERE id = 'late'") == [ended]


@pytest.mark.usefixtures("slow")
def test_only_who_may_run_on_a_session_settles_its_dead_attempts(lab_of: LabOf) -> None:
    """Another user's stay as they are until they may be run on; one's own are settled at once."""
    ana, ben = lab_of("ana"), lab_of("ben")
    theirs = ben.session(Brief(url="https://b.example", market="CA", campaign="B"))
    lost("bens", theirs, "ben")
    lost("anas", ana.open("main"), "ana")
    ana.run_sync(recover(ana._context))
    assert state_of(ana, "anas") == "failed"
    assert state_of(ben, "bens") == "running"
    theirs.share("ana", "read")
    ana.run_sync(recover(ana._context))
    assert state_of(ben, "bens") == "running"
    theirs.share("ana", "run")
    ana.run_sync(recover(ana._context))
    assert state_of(ben, "bens") == "failed"


@pytest.mark.usefixtures("slow")
def test_who_waits_for_a_machine_that_falls_silent_settles_it_and_goes_on(
    lab_of: LabOf, researched_stores: Stores, silent: Model, clock: Any
) -> None:
    """The waiting run books what the dead one was charged, and then makes the turn."""
    lab, other = on(lab_of(), silent, clock), lab_of()
    dying = lab.open("main").fork("calm", at="research")
    job = lab._context.loop.submit(dying.run("strategy"))
    assert silent.asked.wait(60)
    queued = threading.Event()
    waiting = other._context.loop.submit(
        other.open("main").fork("calm", at="research").run("strategy", on_event=lambda _event: queued.set())
    )
    assert queued.wait(60)
    (claim,) = select(lab, ClaimRow)

    fall_silent(researched_stores)
    assert not waiting.future.result(timeout=60).replayed
    assert state_of(other, claim.attempt_id) == "failed"
    job.cancel()
    assert job.ended.is_set()


@pytest.mark.usefixtures("slow")
def test_a_turn_that_ended_while_the_server_was_away_can_be_run_again(
    postgres: None, termwick: Brief, silent: Model
) -> None:
    """In the same process: it neither waits for itself nor for a restart, and what is left behind is settled."""
    with running(fast=False) as server:
        server.add_database("away")
        with Lab(server.url(OWNER, "away"), user=OWNER, endpoint=RehearsalEndpoint(silent), on_miss="run") as lab:
            lab._context.engine._patience = 0.5  # type: ignore[attr-defined]
            session = lab.session(termwick)
            job = lab._context.loop.submit(session.run("research"))
            assert silent.asked.wait(60)
            server.stop()
            silent.may.set()
            with pytest.raises((StoreError, TurnFailed)) as failed:  # as it comes: in the turn, or when it is booked
                job.future.result(timeout=60)
            assert getattr(failed.value, "cause", "store") == "store"
            server.start()
            lab._context.engine._patience = 30.0  # type: ignore[attr-defined]  # its pool looks for the server in growing steps
            (left,) = select(lab, ClaimRow)
            again = lab._context.loop.submit(session.run("research"))
            assert not again.future.result(timeout=30).replayed
            assert state_of(lab, left.attempt_id) == "failed"
            assert select(lab, ClaimRow) == []
