"""A real campaign, run once on each kind of store: tests of what is stored of it work on copies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server.app import RehearsalServer
from campaign_lab.store.connection import Store
from support.made import made_once
from support.paths import BRIEFS
from support.stores import Stores, opened, stores_of


def make_campaign(place: str, server: RehearsalServer) -> None:
    """Ana's research and strategy of the mortgage site, by the real CLI, and a fork after the research."""
    lab = Lab(place, user="ana", endpoint=RehearsalEndpoint(server), on_miss="run")
    session = lab.session(Brief.load(BRIEFS / "termwick-renewals.toml"))
    lab.run_sync(session.run("research"))
    lab.run_sync(session.run("strategy"))
    session.fork("Emotional angle", at="research")
    lab._context.engine.close()  # the server is shared, so only the store is let go


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
