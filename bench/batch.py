"""Twelve campaigns in a batch over the best time that these cores and so many kernels allow, and a notebook over papermill's.

The four demo briefs under three names each, the whole campaign of the packaged template, answers that take two seconds. No
schedule is faster than the longest run, all runs without a gap on all workers, or their CPU seconds on all cores. Runs count
as long as they would be alone: the longest brief is done alone before, and its runs in the batch tell how others hold it up.
It also takes the imports that the first batch of a process pays. Overhead is that of a whole batch of cheap notebooks, one at
a time, with its plan, rows and report, over bare papermill: paired and alternating.
"""

from __future__ import annotations

import os
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from campaign_lab import Brief, Lab
from campaign_lab.batch.events import BatchEvent, RunEnded, RunStarted
from campaign_lab.batch.execute import machine
from campaign_lab.rehearsal.endpoint import LATENCY

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.batches import brief_of, cheap_template  # noqa: E402

BAR, OVERHEAD_BAR = 1.3, 1.1
NAMES = ("Spring", "Summer", "Autumn")
LATENCY_S = 2.0
"""A quick answer of a real model. With one second the CPU is what a batch waits for on two cores, not the answers."""
PAIRS, NOTEBOOKS = 12, 2
SAMPLE_S = 0.5
MIB = 2**20


class Watch:
    """Samples the kernels below this process and their memory, CLIs included, while it is entered. Bytes, shares (PSS)."""

    def __init__(self) -> None:
        self.notebook = self.all = self.kernels = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        me = psutil.Process()
        while not self._over.wait(SAMPLE_S):
            notebooks = [_held(child) for child in me.children() if _is_kernel(child)]
            self.kernels = max(self.kernels, len(notebooks))
            self.notebook = max(self.notebook, *notebooks, 0)
            self.all = max(self.all, sum(notebooks) + _pss(me))


@dataclass(frozen=True)
class Done:
    """A batch that ran: its wall time and its runs' by campaign, from start to settled; CPU seconds; what was seen meanwhile."""

    wall_s: float
    runs_s: dict[str, float]
    cpu_s: float
    busy_s: float
    seen: Watch


def main() -> int:
    """Prints the figures; 1 when one is over its bar."""
    os.environ[LATENCY] = str(LATENCY_S)
    briefs = [
        Brief.load(path, campaign=f"{path.stem} {name}")
        for name in NAMES
        for path in sorted((ROOT / "data" / "briefs").glob("*.toml"), reverse=True)
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _lab(folder / "alone.duckdb") as lab:
            alone = _run(lab, briefs[:1], folder / "alone")
        with _lab(folder / "lab.duckdb") as lab:
            allowed, workers = machine.free_memory() // machine.NOTEBOOK_BYTES, machine.workers(len(briefs))
            batch = _run(lab, briefs, folder / "batch")
            tight = _tight(lab, folder)
            pairs = _pairs(lab, folder)
    return max(_say_batch(batch, alone, workers), _say_memory(batch, alone, allowed, tight), _say_overhead(pairs))


def _lab(place: Path) -> Lab:
    return Lab(place, endpoint="rehearsal", user="bench")


def _run(lab: Lab, briefs: list[Brief], out: Path, **options: Any) -> Done:
    began_at: dict[str, float] = {}
    ended_at: dict[str, float] = {}

    def hear(event: BatchEvent) -> None:
        if isinstance(event, RunStarted):
            began_at[event.run] = time.perf_counter()
        elif isinstance(event, RunEnded):
            ended_at[event.row.campaign] = time.perf_counter() - began_at[event.run]

    with Watch() as seen:
        cpu, busy, began = _cpu_s(), _busy_s(), time.perf_counter()
        rows = lab.run_sync(lab.batch(briefs, out=out, on_event=hear, **options))
        wall = time.perf_counter() - began
        cpu, busy = _cpu_s() - cpu, _busy_s() - busy
    assert set(rows["state"]) == {"finished"}, rows.to_string()
    return Done(wall, ended_at, cpu, busy, seen)


def _cpu_s() -> float:
    """CPU seconds of this process and of all below it that have ended: kernels wait for their CLIs, and we for them."""
    return sum(sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def _busy_s() -> float:
    """CPU seconds of the whole machine."""
    times = psutil.cpu_times()
    return float(times.user + times.system)


def _say_batch(batch: Done, alone: Done, workers: int) -> int:
    cores = len(os.sched_getaffinity(0))
    ((campaign, alone_s),) = alone.runs_s.items()
    brief = campaign.split()[0]
    beside_s = statistics.median(seconds for name, seconds in batch.runs_s.items() if name.split()[0] == brief)
    stretch, total_s = max(1.0, beside_s / alone_s), sum(batch.runs_s.values())
    bounds = {
        "the longest run": max(batch.runs_s.values()) / stretch,
        f"all runs on {workers} workers": total_s / stretch / workers,
        f"their CPU seconds on {cores} cores": batch.cpu_s / cores,
    }
    ratio = batch.wall_s / max(bounds.values())
    print(f"batch: {len(batch.runs_s)} campaigns take {ratio:.2f} x the best time that is possible (bar {BAR:.2f})")
    print(f"  wall {batch.wall_s:.1f} s; at least {', '.join(f'{name} {s:.1f} s' for name, s in bounds.items())}")
    print(
        f"  {brief}: {alone_s:.1f} s alone, {beside_s:.1f} s beside others, {stretch:.2f} x; with runs as long as they were "
        f"beside others, the batch takes {batch.wall_s / max(total_s / workers, *batch.runs_s.values()):.2f} x the best"
    )
    print(
        f"  {batch.cpu_s:.0f} CPU s, {batch.cpu_s / len(batch.runs_s):.1f} a campaign; the whole machine spent "
        f"{batch.busy_s:.0f} CPU s meanwhile, load {psutil.getloadavg()[0]:.1f}"
    )
    return int(ratio > BAR)


def _say_memory(batch: Done, alone: Done, allowed: int, tight: tuple[int, int]) -> int:
    most = max(alone.seen.notebook, batch.seen.notebook)
    print(
        f"memory: a running notebook takes {most / MIB:.0f} MiB at its peak (bar {machine.NOTEBOOK_BYTES / MIB:.0f} MiB, "
        f"what the batch counts on)"
    )
    print(
        f"  alone {alone.seen.notebook / MIB:.0f} MiB, in the batch {batch.seen.notebook / MIB:.0f} MiB; the whole batch "
        f"{batch.seen.all / MIB:,.0f} MiB (shared pages by share)"
    )
    room, kernels = tight
    print(
        f"  kernels at once: {batch.seen.kernels}, memory allowed {allowed}; {kernels} where it allowed {room} and "
        f"{2 * room} workers were asked for"
    )
    return int(most > machine.NOTEBOOK_BYTES or batch.seen.kernels > max(1, allowed) or kernels > room)


def _say_overhead(pairs: list[tuple[float, float]]) -> int:
    ratio = statistics.median(ours / bare for ours, bare in pairs)
    print(
        f"overhead: a notebook in a batch takes {ratio:.3f} x plain papermill's time, median of {len(pairs)} pairs "
        f"(bar {OVERHEAD_BAR:.2f})"
    )
    ours, bare = (statistics.median(each) / NOTEBOOKS for each in zip(*pairs, strict=True))
    spread = ", ".join(f"{ours / bare:.2f}" for ours, bare in sorted(pairs, key=lambda pair: pair[0] / pair[1]))
    print(f"  a notebook: ours {ours:.2f} s, plain {bare:.2f} s; pairs {spread}; load {psutil.getloadavg()[0]:.1f}")
    return int(ratio > OVERHEAD_BAR)


def _tight(lab: Lab, folder: Path) -> tuple[int, int]:
    """A batch where memory is for two notebooks and twice as many are asked for: room, and the kernels that were seen."""
    room, counted = 2, machine.NOTEBOOK_BYTES
    template = cheap_template(folder / "templates")
    briefs = [brief_of(f"Tight {n}", "time.sleep(2)") for n in range(3 * room)]
    machine.NOTEBOOK_BYTES = int(machine.free_memory() / (room + 0.5))
    try:
        done = _run(lab, briefs, folder / "tight", notebook=template, workers=2 * room)
    finally:
        machine.NOTEBOOK_BYTES = counted
    return room, done.seen.kernels


def _pairs(lab: Lab, folder: Path) -> list[tuple[float, float]]:
    """Seconds of a batch of cheap notebooks and of papermill's own engine on the same, after one pair that is not counted."""
    template = cheap_template(folder / "templates")
    briefs = [brief_of(f"Cheap {n}", "print(sum(range(100_000)))") for n in range(NOTEBOOKS)]
    found = []
    with _quiet():
        for pair in range(PAIRS + 1):
            place = folder / f"pair {pair}"
            sides = [("ours", lambda place=place: _ours(lab, template, briefs, place)),
                     ("bare", lambda place=place: _bare(template, briefs, place))]  # fmt: skip
            done = {side: run() for side, run in (sides if pair % 2 else reversed(sides))}
            found.append((done["ours"], done["bare"]))
    return found[1:]


def _ours(lab: Lab, template: Path, briefs: list[Brief], place: Path) -> float:
    began = time.perf_counter()
    rows = lab.run_sync(lab.batch(briefs, template, out=place / "ours", workers=1))
    seconds = time.perf_counter() - began
    assert set(rows["state"]) == {"finished"}, rows.to_string()
    return seconds


def _bare(template: Path, briefs: list[Brief], place: Path) -> float:
    import papermill  # type: ignore[import-untyped]

    from campaign_lab.batch.plan.briefs import read_briefs

    place.mkdir(exist_ok=True)
    began = time.perf_counter()
    for n, source in enumerate(read_briefs(briefs)):
        file = place / f"{n}.toml"
        file.write_text(source.toml, encoding="utf-8")
        papermill.execute_notebook(
            template, place / f"{n}.ipynb", {"brief_path": str(file)}, kernel_name="python3", progress_bar=False
        )
    return time.perf_counter() - began


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing on the terminal of what plain kernels say there."""
    kept = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def _is_kernel(process: psutil.Process) -> bool:
    try:
        return any("ipykernel" in part for part in process.cmdline())
    except psutil.Error:  # it has ended
        return False


def _held(process: psutil.Process) -> int:
    """Bytes of a process and all below it."""
    try:
        return sum(_pss(each) for each in [process, *process.children(recursive=True)])
    except psutil.Error:
        return 0


def _pss(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.Error:
        return 0


if __name__ == "__main__":
    sys.exit(main())
