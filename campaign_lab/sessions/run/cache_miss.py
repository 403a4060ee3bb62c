"""Why no stored turn answers: the reasons for a ReplayMiss."""

from __future__ import annotations

import json
from collections.abc import Sequence

from campaign_lab.sessions.run.turn_spec import TurnSpec
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import SessionRow, TurnRow

FINGERPRINT = {
    "system": "the system prompt has changed",
    "tools": "the tools have changed",
    "thinking": "the thinking setting has changed",
    "agents": "an agent's prompt, tools, model or turn limit has changed",
    "records": "a record type has another revision",
}


def why_not_replayed(con: Con, spec: TurnSpec, siblings: Sequence[TurnRow]) -> tuple[str, ...]:
    """The reasons, by the stored turn after the same checkpoint that differs least from the one asked for."""
    if spec.asks_for_a_new_take:
        return ("it was asked for anew, with fresh pages",)
    same_phase = [turn for turn in siblings if turn.phase == spec.phase.name]
    if any(turn.key == spec.key for turn in same_phase):
        return ("the stored turn is from a time when the brand's site could not be read",)
    if same_phase:
        return min((_differences(spec, turn) for turn in same_phase), key=len)
    if siblings:
        return (f"only {', '.join(dict.fromkeys(turn.phase for turn in siblings))} was run from this checkpoint",)
    return _elsewhere(con, spec.session) or ("nothing was run from this checkpoint yet",)


def _elsewhere(con: Con, session: SessionRow) -> tuple[str, ...]:
    """The reason where the same session has turns for another endpoint or model, which are another conversation."""
    rest = "WHERE owner = ? AND campaign = ? AND url = ? AND name = ? AND tip_turn IS NOT NULL AND swept_at IS NULL"
    values = [session.owner, session.campaign, session.url, session.name]
    others = [row for row in queries.select(con, SessionRow, rest, values) if row.id != session.id]
    return tuple(
        f"its turns are stored for {row.endpoint} with {row.model}, not for {session.endpoint} with {session.model}"
        for row in others
        if (row.endpoint, row.model) != (session.endpoint, session.model)
    )[:1]


def _differences(spec: TurnSpec, turn: TurnRow) -> tuple[str, ...]:
    stored, asked = json.loads(turn.fingerprint), json.loads(json.dumps(spec.phase.fingerprint()))
    reasons = [
        *_message(spec, turn),
        *(FINGERPRINT[part] for part in FINGERPRINT if stored.get(part) != asked.get(part)),
    ]
    if spec.take is not None and turn.take != spec.take:
        reasons.append(f"take {spec.take} was asked for, take {turn.take} is stored")
    return tuple(reasons) or ("the turn before it is another one",)


def _message(spec: TurnSpec, turn: TurnRow) -> list[str]:
    """What has changed in the message: the steer, named fields of the brief, else the prompt itself."""
    if turn.message == spec.message:
        return []
    before, now = json.loads(turn.brief), json.loads(spec.brief.to_json())
    fields = [name for name in spec.phase.shows if before.get(name) != now.get(name)]
    reasons = ["the steer has changed"] if turn.steer != spec.steer else []
    if fields:
        reasons.append(f"the brief's {' and '.join(fields)} {'has' if len(fields) == 1 else 'have'} changed")
    return reasons or ["the phase's prompt or one of its arguments has changed"]
