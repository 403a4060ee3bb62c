"""What lab.compare takes, for the forks of a working day and for a thousand, beside the bare reading of the same records.

One real campaign is made in rehearsal; its strategy and copy turns are then copied for each fork inside the lab file,
with records, requests and attempts. The bare reading fetches the bodies of the compared variants and parses them.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from campaign_lab import Brief, Lab
from campaign_lab.sessions.session import Session

BARS = {50: 0.050, 1_000: 0.4}
"""Seconds for so many forks with ten variants each."""
VARIANTS = 10
REPEATS = 7
ROOT = Path(__file__).resolve().parent.parent

COPIES = """
INSERT INTO sessions SELECT sessions.* REPLACE (
    'f' || i AS id, 'Fork ' || i AS name, 'Fork ' || i AS purpose, id AS parent_session, $research AS start_turn,
    'copy-' || i AS tip_turn) FROM sessions, range($forks) AS t(i) WHERE id = $session;
INSERT INTO turns SELECT turns.* REPLACE (
    phase || '-' || i AS id, 'f' || i AS session_id,
    CASE phase WHEN 'copy' THEN 'strategy-' || i ELSE parent_turn END AS parent_turn)
    FROM turns, range($forks) AS t(i) WHERE id IN ($strategy, $copy);
INSERT INTO attempts SELECT attempts.* REPLACE (phase || '-' || i AS id, 'f' || i AS session_id)
    FROM attempts, range($forks) AS t(i) WHERE id IN ($strategy, $copy);
INSERT INTO records SELECT records.* REPLACE (phase || '-' || i AS turn_id)
    FROM records JOIN turns ON turns.id = turn_id, range($forks) AS t(i) WHERE turn_id IN ($strategy, $copy);
INSERT INTO requests SELECT requests.* REPLACE (phase || '-' || i AS attempt_id)
    FROM requests JOIN turns ON turns.id = attempt_id, range($forks) AS t(i) WHERE attempt_id IN ($strategy, $copy)
"""


def main() -> int:
    """Prints seconds and ratios; 1 when one is over its bar."""
    over = False
    for forks, bar in BARS.items():
        with tempfile.TemporaryDirectory() as folder, Lab(Path(folder) / "lab.duckdb", user="bench") as lab:
            sessions = _forked(lab, forks)
            rows = len(lab.compare(sessions))  # loads pandas
            assert rows == forks * VARIANTS, rows
            bare, whole = _best(partial(_bare, lab)), _best(partial(lab.compare, sessions))
        over |= whole > bar
        print(f"compare: {forks:,} forks x {VARIANTS} variants in {whole * 1000:,.0f} ms (bar {bar * 1000:,.0f} ms)")
        print(f"  {whole / bare:.1f} x the time of reading and parsing the {rows:,} bodies ({bare * 1000:,.0f} ms)")
    return int(over)


def _forked(lab: Lab, forks: int) -> list[Session]:
    base = lab.session(Brief.load(ROOT / "data" / "briefs" / "cairnwold-autumn.toml"))
    for phase in ("research", "strategy", "copy"):
        lab.run_sync(base.run(phase))
    turns = {step.phase: step.turn for step in base.lineage}

    def copy(con: Any) -> None:
        for sql in COPIES.split(";"):
            given = {**turns, "session": base.id, "forks": forks}
            con.execute(sql, {name: value for name, value in given.items() if f"${name}" in sql})

    lab._context.engine.call(copy)
    found = [fork for fork in base.forks() if fork.purpose]
    assert len(found) == forks, len(found)
    return found


def _bare(lab: Lab) -> None:
    sql = "SELECT body FROM records WHERE kind = 'copy_variant'"
    bodies = lab._context.engine.call(lambda con: con.execute(sql).fetchall())
    pd.DataFrame([json.loads(body) for (body,) in bodies])


def _best(work: Callable[[], Any]) -> float:
    """Seconds of the quickest of several goes: what others do on the machine only ever adds."""
    times = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


if __name__ == "__main__":
    sys.exit(main())
