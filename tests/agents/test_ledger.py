"""The ledger: each request once, whatever the entries repeat, and what was cut is not forgotten."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.agents.ledger import UNLISTED, Ledger
from campaign_lab.agents.prices import TokenUsage
from campaign_lab.money import NOTHING, Sum

SONNET = "claude-sonnet-4-5-20250929"
SUB = "subagents/agent-a1"


def user(text: str = "go") -> dict[str, Any]:
    return {"type": "user", "message": {"role": "user", "content": text}}


def assistant(message_id: str, *, tokens: int = 100, model: str = SONNET) -> dict[str, Any]:
    usage = {"input_tokens": tokens, "output_tokens": 10}
    return {"type": "assistant", "message": {"id": message_id, "model": model, "usage": usage, "content": []}}


def metadata(agent: str, call: str) -> dict[str, Any]:
    return {"type": "agent_metadata", "agentType": agent, "toolUseId": call}


def broke_off(uuid: str, code: str | None = "ECONNRESET") -> dict[str, Any]:
    return {"type": "system", "subtype": "api_error", "uuid": uuid, "error": {"connection": {"code": code}}}


def test_a_request_with_several_entries_is_booked_once() -> None:
    """The CLI writes one entry a content block, each with the same usage."""
    ledger = Ledger()
    new = ledger.read("", [user(), assistant("m1"), assistant("m1"), assistant("m1")])
    assert [request.message_id for request in new] == ["m1"]
    assert [request.usage for request in ledger.requests()] == [TokenUsage(100, 10)]


@given(st.lists(st.tuples(st.sampled_from(["", SUB, "subagents/agent-b2"]), st.integers(0, 4)), max_size=30))
def test_usage_is_counted_once_a_conversation_and_message(arrived: list[tuple[str, int]]) -> None:
    """In any order and however often repeated: one request for each (conversation, message id)."""
    ledger = Ledger()
    new = [request for subpath, n in arrived for request in ledger.read(subpath, [assistant(f"m{n}", tokens=100 + n)])]
    assert {(each.subpath, each.message_id) for each in ledger.requests()} == {(path, f"m{n}") for path, n in arrived}
    assert len(new) == len(ledger.requests()) == len(set(arrived))
    assert all(each.usage.input_tokens == 100 + int(each.message_id[1:]) for each in ledger.requests())


def test_the_final_count_of_a_message_holds() -> None:
    """The first entry of a streamed message may carry a provisional count; the last one is billed."""
    ledger = Ledger()
    ledger.read("", [assistant("m1", tokens=1), assistant("m1", tokens=900)])
    assert [request.usage.input_tokens for request in ledger.requests()] == [900]


def test_the_clis_own_notes_are_no_requests() -> None:
    """Synthetic messages cost nothing and are not booked."""
    ledger = Ledger()
    assert ledger.read("", [assistant("m1", model="<synthetic>"), {"type": "summary"}, {}]) == []
    assert ledger.requests() == []


@pytest.mark.parametrize(
    "message",
    [
        {"id": "m2", "model": SONNET},
        {"model": SONNET, "usage": {"input_tokens": 5}},
        {"id": "m2", "usage": {"input_tokens": -1, "output_tokens": 1e30}},
        {"id": None, "model": 7, "usage": "much"},
        "not even a message",
        None,
    ],
)
def test_what_was_served_is_a_row_with_unknown_where_nothing_usable_was_said(message: Any) -> None:
    """Booked once, without a price, whatever it is; and no price is 0."""
    ledger = Ledger()
    ledger.read("", [user(), {"type": "assistant", "uuid": "u1", "message": message}])
    (request,) = ledger.requests()
    assert (request.cost_usd, ledger.cost) == (None, Sum(0.0, 1))


def chained(message_id: str, uuid: str, parent: str, **more: Any) -> dict[str, Any]:
    """An assistant entry as the CLI writes it, below another one."""
    return assistant(message_id) | {"uuid": uuid, "parentUuid": parent} | more


def test_responses_of_one_message_id_are_rows_of_their_own() -> None:
    """Some gateways give all messages one id: what stands below a user's entry is another response, a block below it is not."""
    ledger = Ledger()
    first = [user() | {"uuid": "u1"}, chained("m", "a1", "u1"), chained("m", "a2", "a1")]
    second = [user("result") | {"uuid": "u2"}, chained("m", "a3", "u2"), chained("m", "a4", "a3")]
    for batch in (first, first, second, second[1:]):  # the SDK repeats a batch when in doubt
        ledger.read("", batch)
    assert len(ledger.requests()) == 2
    asked = [chained("m", "b1", "u1", requestId="r1"), chained("m", "b2", "elsewhere", requestId="r1")]
    ledger.read(SUB, [*asked, chained("m", "b3", "b2", requestId="r2")])
    assert len(ledger.requests()) == 4


def total(**counts: int) -> dict[str, int]:
    """The CLI's own total for a model."""
    names = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")
    return dict.fromkeys((*names, "cacheCreationEphemeral1hInputTokens"), 0) | counts


def test_what_the_cli_counted_and_wrote_down_nowhere_is_a_row() -> None:
    """An empty answer leaves no entry, but the CLI's total tells of it."""
    ledger = Ledger()
    ledger.read("", [user(), assistant("m1", tokens=1_000)])
    ledger.reported = {SONNET: total(inputTokens=1_000, outputTokens=10)}
    assert ledger.unlisted(SONNET) == []
    ledger.reported = {SONNET: total(inputTokens=3_000, outputTokens=10, cacheCreationInputTokens=500)}
    (rest,) = ledger.unlisted(SONNET)
    assert rest.usage == TokenUsage(2_000, 0, 0, 500, 0)
    assert rest.cost_usd == pytest.approx((2_000 * 3 + 500 * 3.75) / 1e6)
    assert (rest.agent, rest.complete) == (UNLISTED, True)


def test_a_total_that_cannot_be_compared_makes_no_row() -> None:
    """Where a count is unknown, or the CLI does not tell its writes apart, nobody knows whether something is missing."""
    ledger = Ledger()
    ledger.read("", [user(), assistant("m1", tokens=1_000)])
    ledger.reported = {SONNET: {"inputTokens": 9_000, "outputTokens": 10}}
    assert ledger.unlisted(SONNET) == []
    ledger.reported = {SONNET: total(inputTokens=9_000, outputTokens=10)}
    ledger.read(SUB, [{"type": "assistant", "message": {"id": "m2", "model": SONNET}}])
    assert ledger.unlisted(SONNET) == []


def test_an_agent_with_another_model_is_named() -> None:
    """The one that was ordered, or that answers the main agent, is no other; nor is an alias of its own."""
    ledger = Ledger()
    ledger.read("", [assistant("m1")])
    for n, model in enumerate((SONNET, "claude-haiku-5-5", "claude-opus-5-5")):
        ledger.read(f"{SUB}{n}", [metadata(f"agent-{n}", "toolu_7") | {"model": model}])
    assert ledger.strangers("another", {}) == ["agent-1 with claude-haiku-5-5", "agent-2 with claude-opus-5-5"]
    assert ledger.strangers(SONNET, {"agent-1": "haiku", "agent-2": "claude-opus-5-5"}) == []
    assert ledger.strangers(SONNET, {"agent-0": "opus"}) != []


def test_a_request_is_booked_to_the_agent_that_made_it() -> None:
    """Also when the note of who it is comes after its first message."""
    ledger = Ledger()
    ledger.read("", [assistant("m1")])
    ledger.read(SUB, [assistant("m2"), metadata("copy-creator", "toolu_7")])
    assert [(request.subpath, request.agent) for request in ledger.requests()] == [("", ""), (SUB, "copy-creator")]
    assert ledger.calls == {SUB: "toolu_7"}


def test_cut_conversations_are_those_that_still_wait() -> None:
    """Stopped in the middle: each conversation whose last word was not the model's is one cut request."""
    ledger = Ledger()
    ledger.read("", [user(), assistant("m1")])
    ledger.read(SUB, [metadata("copy-creator", "toolu_7"), user(), assistant("m2"), user("tool result")])
    (cut,) = ledger.cut(SONNET, stopped=True)
    assert (cut.subpath, cut.agent, cut.complete, cut.cost_usd, cut.usage) == (
        SUB,
        "copy-creator",
        False,
        None,
        TokenUsage(),
    )
    assert ledger.cut(SONNET, stopped=False) == []


def test_a_connection_that_broke_is_a_cut_request_even_when_the_turn_went_on() -> None:
    """It was asked again and answered, but the first one was paid for; noted twice it is booked once."""
    ledger = Ledger()
    ledger.read("", [user(), broke_off("u1"), broke_off("u1"), broke_off("u2"), assistant("m1")])
    assert [request.message_id for request in ledger.cut(SONNET, stopped=False)] == ["u1", "u2"]


@pytest.mark.parametrize("code", [None, "ECONNREFUSED"])
def test_a_request_that_was_never_taken_is_not_booked(code: str | None) -> None:
    """An error status, or a connection that was refused, costs nothing."""
    ledger = Ledger()
    ledger.read("", [user(), broke_off("u1", code), assistant("m1")])
    assert ledger.cut(SONNET, stopped=False) == []


def test_an_unknown_price_is_counted_beside_the_sum() -> None:
    """Never as 0, and the part that is known stays."""
    ledger = Ledger()
    assert ledger.cost == NOTHING
    ledger.read("", [assistant("m1", tokens=1_000)])
    assert ledger.cost.whole == pytest.approx(0.003 + 0.00015)
    ledger.read(SUB, [assistant("m2", model="llama3.2")])
    assert [request.cost_usd is None for request in ledger.requests()] == [False, True]
    assert ledger.cost == Sum(0.00315, 1)
