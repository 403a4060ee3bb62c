"""Why a turn was not replayed, in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from campaign_lab.sessions.run.attempt import TurnSpec
from campaign_lab.store import queries
from campaign_lab.store.rows import SessionRow, TurnRow

if TYPE_CHECKING:
    from campaign_lab.store.connection import Con

FINGERPRINT = {
    "system": "the system prompt has changed",
    "tools": "the tools have changed",
    "thinking": "the thinking setting has changed",
    "agents": "an agent's prompt, tools, model or turn limit has changed",
    "records": "a record type has another revision",
}


def why_not_replayed(con: Con, order: TurnSpec, siblings: Sequence[TurnRow]) -> tuple[str, ...]:
    """What differs from the stored turn after the same checkpoint that is most like the one asked for."""
    if order.anew:
        return ("it was asked for anew, with fresh pages",)
    same_phase = [turn for turn in siblings if turn.phase == order.phase.name]
    if any(turn.key == order.key for turn in same_phase):
        return ("the stored turn is from a time when the brand's site could not be read",)
    if same_phase:
        return min((_differences(order, turn) for turn in same_phase), key=len)
    if siblings:
        return (f"only {', '.join(dict.fromkeys(turn.phase for turn in siblings))} was run from this checkpoint",)
    return _elsewhere(con, order.session) or ("nothing was run from this checkpoint yet",)


def _elsewhere(con: Con, session: SessionRow) -> tuple[str, ...]:
    """Turns of the same session under another endpoint or model: they are another conversation."""
    rest = "WHERE owner = ? AND campaign = ? AND url = ? AND name = ? AND tip_turn IS NOT NULL AND swept_at IS NULL"
    values = [session.owner, session.campaign, session.url, session.name]
    others = [row for row in queries.select(con, SessionRow, rest, values) if row.id != session.id]
    return tuple(
        f"its turns are stored for {row.endpoint} with {row.model}, not for {session.endpoint} with {session.model}"
        for row in others
        if (row.endpoint, row.model) != (session.endpoint, session.model)
    )[:1]


def _differences(order: TurnSpec, turn: TurnRow) -> tuple[str, ...]:
    stored, asked = json.loads(turn.fingerprint), json.loads(json.dumps(order.phase.fingerprint()))
    reasons = [
        *_message(order, turn),
        *(FINGERPRINT[part] for part in FINGERPRINT if stored.get(part) != asked.get(part)),
    ]
    if order.take is not None and turn.take != order.take:
        reasons.append(f"take {order.take} was asked for, take {turn.take} is stored")
    return tuple(reasons) or ("the turn before it is another one",)


def _message(order: TurnSpec, turn: TurnRow) -> list[str]:
    """What in the message is not as it was: the steer, fields of the brief by name, else the prompt itself."""
    if turn.message == order.message:
        return []
    before, now = json.loads(turn.brief), json.loads(order.brief.to_json())
    fields = [name for name in order.phase.shows if before.get(name) != now.get(name)]
    reasons = ["the steer has changed"] if turn.steer != order.steer else []
    if fields:
        reasons.append(f"the brief's {' and '.join(fields)} {'has' if len(fields) == 1 else 'have'} changed")
    return reasons or ["the phase's prompt or one of its arguments has changed"]
