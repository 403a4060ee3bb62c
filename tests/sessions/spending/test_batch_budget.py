"""Batches, seen from inside a notebook: who pays, and one budget over all notebooks."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import pytest

from campaign_lab import Lab
from campaign_lab.errors import BudgetExceeded, EndpointError
from campaign_lab.money import Sum
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server.app import RehearsalServer
from campaign_lab.sessions.budgets import Budgets, budgets_of
from campaign_lab.sessions.context import BatchTag, batch_tag
from campaign_lab.sessions.run.claims import machine
from campaign_lab.sessions.run.request import RunRequest
from campaign_lab.sessions.spending.batch_budget import RunCost, batch_costs, within_batch_budget
from campaign_lab.store import queries
from campaign_lab.store.connection import Store
from campaign_lab.store.rows import AttemptRow, ClaimRow, RequestRow
from support.stores import by_hand

LabOf = Callable[..., Lab]
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

NOTEBOOK = """
import sys
from datetime import UTC, datetime
from campaign_lab import Lab
from campaign_lab.errors import BudgetExceeded
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint

noon = datetime(2026, 3, 7, 13, tzinfo=UTC)
with Lab(sys.argv[1], user="ana", endpoint=RehearsalEndpoint(now=lambda: noon), now=lambda: noon) as lab:
    fork = lab.open("main").fork(sys.argv[2], at="research")
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        lab.run_sync(fork.run("strategy"))
        print("made", flush=True)
    except BudgetExceeded as refused:
        print("refused:", refused.scope, flush=True)
"""


def tagged(lab: Lab, *, run: str = "run-1", **tag: Any) -> Lab:
    """The lab, as one that was opened in a run of the batch."""
    lab._context.batch = BatchTag("batch-1", run, **tag)
    return lab


def attempts(lab: Lab) -> list[AttemptRow]:
    return lab._context.engine.call(
        lambda con: queries.select(con, AttemptRow, "WHERE batch = 'batch-1' ORDER BY started_at, id")
    )


def strategy_usd(lab: Lab) -> float:
    """What the strategy turn of the researched lab cost, which is what another one is expected to cost."""
    usd = lab.open("main").turns()[1].receipt.cost_usd
    assert usd is not None
    return usd


def under_way(name: str = "other", **changed: Any) -> AttemptRow:
    """An attempt of another notebook of the batch that runs now."""
    row = AttemptRow(
        id=name, session_id="", parent_turn=None, key="k", phase="strategy", user_name="ana", state="running", cause=None,
        reason=None, started_at=NOW, ended_at=None, cost_usd=None, versions="{}", batch="batch-1", run="run-2",
    )  # fmt: skip
    return replace(row, **changed)


def asked(attempt: str, cost_usd: float | None) -> RequestRow:
    """A request of an attempt that was answered."""
    return RequestRow(attempt, "", "m", "", "model", 1, 1, 0, 0, 0, cost_usd, True, NOW)


def held(lab: Lab, session_id: str, *rows: AttemptRow) -> None:
    """Writes attempts of that session down, each with the claim of a process that lives, so that nobody takes them for dead."""
    runner = psutil.Process(os.getppid())
    claim = ClaimRow("", "", "ana", machine(), runner.pid, str(runner.create_time()), NOW)

    def write(con: Any) -> None:
        queries.insert(con, [replace(row, session_id=session_id) for row in rows])
        queries.insert(con, [replace(claim, key=f"k-{row.id}", attempt_id=row.id) for row in rows])

    by_hand(lab, write)


# -- the environment


def test_a_lab_knows_its_batch_from_the_environment(lab_of: LabOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch, run, budget and journal; without a batch none of the others counts."""
    monkeypatch.setenv("CAMPAIGN_LAB_RUN", "r")
    monkeypatch.setenv("CAMPAIGN_LAB_BATCH_USD", "2.50")
    assert lab_of()._context.batch is None
    monkeypatch.setenv("CAMPAIGN_LAB_BATCH", "b")
    monkeypatch.setenv("CAMPAIGN_LAB_RUN_JOURNAL", "/somewhere/journal")
    assert lab_of()._context.batch == BatchTag("b", "r", 2.5, "/somewhere/journal")
    assert batch_tag({"CAMPAIGN_LAB_BATCH": "b", "CAMPAIGN_LAB_RUN": "r"}) == BatchTag("b", "r", None, None)


@pytest.mark.parametrize("said", ["five", "-1", "nan", "inf", "1,50"])
def test_a_budget_that_is_no_number_is_refused_with_its_value(said: str) -> None:
    """Nobody spends without limit because of a slip of the pen."""
    environ = {"CAMPAIGN_LAB_BATCH": "b", "CAMPAIGN_LAB_RUN": "r", "CAMPAIGN_LAB_BATCH_USD": said}
    with pytest.raises(ValueError, match=f"CAMPAIGN_LAB_BATCH_USD: '{said}' is not allowed; expected US dollars"):
        batch_tag(environ)


def test_a_turns_and_a_sessions_limit_come_from_the_environment(lab_of: LabOf, monkeypatch: pytest.MonkeyPatch) -> None:
    """For a lab that is given none; a slip of the pen is refused with its name and value."""
    monkeypatch.setenv("CAMPAIGN_LAB_TURN_USD", "0.5")
    assert lab_of()._context.budgets == Budgets(turn_usd=0.5)
    assert lab_of(budgets=Budgets(day_usd=9.0))._context.budgets == Budgets(day_usd=9.0)
    with pytest.raises(ValueError, match="CAMPAIGN_LAB_SESSION_USD: 'five' is not allowed"):
        budgets_of({"CAMPAIGN_LAB_SESSION_USD": "five"})


def test_a_batch_without_a_run_is_refused() -> None:
    """What it pays could be booked to nobody."""
    with pytest.raises(ValueError, match="CAMPAIGN_LAB_RUN: missing"):
        batch_tag({"CAMPAIGN_LAB_BATCH": "b"})


@pytest.mark.parametrize("said", ["soon", "-0.1", "nan"])
def test_a_latency_that_is_no_time_is_said_when_the_lab_opens(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not in the middle of a turn."""
    monkeypatch.setenv("CAMPAIGN_LAB_REHEARSAL_LATENCY_S", said)
    with pytest.raises(EndpointError, match=f"CAMPAIGN_LAB_REHEARSAL_LATENCY_S: '{said}' is not allowed"):
        Lab(tmp_path / "lab.duckdb", endpoint="rehearsal")


def test_the_server_of_this_process_has_the_latency_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was started by somebody else keeps its own."""
    monkeypatch.setenv("CAMPAIGN_LAB_REHEARSAL_LATENCY_S", "0.25")
    endpoint = RehearsalEndpoint()
    endpoint.start()
    assert endpoint.server is not None
    assert endpoint.server._latency_s == 0.25
    endpoint.close()
    assert RehearsalEndpoint(RehearsalServer()).server._latency_s == 0.0


# -- the ledger


@pytest.mark.usefixtures("slow")
@pytest.mark.both_stores
def test_what_a_run_pays_is_booked_to_it(lab_of: LabOf) -> None:
    """The attempt carries batch and run, its costs are told apart by them, and a replay is nobody's."""
    lab = tagged(lab_of())
    lab.run_sync(lab.open("main", from_start=True).run("research"))
    assert attempts(lab) == []
    turn = lab.run_sync(lab.open("main").fork("calm", at="research").run("strategy"))
    assert [(row.run, row.state, row.cost_usd) for row in attempts(lab)] == [
        ("run-1", "finished", turn.receipt.cost_usd)
    ]
    assert lab._context.engine.call(lambda con: batch_costs(con, "batch-1")) == {"run-1": RunCost(turn.receipt.cost)}
    for by, name in (("batch", "batch-1"), ("run", "run-1")):
        costs = lab.costs(by=by).set_index(by)["cost_usd"]
        assert set(costs.index) == {"", name}
        assert costs[name] == pytest.approx(turn.receipt.cost_usd)


@pytest.mark.both_stores
def test_paid_cut_and_running_are_told_apart_run_by_run(lab_file: Store) -> None:
    """Finished turns, failed attempts and cut requests have sums of their own; what has no price is counted beside them."""
    ended = {"state": "finished", "ended_at": NOW}
    rows = [
        *(under_way(f"a{n}", run="r1", **ended) for n in range(3)),
        under_way("a3", run="r1", state="failed"),
        under_way("a4", run="r1", state="failed"),
        under_way("a5", run="r1"),
        under_way("b0", run="r2", **ended),
        under_way("b1", run="r2", **ended),
        under_way("c0", run="r3", batch="another", **ended),
    ]
    costs = [("a0", 0.1), ("a1", 0.1), ("a2", 0.1), ("a3", 0.7), ("b0", None), ("b1", 1.0), ("c0", 1.0)]
    lab_file.call(lambda con: queries.insert(con, rows))
    lab_file.call(lambda con: queries.insert(con, [asked(name, cost) for name, cost in costs]))
    lab_file.call(
        lambda con: queries.insert(con, [replace(asked(name, None), complete=False) for name in ("a3", "c0")])
    )
    assert lab_file.call(lambda con: batch_costs(con, "batch-1")) == {
        "r1": RunCost(Sum(0.3), Sum(0.7), 1),
        "r2": RunCost(Sum(1.0, 1)),
    }


# -- one budget


@pytest.mark.usefixtures("slow")
def test_a_batch_over_its_budget_is_refused_with_its_numbers(lab_of: LabOf, server: RehearsalServer) -> None:
    """Spent, estimate and limit are in the error; nothing was sent and nothing is left behind; replays still work."""
    lab = lab_of()
    one = strategy_usd(lab)
    tagged(lab, budget_usd=1.5 * one)
    lab.run_sync(lab.open("main").fork("calm", at="research").run("strategy"))
    (paid,) = attempts(lab)
    booked = len(server.book)
    with pytest.raises(BudgetExceeded, match=r"for this batch does not allow it: .* spent or under way") as refused:
        lab.run_sync(lab.open("main").fork("bold", at="research").run("strategy"))
    error = refused.value
    assert (error.scope, error.limit_usd, error.spent_usd) == ("batch", 1.5 * one, paid.cost_usd)
    assert error.estimate_usd is not None
    assert error.spent_usd + error.estimate_usd > error.limit_usd
    assert len(server.book) == booked
    assert attempts(lab) == [paid]
    assert lab._context.engine.call(lambda con: queries.select(con, ClaimRow)) == []
    assert lab.run_sync(lab.open("main").fork("calm", at="research").run("strategy")).replayed


@pytest.mark.usefixtures("slow")
@pytest.mark.both_stores
def test_what_runs_elsewhere_in_the_batch_counts_as_expected(lab_of: LabOf) -> None:
    """Two of three fit: with one under way there is room for ours, with two there is none."""
    lab = lab_of()
    one = strategy_usd(lab)
    tagged(lab, budget_usd=2.5 * one)
    main = lab.open("main")
    held(lab, main.id, under_way("w1"))
    lab.run_sync(main.fork("calm", at="research").run("strategy"))
    with pytest.raises(BudgetExceeded) as refused:
        lab.run_sync(main.fork("bold", at="research").run("strategy"))
    assert refused.value.spent_usd == pytest.approx(2 * one, rel=0.05)


@pytest.mark.usefixtures("slow")
def test_a_turn_may_spend_no_more_than_the_batch_has_left(lab_of: LabOf) -> None:
    """What is left after what was spent and what runs is the turn's own limit, unless that is lower."""
    lab = lab_of()
    one = strategy_usd(lab)
    session = lab.open("main")
    tagged(lab, budget_usd=4 * one)
    held(lab, session.id, under_way("w1"), under_way("w2", state="failed"))
    by_hand(lab, lambda con: queries.insert(con, [asked("w2", one / 2)]))
    start = session.checkpoint("research").turn_id

    def order(con: Any, **limit: float) -> Any:
        ours, _ = session._looked_up(con, start, RunRequest(lab._context.phase("strategy"), "new", **limit))
        return within_batch_budget(con, lab._context, ours, attempt_id="mine").budget_usd

    call = lab._context.engine.call
    assert call(order) == pytest.approx(2.5 * one)
    assert call(lambda con: order(con, budget_usd=one / 4)) == one / 4


@pytest.mark.usefixtures("slow")
def test_phases_without_a_recorded_turn_are_held_by_typical_sizes(lab_of: LabOf) -> None:
    """The first turns of a batch run at once, before any of them is recorded: they count as much as ours."""
    lab = lab_of()
    session = lab.open("main")
    alone = session.estimate("copy")
    assert alone.basis == "sizes"
    assert alone.usd is not None
    tagged(lab, budget_usd=1.9 * alone.usd)
    tip = session.checkpoint().turn_id
    held(lab, session.id, under_way(phase="copy", parent_turn=tip))
    with pytest.raises(BudgetExceeded) as refused:
        lab.run_sync(session.run("copy"))
    assert refused.value.spent_usd == pytest.approx(alone.usd)


@pytest.mark.usefixtures("slow")
def test_a_budget_is_not_held_for_a_model_without_a_price(lab_of: LabOf) -> None:
    """It says so, and sends nothing."""
    lab = tagged(lab_of(model="llama3.1-8b"), budget_usd=100.0)
    session = lab.session(lab.open("main").brief, name="local")
    with pytest.raises(BudgetExceeded, match="for this batch cannot be held: the price of the model is not known"):
        lab.run_sync(session.run("research"))
    assert attempts(lab) == []


@pytest.mark.usefixtures("slow")
def test_a_fan_out_is_held_against_the_batch_as_a_whole(lab_of: LabOf) -> None:
    """Each fork alone would fit; three together do not, and none of them is started."""
    lab = lab_of()
    tagged(lab, budget_usd=2.5 * strategy_usd(lab))
    forks = [lab.open("main").fork(f"f{n}", at="research") for n in range(3)]
    with pytest.raises(BudgetExceeded, match="for this batch"):
        lab.run_sync(lab.run_all(forks, "strategy"))
    assert attempts(lab) == []


@pytest.mark.usefixtures("slow")
@pytest.mark.both_stores
def test_two_processes_cannot_overrun_the_batch_together(lab_of: LabOf, tmp_path: Path) -> None:
    """The budget is enough for one of them: told to go at once, one pays and the other one is refused."""
    lab = lab_of()
    limit = 1.5 * strategy_usd(lab)
    path = lab._context.engine.display_url
    environ = {**os.environ, "CAMPAIGN_LAB_BATCH": "batch-1", "CAMPAIGN_LAB_BATCH_USD": f"{limit:.6f}"}
    notebooks = [
        subprocess.Popen(
            [sys.executable, "-c", NOTEBOOK, path, name],
            env={**environ, "CAMPAIGN_LAB_RUN": name},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("calm", "bold")
    ]
    for notebook in notebooks:
        assert notebook.stdout is not None
        assert notebook.stdout.readline() == "ready\n"
    for notebook in notebooks:
        assert notebook.stdin is not None
        notebook.stdin.write("\n")
        notebook.stdin.flush()
    said = [notebook.communicate(timeout=60)[0].strip() for notebook in notebooks]
    assert sorted(said) == ["made", "refused: batch"]
    (paid,) = attempts(lab)
    assert paid.run == ("calm", "bold")[said.index("made")]
    assert paid.cost_usd is not None
    assert paid.cost_usd <= limit
