"""What a turn still lacks: each kind of record, and each angle of the copy, is judged by itself.

What one agent looked for in vain excuses no other: a line in ``missing`` counts for the kind that it was handed in with, by
an agent that answers for that kind; of copy, for the one angle that it belongs to.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from campaign_lab.agents.phases import Phase
from campaign_lab.records import CopyVariant

if TYPE_CHECKING:
    from campaign_lab.agents.tools.record_intake import SavedRecord


@dataclass(frozen=True)
class HandIn:
    """One call of ``save_records`` in which something was said to be missing.

    ``agent`` is who called, empty for the main agent, and ``told`` what the main agent wrote to it.
    """

    kind: str
    missing: tuple[str, ...]
    agent: str = ""
    told: str = ""


def lacking(
    phase: Phase, kept: Iterable[SavedRecord], said: Sequence[HandIn], *, angles: Sequence[str] = ()
) -> list[tuple[str, str]]:
    """Kind and angle of what was neither handed in nor said to be missing. The angle is empty where a kind is not of angles.

    ``angles`` are those that copy was asked for.
    """
    there = {(record.kind, angle) for record in kept for angle in ("", record.angle)}
    found: list[tuple[str, str]] = []
    for record in phase.makes:
        places = angles if angles and issubclass(record, CopyVariant) else ("",)
        lines = [each for each in said if each.kind == record.kind and _answers(phase, each)]
        excused = {place for place in places if any(_belongs(each, place, places) for each in lines)}
        found += [
            (record.kind, place) for place in places if (record.kind, place) not in there and place not in excused
        ]
    return found


def _answers(phase: Phase, said: HandIn) -> bool:
    """Does who said it answer for the kind? Where no agent is named for it, everybody does."""
    named = {agent.name for agent in phase.agents if said.kind in agent.makes}
    return not named or said.agent in named


def _belongs(said: HandIn, angle: str, angles: Sequence[str]) -> bool:
    """Is it about this angle: its agent was told of no other, or a line names it?"""
    return len(angles) == 1 or _named(said.told, angles) == {angle} or angle in _named("\n".join(said.missing), angles)


def _named(text: str, angles: Collection[str]) -> set[str]:
    """The angles whose names stand in the text, as they are or as JSON writes them; the longer where one holds the other."""
    folded = text.casefold()
    found = [angle for angle in angles if any(name.casefold() in folded for name in _spellings(angle))]
    return {
        angle for angle in found if not any(angle != other and angle.casefold() in other.casefold() for other in found)
    }


def _spellings(angle: str) -> tuple[str, ...]:
    return angle, *(json.dumps(angle, ensure_ascii=only)[1:-1] for only in (True, False))
