"""Eight processes append to one PostgreSQL at the rhythm of agents, and then the same entries a thousand times over.

Latency counts from when an append was due, so that a worker that falls behind hides no waiting. Beside it, in the same run
and at the same rhythm, what bare psycopg takes to insert the same rows: the distance is what locks and checks cost.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import statistics
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.postgres import OWNER, running  # noqa: E402

WRITERS, SECONDS, EVERY_S, ENTRIES = 8, 10.0, 0.1, 10
IDENTICAL = 1_000
BAR = 4.0
"""An append may take so many times as long as bare inserts of the same rows, at the median."""
PROCESSES = multiprocessing.get_context("spawn")


def main() -> int:
    """Prints the figures; 1 when rows are lost or doubled, or the ratio is over its bar."""
    with running(fast=False) as server:
        server.add_database("bench")
        url = server.url(OWNER, "bench")
        from campaign_lab.store.postgres.server import open_server

        open_server(url).close()
        bare = _spread(_bare, url)
        ours = _spread(_appending, url)
        rows = _count(url, "SELECT count(*), count(DISTINCT uuid) FROM entries WHERE project_key = 'paced'")
        _spread(_identical, url)
        same = _count(url, "SELECT count(*), count(DISTINCT uuid) FROM entries WHERE project_key = 'same'")
    ratio = statistics.median(ours) / statistics.median(bare)
    whole = rows == (len(ours) * ENTRIES,) * 2
    print(f"server: an append takes {ratio:.1f} x bare inserts of the same rows (bar {BAR:g})")
    for name, times in (("append", ours), ("bare insert", bare)):
        p50, p99 = statistics.median(times), statistics.quantiles(times, n=100)[98]
        print(f"  {name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms from due time ({len(times)} by {WRITERS} processes)")
    print(f"  {rows[0]} rows of {len(ours) * ENTRIES} entries stored, {rows[1]} of them different")
    print(f"  {IDENTICAL} identical appends at once: {same[0]} rows of {ENTRIES} entries")
    return 0 if whole and same == (ENTRIES, ENTRIES) and ratio <= BAR else 1


def _count(url: str, sql: str) -> tuple[int, int]:
    import psycopg

    with psycopg.connect(url) as raw:
        row = raw.execute(sql.encode()).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


def _spread(work: Any, url: str) -> list[float]:
    """Runs the work in all processes at once; the milliseconds of each append."""
    ready = PROCESSES.Barrier(WRITERS)
    told: Any = PROCESSES.Queue()
    processes = [PROCESSES.Process(target=work, args=(url, n, ready, told)) for n in range(WRITERS)]
    for process in processes:
        process.start()
    times = [each for _ in processes for each in told.get(timeout=300)]
    for process in processes:
        process.join()
    return times


def _entries(worker: int, batch: int) -> list[dict[str, Any]]:
    """Ten entries of 1 to 4 KB, as a CLI writes them."""
    return [
        {"uuid": f"{worker}-{batch}-{n}", "type": "user", "message": {"content": "word " * (200 + 60 * n)}}
        for n in range(ENTRIES)
    ]


def _paced(work: Any) -> list[float]:
    """Calls ``work(batch)`` at the rhythm; milliseconds from when each was due to when it was done."""
    start, times = time.perf_counter(), []
    for batch in range(int(SECONDS / EVERY_S)):
        due = start + batch * EVERY_S
        time.sleep(max(0.0, due - time.perf_counter()))
        work(batch)
        times.append((time.perf_counter() - due) * 1000)
    return times


def _appending(url: str, worker: int, ready: Any, told: Any) -> None:
    from campaign_lab.store.postgres.server import open_server
    from campaign_lab.store.transcripts import Transcripts

    store = open_server(url)
    transcripts = Transcripts(store)
    key = {"project_key": "paced", "session_id": f"s{worker}"}
    with asyncio.Runner() as runner:
        runner.run(transcripts.load(key))  # type: ignore[arg-type]
        ready.wait()
        told.put(_paced(lambda batch: runner.run(transcripts.append(key, _entries(worker, batch)))))  # type: ignore[arg-type]
    store.close()


def _bare(url: str, worker: int, ready: Any, told: Any) -> None:
    import psycopg

    sql = "INSERT INTO entries VALUES ('bare', %s, '', %s, %s, %s, %s, now())"
    with psycopg.connect(url) as raw:

        def insert(batch: int) -> None:
            rows = [
                (f"s{worker}", batch * ENTRIES + n, entry["uuid"], "user", json.dumps(entry))
                for n, entry in enumerate(_entries(worker, batch))
            ]
            with raw.cursor() as cursor:
                cursor.executemany(sql, rows)
            raw.commit()

        raw.execute("SELECT 1")
        raw.commit()
        ready.wait()
        told.put(_paced(insert))


def _identical(url: str, _worker: int, ready: Any, told: Any) -> None:
    """Its share of the thousand: the same ten entries in the same transcript, as fast as it can."""
    from campaign_lab.store.postgres.server import open_server
    from campaign_lab.store.transcripts import Transcripts

    store = open_server(url)
    transcripts = Transcripts(store)
    key = {"project_key": "same", "session_id": "s"}
    with asyncio.Runner() as runner:
        ready.wait()
        for _ in range(IDENTICAL // WRITERS):
            runner.run(transcripts.append(key, _entries(0, 0)))  # type: ignore[arg-type]
    told.put([0.0])
    store.close()


if __name__ == "__main__":
    sys.exit(main())
