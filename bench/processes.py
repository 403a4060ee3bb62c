"""Several processes in one lab file for a minute: what appends take, that readers are never refused, that nothing is lost.

Three processes write turns and forks in one session as fast as they can, a fourth reads that session over and over. No CLI: a
real turn spends seconds elsewhere, so this is far more traffic than sessions make. The same workers as in tests/sessions.
"""

from __future__ import annotations

import multiprocessing
import statistics
import sys
import tempfile
import time
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import psutil

from campaign_lab import Lab
from campaign_lab.store import queries
from campaign_lab.store.rows import SessionRow, TurnRow

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.workers import session_workers  # noqa: E402

WRITERS, SECONDS = 3, 60.0
PROCESSES = multiprocessing.get_context("forkserver")

Told = tuple[str, str, float]


def main() -> int:
    """Prints the figures; 1 when a reader was refused or an acknowledged row is not there."""
    PROCESSES.set_forkserver_preload(session_workers.PRELOAD[1:])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lab.duckdb"
        told, failed = _work(path)
        lost, problems = _lost(path, told)
    appends, reads = _times(told, "append"), _times(told, "read")
    refused = [text for kind, text, _ in told if kind == "refused"]
    turns, forks = len(_times(told, "turn")), len(_times(told, "session"))
    print(
        f"processes: {len(refused)} reads refused, {lost} acknowledged rows lost, {problems} problems (bar 0, 0 and 0)"
    )
    print(
        f"  {WRITERS} writers for {SECONDS:.0f} s: {turns} turns, {forks} forks; load of the machine {psutil.getloadavg()[0]:.1f}"
    )
    for what, times in (
        ("append", appends),
        ("turn with all its rows", _times(told, "turn")),
        ("read of the session", reads),
    ):
        p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
        print(f"  {what}: p50 {p50:.0f} ms, p99 {p99:.0f} ms ({len(times)} of them)")
    for text in refused[:3]:
        print(f"  refused: {text}")
    return 1 if refused or lost or problems or failed else 0


def _work(path: Path) -> tuple[list[Told], bool]:
    """Lets them all work; what they told, and whether one of them failed."""
    with Lab(path, user="ana", endpoint="rehearsal", session_ttl="1w") as lab:
        lab.session(session_workers.BRIEF)
    pipes: dict[Any, Any] = {}
    targets = [session_workers.write_until] * WRITERS + [session_workers.read_until]
    for place, target in enumerate(targets):
        ours, its = PROCESSES.Pipe()
        process = PROCESSES.Process(target=target, args=(str(path), its, place, SECONDS))
        process.start()
        its.close()
        pipes[ours] = process
    told: list[Told] = []
    processes, end = list(pipes.values()), time.monotonic() + SECONDS + 60
    while pipes and time.monotonic() < end:
        for pipe in wait(list(pipes), timeout=1):
            try:
                each = pipe.recv()
            except EOFError:
                each = None
            if each is None:
                pipes.pop(pipe).join(30)
            else:
                told.append(each)
    return told, any(process.exitcode != 0 for process in processes)


def _lost(path: Path, told: list[Told]) -> tuple[int, int]:
    """How many acknowledged rows are not there exactly once, and how many problems the sessions have."""
    with Lab(path, user="ana", endpoint="rehearsal") as lab:
        call = lab._context.engine.call
        stored = {
            "turn": [row.id for row in call(lambda con: queries.select(con, TurnRow))],
            "session": [row.id for row in call(lambda con: queries.select(con, SessionRow))],
            "append": [uid for (uid,) in call(lambda con: con.execute("SELECT uuid FROM entries").fetchall())],
        }
        doubled = sum(len(rows) - len(set(rows)) for rows in stored.values())
        lost = sum(
            row not in set(stored[kind]) for kind, rows in _by_kind(told).items() if kind in stored for row in rows
        )
        tips = [lab.open("main"), *lab.open("main").forks()]
        return lost + doubled, sum(len(session.verify()) for session in tips[:20])


def _by_kind(told: list[Told]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for kind, row, _ in told:
        found.setdefault(kind, []).append(row)
    return found


def _times(told: list[Told], kind: str) -> list[float]:
    return [ms for each, _, ms in told if each == kind]


if __name__ == "__main__":
    sys.exit(main())
