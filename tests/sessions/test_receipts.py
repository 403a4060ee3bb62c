"""Receipts: what a turn cost, by agent, with nothing invented where a price is unknown."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.sessions.receipts import MAIN_AGENT, Receipt, joined, receipt_of
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
def test_a_sum_is_known_only_when_every_price_is(requests: list[RequestRow]) -> None:
    """None for an agent with one unknown price, and for the whole; never 0, never the known part."""
    receipt = receipt_of("copy", requests, rehearsal=False)
    costs = [each.cost_usd for each in requests if each.complete]
    if None in costs:
        assert receipt.cost_usd is None
    else:
        assert receipt.cost_usd == pytest.approx(sum(cost for cost in costs if cost is not None))
    for line in receipt.lines:
        own = [each.cost_usd for each in requests if each.complete and (each.agent or MAIN_AGENT) == line.agent]
        assert (line.cost_usd is None) is (None in own)


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
    """All lines in order, all cut requests, and a sum that is unknown when one is."""
    receipts = [receipt_of(f"phase {n}", requests, rehearsal=False) for n, requests in enumerate(turns)]
    whole = joined(receipts)
    assert [line for receipt in receipts for line in receipt.lines] == list(whole.lines)
    assert whole.cut_requests == sum(receipt.cut_requests for receipt in receipts)
    assert (whole.cost_usd is None) is any(receipt.cost_usd is None for receipt in receipts)


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
            "cache_write_tokens": 3, "output_tokens": 5, "cost_usd": 0.25, "take": 1,
        }
    ]  # fmt: skip


def test_an_unknown_price_is_shown_as_unknown() -> None:
    """In the text and in the table."""
    receipt = receipt_of("copy", [request(cost=None)], rehearsal=False)
    assert "unknown" in repr(receipt)
    assert "unknown" in receipt._repr_html_()
    assert "$" not in repr(receipt)
    assert repr(Receipt(())) == "Receipt(0 lines, $0.0000)"
