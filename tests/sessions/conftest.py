"""A real campaign, run once: tests of what is stored of it work on copies of its file."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server import RehearsalServer
from campaign_lab.store.engine import DuckFile, open_file

BRIEFS = Path(__file__).resolve().parents[2] / "data" / "briefs"


@pytest.fixture(scope="session")
def campaign_file(tmp_path_factory: pytest.TempPathFactory, server: RehearsalServer) -> Path:
    """A lab file of ana's with research and strategy of the mortgage site, by the real CLI, and a fork after the research."""
    path = tmp_path_factory.mktemp("campaign") / "lab.duckdb"
    lab = Lab(path, user="ana", endpoint=RehearsalEndpoint(server), on_miss="run")
    session = lab.session(Brief.load(BRIEFS / "termwick-renewals.toml"))
    lab.run_sync(session.run("research"))
    lab.run_sync(session.run("strategy"))
    session.fork("Emotional angle", at="research")
    lab._context.engine.close()  # the server is shared, so only the file is let go
    return path


@pytest.fixture
def campaign(campaign_file: Path, tmp_path: Path) -> Iterator[DuckFile]:
    """A copy of the campaign's lab file, open."""
    shutil.copyfile(campaign_file, tmp_path / "lab.duckdb")
    file = open_file(tmp_path / "lab.duckdb")
    yield file
    file.close()


@pytest.fixture
def lab_file(tmp_path: Path) -> Iterator[DuckFile]:
    """An empty lab file, open."""
    file = open_file(tmp_path / "hand.duckdb")
    yield file
    file.close()
