"""Prompt-cache accounting: the documented rules, one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.rehearsal.server.api_request import ContentBlock
from campaign_lab.rehearsal.server.cache_accounting import CachedPrefix, Counted, count, tokens_in

SONNET = "claude-sonnet-4-5-20250929"
HAIKU = "claude-haiku-4-5-20251001"
LONG = "x" * 4 * 1_024
"""A block that is just long enough to be cached."""


def whole(counted: Counted) -> int:
    return (
        counted.input_tokens + counted.cache_read_tokens + counted.cache_write_5m_tokens + counted.cache_write_1h_tokens
    )


def point(text: str, cache_s: int = 300) -> ContentBlock:
    return ContentBlock(text, cache_s)


BLOCKS = st.lists(
    st.builds(
        ContentBlock,
        st.builds(lambda word, times: word * times, st.sampled_from(["a", "bb", "é", "日"]), st.integers(0, 3_000)),
        st.sampled_from([None, None, 300, 3600]),
    ),
    max_size=12,
)


@given(prompt=BLOCKS, keep=st.integers(0, 12), more=BLOCKS, model=st.sampled_from([SONNET, HAIKU]))
def test_reads_writes_and_input_are_the_whole_prompt(
    prompt: list[ContentBlock], keep: int, more: list[ContentBlock], model: str
) -> None:
    """No token is charged twice and none is free, with and without a cache."""
    first = count(prompt, (), model)
    second = count(prompt[:keep] + more, first.written, model)
    assert whole(first) == tokens_in(sum(len(block.text) for block in prompt))
    assert whole(second) == tokens_in(sum(len(block.text) for block in prompt[:keep] + more))
    assert first.cache_read_tokens == 0
    assert min(vars(second)[name] for name in vars(second) if name != "written") >= 0


@given(prompt=BLOCKS)
def test_the_same_prompt_again_reads_all_that_it_wrote(prompt: list[ContentBlock]) -> None:
    """And writes nothing."""
    first = count(prompt, (), SONNET)
    again = count(prompt, first.written, SONNET)
    assert again.cache_read_tokens == first.cache_write_5m_tokens + first.cache_write_1h_tokens
    assert (again.cache_write_5m_tokens, again.cache_write_1h_tokens) == (0, 0)
    assert again.input_tokens == first.input_tokens


@given(prompt=BLOCKS)
def test_another_model_shares_nothing(prompt: list[ContentBlock]) -> None:
    """A cache belongs to one model."""
    written = count(prompt, (), SONNET).written
    assert count(prompt, written, "claude-opus-4-5-20251101").cache_read_tokens == 0


@pytest.mark.parametrize(
    ("model", "minimum"), [(SONNET, 1_024), ("claude-opus-4-1-20250805", 1_024), (HAIKU, 2_048), ("some-model", 1_024)]
)
def test_a_prefix_below_the_minimum_is_not_cached(model: str, minimum: int) -> None:
    """One token less than the model's minimum: all of it is plain input."""
    enough, short = point("x" * 4 * minimum), point("x" * 4 * (minimum - 1))
    assert count([enough], (), model).cache_write_5m_tokens == minimum
    assert count([short], (), model) == Counted(minimum - 1, 0, 0, 0, ())


def test_only_the_last_four_breakpoints_count() -> None:
    """The first of five is passed over: nothing is stored there."""
    counted = count([point(LONG + str(n)) for n in range(5)], (), SONNET)
    assert len(counted.written) == 4
    fresh = count([point(LONG + "0")], counted.written, SONNET)
    assert fresh.cache_read_tokens == 0
    assert count([point(LONG + "0"), point(LONG + "1")], counted.written, SONNET).cache_read_tokens > 2_000


@pytest.mark.parametrize(("further", "found"), [(1, True), (19, True), (20, False), (60, False)])
def test_twenty_blocks_are_looked_at_from_a_breakpoint_backwards(further: int, found: bool) -> None:
    """The breakpoint's own block is the first of the twenty."""
    written = count([point(LONG)], (), SONNET).written
    longer = [ContentBlock(LONG), *(ContentBlock(f"block {n}") for n in range(further - 1)), point("end")]
    assert (count(longer, written, SONNET).cache_read_tokens == 1_024) is found


def test_an_earlier_breakpoint_brings_the_rest_within_reach() -> None:
    """Each breakpoint looks back for itself."""
    written = count([point(LONG)], (), SONNET).written
    longer = [ContentBlock(LONG), *(ContentBlock(f"block {n}") for n in range(30)), point("end")]
    longer[10] = point("in between")
    assert count(longer, written, SONNET).cache_read_tokens == 1_024


def test_the_longest_known_prefix_is_read() -> None:
    """Not the first that is found."""
    blocks = [point(LONG), ContentBlock("b"), point("c"), ContentBlock("d"), point("e")]
    written = count(blocks[:3], (), SONNET).written
    counted = count(blocks, written, SONNET)
    assert counted.cache_read_tokens == tokens_in(len(LONG) + 2)
    assert counted.cache_write_5m_tokens == tokens_in(len(LONG) + 4) - counted.cache_read_tokens


def test_one_letter_changed_in_front_loses_the_cache() -> None:
    """A prefix is the same letter by letter or not at all."""
    written = count([point(LONG), point("more")], (), SONNET).written
    assert count([point("y" + LONG[1:]), point("more")], written, SONNET).cache_read_tokens == 0


def test_where_blocks_begin_matters() -> None:
    """The same text cut into other blocks is another prefix."""
    written = count([point(LONG + LONG)], (), SONNET).written
    assert count([ContentBlock(LONG), point(LONG)], written, SONNET).cache_read_tokens == 0


def test_writes_are_split_by_the_life_of_their_breakpoint() -> None:
    """The stretch up to an hour's breakpoint is an hour's, the rest up to a five minutes' one is five minutes'."""
    counted = count([point(LONG, 3600), point(LONG + LONG, 300), ContentBlock("x" * 40)], (), SONNET)
    assert (counted.cache_write_1h_tokens, counted.cache_write_5m_tokens, counted.input_tokens) == (1_024, 2_048, 10)
    assert [(each.tokens, each.life_s) for each in counted.written] == [(1_024, 3600), (3_072, 300)]


def test_without_a_breakpoint_all_is_input() -> None:
    """Also when the cache holds it: a cache is read at breakpoints."""
    written = count([point(LONG)], (), SONNET).written
    assert count([ContentBlock(LONG)], written, SONNET) == Counted(1_024, 0, 0, 0, ())
    assert count([], written, SONNET) == Counted(0, 0, 0, 0, ())


def test_a_prefix_of_somebody_else_is_nothing() -> None:
    """Unknown hashes are passed over."""
    assert count([point(LONG)], [CachedPrefix("0" * 64, 5_000, 300)], SONNET).cache_read_tokens == 0
