"""Sums: one lab has one sum, whichever way it is grouped, with priced, unpriced, cut and cancelled requests in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign_lab import Lab
from campaign_lab.money import NOTHING, Sum
from campaign_lab.panels import CostMeter
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server.app import RehearsalServer
from campaign_lab.sessions.context import BatchTag
from campaign_lab.sessions.spending.batch_budget import batch_costs, batch_limit
from campaign_lab.sessions.spending.costs import spent_by
from campaign_lab.store import queries
from campaign_lab.store.rows import AttemptRow, RequestRow, TurnRow
from campaign_lab.tables.costs import COST_KEYS
from support.lab_rows import MODEL, NOW, add, fork, session
from support.stores import Stores, by_hand

COSTS = st.one_of(st.none(), st.sampled_from([0.0, 0.1, 0.2, 0.00005, 0.37065]), st.floats(0, 5))


@dataclass(frozen=True)
class Try:
    """An attempt: on which session, how it ended, and what its requests cost; None twice is a request that was cut."""

    place: int
    state: str
    phase: str
    requests: tuple[tuple[str, str, float | None, bool], ...]


TRIES = st.lists(
    st.builds(
        Try,
        st.integers(0, 2),
        st.sampled_from(["finished", "failed", "cancelled"]),
        st.sampled_from(["research", "strategy", "copy"]),
        st.lists(
            st.tuples(st.sampled_from(["", "copy-creator"]), st.sampled_from([MODEL, "mine"]), COSTS, st.booleans()),
            max_size=4,
        ).map(tuple),
    ),
    min_size=1,
    max_size=8,
)


def write(con: queries.Con, tries: list[Try]) -> None:
    """Three sessions, each a fork of the one before it, with these attempts; every turn stands at the end of its session."""
    base = add(con, session())
    rows = [base, replace(fork(base, "calm"), start_turn=None), replace(fork(base, "bold"), start_turn=None)]
    for row in rows[1:]:
        add(con, row)
    tips: dict[int, str | None] = {}
    for n, each in enumerate(tries):
        row, name, tip = rows[each.place], f"a{n}", tips.get(each.place)
        state, cause = ("finished", None) if each.state == "finished" else ("failed", each.state)
        costs = Sum.of(cost for _, _, cost, complete in each.requests if complete)
        attempt = AttemptRow(
            id=name, session_id=row.id, parent_turn=tip, key="k", phase=each.phase, user_name="ana", state=state, cause=cause,
            reason=None, started_at=NOW, ended_at=NOW, cost_usd=costs.whole, versions="{}", batch="batch-1", run=f"run-{n % 2}",
        )  # fmt: skip
        queries.insert(con, [attempt])
        if state == "finished":
            turn = TurnRow(
                id=name, session_id=row.id, parent_turn=tip, key=name, take=1, phase=each.phase, message="m", steer="",
                fingerprint="{}", brief=row.brief, endpoint=row.endpoint, model=row.model, user_name="ana", started_at=NOW,
                finished_at=NOW, leaf_uuid=None, answer="", missing="[]",
            )  # fmt: skip
            queries.insert(con, [turn])
            con.execute("UPDATE sessions SET tip_turn = ? WHERE id = ?", [name, row.id])
            tips[each.place] = name
        requests = [
            RequestRow(name, "", f"m{i}", agent, model, 1, 1, 0, 0, 0, cost if complete else None, complete, NOW, i)
            for i, (agent, model, cost, complete) in enumerate(each.requests)
        ]
        queries.insert(con, requests)


def whole(frame: pd.DataFrame) -> Sum:
    """The sum of a table, as its two columns tell it."""
    pairs = zip(frame["cost_usd"], frame["unpriced_requests"], strict=True)
    return sum((Sum.stored(known, unpriced) for known, unpriced in pairs), NOTHING)


NUMBERS = count()


@pytest.fixture
def lab_with(stores: Stores, server: RehearsalServer) -> Iterator[Any]:
    """Opens a fresh lab with these attempts."""
    opened: list[Lab] = []

    def make(tries: list[Try]) -> Lab:
        place = stores.place(f"sums {next(NUMBERS)}.duckdb", user="ana")
        opened.append(Lab(place, user="ana", endpoint=RehearsalEndpoint(server)))
        by_hand(opened[-1], lambda con: write(con, tries))
        return opened[-1]

    yield make
    for lab in opened:
        lab._context.engine.close()


@pytest.mark.both_stores
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(TRIES)
def test_one_lab_has_one_sum(lab_with: Any, tries: list[Try]) -> None:
    """The same dollars, requests without a price and cut ones, by every key and in every table, meter, budget and batch."""
    lab = lab_with(tries)
    requests = [request for each in tries for request in each.requests]
    expected = Sum.of(cost for _, _, cost, complete in requests if complete)
    cut = sum(not complete for *_, complete in requests)
    main = lab.open("main", from_start=True)
    sums = {f"costs by {by}": whole(lab.costs(by=by)) for by in COST_KEYS}
    sums |= {"sessions": whole(lab.sessions()), "tree": whole(lab.tree(main)), "meter": CostMeter(lab, main)._paid}
    engine = lab._context.engine
    sums |= {
        "user": engine.call(lambda con: spent_by(con, "ana")),
        "batch": engine.call(lambda con: batch_limit(con, BatchTag("batch-1", "run-1")).spent),
        "runs": sum((each.spent for each in engine.call(lambda con: batch_costs(con, "batch-1")).values()), NOTHING),
    }
    for name, found in sums.items():
        assert (name, found.unpriced) == (name, expected.unpriced)
        assert found.usd == pytest.approx(expected.usd, abs=1e-9), name
        assert str(found) == str(expected) or abs(found.usd - expected.usd) > 1e-12, name
    for by in COST_KEYS:
        assert lab.costs(by=by)["cut_requests"].sum() == cut
    assert Sum(sum(turn.receipt.cost.usd for turn in main.turns())).usd <= expected.usd + 1e-9
