"""A server of a test's own and what it was asked, a look into the lab file, and one finished campaign to look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.agents.events import Event
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.model import Step
from campaign_lab.rehearsal.server.api_request import Ask
from campaign_lab.rehearsal.server.app import Fault, RehearsalServer
from campaign_lab.sessions.history.turns import Turn
from campaign_lab.sessions.session import Session
from campaign_lab.store import queries

Faults = Callable[[Ask, int], Fault | None]
Reply = Callable[[Ask, Mapping[str, Any]], Step]


@dataclass
class Watched:
    """A running server and every request that reached it, in order."""

    server: RehearsalServer
    asks: list[Ask]


@dataclass
class Campaign:
    """Research, strategy and copy of one brief, as they were run. ``events`` are those of each phase."""

    lab: Lab
    session: Session
    watched: Watched
    turns: dict[str, Turn] = field(default_factory=dict)
    events: dict[str, list[Event]] = field(default_factory=dict)


def _watched(faults: Faults | None = None, latency_s: float = 0.0) -> Watched:
    asks: list[Ask] = []

    def hear(ask: Ask, times: int) -> Fault | None:
        asks.append(ask)
        return faults(ask, times) if faults else None

    server = RehearsalServer(latency_s, faults=hear)
    server.start()
    return Watched(server, asks)


@pytest.fixture
def watch(process: None) -> Iterator[Callable[..., Watched]]:
    """Starts servers, with faults or a latency, and stops them."""
    started: list[Watched] = []

    def start(faults: Faults | None = None, latency_s: float = 0.0) -> Watched:
        started.append(_watched(faults, latency_s))
        return started[-1]

    yield start
    for watched in started:
        watched.server.stop()


@pytest.fixture(scope="session")
def stored() -> Callable[..., list[Any]]:
    """Rows of a lab's file: ``stored(lab, TurnRow, "WHERE phase = 'copy'")``."""

    def rows(lab: Lab, table: type, rest: str = "") -> list[Any]:
        return lab._context.engine.call(lambda con: queries.select(con, table, rest))

    return rows


@pytest.fixture(scope="session")
def finished(
    process: None, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[Campaign]:
    """The mortgage site, taken through all three phases once."""
    watched = _watched()
    path = tmp_path_factory.mktemp("finished") / "lab.duckdb"
    lab = Lab(path, user="ana", endpoint=RehearsalEndpoint(watched.server), on_miss="run")
    brief = Brief.load(pytestconfig.rootpath / "data" / "briefs" / "termwick-renewals.toml")
    done = Campaign(lab, lab.session(brief), watched)
    for phase in ("research", "strategy", "copy"):
        done.events[phase] = []
        done.turns[phase] = lab.run_sync(done.session.run(phase, on_event=done.events[phase].append))
    yield done
    lab.close()


@pytest.fixture
def lab_with(process: None, tmp_path: Path) -> Iterator[Callable[[Reply], Lab]]:
    """Opens a lab whose endpoint answers with a scripted model."""
    started: list[tuple[Lab, RehearsalServer]] = []

    def opened(reply: Reply) -> Lab:
        server = RehearsalServer(reply=reply)
        server.start()
        lab = Lab(tmp_path / "lab.duckdb", user="ana", endpoint=RehearsalEndpoint(server))
        started.append((lab, server))
        return lab

    yield opened
    for lab, server in started:
        lab.close()
        server.stop()
