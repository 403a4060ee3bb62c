"""``campaign-lab run`` on what is there already: a later phase alone, one answer by its number, and one more afresh."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.paths import BRIEFS
from support.processes import on_a_terminal, run_here

pytestmark = pytest.mark.usefixtures("process", "slow")
BRIEF = BRIEFS / "termwick-renewals.toml"


@pytest.fixture(scope="module")
def researched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lab in which research and strategy were run from the command line."""
    lab = tmp_path_factory.mktemp("again") / "lab.duckdb"
    done = run(lab, "--phases", "research,strategy")
    assert done.returncode == 0, done.stderr
    return lab


@pytest.fixture
def lab(researched: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(researched, tmp_path / "lab.duckdb"))


def command(lab: Path, *more: str) -> list[str]:
    return [sys.executable, "-m", "campaign_lab", "run", str(BRIEF), "--lab", str(lab), "--user", "ana", *more]


def run(lab: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Runs it without a terminal."""
    return run_here(*command(lab, *more)[3:])


def result(lab: Path, *more: str) -> dict[str, Any]:
    done = run(lab, "--json", *more)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def phases(campaign: dict[str, Any]) -> list[str]:
    return [each["phase"] for each in campaign["checkpoints"]]


def test_copy_alone_goes_on_from_the_angles(lab: Path) -> None:
    """Looked at the angles, and then on: nothing before is run or asked for again, and a second time it replays."""
    made = result(lab, "--phases", "copy")
    assert phases(made) == ["root", "research", "strategy", "copy"]
    assert made["receipt"]["paid"] > 0
    again = result(lab, "--phases", "copy")
    assert (again["receipt"]["paid"], again["records"]) == (0.0, made["records"])


def test_copy_alone_is_refused_where_the_angles_are_of_another_brief(lab: Path) -> None:
    """What was researched for other rivals is not gone on with: the message says what to run first."""
    done = run(lab, "--phases", "copy", "--competitor", "https://another-rival.example")
    assert done.returncode == 1
    assert "needs angle before it" in done.stderr


def test_afresh_asks_for_the_price_first(lab: Path) -> None:
    """On a terminal it asks, and no is no; without one, or with --json, it is refused: exit code 3, nothing made."""
    code, seen = on_a_terminal(command(lab, "--fresh"), "")
    assert code == 3
    assert "Run research, strategy, copy anew, about $" in seen
    assert re.search(
        r"The same work costs about \$0\.\d+ with claude-sonnet-5-5, \$0\.\d+ with claude-sonnet-4-6\.", seen
    )
    for more in ((), ("--json",)):
        done = run(lab, "--fresh", *more)
        assert done.returncode == 3
        assert "--yes" in done.stderr
        assert done.stdout == ""
    code, seen = on_a_terminal(command(lab, "--take", "2", "--json"))
    assert code == 3
    assert "[y/N]" not in seen
    assert result(lab, "--phases", "research")["receipt"]["lines"][0]["take"] == 1


def test_afresh_makes_the_next_take_and_the_others_follow(lab: Path) -> None:
    """It says so; a plain run replays the newest, and --take names any, without a question where it is stored."""
    done = run(lab, "--fresh", "--yes", "--phases", "research,strategy")
    assert done.returncode == 0, done.stderr
    assert "research, take 2: done in" in done.stderr
    assert "research, take 2" in " ".join(done.stdout.split())
    newest = result(lab, "--phases", "research,strategy")
    assert newest["receipt"]["replayed"] == ["research", "strategy"]
    assert [line["take"] for line in newest["receipt"]["lines"] if line["phase"] == "research"] == [2] * 4
    first = result(lab, "--take", "1", "--phases", "research,strategy")
    assert first["receipt"]["paid"] == 0.0
    assert first["checkpoints"][1]["key"] != newest["checkpoints"][1]["key"]
    assert phases(result(lab, "--phases", "copy"))[-1] == "copy"  # behind the newest line


@pytest.mark.parametrize("take", ["0", "-1"])
def test_a_take_that_cannot_be_is_wrong_use(lab: Path, take: str) -> None:
    """Exit code 2, with the value."""
    done = run(lab, f"--take={take}", "--yes")
    assert done.returncode == 2
    assert f"take: {take} is not allowed" in done.stderr
