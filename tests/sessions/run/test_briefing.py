"""Code briefs the agents, and puts what they saved into the conversation; a hook that fails ends the turn."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.agents.briefing import Briefing
from campaign_lab.agents.phases import task_in
from campaign_lab.errors import TurnFailed
from campaign_lab.rehearsal import model
from campaign_lab.rehearsal.model import Step, TextReply, ToolCall
from campaign_lab.rehearsal.server.api_request import Ask
from campaign_lab.sessions.session import Session

pytestmark = pytest.mark.usefixtures("slow")
LabWith = Callable[[Callable[[Ask, Mapping[str, Any]], Step]], Lab]
RESEARCH = ("brand-intelligence-analyst", "customer-psychology-specialist", "competitive-intelligence-specialist")


class Heard:
    """A rehearsal model that remembers what was asked of it and what it wrote. ``change`` gets each step."""

    def __init__(self, change: Callable[[Ask, Step], Step] = lambda _ask, step: step) -> None:
        self.asks: list[Ask] = []
        self.written: list[Step] = []
        self._change = change

    def __call__(self, ask: Ask, readers: Mapping[str, Any]) -> Step:
        """The step of the careful model, as changed."""
        step = self._change(ask, model.reply(ask, readers))
        self.asks.append(ask)
        self.written.append(step)
        return step

    def first(self, agent: str) -> list[str]:
        """The first thing that each agent of that name was told."""
        return [ask.prompts[0] for ask in self.asks if ask.agent == agent and not ask.calls]


def run(lab: Lab, session: Session, *phases: str, **options: Any) -> None:
    for phase in phases:
        lab.run_sync(session.run(phase, **(options if phase == phases[-1] else {})))


def test_each_agent_reads_an_order_that_code_wrote(lab_with: LabWith, termwick: Brief) -> None:
    """The main agent names agents and angles; the order holds the task, the angle with its claims, the voice and the wish."""
    heard = Heard()
    lab = lab_with(heard)
    session = lab.session(termwick)
    run(lab, session, "research", "strategy", "copy", steer="One figure in each text.", writers="each")
    for agent in RESEARCH:
        (told,) = heard.first(agent)
        order = task_in(told)
        assert order is not None
        assert (order["url"], order["market"], order["competitors"]) == (termwick.url, "CA-ON", [*termwick.competitors])
    orders = [task_in(told) or {} for told in heard.first("copy-creator")]
    angles = session.records("angle")
    asked = sorted(angle["name"] for order in orders for angle in order["angles"])
    assert asked == sorted(angle.label() for angle in angles)  # they work in parallel
    for order in orders:
        assert order["wish"] == "One figure in each text."
        assert order["brand"] == "Termwick"
        assert order["audience"] == termwick.audience
        assert order["advertiser_role"] == "brokerage"
        assert any("licence no. 99071" in line for line in order["legal_lines"])
        assert order["customers_say"]
        assert set(order["rivals_say"]) == {"Brackendeer Trust", "Pendlewarth Mortgages"}
        assert all({"ref", "text"} <= claim.keys() for claim in order["angles"][0]["claims"])
    calls = [
        block.input["prompt"]
        for step in heard.written
        for block in step
        if isinstance(block, ToolCall) and block.name == "Agent"
    ]
    assert calls == [*RESEARCH, *(angle.label() for angle in angles)]


def test_no_quote_is_written_again_after_research(lab_with: LabWith, termwick: Brief) -> None:
    """Read off the wire: strategy and copy name claims by reference; stored records hold them whole."""
    heard = Heard()
    lab = lab_with(heard)
    session = lab.session(termwick)
    run(lab, session, "research")
    before = len(heard.written)
    run(lab, session, "strategy", "copy")
    handed = [
        b.input for step in heard.written[before:] for b in step if isinstance(b, ToolCall) and "records" in b.input
    ]
    assert {each["kind"] for each in handed} == {"angle", "copy_variant"}
    assert '"quote"' not in json.dumps(handed)
    angles, variants = session.records("angle"), session.records("copy_variant")
    assert all(each.evidence_in() for each in angles)
    assert all(evidence.supported for each in (*angles, *variants) for evidence in each.evidence_in())


def test_what_an_agent_saved_is_its_report_whatever_it_says(lab_with: LabWith, termwick: Brief) -> None:
    """It ends with prose: the conversation of the turn, and of the next one, holds its records with their references."""

    def chatty(ask: Ask, step: Step) -> Step:
        return [TextReply("Lovely site!") if ask.agent and isinstance(block, TextReply) else block for block in step]

    heard = Heard(chatty)
    lab = lab_with(heard)
    session = lab.session(termwick)
    run(lab, session, "research", "strategy")
    reports = model.reports(heard.asks[-1].calls)
    assert {kind: len(records) for kind, records in reports.items()} == {
        "brand_profile": 1, "customer_insight": 1, "competitor_profile": 2,
    }  # fmt: skip
    assert reports["brand_profile"][0]["promise"]["ref"] == "b1"
    assert reports["competitor_profile"][1]["positioning"]["ref"] == "r2.1"
    assert "Lovely site!" not in str([call.result for call in heard.asks[-1].calls])


def test_an_unknown_reference_is_told_with_near_ones(lab_with: LabWith, termwick: Brief) -> None:
    """It is mended at the second try; nothing is made up for it."""
    answers: list[str] = []
    meant: list[str] = []

    def wrong(ask: Ask, step: Step) -> Step:
        saved = [call for call in ask.calls_now if call.name.endswith("save_records")]
        answers.extend(call.result or "" for call in saved if call.input.get("kind") == "angle")
        for block in step:
            if isinstance(block, ToolCall) and block.input.get("kind") == "angle" and not saved:
                proof = block.input["records"][0]["proofs"][0]
                meant.append(proof["claim"])
                proof["claim"] = "b99"
        if saved and ask.prompt.startswith("# Phase: strategy") and '"problem"' in (saved[-1].result or ""):
            record = {**saved[-1].input["records"][0]}
            record["proofs"] = [{**record["proofs"][0], "claim": meant[0]}, *record["proofs"][1:]]
            return [ToolCall(f"toolu_{ask.digest()[:20]}", model.SAVE_RECORDS, {"kind": "angle", "records": [record]})]
        return step

    lab = lab_with(Heard(wrong))
    session = lab.session(termwick)
    run(lab, session, "research", "strategy")
    assert "no claim has the reference 'b99'; near ones: b9" in answers[0]
    assert [kept.problems for kept in session.kept("angle")] == [()] * 5


def test_a_copy_creator_that_is_called_for_no_angle_is_refused(lab_with: LabWith, termwick: Brief) -> None:
    """The model is told the angles by name, and calls again; the turn goes on."""
    refusals: list[str] = []

    def vague(ask: Ask, step: Step) -> Step:
        if ask.agent or not ask.prompt.startswith("# Phase: copy"):
            return step
        calls = [call for call in ask.calls_now if call.name == "Agent"]
        if not calls:
            return [
                ToolCall(
                    f"toolu_{ask.digest()[:20]}",
                    "Agent",
                    {"description": "Texts", "subagent_type": "copy-creator", "prompt": "Go."},
                )
            ]
        refusals.extend(call.result or "" for call in calls if call.input["prompt"] == "Go.")
        if len(calls) == 1:
            task = task_in(ask.prompt) or {}
            asked = {"description": "Texts", "subagent_type": "copy-creator", "prompt": "\n".join(task["angles"])}
            return [ToolCall(f"toolu_{ask.digest()[:20]}", "Agent", asked)]
        return step

    lab = lab_with(Heard(vague))
    session = lab.session(termwick)
    run(lab, session, "research", "strategy", "copy")
    assert "name the angle to write for in the prompt, one of: " in refusals[0]
    assert len(session.records("copy_variant")) == 10


@pytest.mark.parametrize("hook", ["prompt_for", "report_of"])
def test_a_hook_that_fails_ends_the_turn(
    hook: str, lab_with: LabWith, termwick: Brief, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An order that did not go out, or a report that did not come in, is never a finished turn."""

    def broken(*_args: object) -> str:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(Briefing, hook, broken)
    lab = lab_with(Heard())
    with pytest.raises(TurnFailed) as failed:
        lab.run_sync(lab.session(termwick).run("research"))
    assert failed.value.cause == "agent"


def test_a_fork_named_for_an_angle_keeps_to_it_with_a_wish(lab_with: LabWith, termwick: Brief) -> None:
    """A wish for its texts does not make it write for all five angles."""
    lab = lab_with(Heard())
    session = lab.session(termwick)
    run(lab, session, "research", "strategy")
    name = session.records("angle")[1].label()
    fork = session.fork(name)
    run(lab, fork, "copy", steer="Shorter sentences.")
    assert {each.angle for each in fork.records("copy_variant")} == {name}  # type: ignore[attr-defined]
