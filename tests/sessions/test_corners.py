"""Corners where several rules meet: forks of forks, takes, anchors, renewals, shares, prices that nobody knows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.errors import BudgetExceeded, NotFoundError, ReplayMiss, TranscriptGone
from campaign_lab.rehearsal.server.app import RehearsalServer
from campaign_lab.sessions.budgets import Budgets
from campaign_lab.sessions.session import Session
from campaign_lab.store import queries
from support.postgres import OWNER

pytestmark = pytest.mark.usefixtures("slow")
LabOf = Callable[..., Lab]


def test_a_forks_purpose_steers_its_first_turn_in_every_take(lab_of: LabOf) -> None:
    """A second take moves the handle into a fork of the fork; back at the start both are found: the newest, or one by name."""
    lab = lab_of()
    fork = lab.open("main").fork("Emotional angle", at="research")
    first = lab.run_sync(fork.run("strategy"))
    again = lab.open("Emotional angle", from_start=True)
    second = lab.run_sync(again.run("strategy", take=2))
    assert second.key != first.key
    handle = Session(lab._context, again._row, fork._row.start_turn)
    back = [lab.run_sync(handle.run("strategy", take=take)) for take in (1, None)]
    assert [turn.replayed for turn in back] == [True, True]
    assert [turn.key for turn in back] == [first.key, second.key]


def test_a_renewed_fork_takes_its_anchor_over(lab_of: LabOf, clock: Any, termwick: Brief) -> None:
    """Forks that ran behind an anchor replay the next morning, anchor and all."""
    lab = lab_of()
    clock.move(hours=2)
    names = ("a", "b", "c")
    base = lab.open("main")
    done = lab.run_sync(lab.run_all([base.fork(name, at="research") for name in names], "strategy"))
    assert done.notes
    clock.move(hours=20)
    fresh = lab.session(termwick)
    lab.run_sync(fresh.run("research"))
    assert lab.run_sync(fresh.fork("a").run("strategy", on_miss="refuse")).replayed


def test_an_anchor_moves_no_fork_that_somebody_has_run_on(lab_of: LabOf) -> None:
    """The tip is moved only while the fork still stands at its start."""
    lab = lab_of()
    fork = lab.open("main").fork("x", at="research")
    lab.run_sync(fork.ask("What is promised?"))
    lab._context.engine.call(lambda con: queries.move_untouched_fork(con, fork.id, "somewhere-else"))
    assert lab.open("x").checkpoint().phase == "ask"


def test_a_fan_out_with_nothing_allowed_says_so_for_each_session(lab_of: LabOf, clock: Any) -> None:
    """With misses refused and a cold cache no anchor is sent for, and each fork carries its own ReplayMiss."""
    lab = lab_of(on_miss="refuse")
    clock.move(hours=2)
    base = lab.open("main")
    done = lab.run_sync(lab.run_all([base.fork(name, at="research") for name in ("a", "b", "c")], "strategy"))
    assert [type(result.error) for result in done.results] == [ReplayMiss] * 3


@pytest.mark.both_stores
def test_a_session_that_was_taken_away_stops_no_other(lab_of: LabOf) -> None:
    """A revoked handle in a fan-out carries its error; the other session is run."""
    ana, ben = lab_of("ana"), lab_of("ben")
    ana.open("main").share("ben", "fork")
    theirs, mine = ben.open("main"), ben.open("main").fork("mine", at="research")
    ana.open("main").unshare("ben")
    done = ben.run_sync(ben.run_all([theirs, mine], "strategy"))
    assert isinstance(done.results[0].error, NotFoundError)
    assert done.results[1].turns


@pytest.mark.both_stores
def test_reading_lets_nobody_take_the_research_away_in_a_file(lab_of: LabOf, tmp_path: Path) -> None:
    """Who may only read cannot save; after that a revoked user learns nothing from running or estimating either."""
    ana, ben = lab_of("ana"), lab_of("ben")
    ana.open("main").share("ben", "read")
    session = ben.open("main")
    with pytest.raises(NotFoundError):
        session.save(tmp_path / "mine.duckdb")
    ana.open("main").unshare("ben")
    for attempt in (lambda: ben.run_sync(session.run("copy", angles=["zzz"])), lambda: session.estimate("copy")):
        with pytest.raises(NotFoundError, match="no session 'main'"):
            attempt()


@pytest.mark.both_stores
def test_a_session_budget_counts_the_forks_that_its_runs_made(lab_of: LabOf) -> None:
    """Takes run beside each other; their money is the session's all the same."""
    lab = lab_of()
    spent = lab.sessions().set_index("session").loc["main", "cost_usd"]
    ask = lab.run_sync(lab.open("main").ask("What is promised?")).receipt.cost_usd
    assert ask is not None
    lab = lab_of(budgets=Budgets(session_usd=float(spent) + 3.5 * ask))
    for take in (2, 3):
        lab.run_sync(_at_strategy(lab).ask("What is promised?", take=take))
    with pytest.raises(BudgetExceeded, match="for this session"):
        lab.run_sync(_at_strategy(lab).ask("What is promised?", take=4))


def _at_strategy(lab: Lab) -> Session:
    session = lab.open("main")
    return Session(lab._context, session._row, session.checkpoint("strategy").turn_id)


@pytest.mark.both_stores
def test_a_deleted_session_is_gone_for_its_handles_too(lab_of: LabOf, server: RehearsalServer) -> None:
    """Running or forking it is refused like a session that does not exist, and nothing is sent."""
    lab = lab_of()
    session = lab.open("main")
    session.delete()
    booked = len(server.book)
    for attempt in (lambda: lab.run_sync(session.run("copy")), lambda: session.fork("ghost")):
        with pytest.raises(NotFoundError):
            attempt()
    assert len(server.book) == booked


def test_a_swept_conversation_names_the_price_of_researching_again(lab_of: LabOf, clock: Any, termwick: Brief) -> None:
    """Records still replay; a miss after them costs the old turns and the new one, and says so."""
    lab = lab_of()
    before = lab.open("main").receipt.cost_usd
    assert before is not None
    clock.move(days=9)
    lab_of(OWNER).sweep(keep="records")  # on a server nobody else may
    fresh = lab.session(termwick)
    assert lab.run_sync(fresh.run("research")).replayed
    assert lab.run_sync(fresh.run("strategy")).replayed
    with pytest.raises(TranscriptGone) as gone:
        lab.run_sync(fresh.run("copy"))
    assert gone.value.estimate_usd is not None
    assert gone.value.estimate_usd > before


def test_an_unknown_price_is_never_nothing(lab_of: LabOf, termwick: Brief) -> None:
    """A model without a price: costs are missing, not 0, and a budget that cannot be held is refused."""
    lab = lab_of(model="llama3.1-8b")
    session = lab.session(termwick)
    assert lab.run_sync(session.run("research")).receipt.cost_usd is None
    assert lab.sessions().set_index("id").loc[session.id, "cost_usd"] != 0
    costs = lab.costs(by="model").set_index("model")["cost_usd"]
    assert costs.isna()["llama3.1-8b"]
    with pytest.raises(BudgetExceeded, match="price of the model is not known"):
        lab.run_sync(session.run("strategy", budget_usd=100.0))
    other = lab_of(model="llama3.1-8b", budgets=Budgets(turn_usd=1.0))
    second = other.session(termwick, name="second")
    with pytest.raises(BudgetExceeded, match="price of the model is not known"):
        other.run_sync(second.run("research"))
