"""What a turn still lacks: each kind of record, and each angle of the copy, is judged by itself.

What one agent reports as missing excuses no other agent: a line in ``missing`` counts for the kind that it was handed in
with, by an agent that makes that kind; for copy, for the one angle that it belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from campaign_lab.agents.kept_record import KeptRecord
from campaign_lab.agents.phases import Phase
from campaign_lab.records import CopyVariant


@dataclass(frozen=True)
class HandIn:
    """One call of ``save_records`` that reports something as missing.

    ``agent`` is the caller, empty for the main agent; ``prompt`` is what the main agent wrote to it.
    """

    kind: str
    missing: tuple[str, ...]
    agent: str = ""
    prompt: str = ""


def lacking(
    phase: Phase, kept: Iterable[KeptRecord], reports: Sequence[HandIn], *, angles: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """Kind and angle of each record that was neither handed in nor reported as missing; no angle for kinds other than copy.

    ``angles`` are those that copy was asked for.
    """
    there = {(record.kind, angle) for record in kept for angle in ("", record.angle)}
    found: list[tuple[str, str]] = []
    for record in phase.makes:
        places = angles if angles and issubclass(record, CopyVariant) else ("",)
        lines = [each for each in reports if each.kind == record.kind and _counts(phase, each)]
        left = [place for place in places if (record.kind, place) not in there]
        found += [(record.kind, place) for place in left if not any(_belongs(each, place, places) for each in lines)]
    return found


def _counts(phase: Phase, report: HandIn) -> bool:
    """True when the caller makes that kind, or no agent of the phase is named for it."""
    named = {agent.name for agent in phase.agents if report.kind in agent.makes}
    return not named or report.agent in named


def _belongs(report: HandIn, angle: str, angles: Sequence[str]) -> bool:
    """True when the report is about this angle: its agent was asked for no other, or a line names it."""
    asked, named = named_angles(report.prompt, angles), named_angles("\n".join(report.missing), angles)
    return len(angles) == 1 or asked == {angle} or angle in named


def named_angles(text: str, angles: Collection[str]) -> set[str]:
    """The angles that stand on lines of their own, else those that the text names, plain or escaped as in JSON.

    Of the latter only the longer where one name contains another.
    """
    if whole := {line.strip() for line in text.splitlines()} & set(angles):
        return whole
    folded = text.casefold()
    found = {angle for angle in angles if any(name.casefold() in folded for name in _spellings(angle))}
    within = {
        angle
        for angle in found
        for other in found - {angle}
        if len(angle) < len(other) and angle.casefold() in other.casefold()
    }
    return found - within


def _spellings(angle: str) -> tuple[str, ...]:
    return angle, *(json.dumps(angle, ensure_ascii=only)[1:-1] for only in (True, False))
