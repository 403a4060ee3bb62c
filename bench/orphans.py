"""Signals in the middle of a turn, with an endpoint that outlives whoever asks it: nothing runs on, and the books agree.

SIGTERM, SIGHUP and SIGKILL, at random moments, of the command, of a kernel in JupyterLab, of a batch of two notebooks, and of
the only worker of a Dask cluster. After each the job is done to its end as a person would, and the ledger is held against the
endpoint's own book.
"""

from __future__ import annotations

import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.web.messages_api import messages_api  # noqa: E402
from support.workers.orphans import (  # noqa: E402
    GONE_S,
    Batch,
    Books,
    Command,
    DaskWorker,
    Ground,
    JupyterKernel,
    Kill,
    compare_books,
    kill,
)

KILLS, SEED, LATENCY_S = 40, 7, 0.3
TARGETS: Mapping[str, Callable[[Ground], Any]] = {
    "command": Command, "kernel": JupyterKernel, "batch": Batch, "worker": DaskWorker,
}  # fmt: skip
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGKILL)
REQUESTS = {"command": 24, "kernel": 24, "batch": 48, "worker": 48}
"""About how many requests the job sends when nobody disturbs it."""


def main(kills: int = KILLS) -> int:
    """Prints a line for each kill and what came of all; 1 when a CLI lived on or the books differ."""
    chance, wrong, seen = random.Random(SEED), [], Counter[str]()
    latest, cut = 0.0, 0
    with tempfile.TemporaryDirectory(prefix="o-") as name:
        for n in range(kills):
            what = list(TARGETS)[n % len(TARGETS)]
            number = SIGNALS[(n // len(TARGETS)) % len(SIGNALS)]
            done, books, attempts = _one(Path(name) / str(n), what, number, chance)
            late = done.last_cli_s is None or done.last_cli_s > GONE_S
            latest = max(latest, done.last_cli_s or 0.0)
            cut += books.cut
            seen[f"{what} {number.name}"] += 1
            wrong += [f"kill {n}: a CLI lived on"] * late + [f"kill {n}: {each}" for each in books.wrong]
            print(
                f"  {n:2} {number.name:7} {what:8} after {done.asked_before:2} requests: last CLI gone after "
                f"{'never' if done.last_cli_s is None else f'{done.last_cli_s:.2f} s'}, process after {done.ended_s} s; "
                f"{books.served} served, {books.booked} booked, {books.cut} cut; attempts {attempts}", flush=True,
            )  # fmt: skip
    print(
        f"orphans: {kills} kills, {sum('lived on' in each for each in wrong)} with a CLI alive after {GONE_S:.0f} s (bar 0); "
        f"the last one was gone after {latest:.2f} s; {len(wrong)} differences between ledger and endpoint (bar 0), "
        f"{cut} requests cut in flight and named; load {psutil.getloadavg()[0]:.1f}"
    )
    print(f"  {', '.join(f'{count} x {each}' for each, count in sorted(seen.items()))}")
    for each in wrong:
        print(f"  WRONG: {each}")
    return int(bool(wrong))


def _one(folder: Path, what: str, number: signal.Signals, chance: random.Random) -> tuple[Kill, Books, dict[str, int]]:
    """One kill in a lab of its own, and the job done to its end after it."""
    with messages_api(folder / "api", LATENCY_S) as api:
        ground = Ground(folder / "g", api)
        target = TARGETS[what](ground)
        try:
            target.start()
            api.wait_for(chance.randint(1, int(REQUESTS[what] * 0.8)), seconds=120)
            time.sleep(chance.uniform(0.0, LATENCY_S))
            done = kill(ground, target, number)
            target.finish()
        finally:
            target.close()
        states = Counter(f"{row.state} {row.cause or ''}".strip() for row in ground.attempts())
        return done, compare_books(ground), dict(states)


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:])))
