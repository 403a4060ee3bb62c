"""The rehearsal endpoint: a server on loopback that speaks the Messages API well enough for the SDK's CLI.

It runs in a thread of this process, on a free port, and answers only who knows its token. It keeps a book of what it
served, so that the ledger can be audited against it. Messages are plain JSON: the client library's models of them take more
than a second to import in each process, so its types check them in the tests.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import secrets
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from campaign_lab.errors import EndpointError
from campaign_lab.rehearsal import model
from campaign_lab.rehearsal.server import model_list
from campaign_lab.rehearsal.server.api_request import Ask, read_request
from campaign_lab.rehearsal.server.cache_accounting import CachedPrefix, Counted, count, tokens_in
from campaign_lab.rehearsal.server.event_stream import events_of

START_S = 20.0
"""How long the server may take to start, in seconds."""

CUT_S = 0.3
"""How long a stream stands still before it breaks off, in seconds: a reset takes what was not read yet along with it."""


@dataclass(frozen=True)
class Fault:
    """A simulated failure: an HTTP status with a message, or a stream that ends after ``cut_after`` events."""

    status: int = 200
    cut_after: int | None = None
    retry_after_s: float | None = None
    message: str = "rehearsed failure"


@dataclass
class Booked:
    """One request as served. ``complete`` becomes true when its last byte was sent; a refused one has no usage."""

    session_id: str
    agent: str
    message_id: str
    model: str
    status: int
    usage: dict[str, Any] = field(default_factory=dict)
    complete: bool = False


class RehearsalServer:
    """Serves the Messages API. ``latency_s`` is waited before each answer; ``faults`` may fail a request on purpose.

    ``faults`` gets the request and how often this very request came before, and returns a Fault or None. ``reply`` is the
    model: another one may be scripted.
    """

    def __init__(
        self,
        latency_s: float = 0.0,
        faults: Callable[[Ask, int], Fault | None] | None = None,
        reply: Callable[[Ask, Mapping[str, model.Reader]], model.Step] = model.reply,
    ) -> None:
        self.token = secrets.token_urlsafe(24)
        self.book: list[Booked] = []
        self.readers: Mapping[str, model.Reader] = {}
        self._latency_s = latency_s
        self._reply = reply
        self._faults = faults or (lambda _ask, _times: None)
        self._seen: dict[str, set[CachedPrefix]] = {}
        self._own: dict[tuple[str, str], set[CachedPrefix]] = {}
        self._times: Counter[tuple[str, str]] = Counter()
        self._server: Any = None
        self._thread: threading.Thread | None = None
        self.port = 0

    def start(self) -> None:
        """Starts serving. Raises EndpointError when the server does not come up."""
        app = Starlette(
            routes=[
                Route("/v1/messages", _named(self._messages), methods=["POST"]),
                Route("/v1/messages/count_tokens", _named(self._count_tokens), methods=["POST"]),
                Route("/v1/models", _named(self._models), methods=["GET"]),
                Route("/v1/models/{model_id}", _named(self._model), methods=["GET"]),
            ],
            exception_handlers={
                404: _named(_no_such_path),
                405: _named(_no_such_path),
                HTTPException: _named(_refusal),
            },
        )
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="error", access_log=False, lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, name="rehearsal", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_S
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise EndpointError("rehearsal", "its server did not start on 127.0.0.1; is loopback available?")
            time.sleep(0.005)
        self.port = self._server.servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        """Stops serving; requests under way are cut. May be called twice."""
        if self._server is not None and self._thread is not None:
            self._server.should_exit = self._server.force_exit = True
            self._thread.join(timeout=5)

    def expect(self, session_id: str, seen: Iterable[CachedPrefix]) -> None:
        """Tells which cached prefixes the requests of a session can read: those of the turns before it."""
        self._seen[session_id] = set(seen)

    def written(self, session_id: str) -> Sequence[CachedPrefix]:
        """The prefixes that the session's requests wrote, and forgets the session."""
        self._seen.pop(session_id, None)
        owners = [key for key in self._own if key[0] == session_id]
        return sorted(set().union(*(self._own.pop(key) for key in owners)), key=lambda each: (each.prefix, each.life_s))

    async def _messages(self, request: Request) -> Response:
        ask = await self._read(request)
        times = self._times[ask.session_id, ask.digest()]
        self._times[ask.session_id, ask.digest()] += 1
        await asyncio.sleep(self._latency_s)
        fault = self._faults(ask, times) or Fault()
        if fault.status != 200:
            self.book.append(Booked(ask.session_id, ask.agent, "", ask.model, fault.status))
            headers = {} if fault.retry_after_s is None else {"retry-after": str(fault.retry_after_s)}
            return _error(fault.status, fault.message, headers)
        try:
            message = self._answer(ask, times)
        except Exception as error:  # a fault of ours: said at once, where a 500 would be asked again and again
            return _error(400, f"the rehearsal model cannot answer this: {error!r}")
        booked = Booked(ask.session_id, ask.agent, message["id"], ask.model, 200, message["usage"])
        self.book.append(booked)
        if ask.stream:
            return StreamingResponse(_served(message, booked, fault), media_type="text/event-stream")
        booked.complete = True
        return JSONResponse(message)

    async def _count_tokens(self, request: Request) -> Response:
        ask = await self._read(request)
        return JSONResponse({"input_tokens": tokens_in(sum(len(block.text) for block in ask.blocks))})

    async def _models(self, request: Request) -> Response:
        """A page of the models that have a price, by id."""
        self._check_token(request)
        try:
            return JSONResponse(model_list.page(request.query_params))
        except ValueError as error:
            return _error(400, str(error))

    async def _model(self, request: Request) -> Response:
        self._check_token(request)
        known = model_list.find(request.path_params["model_id"])
        if known is None:
            return _error(404, f"model: {request.path_params['model_id']}")
        return JSONResponse(known.model_dump(mode="json"))

    def _check_token(self, request: Request) -> None:
        """Raises HTTPException for who does not know the token. The CLI and the client have a header each."""
        given = request.headers.get("x-api-key") or request.headers.get("authorization", "").removeprefix("Bearer ")
        if not secrets.compare_digest(given.encode(), self.token.encode()):
            raise HTTPException(401, "invalid x-api-key")

    async def _read(self, request: Request) -> Ask:
        """The request. Raises HTTPException when it is not allowed, or no request."""
        self._check_token(request)
        try:
            return read_request(await request.json(), request.headers)
        except ValueError as error:
            raise HTTPException(400, f"the request cannot be read: {error}") from None

    def _answer(self, ask: Ask, times: int) -> dict[str, Any]:
        """The message as JSON, with what it costs. What it wrote to the cache is remembered for its own agent."""
        own = self._own.setdefault((ask.session_id, ask.agent_id), set())
        counted = count(ask.blocks, self._seen.get(ask.session_id, set()) | own, ask.model)
        own.update(counted.written)
        step = self._reply(ask, self.readers)
        uses = any(isinstance(block, model.ToolCall) for block in step)
        number = hashlib.sha256(f"{ask.session_id}/{ask.digest()}/{times}".encode()).hexdigest()
        return {
            "id": f"msg_{number[:24]}",
            "type": "message",
            "role": "assistant",
            "model": ask.model,
            "content": [_block(block) for block in step],
            "stop_reason": "tool_use" if uses else "end_turn",
            "stop_sequence": None,
            "usage": _usage(counted, step),
        }


def _block(block: model.TextReply | model.ToolCall) -> dict[str, Any]:
    if isinstance(block, model.ToolCall):
        return {"type": "tool_use", "id": block.id, "name": block.name, "input": block.input}
    return {"type": "text", "text": block.text}


def _usage(counted: Counted, step: model.Step) -> dict[str, Any]:
    said = sum(
        len(json.dumps(block.input, ensure_ascii=False)) + len(block.name)
        if isinstance(block, model.ToolCall)
        else len(block.text)
        for block in step
    )
    return {
        "input_tokens": counted.input_tokens,
        "output_tokens": tokens_in(said),
        "cache_read_input_tokens": counted.cache_read_tokens,
        "cache_creation_input_tokens": counted.cache_write_5m_tokens + counted.cache_write_1h_tokens,
        "cache_creation": {
            "ephemeral_5m_input_tokens": counted.cache_write_5m_tokens,
            "ephemeral_1h_input_tokens": counted.cache_write_1h_tokens,
        },
    }


async def _served(message: Mapping[str, Any], booked: Booked, fault: Fault) -> AsyncIterator[str]:
    """The message as server-sent events. It is booked as complete once the last event was taken."""
    for number, event in enumerate(events_of(message)):
        if fault.cut_after is not None and number >= fault.cut_after:
            await asyncio.sleep(CUT_S)
            raise ConnectionResetError("rehearsed cut")
        yield event
        await asyncio.sleep(0)  # a client that has gone is noticed here; writing on makes asyncio complain on stderr
    booked.complete = True


def _named(handler: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
    """The handler, with the request id in the header where clients look for it."""

    async def answer(*given: Any) -> Response:
        response = await handler(*given)
        response.headers["request-id"] = f"req_{secrets.token_hex(12)}"
        return response

    return answer


async def _no_such_path(request: Request, _error_met: HTTPException) -> Response:
    return _error(404, f"there is no {request.method} {request.url.path} here")


async def _refusal(_request: Request, refused: HTTPException) -> Response:
    return _error(refused.status_code, refused.detail)


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    """An error in the Messages API's shape."""
    kinds = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
             413: "request_too_large", 429: "rate_limit_error", 529: "overloaded_error"}  # fmt: skip
    body = {"type": "error", "error": {"type": kinds.get(status, "api_error"), "message": text}}
    return JSONResponse(body, status_code=status, headers=headers)
