"""Comparing: one row per copy variant of many sessions, with its angle, its checks, what it cost and what people say of it.

It may be a thousand forks, so each table is read once, and a variant that several forks carry is examined once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from campaign_lab.money import NOTHING, Sum
from campaign_lab.records import Angle, CopyVariant
from campaign_lab.sessions.history.path_loader import (
    HandlePosition,
    Line,
    PathStep,
    Phases,
    SessionLabel,
    Steps,
    StoredRecord,
    all_steps,
    latest,
    line_to,
    names_of,
    stored,
)
from campaign_lab.sessions.history.ratings import judgements_of
from campaign_lab.sessions.spending import prompt_cache
from campaign_lab.sessions.spending.costs import session_costs, turn_costs
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import JudgementRow
from campaign_lab.tables.alike import name_alike
from campaign_lab.tables.claim_counts import counts, text_of
from campaign_lab.tables.columns import Row

FIRST_TURN = "first turn"
"""The cache of a turn that had no prompt before it."""
NO_ANGLE = {"motivation": "", "awareness_stage": ""}
"""What is shown of an angle, when there is none of that name."""
TEXTS = (
    "angle", "headline", "primary_text", "description", "call_to_action", "language", "length", "hook", "picture_line", "picture",
)  # fmt: skip


def copy_rows(con: Con, user: str, phases: Phases, positions: Sequence[HandlePosition]) -> list[Row]:
    """One row per copy variant, in the order of the positions and of the turns; a degraded variant is left out."""
    steps = all_steps(con)
    lines = [line_to(steps, position.turn) for position in positions]
    current = [latest(line) for line in lines]
    variants, angles = _read(con, user, phases, list({step for turns in current for step in turns}))
    names = names_of(con, user)
    written = [[step for step in turns if step.id in variants] for turns in current]
    for made_in in _by_campaign(positions, written, names):
        name_alike(variants, made_in)
    costs = _read_costs(con, steps)
    rows: list[Row] = []
    for position, line, turns in zip(positions, lines, current, strict=True):
        own = _of_session(position, names) | _costs(position, line, costs)
        known = {name: about for step in turns for name, about in angles.get(step.id, {}).items()}
        for step in turns:
            rows += [{**row, **own, **known.get(row["angle"], NO_ANGLE)} for row in variants.get(step.id, ())]
    return rows


def _by_campaign(
    positions: Sequence[HandlePosition], written: Sequence[Sequence[PathStep]], names: Mapping[str, SessionLabel]
) -> Iterable[dict[str, str]]:
    """The turns of each campaign with the session that made them; where the user may not see it, the first that carries them."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for position, turns in zip(positions, written, strict=True):
        made_in = found.setdefault((position.session.campaign, position.session.url), {})
        for step in turns:
            made_in.setdefault(step.id, names.get(step.session, names[position.session.id]).name)
    return found.values()


class Costs(NamedTuple):
    """What was paid, by session and by turn, and the turns that each session made."""

    sessions: Mapping[str, Sum]
    turns: Mapping[str, Sum]
    made: Mapping[str, frozenset[str]]

    def of(self, turn: str) -> Sum:
        """What the turn cost."""
        return self.turns.get(turn, NOTHING)


def _read_costs(con: Con, steps: Steps) -> Costs:
    made: dict[str, set[str]] = {}
    for step in steps.values():
        made.setdefault(step.session, set()).add(step.id)
    return Costs(session_costs(con), turn_costs(con), {session: frozenset(turns) for session, turns in made.items()})


def _read(
    con: Con, user: str, phases: Phases, turns: Sequence[PathStep]
) -> tuple[dict[str, list[Row]], dict[str, dict[str, Row]]]:
    """By turn, what is the same of a variant wherever it is seen from, and what is shown of the angles by name."""
    variants: dict[str, list[Row]] = {}
    angles: dict[str, dict[str, Row]] = {}
    headlines: dict[tuple[str, str], str] = {}
    said = judgements_of(con, [step.id for step in turns], user)
    for record in stored(con, turns, phases, kinds=(CopyVariant.kind, Angle.kind)):
        if record.degraded:
            continue
        if record.kind == Angle.kind:
            about = {name: text_of(record.fields.get(name)) for name in NO_ANGLE}
            angles.setdefault(record.turn, {})[record.label] = about
        else:
            headlines[record.turn, record.id] = record.label
            variants.setdefault(record.turn, []).append(_of_variant(record, said.get(record[:3])))
    caches = _caches(con, [step for step in turns if step.id in variants])
    for turn, rows in variants.items():
        for row in rows:
            row["near_duplicate"] = headlines.get((turn, row["near_duplicate"]), "")
            row["cache"] = caches[turn]
    return variants, angles


def _of_variant(record: StoredRecord, judged: JudgementRow | None) -> Row:
    fields = record.fields
    return {
        **{name: value if isinstance(value := fields.get(name), str) else "" for name in TEXTS},
        **counts(record),
        "near_duplicate": record.near_duplicate,
        "pick": judged.pick if judged else "",
        "rating": judged.rating if judged else None,
        "note": judged.note if judged else "",
        "rated_by": judged.user_name if judged else "",
        "id": record.id,
    }


def _caches(con: Con, turns: Sequence[PathStep]) -> dict[str, str]:
    """By turn, how much of the prompt before it was still cached; "" where that is not known."""
    known = prompt_cache.states(con, {step.id: step.parent for step in turns})
    return {step.id: FIRST_TURN if step.parent is None else known.get(step.id, "") for step in turns}


def _of_session(position: HandlePosition, names: Mapping[str, SessionLabel]) -> Row:
    path: dict[str, str] = {}
    session = position.session.id
    while session in names and session not in path:
        path[session] = names[session].name
        session = names[session].parent or ""
    own = names[position.session.id]
    return {
        "campaign": position.session.campaign,
        "session": own.name,
        "lineage": " > ".join(reversed(path.values())),
        "purpose": own.purpose,
        "endpoint": own.endpoint,
    }


def _costs(position: HandlePosition, line: Line, costs: Costs) -> Row:
    """What was paid on the session, and what others paid for the turns before its own: those were not paid again.

    The tries of the session that failed count. Its turns after where the handle stands do not.
    """
    later = costs.made.get(position.session.id, frozenset()) - {step.id for step in line}
    own = costs.sessions.get(position.session.id, NOTHING) - sum((costs.of(turn) for turn in later), NOTHING)
    avoided = sum((costs.of(step.id) for step in line if step.session != position.session.id), NOTHING)
    return {
        "cost_own_usd": own.known,
        "cost_avoided_usd": avoided.known,
        "own_unpriced_requests": own.unpriced,
        "avoided_unpriced_requests": avoided.unpriced,
    }
