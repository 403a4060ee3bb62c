"""The vendor's own client against the rehearsal endpoint: what works live works here, and fails in the same way."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from typing import Any

import anthropic
import pytest
from anthropic.types import ToolUseBlock
from pydantic import BaseModel

from campaign_lab.rehearsal.server.app import Fault, RehearsalServer

SONNET = "claude-sonnet-4-6"
AGENT = "brand-intelligence-analyst"
TASK = f'Research this.\n\n```json\n{{"agents": ["{AGENT}"], "url": "https://termwick.example/"}}\n```'
REPORT = {
    "kind": "brand_profile",
    "records": [{"name": "Termwick", "promise": {"text": "Renewals in nine minutes", "evidence": [
        {"quote": "Your mortgage renewal takes nine minutes", "url": "https://termwick.example/"}]}}],
}  # fmt: skip
AGENT_TOOL: Any = {
    "name": "Agent", "description": "Starts an agent",
    "input_schema": {"type": "object", "properties": {"prompt": {"type": "string"}}},
}  # fmt: skip


def _ask(text: str = "How long does a renewal take?") -> dict[str, Any]:
    return {"model": SONNET, "max_tokens": 500, "messages": [{"role": "user", "content": text}]}


@pytest.fixture
def client(server: RehearsalServer) -> Iterator[anthropic.Anthropic]:
    """The client as its documentation sets it up, without retries."""
    with anthropic.Anthropic(base_url=f"http://127.0.0.1:{server.port}", api_key=server.token, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def failing() -> Iterator[Callable[[Fault], anthropic.Anthropic]]:
    """Clients of a server that fails each message as told last."""
    told: list[Fault] = []
    server = RehearsalServer(faults=lambda _ask, _times: told[-1])
    server.start()

    def connect(fault: Fault) -> anthropic.Anthropic:
        told.append(fault)
        return anthropic.Anthropic(base_url=f"http://127.0.0.1:{server.port}", api_key=server.token, max_retries=0)

    yield connect
    server.stop()


def test_a_message_comes_back_whole(client: anthropic.Anthropic) -> None:
    """A plain request gets a message with text, the asked model, an end and its tokens."""
    message = client.messages.create(**_ask())
    assert message.role == "assistant"
    assert message.model == SONNET
    assert message.stop_reason == "end_turn"
    assert message.content[0].type == "text"
    assert message.content[0].text
    assert message.usage.output_tokens > 0
    assert message._request_id is not None
    assert message._request_id.startswith("req_")


def test_a_stream_is_the_same_message_in_pieces(client: anthropic.Anthropic) -> None:
    """The pieces joined are the text of the whole, and the final usage is the one of the answer in one piece."""
    whole = client.messages.create(**_ask())
    with client.messages.stream(**_ask()) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert "".join(pieces) == final.content[0].text == whole.content[0].text  # type: ignore[union-attr]
    assert final.usage.output_tokens == whole.usage.output_tokens
    assert final.stop_reason == "end_turn"


def strangers(part: Any) -> list[str]:
    """The fields of a part of an answer, and of what it holds, that the client's types do not know."""
    if isinstance(part, list):
        return [name for each in part for name in strangers(each)]
    if not isinstance(part, BaseModel):
        return []
    return [
        *(part.model_extra or {}),
        *(name for field in type(part).model_fields for name in strangers(getattr(part, field))),
    ]


@pytest.mark.parametrize("streamed", [False, True])
def test_every_field_is_one_that_the_api_has(client: anthropic.Anthropic, streamed: bool) -> None:
    """Whole or streamed, a text or a call of a tool: the types of the client take the answer, and know each field of it."""
    for ask in (_ask(), {**_ask(TASK), "tools": [AGENT_TOOL]}):
        events = list(client.messages.create(**ask, stream=True)) if streamed else [client.messages.create(**ask)]
        for part in events:
            type(part).model_validate(part.model_dump(mode="json"), strict=True)
            assert strangers(part) == []


def test_the_asynchronous_client_works_alike(server: RehearsalServer, client: anthropic.Anthropic) -> None:
    """Whole and streamed, several at once, with the answer that the other client gets."""
    whole = client.messages.create(**_ask()).content

    async def ask() -> list[Any]:
        async with anthropic.AsyncAnthropic(
            base_url=f"http://127.0.0.1:{server.port}", api_key=server.token, max_retries=0
        ) as other:

            async def streamed() -> Any:
                async with other.messages.stream(**_ask()) as stream:
                    return await stream.get_final_message()

            return list(
                await asyncio.gather(other.messages.create(**_ask()), streamed(), other.messages.create(**_ask()))
            )

    for message in asyncio.run(ask()):
        assert message.content[0].text == whole[0].text  # type: ignore[union-attr]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_tool_is_called_and_its_result_is_used(client: anthropic.Anthropic, streamed: bool) -> None:
    """A task ends in a tool call with its input as an object; what the tool gave back answers the next question."""
    asked: dict[str, Any] = {**_ask(TASK), "tools": [AGENT_TOOL]}
    if streamed:
        with client.messages.stream(**asked) as stream:
            message = stream.get_final_message()
    else:
        message = client.messages.create(**asked)
    assert message.stop_reason == "tool_use"
    (use,) = [block for block in message.content if isinstance(block, ToolUseBlock)]
    assert use.name == "Agent"
    assert isinstance(use.input, dict)
    assert use.input["subagent_type"] == AGENT

    result: Any = {"type": "tool_result", "tool_use_id": use.id, "content": json.dumps(REPORT)}
    talk: Any = [
        *asked["messages"],
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in message.content]},
        {"role": "user", "content": [result]},
    ]
    summed_up = client.messages.create(**{**asked, "messages": talk})
    assert "1 brand profile" in summed_up.content[0].text  # type: ignore[union-attr]
    talk += [
        {"role": "assistant", "content": summed_up.content[0].text},  # type: ignore[union-attr]
        {"role": "user", "content": "How long does the mortgage renewal take?"},
    ]
    answer = client.messages.create(**{**asked, "messages": talk})
    assert "Your mortgage renewal takes nine minutes" in answer.content[0].text  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (413, anthropic.RequestTooLargeError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (529, anthropic.OverloadedError),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_an_error_is_the_clients_own_class(
    failing: Callable[[Fault], anthropic.Anthropic], status: int, error: type[anthropic.APIStatusError], streamed: bool
) -> None:
    """Each status raises the exception that it raises live, with the type in its body and a request id."""
    with pytest.raises(error) as caught, failing(Fault(status, message="as rehearsed")) as client:
        client.messages.create(**_ask(), stream=streamed)
    assert caught.value.status_code == status
    body = caught.value.body
    assert isinstance(body, dict)
    assert body["error"]["message"] == "as rehearsed"
    kinds = {
        400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error",
        413: "request_too_large", 429: "rate_limit_error", 500: "api_error", 529: "overloaded_error",
    }  # fmt: skip
    assert body["error"]["type"] == kinds[status]
    assert caught.value.request_id is not None


def test_a_wrong_key_is_refused_everywhere(server: RehearsalServer) -> None:
    """Messages, token counts and models alike ask for the token."""
    with anthropic.Anthropic(base_url=f"http://127.0.0.1:{server.port}", api_key="wrong", max_retries=0) as client:
        calls: list[Callable[[], object]] = [
            lambda: client.messages.create(**_ask()),
            lambda: client.messages.count_tokens(model=SONNET, messages=[{"role": "user", "content": "x"}]),
            client.models.list,
            lambda: client.models.retrieve(SONNET),
        ]
        for call in calls:
            with pytest.raises(anthropic.AuthenticationError):
                call()


def test_what_cannot_be_read_is_a_bad_request(client: anthropic.Anthropic) -> None:
    """A message without a model says what is missing."""
    with pytest.raises(anthropic.BadRequestError, match="model and messages are required"):
        client.post("/v1/messages", body={"messages": []}, cast_to=object)


def test_an_unknown_path_is_not_found(client: anthropic.Anthropic) -> None:
    """It has the shape of every other error."""
    with pytest.raises(anthropic.NotFoundError) as caught:
        client.get("/v1/files", cast_to=object)
    assert isinstance(caught.value.body, dict)
    assert caught.value.body["error"]["type"] == "not_found_error"


def test_an_overloaded_server_is_asked_again_by_the_client(server: RehearsalServer) -> None:
    """The client's own retries work: the second try answers."""
    busy = RehearsalServer(faults=lambda _ask, times: None if times else Fault(529, retry_after_s=0.01))
    busy.start()
    try:
        with anthropic.Anthropic(base_url=f"http://127.0.0.1:{busy.port}", api_key=busy.token, max_retries=1) as client:
            assert client.messages.create(**_ask()).stop_reason == "end_turn"
        assert [booked.status for booked in busy.book] == [529, 200]
    finally:
        busy.stop()


def test_counted_tokens_are_the_charged_ones(client: anthropic.Anthropic) -> None:
    """What count_tokens says before is what the message is charged after, tools and system included."""
    prompt: Any = {"model": SONNET, "messages": _ask()["messages"], "system": "You advise.", "tools": [AGENT_TOOL]}
    counted = client.messages.count_tokens(**prompt)
    charged = client.messages.create(**prompt, max_tokens=500).usage
    read, written = charged.cache_read_input_tokens or 0, charged.cache_creation_input_tokens or 0
    assert counted.input_tokens == charged.input_tokens + read + written


def test_models_are_listed_page_by_page(client: anthropic.Anthropic) -> None:
    """The client pages through all of them, each once, and each can be fetched by its id."""
    listed = list(client.models.list(limit=5))
    ids = [model.id for model in listed]
    assert len(ids) == len(set(ids)) > 5
    assert SONNET in ids
    found = client.models.retrieve(SONNET)
    assert found == listed[ids.index(SONNET)]
    assert found.type == "model"
    assert found.display_name
    assert found.lifecycle == "active"
    assert found.max_input_tokens == 1_000_000


def test_pages_go_backwards_too(client: anthropic.Anthropic) -> None:
    """The page before a model holds its neighbours, in the order of the list."""
    ids = [model.id for model in client.models.list(limit=1_000)]
    back = client.models.list(before_id=ids[4], limit=2)
    assert [model.id for model in back.data] == ids[2:4]
    assert back.has_more


def test_a_dated_id_is_a_model(client: anthropic.Anthropic) -> None:
    """It is found under that very id, and says that it is on its way out."""
    found = client.models.retrieve("claude-sonnet-4-5-20250929")
    assert found.id == "claude-sonnet-4-5-20250929"
    assert found.lifecycle == "deprecated"


def test_an_unknown_model_is_not_found(client: anthropic.Anthropic) -> None:
    """And the error names it."""
    with pytest.raises(anthropic.NotFoundError, match="no-such-model"):
        client.models.retrieve("no-such-model")


@pytest.mark.parametrize("limit", [0, -1, 1_001])
def test_a_page_of_an_odd_size_is_refused(client: anthropic.Anthropic, limit: int) -> None:
    """The error says what is allowed."""
    with pytest.raises(anthropic.BadRequestError, match="from 1 to 1000"):
        client.models.list(limit=limit)
