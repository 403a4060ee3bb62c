"""Labs as tests open them, and the turns that a finished one has."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from campaign_lab import Brief, Lab
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server.app import RehearsalServer
from support.clock import Clock
from support.paths import BRIEFS

MakeLab: TypeAlias = Callable[..., Lab]
"""Opens a lab, and closes it after the test."""


def research(place: str, server: RehearsalServer) -> None:
    """Ana's research and strategy at START."""
    clock = Clock()
    lab = Lab(place, user="ana", endpoint=RehearsalEndpoint(server, now=clock), now=clock)
    session = lab.session(Brief.load(BRIEFS / "termwick-renewals.toml"))
    lab.run_sync(session.run("research"))
    lab.run_sync(session.run("strategy"))
    lab._context.engine.close()


def make_campaign(place: str, server: RehearsalServer) -> None:
    """Ana's research and strategy of the mortgage site, by the real CLI, and a fork after the research."""
    lab = Lab(place, user="ana", endpoint=RehearsalEndpoint(server), on_miss="run")
    session = lab.session(Brief.load(BRIEFS / "termwick-renewals.toml"))
    lab.run_sync(session.run("research"))
    lab.run_sync(session.run("strategy"))
    session.fork("Emotional angle", at="research")
    lab._context.engine.close()  # the server is shared, so only the store is let go
