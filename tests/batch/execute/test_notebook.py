"""One notebook: watched, cancelled, dying, and what it leaves behind."""

from __future__ import annotations

import os
import threading
from importlib.metadata import entry_points
from pathlib import Path

import nbformat
import pytest

from campaign_lab.batch.execute.notebook import NotebookFailed, run_notebook
from campaign_lab.batch.execute.papermill_engine import CampaignEngine
from campaign_lab.batch.plan.template import read_template
from campaign_lab.errors import NotFoundError
from support.batches import cells_of, said
from support.kernels import write_notebook
from support.processes import at_work

pytestmark = pytest.mark.usefixtures("process", "slow")


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
    assert said(tmp_path / "out.ipynb", "first-a") == "done\n"
    assert at_work() == []
    assert "encryption" not in capfd.readouterr().err  # the kernel's warning about open ports


def test_what_a_kernel_process_says_stands_in_no_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Its own log comes out nowhere: a notebook that starts others would save it, now and then."""
    cells = {"loud-a": "import os\nn = os.write(2, b'from ' + b'the process')", "loud-b": "print(n)"}
    done = run_notebook(write_notebook(tmp_path / "loud.ipynb", cells), tmp_path / "done.ipynb")
    assert said(done, "loud-b") == "16\n"
    assert "from the process" not in "".join(capfd.readouterr())


def test_a_kernel_that_dies_is_said(tmp_path: Path) -> None:
    """The notebook in which it died is named, with the cell, and what was before it is kept."""
    cells = {"first-a": "print('done')", "death-a": "import os\nos._exit(1)"}
    template = write_notebook(tmp_path / "dying.ipynb", cells)
    with pytest.raises(NotebookFailed, match="died") as failed:
        run_notebook(template, tmp_path / "out.ipynb")
    assert (failed.value.notebook, failed.value.cell) == ("out.ipynb", "death-a")
    assert said(tmp_path / "out.ipynb", "first-a") == "done\n"


def test_a_reason_is_one_line_that_hides_and_reorders_nothing(tmp_path: Path) -> None:
    """Colour codes, overrides of the writing direction and line ends of an error are out."""
    cell = r"raise ValueError('a\x1b[31m red \u202egnp.exe\nand\tmore')"
    template = write_notebook(tmp_path / "a.ipynb", {"bad-a": cell})
    with pytest.raises(NotebookFailed) as error:
        run_notebook(template, tmp_path / "out.ipynb")
    assert error.value.reason == "ValueError: a red gnp.exe and more"
    assert error.value.kind == "ValueError"


def test_a_relative_lab_file_is_the_same_one_for_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel works in the template's folder; the lab is the one that the caller means all the same."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAMPAIGN_LAB_STORE", "mine.duckdb")
    (tmp_path / "templates").mkdir()
    cells = {"lab-a": "import os\nfrom campaign_lab import Lab\nlab = Lab()\nprint(os.getcwd())"}
    done = run_notebook(write_notebook(tmp_path / "templates" / "a.ipynb", cells), tmp_path / "done.ipynb")
    assert [path.name for path in tmp_path.glob("**/*.duckdb")] == ["mine.duckdb"]
    assert (tmp_path / "mine.duckdb").is_file()
    assert said(done, "lab-a") == f"{tmp_path / 'templates'}\n"


def test_wrong_use_is_said_before_a_kernel_starts(tmp_path: Path) -> None:
    """No template, and the template as its own result, are refused."""
    template = write_notebook(tmp_path / "a.ipynb", {"one-a": "1"})
    with pytest.raises(NotFoundError, match="notebook"):
        run_notebook(tmp_path / "no.ipynb", tmp_path / "out.ipynb")
    with pytest.raises(ValueError, match="the template itself"):
        run_notebook(template, os.path.relpath(template))


def test_papermill_knows_the_engine_by_name() -> None:
    """``papermill --engine campaign`` works where the package is installed."""
    (point,) = entry_points(group="papermill.engine", name="campaign")
    assert point.load() is CampaignEngine


def test_an_error_that_only_the_kernels_reply_holds_is_said(tmp_path: Path) -> None:
    """An unknown magic leaves no error in its cell by itself: the reason stands in the exception and in the notebook."""
    cells = {"magic-a": "%nosuch", "never-a": "print('never')"}
    with pytest.raises(NotebookFailed, match="UsageError: Line magic function `%nosuch` not found") as failed:
        run_notebook(write_notebook(tmp_path / "magic.ipynb", cells), tmp_path / "out.ipynb")
    assert (failed.value.cell, failed.value.kind) == ("magic-a", "UsageError")
    (error,) = (
        each for each in cells_of(tmp_path / "out.ipynb")["magic-a"]["outputs"] if each["output_type"] == "error"
    )
    assert "%nosuch" in error["evalue"]


def test_an_error_that_was_expected_fails_the_notebook_and_says_why(tmp_path: Path) -> None:
    """As papermill does: the cells after one that is tagged raises-exception run, and the notebook has failed, in that cell."""
    path = write_notebook(tmp_path / "tagged.ipynb", {"tagged-a": "1 / 0", "after-a": "print('after')"})
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[0].metadata["tags"] = ["raises-exception"]
    nbformat.write(notebook, path)
    with pytest.raises(NotebookFailed, match="ZeroDivisionError: division by zero; the tag raises-exception") as failed:
        run_notebook(path, tmp_path / "out.ipynb")
    assert failed.value.cell == "tagged-a"
    assert said(tmp_path / "out.ipynb", "after-a") == "after\n"


def test_a_notebook_without_metadata_is_python(tmp_path: Path) -> None:
    """A template that names neither kernel nor language is read, takes its parameters, and runs."""
    path = write_notebook(tmp_path / "bare.ipynb", {"parameters": "brief_path: str = ''", "say-a": "print(brief_path)"})
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.clear()
    nbformat.write(notebook, path)
    assert read_template(path).parameters == ("brief_path",)
    done = run_notebook(path, tmp_path / "out.ipynb", {"brief_path": "a.toml"})
    assert said(done, "say-a") == "a.toml\n"
