"""A message as the server-sent events of the Messages API's streaming form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from anthropic.types import Message, RawMessageStreamEvent
from pydantic import TypeAdapter

PIECE = 2_000
"""Characters a delta event carries at most."""
_EVENT: TypeAdapter[RawMessageStreamEvent] = TypeAdapter(RawMessageStreamEvent)


def events_of(message: Message) -> Iterator[str]:
    """The events in order, each ready to send."""
    whole = message.model_dump()
    begun: dict[str, Any] = {"content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    yield _event("message_start", message={**whole, **begun})
    for index, block in enumerate(whole["content"]):
        yield from _block_events(index, block)
    delta = {"stop_reason": message.stop_reason, "stop_sequence": None}
    yield _event("message_delta", delta=delta, usage=message.usage.model_dump(exclude_none=True))
    yield _event("message_stop")


def _block_events(index: int, block: dict[str, Any]) -> Iterator[str]:
    if block["type"] == "tool_use":
        empty, text = {**block, "input": {}}, json.dumps(block["input"], ensure_ascii=False)
        kind, name = "input_json_delta", "partial_json"
    else:
        empty, text = {**block, "text": ""}, block["text"]
        kind, name = "text_delta", "text"
    yield _event("content_block_start", index=index, content_block=empty)
    for start in range(0, len(text), PIECE):
        yield _event("content_block_delta", index=index, delta={"type": kind, name: text[start : start + PIECE]})
    yield _event("content_block_stop", index=index)


def _event(kind: str, **fields: Any) -> str:
    """An event, with every field that the API's own has."""
    event = _EVENT.validate_python({"type": kind, **fields})
    return f"event: {kind}\ndata: {json.dumps(event.model_dump(mode='json'))}\n\n"
