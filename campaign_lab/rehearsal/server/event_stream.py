"""A message as the server-sent events of the Messages API's streaming form."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

PIECE = 2_000
"""Characters a delta event carries at most."""


def events_of(message: Mapping[str, Any]) -> Iterator[str]:
    """The events of a message in order, each ready to send."""
    begun: dict[str, Any] = {"content": [], "stop_reason": None, "usage": {**message["usage"], "output_tokens": 1}}
    yield _event("message_start", message={**message, **begun})
    for index, block in enumerate(message["content"]):
        yield from _block_events(index, block)
    delta = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    counts = {name: count for name, count in message["usage"].items() if name != "cache_creation"}  # as the API does
    yield _event("message_delta", delta=delta, usage=counts)
    yield _event("message_stop")


def _block_events(index: int, block: Mapping[str, Any]) -> Iterator[str]:
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
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n"
