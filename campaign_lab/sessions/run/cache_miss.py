"""Why no stored turn answers: the reasons for a ReplayMiss."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from campaign_lab.agents.phases import task_in
from campaign_lab.sessions.run.turn_spec import TurnSpec
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import SessionRow, TurnRow

FINGERPRINT = {
    "system": "the system prompt has changed",
    "tools": "the tools have changed",
    "thinking": "the thinking setting has changed",
    "agents": "another agent works on it",
    "records": "a record type has another revision",
}


FIELDS = {"brief": "order", "max_turns": "turn limit"}
"""An agent's fields, where a reader knows them by another name."""


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
    agents = _agents(stored["agents"], asked["agents"])
    known = {**FINGERPRINT, "agents": "; ".join(agents) or FINGERPRINT["agents"]}
    reasons = [*_message(spec, turn), *(known[part] for part in known if stored.get(part) != asked.get(part))]
    if spec.take is not None and turn.take != spec.take:
        reasons.append(f"take {spec.take} was asked for, take {turn.take} is stored")
    return tuple(reasons) or ("the turn before it is another one",)


def _agents(before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> list[str]:
    """What has changed of each agent that works on it as before."""
    known = {agent["name"]: agent for agent in before}
    return [
        f"the {FIELDS.get(name, name)} of {agent['name']} has changed"
        for agent in now
        for name, value in agent.items()
        if agent["name"] in known and known[agent["name"]].get(name) != value
    ]


def _message(spec: TurnSpec, turn: TurnRow) -> list[str]:
    """What has changed in the message: the steer, named fields of the brief, else the prompt itself."""
    if turn.message == spec.message:
        return []
    before, now = json.loads(turn.brief), json.loads(spec.brief.to_json())
    fields = [name for name in spec.phase.shows if before.get(name) != now.get(name)]
    reasons = ["the steer has changed"] if turn.steer != spec.steer else []
    if fields:
        reasons.append(f"the brief's {' and '.join(fields)} {'has' if len(fields) == 1 else 'have'} changed")
    task, stored = json.loads(json.dumps(dict(spec.task))), task_in(turn.message) or {}
    arguments = [name for name in spec.phase.arguments if task.get(name) != stored.get(name)]
    if arguments:
        reasons.append(f"the phase's {' and '.join(arguments)} {'has' if len(arguments) == 1 else 'have'} changed")
    return reasons or ["the phase's prompt has changed"]
