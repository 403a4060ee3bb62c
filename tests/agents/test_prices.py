"""Prices: the documented ones, and nothing where none is known."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from campaign_lab.agents.prices import UNKNOWN, TokenUsage, price_usd

SONNET = "claude-sonnet-4-5-20250929"
TOKENS = 100_000
COUNTS = st.integers(0, 40_000)
USAGES = st.builds(TokenUsage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS)


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
    assert price_usd(SONNET, TokenUsage(**{kind: TOKENS})) == pytest.approx(per_million * TOKENS / 1e6)


@given(USAGES)
def test_a_request_costs_the_sum_of_its_parts(usage: TokenUsage) -> None:
    """No token is charged twice, and none is forgotten."""
    listed = (3.00, 15.00, 0.30, 3.75, 6.00)
    expected = sum(price * tokens for price, tokens in zip(listed, vars(usage).values(), strict=True)) / 1e6
    assert price_usd(SONNET, usage) == pytest.approx(expected)


@pytest.mark.parametrize("model", ["llama3.2:3b", "claude-of-the-future-9", "gpt-4o", "", "../../etc/passwd"])
def test_an_unknown_model_has_no_price(model: str) -> None:
    """None, never 0: a local model is not shown as free, and an unknown one not as cheap."""
    assert price_usd(model, TokenUsage(1_000, 1_000)) is None


@given(*[COUNTS] * 5)
def test_usage_is_read_as_the_api_reports_it(fresh: int, out: int, read: int, minutes: int, hour: int) -> None:
    """Writes are split by life; without a split they count as the 5-minute ones."""
    assume(fresh + read + minutes + hour)
    api = {
        "input_tokens": fresh,
        "output_tokens": out,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": minutes + hour,
    }
    split = {"cache_creation": {"ephemeral_5m_input_tokens": minutes, "ephemeral_1h_input_tokens": hour}}
    assert TokenUsage.from_api(api | split) == TokenUsage(fresh, out, read, minutes, hour)
    assert TokenUsage.from_api(api) == TokenUsage(fresh, out, read, minutes + hour, 0)
    assert TokenUsage.from_api(api).total_tokens == fresh + out + read + minutes + hour


def test_what_an_endpoint_leaves_out_counts_as_none_used() -> None:
    """Other servers of the API send null or nothing for the cache."""
    assert TokenUsage.from_api(
        {"input_tokens": 5, "cache_creation": None, "cache_read_input_tokens": None, "output_tokens": 0}
    ) == TokenUsage(5)


HOSTILE = st.one_of(
    st.none(), st.booleans(), st.text(max_size=5), st.integers(max_value=-1), st.integers(min_value=10**9),
    st.floats(allow_nan=True, allow_infinity=True), st.just(1e30), st.lists(st.integers(), max_size=2),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)  # fmt: skip
FIELDS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "cache_creation")


@given(st.one_of(HOSTILE, st.dictionaries(st.sampled_from(FIELDS), st.one_of(HOSTILE, COUNTS))))
def test_whatever_an_endpoint_says_is_a_count_or_unknown(said: object) -> None:
    """Every count is a whole number of sane size, or None; and a price is never made of a count that is not known."""
    usage = TokenUsage.from_api(said)
    for count in vars(usage).values():
        assert count is None or (type(count) is int and 0 <= count <= 100_000_000)
    cost = price_usd(SONNET, usage)
    assert (cost is None) is (None in vars(usage).values())
    assert cost is None or cost > 0


@pytest.mark.parametrize("said", [None, {}, "a lot", {"input_tokens": 0, "output_tokens": 0}, {"output_tokens": None}])
def test_usage_that_was_not_said_is_unknown_and_not_nothing(said: object) -> None:
    """No endpoint reads a prompt of no tokens: the CLI writes zeros where nothing was said."""
    assert TokenUsage.from_api(said) == UNKNOWN
    assert price_usd(SONNET, TokenUsage.from_api(said)) is None


@pytest.mark.parametrize("bad", [1e30, -5, "12", True, 10**12, float("nan")])
def test_one_count_that_is_none_leaves_the_others(bad: object) -> None:
    """What was said well is kept; the price is not known."""
    usage = TokenUsage.from_api({"input_tokens": 7, "output_tokens": bad})
    assert (usage.input_tokens, usage.output_tokens, price_usd(SONNET, usage)) == (7, None, None)
