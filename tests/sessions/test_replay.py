"""Replay and forks, with the real CLI: what was run is never paid for again, and a fork carries all before it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.agents.events import Event, TurnStarted
from campaign_lab.errors import NotFoundError, PhaseOrderError
from campaign_lab.rehearsal.server.app import RehearsalServer
from campaign_lab.sessions.session import Session
from support.labs import MakeLab
from support.processes import at_work
from support.stores import Stores


@pytest.fixture
def researched(process: None, make_lab: MakeLab, termwick: Brief) -> tuple[Lab, Session]:
    """A lab, and a session of it that stands after its research."""
    lab = make_lab()
    session = lab.session(termwick)
    lab.run_sync(session.run("research"))
    return lab, session


def test_a_second_run_replays_without_a_request_or_a_process(
    researched: tuple[Lab, Session], termwick: Brief, server: RehearsalServer, heard: list[Event]
) -> None:
    """From the root again: the same records, nothing sent, no process started, nothing paid."""
    lab, session = researched
    booked, children = len(server.book), at_work()
    again = lab.run_sync(lab.session(termwick).run("research", on_event=heard.append))
    assert again.replayed
    assert again.receipt.paid_usd == 0.0
    assert again.receipt.cost_usd is not None
    assert again.receipt.cost_usd > 0.0
    assert [kept.body for kept in again.kept] == [kept.body for kept in session.kept()]
    assert len(server.book) == booked
    assert at_work() == children
    assert heard == []


def test_replay_works_in_another_process_and_sends_nothing_when_told_to_refuse(
    researched: tuple[Lab, Session], stores: Stores, termwick: Brief
) -> None:
    """A new process with on_miss="refuse" replays the stored turn and refuses the next phase before it starts anything."""
    lab, _ = researched
    lab._context.engine.close()
    script = (
        "import sys\nfrom campaign_lab import Brief, Lab\nfrom campaign_lab.errors import ReplayMiss\n"
        "lab = Lab(sys.argv[1], user='ana', on_miss='refuse')\n"
        "base = lab.session(Brief.from_json(sys.argv[2]))\n"
        "print(lab.run_sync(base.run('research')).replayed)\n"
        "try:\n    lab.run_sync(base.run('strategy'))\nexcept ReplayMiss as error:\n    print(error)\n"
        "print('claude_agent_sdk' in sys.modules)\n"
    )
    command = [sys.executable, "-c", script, stores.place(user="ana"), termwick.to_json()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    replayed, refusal, imported = done.stdout.strip().splitlines()
    assert replayed == "True"
    assert "nothing was run from this checkpoint yet" in refusal
    assert "Nothing was sent" in refusal
    assert imported == "False"


def test_a_changed_steer_forks_and_both_lines_replay(
    researched: tuple[Lab, Session], termwick: Brief, server: RehearsalServer
) -> None:
    """A line that goes on differently is left as it is: a fork is made for the new turn, and both replay from the root."""
    lab, session = researched
    plain = lab.run_sync(session.run("strategy"))
    other = lab.session(termwick)
    lab.run_sync(other.run("research"))
    steered = lab.run_sync(other.run("strategy", steer="Emotional angle"))
    assert steered.forked
    assert not plain.forked
    assert other.name != session.name
    assert [kept.label for kept in steered.kept] != [kept.label for kept in plain.kept]
    booked = len(server.book)
    for steer, turn in ((None, plain), ("Emotional angle", steered)):
        replay = lab.session(termwick)
        lab.run_sync(replay.run("research"))
        again = lab.run_sync(replay.run("strategy", steer=steer))
        assert again.replayed
        assert again.kept == turn.kept
    assert len(server.book) == booked


def test_take_two_is_a_second_answer_and_both_replay(researched: tuple[Lab, Session], termwick: Brief) -> None:
    """``take=2`` pays for another turn beside the first; each is found again by its take."""
    lab, session = researched
    first = lab.run_sync(session.run("strategy"))
    keys = []
    for take in (2, 1, 2):
        handle = lab.session(termwick)
        lab.run_sync(handle.run("research"))
        turn = lab.run_sync(handle.run("strategy", take=take))
        keys.append((turn.key, turn.replayed))
    assert keys[0][0] != first.key
    assert keys[1] == (first.key, True)
    assert keys[2] == (keys[0][0], True)


def test_a_fork_is_one_row_and_its_first_request_carries_the_research(
    researched: tuple[Lab, Session], server: RehearsalServer
) -> None:
    """Forking sends nothing; the fork's first turn has the reports on the wire and reads them from the prompt cache."""
    lab, session = researched
    booked = len(server.book)
    fork = session.fork("Emotional angle", at="research")
    assert len(server.book) == booked
    assert session.fork("Emotional angle", at="research")._row.id == fork._row.id
    turn = lab.run_sync(fork.run("strategy"))
    assert turn.records
    (line,) = turn.receipt.lines
    assert line.cache_read_tokens > line.cache_write_tokens
    research = session.receipt.cost_usd
    assert research is not None
    assert turn.receipt.cost_usd is not None
    assert turn.receipt.cost_usd < research / 3
    turn_id = fork.checkpoint().turn_id
    entries = lab._context.engine.call(
        lambda con: con.execute(
            "SELECT entry FROM entries WHERE session_id = ? AND subpath = '' ORDER BY seq", [turn_id]
        ).fetchall()
    )
    prompt = next(json.loads(entry) for (entry,) in entries if json.loads(entry)["type"] == "user")
    assert "Emotional angle" in json.dumps(prompt)  # the purpose steers the first turn
    assert "brand_profile" not in json.dumps(prompt)  # the research is not pasted into it


def test_the_budget_of_a_brief_is_no_part_of_a_key(researched: tuple[Lab, Session], termwick: Brief) -> None:
    """A field that no prompt shows may change: the turn still replays."""
    lab, _ = researched
    fields = {name: value for name, value in termwick.model_dump().items() if name != "sources"}
    changed = Brief(**{**fields, "budget": 12_345.0, "sources": termwick.sources})
    assert lab.run_sync(lab.session(changed).run("research", on_miss="refuse")).replayed


@pytest.mark.usefixtures("process")
def test_phases_ask_for_what_they_stand_on(make_lab: MakeLab, termwick: Brief) -> None:
    """Strategy before research, an unknown phase, argument, angle or checkpoint: each error says what there is."""
    lab = make_lab()
    session = lab.session(termwick)
    with pytest.raises(PhaseOrderError, match="brand profile"):
        lab.run_sync(session.run("strategy"))
    with pytest.raises(NotFoundError, match="research, strategy, copy"):
        lab.run_sync(session.run("analysis"))
    with pytest.raises(TypeError, match="no argument 'speed'"):
        lab.run_sync(session.run("research", speed=2))
    with pytest.raises(NotFoundError, match=r"0 \(root\)"):
        session.fork("Too early", at="research")
    with pytest.raises(NotFoundError):
        lab.open("nothing of the kind")


@pytest.mark.usefixtures("process")
@pytest.mark.both_stores
def test_two_runs_of_one_turn_at_once_pay_once(make_lab: MakeLab, termwick: Brief, heard: list[Event]) -> None:
    """The second run of the same key waits for the first, and then replays it."""
    server = RehearsalServer(latency_s=0.2)
    server.start()
    try:
        lab = make_lab(own_server=server)
        jobs = [
            lab._context.loop.submit(lab.session(termwick).run("research", on_event=heard.append)) for _ in range(2)
        ]
        turns = [job.future.result(timeout=60) for job in jobs]
    finally:
        server.stop()
    assert sorted(turn.replayed for turn in turns) == [False, True]
    assert sum(isinstance(event, TurnStarted) for event in heard) == 1
    assert turns[0].kept == turns[1].kept


@pytest.mark.both_stores
def test_pages_are_fetched_once_a_campaign_unless_asked_again(researched: tuple[Lab, Session], termwick: Brief) -> None:
    """A second take reads the stored pages; with fresh_pages it fetches them anew."""
    lab, _ = researched

    def fetched() -> int:
        rows = lab._context.engine.call(
            lambda con: con.execute("SELECT count(*) FROM pages WHERE error IS NULL").fetchone()
        )
        return int(rows[0]) if rows else 0

    once = fetched()
    lab.run_sync(lab.session(termwick).run("research", take=2))
    assert fetched() == once
    lab.run_sync(lab.session(termwick).run("research", take=3, fresh_pages=True))
    assert fetched() == 2 * once
