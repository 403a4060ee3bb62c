"""The command line, as a user types it: real terminals, and processes where they are looked at; exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest

from campaign_lab import Lab
from campaign_lab.cli.terminal.printing import print_rows
from support.paths import BRIEFS, ROOT
from support.processes import on_a_terminal, run_here

pytestmark = pytest.mark.usefixtures("process", "slow")
BRIEF = BRIEFS / "termwick-renewals.toml"


def _command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "campaign_lab", *map(str, arguments)]


@pytest.fixture(scope="module")
def finished(process: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A lab file in which the mortgage brief was run, and the JSON that the run printed."""
    lab = tmp_path_factory.mktemp("cli") / "lab.duckdb"
    command = _command("run", BRIEF, "--lab", lab, "--user", "ana", "--json")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return lab, json.loads(done.stdout)


def test_json_is_one_object_with_the_promised_parts(finished: tuple[Path, dict[str, Any]]) -> None:
    """Session, endpoint, user, records by kind, receipt and checkpoints; evidence is a flat list of quotes."""
    _, result = finished
    assert {"session", "endpoint", "user", "records", "receipt", "checkpoints"} <= set(result)
    assert result["user"] == "ana"
    assert result["endpoint"].startswith("rehearsal")
    assert {kind: len(records) for kind, records in result["records"].items()} == {
        "brand_profile": 1, "customer_insight": 1, "competitor_profile": 2, "angle": 5, "copy_variant": 10,
    }  # fmt: skip
    for variant in result["records"]["copy_variant"]:
        assert {"angle", "headline", "primary_text", "description", "call_to_action", "evidence"} <= set(variant)
        assert all(set(each) == {"quote", "url", "supported"} for each in variant["evidence"])
    assert [each["phase"] for each in result["checkpoints"]] == ["root", "research", "strategy", "copy"]


def test_a_second_run_replays_for_nothing_and_says_so(finished: tuple[Path, dict[str, Any]]) -> None:
    """The same records come back, the receipt says nothing was paid, and so do the words."""
    lab, result = finished
    again = json.loads(run_here("run", BRIEF, "--lab", lab, "--user", "ana", "--json").stdout)
    assert again["records"] == result["records"]
    assert again["receipt"]["paid"] == 0.0
    assert again["receipt"]["cost"] == result["receipt"]["cost"]
    words = run_here("run", BRIEF, "--lab", lab, "--user", "ana").stdout
    assert "nothing was sent and nothing paid" in words
    assert "pages were read on" in words


def test_words_show_brand_angles_copy_and_receipt(finished: tuple[Path, dict[str, Any]]) -> None:
    """Without --json the campaign is readable: every angle, every headline, every phase of the receipt."""
    lab, result = finished
    shown = " ".join(run_here("run", BRIEF, "--lab", lab, "--user", "ana").stdout.split())
    squeezed = re.sub(r"[\s│┃]+", "", shown)
    for angle in result["records"]["angle"]:
        assert re.sub(r"\s+", "", angle["name"])[:12] in squeezed
    for part in ("Rehearsal", "receipt", "research", "strategy", "copy", "copy-creator", "brand-intelligence-analyst"):
        assert part in shown


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), 2, "COMMAND"),
        (("run",), 2, "BRIEF"),
        (("run", "no-such.toml"), 2, "cannot be read"),
        (("run", "termwick.ca"), 2, "https://termwick.ca"),
        (("run", "ftp://termwick.example"), 2, "not allowed"),
        (("run", str(BRIEF), "--phases", "research,dance"), 2, "research, strategy, copy"),
        (("run", str(BRIEF), "--phases", ""), 2, "--phases"),
        (("run", str(BRIEF), "--endpoint", "nowhere"), 2, "rehearsal, anthropic"),
        (("run", str(BRIEF), "--model", "sonnet"), 2, "full id"),
        (("run", str(BRIEF), "--phases", "strategy"), 1, "brand profile"),
        (("run", str(BRIEF), "--lab", str(ROOT)), 1, "is a folder"),
    ],
)
def test_wrong_use_says_what_is_wrong_and_what_to_do(
    arguments: Sequence[str], code: int, says: str, tmp_path: Path
) -> None:
    """Exit code 2 for wrong use and 1 for a job that failed; the message names the value and what is allowed."""
    lab = () if "--lab" in arguments or not arguments else ("--lab", str(tmp_path / "lab.duckdb"))
    done = run_here(*arguments, *lab)
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_live_without_a_key_fails_before_anything_is_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """--endpoint anthropic without its variable names the variable; nothing is started."""
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    done = run_here("run", BRIEF, "--endpoint", "anthropic", "--lab", tmp_path / "lab.duckdb")
    assert done.returncode == 2
    assert "ANTHROPIC_API_KEY" in done.stderr


def test_an_endpoint_that_does_not_answer_fails_the_job(tmp_path: Path) -> None:
    """A url where nobody listens ends with exit code 1 and says that the endpoint did not answer."""
    done = run_here("run", BRIEF, "--endpoint", "http://127.0.0.1:9", "--lab", tmp_path / "lab.duckdb")
    assert done.returncode == 1
    assert "did not answer" in done.stderr


@pytest.mark.parametrize(
    ("page", "phase", "said"),
    [
        ("<html><body></body></html>", "research", "no sentence of four words that could be quoted"),
        ("<title>Teasel Tea</title><div id=root></div><script>draw()</script>", "research", "drawn by scripts"),
        ("<h1>Under construction</h1><p>This page is under construction.</p>", "research", "only a placeholder"),
        ("<title>Few</title><p>Do you like a cup of tea?</p>", "copy", "no brand profile"),
    ],
)
def test_a_site_that_carries_no_campaign_fails_and_says_why(tmp_path: Path, page: str, phase: str, said: str) -> None:
    """Exit code 1, no invented claim, and the cause in words, as JSON and without."""
    site = tmp_path / "emptyshop"
    site.mkdir()
    (site / "index.html").write_text(page, encoding="utf-8")
    command = ("run", site, "--market", "CA", "--lab", tmp_path / "lab.duckdb")
    for more in ((), ("--json",)):
        done = run_here(*command, *more)
        assert done.returncode == 1
        assert f"The phase '{phase}'" in done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr
        assert "nder construction" not in done.stdout
    if phase == "copy":  # what was made before it is shown all the same
        result = json.loads(done.stdout)
        assert (result["records"]["angle"], result["records"]["copy_variant"]) == ([], [])
        assert result["missing"]


def test_another_folder_of_the_same_name_is_not_taken_for_the_first(tmp_path: Path) -> None:
    """Two folders called pages do not replay each other: the second run says so instead of showing the first brand."""
    for brand, text in (("one", "We mend boots in three days."), ("two", "We bake rye bread every morning.")):
        folder = tmp_path / brand / "pages"
        folder.mkdir(parents=True)
        (folder / "index.html").write_text(f"<title>{brand}</title><h1>{text}</h1><p>{text}</p>", encoding="utf-8")
    lab = tmp_path / "lab.duckdb"
    assert (
        run_here("run", tmp_path / "one" / "pages", "--market", "CA", "--lab", lab, "--phases", "research").returncode
        == 0
    )
    second = run_here("run", tmp_path / "two" / "pages", "--market", "CA", "--lab", lab, "--phases", "research")
    assert second.returncode == 2
    assert "another name" in second.stderr


def test_a_terminal_shows_each_agent_live(tmp_path: Path) -> None:
    """On a terminal the three agents are named with what they do, while they do it."""
    code, seen = on_a_terminal(_command("run", BRIEF, "--lab", tmp_path / "lab.duckdb", "--phases", "research"))
    assert code == 0
    for agent in (
        "brand-intelligence-analyst",
        "customer-psychology-specialist",
        "competitive-intelligence-specialist",
    ):
        assert agent in seen
    assert re.search(r"reading page \d+ of \d+|thinking|saving|done, \d+ pages read", seen)


def test_ctrl_c_stops_at_once_and_keeps_what_was_finished(tmp_path: Path) -> None:
    """Ctrl-C in the second phase: exit code 130, no process left, and the research replays."""
    lab = tmp_path / "lab.duckdb"
    process = subprocess.Popen(
        _command("run", BRIEF, "--lab", lab),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "research: done" in line:
            break
    deadline = time.monotonic() + 30
    while not (children := psutil.Process(process.pid).children(recursive=True)) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "What was finished is kept" in errors
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    again = run_here("run", BRIEF, "--lab", lab, "--json")
    assert again.returncode == 0
    assert json.loads(again.stdout)["receipt"]["replayed"][:1] == ["research"]


def test_a_narrow_terminal_breaks_no_number(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Money, times and single words stay whole, long texts are broken; a column with nothing in it is not there."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "60")
    row = {"notebook": "a-very-long-name-" * 6, "state": "over budget", "paid_usd": 1234.5, "cut_usd": None}
    print_rows("batch", [row, row | {"paid_usd": None, "made_at": ""}])
    shown = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out)
    assert max(map(len, shown.splitlines())) <= 60
    assert "over budget" in shown
    assert "$1234.5000" in shown
    assert "cut usd" not in shown


def test_a_market_that_nothing_tells_is_asked_for_and_never_assumed_in_silence(tmp_path: Path) -> None:
    """On a terminal the answer counts; where nobody can be asked the assumed one is said, and the run goes on."""
    site = tmp_path / "shop"
    site.mkdir()
    (site / "index.html").write_text("<p>We roast our coffee twice a week.</p>", encoding="utf-8")
    command = ("run", site, "--phases", "research")
    done = run_here(*command, "--lab", tmp_path / "a.duckdb", "--json")
    assert done.returncode == 0, done.stderr
    assert done.stderr.startswith("market CA, assumed: neither the site's address nor the language names a country")
    code, seen = on_a_terminal(_command(*command, "--lab", tmp_path / "b.duckdb"), "GB")
    assert code == 0, seen
    assert "Which market is it for?" in seen
    with Lab(tmp_path / "b.duckdb", endpoint="rehearsal") as lab:
        assert lab.open("main").brief.market == "GB"
    assert "assumed" not in run_here(*command, "--market", "FR", "--lab", tmp_path / "c.duckdb").stderr
