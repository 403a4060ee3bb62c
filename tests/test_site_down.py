"""A site that is down and then up again, as a user meets it: one command later the campaign is whole, and it is paid once."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from campaign_lab.batch.execute.notebook import NotebookFailed, run_notebook
from campaign_lab.store import queries
from campaign_lab.store.duckdb.engine import open_file
from campaign_lab.store.rows import AttemptRow, RequestRow, TurnRow
from support.batches import cells_of
from support.kernels import environment
from support.paths import ROOT
from support.web.web_site import WebSite, web_site

TEMPLATE = ROOT / "notebooks" / "templates" / "campaign.ipynb"
DOWN = "no connection could be made; the site is down, or the address is wrong"
PHASES = {"research": 1, "strategy": 1, "copy": 1}


@pytest.fixture
def site() -> Iterator[WebSite]:
    """The mortgage site on a web server that is down at first."""
    with web_site() as made:
        yield made


def stored(lab: Path) -> tuple[dict[str, int], int, int]:
    """Finished attempts by phase, how many failed, and how many requests the failed ones sent."""
    file = open_file(lab)
    try:
        attempts = file.call(lambda con: queries.select(con, AttemptRow))
        requests = file.call(lambda con: queries.select(con, RequestRow))
        turns = file.call(lambda con: queries.select(con, TurnRow))
    finally:
        file.close()
    failed = {row.id for row in attempts if row.state == "failed"}
    assert {row.cause for row in attempts if row.id in failed} <= {"site"}
    assert not failed & {turn.id for turn in turns}
    finished = Counter(row.phase for row in attempts if row.state == "finished")
    return dict(finished), len(failed), sum(row.attempt_id in failed for row in requests)


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "campaign_lab", *map(str, arguments)]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=250, env=environment())


@pytest.mark.usefixtures("process", "slow")
def test_on_the_command_line(site: WebSite, tmp_path: Path) -> None:
    """The same command twice: exit 1 with the reason, then the campaign; a third one replays, with the site down again."""
    lab = tmp_path / "lab.duckdb"
    line = ("run", site.brief(tmp_path / "brief.toml"), "--lab", lab, "--json")
    first = command(*line)
    assert first.returncode == 1
    assert f"{site.url}: {DOWN}" in first.stderr
    assert "Traceback" not in first.stderr
    assert stored(lab) == ({}, 1, 0)
    site.is_itself()
    second = command(*line)
    assert second.returncode == 0, second.stderr
    assert len(json.loads(second.stdout)["records"]["copy_variant"]) == 10
    site.down()
    third = json.loads(command(*line).stdout)
    assert third["receipt"]["replayed"] == list(PHASES)
    assert stored(lab) == (PHASES, 1, 0)


@pytest.mark.usefixtures("process")
def test_in_a_notebook(site: WebSite, tmp_path: Path) -> None:
    """The cell shows the reason; run again from the top, the notebook is whole."""
    lab, out = tmp_path / "lab.duckdb", tmp_path / "out.ipynb"
    given: dict[str, Any] = {"brief_path": str(site.brief(tmp_path / "brief.toml"))}
    env = {"CAMPAIGN_LAB_STORE": str(lab)}
    with pytest.raises(NotebookFailed, match=DOWN) as failed:
        run_notebook(TEMPLATE, out, given, env=env)
    assert failed.value.kind == "TurnFailed"
    (shown,) = [each for each in cells_of(out)[failed.value.cell].outputs if each.output_type == "error"]
    assert DOWN in shown.evalue
    site.is_itself()
    run_notebook(TEMPLATE, out, given, env=env)
    run_notebook(TEMPLATE, out, given, env=env)
    assert stored(lab) == (PHASES, 1, 0)


@pytest.mark.usefixtures("process", "slow")
def test_in_a_batch(site: WebSite, tmp_path: Path) -> None:
    """The row of the site that is down has the reason and the other is done; the same command again runs that one only."""
    with web_site(site.folder.parent / "cairnwold") as other:
        other.is_itself()
        briefs, out, lab = tmp_path / "briefs", tmp_path / "out", tmp_path / "lab.duckdb"
        briefs.mkdir()
        site.brief(briefs / "down.toml", campaign="Down")
        other.brief(briefs / "fine.toml", campaign="Fine")
        line = ("batch", briefs, "--out", out, "--lab", lab, "--yes", "--json", "--retries", "0", "--workers", "1")
        first = command(*line)
        assert first.returncode == 1
        rows = {row["brief"]: row for row in json.loads(first.stdout)["rows"]}
        assert (rows["down"]["state"], rows["fine"]["state"]) == ("failed", "finished")
        assert f"{site.url}: {DOWN}" in rows["down"]["error"]
        assert rows["down"]["cut_usd"] == 0
        site.is_itself()
        second = command(*line)
        assert second.returncode == 0, second.stderr
        rows = {row["brief"]: row for row in json.loads(second.stdout)["rows"]}
        assert (rows["down"]["state"], rows["down"]["records"]) == ("finished", 17)
    assert stored(lab) == (dict.fromkeys(PHASES, 2), 1, 0)
