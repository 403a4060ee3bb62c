"""A message as the server-sent events of the Messages API's streaming form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from anthropic.types import (
    InputJSONDelta,
    Message,
    MessageDeltaUsage,
    RawContentBlockDeltaEvent,
    RawContentBlockStartEvent,
    RawContentBlockStopEvent,
    RawMessageDeltaEvent,
    RawMessageStartEvent,
    RawMessageStopEvent,
    TextBlock,
    TextDelta,
    ToolUseBlock,
)
from anthropic.types.raw_message_delta_event import Delta
from pydantic import BaseModel

PIECE = 2_000
"""Characters a delta event carries at most."""


def events_of(message: Message) -> Iterator[str]:
    """The events in order, each ready to send."""
    begun = message.model_copy(
        update={
            "content": [],
            "stop_reason": None,
            "usage": message.usage.model_copy(update={"output_tokens": 1}),
        }
    )
    yield _event(RawMessageStartEvent(type="message_start", message=begun))
    for index, block in enumerate(message.content):
        yield from _block_events(index, block)
    usage = MessageDeltaUsage.model_validate(
        message.usage.model_dump(exclude_none=True) | {"output_tokens": message.usage.output_tokens}
    )
    delta = Delta.model_validate({"stop_reason": message.stop_reason, "stop_sequence": None})
    yield _event(RawMessageDeltaEvent(type="message_delta", delta=delta, usage=usage))
    yield _event(RawMessageStopEvent(type="message_stop"))


def _block_events(index: int, block: Any) -> Iterator[str]:
    empty: TextBlock | ToolUseBlock
    pieces: list[TextDelta | InputJSONDelta]
    if isinstance(block, ToolUseBlock):
        empty = block.model_copy(update={"input": {}})
        text = json.dumps(block.input, ensure_ascii=False)
        pieces = [InputJSONDelta(type="input_json_delta", partial_json=part) for part in _pieces(text)]
    else:
        empty = TextBlock(type="text", text="", citations=None)
        pieces = [TextDelta(type="text_delta", text=part) for part in _pieces(block.text)]
    yield _event(RawContentBlockStartEvent(type="content_block_start", index=index, content_block=empty))
    for piece in pieces:
        yield _event(RawContentBlockDeltaEvent(type="content_block_delta", index=index, delta=piece))
    yield _event(RawContentBlockStopEvent(type="content_block_stop", index=index))


def _pieces(text: str) -> Iterator[str]:
    for start in range(0, len(text), PIECE):
        yield text[start : start + PIECE]


def _event(event: BaseModel) -> str:
    data = event.model_dump(mode="json")
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n"
