"""What five forks at once take of the time of one, and of the machine's memory.

The endpoint waits half a second before each answer, as a quick model would. Every fork is a turn of its own with a CLI process
of its own, so what a small machine pays is their start. Pairs alternate, and the memory is that of this process and all below it.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from campaign_lab import Brief, Lab
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server.app import RehearsalServer
from campaign_lab.sessions.session import Session

BAR = 3.5
FORKS, PAIRS = 5, 3
LATENCY_S = 0.5
SAMPLE_S = 0.05
ROOT = Path(__file__).resolve().parent.parent


class Memory:
    """Samples the memory of this process and its descendants, in bytes, while it is entered; ``peak`` is the most it saw."""

    def __init__(self) -> None:
        self.peak, self.processes = 0, 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_S):
            family = [psutil.Process(), *psutil.Process().children(recursive=True)]
            sizes = [size for process in family if (size := _resident(process))]
            if sum(sizes) > self.peak:
                self.peak, self.processes = sum(sizes), len(sizes)


def main() -> int:
    """Prints the ratio; 1 when it is over the bar."""
    server = RehearsalServer(latency_s=LATENCY_S)
    server.start()
    brief = Brief.load(ROOT / "data" / "briefs" / "cairnwold-autumn.toml")
    with (
        tempfile.TemporaryDirectory() as folder,
        Lab(Path(folder) / "lab.duckdb", endpoint=RehearsalEndpoint(server), user="bench") as lab,
    ):
        base = lab.session(brief)
        lab.run_sync(base.run("research"))
        one, several, memory = [], [], []
        for pair in range(PAIRS):
            for count in (1, FORKS) if pair % 2 else (FORKS, 1):
                with Memory() as seen:
                    seconds = _seconds(
                        lab, [base.fork(f"Pair {pair}, angle {n} of {count}", at="research") for n in range(count)]
                    )
                (one if count == 1 else several).append(seconds)
                memory += [seen] if count == FORKS else []
    ratio = statistics.median(several) / statistics.median(one)
    peak = max(memory, key=lambda each: each.peak)
    print(f"fan-out: {FORKS} forks take {ratio:.2f} x the time of one, medians of {PAIRS} (bar {BAR:.1f} on 2 cores)")
    alone, load = statistics.median(one), psutil.getloadavg()[0]
    print(
        f"  one: {alone:.2f} s, {FORKS} at once: {statistics.median(several):.2f} s, one after the other: {FORKS * alone:.2f} s"
    )
    print(f"  load of the machine {load:.1f} on {psutil.cpu_count()} cores")
    print(
        f"  peak memory {peak.peak / 1e6:,.0f} MB in {peak.processes} processes (resident, what they share counted for each)"
    )
    return 0 if ratio <= BAR else 1


def _seconds(lab: Lab, forks: list[Session]) -> float:
    began = time.perf_counter()
    done = lab.run_sync(lab.run_all(forks, "strategy"))
    assert not done.failed, done.failed
    return time.perf_counter() - began


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:  # it has ended
        return 0


if __name__ == "__main__":
    sys.exit(main())
