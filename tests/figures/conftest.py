"""A lab with a fork tree, and the frames that its figures are drawn from."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from campaign_lab import Lab
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server.app import RehearsalServer
from support.clock import Clock
from support.made import made_once


def grown(path: Path, server: RehearsalServer, clock: Clock) -> Lab:
    return Lab(path, user="ana", endpoint=RehearsalEndpoint(server, now=clock), now=clock)


@pytest.fixture(scope="session")
def grown_file(tmp_path_factory: pytest.TempPathFactory, researched_file: Path, server: RehearsalServer) -> Path:
    """The researched lab with five forks: two ran copy, one its own strategy, one is a fork of a fork, one has no turn yet."""

    def grow(path: Path) -> None:
        shutil.copy(researched_file, path)
        clock = Clock()
        lab = grown(path, server, clock)
        main = lab.open("main")
        first, second = (angle.name for angle in main.records("angle")[:2])
        for name in (first, second):
            clock.move(minutes=1)
            lab.run_sync(main.fork(name).run("copy", angles=[name]))
        clock.move(minutes=1)
        emotional = main.fork("Emotional angle", at="research")
        lab.run_sync(emotional.run("strategy"))
        lab.run_sync(emotional.fork("Copy for it").run("copy"))
        clock.move(minutes=1)
        main.fork("Ask about the price later")
        lab._context.engine.close()

    return made_once(tmp_path_factory, "grown", grow)


@pytest.fixture(scope="session")
def frames(
    grown_file: Path, server: RehearsalServer, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, pd.DataFrame]:
    """What the lab gives each figure."""
    path = tmp_path_factory.mktemp("frames") / "lab.duckdb"
    shutil.copy(grown_file, path)
    lab = grown(path, server, Clock())
    main = lab.open("main")
    found = {"tree": lab.tree(main), "coverage": lab.coverage(main), "timeline": lab.timeline(main)}
    lab._context.engine.close()
    return {**found, "costs": found["tree"]}
