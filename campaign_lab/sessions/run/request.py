"""What a run sends: the message, what it stands on, and the key that makes it the same turn as an earlier one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from campaign_lab.agents.phases import Phase
from campaign_lab.brief import Brief
from campaign_lab.errors import NotFoundError, PhaseOrderError
from campaign_lab.records import slug
from campaign_lab.sessions.keys import root_key
from campaign_lab.sessions.position import NOWHERE, CellRef
from campaign_lab.sessions.run.attempt import ANCHOR, TurnSpec
from campaign_lab.sessions.run.takes import as_take, takes_of
from campaign_lab.sessions.upkeep.access import named_session, root_owner
from campaign_lab.show.text import one_line
from campaign_lab.store import queries
from campaign_lab.store.rows import RecordRow, SessionRow, TurnRow

if TYPE_CHECKING:
    from campaign_lab.store.connection import Con


NAMED = 4
"""How many lines of what is missing an error names."""
LINE = 300
"""And how many characters of each: the texts are a model's."""


@dataclass(frozen=True)
class RunRequest:
    """What the caller of ``run`` asked for. ``steer`` None takes a fork's purpose for its first turn.

    ``take`` None is the newest, or with ``fresh_pages`` one more.
    """

    phase: Phase
    steer: str | None = None
    take: int | None = None
    arguments: Mapping[str, Any] = field(default_factory=dict)
    fresh_pages: bool = False
    budget_usd: float | None = None
    cell: CellRef = NOWHERE

    def __post_init__(self) -> None:
        if self.take is not None and (isinstance(self.take, bool) or not isinstance(self.take, int) or self.take < 1):
            raise ValueError(f"take: {self.take!r} is not allowed; expected a whole number from 1")


def order_for(con: Con, session: SessionRow, position: str | None, wish: RunRequest) -> TurnSpec:
    """The order for a wish at a position, or where the line already has its turn: before that one.

    Raises PhaseOrderError, NotFoundError, TypeError.
    """
    session, position = _past_anchor(con, session, position)
    line = queries.line_of(con, position)
    order = _order_at(con, session, line, wish)
    return order if takes_of(con, order) else _asked_before(con, session, line, wish) or order


def _asked_before(con: Con, session: SessionRow, line: Sequence[TurnRow], wish: RunRequest) -> TurnSpec | None:
    """The order that made a turn of the line, the newest with this message; None when there is none.

    A question is asked again only where nothing came after it: after other turns it is a new one, and so is an anchor always.
    """
    places = range(len(line)) if wish.phase.name != ANCHOR else range(0)
    for place in reversed(places[-1:] if wish.phase.follows else places):
        turn = line[place]
        if turn.phase != wish.phase.name:
            continue
        try:
            order = _order_at(con, session, line[:place], wish)
        except (PhaseOrderError, NotFoundError):  # there it was asked for with other angles than these
            continue
        if as_take(order, turn.take).key == turn.key:
            return order
    return None


def _order_at(con: Con, session: SessionRow, line: Sequence[TurnRow], wish: RunRequest) -> TurnSpec:
    """The order for a wish right behind a line."""
    phase, arguments = wish.phase, dict(wish.arguments)
    check_needs(phase, line)
    brands, angles = labels(con, line, "brand_profile"), labels(con, line, "angle")
    steer = _steer(named_session(con, session), line, wish)
    if "angles" in phase.arguments:
        only = [steer] if "angles" not in arguments and steer in angles else arguments.get("angles")
        arguments["angles"] = _chosen(only, angles, phase, line)
    brief = Brief.from_json(session.brief)
    message = phase.message(brief, steer=steer, arguments=arguments)
    parent = line[-1].key if line else root_key(session.endpoint, session.model)
    return TurnSpec(
        session=session, line=tuple(line), phase=phase, brief=brief, message=message, parent_key=parent, take=wish.take,
        steer=steer, fresh_pages=wish.fresh_pages,
        budget_usd=wish.budget_usd, brand=(*brands, urlsplit(brief.url).hostname or ""), angles=tuple(angles),
        wanted=tuple(arguments.get("angles", ())), pages_owner=root_owner(con, session), cell=wish.cell,
    )  # fmt: skip


def labels(con: Con, line: Sequence[TurnRow], kind: str) -> list[str]:
    """Names of the records of a kind, from the newest turn of the line that has any."""
    for turn in reversed(line):
        rows = queries.select(con, RecordRow, "WHERE turn_id = ? AND kind = ? ORDER BY n", [turn.id, kind])
        if rows:
            return [row.label for row in rows if not row.degraded]
    return []


def _past_anchor(con: Con, session: SessionRow, position: str | None) -> tuple[SessionRow, str | None]:
    """A fork that a fan-out put on a common anchor turn goes on from behind it, when it stands right before it.

    One that renews such a fork takes its anchor over. Returns the session as it then is, and where it stands.
    """
    if session.start_turn != position:
        return session, position
    older = (
        queries.select(con, SessionRow, "WHERE id = ?", [session.renews or ""]) if session.tip_turn == position else []
    )
    tip = older[0].tip_turn if older else session.tip_turn
    line = [turn for turn in queries.line_of(con, tip) if turn.parent_turn == position]
    if not line or line[0].phase != ANCHOR:
        return session, position
    if older:
        queries.set_session(con, session.id, "tip_turn", line[0].id)
        session = replace(session, tip_turn=line[0].id)
    return session, line[0].id


def check_needs(phase: Phase, line: Sequence[TurnRow]) -> None:
    """Raises PhaseOrderError when the line lacks what the phase stands on."""
    made = {kind for turn in line for kind in json.loads(turn.fingerprint)["records"]}
    if lacking := tuple(kind.replace("_", " ") for kind in phase.needs if kind not in made):
        raise PhaseOrderError(phase.name, lacking)
    if phase.follows and not line:
        raise PhaseOrderError(phase.name, ("a turn",))


def _steer(named: SessionRow, line: Sequence[TurnRow], wish: RunRequest) -> str:
    """The wish's own steer, else the purpose for the first turn of a fork that the user made.

    ``named`` is that fork, also where the handle has moved into a fork that a run made of it.
    """
    if wish.steer is not None:
        return wish.steer
    own = [turn for turn in line if turn.phase != ANCHOR]
    at_start = (own[-1].id if own else None) == named.start_turn
    return named.purpose if named.parent_session is not None and at_start and not wish.phase.follows else ""


def _chosen(wanted: Sequence[str] | None, known: Sequence[str], phase: Phase, line: Sequence[TurnRow]) -> list[str]:
    """The angles to write for, by name; all of them when none is named. Ids and names are taken."""
    if not known:
        in_vain = tuple(one_line(said)[:LINE] for turn in line for said in json.loads(turn.missing))
        raise PhaseOrderError(phase.name, ("at least one angle",), in_vain[:NAMED])
    by_id = {slug(name): name for name in known} | {name: name for name in known}
    unknown = [name for name in wanted or [] if name not in by_id]
    if unknown:
        raise NotFoundError("angle", unknown[0], tuple(known))
    return list(dict.fromkeys(by_id[name] for name in wanted or known))
