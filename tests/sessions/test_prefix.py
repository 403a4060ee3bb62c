"""What goes over the wire: a fork's first request begins with all that its parent had said, byte for byte, and with nothing else.

The prompt cache is a cache of bytes: one that differs before the checkpoint, and the whole conversation is paid for again.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.errors import TurnFailed
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server.api_request import Ask
from campaign_lab.rehearsal.server.app import Fault, RehearsalServer
from campaign_lab.sessions.session import Session
from support.paths import BRIEFS, ROOT
from support.stores import Stores, stores_of
from support.web.wire import assert_carries, blocks, text_of

pytestmark = pytest.mark.usefixtures("slow")
BRIEF = BRIEFS / "termwick-renewals.toml"
START = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)
"""Where the ``clock`` of these tests begins."""
QUESTION = "What do customers fear most when their term ends?"
AGAIN = "And what does the brand promise them?"


class Recorder(RehearsalServer):
    """A rehearsal server that keeps the main agents' request bodies, by the turn that sent them."""

    def __init__(self, faults: Callable[[Ask, int], Fault | None] | None = None) -> None:
        super().__init__(faults=faults)
        self.wire: dict[str, list[Any]] = {}

    async def _read(self, request: Any) -> Ask:
        ask = await super()._read(request)
        if not ask.agent_id:
            self.wire.setdefault(ask.session_id, []).append(await request.json())
        return ask


@contextmanager
def recording(faults: Callable[[Ask, int], Fault | None] | None = None) -> Iterator[Recorder]:
    server = Recorder(faults)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@dataclass
class Campaign:
    """A lab with a research and a question after it, and what they sent."""

    kept: str
    wire: dict[str, list[Any]]


@pytest.fixture(scope="module")
def recorded(
    process: None, store_kind: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Campaign]:
    """The campaign that every test here starts from."""
    with stores_of(store_kind, tmp_path_factory.mktemp("recorded"), request) as stores, recording() as server:
        endpoint = RehearsalEndpoint(server, now=lambda: START)
        lab = Lab(stores.place(user="ana"), user="ana", endpoint=endpoint, now=lambda: START)
        base = lab.session(Brief.load(BRIEF))
        lab.run_sync(base.run("research"))
        lab.run_sync(base.ask(QUESTION))
        lab._context.engine.close()
        yield Campaign(stores.kept(), dict(server.wire))


@dataclass
class Bench:
    """A copy of the campaign, open, with a server that records."""

    lab: Lab
    base: Session
    server: Recorder
    before: dict[str, list[Any]]

    def first(self, session: Session) -> Any:
        """The first request of the session's newest turn."""
        return self.sent(session)[0]

    def sent(self, session: Session) -> list[Any]:
        """All requests of the session's newest turn, root or fork."""
        turn = session.checkpoint().turn_id
        assert turn is not None
        return (self.before | self.server.wire)[turn]

    def ask(self, session: Session, question: str = AGAIN) -> Any:
        """Asks, and gives the first request of it."""
        self.lab.run_sync(session.ask(question))
        return self.first(session)


@pytest.fixture
def open_copy(recorded: Campaign, stores: Stores, clock: Any) -> Iterator[Callable[..., Bench]]:
    """Opens a copy of the campaign; ``faults`` may fail requests."""
    stores.copy(recorded.kept)
    made: list[tuple[Lab, Recorder]] = []

    def opened(faults: Callable[[Ask, int], Fault | None] | None = None) -> Bench:
        server = Recorder(faults)
        server.start()
        lab = Lab(stores.place(user="ana"), user="ana", endpoint=RehearsalEndpoint(server, now=clock), now=clock)
        made.append((lab, server))
        return Bench(lab, lab.open("main"), server, recorded.wire)

    yield opened
    for lab, server in made:
        lab._context.engine.close()
        server.stop()


def test_from_a_plain_checkpoint(open_copy: Callable[..., Bench]) -> None:
    """A fork of a question without any tools, made in another process than its parent."""
    bench = open_copy()
    parent = bench.sent(bench.base)[-1]
    assert_carries(bench.ask(bench.base.fork("Plain")), parent)


def test_after_tools(open_copy: Callable[..., Bench]) -> None:
    """A fork of the research: the calls of the agents and their reports are carried as they were."""
    bench = open_copy()
    research = bench.base.fork("Angles", at="research")
    parent = bench.sent(research)[-1]
    assert sum(block["type"] == "tool_result" for message in parent["messages"] for block in blocks(message)) == 3
    bench.lab.run_sync(research.run("strategy"))
    assert_carries(bench.first(research), parent)


def test_after_a_failed_and_retried_turn(open_copy: Callable[..., Bench]) -> None:
    """What failed is in neither the retry nor a fork of it: each prompt stands there once."""
    down = [True]
    bench = open_copy(lambda ask, _times: Fault(400, "not now") if down and AGAIN in ask.prompt else None)
    with pytest.raises(TurnFailed):
        bench.lab.run_sync(bench.base.ask(AGAIN))
    down.clear()
    grandparent = bench.sent(bench.base)[-1]
    retried = bench.ask(bench.base)
    assert_carries(retried, grandparent)
    later = bench.ask(bench.base.fork("After the retry"), "And who says so?")
    assert_carries(later, retried)
    for prompt in (QUESTION, AGAIN):
        assert text_of(later["messages"]).count(prompt) == 1


@pytest.mark.both_stores
def test_from_a_fork_of_a_fork(open_copy: Callable[..., Bench]) -> None:
    """Each generation carries the one before."""
    bench = open_copy()
    child = bench.base.fork("Child", at="research")
    first = bench.ask(child, "What is the child about?")
    grandchild = child.fork("Grandchild")
    second = bench.ask(grandchild, "What is the grandchild about?")
    assert_carries(second, first)
    assert_carries(second, bench.sent(bench.base.fork("Where it began", at="research"))[-1])
    assert QUESTION not in text_of(second["messages"])  # the base went on to it after the research


def test_from_an_expired_parent(open_copy: Callable[..., Bench], clock: Any) -> None:
    """The parent may run no more; its fork carries all the same, the reminder of the new day stands after it."""
    bench = open_copy()
    parent = bench.sent(bench.base)[-1]
    clock.move(hours=30)
    assert bench.base.expired
    assert_carries(bench.ask(bench.base.fork("After the end")), parent)


def test_from_another_working_folder(
    open_copy: Callable[..., Bench], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the folder of the notebook nor that of the CLI is in the prefix."""
    bench = open_copy()
    parent = bench.sent(bench.base)[-1]
    (elsewhere := tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    fork = bench.ask(bench.base.fork("Elsewhere"))
    assert_carries(fork, parent)


ELSEWHERE = """
import json, sys
from pathlib import Path
from test_prefix import AGAIN, Lab, RehearsalEndpoint, recording
with recording() as server, Lab(sys.argv[2], user="ben", endpoint=RehearsalEndpoint(server)) as lab:
    fork = lab.open(Path(sys.argv[1])).fork("On the other machine")
    lab.run_sync(fork.ask(AGAIN))
    print(json.dumps(server.wire[fork.checkpoint().turn_id][0]))
"""


def test_on_another_machine(open_copy: Callable[..., Bench], tmp_path: Path) -> None:
    """Saved, and taken in by another user with an empty home, other folders and an empty lab: the same bytes."""
    bench = open_copy()
    parent = bench.sent(bench.base)[-1]
    bench.base.save(tmp_path / "saved.duckdb")
    home, folder = tmp_path / "home", tmp_path / "t"
    home.mkdir()
    folder.mkdir()
    command = [sys.executable, "-c", ELSEWHERE, str(tmp_path / "saved.duckdb"), str(home / "lab.duckdb")]
    paths = os.pathsep.join([str(Path(__file__).parent), str(ROOT / "tests")])
    other = {
        "PYTHONPATH": paths,
        "HOME": str(home),
        "TMPDIR": str(folder),
        "PATH": os.environ["PATH"],
        "LANG": "C.UTF-8",
    }
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=other, cwd=home)
    assert done.returncode == 0, done.stderr
    assert_carries(json.loads(done.stdout), parent)


def test_ten_forks_at_once_share_the_past_and_nothing_else(open_copy: Callable[..., Bench]) -> None:
    """Each fork has its own turn with its own wish, behind the same bytes, and never a word of another one."""
    bench = open_copy()
    forks = [bench.base.fork(f"Wish number {n:02}", at="research") for n in range(10)]
    parent = bench.sent(forks[0])[-1]
    done = bench.lab.run_sync(bench.lab.run_all(forks, "strategy", at_once=4))
    assert not done.failed
    turns = [fork.checkpoint().turn_id for fork in forks]
    assert len(set(turns)) == len(forks)
    for fork in forks:
        assert [turn.phase for turn in fork.turns()] == ["research", "strategy"]
        assert_carries(bench.first(fork), parent)
        for request in bench.sent(fork):
            assert own_wishes(request) == {fork.purpose}
    for fork in forks:  # and what is stored is as separate as what was sent
        assert own_wishes([message.text for message in fork.conversation()]) == {fork.purpose}


def own_wishes(value: Any) -> set[str]:
    return {f"Wish number {n:02}" for n in range(10) if f"Wish number {n:02}" in text_of(value)}
