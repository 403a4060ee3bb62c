"""What several test folders share: the demo sites, labs in a temporary folder, and a finished campaign."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.agents.events import Event
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server import RehearsalServer

ROOT = Path(__file__).resolve().parent.parent
BRIEFS = ROOT / "data" / "briefs"
SITES = ROOT / "data" / "sites"

MakeLab = Callable[..., Lab]


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs the tests decides their outcome."""
    for name in ("CAMPAIGN_LAB_STORE", "CAMPAIGN_LAB_ENDPOINT", "CAMPAIGN_LAB_ON_MISS", "JUPYTERHUB_USER"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def server() -> Iterator[RehearsalServer]:
    """One rehearsal server for all tests that need no faults of their own. Its book grows over the whole run."""
    server = RehearsalServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def make_lab(tmp_path: Path, server: RehearsalServer) -> Iterator[MakeLab]:
    """Makes labs on ``tmp_path / "lab.duckdb"`` (or another name) with the shared server, and closes them."""
    made: list[Lab] = []

    def make(name: str = "lab.duckdb", *, own_server: RehearsalServer | None = None, **options: object) -> Lab:
        options.setdefault("user", "ana")
        lab = Lab(tmp_path / name, endpoint=RehearsalEndpoint(own_server or server), **options)  # type: ignore[arg-type]
        made.append(lab)
        return lab

    yield make
    for lab in made:
        lab._context.engine.close()  # the server is shared, so only the file is let go


@pytest.fixture
def termwick() -> Brief:
    """The brief of the mortgage site."""
    return Brief.load(BRIEFS / "termwick-renewals.toml")


@pytest.fixture
def heard() -> list[Event]:
    """A list to collect events in: ``session.run(…, on_event=heard.append)``."""
    return []
