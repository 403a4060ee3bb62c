"""BatchPanel: a plan, Start, each running notebook with its cell, Cancel for all and for one, and what is saved of it."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from campaign_lab import Lab
from campaign_lab.errors import LabError
from campaign_lab.panels import BatchPanel
from campaign_lab.panels.running.notebook_line import NotebookLine
from campaign_lab.progress.board import ProgressLine
from support.kernels import write_notebook
from support.labs import MakeLab
from support.panel_tools import inside, labels_of
from support.paths import BRIEFS
from support.processes import at_work

PATIENCE_S = 120.0
CELLS = {
    "parameters": 'brief_path: str = ""\ntone: str = "calm"',
    "load": "from time import sleep\nfrom pathlib import Path\nfrom campaign_lab import Brief\n"
    "brief = Brief.load(brief_path)",
    "work": 'assert tone != "<b>", "not <b>so</b>"\nwhile (Path("held") / brief.market).exists():\n    sleep(0.05)',
}
"""A notebook is held up while a file called like its brief's market is there; a template runs in its own folder."""


def words(html: str) -> str:
    """What a person reads."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def results(panel: BatchPanel) -> str:
    """The lines of what has ended."""
    return words("".join(output["data"]["text/html"] for output in panel.results.outputs))


def shown(panel: BatchPanel) -> list[NotebookLine]:
    """The lines of running notebooks that are not hidden."""
    return [line for line in panel.runs if line.layout.display != "none"]


def until(happened: Callable[[], bool]) -> None:
    """Waits for something that another thread does."""
    deadline = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def finished(panel: BatchPanel) -> BatchPanel:
    """The panel once its batch has ended."""
    job = panel._job
    assert job is not None
    assert job.ended.wait(PATIENCE_S)
    return panel


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with two briefs and a template; nothing is held up."""
    shutil.copytree(BRIEFS.parent / "sites", tmp_path / "sites")
    for folder in ("briefs", "held"):
        (tmp_path / folder).mkdir()
    for name in ("termwick-renewals", "aubrelune-ete"):
        shutil.copy(BRIEFS / f"{name}.toml", tmp_path / "briefs")
    write_notebook(tmp_path / "cheap.ipynb", CELLS)
    return tmp_path


def panel_of(lab: Lab, home: Path, **options: object) -> BatchPanel:
    """The panel over the two briefs, two at once unless said otherwise."""
    options = {"workers": 2, "retries": 0} | options
    return BatchPanel(lab, home / "briefs", home / "cheap.ipynb", out=home / "out", **options)  # type: ignore[arg-type]


@pytest.mark.usefixtures("process", "slow")
def test_a_click_runs_all_and_shows_each_at_work(make_lab: MakeLab, home: Path) -> None:
    """The plan stands before it; running notebooks have a line with their cell; ended ones a line with a link."""
    (home / "held" / "CA-QC").touch()
    panel = panel_of(make_lab(), home)
    assert "2" in words(panel.plan.value)
    assert words(panel.status.value) == "idle"
    assert shown(panel) == []
    panel.start_button.click()
    assert (panel.start_button.disabled, panel.cancel_button.disabled) == (True, False)
    until(lambda: "termwick-renewals ✓ finished" in results(panel))
    (line,) = shown(panel)
    until(lambda: "aubrelune-ete cell work, 3 of 3" in words(line.words.value) or "4 of 4" in words(line.words.value))
    assert re.search(r'<progress max="100" value="[1-9]\d"', line.words.value)
    assert "1 of 2 notebooks ended, 1 running" in words(panel.progress.value)
    (home / "held" / "CA-QC").unlink()
    finished(panel)
    assert shown(panel) == []
    assert words(panel.status.value) == "done"
    assert "2 of 2 notebooks ended" in words(panel.progress.value)
    assert panel.frame is not None
    assert list(panel.frame["state"]) == ["finished", "finished"]
    links = re.findall(r'href="([^"]+)"', panel.results.outputs[0]["data"]["text/html"])
    assert sorted(Path(link).name for link in links) == ["aubrelune-ete.ipynb", "termwick-renewals.ipynb"]
    assert all(Path(link).is_file() for link in links)


@pytest.mark.usefixtures("process", "slow")
def test_clicked_again_there_is_nothing_to_do(make_lab: MakeLab, home: Path) -> None:
    """All of it is kept, and the saved form is the same before, during and after."""
    panel = panel_of(make_lab(), home)
    saved = (panel.twin(), panel.line())
    panel.start_button.click()
    assert (finished(panel).twin(), panel.line()) == saved
    assert words(panel.plan.value).count(" kept ") == 2
    panel.start_button.click()
    finished(panel)
    assert "0 of 0 notebooks ended · 2 kept from before" in words(panel.progress.value)
    assert panel.frame is not None
    assert len(panel.frame) == 2
    assert (panel.twin(), panel.line()) == saved


@pytest.mark.usefixtures("process", "slow")
def test_cancel_all_stops_and_start_goes_on(make_lab: MakeLab, home: Path) -> None:
    """No kernel is left; what has finished is kept; Start runs the rest."""
    (home / "held" / "CA-QC").touch()
    panel = panel_of(make_lab(), home)
    panel.start_button.click()
    until(
        lambda: "termwick-renewals ✓ finished" in results(panel) and "cell work" in words(shown(panel)[0].words.value)
    )
    panel.cancel_button.click()
    assert words(panel.status.value) == "cancelling …"
    finished(panel)
    assert at_work() == []
    assert words(panel.status.value) == "cancelled"
    assert "aubrelune-ete ■ cancelled" in results(panel)
    assert panel.problem.value == ""
    (home / "held" / "CA-QC").unlink()
    panel.start_button.click()
    finished(panel)
    assert words(panel.status.value) == "done"
    assert "aubrelune-ete ✓ finished" in results(panel)
    assert "termwick" not in results(panel)


def test_a_click_that_is_heard_late_stops_no_other_notebook() -> None:
    """Cancel belongs to the notebook that it was shown with, also when its line has gone on to the next one."""
    stopped: list[str] = []
    line = NotebookLine(stopped.append)
    line.show(ProgressLine("a", "A", "", "started", share=0.5))
    clicked = line.cancel_button
    line.show(ProgressLine("b", "B", "", "started", share=0.5))
    clicked.click()
    assert stopped == ["a"]
    line.cancel_button.click()
    assert stopped == ["a", "b"]


@pytest.mark.usefixtures("process", "slow")
def test_one_notebook_is_cancelled_alone(make_lab: MakeLab, home: Path) -> None:
    """Its own Cancel stops it; the other one goes on to its end."""
    for market in ("CA-QC", "CA-ON"):
        (home / "held" / market).touch()
    panel = panel_of(make_lab(), home)
    panel.start_button.click()
    until(lambda: sum("cell work" in words(line.words.value) for line in shown(panel)) == 2)
    one = next(line for line in shown(panel) if line.run == "aubrelune-ete")
    assert "aubrelune-ete" in one.cancel_button.tooltip
    one.cancel_button.click()
    assert one.cancel_button.disabled
    until(lambda: "aubrelune-ete ■ cancelled" in results(panel))
    assert [line.run for line in shown(panel)] == ["termwick-renewals"]
    (home / "held" / "CA-ON").unlink()
    frame = finished(panel).frame
    assert frame is not None
    assert dict(zip(frame["brief"], frame["state"], strict=True)) == {
        "aubrelune-ete": "cancelled",
        "termwick-renewals": "finished",
    }


@pytest.mark.usefixtures("process", "slow")
def test_a_notebook_that_fails_is_said_in_words_and_stops_no_other(make_lab: MakeLab, home: Path) -> None:
    """The error is text, whatever stands in it."""
    panel = panel_of(make_lab(), home, matrix={"tone": ["calm", "<b>"]})
    panel.start_button.click()
    finished(panel)
    html = panel.results.outputs[0]["data"]["text/html"]
    assert html.count("✗") == html.count("✓") == 2
    assert "failed in cell work: AssertionError: not &lt;b&gt;so&lt;/b&gt;" in html
    assert "<b>so" not in html
    assert words(panel.status.value) == "done"


@pytest.mark.usefixtures("process", "slow")
def test_what_goes_wrong_as_a_whole_is_said_in_the_panel(make_lab: MakeLab, home: Path) -> None:
    """The template is gone: a plain error, and Start works again once it is back."""
    panel = panel_of(make_lab(), home)
    (home / "cheap.ipynb").rename(home / "away.ipynb")
    panel.start_button.click()
    finished(panel)
    assert "cheap.ipynb" in words(panel.problem.value)
    assert words(panel.status.value) == "failed"
    (home / "away.ipynb").rename(home / "cheap.ipynb")
    panel.start_button.click()
    finished(panel)
    assert panel.problem.value == ""
    assert words(panel.status.value) == "done"


@pytest.mark.usefixtures("process", "slow")
def test_awaited_it_gives_the_rows(make_lab: MakeLab, home: Path) -> None:
    """For headless runs; the panel shows the same as after a click."""
    panel = panel_of(make_lab(), home)
    frame = asyncio.run(panel.run())
    assert list(frame["state"]) == ["finished", "finished"]
    assert panel.frame is frame
    assert words(panel.status.value) == "done"


@pytest.mark.usefixtures("process", "slow")
def test_an_interrupted_cell_cancels_the_batch(make_lab: MakeLab, home: Path) -> None:
    """It comes back as cancelled, with the kernels gone."""
    for market in ("CA-QC", "CA-ON"):
        (home / "held" / market).touch()
    panel = panel_of(make_lab(), home)

    async def cell() -> None:
        running = asyncio.create_task(panel.run())
        await asyncio.to_thread(until, lambda: any("cell work" in words(line.words.value) for line in shown(panel)))
        running.cancel()
        await running

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cell())
    assert words(panel.status.value) == "cancelled"
    assert at_work() == []


def test_what_is_saved_names_the_notebooks_and_wrong_options_are_refused(make_lab: MakeLab, home: Path) -> None:
    """A table of the briefs with their campaigns, and one line; a template that is not there is refused when it is made."""
    lab = make_lab()
    panel = panel_of(lab, home)
    assert panel.line() == repr(panel) == "BatchPanel(2 notebooks)"
    for name in ("termwick-renewals", "Spring renewals", "aubrelune-ete", "Paniers d&#x27;été"):
        assert name in panel.twin()
    assert str(home) not in panel.twin()
    with pytest.raises(LabError, match=r"nowhere\.ipynb"):
        BatchPanel(lab, home / "briefs", home / "nowhere.ipynb", out=home / "out")


def test_its_controls_are_labelled_and_in_order(make_lab: MakeLab, home: Path) -> None:
    """Start, Cancel all, then a Cancel a line; the state is said to screen readers."""
    panel = panel_of(make_lab(), home)
    labels = labels_of(panel)
    assert [label for label, _ in labels] == ["Start", "Cancel all", "Cancel", "Cancel"]
    assert all(tooltip for _, tooltip in labels)
    assert 'role="status"' in panel.status.value
    assert {panel.plan, panel.progress, panel.problem, panel.results, *panel.runs} <= set(inside(panel))
