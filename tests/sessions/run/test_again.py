"""Asked again: what a line already holds is never paid for twice, and a fresh answer is a take beside the others."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.errors import ReplayMiss, SessionExpired
from campaign_lab.sessions.session import Session
from campaign_lab.store import queries
from campaign_lab.store.connection import Store
from campaign_lab.store.rows import AttemptRow, TurnRow
from support.stores import Stores

pytestmark = pytest.mark.usefixtures("slow")
LabOf = Callable[..., Lab]

ANEW = """
import json, sys
from campaign_lab import Brief, Lab
with Lab(sys.argv[1], user="ana") as lab:
    session = lab.session(Brief.from_json(sys.argv[2]))
    print("ready", flush=True)
    sys.stdin.readline()
    lab.run_sync(session.run("research"))
    turn = lab.run_sync(session.run("strategy", fresh_pages=True))
    print(json.dumps([turn.take, turn.replayed]))
"""


def attempts(lab: Lab) -> int:
    """How many times anything was sent for."""
    return len(lab._context.engine.call(lambda con: queries.select(con, AttemptRow)))


def phases(session: Session) -> list[str]:
    return [turn.phase for turn in session.turns()]


def changed(brief: Brief, **fields: Any) -> Brief:
    """The brief with other fields."""
    kept = {name: value for name, value in brief.model_dump().items() if name != "sources"}
    return Brief(**{**kept, "sources": brief.sources, **fields})


@pytest.mark.usefixtures("process")
def test_three_calls_in_a_script_pay_once(make_lab: Callable[..., Lab], termwick: Brief) -> None:
    """The second and the third are replays, and the handle stands where the first left it."""
    lab = make_lab()
    base = lab.session(termwick)
    turns = [lab.run_sync(base.run("research")) for _ in range(3)]
    assert [turn.replayed for turn in turns] == [False, True, True]
    assert (phases(base), attempts(lab)) == (["research"], 1)
    assert base.estimate("research").usd == 0.0


@pytest.mark.both_stores
def test_an_earlier_phase_asked_again_stands_at_its_turn(lab_of: LabOf) -> None:
    """Research asked for behind the strategy replays; what follows goes on from the research."""
    lab = lab_of()
    base = lab.open("main")
    before = attempts(lab)
    assert lab.run_sync(base.run("research")).replayed
    assert phases(base) == ["research"]
    assert lab.run_sync(base.run("strategy")).replayed
    assert attempts(lab) == before


def test_a_question_after_other_turns_is_a_new_one(lab_of: LabOf) -> None:
    """Asked twice in a row it is one question; behind another turn it is asked of a longer conversation."""
    lab = lab_of()
    base = lab.open("main")
    asked = [
        lab.run_sync(base.ask(each)) for each in ("What is promised?", "What is promised?", "Why?", "What is promised?")
    ]
    assert [turn.replayed for turn in asked] == [False, True, False, False]
    assert phases(base)[-3:] == ["ask", "ask", "ask"]


def test_a_fork_replays_what_it_carries_and_its_purpose_steers_what_it_makes(lab_of: LabOf) -> None:
    """The research of its base is not made again for the fork's purpose; its own first turn is found with its steer."""
    lab = lab_of()
    fork = lab.open("main").fork("Emotional angle", at="research")
    before = attempts(lab)
    assert lab.run_sync(fork.run("research")).replayed
    own = lab.run_sync(fork.run("strategy"))
    assert not own.replayed
    again = lab.run_sync(fork.run("strategy"))
    assert (again.replayed, again.key) == (True, own.key)
    assert attempts(lab) == before + 1


def test_another_wish_is_another_turn(lab_of: LabOf) -> None:
    """A steer or an argument that differs is no replay; of two strategies in one line each is found by its own message."""
    lab = lab_of()
    base = lab.open("main")
    plain, few = base.turns()[-1].key, lab.run_sync(base.run("strategy", count=2))
    assert not few.replayed
    assert phases(base) == ["research", "strategy", "strategy"]
    assert lab.run_sync(base.run("strategy", count=2)).key == few.key
    assert lab.run_sync(base.run("strategy")).key == plain


@pytest.mark.both_stores
def test_a_second_take_stands_beside_the_first(lab_of: LabOf) -> None:
    """From behind the first answer too: it is the same message at the same checkpoint."""
    lab = lab_of()
    base = lab.open("main")
    second = lab.run_sync(base.run("strategy", take=2))
    assert (second.take, second.forked) == (2, True)
    assert phases(base) == ["research", "strategy"]
    assert "take 2" in repr(second)


@pytest.mark.parametrize("take", [0, -1, True, 1.0, "2"])
def test_a_take_is_a_whole_number_from_one(lab_of: LabOf, take: Any) -> None:
    """Anything else is refused before anything is sent."""
    lab = lab_of()
    with pytest.raises(ValueError, match=r"take: .* is not allowed"):
        lab.run_sync(lab.open("main").run("strategy", take=take))


def test_afresh_is_the_next_take_and_a_plain_run_replays_the_newest(lab_of: LabOf) -> None:
    """Each time it is asked for it runs; what follows goes on from it; each take is still there by its number."""
    lab = lab_of()
    base = lab.open("main", from_start=True)
    first = lab.run_sync(base.run("research"))
    fresh = [lab.run_sync(base.run("research", fresh_pages=True)) for _ in range(2)]
    assert [(turn.take, turn.replayed) for turn in fresh] == [(2, False), (3, False)]
    assert all(f"take {turn.take}" in turn._repr_html_() for turn in fresh)
    assert {line["take"] for line in fresh[1].receipt.to_json()["lines"]} == {3}
    assert "take 3" in fresh[1].receipt._repr_html_()
    strategy = lab.run_sync(base.run("strategy"))
    later = lab.open("main", from_start=True)
    assert lab.run_sync(later.run("research")).key == fresh[1].key
    assert lab.run_sync(later.run("strategy", on_miss="refuse")).key == strategy.key
    by_number = [lab.run_sync(lab.open("main").run("research", take=take)) for take in (1, 2)]
    assert [(turn.key, turn.replayed) for turn in by_number] == [(first.key, True), (fresh[0].key, True)]


def test_afresh_is_not_replayed_where_nothing_may_be_sent(lab_of: LabOf) -> None:
    """With misses refused it says why; with a take it is that take, and replays once it is there."""
    lab = lab_of()
    with pytest.raises(ReplayMiss, match="asked for anew"):
        lab.run_sync(lab.open("main").run("research", fresh_pages=True, on_miss="refuse"))
    for replayed in (False, True):
        turn = lab.run_sync(lab.open("main").run("research", fresh_pages=True, take=2))
        assert (turn.take, turn.replayed) == (2, replayed)


@pytest.mark.usefixtures("process")
@pytest.mark.both_stores
def test_afresh_in_two_processes_at_once_makes_two_takes(
    campaign: Store, stores: Stores, make_lab: Callable[..., Lab], termwick: Brief
) -> None:
    """Both ask for the next one: the second takes the one after, nothing is paid for one key twice, and both are kept."""
    campaign.close()
    command = [sys.executable, "-c", ANEW, stores.place(user="ana"), termwick.to_json()]
    slow = {**os.environ, "CAMPAIGN_LAB_REHEARSAL_LATENCY_S": "0.1"}
    both = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=slow) for _ in range(2)
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    told = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    assert sorted(told) == [[2, False], [3, False]]
    lab = make_lab()
    turns = lab._context.engine.call(lambda con: queries.select(con, TurnRow, "WHERE phase = 'strategy'"))
    assert sorted(turn.take for turn in turns) == [1, 2, 3]
    assert len({turn.key for turn in turns}) == 3
    session = lab.session(termwick)
    lab.run_sync(session.run("research"))
    again = lab.run_sync(session.run("strategy"))
    assert (again.replayed, again.take) == (True, 3)


def test_a_changed_brief_is_followed_into_the_forks_that_runs_made(lab_of: LabOf, termwick: Brief) -> None:
    """The newest research stands in such a fork; the strategy behind it is asked for with today's brief."""
    lab = lab_of()
    base = lab.session(termwick)
    lab.run_sync(base.run("research", fresh_pages=True))
    other = lab.session(changed(termwick, special_ad_categories=[]))
    assert lab.run_sync(other.run("research")).take == 2
    lab.run_sync(other.run("strategy"))
    briefs = lab._context.engine.call(lambda con: queries.select(con, TurnRow, "WHERE phase = 'strategy'"))
    assert [json.loads(turn.brief)["special_ad_categories"] for turn in briefs][-1] == []


def test_an_expired_session_replays_what_is_asked_again(lab_of: LabOf, clock: Any) -> None:
    """Nothing new is sent for it, but what its line holds is there."""
    lab = lab_of()
    base = lab.open("main")
    clock.move(days=2)
    assert lab.run_sync(base.run("research")).replayed
    with pytest.raises(SessionExpired):
        lab.run_sync(base.run("research", fresh_pages=True))


def test_a_later_phase_alone_goes_on_the_next_morning(lab_of: LabOf, clock: Any, termwick: Brief) -> None:
    """A session that renews an expired one takes the line over: no fork is made, and what can start here stays here."""
    lab = lab_of()
    clock.move(days=2)
    fresh = lab.session(termwick)
    fresh.go_on_for("research")
    assert phases(fresh) == []
    fresh.go_on_for("copy")
    assert phases(fresh) == ["research", "strategy"]
    turn = lab.run_sync(fresh.run("copy"))
    assert (turn.replayed, turn.forked, fresh.name) == (False, False, "main")
    assert phases(lab.open(fresh.id)) == ["research", "strategy", "copy"]


@pytest.mark.both_stores
def test_a_guests_fork_replays_the_research_that_it_carries(lab_of: LabOf) -> None:
    """The right to fork is enough to see what is there; ben pays for nothing of ana's again."""
    ana, ben = lab_of("ana"), lab_of("ben")
    ana.open("main").share("ben", "fork")
    fork = ben.open("main").fork("Ben's own", at="research")
    before = attempts(ana)
    assert ben.run_sync(fork.run("research")).replayed
    assert attempts(ana) == before
