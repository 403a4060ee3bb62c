"""Sums of money: the known dollars, and beside them the requests without a price; the same in any order and grouping."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.money import NOTHING, Sum

COSTS = st.lists(st.one_of(st.none(), st.floats(0, 10)), max_size=12)


@given(COSTS, st.randoms(use_true_random=False), st.integers(0, 12))
def test_a_sum_is_the_same_in_any_order_and_grouping(costs: list[float | None], order: random.Random, cut: int) -> None:
    """Agents that work at once book in any order; a saved figure holds the sum to the last digit."""
    mixed = order.sample(costs, len(costs))
    assert Sum.of(mixed) == Sum.of(costs)
    parts = Sum.of(mixed[:cut]) + Sum.of(mixed[cut:])
    assert parts.unpriced == Sum.of(costs).unpriced
    assert parts.usd == pytest.approx(Sum.of(costs).usd, abs=1e-11)


@pytest.mark.parametrize(
    ("cost", "words", "known", "whole"),
    [
        (NOTHING, "$0.0000", 0.0, 0.0),
        (Sum(0.3706), "$0.3706", 0.3706, 0.3706),
        (Sum(0.3706, 4), "$0.3706 and 4 requests without a price", 0.3706, None),
        (Sum(0.3706, 1), "$0.3706 and 1 request without a price", 0.3706, None),
        (Sum(0.0, 1200), "1,200 requests without a price", None, None),
    ],
)
def test_what_has_no_price_is_said_beside_it(cost: Sum, words: str, known: float | None, whole: float | None) -> None:
    """Never as 0, and never in place of what is known."""
    assert (str(cost), cost.known, cost.whole) == (words, known, whole)
    assert Sum(0.3706, 4).words(" at list price") == "$0.3706 at list price and 4 requests without a price"


@given(st.floats(0, 10), st.integers(0, 5))
def test_a_sum_is_read_back_from_its_two_columns(usd: float, unpriced: int) -> None:
    """As tables and files hold it."""
    cost = Sum(usd, unpriced)
    assert Sum.stored(cost.known, cost.unpriced) == cost
    assert Sum.stored(math.nan) == Sum.stored(None) == Sum(0.0, 1)
