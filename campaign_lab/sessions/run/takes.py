"""Takes: the answers that one message got at one checkpoint. Each is a turn with a key of its own, and each replays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from campaign_lab.sessions.run.claims import turns_behind
from campaign_lab.sessions.run.unread_turns import read_nothing
from campaign_lab.store.rows import TurnRow

if TYPE_CHECKING:
    from campaign_lab.sessions.run.attempt import TurnSpec
    from campaign_lab.store.connection import Con


def takes_of(con: Con, order: TurnSpec) -> list[TurnRow]:
    """The finished turns that answer the order's message where it stands; the one that was asked for last at the end.

    One that read nothing is no answer.
    """
    answers = [turn for turn in _same_message(con, order) if not read_nothing(con, order.session, turn)]
    return sorted(answers, key=lambda turn: (turn.started_at, turn.take))


def _same_message(con: Con, order: TurnSpec) -> list[TurnRow]:
    behind = turns_behind(con, order.session, order.parent)
    return [turn for turn in behind if turn.phase == order.phase.name and turn.key == as_take(order, turn.take).key]


def settled(con: Con, order: TurnSpec) -> TurnSpec:
    """The order with the take that it is about: the one that was named, one more, or the newest of those that are stored."""
    if order.take is not None:
        return order
    if order.anew:
        return as_take(order, max((turn.take for turn in _same_message(con, order)), default=0) + 1)
    known = takes_of(con, order)
    return as_take(order, known[-1].take if known else 1)


def as_take(order: TurnSpec, take: int) -> TurnSpec:
    """The same order for a certain take."""
    return replace(order, take=take)
