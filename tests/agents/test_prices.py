"""Prices: the documented ones, and nothing where none is known."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.agents.prices import Usage, known_sum, price_usd

SONNET = "claude-sonnet-4-5-20250929"
TOKENS = 100_000
COUNTS = st.integers(0, 40_000)
USAGES = st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)


@pytest.mark.parametrize(
    ("kind", "per_million"),
    [
        ("input_tokens", 3.00),
        ("output_tokens", 15.00),
        ("cache_read_tokens", 0.30),
        ("cache_write_5m_tokens", 3.75),
        ("cache_write_1h_tokens", 6.00),
    ],
)
def test_sonnet_4_5_costs_what_the_vendor_lists(kind: str, per_million: float) -> None:
    """US dollars a million tokens: 3 in, 15 out, 0.30 read, 3.75 written for 5 minutes, 6 for an hour."""
    assert price_usd(SONNET, Usage(**{kind: TOKENS})) == pytest.approx(per_million * TOKENS / 1e6)


@given(USAGES)
def test_a_request_costs_the_sum_of_its_parts(usage: Usage) -> None:
    """No token is charged twice, and none is forgotten."""
    listed = (3.00, 15.00, 0.30, 3.75, 6.00)
    expected = sum(price * tokens for price, tokens in zip(listed, vars(usage).values(), strict=True)) / 1e6
    assert price_usd(SONNET, usage) == pytest.approx(expected)


@pytest.mark.parametrize("model", ["llama3.2:3b", "claude-of-the-future-9", "gpt-4o", "", "../../etc/passwd"])
def test_an_unknown_model_has_no_price(model: str) -> None:
    """None, never 0: a local model is not shown as free, and an unknown one not as cheap."""
    assert price_usd(model, Usage(1_000, 1_000)) is None


@given(*[COUNTS] * 5)
def test_usage_is_read_as_the_api_reports_it(fresh: int, out: int, read: int, minutes: int, hour: int) -> None:
    """Writes are split by life; without a split they count as the 5-minute ones."""
    api = {
        "input_tokens": fresh,
        "output_tokens": out,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": minutes + hour,
    }
    split = {"cache_creation": {"ephemeral_5m_input_tokens": minutes, "ephemeral_1h_input_tokens": hour}}
    assert Usage.from_api(api | split) == Usage(fresh, out, read, minutes, hour)
    assert Usage.from_api(api) == Usage(fresh, out, read, minutes + hour, 0)
    assert Usage.from_api(api).total_tokens == fresh + out + read + minutes + hour


def test_what_an_endpoint_leaves_out_counts_as_none_used() -> None:
    """Other servers of the API send null or nothing for the cache."""
    assert Usage.from_api({"input_tokens": 5, "cache_creation": None, "cache_read_input_tokens": None}) == Usage(5)


@given(st.lists(st.floats(0, 10), max_size=12), st.randoms(use_true_random=False))
def test_a_sum_is_the_same_in_any_order(costs: list[float], order: random.Random) -> None:
    """Agents that work at once book in any order; a saved figure holds the sum to the last digit."""
    mixed = order.sample(costs, len(costs))
    assert known_sum(mixed) == known_sum(costs)
    assert known_sum([*costs, None]) is None
