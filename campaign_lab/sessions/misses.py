"""Why a turn was not replayed, in words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from campaign_lab.sessions.running import Order
from campaign_lab.store.rows import TurnRow

if TYPE_CHECKING:
    pass


def why_not_replayed(order: Order, siblings: Sequence[TurnRow]) -> tuple[str, ...]:
    """What differs from the stored turn after the same checkpoint that is most like the one asked for."""
    same_phase = [turn for turn in siblings if turn.phase == order.phase.name]
    if not siblings:
        return ("nothing was run from this checkpoint yet",)
    if not same_phase:
        return (f"only {', '.join(dict.fromkeys(turn.phase for turn in siblings))} was run from this checkpoint",)
    return min((_differences(order, turn) for turn in same_phase), key=len)


def _differences(order: Order, turn: TurnRow) -> tuple[str, ...]:
    reasons = []
    if turn.message != order.message:
        what = (
            "the steer"
            if turn.steer != order.steer
            else "the message (a field of the brief, an argument or the phase's prompt)"
        )
        reasons.append(f"{what} has changed")
    stored, asked = json.loads(turn.fingerprint), json.loads(json.dumps(order.phase.fingerprint()))
    words = {
        "system": "the system prompt has changed",
        "tools": "the tools have changed",
        "thinking": "the thinking setting has changed",
        "agents": "an agent's prompt, tools, model or turn limit has changed",
        "records": "a record type has another revision",
    }
    reasons += [words[part] for part in words if stored.get(part) != asked.get(part)]
    if turn.take != order.take:
        reasons.append(f"take {order.take} was asked for, take {turn.take} is stored")
    return tuple(reasons) or ("the turn before it is another one",)
