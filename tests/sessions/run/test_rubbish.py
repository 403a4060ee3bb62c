"""A model that answers rubbish: nothing it says is taken for a result, nothing it hands in is lost or believed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.errors import TurnFailed
from campaign_lab.rehearsal import model
from campaign_lab.rehearsal.model import Step, TextReply, ToolCall
from campaign_lab.rehearsal.server.api_request import Ask

pytestmark = pytest.mark.usefixtures("slow")
AskModel = Callable[[Callable[[Ask, Mapping[str, Any]], Step]], Lab]


def test_prose_for_a_turn_fails_it_and_says_which_agents_did_not_start(lab_with: AskModel, termwick: Brief) -> None:
    """The main agent chats and ends: the turn fails, and the next one begins from the same checkpoint."""
    lab = lab_with(lambda _ask, _readers: [TextReply("Certainly! Here is a lovely campaign.")])
    session = lab.session(termwick)
    with pytest.raises(TurnFailed, match="did not start brand-intelligence-analyst") as failed:
        lab.run_sync(session.run("research"))
    assert failed.value.cause == "agent"
    assert session.checkpoint().phase == "root"


def test_agents_that_report_without_handing_in_fail_the_turn(lab_with: AskModel, termwick: Brief) -> None:
    """All agents answer "done" and hand in nothing: no record is made up for them."""
    lab = lab_with(lambda ask, readers: [TextReply("Done.")] if ask.agent else model.reply(ask, readers))
    with pytest.raises(TurnFailed, match="no brand_profile and no customer_insight") as failed:
        lab.run_sync(lab.session(termwick).run("research"))
    assert failed.value.cause == "records"


def test_a_placeholder_record_is_sent_back_twice_and_kept_as_degraded(lab_with: AskModel, termwick: Brief) -> None:
    """{"name": "test"} three times: told what is wrong, kept as raw text at the third, and taken for no profile."""
    answers: list[str] = []

    def reply(ask: Ask, readers: Mapping[str, Any]) -> Step:
        if ask.agent != "brand-intelligence-analyst":
            return model.reply(ask, readers)
        answers.extend(call.result or "" for call in ask.calls[-1:])
        if len(ask.calls) < 3:
            kind = {"kind": "brand_profile", "records": [{"name": "test"}]}
            return [ToolCall(f"toolu_{len(ask.calls)}{ask.digest()[:18]}", "mcp__lab__save_records", kind)]
        return [TextReply("Saved.")]

    lab = lab_with(reply)
    session = lab.session(termwick)
    turn = lab.run_sync(session.run("research"))
    (brand,) = (kept for kept in turn.kept if kept.kind == "brand_profile")
    assert brand.degraded
    assert "promise" in " ".join(brand.problems)
    assert "promise: Field required" in answers[0]
    assert session.records("brand_profile") == []
    assert len(session.records("competitor_profile")) == 2


def test_an_invented_quote_is_kept_but_marked_unsupported(lab_with: AskModel, termwick: Brief) -> None:
    """A model that insists on a quote that no page carries: the claim stands there, marked, with the problem beside it."""

    def reply(ask: Ask, readers: Mapping[str, Any]) -> Step:
        step = model.reply(ask, readers)
        for block in step:
            if isinstance(block, ToolCall) and block.input.get("kind") == "brand_profile":
                quote = {"quote": "We are the cheapest in all of Canada", "url": "https://termwick.example/"}
                block.input["records"][0]["promise"] = {"text": "The cheapest in Canada", "evidence": [quote]}
        return step

    lab = lab_with(reply)
    turn = lab.run_sync(lab.session(termwick).run("research"))
    (brand,) = (kept for kept in turn.kept if kept.kind == "brand_profile")
    assert not brand.degraded
    assert brand.to_json()["promise"]["evidence"][0]["supported"] is False
    assert any("cheapest" in problem for problem in brand.problems)
