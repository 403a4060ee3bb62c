"""A batch that is killed with -9 at random moments and started again: each brief is done once, and paid once, to the cent.

Four campaigns of the packaged template in a process of their own, the same as in tests/batch. A moment is anywhere between
half a second and the time that a clean run takes for as many briefs as are left; the next start follows at once, while kernels
of the last one may still be ending. When nothing is left, the next moments hit a new batch.
"""

from __future__ import annotations

import json
import math
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from campaign_lab import Lab
from campaign_lab.rehearsal.endpoint import LATENCY

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.kernels import environment  # noqa: E402

KILLS, SEED, WORKERS = 10, 5, 2
SOONEST_S, LATENCY_S = 0.5, 0.5
LATEST_S = 600.0
"""No start may take longer, in seconds."""
GONE_S = 30.0
"""How long what a killed batch has left behind may take to end by itself, in seconds."""
MARK = "CAMPAIGN_LAB_BENCH"
TEMPLATE = ROOT / "notebooks" / "templates" / "campaign.ipynb"
BRIEFS = sorted((ROOT / "data" / "briefs").glob("*.toml"))


@dataclass
class Batch:
    """A batch in a folder of its own, with its lab; what each start of it did, in words."""

    home: Path
    mark: str
    told: list[str] = field(default_factory=list)

    def start(self, kill_after_s: float = LATEST_S) -> bool:
        """Runs the batch until it ends, or is killed after so many seconds. True: it was killed."""
        self.home.mkdir(exist_ok=True)
        worker = ROOT / "tests" / "support" / "workers" / "batch_process.py"
        command = [sys.executable, worker, self.place, TEMPLATE, self.home / "out", str(WORKERS), *BRIEFS]
        env = environment(**{"CAMPAIGN_LAB_ENDPOINT": "rehearsal", LATENCY: LATENCY_S, MARK: self.mark})
        began = time.perf_counter()
        with (
            self._said().open("wb") as said,
            subprocess.Popen([str(part) for part in command], stdout=said, env=env, start_new_session=True) as process,
        ):
            try:
                code = process.wait(kill_after_s)
            except subprocess.TimeoutExpired:
                below = len(psutil.Process(process.pid).children(recursive=True))
                os.kill(process.pid, signal.SIGKILL)
                code = process.wait()
        if code == 0:
            self.told.append(f"ended by itself after {time.perf_counter() - began:.1f} s")
        elif code == -signal.SIGKILL and kill_after_s < LATEST_S:
            last = (self._said().read_text().splitlines() or ["nothing yet"])[-1].strip()[:60]
            self.told.append(f"killed after {kill_after_s:.1f} s with {below} processes below it, at {last}")
        else:
            raise SystemExit(f"kills: a start of the batch ended with {code}")
        return code != 0

    def share_left(self) -> float:
        """The part of a clean run's time that what has not finished takes."""
        rows = (self.home / "out" / ".batch" / "rows").glob("*.json")
        states = [json.loads(row.read_text(encoding="utf-8"))["state"] for row in rows]
        return math.ceil((len(BRIEFS) - states.count("finished")) / WORKERS) / math.ceil(len(BRIEFS) / WORKERS)

    @property
    def place(self) -> Path:
        """The lab's file."""
        return self.home / "lab.duckdb"

    def _said(self) -> Path:
        """What a start prints: an event a line, and in the end the rows. The newest start's."""
        return self.home / "said.txt"

    def rows(self) -> list[list[Any]]:
        """Of each run: its id, state, cost in US dollars and records, as the last start told it."""
        rows = json.loads(self._said().read_text().splitlines()[-1])
        return [[run, state, _rounded(cost), records] for run, state, cost, _, records, _ in rows]


@dataclass(frozen=True)
class Books:
    """What a lab holds: sessions, finished turns with their records, what they cost; and what was cut. Sums are US dollars.

    ``in_flight`` counts the cut attempts that had sent a request.
    """

    sessions: list[Any]
    turns: list[Any]
    paid_usd: float
    cut: int
    in_flight: int
    cut_usd: float
    cut_requests: int
    running: int


def main() -> int:
    """Prints what came of it; 1 when a brief was not done exactly once, a sum differs, or a process is left."""
    chance, mark = random.Random(SEED), uuid.uuid4().hex
    with tempfile.TemporaryDirectory() as name:
        began = time.perf_counter()
        clean = Batch(Path(name) / "clean", mark)
        clean.start()
        life_s = time.perf_counter() - began
        batches, kills = [Batch(Path(name) / "1", mark)], 0
        while kills < KILLS:
            kills += batches[-1].start(chance.uniform(SOONEST_S, life_s * batches[-1].share_left()))
            if kills < KILLS and not batches[-1].share_left():
                batches[-1].start()  # it may have been killed while it wrote its report
                batches.append(Batch(Path(name) / str(len(batches) + 1), mark))
        batches[-1].start()
        left = _left(mark)
        wanted = _books(clean)
        found = [_books(batch) for batch in batches]
        wrong = [
            f"batch {n}: {problem}"
            for n, (batch, books) in enumerate(zip(batches, found, strict=True), 1)
            for problem in _differences(batch, books, clean, wanted)
        ]
    if not any(books.in_flight for books in found):
        wrong.append("no kill met a turn in flight: the figure means nothing")
    _say(batches, found, wanted, life_s)
    for problem in [*wrong, *(f"still running: {each}" for each in left)]:
        print(f"  WRONG: {problem}")
    return int(bool(wrong or left))


def _differences(batch: Batch, books: Books, clean: Batch, wanted: Books) -> list[str]:
    """What is not as in a clean run."""
    pairs = {
        "rows": (batch.rows(), clean.rows()),
        "sessions": (books.sessions, wanted.sessions),
        "finished turns": (books.turns, wanted.turns),
        "paid for finished turns": (_rounded(books.paid_usd), _rounded(wanted.paid_usd)),
        "turns that are still running": (books.running, 0),
    }
    return [f"{what}: {found}, expected {expected}" for what, (found, expected) in pairs.items() if found != expected]


def _say(batches: list[Batch], found: list[Books], wanted: Books, life_s: float) -> None:
    kills = sum(told.startswith("killed") for batch in batches for told in batch.told)
    off = math.fsum(abs(books.paid_usd - wanted.paid_usd) for books in found)
    done = sum(books.turns == wanted.turns and books.sessions == wanted.sessions for books in found)
    print(
        f"kills: {kills} of a batch of {len(BRIEFS)} campaigns; {done} of {len(batches)} batches did each brief once, paid "
        f"US$ {off:.6f} too much or little (bar all and 0)"
    )
    print(
        f"  seed {SEED}; a clean run takes {life_s:.1f} s, makes {len(wanted.turns)} turns in {len(wanted.sessions)} sessions "
        f"and pays US$ {wanted.paid_usd:.6f}; load {psutil.getloadavg()[0]:.1f}"
    )
    for n, (batch, books) in enumerate(zip(batches, found, strict=True), 1):
        print(
            f"  batch {n}: {len(books.turns)} turns, US$ {books.paid_usd:.6f}; apart from that {books.cut} cut attempts, "
            f"{books.in_flight} of them with requests: US$ {books.cut_usd:.6f} and {books.cut_requests} cut requests"
        )
        for told in batch.told:
            print(f"    {told}")


def _books(batch: Batch) -> Books:
    """Reads the lab. A turn by its campaign, its key, and the bodies of its records, in an order that is always the same."""
    with Lab(batch.place, user="ana", endpoint="rehearsal") as lab:

        def ask(sql: str) -> list[Any]:
            return lab._context.engine.call(lambda con: con.execute(sql).fetchall())

        bodies: dict[str, list[str]] = {}
        for turn, body in ask("SELECT turn_id, body FROM records ORDER BY turn_id, kind, n"):
            bodies.setdefault(turn, []).append(body)
        turns = ask(
            "SELECT campaign, phase, turns.id FROM turns JOIN sessions ON sessions.id = session_id ORDER BY 1, 2"
        )
        finished = [cost for (cost,) in ask("SELECT cost_usd FROM attempts WHERE state = 'finished'")]
        failed = [cost for (cost,) in ask("SELECT cost_usd FROM attempts WHERE state = 'failed'")]
        ((running,),) = ask("SELECT count(*) FROM attempts WHERE state = 'running'")
        ((cut,),) = ask("SELECT count(*) FROM requests WHERE NOT complete")
        ((sent,),) = ask(
            "SELECT count(*) FROM attempts WHERE state = 'failed' AND id IN (SELECT attempt_id FROM requests)"
        )
        return Books(
            ask("SELECT campaign, name, owner FROM sessions ORDER BY ALL"),
            [(campaign, phase, bodies.get(turn, [])) for campaign, phase, turn in turns],
            math.fsum(finished), len(failed), sent, math.fsum(cost or 0.0 for cost in failed), cut, running,
        )  # fmt: skip


def _left(mark: str) -> list[str]:
    """Processes that were started below a batch and do not end by themselves; they are ended then."""
    end = time.monotonic() + GONE_S
    while (marked := [each for each in psutil.process_iter() if _is_marked(each, mark)]) and time.monotonic() < end:
        time.sleep(0.2)
    found = []
    for process in marked:
        found.append(f"{process.pid} {process.name()}")
        process.kill()
    return found


def _is_marked(process: psutil.Process, mark: str) -> bool:
    try:
        return process.environ().get(MARK) == mark
    except (psutil.Error, OSError):  # it has ended, or is another user's
        return False


def _rounded(usd: float | None) -> float | None:
    return None if usd is None else round(usd, 6)


if __name__ == "__main__":
    sys.exit(main())
