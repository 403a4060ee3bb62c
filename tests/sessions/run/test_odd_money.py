"""What an endpoint says of money, ids and characters is hostile: what was served is a row, and no paid turn is lost for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.agents import sdk_options as sent
from campaign_lab.agents.ledger import UNLISTED
from campaign_lab.errors import TurnFailed
from campaign_lab.money import Sum
from campaign_lab.rehearsal import model
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.model import ToolCall
from campaign_lab.rehearsal.server.app import Fault
from campaign_lab.store import queries
from campaign_lab.store.rows import AttemptRow, RequestRow, TurnRow
from support.web.odd_api import Change, OddServer, with_usage

pytestmark = pytest.mark.usefixtures("process", "slow")
BRAND = "brand-intelligence-analyst"
PRICES = {"input": 2.0, "output": 10.0, "read": 0.1, "short": 2.5, "long": 4.0}
"""US dollars a million tokens, written down here and not taken from the code under test."""
OddLab = Callable[..., Lab]


@pytest.fixture
def odd_lab(tmp_path: Path) -> Iterator[OddLab]:
    """Opens a lab whose endpoint answers as rehearsal does, but for what ``change`` makes of it."""
    started: list[tuple[Lab, OddServer]] = []

    def opened(change: Change, **options: Any) -> Lab:
        server = OddServer(change, **options)
        server.start()
        lab = Lab(tmp_path / "lab.duckdb", user="ana", endpoint=RehearsalEndpoint(server), on_miss="run")
        started.append((lab, server))
        return lab

    yield opened
    for lab, server in started:
        lab.close()
        server.stop()


def rows(lab: Lab, table: type, rest: str = "") -> list[Any]:
    return lab._context.engine.call(lambda con: queries.select(con, table, rest))


def book(lab: Lab) -> list[Any]:
    return lab._context.endpoint.server.book  # type: ignore[attr-defined]


def dollars(usage: dict[str, Any]) -> float:
    """What a served request costs by the server's own book."""
    counts = {
        "input": usage["input_tokens"], "output": usage["output_tokens"], "read": usage["cache_read_input_tokens"],
        "short": usage["cache_creation"]["ephemeral_5m_input_tokens"],
        "long": usage["cache_creation"]["ephemeral_1h_input_tokens"],
    }  # fmt: skip
    return sum(PRICES[kind] * count for kind, count in counts.items()) / 1e6


def last_of(agent: str, ask: Any) -> bool:
    """Is it the agent's last request, when all its tools were called?"""
    return ask.agent == agent and any(call.name.endswith("save_records") for call in ask.calls)


@pytest.mark.parametrize(
    "said",
    [None, {"input_tokens": 1e30, "output_tokens": 5}, {"input_tokens": -7, "output_tokens": 5}, {"input_tokens": "9"}],
)
def test_usage_that_cannot_be_is_unknown_and_stops_nothing(said: Any, odd_lab: OddLab, termwick: Brief) -> None:
    """The turn is kept and replays, each request is a row, and those without usable usage have no price, never 0."""
    lab = odd_lab(lambda ask, event: with_usage(event, said) if last_of(BRAND, ask) else event)
    session = lab.session(termwick)
    turn = lab.run_sync(session.run("research"))
    booked = rows(lab, RequestRow)
    (odd,) = (row for row in booked if row.cost_usd is None)
    assert len(booked) == len(book(lab))
    assert odd.agent == BRAND
    assert None in (odd.input_tokens, odd.output_tokens)
    (unpriced,) = (each for each in book(lab) if each.message_id == odd.message_id)
    known = sum(dollars(each.usage) for each in book(lab) if each is not unpriced)
    assert turn.receipt.cost == Sum(known, 1)
    assert lab.run_sync(lab.open("main", from_start=True).run("research")).replayed
    assert session.verify() == []


def test_responses_of_one_message_id_are_all_booked(odd_lab: OddLab, termwick: Brief) -> None:
    """A gateway that gives every message the same id: as many rows as requests, and the whole price."""

    def one_id(_ask: Any, event: dict[str, Any]) -> dict[str, Any]:
        return event | {"message": {**event["message"], "id": "msg_1"}} if event["type"] == "message_start" else event

    lab = odd_lab(one_id)
    turn = lab.run_sync(lab.session(termwick).run("research"))
    assert len(rows(lab, RequestRow)) == len(book(lab))
    assert turn.receipt.cost == Sum(sum(dollars(each.usage) for each in book(lab)))


@pytest.mark.parametrize("stop", ["end_turn", "refusal"])
def test_an_empty_answer_that_was_charged_is_booked(stop: str, odd_lab: OddLab, termwick: Brief) -> None:
    """No content, or a refusal: the CLI writes no entry for it, but it is paid for, and so it is in the ledger."""

    def nothing(ask: Any, event: dict[str, Any]) -> dict[str, Any] | None:
        if not last_of(BRAND, ask):
            return event
        if event["type"] == "message_delta":
            return event | {"delta": {**event["delta"], "stop_reason": stop}}
        return None if event["type"].startswith("content_block") else event

    lab, spent = odd_lab(nothing), None
    try:
        spent = lab.run_sync(lab.session(termwick).run("research")).receipt.cost
    except TurnFailed as failed:
        spent = failed.spent
    served = sum(dollars(each.usage) for each in book(lab))
    assert sum(row.cost_usd or 0 for row in rows(lab, RequestRow)) == pytest.approx(served, abs=1e-6)
    assert [row.agent for row in rows(lab, RequestRow) if row.message_id == UNLISTED] == [UNLISTED]
    (attempt,) = rows(lab, AttemptRow)
    assert attempt.cost_usd == pytest.approx(served, abs=1e-6)
    assert spent == Sum(attempt.cost_usd)


def test_a_stream_of_an_agent_that_broke_off_is_booked(odd_lab: OddLab, termwick: Brief) -> None:
    """It was asked again and answered; what the endpoint had said of the first one is paid all the same."""
    lab = odd_lab(
        lambda _ask, event: event,
        faults=lambda ask, times: Fault(cut_after=3) if ask.agent == BRAND and not (times or ask.calls) else None,
    )
    lab.run_sync(lab.session(termwick).run("research"))
    (cut,) = (each for each in book(lab) if not each.complete)
    (row,) = (row for row in rows(lab, RequestRow) if row.message_id == UNLISTED)
    assert row.cache_write_5m_tokens == cut.usage["cache_creation"]["ephemeral_5m_input_tokens"]
    assert row.cost_usd


def test_half_an_emoji_loses_no_paid_turn_and_no_key_is_kept(odd_lab: OddLab, termwick: Brief) -> None:
    """In the main agent's last text, in what is missing and in a record: cleaned, stored, and replayed."""

    def odd(text: str) -> str:
        return f"{text} \ud83d \x00 {lab._context.endpoint.env()['ANTHROPIC_API_KEY']}"

    def reply(ask: Any, readers: Any) -> Any:
        step = model.reply(ask, readers)
        for block in step:
            if isinstance(block, ToolCall) and block.name.endswith("save_records"):
                block.input["missing"] = [odd("nothing said")]
                block.input["records"][0]["name"] = odd("Termwick")
        return step

    def change(ask: Any, event: dict[str, Any]) -> dict[str, Any]:
        if not ask.agent and ask.calls and event["type"] == "content_block_delta" and "text" in event["delta"]:
            return event | {"delta": {**event["delta"], "text": odd(event["delta"]["text"])}}
        return event

    lab = odd_lab(change, reply=reply)
    session = lab.session(termwick)
    turn = lab.run_sync(session.run("research"))
    assert turn.answer.endswith(" \ufffd \ufffd [key]")
    assert turn.missing == ("nothing said \ufffd \ufffd [key]",)
    again = lab.run_sync(lab.open("main", from_start=True).run("research"))
    assert again.replayed
    assert again.answer == turn.answer
    key = lab._context.endpoint.env()["ANTHROPIC_API_KEY"]
    stored = lab._context.engine.call(
        lambda con: [
            con.execute(f"SELECT * FROM {name}").fetchall() for name in ("turns", "records", "entries", "requests")
        ]
    )
    assert key not in str(stored)
    str(stored).encode()


def calls_with(**more: Any) -> Callable[[Any, Any], Any]:
    """A model that passes more than it may when it calls an agent."""

    def reply(ask: Any, readers: Any) -> Any:
        step = model.reply(ask, readers)
        for block in step:
            if isinstance(block, ToolCall) and block.name == "Agent":
                block.input.update(more)
        return step

    return reply


def test_a_model_cannot_choose_its_agents_model_or_place(odd_lab: OddLab, termwick: Brief) -> None:
    """It asks for another model, a worktree and what else there is; every request is answered by the one that was ordered."""
    lab = odd_lab(
        lambda _ask, event: event, reply=calls_with(model="haiku", isolation="worktree", run_in_background=True)
    )
    session = lab.session(termwick)
    turn = lab.run_sync(session.run("research"))
    assert {each.model for each in book(lab)} == {session._row.model}
    assert {each.agent for each in book(lab)} > {BRAND, ""}
    assert {kept.kind for kept in turn.kept} == {"brand_profile", "customer_insight", "competitor_profile"}


def test_an_agent_that_got_another_model_fails_the_turn(
    odd_lab: OddLab, termwick: Brief, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should the CLI ever hand the call on as it was: it is seen, said, stopped, and booked at the price of that model."""
    monkeypatch.setattr(sent, "AGENT_FIELDS", sent.AGENT_FIELDS | {"model"})
    lab = odd_lab(lambda _ask, event: event, reply=calls_with(model="haiku"))
    with pytest.raises(TurnFailed, match=r"an agent was given another model: [a-z-]+ with haiku") as failed:
        lab.run_sync(lab.session(termwick).run("research"))
    assert failed.value.cause == "agent"
    assert rows(lab, TurnRow) == []
    assert json.loads(rows(lab, AttemptRow)[0].versions)


def test_a_budget_stops_a_turn_whose_responses_have_no_price(odd_lab: OddLab, termwick: Brief) -> None:
    """An endpoint that says nothing of usage could spend without end: the first such response ends the turn."""
    lab = odd_lab(lambda _ask, event: with_usage(event, None))
    with pytest.raises(TurnFailed, match="cannot be held: a response came without a price") as failed:
        lab.run_sync(lab.session(termwick).run("research", budget_usd=50.0))
    assert failed.value.cause == "budget"
    assert len(book(lab)) < 10
