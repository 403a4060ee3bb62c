"""How long a cached prefix lives in rehearsal: real requests, and a clock that the test sets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import anthropic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server import cache_accounting
from campaign_lab.rehearsal.server.api_request import ContentBlock
from campaign_lab.rehearsal.server.app import RehearsalServer
from campaign_lab.rehearsal.server.cache_accounting import CachedPrefix
from campaign_lab.store.rows import CacheRow

SONNET, HAIKU = "claude-sonnet-4-6", "claude-haiku-4-5-20251001"
BASE = "What the site says about its rates, its people and its hours. " * 400
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Line:
    """Turns that send one request each, at times that the test sets. Rows are handed on as the lab hands them on."""

    def __init__(self, server: RehearsalServer) -> None:
        self.clock = NOON
        self.endpoint = RehearsalEndpoint(server, now=lambda: self.clock)
        self.server = server
        self._numbers = count()

    def turn(
        self, texts: Sequence[str], rows: Sequence[CacheRow], *, at_s: float, ttl: str = "5m", model: str = SONNET
    ) -> tuple[int, list[CacheRow]]:
        """Tokens read from the cache, and the rows that the turn leaves. The last text has the breakpoint."""
        self.clock = NOON + timedelta(seconds=at_s)
        name = f"turn-{id(self)}-{next(self._numbers)}"
        self.endpoint.begin(name, rows)
        content: list[Any] = [{"type": "text", "text": text} for text in texts]
        content[-1]["cache_control"] = {"type": "ephemeral", "ttl": ttl}
        with anthropic.Anthropic(
            base_url=f"http://127.0.0.1:{self.server.port}", api_key=self.server.token, max_retries=0
        ) as client:
            message = client.messages.create(
                model=model, max_tokens=100, messages=[{"role": "user", "content": content}],
                extra_headers={"x-claude-code-session-id": name},
            )  # fmt: skip
        return message.usage.cache_read_input_tokens or 0, list(self.endpoint.end(name))


@pytest.fixture
def line(server: RehearsalServer) -> Iterator[Line]:
    """A line of turns on the shared server."""
    return Line(server)


@pytest.mark.parametrize(("ttl", "life_s"), [("5m", 300), ("1h", 3600)])
def test_an_entry_lives_to_its_last_second_and_not_longer(line: Line, ttl: str, life_s: int) -> None:
    """It is read when it is exactly as old as its life, and not one second later."""
    _, rows = line.turn([BASE], [], at_s=0, ttl=ttl)
    assert [row.ttl for row in rows] == [str(life_s)]
    assert {row.stored_at for row in rows} == {NOON}
    read, _ = line.turn([BASE, "And then?"], rows, at_s=life_s, ttl=ttl)
    assert read == rows[0].tokens > 1024
    late, _ = line.turn([BASE, "And then?"], rows, at_s=life_s + 1, ttl=ttl)
    assert late == 0


@pytest.mark.parametrize(("ttl", "life_s"), [("5m", 300), ("1h", 3600)])
def test_reading_an_entry_begins_its_life_anew(line: Line, ttl: str, life_s: int) -> None:
    """Read shortly before its end, an entry is still there when its first life is long over; unread, it is not."""
    _, first = line.turn([BASE], [], at_s=0, ttl=ttl)
    read, second = line.turn([BASE, "One way on."], first, at_s=life_s - 1, ttl=ttl)
    assert read == first[0].tokens
    again, _ = line.turn([BASE, "Another way on."], [*first, *second], at_s=2 * life_s - 1, ttl=ttl)
    assert again == first[0].tokens
    unread, _ = line.turn([BASE, "Another way on."], first, at_s=2 * life_s - 1, ttl=ttl)
    assert unread == 0


def test_a_read_keeps_the_life_that_the_entry_was_written_with(line: Line) -> None:
    """An entry of an hour that a 5-minute request reads lives for an hour from then, and the new one for 5 minutes."""
    _, first = line.turn([BASE], [], at_s=0, ttl="1h")
    _, second = line.turn([BASE, "More." * 50], first, at_s=60, ttl="5m")
    assert {row.tokens: row.ttl for row in second} == {
        first[0].tokens: "3600",
        max(row.tokens for row in second): "300",
    }


def test_another_model_shares_nothing(line: Line) -> None:
    """The same words to another model are written anew."""
    _, rows = line.turn([BASE], [], at_s=0)
    read, others = line.turn([BASE], rows, at_s=1, model=HAIKU)
    assert read == 0
    assert not {row.prefix for row in rows} & {row.prefix for row in others}


def test_time_within_a_turn_changes_nothing(line: Line) -> None:
    """A slow machine costs what a fast one costs: the clock counts when a turn begins, not while it runs."""
    _, rows = line.turn([BASE], [], at_s=0)
    line.clock = NOON + timedelta(seconds=300)
    line.endpoint.begin("slow", rows)
    line.clock = NOON + timedelta(hours=5)
    with anthropic.Anthropic(
        base_url=f"http://127.0.0.1:{line.server.port}", api_key=line.server.token, max_retries=0
    ) as client:
        message = client.messages.create(
            model=SONNET, max_tokens=100, extra_headers={"x-claude-code-session-id": "slow"},
            messages=[{"role": "user", "content": [
                {"type": "text", "text": BASE, "cache_control": {"type": "ephemeral", "ttl": "5m"}}]}],
        )  # fmt: skip
    assert message.usage.cache_read_input_tokens == rows[0].tokens
    line.endpoint.end("slow")


@given(st.lists(st.tuples(st.text("ab", min_size=1, max_size=3), st.sampled_from([None, 300, 3600])), max_size=30))
def test_what_was_read_is_among_what_lives_on(parts: list[tuple[str, int | None]]) -> None:
    """Whatever the prompt, the prefix that was read is reported again, and nothing is charged twice."""
    blocks = [ContentBlock(text * 2_000, life) for text, life in parts]
    first = cache_accounting.count(blocks, (), SONNET)
    more = [*(ContentBlock(block.text) for block in blocks), ContentBlock("the next question", 300)]
    second = cache_accounting.count(more, first.written, SONNET)
    if second.cache_read_tokens:
        known = {each.prefix: each for each in first.written}
        assert [each for each in second.written if each == known.get(each.prefix)][
            -1
        ].tokens == second.cache_read_tokens
    charged = (
        second.input_tokens + second.cache_read_tokens + second.cache_write_5m_tokens + second.cache_write_1h_tokens
    )
    assert charged == cache_accounting.tokens_in(sum(len(block.text) for block in more))


def test_of_two_entries_for_one_prefix_the_longer_life_counts() -> None:
    """Which of the rows came first decides nothing."""
    blocks = [ContentBlock("a" * 8_000, 300)]
    (written,) = cache_accounting.count(blocks, (), SONNET).written
    longer = CachedPrefix(written.prefix, written.tokens, 3600)
    for seen in ([written, longer], [longer, written]):
        assert cache_accounting.count(blocks, seen, SONNET).written == (longer,)
