"""What the session store itself takes, without any model: forks, resuming a long conversation, and storing a turn.

Medians of many calls in one process, on a file of its own. Another process in the file would add its share of the gate.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from campaign_lab import Brief, Lab
from campaign_lab.sessions.session import Session
from campaign_lab.store.duckdb.engine import DuckFile, open_file
from campaign_lab.store.transcripts import PROJECT, TurnTranscripts

FORKS, IDLE_FORKS = 200, 50
ENTRIES_A_TURN, ENTRY_BYTES = 10, 2_000
LOADS = 20
BARS_MS = {"fork": 10.0, 200: 10.0, 2_000: 60.0}
ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Prints a line a figure; 1 when one is over its bar."""
    with tempfile.TemporaryDirectory() as folder:
        good = _forks(Path(folder) / "forks.duckdb")
        good &= _loads(Path(folder) / "chain.duckdb")
    return 0 if good else 1


def _forks(path: Path) -> bool:
    """Forks of a real research turn."""
    with Lab(path, user="bench", endpoint="rehearsal") as lab:
        base = lab.session(Brief.load(ROOT / "data" / "briefs" / "termwick-renewals.toml"))
        lab.run_sync(base.run("research"))
        file = lab._context.engine
        stored = _stored(file)
        for n in range(IDLE_FORKS):
            base.fork(f"Idle {n}", at="research")
        grown = [after - before for before, after in zip(stored, _stored(file), strict=True)]
        print(
            f"{IDLE_FORKS} forks that have not run: {grown[1]} bytes, {grown[0]} entries of transcript more (bar 0 and 0)"
        )
        taken = [_ms(lambda n=n: _fork(base, n)) for n in range(FORKS)]
        again = [_ms(lambda n=n: _fork(base, n)) for n in range(FORKS)]
        ms = statistics.median(taken)
        print(f"fork: {ms:.1f} ms, median of {FORKS} (bar {BARS_MS['fork']:.0f} ms)")
        print(f"  the first {FORKS // 10}: {statistics.median(taken[: FORKS // 10]):.1f} ms, the last: "
              f"{statistics.median(taken[-FORKS // 10 :]):.1f} ms, the slowest: {max(taken):.1f} ms; "
              f"asked for again, the same fork: {statistics.median(again):.1f} ms")  # fmt: skip
        return grown == [0, 0] and ms <= BARS_MS["fork"]


def _fork(base: Session, n: int) -> Session:
    return base.fork(f"Angle {n}", at="research")


def _stored(file: DuckFile) -> tuple[int, int]:
    """Number and bytes of all transcript entries."""
    sql = "SELECT count(*), coalesce(sum(strlen(entry)), 0) FROM entries"
    count, size = file.call(lambda con: con.execute(sql).fetchone()) or (0, 0)
    return int(count), int(size)


def _loads(path: Path) -> bool:
    """Resuming from chains of turns, in one file with all of them."""
    good = True
    file = open_file(path)
    for entries in (200, 2_000):
        line, appends = asyncio.run(_chain(file, entries // ENTRIES_A_TURN))
        store = TurnTranscripts(file, str(uuid.uuid4()), line)
        key = {"project_key": PROJECT, "session_id": store._attempt}
        loaded = asyncio.run(_load_times(store, key))
        assert loaded[1] == entries
        ms, bar = statistics.median(loaded[0]), BARS_MS[entries]
        print(
            f"resuming from {entries:,} entries in {len(line)} turns: {ms:.1f} ms, median of {LOADS} (bar {bar:.0f} ms)"
        )
        print(f"  storing a turn of {ENTRIES_A_TURN} entries of 2 KB meanwhile: {statistics.median(appends):.1f} ms, "
              f"the slowest {max(appends):.1f} ms")  # fmt: skip
        good &= ms <= bar
    file.close()
    return good


async def _chain(file: DuckFile, turns: int) -> tuple[list[str], list[float]]:
    """Stores a line of turns as the SDK would; their ids, and the milliseconds that each took."""
    line: list[str] = []
    taken = []
    for _ in range(turns):
        turn = str(uuid.uuid4())
        store = TurnTranscripts(file, turn, list(line))
        began = time.perf_counter()
        await store.append({"project_key": PROJECT, "session_id": turn}, [_entry(turn) for _ in range(ENTRIES_A_TURN)])
        taken.append((time.perf_counter() - began) * 1000)
        line.append(turn)
    return line, taken


def _entry(turn: str) -> Any:
    text = uuid.uuid4().hex * (ENTRY_BYTES // 32)
    return {"type": "user", "uuid": str(uuid.uuid4()), "sessionId": turn, "message": {"role": "user", "content": text}}


async def _load_times(store: TurnTranscripts, key: Any) -> tuple[list[float], int]:
    taken, found = [], None
    for _ in range(LOADS):
        began = time.perf_counter()
        found = await store.load(key)
        taken.append((time.perf_counter() - began) * 1000)
    return taken, len(found or ())


def _ms(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return (time.perf_counter() - began) * 1000


if __name__ == "__main__":
    sys.exit(main())
