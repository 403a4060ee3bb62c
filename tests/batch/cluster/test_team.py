"""A team's batch: whole campaigns on a cluster of two workers, in one PostgreSQL, as a member whom row-level security holds."""

from __future__ import annotations

import contextlib
import json
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import pytest

from support.paths import BRIEFS
from support.postgres import OWNER, PostgresServer, running
from support.stores import Databases, opened

pytest.importorskip("distributed", reason="the extra campaign_lab[team] is not installed")

from campaign_lab import Lab
from campaign_lab.batch.events import BatchEvent, RunEnded, RunStarted
from campaign_lab.batch.execute.run import run_batch
from campaign_lab.batch.execute.work import Cancellation
from campaign_lab.batch.plan.jobs import BatchOptions
from campaign_lab.batch.plan.planner import plan_batch
from campaign_lab.batch.plan.template import default_template
from campaign_lab.batch.rows import Row
from campaign_lab.store.connection import Store
from support.workers.dask_cluster import Cluster, until

pytestmark = [pytest.mark.timeout(600), pytest.mark.usefixtures("slow")]

NAMES = ("cairnwold-autumn", "duewren-trial")
PHASES = ("research", "strategy", "copy")
WORKERS = 2
LATENCY_S = "0.1"
"""How long the rehearsed model thinks: enough for a turn to have a middle."""
MARK = "CAMPAIGN_LAB_TEST_TEAM"
"""In the environment of the workers, and so of all that they start."""
ONCE = (
    ("turns", "id"), ("turns", "session_id, parent_turn, key"), ("attempts", "id"), ("sessions", "id"),
    ("sessions", "owner, campaign, name"), ("requests", "attempt_id, subpath, message_id"),
    ("entries", "session_id, subpath, seq"), ("entries", "session_id, subpath, uuid"),
    ("records", "turn_id, kind, record_id"), ("pages", "owner, campaign, requested_url"),
)  # fmt: skip
"""Tables, and the columns of which no two rows have the same values, unless the last one is empty."""
FAILED = "SELECT phase FROM attempts WHERE state = 'failed'"


@dataclass(frozen=True)
class Made:
    """What a batch left: rows by run, by campaign the records and what the finished turns cost, and the texts side by side."""

    rows: dict[str, Row]
    records: dict[str, list[tuple[Any, ...]]]
    paid_usd: dict[str, float]
    compared: pd.DataFrame


@dataclass
class Work:
    """A batch in a thread, and what it has told so far. Without a scheduler it is done on this machine."""

    lab: Lab
    out: Path
    scheduler: str | None = None
    cancelled: Cancellation = field(default_factory=Cancellation)
    events: list[BatchEvent] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    _errors: list[BaseException] = field(default_factory=list)
    _thread: threading.Thread | None = None

    def start(self) -> Work:
        """Begins."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def end(self) -> dict[str, Row]:
        """Waits for the rows, by run."""
        assert self._thread is not None
        self._thread.join(400)
        assert not self._thread.is_alive(), self.events
        if self._errors:
            raise self._errors[0]
        return {row.run: row for row in self.rows}

    def is_on(self) -> bool:
        """It works, and no run has failed so far. Raises AssertionError that shows what did."""
        failed = [event.row for event in self.events if isinstance(event, RunEnded) and event.row.state != "finished"]
        assert not failed
        assert self._thread is not None
        assert self._thread.is_alive(), self._errors
        return True

    def tries(self) -> int:
        """How often a kernel was started for its runs."""
        return sum(isinstance(event, RunStarted) for event in self.events)

    def _run(self) -> None:
        try:
            options = BatchOptions(default_template(), self.out, scheduler=self.scheduler)
            plan = plan_batch(self.lab._context, [BRIEFS / f"{name}.toml" for name in NAMES], options)
            self.rows = run_batch(self.lab._context, plan, on_event=self.events.append, cancelled=self.cancelled)
        except BaseException as error:
            self._errors.append(error)


class Team:
    """A server, a cluster, and databases in which Ana is a member."""

    def __init__(self, server: PostgresServer, folder: Path) -> None:
        self.server = server
        self.cluster = Cluster(folder)
        self._databases = Databases(server)
        self._mark = {MARK: folder.name, "CAMPAIGN_LAB_REHEARSAL_LATENCY_S": LATENCY_S}

    def start_cluster(self) -> None:
        """The scheduler, where it was before, and all workers."""
        self.cluster.start_scheduler()
        for _ in range(WORKERS):
            self.add_worker()
        self.cluster.wait_for_workers(WORKERS)

    def add_worker(self) -> None:
        """One worker more, as a supervisor brings one back."""
        self.cluster.add_worker(**self._mark)

    def lose_a_worker(self) -> None:
        """Kills a worker that has a kernel, as a machine that fails does, and brings another one."""
        lost = next(each for each in self.cluster.workers if psutil.Process(each.pid).children())
        lost.kill()
        lost.wait()
        self.cluster.workers.remove(lost)
        self.add_worker()

    def lose_the_scheduler(self) -> None:
        """Kills the scheduler and brings it back, and then its workers, which end when they have lost it."""
        assert self.cluster.scheduler is not None
        self.cluster.scheduler.kill()
        self.cluster.scheduler.wait()
        for worker in self.cluster.workers:
            worker.wait(60)
        self.cluster.workers.clear()
        self.start_cluster()

    def lab(self, name: str) -> Lab:
        """Ana's lab in the database of that name: she sees what row-level security lets her see."""
        lab = Lab(self._databases.place(name, user="ana"))
        assert lab._context.engine.role == "ana"
        return lab

    @contextlib.contextmanager
    def owned(self, name: str) -> Iterator[Store]:
        """The same database with all that is in it."""
        with opened(self._databases.place(name, user=OWNER)) as store:
            yield store

    def left(self, *words: str) -> list[str]:
        """What the workers have started and still runs: kernels, CLIs, and what those have started."""
        own = {process.pid for process in self.cluster.workers}
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                marked = process.environ().get(MARK) == self._mark[MARK]
                if marked and process.pid not in own and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
        return [command for command in found if all(word in command for word in words)]


@pytest.fixture(scope="module")
def team(postgres: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """A PostgreSQL that may be stopped, and a cluster that each test leaves as it found it."""
    with running(fast=False) as server:
        team = Team(server, tmp_path_factory.mktemp("cluster"))
        try:
            team.start_cluster()
            yield team
        finally:
            team.cluster.stop()


@pytest.fixture(scope="module")
def clean(process: None, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The batch on this machine, in a lab file."""
    folder = tmp_path_factory.mktemp("clean")
    with Lab(folder / "lab.duckdb", user="ana") as lab:
        rows = Work(lab, folder / "out").start().end()
        return made(lab, lab._context.engine, rows)


def rows_of(store: Store, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in store.call(lambda con: con.execute(sql).fetchall())]


def by_campaign(rows: list[tuple[Any, ...]]) -> dict[str, list[tuple[Any, ...]]]:
    """The rows by their first column, without it."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    for campaign, *rest in rows:
        found.setdefault(campaign, []).append(tuple(rest))
    return found


def made(lab: Lab, store: Store, rows: Mapping[str, Row]) -> Made:
    """What stands in the whole store and what the lab shows of it, without ids and times."""
    records = rows_of(
        store,
        "SELECT s.campaign, t.phase, r.kind, r.label, r.body, r.revision, r.degraded, r.problems FROM records AS r "
        "JOIN turns AS t ON t.id = r.turn_id JOIN sessions AS s ON s.id = t.session_id ORDER BY 1, 2, 3, 4, 5",
    )
    costs = rows_of(
        store,
        "SELECT s.campaign, a.cost_usd FROM attempts AS a JOIN sessions AS s ON s.id = a.session_id "
        "WHERE a.state = 'finished'",
    )
    paid = {campaign: math.fsum(usd for (usd,) in each) for campaign, each in by_campaign(costs).items()}
    sessions = rows_of(store, "SELECT id FROM sessions ORDER BY campaign")
    compared = lab.compare([lab.open(session) for (session,) in sessions])
    by = ["campaign", "angle", "headline", "primary_text"]
    return Made(dict(rows), by_campaign(records), paid, pd.DataFrame(compared).sort_values(by, ignore_index=True))


def assert_as_clean(team: Team, work: Work, name: str, clean: Made) -> dict[str, Row]:
    """Each brief was done once, as on one machine and for the same money. Gives the rows."""
    rows = work.end()
    with team.owned(name) as store:
        assert_sound(store, len(rows))
        ours = made(work.lab, store, rows)
    campaigns = {row.campaign for row in rows.values()}
    assert ours.records == {campaign: clean.records[campaign] for campaign in campaigns}
    assert ours.paid_usd == pytest.approx({campaign: clean.paid_usd[campaign] for campaign in campaigns}, abs=1e-6)
    expected = clean.compared[clean.compared["campaign"].isin(campaigns)].reset_index(drop=True)
    own = "cost_own_usd"  # tries that were cut on the way count there, too
    assert (ours.compared[own] >= expected[own] - 1e-6).all()
    pd.testing.assert_frame_equal(ours.compared.drop(columns=own), expected.drop(columns=own), atol=1e-6)
    for run, row in rows.items():
        known = clean.rows[run]
        assert (run, row.state, row.error, row.records) == (run, "finished", "", known.records)
        assert row.cost_usd == pytest.approx(known.cost_usd, abs=1e-6)
        notebook = json.loads((work.out / f"{run}.ipynb").read_text(encoding="utf-8"))
        assert notebook["metadata"]["papermill"]["exception"] is None
        assert work.lab.open(row.sessions[0]).verify() == []
    return rows


def assert_sound(store: Store, campaigns: int) -> None:
    """Three finished turns a campaign, no attempt left open, and no row twice or out of its place."""
    turns = rows_of(store, "SELECT s.campaign, t.phase FROM turns AS t JOIN sessions AS s ON s.id = t.session_id")
    assert sorted(phase for _, phase in turns) == sorted(PHASES * campaigns)
    assert len({*turns}) == len(turns)
    states = Counter(state for (state,) in rows_of(store, "SELECT state FROM attempts"))
    assert (states["finished"], states["running"]) == (len(turns), 0)
    assert rows_of(store, "SELECT attempt_id FROM claims") == []
    for table, columns in ONCE:
        last = columns.rpartition(", ")[2]
        doubled = f"SELECT {columns} FROM {table} GROUP BY {columns} HAVING count({last}) > 1"
        assert rows_of(store, doubled) == [], (table, columns)
    gaps = "SELECT session_id, subpath FROM entries GROUP BY session_id, subpath HAVING count(*) <> max(seq) + 1"
    assert rows_of(store, gaps) == []


def in_the_middle(work: Work, store: Store, phase: str, count: int = 1) -> Callable[[], bool]:
    """Do so many runs make a turn of that phase of which an answer is paid and stored?"""
    sql = (
        "SELECT a.id FROM attempts AS a JOIN entries AS e ON e.session_id = a.id "
        f"WHERE a.state = 'running' AND a.phase = '{phase}' AND e.kind = 'assistant' GROUP BY a.id"
    )
    return lambda: work.is_on() and len(rows_of(store, sql)) >= count


def test_worker_server_and_scheduler_die_in_one_batch(team: Team, clean: Made, tmp_path: Path) -> None:
    """Each in the middle of a turn, and brought back: nothing is lost, doubled or paid twice, and no process is left."""
    with team.lab("broken") as lab, team.owned("broken") as store:
        work = Work(lab, tmp_path / "out", team.cluster.address).start()
        until(in_the_middle(work, store, "research", WORKERS))
        team.lose_a_worker()
        until(in_the_middle(work, store, "strategy"))
        team.server.restart()
        until(in_the_middle(work, store, "copy"))
        assert work.tries() == len(NAMES) + 1  # the server's restart ended no kernel
        assert {phase for (phase,) in rows_of(store, FAILED)} <= {"research"}  # and no turn
        team.lose_the_scheduler()
        rows = assert_as_clean(team, work, "broken", clean)
        assert {phase for (phase,) in rows_of(store, FAILED)} >= {"research", "copy"}
    assert math.fsum(row.cut_usd for row in rows.values()) > 0.0
    until(lambda: not team.left())


def test_cancelled_it_leaves_no_kernel_and_goes_on_as_one_machine_and_a_file(
    team: Team, clean: Made, tmp_path: Path
) -> None:
    """Cancelled in the research; the same batch again makes the records of one machine, for its money, one kernel per run."""
    with team.lab("cancelled") as lab, team.owned("cancelled") as store:
        work = Work(lab, tmp_path / "out", team.cluster.address).start()
        until(in_the_middle(work, store, "research", WORKERS))
        work.cancelled.set()
        assert {run: row.state for run, row in work.end().items()} == dict.fromkeys(NAMES, "cancelled")
        until(lambda: not team.left())
        again = Work(lab, work.out, team.cluster.address).start()
        until(lambda: again.is_on() and len(team.left("ipykernel")) == WORKERS and team.left("claude"))
        assert_as_clean(team, again, "cancelled", clean)
    assert again.tries() == len(NAMES)
    until(lambda: not team.left())
