"""The rehearsal server over real HTTP: who is let in, what is answered, and what its book says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from campaign_lab import Brief
from campaign_lab.agents.phases import builtin_phases
from campaign_lab.rehearsal.server.api_request import Ask
from campaign_lab.rehearsal.server.app import Fault, RehearsalServer
from campaign_lab.rehearsal.server.cache_accounting import CachedPrefix

MODEL = "claude-sonnet-4-5-20250929"
RESEARCH = builtin_phases()["research"].message(Brief(url="https://shop.example.org", market="CA"))
LONG = "x" * 8_000

Post = Callable[..., httpx.Response]
Faults = Callable[[Ask, int], Fault | None]


@pytest.fixture
def post() -> Iterator[Callable[[RehearsalServer], Post]]:
    """Makes a function that posts to a server with its token, as the session ``s1``."""
    with httpx.Client(trust_env=False, timeout=20) as client:

        def to(server: RehearsalServer) -> Post:
            def send(
                body: Any = None, *, path: str = "/v1/messages", session: str = "s1", agent: str = "", **headers: str
            ) -> httpx.Response:
                known = {"x-api-key": server.token, "x-claude-code-session-id": session}
                if agent:
                    known["x-claude-code-agent-id"] = agent
                content = body if isinstance(body, bytes) else json.dumps(body).encode()
                return client.post(f"http://127.0.0.1:{server.port}{path}", content=content, headers=known | headers)

            return send

        yield to


@pytest.fixture
def own(request: pytest.FixtureRequest) -> Iterator[RehearsalServer]:
    """A server of the test's own; its faults are the fixture's parameter."""
    server = RehearsalServer(faults=getattr(request, "param", None))
    server.start()
    yield server
    server.stop()


def ask(prompt: str = "What do they cost?", **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 1_000, "messages": [{"role": "user", "content": prompt}], **fields}


def streamed(response: httpx.Response) -> list[dict[str, Any]]:
    """The data of the events in a streamed answer."""
    lines = response.text.splitlines()
    return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]


def rebuilt(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The content that the events add up to."""
    content: list[dict[str, Any]] = []
    for event in events:
        if event["type"] == "content_block_start":
            content.append({**event["content_block"], "json": ""})
        elif event["type"] == "content_block_delta" and event["delta"]["type"] == "text_delta":
            content[-1]["text"] += event["delta"]["text"]
        elif event["type"] == "content_block_delta":
            content[-1]["json"] += event["delta"]["partial_json"]
    for block in content:
        given = block.pop("json")
        if block["type"] == "tool_use":
            block["input"] = json.loads(given)
    return content


@pytest.mark.parametrize("token", ["", "wrong", "é"])
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_without_its_token_nobody_is_answered(server: RehearsalServer, token: str, path: str) -> None:
    """Others on this machine can reach the port, so they must know the token. Nothing is booked."""
    booked = len(server.book)
    url = f"http://127.0.0.1:{server.port}{path}"
    answer = httpx.post(url, json=ask(), headers=[(b"x-api-key", token.encode())], trust_env=False)
    assert answer.status_code == 401
    assert answer.json()["error"]["type"] == "authentication_error"
    assert len(server.book) == booked


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[]", b"null", {}, {"model": MODEL}, {"model": MODEL, "messages": ["go"]}]
)
@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
def test_a_malformed_request_is_told_what_is_wrong(server: RehearsalServer, post: Any, body: Any, path: str) -> None:
    """In the shape of the API's errors, never a 500."""
    answer = post(server)(body, path=path)
    assert answer.status_code == 400
    assert answer.json()["type"] == "error"
    assert answer.json()["error"]["type"] == "invalid_request_error"
    assert "the request cannot be read" in answer.json()["error"]["message"]


@pytest.mark.parametrize(("method", "path"), [("POST", "/v1/complete"), ("GET", "/"), ("GET", "/v1/messages")])
def test_another_path_is_not_there(server: RehearsalServer, method: str, path: str) -> None:
    """Nor is a known one under another method; the error has the shape of the API."""
    url = f"http://127.0.0.1:{server.port}{path}"
    answer = httpx.request(method, url, headers={"x-api-key": server.token}, trust_env=False)
    assert answer.status_code == 404
    assert answer.json()["error"]["type"] == "not_found_error"


@pytest.mark.parametrize("prompt", ["What do they cost?", RESEARCH])
def test_streamed_or_not_the_content_is_the_same(own: RehearsalServer, post: Any, prompt: str) -> None:
    """Texts, tool calls with their ids and inputs, and the reason to stop."""
    plain = post(own)(ask(prompt)).json()
    response = post(own)(ask(prompt, stream=True))
    events = streamed(response)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert rebuilt(events) == plain["content"]
    assert events[-2]["delta"]["stop_reason"] == plain["stop_reason"]
    assert events[-2]["usage"]["output_tokens"] == plain["usage"]["output_tokens"] > 0
    assert {block["type"] for block in plain["content"]} == ({"text"} if prompt != RESEARCH else {"text", "tool_use"})


def test_the_same_request_twice_is_answered_alike_under_another_id(own: RehearsalServer, post: Any) -> None:
    """Same content and calls; but each is a request of its own in the ledger."""
    one, two = (post(own)(ask(RESEARCH)).json() for _ in range(2))
    assert one["content"] == two["content"]
    assert one["id"] != two["id"]
    assert {one["id"], two["id"]} == {booked.message_id for booked in own.book}


def test_another_server_gives_the_same_answer_under_the_same_id(own: RehearsalServer, post: Any) -> None:
    """Nothing of the process, the port or the time is in an answer."""
    other = RehearsalServer()
    other.start()
    try:
        assert post(own)(ask(RESEARCH)).json() == post(other)(ask(RESEARCH)).json()
    finally:
        other.stop()


def test_tokens_are_counted_as_they_are_charged(own: RehearsalServer, post: Any) -> None:
    """What count_tokens says is what the request then costs; counting is not booked."""
    body = ask(LONG, system="Be plain.", tools=[{"name": "fetch", "input_schema": {}}])
    counted = post(own)(body, path="/v1/messages/count_tokens").json()
    assert own.book == []
    assert counted == {"input_tokens": post(own)(body).json()["usage"]["input_tokens"]}
    assert counted["input_tokens"] > 2_000


def test_the_cache_is_read_by_the_same_agent_and_no_other(own: RehearsalServer, post: Any) -> None:
    """What an agent wrote, it reads in its next request; another agent or session does not."""
    marked = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    body = ask("go", system=marked)
    usages = [
        post(own)(body, session=session, agent=agent).json()["usage"]
        for session, agent in (("s1", ""), ("s1", ""), ("s1", "a1"), ("s2", ""))
    ]
    assert [usage["cache_read_input_tokens"] for usage in usages] == [0, 2_000, 0, 0]
    assert [usage["cache_creation_input_tokens"] for usage in usages] == [2_000, 0, 2_000, 2_000]
    assert usages[0]["cache_creation"] == {"ephemeral_5m_input_tokens": 2_000, "ephemeral_1h_input_tokens": 0}


def test_a_later_turn_reads_what_the_turns_before_it_wrote(own: RehearsalServer, post: Any) -> None:
    """The lab hands on what a session wrote; then the session is forgotten."""
    body = ask("go", system=[{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": "1h"}}])
    post(own)(body, session="turn-1")
    written = own.written("turn-1")
    assert [(type(each), each.tokens, each.life_s) for each in written] == [(CachedPrefix, 2_000, 3600)]
    assert own.written("turn-1") == []
    own.expect("turn-2", written)
    assert post(own)(body, session="turn-2").json()["usage"]["cache_read_input_tokens"] == 2_000


def fail_first(_ask: Ask, times: int) -> Fault | None:
    """Overloaded at the first try of each request."""
    return Fault(status=529, retry_after_s=0.5) if times == 0 else None


def cut_first(_ask: Ask, times: int) -> Fault | None:
    """Breaks off the first try of each request after three events."""
    return Fault(cut_after=3) if times == 0 else None


@pytest.mark.parametrize("own", [fail_first], indirect=True)
def test_a_rehearsed_failure_is_an_error_of_the_api_and_booked_without_usage(own: RehearsalServer, post: Any) -> None:
    """The next try of the same request is answered; another request fails first again."""
    failed = post(own)(ask())
    assert (failed.status_code, failed.headers["retry-after"]) == (529, "0.5")
    assert failed.json()["error"]["type"] == "overloaded_error"
    assert post(own)(ask()).status_code == 200
    assert post(own)(ask("Who are they?")).status_code == 529
    assert [(booked.status, bool(booked.usage), booked.complete) for booked in own.book] == [
        (529, False, False),
        (200, True, True),
        (529, False, False),
    ]


@pytest.mark.parametrize("own", [cut_first], indirect=True)
def test_a_cut_stream_is_booked_as_not_complete(own: RehearsalServer, post: Any) -> None:
    """It has a usage, for the service charges it; but its last byte was never sent."""
    with pytest.raises(httpx.RemoteProtocolError):
        post(own)(ask(RESEARCH, stream=True))
    assert len(streamed(post(own)(ask(RESEARCH, stream=True)))) > 3
    assert [(booked.complete, bool(booked.usage)) for booked in own.book] == [(False, True), (True, True)]
    assert own.book[0].message_id != own.book[1].message_id


def test_the_book_says_who_asked_for_what(own: RehearsalServer, post: Any) -> None:
    """Session, agent, model, id and usage of each request, in the order of serving."""
    system = "# slogan-writer\n\nYou write."
    answers = [
        post(own)(ask(), session="s1").json(),
        post(own)(ask(system=system, stream=True), session="s2", agent="a9"),
    ]
    first, second = own.book
    assert (first.session_id, first.agent, first.model, first.status) == ("s1", "", MODEL, 200)
    assert (first.message_id, first.usage) == (answers[0]["id"], answers[0]["usage"])
    assert (second.session_id, second.agent) == ("s2", "slogan-writer")
    assert second.message_id == streamed(answers[1])[0]["message"]["id"]
    assert first.complete
    assert second.complete


def test_a_stopped_server_answers_nobody_and_may_be_stopped_again(post: Any) -> None:
    """Its port is free when stop returns."""
    server = RehearsalServer()
    server.start()
    assert post(server)(ask()).status_code == 200
    server.stop()
    server.stop()
    with pytest.raises(httpx.ConnectError):
        post(server)(ask())


def test_a_server_listens_on_loopback_only(own: RehearsalServer) -> None:
    """Nobody on the network can reach it."""
    addresses = [sock.getsockname()[0] for each in own._server.servers for sock in each.sockets]
    assert addresses == ["127.0.0.1"]
