"""Receipts: what a turn cost, by agent, with nothing invented where a price is unknown."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.money import Sum
from campaign_lab.sessions.spending.receipts import MAIN_AGENT, Receipt, joined, receipt_of
from campaign_lab.store.rows import RequestRow

COUNTS = st.integers(0, 10_000)
REQUESTS = st.builds(
    lambda agent, counts, cost, complete: RequestRow(
        attempt_id="t1", subpath="", message_id="m", agent=agent, model="m", input_tokens=counts[0], output_tokens=counts[1],
        cache_read_tokens=counts[2], cache_write_5m_tokens=counts[3], cache_write_1h_tokens=counts[4], cost_usd=cost,
        complete=complete, stored_at=datetime.now(UTC),
    ),
    st.sampled_from(["", "copy-creator", "brand-intelligence-analyst"]),
    st.tuples(*[COUNTS] * 5),
    st.none() | st.floats(0, 5),
    st.booleans(),
)  # fmt: skip


def request(agent: str = "", cost: float | None = 0.25, *, complete: bool = True) -> RequestRow:
    return RequestRow("t1", "", "m", agent, "model", 10, 5, 3, 2, 1, cost, complete, datetime.now(UTC))


@given(st.lists(REQUESTS, max_size=8))
def test_every_token_of_a_whole_request_is_on_the_receipt_once(requests: list[RequestRow]) -> None:
    """The lines add up to the ledger; requests that were cut are counted beside them."""
    receipt = receipt_of("copy", requests, rehearsal=False)
    whole = [each for each in requests if each.complete]
    assert sum(line.requests for line in receipt.lines) == len(whole)
    assert receipt.cut_requests == len(requests) - len(whole)
    for name in ("input_tokens", "output_tokens", "cache_read_tokens"):
        assert sum(getattr(line, name) for line in receipt.lines) == sum(getattr(each, name) for each in whole)
    written = sum(each.cache_write_5m_tokens + each.cache_write_1h_tokens for each in whole)
    assert sum(line.cache_write_tokens for line in receipt.lines) == written


@given(st.lists(REQUESTS, max_size=8))
def test_what_has_no_price_is_counted_beside_the_sum(requests: list[RequestRow]) -> None:
    """For each agent, and for the whole; where nothing is known there is no sum, never 0."""
    receipt = receipt_of("copy", requests, rehearsal=False)
    costs = [each.cost_usd for each in requests if each.complete]
    assert receipt.cost.unpriced == costs.count(None) == receipt.to_json()["unpriced_requests"]
    assert receipt.cost.usd == pytest.approx(sum(cost for cost in costs if cost is not None))
    for line in receipt.lines:
        own = [each.cost_usd for each in requests if each.complete and (each.agent or MAIN_AGENT) == line.agent]
        assert line.unpriced_requests == own.count(None)
        assert Sum.stored(line.cost_usd, line.unpriced_requests) == Sum.of(own)


@given(st.lists(REQUESTS, max_size=8), st.randoms())
def test_lines_come_in_one_order(requests: list[RequestRow], chance: object) -> None:
    """The main agent first, then by name: saved notebooks compare equal whichever agent was first."""
    other = list(requests)
    chance.shuffle(other)  # type: ignore[attr-defined]
    names = [line.agent for line in receipt_of("copy", requests, rehearsal=False).lines]
    assert names == [line.agent for line in receipt_of("copy", other, rehearsal=False).lines]
    assert names == sorted(names, key=lambda name: (name != MAIN_AGENT, name))


def test_a_replay_pays_nothing_and_says_what_it_once_cost() -> None:
    """The two sums are told apart."""
    made = receipt_of("copy", [request(), request("copy-creator")], rehearsal=False)
    replayed = replace(made, paid=False)
    assert (made.paid_usd, made.cost_usd) == (0.5, 0.5)
    assert (replayed.paid_usd, replayed.cost_usd) == (0.0, 0.5)


def test_an_unknown_price_is_not_paid_as_zero() -> None:
    """What was paid is then unknown too; a replay of it is still free."""
    made = receipt_of("copy", [request(cost=None)], rehearsal=False)
    assert made.paid_usd is None
    assert replace(made, paid=False).paid_usd == 0.0


def test_a_receipt_without_requests_is_empty() -> None:
    """Nothing was asked, nothing cost."""
    receipt = receipt_of("copy", [], rehearsal=True)
    assert (receipt.lines, receipt.cost_usd, receipt.cut_requests) == ((), 0, 0)


@given(st.lists(st.lists(REQUESTS, max_size=3), max_size=3))
def test_several_receipts_are_the_sum_of_each(turns: list[list[RequestRow]]) -> None:
    """All lines in order, all cut requests, and the sum of all sums."""
    receipts = [receipt_of(f"phase {n}", requests, rehearsal=False) for n, requests in enumerate(turns)]
    whole = joined(receipts)
    assert [line for receipt in receipts for line in receipt.lines] == list(whole.lines)
    assert whole.cut_requests == sum(receipt.cut_requests for receipt in receipts)
    assert whole.cost.unpriced == sum(receipt.cost.unpriced for receipt in receipts)
    assert whole.cost.usd == pytest.approx(sum(receipt.cost.usd for receipt in receipts))


def test_a_rehearsed_receipt_says_so_everywhere() -> None:
    """In text, as HTML and as data: its dollars were never paid."""
    receipt = receipt_of("copy", [request()], rehearsal=True)
    assert "rehearsal" in repr(receipt)
    assert "rehearsal" in receipt._repr_html_()
    assert receipt.to_json()["rehearsal"] is True
    live = receipt_of("copy", [request()], rehearsal=False)
    assert "rehearsal" not in repr(live) + live._repr_html_()


def test_a_receipt_is_json() -> None:
    """With its totals, its currency, and the lines as objects."""
    data = json.loads(json.dumps(receipt_of("copy", [request(), request(complete=False)], rehearsal=False).to_json()))
    assert (data["currency"], data["paid"], data["cost"], data["second_run"], data["cut_requests"]) == (
        "USD",
        0.25,
        0.25,
        0.0,
        1,
    )
    assert data["lines"] == [
        {
            "phase": "copy", "agent": MAIN_AGENT, "requests": 1, "input_tokens": 10, "cache_read_tokens": 3,
            "cache_write_tokens": 3, "output_tokens": 5, "cost_usd": 0.25, "unpriced_requests": 0, "take": 1,
        }
    ]  # fmt: skip


def test_an_unknown_price_is_said() -> None:
    """In the text and in the table."""
    receipt = receipt_of("copy", [request(cost=None)], rehearsal=False)
    assert repr(receipt) == "Receipt(1 lines, 1 request without a price)"
    assert "Sum: 1 request without a price" in receipt._repr_html_()
    both = receipt_of("copy", [request(), request(cost=None), request(cost=None)], rehearsal=False)
    assert repr(both) == "Receipt(1 lines, $0.2500 and 2 requests without a price)"
    assert repr(Receipt(())) == "Receipt(0 lines, $0.0000)"
