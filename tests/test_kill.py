"""kill -9 at any moment: what was finished stays whole, the same command goes on from there, and what was paid is booked."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from campaign_lab import Brief
from campaign_lab.agents.events import AgentEnded, AgentStarted, Event, PageRead, RecordsHandedIn
from campaign_lab.errors import TurnFailed
from campaign_lab.store import queries
from campaign_lab.store.duckdb.engine import DuckFile, open_file
from campaign_lab.store.rows import AttemptRow, ClaimRow, RecordRow, RequestRow, SessionRow, TurnRow
from support.processes import at_work

pytestmark = pytest.mark.usefixtures("slow")
COMMAND = Path(sys.executable).with_name("campaign-lab")
PHASES = ("research", "strategy", "copy")
KILLS, SEED = 10, 20261122
ORPHANS_GONE_S = 30.0
"""Time for a CLI whose parent was killed to notice that nobody listens."""


@dataclass(frozen=True)
class Moment:
    """When to kill: so many ``seconds`` after the ``lines``-th progress line that follows the end of the phase ``after``.

    Lines and not seconds from the start, so that a busy machine is killed at the same places as an idle one.
    """

    after: str
    lines: int
    seconds: float


@dataclass
class Undisturbed:
    """A campaign that nobody killed: its JSON, its records by phase, and its progress lines with their times."""

    result: dict[str, Any]
    bodies: dict[str, list[str]]
    progress: list[tuple[float, str]]
    start_s: float
    """How much longer the first phase took to get going, because the libraries were loaded in it."""

    def moment(self, seconds: float) -> Moment:
        """The moment that lay so many seconds after the start."""
        after, lines, since = "", 0, 0.0
        for at, line in self.progress:
            if at <= seconds:
                done = next((phase for phase in PHASES if line.startswith(f"{phase}: done")), "")
                after, lines, since = (done, 0, at) if done else (after, lines + 1, at)
        loading = self.start_s if after and not lines else 0.0
        return Moment(after, lines, seconds - since + loading)


def _command(path: Path, brief: Path, *options: str) -> list[str]:
    return [str(COMMAND), "run", str(brief), "--lab", str(path), "--user", "ana", *options]


def _finish(path: Path, brief: Path) -> dict[str, Any]:
    done = subprocess.run(_command(path, brief, "--json"), capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _entries(file: DuckFile, attempt_id: str) -> list[tuple[str, dict[str, Any]]]:
    rows = file.call(lambda con: queries.entries_of(con, attempt_id))
    return [(subpath, json.loads(entry)) for subpath, entry in rows]


def _rows(file: DuckFile, table: type, rest: str = "") -> list[Any]:
    return file.call(lambda con: queries.select(con, table, rest))


def _bodies(file: DuckFile, turn: TurnRow) -> list[str]:
    return [row.body for row in _rows(file, RecordRow, f"WHERE turn_id = '{turn.id}' ORDER BY n")]


def _line(file: DuckFile) -> list[TurnRow]:
    """The finished turns of the one session, root first."""
    (session,) = _rows(file, SessionRow)
    return file.call(lambda con: queries.line_of(con, session.tip_turn))


@pytest.fixture(scope="module")
def brief(pytestconfig: pytest.Config) -> Path:
    """The outdoor shop."""
    return pytestconfig.rootpath / "data" / "briefs" / "cairnwold-autumn.toml"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, brief: Path) -> Undisturbed:
    """The campaign as it comes out when nobody disturbs it."""
    path = tmp_path_factory.mktemp("undisturbed") / "lab.duckdb"
    began = time.monotonic()
    with subprocess.Popen(
        _command(path, brief), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        progress = [(time.monotonic() - began, line) for line in process.stderr]
    result, file = _finish(path, brief), open_file(path)
    line = _line(file)
    lead = [(_first_entry(file, turn) - turn.started_at).total_seconds() for turn in line]
    bodies = {turn.phase: _bodies(file, turn) for turn in line}
    file.close()
    return Undisturbed(result, bodies, progress, max(0.0, lead[0] - lead[1]))


def _first_entry(file: DuckFile, turn: TurnRow) -> datetime:
    sql = "SELECT min(stored_at) FROM entries WHERE session_id = ?"
    return file.call(lambda con: con.execute(sql, [turn.id]).fetchone()[0])


def _kill_at(command: list[str], moment: Moment) -> list[psutil.Process]:
    """Starts the command and kills it at the moment. Its children, who outlive it."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    lines, children = iter(process.stderr), []
    if moment.after:
        next((line for line in lines if line.startswith(f"{moment.after}:")), None)
    for _ in zip(range(moment.lines), lines, strict=False):
        pass
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(timeout=moment.seconds)
    with contextlib.suppress(psutil.NoSuchProcess):
        children += psutil.Process(process.pid).children(recursive=True)
        process.kill()
    process.wait()
    process.stderr.close()
    return children


def _assert_whole(path: Path, undisturbed: Undisturbed) -> bool:
    """The file opens and every finished turn in it is whole. True when an attempt died in it."""
    file = open_file(path)
    turns = {turn.id: turn for turn in _rows(file, TurnRow)}
    attempts = _rows(file, AttemptRow)
    assert {row.id for row in attempts if row.state == "finished"} == set(turns)
    if turns:
        line = _line(file)
        assert [turn.id for turn in line] == [
            turn.id for turn in sorted(turns.values(), key=lambda each: each.finished_at)
        ]
        assert [turn.phase for turn in line] == list(PHASES[: len(line)])
        assert [turn.parent_turn for turn in line] == [None, *(turn.id for turn in line[:-1])]
    for turn in turns.values():
        assert _bodies(file, turn) == undisturbed.bodies[turn.phase]
        _assert_no_orphan_call(_entries(file, turn.id))
    file.close()
    return any(row.state == "running" for row in attempts)


def _assert_no_orphan_call(entries: list[tuple[str, dict[str, Any]]]) -> None:
    """Every tool call of a conversation has its result."""
    blocks = [
        (subpath, block)
        for subpath, entry in entries
        if entry["type"] in ("user", "assistant") and isinstance(entry["message"]["content"], list)
        for block in entry["message"]["content"]
    ]
    calls = {(subpath, block["id"]) for subpath, block in blocks if block["type"] == "tool_use"}
    results = {(subpath, block["tool_use_id"]) for subpath, block in blocks if block["type"] == "tool_result"}
    assert calls
    assert calls == results


def _assert_prompts_once(file: DuckFile) -> None:
    """The conversation that the next turn would stand on holds each phase's prompt once, and those of no dead attempt."""
    prompts = [
        entry["message"]["content"]
        for turn in _line(file)
        for subpath, entry in _entries(file, turn.id)
        if not subpath and entry["type"] == "user" and "# Phase: " in json.dumps(entry["message"]["content"])
    ]
    assert [next(phase for phase in PHASES if f"# Phase: {phase}" in json.dumps(prompt)) for prompt in prompts] == list(
        PHASES
    )


def _assert_dead_are_booked(file: DuckFile) -> None:
    """Each failed attempt has a row for every response in its entries, and for those that only its folder knew."""
    attempts = [row for row in _rows(file, AttemptRow) if row.state == "failed"]
    assert {row.cause for row in attempts} == {"process"}
    booked = 0
    for attempt in attempts:
        messages = {
            (subpath, entry["message"]["id"]): entry["message"]["usage"]
            for subpath, entry in _entries(file, attempt.id)
            if entry["type"] == "assistant" and entry["message"]["model"] != "<synthetic>"
        }
        rows = [row for row in _rows(file, RequestRow, f"WHERE attempt_id = '{attempt.id}'") if row.complete]
        booked_tokens = {(row.subpath, row.message_id): row.output_tokens for row in rows}
        assert booked_tokens.items() >= {key: usage["output_tokens"] for key, usage in messages.items()}.items()
        assert attempt.cost_usd == pytest.approx(sum(row.cost_usd for row in rows))
        booked += len(rows)
    assert booked
    assert not _rows(file, ClaimRow)


@pytest.mark.usefixtures("process")
def test_a_campaign_survives_kills(tmp_path, brief, undisturbed):
    """Killed five times on its way, one campaign ends with the records that it has undisturbed, and all is booked."""
    path, generator = tmp_path / "lab.duckdb", random.Random(SEED)
    length = undisturbed.progress[-1][0]
    orphans, died = [], 0
    for place in range(KILLS):
        moment = undisturbed.moment((place + generator.random()) / KILLS * length)
        orphans += _kill_at(_command(path, brief), moment)
        died += _assert_whole(path, undisturbed)
    assert died >= KILLS // 2

    result = _finish(path, brief)
    assert result["records"] == undisturbed.result["records"]
    assert _assert_whole(path, undisturbed) is False
    file = open_file(path)
    assert len([row for row in _rows(file, AttemptRow) if row.state == "failed"]) == died
    _assert_prompts_once(file)
    _assert_dead_are_booked(file)
    file.close()
    assert not psutil.wait_procs(orphans, timeout=ORPHANS_GONE_S)[1]


MOMENTS: dict[str, tuple[str, Callable[[Event], bool]]] = {
    "as the first researcher starts": ("research", lambda event: isinstance(event, AgentStarted)),
    "as a page comes back": ("research", lambda event: isinstance(event, PageRead)),
    "as a researcher is done": ("research", lambda event: isinstance(event, AgentEnded)),
    "as the angles are handed in": ("strategy", lambda event: isinstance(event, RecordsHandedIn)),
    "as a copy-creator starts": ("copy", lambda event: isinstance(event, AgentStarted)),
}


@pytest.mark.usefixtures("process")
def test_a_campaign_survives_the_death_of_its_cli(make_lab, brief, undisturbed):
    """When only the CLI is killed, the turn fails with cause process, is booked, and the next try works."""
    lab = make_lab()
    session = lab.session(Brief.load(brief))
    file = lab._context.engine

    def killer(fits: Callable[[Event], bool]) -> Callable[[Event], None]:
        def kill(event: Event) -> None:
            for child in at_work() if fits(event) else ():
                child.kill()

        return kill

    for phase in PHASES:
        for _, fits in (moment for moment in MOMENTS.values() if moment[0] == phase):
            with pytest.raises(TurnFailed) as caught:
                lab.run_sync(session.run(phase, on_event=killer(fits)))
            assert caught.value.cause == "process"
        turn = lab.run_sync(session.run(phase))
        assert [kept.to_json() for kept in turn.kept] == [
            record
            for kind in dict.fromkeys(kept.kind for kept in turn.kept)
            for record in undisturbed.result["records"][kind]
        ]
    _assert_prompts_once(file)
    _assert_dead_are_booked(file)
