"""A Messages API that answers as newer models do: they think, sign what they thought, and want it back as it was."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

from starlette.exceptions import HTTPException

from campaign_lab.rehearsal.server.api_request import Ask
from campaign_lab.rehearsal.server.app import RehearsalServer

THOUGHT = "What would a careful strategist do next"
"""The words with which each thought begins. They stand in no answer."""
THINKING_TOKENS = 40
Thinking = dict[str, str]


class ThinkingServer(RehearsalServer):
    """Answers as rehearsal does, with a signed thought before the text and another one before the tool calls.

    It thinks where the request lets it. A thought that comes back changed, or a call that comes back without its thought, is
    refused as the API does. ``wire`` keeps the bodies of all requests by the turn and the agent that sent them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.wire: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self.signed: list[Thinking] = []

    async def _read(self, request: Any) -> Ask:
        ask, body = await super()._read(request), await request.json()
        self.wire.setdefault((ask.session_id, ask.agent_id), []).append(body)
        for message in body["messages"] if thinks(body) else []:
            self._check(message)
        return ask

    def _check(self, message: Mapping[str, Any]) -> None:
        """Raises HTTPException for a message of ours that is not as it was given."""
        blocks = message["content"] if message["role"] == "assistant" else []
        kinds = [block["type"] for block in blocks]
        if any(block not in self.signed for block in blocks if block["type"] == "thinking"):
            raise HTTPException(400, "messages: Invalid `signature` in `thinking` block")
        if "tool_use" in kinds and "thinking" not in kinds[: kinds.index("tool_use")]:
            raise HTTPException(400, "messages: Expected `thinking`, but found `tool_use`")

    def _answer(self, ask: Ask, times: int) -> dict[str, Any]:
        message = super()._answer(ask, times)
        body = self.wire[ask.session_id, ask.agent_id][-1]
        for place in self._thoughts(message, body):
            shown = body["thinking"].get("display") != "omitted"
            seal = hashlib.sha512(f"{message['id']}/{place}".encode()).hexdigest()
            self.signed.append({"type": "thinking", "thinking": f"{THOUGHT}? {place}" * shown, "signature": seal})
            message["content"].insert(place, {"type": "text", "text": "", "thought": self.signed[-1]})
            message["usage"]["output_tokens"] += THINKING_TOKENS
        return message

    @staticmethod
    def _thoughts(message: Mapping[str, Any], body: Mapping[str, Any]) -> list[int]:
        """Where thoughts stand in the message: before all, and before the first call behind a text."""
        kinds = [block["type"] for block in message["content"]]
        behind = kinds.index("tool_use") if "tool_use" in kinds else 0
        return [0, *([behind + 1] if behind else [])] if thinks(body) else []

    async def _messages(self, request: Any) -> Any:
        response = await super()._messages(request)
        if hasattr(response, "body_iterator"):
            response.body_iterator = _thinking(response.body_iterator)
        return response


def thinks(body: Mapping[str, Any]) -> bool:
    """Does the request let the model think?"""
    return body.get("thinking", {}).get("type") in ("adaptive", "enabled")


async def _thinking(events: AsyncIterator[str]) -> AsyncIterator[str]:
    """The events of an answer, with those of a thought in the place of the block that holds it."""
    async for event in events:
        data = json.loads(event.split("data: ", 1)[1])
        thought = data.get("content_block", {}).get("thought")
        if thought is None:
            yield event
            continue
        index = data["index"]
        yield _event("content_block_start", index, content_block=thought | {"thinking": "", "signature": ""})
        if thought["thinking"]:
            yield _event(
                "content_block_delta", index, delta={"type": "thinking_delta", "thinking": thought["thinking"]}
            )
        delta = {"type": "signature_delta", "signature": thought["signature"]}
        yield _event("content_block_delta", index, delta=delta)


def _event(kind: str, index: int, **fields: Any) -> str:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, 'index': index, **fields})}\n\n"
