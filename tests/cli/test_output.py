"""What becomes of a command's output: closed pipes, full disks, gone terminals, and any encoding. Real processes."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import IO, Any

import pytest

from support.paths import BRIEFS, ROOT
from support.processes import run_here

pytestmark = pytest.mark.usefixtures("process", "slow")
BRIEF = BRIEFS / "termwick-renewals.toml"
SITE = "<title>Crème &amp; Œuf 東京</title><h1>Fresh cream — every morning</h1><p>We bake “brioche” at 5 °C → 東京.</p>"


def _command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "campaign_lab", *map(str, arguments)]


def _done(
    arguments: Sequence[str | Path], *, out: int | IO[Any] = subprocess.PIPE, err: int | IO[Any] = subprocess.PIPE,
    **settings: str,
) -> subprocess.CompletedProcess[bytes]:  # fmt: skip
    environment = {**os.environ, **settings}
    return subprocess.run(
        _command(*arguments), stdout=out, stderr=err, check=False, timeout=90, env=environment, cwd=ROOT
    )


def _closed_pipe() -> IO[bytes]:
    """A pipe that nobody reads from."""
    reading, writing = os.pipe()
    os.close(reading)
    return os.fdopen(writing, "wb")


def _gone_terminal() -> IO[bytes]:
    """A terminal whose other end is closed: writing to it is EIO."""
    main, side = pty.openpty()
    os.close(main)
    return os.fdopen(side, "wb")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small site that is read soon: what these tests are about is what comes after it."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "index.html").write_text(SITE, encoding="utf-8")
    return folder


def _phases(lab: Path) -> list[str]:
    shown = json.loads(run_here("show", "main", "--lab", lab, "--json").stdout)
    return [step["phase"] for step in shown["lineage"]]


GONE = {
    "closed pipe": _closed_pipe,
    "full disk": partial(Path("/dev/full").open, "wb"),
    "gone terminal": _gone_terminal,
}


@pytest.mark.parametrize("how", GONE)
def test_a_run_whose_progress_nobody_sees_goes_on_to_its_end(how: str, site: Path, tmp_path: Path) -> None:
    """The campaign is on stdout, the exit code is the job's."""
    lab = tmp_path / "lab.duckdb"
    with GONE[how]() as err:
        done = _done(["run", site, "--lab", lab, "--phases", "research"], err=err)
    assert done.returncode == 0
    assert "東京".encode() in done.stdout
    assert _phases(lab) == ["research"]


def test_head_ends_the_listing_and_not_the_run(site: Path, tmp_path: Path) -> None:
    """``campaign-lab run X 2>&1 | head -1`` comes back, with the turn kept."""
    lab = tmp_path / "lab.duckdb"
    command = " ".join(_command("run", site, "--lab", lab, "--phases", "research"))
    shown = subprocess.run(
        f"{command} 2>&1 | head -1", shell=True, capture_output=True, text=True, timeout=90, check=False, cwd=ROOT
    )
    assert len(shown.stdout.splitlines()) == 1
    assert _phases(lab) == ["research"]


@pytest.mark.parametrize("how", GONE)
def test_a_result_that_cannot_be_printed_is_a_failure_that_loses_nothing(how: str, site: Path, tmp_path: Path) -> None:
    """Exit code 1, one line on stderr unless a reader went away by itself, no traceback, and the turn is kept."""
    lab = tmp_path / "lab.duckdb"
    with GONE[how]() as out:
        done = _done(["run", site, "--market", "CA", "--lab", lab, "--phases", "research", "--json"], out=out)
    assert done.returncode == 1
    lines = done.stderr.decode().splitlines()
    assert len(lines) == (0 if how == "closed pipe" else 1)
    assert all("could not be printed" in line for line in lines)
    assert _phases(lab) == ["research"]


def test_a_command_with_nowhere_to_write_ends_as_its_job_does(site: Path, tmp_path: Path) -> None:
    """Both streams closed from the start (``>&- 2>&-``): the turn is made, exit code 0."""
    lab = tmp_path / "lab.duckdb"
    command = " ".join(_command("run", site, "--lab", lab, "--phases", "research"))
    done = subprocess.run(f"exec {command} >&- 2>&-", shell=True, timeout=90, check=False, cwd=ROOT)
    assert done.returncode == 0
    assert _phases(lab) == ["research"]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_any_encoding_of_stdout_will_do(encoding: str, site: Path, tmp_path: Path) -> None:
    """Exit code 0 with replaced characters in text; JSON keeps every character, as escapes."""
    lab = tmp_path / "lab.duckdb"
    words = _done(["run", site, "--lab", lab, "--phases", "research"], PYTHONIOENCODING=encoding)
    assert words.returncode == 0, words.stderr
    assert "??" in words.stdout.decode(encoding)
    given = _done(["run", site, "--lab", lab, "--phases", "research", "--json"], PYTHONIOENCODING=encoding)
    assert given.returncode == 0, given.stderr
    assert "東京" in json.dumps(json.loads(given.stdout.decode(encoding)), ensure_ascii=False)


@pytest.fixture(scope="module")
def foreign(process: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lab with research on a site whose name and texts no old encoding carries."""
    site = tmp_path_factory.mktemp("foreign") / "東京"
    site.mkdir()
    (site / "index.html").write_text(SITE, encoding="utf-8")
    lab = site.parent / "lab.duckdb"
    assert _done(["run", site, "--lab", lab, "--phases", "research"], PYTHONIOENCODING="ascii").returncode == 0
    return lab


@pytest.mark.parametrize(
    "command", ["sessions", "show main", "costs", "doctor", "fork main Été→東京", "run --help", "sweep --dry-run"]
)
def test_every_command_speaks_ascii(command: str, foreign: Path) -> None:
    """No command ends for a character that stdout cannot carry."""
    name, *rest = command.split()
    where = [] if "--help" in rest else ["--lab", str(foreign)]
    done = _done([name, *rest, *where], PYTHONIOENCODING="ascii")
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode("ascii")


def test_a_batch_whose_output_nobody_reads_goes_on_to_its_end(tmp_path: Path) -> None:
    """``campaign-lab batch … 2>&1 | head -1`` comes back, and the notebook is there."""
    rest = ("--lab", tmp_path / "lab.duckdb", "--out", tmp_path / "out", "--yes")
    command = " ".join(_command("batch", BRIEF, *rest))
    subprocess.run(f"{command} 2>&1 | head -1", shell=True, capture_output=True, timeout=120, check=False, cwd=ROOT)
    assert (tmp_path / "out" / "index.html").is_file()
    assert json.loads((next((tmp_path / "out").glob("*.ipynb"))).read_text(encoding="utf-8"))["cells"]


WRONG = {
    "run": 2, "run nowhere.toml": 2, "run your-brand.example": 2, "run . --session main": 2,
    "run https://a.example --phases ,": 2,
    "run --session nobody": 2, "run --endpoint ftp://x https://a.example": 2, "nosuch": 2, "": 2, "costs --by moon": 2,
    "show nobody": 2, "fork main": 2, "share nobody ben": 2, "save nobody x.duckdb": 2, "sweep --grace soon": 2,
    "batch nowhere --out x --yes": 2, "batch . --out x --set a": 2, "lab nowhere": 2, "copy nowhere.duckdb other.duckdb": 1,
    "show nowhere.duckdb": 1, "sessions --lab :memory:": 1, "sessions --lab mysql://x": 1,
}  # fmt: skip


@pytest.mark.parametrize("command", WRONG)
def test_a_mistake_is_one_line_on_stderr(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the command: its exit code, one line that says what is wrong, nothing on stdout, and no traceback."""
    monkeypatch.chdir(ROOT)
    where = (
        []
        if "--lab" in command or command.split()[:1] in ([], ["nosuch"], ["copy"])
        else ["--lab", tmp_path / "l.duckdb"]
    )
    done = run_here(*command.split(), *where)
    assert done.returncode == WRONG[command], done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("campaign-lab")
    assert done.stdout == ""


def test_what_should_not_have_happened_is_one_line_too(tmp_path: Path) -> None:
    """An error of a library: its kind and words, and how to see where it came up; then the traceback is there."""
    (tmp_path / "sitecustomize.py").write_text(
        "import campaign_lab.lab as lab\n"
        "def broken(*_given, **_named):\n    raise OSError('the moon\\nis down')\nlab.Lab.sessions = broken\n",
        encoding="utf-8",
    )
    command = ["sessions", "--lab", tmp_path / "lab.duckdb"]
    done = _done(command, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    (line,) = done.stderr.decode().splitlines()
    assert "OSError: the moon is down" in line
    assert "CAMPAIGN_LAB_TRACEBACK=1" in line
    shown = _done(command, PYTHONPATH=str(tmp_path), CAMPAIGN_LAB_TRACEBACK="1").stderr.decode()
    assert "Traceback" in shown
    assert "in broken" in shown


def test_piped_tables_break_no_word_and_checkpoints_are_words(tmp_path: Path) -> None:
    """Agent names stand whole in ``costs --by agent``; ``fork`` says where it forked in words."""
    lab = tmp_path / "lab.duckdb"
    assert run_here("run", BRIEF, "--lab", lab, "--phases", "research").returncode == 0
    costs = run_here("costs", "--by", "agent", "--lab", lab).stdout
    for agent in (
        "brand-intelligence-analyst",
        "customer-psychology-specialist",
        "competitive-intelligence-specialist",
    ):
        assert agent in costs
    forked = run_here("fork", "main", "Relief first", "--at", "research", "--lab", lab).stdout
    assert "forked from termwick.example/Spring renewals/main at checkpoint 1 (research)." in forked
