"""Takes: the answers that one message got at one checkpoint. Each is a turn with a key of its own, and each replays."""

from __future__ import annotations

from campaign_lab.sessions.run.claims import turns_behind
from campaign_lab.sessions.run.turn_spec import TurnSpec
from campaign_lab.sessions.run.unread_turns import read_nothing
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import TurnRow


def takes_of(con: Con, spec: TurnSpec) -> list[TurnRow]:
    """The finished turns that answer the same message at the same checkpoint, oldest first.

    A turn that read nothing is no answer.
    """
    answers = [turn for turn in _same_message(con, spec) if not read_nothing(con, spec.session, turn)]
    return sorted(answers, key=lambda turn: (turn.started_at, turn.take))


def _same_message(con: Con, spec: TurnSpec) -> list[TurnRow]:
    behind = turns_behind(con, spec.session, spec.parent)
    return [turn for turn in behind if turn.phase == spec.phase.name and turn.key == spec.with_take(turn.take).key]


def with_settled_take(con: Con, spec: TurnSpec) -> TurnSpec:
    """The turn with its take: the one that was named, one more than the highest, or the newest that is stored."""
    if spec.take is not None:
        return spec
    if spec.asks_for_a_new_take:
        return spec.with_take(max((turn.take for turn in _same_message(con, spec)), default=0) + 1)
    known = takes_of(con, spec)
    return spec.with_take(known[-1].take if known else 1)
