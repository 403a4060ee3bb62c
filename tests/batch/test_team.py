"""A team's batch: whole campaigns on a cluster of three workers, in one PostgreSQL, as a member whom row-level security holds."""

from __future__ import annotations

import contextlib
import math
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from conftest import BRIEFS
from postgres import OWNER, PostgresServer, running
from stores import Databases, opened

pytest.importorskip("distributed", reason="the extra campaign_lab[team] is not installed")

from dask_cluster import Cluster, until

from campaign_lab import Lab
from campaign_lab.batch import Cancellation
from campaign_lab.batch.events import BatchEvent, CellStarted, RunEnded, RunStarted
from campaign_lab.batch.plan import BatchOptions, plan_batch
from campaign_lab.batch.rows import Row
from campaign_lab.batch.run import run_batch
from campaign_lab.batch.template import default_template
from campaign_lab.store.connection import Store

pytestmark = pytest.mark.timeout(600)

NAMES = ("aubrelune-ete", "cairnwold-autumn", "duewren-trial")
PHASES = ("research", "strategy", "copy")
WORKERS = 3
LATENCY_S = "0.1"
"""How long the rehearsed model thinks: enough for a turn to have a middle."""
MARK = "CAMPAIGN_LAB_TEST_TEAM"
"""In the environment of the workers, and so of all that they start."""


@dataclass(frozen=True)
class Made:
    """What a batch left in its store: by campaign the records and the finished turns' cost, and the rows by run."""

    rows: dict[str, Row]
    records: dict[str, list[tuple[Any, ...]]]
    paid_usd: dict[str, float]


@dataclass
class Work:
    """A batch in a thread, and what it has told so far."""

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

    def at(self, cell: str, count: int = 1) -> Callable[[], bool]:
        """Have so many runs come to that cell, while none has ended before its time?"""
        return lambda: self._alive() and len({each.run for each in self.events if _is_at(each, cell)}) >= count

    def _alive(self) -> bool:
        ended = [event.row for event in self.events if isinstance(event, RunEnded) and event.row.state != "finished"]
        assert not ended
        assert not self._errors, self._errors
        return True

    def _run(self) -> None:
        try:
            options = BatchOptions(default_template(), self.out, scheduler=self.scheduler)
            plan = plan_batch(self.lab._context, [BRIEFS / f"{name}.toml" for name in NAMES], options)
            self.rows = run_batch(self.lab._context, plan, on_event=self.events.append, cancelled=self.cancelled)
        except BaseException as error:
            self._errors.append(error)


def _is_at(event: BatchEvent, cell: str) -> bool:
    return isinstance(event, CellStarted) and event.cell == cell


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
        own = {process.pid for process in filter(None, [self.cluster.scheduler, *self.cluster.workers])}
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                marked = process.environ().get(MARK) == self._mark[MARK]
                if marked and process.pid not in own and process.status() != psutil.STATUS_ZOMBIE:
                    found.append(" ".join(process.cmdline()))
        return [command for command in found if all(word in command for word in words)]


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """A PostgreSQL that may be stopped, and a cluster that each test leaves as it found it."""
    with running(fast=False) as server:
        team = Team(server, tmp_path_factory.mktemp("cluster"))
        team.start_cluster()
        yield team
        team.cluster.stop()


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The batch on this machine, in a lab file."""
    folder = tmp_path_factory.mktemp("clean")
    with Lab(folder / "lab.duckdb", user="ana") as lab:
        rows = Work(lab, folder / "out").start().end()
        return made(lab._context.engine, rows)


def rows_of(store: Store, sql: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in store.call(lambda con: con.execute(sql).fetchall())]


def made(store: Store, rows: dict[str, Row]) -> Made:
    """What stands in the store, without ids and times."""
    records: dict[str, list[tuple[Any, ...]]] = {}
    for campaign, *record in rows_of(
        store,
        "SELECT s.campaign, t.phase, r.kind, r.label, r.body, r.revision, r.degraded, r.problems FROM records r "
        "JOIN turns t ON t.id = r.turn_id JOIN sessions s ON s.id = t.session_id ORDER BY 1, 2, 3, 4, 5",
    ):
        records.setdefault(campaign, []).append(tuple(record))
    paid: dict[str, list[float]] = {}
    for campaign, usd in rows_of(
        store,
        "SELECT s.campaign, a.cost_usd FROM attempts a JOIN sessions s ON s.id = a.session_id "
        "WHERE a.state = 'finished'",
    ):
        paid.setdefault(campaign, []).append(usd)
    return Made(rows, records, {campaign: math.fsum(each) for campaign, each in paid.items()})


def assert_as_clean(team: Team, lab: Lab, name: str, rows: dict[str, Row], clean: Made, out: Path) -> None:
    """Each brief done once, as on one machine and for the same money; nothing lost and nothing twice."""
    with team.owned(name) as store:
        ours = made(store, rows)
        assert_sound(store)
    assert ours.records == clean.records
    assert ours.paid_usd == pytest.approx(clean.paid_usd, abs=1e-6)
    for run, row in clean.rows.items():
        assert (run, rows[run].state, rows[run].error, rows[run].records) == (run, "finished", "", row.records)
        assert rows[run].cost_usd == pytest.approx(row.cost_usd, abs=1e-6)
        notebook = nbformat.read(out / f"{run}.ipynb", as_version=4)
        assert notebook.metadata.papermill.exception is None
    for (session,) in rows_of(lab._context.engine, "SELECT id FROM sessions"):
        assert lab.open(session).verify() == []


def assert_sound(store: Store) -> None:
    """Three finished turns a campaign, no attempt left open, and no row twice or out of its place."""
    turns = rows_of(store, "SELECT s.campaign, t.phase FROM turns t JOIN sessions s ON s.id = t.session_id")
    assert len(turns) == len(NAMES) * len(PHASES)
    assert len({campaign for campaign, _ in turns}) == len(NAMES)
    assert {*Counter(turns).values()} == {1}
    states = Counter(state for (state,) in rows_of(store, "SELECT state FROM attempts"))
    assert (states["finished"], states["running"]) == (len(turns), 0)
    assert rows_of(store, "SELECT attempt_id FROM claims") == []
    for table, columns in (
        ("turns", "id"), ("turns", "session_id, parent_turn, key"), ("attempts", "id"), ("sessions", "id"),
        ("sessions", "owner, campaign, name"), ("requests", "attempt_id, subpath, message_id"), ("entries", "uuid"),
        ("entries", "session_id, subpath, seq"), ("records", "turn_id, kind, record_id"),
        ("pages", "owner, campaign, requested_url"),
    ):  # fmt: skip
        count = f"SELECT {columns}, count(*) FROM {table} GROUP BY {columns} HAVING count(*) > 1"
        doubled = [row for row in rows_of(store, count) if row[0] is not None]
        assert doubled == [], (table, columns)
    gaps = "SELECT session_id, subpath FROM entries GROUP BY 1, 2 HAVING count(*) <> max(seq) + 1"
    assert rows_of(store, gaps) == []


def test_a_cluster_and_a_server_make_what_one_machine_and_a_file_make(team: Team, clean: Made, tmp_path: Path) -> None:
    """The same records for the same money, run by three workers; and then no kernel and no CLI is left."""
    with team.lab("whole") as lab:
        work = Work(lab, tmp_path / "out", team.cluster.address).start()
        until(lambda: team.left("ipykernel") and team.left("claude"))
        rows = work.end()
        assert_as_clean(team, lab, "whole", rows, clean, tmp_path / "out")
    assert [event.attempt for event in work.events if isinstance(event, RunStarted)] == [1] * len(NAMES)
    until(lambda: not team.left())


def test_worker_scheduler_and_server_die_in_one_batch(team: Team, clean: Made, tmp_path: Path) -> None:
    """A worker and the scheduler killed and brought back, PostgreSQL restarted: nothing is lost, doubled or paid twice."""
    cluster = team.cluster
    with team.lab("broken") as lab, team.owned("broken") as store:
        work = Work(lab, tmp_path / "out", cluster.address).start()
        until(work.at("research", WORKERS))
        until(lambda: rows_of(store, "SELECT count(*) FROM entries") > [(5,)])
        cluster.workers[-1].kill()
        cluster.workers.pop().wait()
        team.add_worker()
        until(work.at("strategy"))
        team.server.restart()
        until(work.at("copy"))
        assert cluster.scheduler is not None
        cluster.scheduler.kill()
        cluster.scheduler.wait()
        for worker in cluster.workers:
            worker.wait(60)
        cluster.workers.clear()
        team.start_cluster()
        rows = work.end()
        assert_as_clean(team, lab, "broken", rows, clean, tmp_path / "out")
        failed = rows_of(store, "SELECT phase, cause, cost_usd FROM attempts WHERE state = 'failed'")
    assert "research" in {phase for phase, *_ in failed}
    assert {cause for _, cause, _ in failed} <= {"process", "cancelled"}
    until(lambda: not team.left())


def test_cancelled_in_the_middle_it_leaves_no_kernel_and_goes_on(team: Team, clean: Made, tmp_path: Path) -> None:
    """All three are in their research; the same batch again makes what is missing, for the money of a clean one."""
    with team.lab("cancelled") as lab:
        work = Work(lab, tmp_path / "out", team.cluster.address).start()
        until(work.at("research", WORKERS))
        until(lambda: team.left("claude"))
        work.cancelled.set()
        rows = work.end()
        assert {row.state for row in rows.values()} == {"cancelled"}
        until(lambda: not team.left())
        again = Work(lab, tmp_path / "out", team.cluster.address).start().end()
        assert_as_clean(team, lab, "cancelled", again, clean, tmp_path / "out")
    until(lambda: not team.left())
