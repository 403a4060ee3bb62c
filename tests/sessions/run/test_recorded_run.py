"""A campaign whose answers were written by hand, as a strong model gives them, through the real CLI.

tests/data/recorded/termwick.json holds them by agent, in order. They paraphrase claims, end with prose, draw pictures, and the
first texts have faults on purpose, which the answer of ``save_records`` names.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.checks import counts_of
from campaign_lab.rehearsal import model
from campaign_lab.rehearsal.model import Step, TextReply, ToolCall
from campaign_lab.rehearsal.server.api_request import Ask
from campaign_lab.sessions.session import Session
from support.paths import ROOT

pytestmark = pytest.mark.usefixtures("slow")
RECORDED = json.loads((ROOT / "tests" / "data" / "recorded" / "termwick.json").read_text(encoding="utf-8"))
TO_CHECK = {
    "Your bank opened the bidding": 1,
    "The deadline is not the deadline": 1,
    "34 lenders, one table": 1,
    "Look first, talk later": 1,
    "\u201cThey told me to stay\u201d": 1,
    "Nobody calls at dinner": 2,
}
"""Sentences that say what no page does, by headline: figures of speech, an "always" of our own. A person decides on them."""


class Recorded:
    """Gives the answers in their order, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asks: list[Ask] = []
        self._given: Counter[str] = Counter()

    def __call__(self, ask: Ask, _readers: Mapping[str, Any]) -> Step:
        """The agent's next answer."""
        self.asks.append(ask)
        blocks = RECORDED[ask.agent][self._given[ask.agent]]
        self._given[ask.agent] += 1
        return [
            ToolCall(f"toolu_{ask.digest()[:18]}{n}", block["name"], json.loads(json.dumps(block["input"])))
            if block["type"] == "tool_use"
            else TextReply(block["text"])
            for n, block in enumerate(blocks)
        ]

    def saves(self) -> list[tuple[str, dict[str, Any]]]:
        """The answer of each call of ``save_records``, with the kind that was handed in."""
        last = {(ask.agent, ask.prompt): ask for ask in self.asks}  # an agent's last request holds all its calls
        calls = [call for ask in last.values() for call in ask.calls_now if call.name == model.SAVE_RECORDS]
        return [(str(call.input["kind"]), json.loads(call.result or "{}")) for call in calls]


@pytest.fixture
def played(lab_with: Callable[[Recorded], Lab], termwick: Brief) -> tuple[Recorded, Session]:
    """The whole campaign."""
    recorded = Recorded()
    lab = lab_with(recorded)
    session = lab.session(termwick)
    for phase in ("research", "strategy", "copy"):
        lab.run_sync(session.run(phase))
    return recorded, session


def test_a_campaign_written_by_hand_is_taken_as_it_was_meant(played: tuple[Recorded, Session]) -> None:
    """Every save is accepted by the second try, all profiles are in the conversation, each sentence is judged."""
    recorded, session = played
    tries = Counter(kind for kind, _ in recorded.saves())
    assert tries == {"brand_profile": 1, "customer_insight": 1, "competitor_profile": 1, "angle": 1, "copy_variant": 2}
    assert [answer["problems"] for _, answer in recorded.saves()][-1] == []
    reports = model.reports(recorded.asks[-1].calls)
    assert {kind: len(records) for kind, records in reports.items()} == {
        "brand_profile": 1, "customer_insight": 1, "competitor_profile": 2, "copy_variant": 10,
    }  # fmt: skip
    variants = session.kept("copy_variant")
    assert Counter(kept.record.length for kept in variants) == {"short": 5, "long": 5}  # type: ignore[union-attr]
    to_check = {kept.label: counts_of(kept.to_json(), kept.findings).to_check for kept in variants}
    assert {label: count for label, count in to_check.items() if count} == TO_CHECK
    assert all(evidence.supported for record in session.records() for evidence in record.evidence_in())


def test_what_was_made_up_is_told_and_honest_texts_are_saved_at_once(played: tuple[Recorded, Session]) -> None:
    """A superlative that no page holds is a problem for that text; nine are saved, and the model is told what to check."""
    recorded, _ = played
    first = next(answer for kind, answer in recorded.saves() if kind == "copy_variant")
    assert any("most honest broker" in problem["problem"] for problem in first["problems"])
    assert {problem["label"] for problem in first["problems"]} == {"Advice without a quota"}
    assert len(first["saved"]) == 9
    assert {each["label"] for each in first["to_check"]} == set(TO_CHECK)
