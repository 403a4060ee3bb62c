"""What several test folders share: the demo sites, labs in a temporary folder, and a finished campaign."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
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
    for name in (
        "CAMPAIGN_LAB_STORE",
        "CAMPAIGN_LAB_USER",
        "CAMPAIGN_LAB_ENDPOINT",
        "CAMPAIGN_LAB_ON_MISS",
        "CAMPAIGN_LAB_PRICES",
        "JUPYTERHUB_USER",
    ):
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


START = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The time as it stands."""
        return self.now

    def move(self, **by: float) -> None:
        """Moves on, such as ``move(hours=8)``."""
        self.now += timedelta(**by)


@pytest.fixture
def clock() -> Clock:
    """A clock that stands on a spring Saturday, the day before daylight saving begins in Canada."""
    return Clock()


@pytest.fixture(scope="session")
def researched_file(tmp_path_factory: pytest.TempPathFactory, server: RehearsalServer) -> Path:
    """A lab file in which ana ran research and strategy at START."""
    path = tmp_path_factory.mktemp("researched") / "lab.duckdb"
    clock = Clock()
    lab = Lab(path, user="ana", endpoint=RehearsalEndpoint(server, now=clock), now=clock)
    session = lab.session(Brief.load(BRIEFS / "termwick-renewals.toml"))
    lab.run_sync(session.run("research"))
    lab.run_sync(session.run("strategy"))
    lab._context.engine.close()
    return path


@pytest.fixture
def lab_of(tmp_path: Path, researched_file: Path, server: RehearsalServer, clock: Clock) -> Iterator[MakeLab]:
    """Opens the researched lab (a copy of it) as a user: ``lab_of("ben")``, with the standing clock."""
    path = tmp_path / "lab.duckdb"
    shutil.copy(researched_file, path)
    made: list[Lab] = []

    def opened(user: str = "ana", **options: object) -> Lab:
        options.setdefault("now", clock)
        lab = Lab(path, user=user, endpoint=RehearsalEndpoint(server, now=clock), **options)  # type: ignore[arg-type]
        made.append(lab)
        return lab

    yield opened
    for lab in made:
        lab._context.engine.close()
