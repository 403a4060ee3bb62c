"""``campaign-lab batch`` as a user types it: real processes and terminals, the question, Ctrl-C, exit codes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest

from support.kernels import environment, write_notebook
from support.paths import BRIEFS
from support.processes import on_a_terminal, run_here

pytestmark = pytest.mark.usefixtures("slow")
PARAMETERS = 'brief_path: str = ""\ntone: str = "calm"\nstrength: float = 1.0\nreally: bool = False'
LOAD = "from pathlib import Path\nfrom campaign_lab import Brief\nbrief = Brief.load(brief_path)"
PAID = "if really:\n    from campaign_lab import Lab\n    await Lab().session(brief).run('research')"
"""What it would cost is estimated from the phase that is named; it is run only when asked for."""
HELD = (
    "from time import sleep\nfrom pathlib import Path\n"
    'while brief.market == "CA-QC" and Path("held").exists():\n    sleep(0.05)'
)
"""One of the two briefs is held up while a file is there; a template runs in its own folder."""
WORDS = 'print(brief.campaign, tone, strength)\nassert brief.market != "CA-QC" or tone != "broken", "not in Quebec"'


class Folder:
    """A folder with two briefs, a cheap template and a lab, and the command that runs them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.briefs = home / "briefs"
        self.briefs.mkdir()
        shutil.copytree(BRIEFS.parent / "sites", home / "sites")
        for name in ("termwick-renewals", "aubrelune-ete"):
            shutil.copy(BRIEFS / f"{name}.toml", self.briefs)
        self.out = home / "out"
        self.template = home / "cheap.ipynb"
        self.write(WORDS)

    def write(self, last: str) -> None:
        """Writes the template with this last cell."""
        cells = {"parameters": PARAMETERS, "load": LOAD, "paid": PAID, "last": last}
        write_notebook(self.template, cells)

    def command(self, *more: str) -> list[str]:
        """The command line."""
        return [
            sys.executable, "-m", "campaign_lab", "batch", str(self.briefs), "--notebook", str(self.template),
            "--out", str(self.out), "--lab", str(self.home / "lab.duckdb"), "--user", "ana", *more,
        ]  # fmt: skip

    def run(self, *more: str) -> subprocess.CompletedProcess[str]:
        """Runs it without a terminal."""
        return run_here(*self.command(*more)[3:])

    def start(self, *more: str) -> subprocess.Popen[str]:
        """Starts it without a terminal, in a process group of its own."""
        return subprocess.Popen(
            self.command(*more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(),
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip

    def notebooks(self) -> list[str]:
        """The executed notebooks."""
        return sorted(path.name for path in self.out.glob("*.ipynb"))

    def said(self, notebook: str) -> str:
        """What an executed notebook printed."""
        cells = nbformat.read(self.out / notebook, as_version=4).cells
        return "".join(output.get("text", "") for cell in cells for output in cell.get("outputs", ()))


@pytest.fixture
def folder(process: None, tmp_path: Path) -> Folder:
    """A folder of its own."""
    return Folder(tmp_path)


def until(happened: Callable[[], Any]) -> Any:
    """Waits for something that another process does, and gives it."""
    deadline = time.monotonic() + 60
    while not (found := happened()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def test_a_batch_leaves_notebooks_and_a_report_and_a_second_one_has_nothing_to_do(folder: Folder) -> None:
    """Each start and each end is a line; the table has all rows; the second time nothing is asked and nothing runs."""
    done = folder.run("--yes")
    assert done.returncode == 0, done.stderr
    assert folder.notebooks() == ["aubrelune-ete.ipynb", "termwick-renewals.ipynb"]
    for name in ("aubrelune-ete", "termwick-renewals"):
        assert f"{name}: started" in done.stderr
        assert f"{name}: finished" in done.stderr
    assert "2 notebooks: 2 new." in done.stdout
    assert "2 finished: paid $0.0000, cut $0.0000, replayed $0.0000 (list prices" in done.stdout
    for name in ("index.html", "summary.parquet"):
        assert str(folder.out / name) in done.stdout.replace("\n", "")
        assert (folder.out / name).is_file()
    again = folder.run()
    assert again.returncode == 0, again.stderr
    assert "2 notebooks: 2 kept." in again.stdout
    assert "started" not in again.stderr


def test_without_a_terminal_nothing_is_paid_for_unasked(folder: Folder) -> None:
    """Exit code 3, the plan is shown, and it says what to give; no folder is made."""
    done = folder.run()
    assert done.returncode == 3
    assert "--yes" in done.stderr
    assert "2 notebooks: 2 new." in done.stdout
    assert folder.notebooks() == []


def test_an_estimate_of_nothing_is_asked_about_too(folder: Folder) -> None:
    """A template may name its phases in other ways than we can read: nothing of it starts unasked."""
    write_notebook(folder.template, {"parameters": PARAMETERS, "load": LOAD, "last": "print('done')"})
    done = folder.run()
    assert "To run: 2, about $0.0000 (the template names no phase)" in done.stdout
    assert (done.returncode, folder.notebooks()) == (3, [])


def test_on_a_terminal_it_asks_and_no_is_no(folder: Folder) -> None:
    """The question names how many and about how much; any answer but yes starts nothing."""
    code, seen = on_a_terminal(folder.command(), "")
    assert "Run 2 notebooks, about $" in seen
    assert "no money moves" in seen
    assert (code, folder.notebooks()) == (3, [])


def test_with_json_nothing_is_asked(folder: Folder) -> None:
    """On a terminal too: whoever wants JSON is a program."""
    code, seen = on_a_terminal(folder.command("--json"))
    assert code == 3
    assert "--yes" in seen
    assert "[y/N]" not in seen


def test_on_a_terminal_yes_runs_and_shows_each_notebook_with_its_cell(folder: Folder) -> None:
    """A bar for all, a line a running notebook, and a line left for each that ended."""
    folder.write("import time\ntime.sleep(1)")
    code, seen = on_a_terminal(folder.command("--workers", "2"), "y")
    assert code == 0, seen
    assert "of 2 notebooks ended, 2 running" in seen
    assert "cell last, 4 of 4" in seen or "cell last, 5 of 5" in seen
    assert "termwick-renewals: finished" in seen


def test_one_notebook_that_fails_stops_no_other(folder: Folder) -> None:
    """Exit code 1; the failed one has its line with the cell and the error, and its notebook is there."""
    done = folder.run("--yes", "--set", "tone=broken", "--retries", "0")
    assert done.returncode == 1, done.stderr
    assert "aubrelune-ete: failed in cell last: AssertionError: not in Quebec" in done.stderr
    assert "\naubrelune-ete, tone: broken: in cell last: AssertionError: not in Quebec\n" in done.stdout
    assert "1 finished, 1 failed" in done.stdout or "1 failed, 1 finished" in done.stdout
    assert len(folder.notebooks()) == 2


def test_a_brief_that_cannot_be_used_is_named_and_stops_no_other(folder: Folder) -> None:
    """Exit code 1, with what is wrong in the plan and in the table."""
    (folder.briefs / "odd.toml").write_text('campaign = "No url"\n', encoding="utf-8")
    done = folder.run("--yes")
    assert done.returncode == 1, done.stderr
    assert "1 refused" in done.stdout
    assert "url" in done.stdout
    assert len(folder.notebooks()) == 2


def test_a_matrix_is_a_run_for_each_combination(folder: Folder) -> None:
    """Values reach the notebooks as what they are; another value adds only its own runs."""
    done = folder.run("--yes", "--matrix", "tone=Calm,Urgent", "strength=0.5", "--set", "really=false")
    assert done.returncode == 0, done.stderr
    assert sorted(folder.said(name).strip() for name in folder.notebooks()) == [
        "Paniers d'été Calm 0.5", "Paniers d'été Urgent 0.5", "Spring renewals Calm 0.5", "Spring renewals Urgent 0.5",
    ]  # fmt: skip
    more = folder.run("--yes", "--matrix", "tone=Calm,Urgent,Kind", "strength=0.5", "--set", "really=false")
    assert more.returncode == 0, more.stderr
    assert "6 notebooks: " in more.stdout
    assert "2 new" in more.stdout
    assert "4 kept" in more.stdout


def test_over_the_budget_nothing_starts(folder: Folder) -> None:
    """Exit code 3; the message has the budget and the estimate."""
    done = folder.run("--yes", "--budget", "0.0001")
    assert done.returncode == 3
    assert "$0.0001" in done.stderr
    assert "estimated at $" in done.stderr
    assert folder.notebooks() == []


def test_json_is_one_object_on_stdout(folder: Folder) -> None:
    """Rows, sums and files; and what is paid on the way is what the lab books."""
    done = folder.run("--yes", "--json", "--set", "really=true")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert {row["run"]: row["state"] for row in result["rows"]} == {
        "aubrelune-ete": "finished",
        "termwick-renewals": "finished",
    }
    assert result["states"] == {"finished": 2}
    assert result["paid_usd"] == pytest.approx(sum(row["cost_usd"] for row in result["rows"]))
    assert result["paid_usd"] > 0
    assert [Path(file).name for file in result["files"]] == ["index.html", "summary.parquet"]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--set", "tone"), 'has no "="'),
        (("--matrix", "tone=a,a"), "twice"),
        (("--set", "tnoe=x"), "tone"),
        (("--timeout", "soon"), "'soon'"),
        (("--workers", "0"), "workers"),
        (("--budget", "-1"), "budget"),
        (("--notebook", "nowhere.ipynb"), "nowhere.ipynb"),
        (("--set", "tone=x", "--matrix", "tone=a,b"), "tone"),
    ],
)
def test_wrong_use_says_what_is_wrong(folder: Folder, arguments: Sequence[str], says: str) -> None:
    """Exit code 2, in words, before anything starts."""
    done = folder.run("--yes", *arguments)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert folder.notebooks() == []


def test_ctrl_c_interrupts_the_kernels_and_the_same_command_goes_on(folder: Folder) -> None:
    """Exit code 130, no process left, what had finished is kept, and the rest runs the next time."""
    (folder.home / "held").touch()
    folder.write(HELD)
    process = folder.start("--yes", "--workers", "2")
    assert process.stderr is not None
    lines = iter(process.stderr)
    assert any("termwick-renewals: finished" in line for line in lines)
    children = until(lambda: psutil.Process(process.pid).children(recursive=True))
    os.killpg(process.pid, signal.SIGINT)
    rest = "".join(lines)
    assert process.wait(timeout=60) == 130
    assert "Ctrl-C once more ends at once" in rest
    assert "aubrelune-ete: cancelled" in rest
    assert "the same command goes on from there" in rest
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    (folder.home / "held").unlink()
    again = folder.run("--yes")
    assert again.returncode == 0, again.stderr
    assert "aubrelune-ete: finished" in again.stderr
    assert "termwick-renewals: started" not in again.stderr


def test_ctrl_c_twice_ends_at_once_with_all_that_was_started(folder: Folder) -> None:
    """A kernel that listens to no interrupt does not hold it up."""
    folder.write(
        "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nPath('deaf').touch()\ntime.sleep(600)"
    )
    process = folder.start("--yes", "--workers", "1")
    until((folder.home / "deaf").exists)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    os.killpg(process.pid, signal.SIGINT)
    assert process.stderr is not None
    assert any("Ctrl-C once more" in line for line in process.stderr)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(timeout=30) == 130
    until(lambda: not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children))
