"""What a person waits for in the browser: a click till something changes, progress till it is seen, a fresh kernel's first cell.

A real JupyterLab in a headless Chromium, in rehearsal, timed by the page's own clock. The same parts as tests/browser.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.browser.chromium import ARGUMENTS, CHROMIUM  # noqa: E402
from support.browser.jupyter import Jupyter  # noqa: E402
from support.browser.lab_page import LabPage  # noqa: E402

CLICK_BAR, PROGRESS_BAR, FIRST_BAR, CANCEL_BAR, PAINT_BAR = 0.2, 0.3, 1.5, 1.0, 1.0
CLICKS, KERNELS, CANCELS, PAINTS, FORKS = 20, 5, 5, 5, 200
SETUP = "from campaign_lab import Brief, Lab\n\nlab = Lab()"
BASE = """from campaign_lab.panels import CompareBoard, RunPanel, SessionTree

base = lab.session(Brief.load("../data/briefs/termwick-renewals.toml"))"""
RUNS = 'await base.run("research")\nawait base.run("strategy")\nawait base.run("copy")'
WATCHED = """import time

panel, said = RunPanel(lab.session(base.brief, "watched"), "research"), {}

def heard(event, hear=panel._on_event):
    hear(event)
    for line in panel._progress.board.all_lines.values():
        said.setdefault(f"{line.name}: {line.words()}", time.time() * 1000)

panel._on_event = heard
panel"""
SEEN = """area => { window.campaignSeen = {};
    new MutationObserver(() => { for (const row of area.querySelectorAll('tr:has(th[scope=row])'))
        window.campaignSeen[`${row.cells[0].innerText}: ${row.cells[1].innerText}`] ??= Date.now() }
    ).observe(area, {subtree: true, childList: true}) }"""

PAINTED = """async ([id, forks]) => {
    const cells = window.jupyterapp.shell.currentWidget.content, begun = performance.now();
    cells.activeCellIndex = cells.widgets.findIndex(cell => cell.model.id === id);
    window.jupyterapp.commands.execute('notebook:run-cell');
    while (cells.activeCell.node.querySelectorAll('select option').length < forks)
        await new Promise(done => setTimeout(done, 5));
    await new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)));
    return performance.now() - begun }"""


def main() -> int:
    """Prints the five figures; 1 when one is over its bar."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
        jupyter = Jupyter(Path(folder))
        try:
            return _measured(LabPage(browser, jupyter), jupyter)
        finally:
            jupyter.stop()
            browser.close()


def _measured(page: LabPage, jupyter: Jupyter) -> int:
    notebook = jupyter.write(
        "bench", setup=SETUP, base=BASE, runs=RUNS, panel='RunPanel(base.fork("Clicked"), "strategy")',
        tree="SessionTree(lab, base)", board="CompareBoard(lab, base)", watched=WATCHED,
        **{f"cancel-{n}": f'RunPanel(lab.session(base.brief, "cancelled {n}"), "research")' for n in range(CANCELS)},
    )  # fmt: skip
    page.open(notebook)
    first = [_first_cell(page) for _ in range(KERNELS)]
    page.run_all()
    clicks = _clicks(page)
    delays = _progress(page)
    cancels = [_cancelled(page, f"cancel-{n}") for n in range(CANCELS)]
    paints = _paints(page, jupyter)
    page.close()
    bad = _say("click to first visible change", [each for times in clicks.values() for each in times], CLICK_BAR)
    for what, times in clicks.items():
        print(
            f"  {what}: median {statistics.median(times) * 1000:.0f} ms, worst {max(times) * 1000:.0f} ms ({len(times)} clicks)"
        )
    bad |= _say("progress behind its event", delays, PROGRESS_BAR)
    bad |= _say("first cell of a fresh kernel", first, FIRST_BAR)
    bad |= _say("Cancel till the run has ended", cancels, CANCEL_BAR)
    bad |= _say(f"first paint of a tree of {FORKS} forks", paints, PAINT_BAR)
    return int(bad)


def _say(what: str, times: list[float], bar: float) -> bool:
    """One line a figure; whether its median is over the bar."""
    median = statistics.median(times)
    print(
        f"{what}: {median * 1000:.0f} ms, median of {len(times)}, worst {max(times) * 1000:.0f} ms (bar {bar * 1000:.0f})"
    )
    return median > bar


def _first_cell(page: LabPage) -> float:
    """Seconds of the first cell in a kernel that has just become idle."""
    page.page.evaluate("() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    page.wait_till_idle()
    return float(page.page.evaluate("""async id => {
        const begun = performance.now(), cells = window.jupyterapp.shell.currentWidget.content;
        cells.activeCellIndex = cells.widgets.findIndex(cell => cell.model.id === id);
        await window.jupyterapp.commands.execute('notebook:run-cell');
        return performance.now() - begun }""", "setup")) / 1000  # fmt: skip


def _clicks(page: LabPage) -> dict[str, list[float]]:
    """Run (it replays all but the first time), a line of the tree, and the next angle of the board; seconds each."""
    page.click("panel", "Run")
    page.wait_for("panel", "done", 60)
    lines, ways = cycle(("checkpoint 1", "checkpoint 2")), cycle(("Next", "Previous"))
    acts: dict[str, tuple[str, Callable[[], None]]] = {
        "Run": ("panel", lambda: page.click("panel", "Run")),
        "a line of the tree": ("tree", lambda: page.choose("tree", "Tree", next(lines))),
        "another angle": ("board", lambda: page.click("board", next(ways))),
    }
    return {
        what: [page.settled(cell) or page.seconds(cell, act) for _ in range(CLICKS)]
        for what, (cell, act) in acts.items()
    }


def _progress(page: LabPage) -> list[float]:
    """Seconds between what an event changed in the kernel and its words on the page; what was overtaken is left out."""
    page.shown("watched").evaluate(SEEN)
    page.click("watched", "Run")
    page.wait_for("watched", "Research (rehearsal)", 60)
    said: dict[str, float] = json.loads(page.ask("import json; print(json.dumps(said))"))
    seen: dict[str, float] = page.page.evaluate("() => window.campaignSeen")
    return [(seen[words] - at) / 1000 for words, at in said.items() if words in seen]


def _cancelled(page: LabPage, cell: str) -> float:
    """Seconds from a click on Cancel, while agents are at work, till the panel says that the run has ended."""
    page.click(cell, "Run")
    page.wait_for(cell, "customer-psychology-specialist", 60)
    return page.seconds(cell, lambda: page.click(cell, "Cancel"), "cancelled")


def _paints(page: LabPage, jupyter: Jupyter) -> list[float]:
    """Seconds from running a cell with a SessionTree till its list is painted."""
    forks = f'[base.fork(f"Fork {{n}}", at="research") for n in range({FORKS})]'
    trees = {f"tree-{n}": "SessionTree(lab, base)" for n in range(PAINTS)}
    page.leave()
    page.open(jupyter.write("paint", setup=f"{SETUP}\n{BASE}", base='await base.run("research")', forks=forks, **trees))
    for cell in ("setup", "base", "forks"):
        page.run_cell(cell)
    return [float(page.page.evaluate(PAINTED, [cell, FORKS])) / 1000 for cell in trees]


if __name__ == "__main__":
    sys.exit(main())
