"""Briefing: code writes what an agent is told, and puts what it saved into the conversation.

The main agent names an agent and its task; the whole prompt is made here, from the task of the turn and the records of the
conversation. When the agent has ended, what the turn has kept of it becomes its report, whatever it said last. Both are
looked for in what the CLI stored, so that a hook that failed in silence ends the turn.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Any

from campaign_lab.agents.completeness import named_angles
from campaign_lab.agents.phases import Agent, Phase, task_json
from campaign_lab.agents.tools.record_intake import RecordIntake
from campaign_lab.checks.evidence import fold
from campaign_lab.records import Angle, BrandProfile, Claim, CompetitorProfile, CopyVariant, CustomerInsight, Record
from campaign_lab.references import names_of, references_of, shown_with_references

MOST_WORDS = 4
"""How many of the customers' own phrases a copy-creator reads."""
_NOT_FOR_WRITERS = {"proofs", "success_criterion", "novelty", "landing_url"}


class BriefRefused(ValueError):
    """An agent cannot be briefed for what it was called for. The message says why, for the model."""


@dataclass
class Order:
    """An agent's order: for which ``angles`` (none for a researcher), the ``prompt`` it gets, and its ``report``."""

    agent: Agent
    angles: tuple[str, ...]
    prompt: str
    report: str | None = None
    missing: tuple[str, ...] = ()


class Briefing:
    """The orders of one turn, by the id of the call that started the agent.

    ``task`` is what the message says of the turn, ``known`` the records of the conversation, ``angles`` those that copy is
    written for.
    """

    def __init__(
        self,
        phase: Phase,
        intake: RecordIntake,
        task: Mapping[str, Any],
        *,
        known: Sequence[Record] = (),
        angles: Sequence[str] = (),
    ) -> None:
        self._agents = {agent.name: agent for agent in phase.agents if agent.brief}
        self._intake = intake
        self._task = dict(task)
        self._known = tuple(known)
        self._angles = tuple(angles)
        self.orders: dict[str, Order] = {}
        self._told: dict[str, str] = {}
        self._came_back: dict[str, str] = {}

    def prompt_for(self, call: str, agent_name: str, asked: str) -> str | None:
        """The whole prompt of an agent that the main agent called with ``asked``; None for one that code does not brief.

        Raises BriefRefused.
        """
        agent = self._agents.get(agent_name)
        if agent is None:
            return None
        writes = CopyVariant.kind in agent.makes
        angles = self._wanted(asked) if writes else ()
        order = self._copy_order(angles) if writes else self._facts()
        text = Template(agent.brief).safe_substitute(order=task_json(order))
        self.orders[call] = Order(agent, angles, text)
        return text

    def report_of(self, call: str) -> str | None:
        """What the turn has kept of an agent that has ended, as JSON; None for one that code did not brief."""
        order = self.orders.get(call)
        if order is None or not order.agent.makes:
            return None
        lines = [json.dumps(self._report(kind, order), ensure_ascii=False) for kind in order.agent.makes]
        order.report = "\n".join(lines)
        return order.report

    def found_nothing(self, call: str, lines: Iterable[str]) -> None:
        """Notes what an agent looked for in vain."""
        if order := self.orders.get(call):
            order.missing = tuple(dict.fromkeys((*order.missing, *lines)))

    def see_stored(self, subpath: str, entries: Iterable[Mapping[str, Any]]) -> None:
        """Takes in what the CLI stored of a conversation: what agents were told first, and what came back of them."""
        for entry in entries:
            content = (entry.get("message") or {}).get("content") if entry.get("type") == "user" else None
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
            for block in filter(lambda each: isinstance(each, dict), blocks):
                if subpath:
                    self._told.setdefault(subpath, str(block.get("text", "")))
                elif block.get("tool_use_id") in self.orders:
                    self._came_back[block["tool_use_id"]] = _text_of(block.get("content"))

    def failures(self, calls: Mapping[str, str]) -> list[str]:
        """A line for each agent whose order did not go out as it was written, or whose report did not come in.

        ``calls`` maps the agents' conversations to their calls.
        """
        told = {call: self._told.get(subpath, "") for subpath, call in calls.items()}
        unsent = [o.agent.name for call, o in self.orders.items() if o.prompt not in told.get(call, "")]
        lost = [
            o.agent.name
            for call, o in self.orders.items()
            if o.agent.makes and (o.report is None or o.report not in self._came_back.get(call, ""))
        ]
        return [
            *(f"the order of {name} did not reach it" for name in dict.fromkeys(unsent)),
            *(f"the report of {name} did not reach the conversation" for name in dict.fromkeys(lost)),
        ]

    def _wanted(self, asked: str) -> tuple[str, ...]:
        """The angles that a call names. Raises BriefRefused when it names none, or one that another call writes for."""
        named = named_angles(asked, self._angles)
        kept = {each.angle for each in self._intake.results()}
        if not named:
            raise BriefRefused(f"name the angle to write for in the prompt, one of: {', '.join(self._angles)}")
        orders = self.orders.values()
        taken = named & {angle for order in orders for angle in order.angles if order.report is None or angle in kept}
        if taken:
            raise BriefRefused(f"another copy-creator writes for {', '.join(sorted(taken))} already")
        return tuple(angle for angle in self._angles if angle in named)

    def _facts(self) -> dict[str, Any]:
        """The task of the turn without who works on it."""
        return {name: value for name, value in self._task.items() if name != "agents" and value}

    def _copy_order(self, angles: Sequence[str]) -> dict[str, Any]:
        """All that a copy-creator needs to know: angles with their claims, the voice, the customers, the rivals, the task."""
        brand = next(iter(self._records(BrandProfile)), None)
        own = ("agents", "records", "angles", "writers")
        order = {
            "angles": [self._angle(angle) for angle in self._records(Angle) if angle.name in angles],
            "brand": brand.name if brand else "",
            "voice": brand.voice.traits if brand else (),
            "legal_lines": [each.quote for each in brand.legal_lines] if brand else [],
            "customers_say": [each.quote for insight in self._records(CustomerInsight) for each in insight.words][
                :MOST_WORDS
            ],
            "rivals_say": {
                rival.name: [claim.text for claim in rival.claims_in()] for rival in self._records(CompetitorProfile)
            },
            **{name: value for name, value in self._task.items() if name not in own},
        }
        return {name: value for name, value in order.items() if value}

    def _angle(self, angle: Angle) -> dict[str, Any]:
        """An angle as a writer needs it: its claims with their references and quotes, without their pages."""
        names = names_of(self._intake.references)
        told = {name: value for name, value in angle.model_dump(mode="json", exclude=_NOT_FOR_WRITERS).items() if value}
        return {**told, "claims": [_told(proof.claim, names[proof.claim]) for proof in angle.proofs]}

    def _records(self, kind: type[Any]) -> list[Any]:
        return [record for record in self._known if isinstance(record, kind)]

    def _report(self, kind: str, order: Order) -> dict[str, Any]:
        kept = [
            each
            for each in self._intake.results()
            if each.kind == kind and (not order.angles or each.angle in order.angles)
        ]
        references = {**references_of([each.record for each in kept if each.record]), **self._intake.references}
        shown = [
            shown_with_references(each.record, references)
            if each.record
            else {"raw": each.body, "problems": each.problems}
            for each in kept
        ]
        return {"kind": kind, "records": shown, "missing": list(order.missing)}


def _told(claim: Claim, name: str) -> dict[str, Any]:
    """A claim for a writer, with its quotes where it is not its own quote."""
    quotes = [each.quote for each in claim.evidence]
    own = len(quotes) == 1 and fold(quotes[0]) == fold(claim.text.strip("\"'\u201c\u201d\u201e\u00ab\u00bb "))
    return {"ref": name, "text": claim.text, **({} if own else {"quotes": quotes})}


def _text_of(content: Any) -> str:
    """The text of a tool's result."""
    if isinstance(content, str):
        return content
    return "\n".join(str(part.get("text", "")) for part in content or [] if isinstance(part, dict))
