"""What is stored behind a checkpoint: the turns that answer a message there, and which of its takes is asked for.

A take is one of the answers that one message got at one checkpoint: a turn with a key of its own, which replays. A turn that
read nothing stays visible but answers no run: it is made again.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from campaign_lab.brief import origin_of
from campaign_lab.records import BrandProfile
from campaign_lab.sessions.run.turn_spec import TurnSpec
from campaign_lab.sessions.upkeep.access import page_owners
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import ClaimRow, RecordRow, SessionRow, TurnRow

Siblings = tuple[TurnRow, ...]
"""The finished turns right after one checkpoint."""


@dataclass(frozen=True)
class LookupResult:
    """What is stored right after a checkpoint: the finished ``turn``, or the claim of who runs it (``busy``), or neither."""

    turn: TurnRow | None = None
    busy: ClaimRow | None = None
    siblings: Siblings = ()


def look(con: Con, session: SessionRow, parent: str | None, key: str) -> LookupResult:
    """The finished turn with the key, from the session's own line and from the forks that runs made of it, and nothing else."""
    return LookupResult(_answer(con, session, turns_behind(con, session, parent, key), key))


def look_for(con: Con, spec: TurnSpec) -> LookupResult:
    """As ``look``, for the take that is asked for, with its siblings."""
    behind = turns_behind(con, spec.session, spec.parent)
    key = _with_take(con, spec, behind).key
    return LookupResult(_answer(con, spec.session, behind, key), siblings=behind)


def _answer(con: Con, session: SessionRow, siblings: Siblings, key: str) -> TurnRow | None:
    return next((turn for turn in siblings if turn.key == key and not read_nothing(con, session, turn)), None)


def turns_behind(con: Con, session: SessionRow, parent: str | None, key: str | None = None) -> Siblings:
    """The finished turns right after a checkpoint, in the session's own line and in the forks that runs made of it.

    With a key, only those that have it.
    """
    after = queries.turns_after(con, parent, key)
    if not after:  # so it is where a line ends, which is where most turns are made
        return ()
    own = queries.ancestry(con, session.tip_turn) if session.tip_turn != parent else []
    family = queries.family_of(con, session)
    found = queries.turns_of(con, [turn for turn, made_in in after.items() if made_in in family or turn in own])
    return tuple(sorted(found, key=lambda turn: turn.id not in own))  # its own line's first


def with_settled_take(con: Con, spec: TurnSpec) -> TurnSpec:
    """The turn with its take: the one that was named, one more than the highest, or the newest that is stored."""
    return spec if spec.take is not None else _with_take(con, spec, turns_behind(con, spec.session, spec.parent))


def _with_take(con: Con, spec: TurnSpec, siblings: Siblings) -> TurnSpec:
    if spec.take is not None:
        return spec
    if spec.asks_for_a_new_take:
        return spec.with_take(max((turn.take for turn in _same_message(spec, siblings)), default=0) + 1)
    known = takes_among(con, spec, siblings)
    return spec.with_take(known[-1].take if known else 1)


def takes_among(con: Con, spec: TurnSpec, siblings: Siblings) -> list[TurnRow]:
    """The finished turns that answer the same message, of those at its checkpoint, oldest first."""
    answers = [turn for turn in _same_message(spec, siblings) if not read_nothing(con, spec.session, turn)]
    return sorted(answers, key=lambda turn: (turn.started_at, turn.take))


def _same_message(spec: TurnSpec, siblings: Siblings) -> list[TurnRow]:
    return [turn for turn in siblings if turn.phase == spec.phase.name and turn.key == spec.with_take(turn.take).key]


def read_nothing(con: Con, session: SessionRow, turn: TurnRow) -> bool:
    """True when the turn had to read the brand's site and no page of it had been read by then: older versions stored such turns.

    A turn with a brand profile whose quote was found on a page is good, whatever became of the stored pages.
    """
    if BrandProfile.kind not in json.loads(turn.fingerprint).get("records", ()):
        return False
    profiles = queries.select(con, RecordRow, "WHERE turn_id = ? AND kind = ?", [turn.id, BrandProfile.kind])
    if any(_stands(json.loads(row.body)) for row in profiles if not row.degraded):
        return False
    return not _site_read(con, session, turn)


def _stands(part: Any) -> bool:
    """True when it holds a quote that is not marked as unsupported."""
    if isinstance(part, dict):
        quoted = "quote" in part and part.get("supported") is not False
        return quoted or any(map(_stands, part.values()))
    return isinstance(part, list) and any(map(_stands, part))


def _site_read(con: Con, session: SessionRow, turn: TurnRow) -> bool:
    """True when a page of the brand's own site with text on it had been read when the turn ended."""
    from campaign_lab.agents.tools.empty_pages import why_hollow
    from campaign_lab.pages import Page

    site = origin_of(session.url)
    met = queries.pages_met(con, page_owners(con, session), session.campaign)
    own = [row for row in met if row.fetched_at <= turn.finished_at and origin_of(row.requested_url) == site]
    return any(not why_hollow(Page.from_json(row.page)) for row in own if row.error is None and row.page)
