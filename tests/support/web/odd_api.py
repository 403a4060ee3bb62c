"""A Messages API that answers as rehearsal does, but says odd things on the way: usage, ids, content, characters."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

from campaign_lab.rehearsal.server.api_request import Ask, read_request
from campaign_lab.rehearsal.server.app import RehearsalServer

Change = Callable[[Ask, dict[str, Any]], dict[str, Any] | None]


class OddServer(RehearsalServer):
    """``change`` gets each event of each answer and gives what is sent in its place; None leaves it out."""

    def __init__(self, change: Change, **options: Any) -> None:
        super().__init__(**options)
        self._change = change

    async def _messages(self, request: Any) -> Any:
        response = await super()._messages(request)
        if hasattr(response, "body_iterator"):
            ask = read_request(await request.json(), request.headers)
            response.body_iterator = self._changed(ask, response.body_iterator)
        return response

    async def _changed(self, ask: Ask, events: AsyncIterator[str]) -> AsyncIterator[str]:
        async for event in events:
            data = self._change(ask, json.loads(event.split("data: ", 1)[1]))
            if data is not None:
                yield f"event: {data['type']}\ndata: {json.dumps(data)}\n\n"


def with_usage(event: dict[str, Any], usage: Mapping[str, Any] | None) -> dict[str, Any]:
    """The event with another usage where it has one; None takes it away."""
    if event["type"] == "message_start":
        return event | {"message": {**event["message"], "usage": usage}}
    return event | {"usage": usage} if event["type"] == "message_delta" else event
