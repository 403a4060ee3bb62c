"""The stream: its events rebuild the very message, also in the vendor's own client code."""

from __future__ import annotations

import json
from typing import Any

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import (
    CacheCreation,
    Message,
    RawMessageStreamEvent,
    TextBlock,
    ToolUseBlock,
    Usage,
)
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from campaign_lab.rehearsal.server.event_stream import PIECE, events_of

EVENTS: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)
COUNTS = st.integers(0, 10**6)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=20),
    lambda part: st.lists(part, max_size=3) | st.dictionaries(st.text(max_size=5), part, max_size=3),
    max_leaves=6,
)
LONG = st.integers(0, 3 * PIECE).map(lambda length: ("ab\n\u2028é😀" * PIECE)[:length])
TEXTS = st.builds(lambda text: TextBlock(type="text", text=text, citations=None), st.text(max_size=30) | LONG)
CALLS = st.builds(
    lambda n, given: ToolUseBlock(type="tool_use", id=f"toolu_{n}", name="mcp__lab__fetch_page", input=given),
    COUNTS,
    st.dictionaries(st.text(max_size=5), JSON | LONG, max_size=3),
)
MESSAGES = st.builds(
    lambda content, stop, counts: Message(
        id="msg_1",
        type="message",
        role="assistant",
        model="claude-sonnet-4-5-20250929",
        content=content,
        stop_reason=stop,
        stop_sequence=None,
        usage=Usage(
            input_tokens=counts[0],
            output_tokens=counts[1],
            cache_read_input_tokens=counts[2],
            cache_creation_input_tokens=counts[3] + counts[4],
            cache_creation=CacheCreation(ephemeral_5m_input_tokens=counts[3], ephemeral_1h_input_tokens=counts[4]),
        ),
    ),
    st.lists(TEXTS | CALLS, max_size=4),
    st.sampled_from(["end_turn", "tool_use"]),
    st.tuples(COUNTS, COUNTS, COUNTS, COUNTS, COUNTS),
)


def parsed(sent: str) -> tuple[str, dict[str, Any]]:
    """The name and the data of one server-sent event, by the rules of the format."""
    assert sent.endswith("\n\n")
    name, data = sent[:-2].split("\n")
    return name.removeprefix("event: "), json.loads(data.removeprefix("data: "))


@given(MESSAGES)
def test_the_vendors_client_rebuilds_the_message(message: Message) -> None:
    """Content, reason and all counts, from the events alone."""
    rebuilt: Any = None
    json_so_far: dict[int, bytes] = {}
    for sent in events_of(message.model_dump(mode="json")):
        event = EVENTS.validate_python(parsed(sent)[1])
        rebuilt = accumulate_event(event=event, current_snapshot=rebuilt, json_bufs=json_so_far)
    assert rebuilt.model_dump(include=set(Message.model_fields)) == message.model_dump()


@given(MESSAGES)
def test_events_come_in_the_documented_order(message: Message) -> None:
    """Start, each block from its start over its deltas to its stop, delta, stop; each under its own name."""
    events = [parsed(sent) for sent in events_of(message.model_dump(mode="json"))]
    assert all(name == data["type"] for name, data in events)
    names = [name.removeprefix("content_block_").removeprefix("message_") for name, _ in events]
    assert names[0] == "start"
    assert names[-2:] == ["delta", "stop"]
    assert events[0][0] == "message_start"
    assert (events[-2][0], events[-1][0]) == ("message_delta", "message_stop")
    open_block, closed = None, 0
    for name, data in events[1:-2]:
        if name == "content_block_start":
            assert (open_block, data["index"]) == (None, closed)
            open_block = data["index"]
        elif name == "content_block_stop":
            assert data["index"] == open_block
            open_block, closed = None, closed + 1
        else:
            assert (name, data["index"]) == ("content_block_delta", open_block)
    assert (open_block, closed) == (None, len(message.content))


@given(MESSAGES)
def test_the_count_of_the_answer_is_final_only_at_the_end(message: Message) -> None:
    """As with the real service: who bills from the first event bills wrongly."""
    events = [parsed(sent)[1] for sent in events_of(message.model_dump(mode="json"))]
    assert events[0]["message"]["usage"]["output_tokens"] == 1
    assert events[0]["message"]["content"] == []
    assert events[0]["message"]["stop_reason"] is None
    assert events[-2]["usage"]["output_tokens"] == message.usage.output_tokens
    assert events[-2]["delta"]["stop_reason"] == message.stop_reason


@given(MESSAGES)
def test_no_event_carries_more_than_a_piece(message: Message) -> None:
    """A long page does not become one huge line."""
    for sent in events_of(message.model_dump(mode="json")):
        delta = parsed(sent)[1].get("delta", {})
        assert len(delta.get("text") or delta.get("partial_json") or "") <= PIECE
