"""Notebooks as jobs: a template for several briefs, what fails stays alone, and a second time it all replays."""

from __future__ import annotations

import json
import os
import threading
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import psutil
import pytest
from kernels import write_notebook

from campaign_lab.batch import NotebookFailed, run_briefs, run_notebook
from campaign_lab.batch.engine import CampaignEngine
from campaign_lab.errors import NotFoundError

ROOT = Path(__file__).resolve().parent.parent
BRIEFS = ROOT / "data" / "briefs"
TEMPLATE = {
    "setup-a": "import os\nfrom campaign_lab import Brief, Lab\nlab = Lab(user='ana')",
    "parameters": "brief_path = ''\nquestion = 'What is promised?'",
    "brief-a": "brief = Brief.load(brief_path)",
    "research-a": "base = lab.session(brief)\nturn = await base.run('research')",
    "ask-a": "answer = await base.ask(question)",
    "look-a": "print(turn.replayed, answer.replayed, base.lineage[-1].notebook, base.lineage[-1].cell_id, os.getcwd())",
}


@pytest.fixture
def in_a_lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A lab file of its own for the kernels."""
    monkeypatch.setenv("CAMPAIGN_LAB_STORE", str(tmp_path / "lab.duckdb"))
    return tmp_path / "lab.duckdb"


def _cells(notebook: Path) -> dict[str, Any]:
    return {cell["id"]: cell for cell in json.loads(notebook.read_text(encoding="utf-8"))["cells"]}


def _said(notebook: Path, cell: str) -> str:
    return "".join("".join(output.get("text", ())) for output in _cells(notebook)[cell]["outputs"])


@pytest.mark.usefixtures("in_a_lab")
def test_a_bad_brief_stops_no_other_and_a_second_time_all_replays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row and an executed notebook for each brief, in their order; the second batch runs with every new turn refused."""
    (tmp_path / "briefs").mkdir()
    bad = tmp_path / "briefs" / "termwick-renewals.toml"
    bad.write_text('url = "ftp://no.example"\n', encoding="utf-8")
    briefs = [bad, BRIEFS / "termwick-renewals.toml", tmp_path / "missing.toml"]
    (tmp_path / "templates").mkdir()
    template = write_notebook(tmp_path / "templates" / "campaign.ipynb", TEMPLATE)
    done = run_briefs(template, briefs, tmp_path / "out é", at_once=2, question="Who says so?")
    assert list(done.columns) == ["brief", "campaign", "state", "notebook", "error"]
    assert list(done["state"]) == ["failed", "finished", "failed"]
    assert list(done["notebook"]) == ["termwick-renewals.ipynb", "termwick-renewals-2.ipynb", "missing.ipynb"]
    assert list(done["campaign"]) == ["", "Spring renewals", ""]
    assert "BriefError" in done["error"][0]
    assert "ftp://no.example" in done["error"][0]
    assert not any("\n" in error or "\x1b" in error for error in done["error"])
    assert "Error" in _cells(tmp_path / "out é" / "missing.ipynb")["brief-a"]["outputs"][0]["ename"]
    good = tmp_path / "out é" / "termwick-renewals-2.ipynb"
    words = f"False False termwick-renewals-2.ipynb ask-a {tmp_path / 'templates'}\n"
    assert _said(good, "look-a") == words
    assert "Who says so?" in "".join(_cells(good)["injected-parameters"]["source"])

    monkeypatch.setenv("CAMPAIGN_LAB_ON_MISS", "refuse")
    again = run_briefs(template, briefs, tmp_path / "out é", question="Who says so?")
    assert again.equals(done)
    assert _said(good, "look-a") == words.replace("False False", "True True")


def test_a_run_is_watched_and_can_be_stopped(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each cell is told before it runs; cancelled, the notebook stops in its cell, is kept, and leaves no kernel."""
    cells = {"first-a": "print('done')", "stuck-a": "import time\ntime.sleep(250)", "never-a": "1"}
    template = write_notebook(tmp_path / "stuck.ipynb", cells)
    seen: list[tuple[int, int, str]] = []
    stop = threading.Event()

    def hear(index: int, count: int, cell: str) -> None:
        seen.append((index, count, cell))
        if cell == "stuck-a":
            threading.Timer(0.3, stop.set).start()

    with pytest.raises(NotebookFailed, match="KeyboardInterrupt") as failed:
        run_notebook(template, tmp_path / "out.ipynb", on_progress=hear, cancelled=stop.is_set)
    assert failed.value.cell == "stuck-a"
    assert seen == [(0, 3, "first-a"), (1, 3, "stuck-a")]
    assert _said(tmp_path / "out.ipynb", "first-a") == "done\n"
    kernels = [each for each in psutil.Process().children(recursive=True) if "ipykernel" in " ".join(each.cmdline())]
    assert kernels == []
    assert "encryption" not in capfd.readouterr().err  # the kernel's warning about open ports


def test_what_a_kernel_process_says_stands_in_no_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its own log comes out nowhere: a notebook that starts others would save it, now and then."""
    cells = {"loud-a": "import os\nn = os.write(2, b'from ' + b'the process')", "loud-b": "print(n)"}
    done = run_notebook(write_notebook(tmp_path / "loud.ipynb", cells), tmp_path / "done.ipynb")
    assert _said(done, "loud-b") == "16\n"
    assert "from the process" not in "".join(capfd.readouterr())


def test_a_kernel_that_dies_is_said(tmp_path: Path) -> None:
    """The notebook in which it died is named, with the cell, and what was before it is kept."""
    cells = {"first-a": "print('done')", "death-a": "import os\nos._exit(1)"}
    template = write_notebook(tmp_path / "dying.ipynb", cells)
    with pytest.raises(NotebookFailed, match="died") as failed:
        run_notebook(template, tmp_path / "out.ipynb")
    assert failed.value.notebook == "out.ipynb"
    assert _said(tmp_path / "out.ipynb", "first-a") == "done\n"


def test_a_reason_is_one_line_that_hides_and_reorders_nothing(tmp_path: Path) -> None:
    """Colour codes, overrides of the writing direction and line ends of an error are out."""
    cell = r"raise ValueError('a\x1b[31m red \u202egnp.exe\nand\tmore')"
    template = write_notebook(tmp_path / "a.ipynb", {"bad-a": cell})
    with pytest.raises(NotebookFailed) as error:
        run_notebook(template, tmp_path / "out.ipynb")
    assert error.value.reason == "ValueError: a red gnp.exe and more"


def test_a_relative_lab_file_is_the_same_one_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel works in the template's folder; the lab is the one that the caller means all the same."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAMPAIGN_LAB_STORE", "mine.duckdb")
    (tmp_path / "templates").mkdir()
    template = write_notebook(
        tmp_path / "templates" / "a.ipynb", {"lab-a": "from campaign_lab import Lab\nlab = Lab()"}
    )
    run_notebook(template, tmp_path / "done.ipynb")
    assert [path.name for path in tmp_path.glob("**/*.duckdb")] == ["mine.duckdb"]
    assert (tmp_path / "mine.duckdb").is_file()


def test_wrong_use_is_said_before_a_kernel_starts(tmp_path: Path) -> None:
    """No template, the template as its own result, and a batch of nothing at once are refused."""
    template = write_notebook(tmp_path / "a.ipynb", {"one-a": "1"})
    with pytest.raises(NotFoundError, match="notebook"):
        run_briefs(tmp_path / "no.ipynb", [BRIEFS / "termwick-renewals.toml"], tmp_path)
    with pytest.raises(ValueError, match="the template itself"):
        run_notebook(template, os.path.relpath(template))
    with pytest.raises(ValueError, match="at_once"):
        run_briefs(template, [], tmp_path / "out", at_once=0)
    assert run_briefs(template, [], tmp_path / "out").empty


def test_papermill_knows_the_engine_by_name() -> None:
    """``papermill --engine campaign`` works where the package is installed."""
    (point,) = entry_points(group="papermill.engine", name="campaign")
    assert point.load() is CampaignEngine
