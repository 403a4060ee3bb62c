"""What several test folders share: the demo sites, labs in a temporary folder, and a finished campaign."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from campaign_lab import Brief, Lab
from campaign_lab.agents.events import Event
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server.app import RehearsalServer
from campaign_lab.store.connection import Store
from support import (
    kernel_sockets,  # noqa: F401  # importing it gives the kernels of all tests sockets of their own
    marks,
)
from support.browser.chromium import chromium_missing
from support.clock import Clock
from support.labs import MakeLab, make_campaign, research
from support.made import made_once
from support.paths import BRIEFS
from support.postgres import MISSING, PostgresServer, binaries, running
from support.stores import KINDS, Stores, opened, stores_of

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")  # how long an example takes says more of the machine than of the code


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the person who runs the tests decides their outcome."""
    for name in (
        "CAMPAIGN_LAB_STORE",
        "CAMPAIGN_LAB_USER",
        "CAMPAIGN_LAB_ENDPOINT",
        "CAMPAIGN_LAB_ON_MISS",
        "CAMPAIGN_LAB_PRICES",
        "CAMPAIGN_LAB_BATCH",
        "CAMPAIGN_LAB_RUN",
        "CAMPAIGN_LAB_BATCH_USD",
        "CAMPAIGN_LAB_TURN_USD",
        "CAMPAIGN_LAB_SESSION_USD",
        "CAMPAIGN_LAB_RUN_JOURNAL",
        "CAMPAIGN_LAB_REHEARSAL_LATENCY_S",
        "JUPYTERHUB_USER",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        *(name for name in os.environ if name.lower().endswith("_proxy")),
    ):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def server() -> Iterator[RehearsalServer]:
    """One rehearsal server for all tests that need no faults of their own. Its book grows over the whole run."""
    server = RehearsalServer()
    server.start()
    yield server
    server.stop()


def pytest_configure(config: pytest.Config) -> None:
    """The markers of these tests, and which tests run."""
    marks.choose(config)
    if (
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):  # as in a shell's background job; commands that tests start inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    config.addinivalue_line(
        "markers", "both_stores: what takes a store is run on a lab file and on a PostgreSQL server"
    )


def pytest_xdist_auto_num_workers() -> int:
    """Three workers for two cores: a test that has started a process waits for it most of the time."""
    return max(2, (os.cpu_count() or 1) * 3 // 2)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests before any of them is left out by its mark."""
    marks.mark(items)


@pytest.fixture(scope="session")
def process() -> None:
    """Asked for by what starts processes."""


@pytest.fixture(scope="session")
def slow() -> None:
    """Asked for by a test that takes more than some ten seconds."""


@pytest.fixture(scope="session")
def postgres(process: None) -> None:
    """Asked for by what needs PostgreSQL's programs. Skips where they are not installed."""
    if binaries() is None:
        marks.missing(MISSING)


@pytest.fixture(scope="session")
def browser(process: None) -> None:
    """Asked for by what needs a browser. Skips where there is none."""
    if why := chromium_missing():
        marks.missing(why)


@pytest.fixture(autouse=True)
def _processes_are_marked(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test that starts a process has asked for ``process``."""
    before = len(marks.started)
    yield
    if request.node.get_closest_marker("process") is None:
        assert marks.started[before:] == [], "a test that starts processes asks for the fixture `process`"


SERVER = pytest.param(KINDS[1], marks=[pytest.mark.postgres, pytest.mark.process])


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Runs what is marked with ``both_stores`` on both kinds of store: tests in which the database decides."""
    if "store_kind" in metafunc.fixturenames and metafunc.definition.get_closest_marker("both_stores"):
        metafunc.parametrize("store_kind", (KINDS[0], SERVER), indirect=True, scope="module")


@pytest.fixture(scope="module")
def store_kind(request: pytest.FixtureRequest) -> str:
    """On what the test keeps its labs: ``file`` or ``server``."""
    return str(getattr(request, "param", KINDS[0]))


@pytest.fixture
def stores(store_kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stores]:
    """Fresh places for labs: files in ``tmp_path``, or databases."""
    with stores_of(store_kind, tmp_path, request) as made:
        yield made


@pytest.fixture(scope="session")
def postgres_server(postgres: None) -> Iterator[PostgresServer]:
    """One PostgreSQL for all tests that neither stop nor kill it."""
    with running() as server:
        yield server


@pytest.fixture
def make_lab(stores: Stores, server: RehearsalServer) -> Iterator[MakeLab]:
    """Makes labs by the name of a file (or of a database of that name) with the shared server, and closes them."""
    made: list[Lab] = []

    def make(
        name: str = "lab.duckdb", *, user: str = "ana", own_server: RehearsalServer | None = None, **options: object
    ) -> Lab:
        endpoint = RehearsalEndpoint(own_server or server)
        lab = Lab(stores.place(name, user=user), user=user, endpoint=endpoint, **options)  # type: ignore[arg-type]
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


@pytest.fixture
def clock() -> Clock:
    """A clock that stands on a spring Saturday, the day before daylight saving begins in Canada."""
    return Clock()


@pytest.fixture(scope="session")
def researched_file(process: None, tmp_path_factory: pytest.TempPathFactory, server: RehearsalServer) -> Path:
    """A lab file in which ana ran research and strategy at START."""
    return made_once(tmp_path_factory, "researched", lambda path: research(str(path), server))


@pytest.fixture(scope="session")
def researched_server(
    tmp_path_factory: pytest.TempPathFactory, server: RehearsalServer, request: pytest.FixtureRequest
) -> Iterator[str]:
    """The same as a database that may be copied."""
    with stores_of("server", tmp_path_factory.getbasetemp(), request) as stores:
        research(stores.place(user="ana"), server)
        yield stores.kept()


@pytest.fixture
def researched_stores(process: None, stores: Stores, request: pytest.FixtureRequest) -> Stores:
    """Fresh places, of which "lab.duckdb" is a copy of the researched lab."""
    stores.copy(str(request.getfixturevalue(f"researched_{stores.kind}")))
    return stores


@pytest.fixture
def lab_of(researched_stores: Stores, server: RehearsalServer, clock: Clock) -> Iterator[MakeLab]:
    """Opens the researched lab (a copy of it) as a user: ``lab_of("ben")``, with the standing clock."""
    made: list[Lab] = []

    def open_as(user: str = "ana", **options: object) -> Lab:
        options.setdefault("now", clock)
        endpoint = RehearsalEndpoint(server, now=clock)
        lab = Lab(researched_stores.place(user=user), user=user, endpoint=endpoint, **options)  # type: ignore[arg-type]
        made.append(lab)
        return lab

    yield open_as
    for lab in made:
        lab._context.engine.close()


@pytest.fixture(scope="session")
def campaign_file(process: None, tmp_path_factory: pytest.TempPathFactory, server: RehearsalServer) -> Path:
    """The campaign in a lab file."""
    return made_once(tmp_path_factory, "campaign", lambda path: make_campaign(str(path), server))


@pytest.fixture(scope="session")
def campaign_server(
    process: None, tmp_path_factory: pytest.TempPathFactory, server: RehearsalServer, request: pytest.FixtureRequest
) -> Iterator[str]:
    """The campaign in a database that may be copied."""
    with stores_of("server", tmp_path_factory.getbasetemp(), request) as stores:
        make_campaign(stores.place(user="ana"), server)
        yield stores.kept()


@pytest.fixture
def campaign(process: None, stores: Stores, request: pytest.FixtureRequest) -> Iterator[Store]:
    """A copy of the campaign, open as who sees all of it."""
    stores.copy(str(request.getfixturevalue(f"campaign_{stores.kind}")))
    with opened(stores.place()) as store:
        yield store


@pytest.fixture
def lab_file(stores: Stores) -> Iterator[Store]:
    """An empty lab, open as who may write down anything of anybody."""
    with opened(stores.place("hand.duckdb")) as store:
        yield store
