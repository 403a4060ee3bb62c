"""Coverage: which pains and desires the angles speak to, at which stage of awareness, and where nothing was tried yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from campaign_lab.checks import likeness
from campaign_lab.findings import parts_below
from campaign_lab.records import Angle, AwarenessStage, CustomerInsight
from campaign_lab.sessions.history.path_loader import HandlePosition, Phases, StoredRecord, current_turns, records_of
from campaign_lab.store.connection import Con
from campaign_lab.tables.claim_counts import claims_and_quotes
from campaign_lab.tables.columns import Row

STAGES: tuple[str, ...] = get_args(AwarenessStage)
"""From those who know nothing of it to those who are ready to buy."""
SAME_NEED = 70.0
"""Likeness from which an anchor names a need (0 to 100). On the demo sites anchors and needs that have nothing to do with
each other reached 58 at most, and needs in other words began at 75."""


@dataclass(frozen=True)
class Need:
    """What somebody wants to be rid of (``pain``) or to have (``desire``), or what only an angle speaks of (``other``)."""

    kind: str
    text: str
    quotes: frozenset[tuple[str, str]] = frozenset()


def coverage_rows(con: Con, phases: Phases, positions: Sequence[HandlePosition]) -> list[Row]:
    """Session by session, every need at each of the five stages, with the angles there.

    Pains come first, then desires, then what only angles speak of.
    """
    lines = current_turns(con, positions)
    turns = list({step for line in lines for step in line})
    kept = records_of(con, turns, phases, kinds=(CustomerInsight.kind, Angle.kind))
    return [
        {"session": position.session.name} | row
        for position, line in zip(positions, lines, strict=True)
        for row in _covered([each for step in line for each in kept.get(step.id, ()) if not each.degraded])
    ]


def _covered(records: Sequence[StoredRecord]) -> Iterator[Row]:
    """The rows of one session."""
    needs = needs_in(each for each in records if each.kind == CustomerInsight.kind)
    angles = [each for each in records if each.kind == Angle.kind]
    covered = [(need_of(angle, needs), angle) for angle in angles]
    every = dict.fromkeys([*needs, *(need for need, _ in covered)])
    return (_row(need, stage, covered) for need in every for stage in STAGES)


def needs_in(insights: Iterable[StoredRecord]) -> list[Need]:
    """The pains and desires of what the research found out, pains first, each once."""
    listed = list(insights)
    needs: dict[str, Need] = {}
    for kind, field in (("pain", "pains"), ("desire", "desires")):
        for insight in listed:
            for claim in insight.fields.get(field, ()):
                needs.setdefault(claim["text"], Need(kind, claim["text"], _quotes(claim)))
    return list(needs.values())


def need_of(angle: StoredRecord, needs: Sequence[Need]) -> Need:
    """The one need that an angle covers.

    It is the one that its anchor names, in the same or in like words; when it names none, the first one that a proof of
    the angle quotes, because that is what the text will speak of. Else the anchor is a need of its own.
    """
    anchor = str(angle.fields.get("anchor", ""))
    rated = sorted(needs, key=lambda need: -likeness(anchor, need.text))
    if rated and likeness(anchor, rated[0].text) >= SAME_NEED:
        return rated[0]
    for proof in angle.fields.get("proofs", ()):
        for need in needs:
            if need.quotes & _quotes(proof):
                return need
    return Need("other", anchor)


def _quotes(part: Any) -> frozenset[tuple[str, str]]:
    _, quotes = claims_and_quotes(parts_below(part))
    return frozenset((quote["quote"], quote["url"]) for quote in quotes)


def _row(need: Need, stage: str, covered: Sequence[tuple[Need, StoredRecord]]) -> Row:
    names = [angle.label for each, angle in covered if each == need and angle.fields.get("awareness_stage") == stage]
    return {
        "need_kind": need.kind,
        "need": need.text,
        "awareness_stage": stage,
        "angles": len(names),
        "names": ", ".join(names),
    }
