"""From what was asked for (RunRequest) to what is sent (TurnSpec): the message, the turns before it, and so the key."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from campaign_lab.agents.phases import Phase
from campaign_lab.brief import Brief
from campaign_lab.errors import NotFoundError, PhaseOrderError
from campaign_lab.records import Angle, BrandProfile, CompetitorProfile, Record, slug
from campaign_lab.sessions.keys import root_key
from campaign_lab.sessions.position import NOWHERE, CellRef
from campaign_lab.sessions.run.lookup import read_nothing, takes_among, turns_behind
from campaign_lab.sessions.run.older_revision import is_older_revision
from campaign_lab.sessions.run.turn_spec import ANCHOR, TurnSpec
from campaign_lab.sessions.upkeep.access import named_session, page_owners
from campaign_lab.show.text import one_line
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.queries import LineTurn
from campaign_lab.store.rows import RecordRow, SessionRow, TurnRow

Line = Sequence[LineTurn] | Sequence[TurnRow]
"""The turns up to a checkpoint, root first."""

MOST_MISSING = 4
"""How many lines of what is missing an error names."""
LINE_CHARACTERS = 300
"""How many characters of each such line it shows: the texts are a model's."""
NO_RIVAL = "competitor profile: the brief names no rival, and none was looked for"
"""What is stored as missing where the brief names no rival and no agent said anything of it."""


@dataclass(frozen=True)
class RunRequest:
    """What the caller of ``run`` asked for.

    ``steer`` None means a fork's purpose for its first turn; ``take`` None the newest, or with ``fresh_pages`` one more.
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


def turn_spec_for(con: Con, session: SessionRow, position: str | None, request: RunRequest) -> TurnSpec:
    """The turn that a request asks for at a position. Where the line already has that turn, it is specified there again.

    Raises PhaseOrderError, NotFoundError, TypeError.
    """
    session, position = _past_anchor(con, session, position)
    line = queries.short_line_of(con, position)
    spec = _spec_behind(con, session, line, request)
    if stored := _stored(con, spec):
        return stored
    before = _asked_before(con, session, line, request)
    return (_stored(con, before) or before) if before else spec


def _asked_before(con: Con, session: SessionRow, line: Sequence[LineTurn], request: RunRequest) -> TurnSpec | None:
    """The newest turn of the line that this request made, specified as it was then; None when it made none.

    A question counts as asked before only when no turn follows it. An anchor never does.
    """
    places = range(len(line)) if request.phase.name != ANCHOR else range(0)
    asked: list[tuple[TurnSpec, LineTurn]] = []
    for place in reversed(places[-1:] if request.phase.follows else places):
        turn = line[place]
        if turn.phase == request.phase.name:
            with contextlib.suppress(PhaseOrderError, NotFoundError):  # the line had other angles there
                asked.append((_spec_behind(con, session, line[:place], request), turn))
    for spec, turn in asked:
        if spec.with_take(turn.take).key == turn.key:
            return spec
    rows = {turn.id: turn for turn in queries.turns_of(con, [turn.id for _, turn in asked])} if asked else {}
    return next((spec for spec, turn in asked if is_older_revision(spec, rows[turn.id])), None)


def _stored(con: Con, spec: TurnSpec) -> TurnSpec | None:
    """The turn if answers are stored, else the newest stored one of an older revision with the take asked for, else None."""
    behind = turns_behind(con, spec.session, spec.parent)
    if any(spec.take in (None, turn.take) for turn in takes_among(con, spec, behind)):
        return spec
    wanted = [turn for turn in behind if spec.take in (None, turn.take) and not spec.asks_for_a_new_take]
    stored = [turn for turn in wanted if is_older_revision(spec, turn) and not read_nothing(con, spec.session, turn)]
    newest = max(stored, key=lambda turn: (turn.started_at, turn.take), default=None)
    return replace(spec, older_key=newest.key, take=newest.take) if newest else None


def _spec_behind(con: Con, session: SessionRow, line: Sequence[LineTurn], request: RunRequest) -> TurnSpec:
    """The turn that a request asks for right after the turns of a line."""
    phase, arguments = request.phase, dict(request.arguments)
    check_needs(phase, line)
    brands, angles = labels(con, line, BrandProfile.kind, Angle.kind)
    named, by_id = named_session(con, session), {slug(name): name for name in angles}
    steer = _steer(named, line, request)
    if "angles" in phase.arguments:
        own = next(([by_id[slug(each)]] for each in (steer, named.purpose) if slug(each) in by_id), None)
        arguments["angles"] = _chosen(arguments.get("angles", own), angles, phase, line)
    brief = Brief.from_json(session.brief)
    wish = "" if slug(steer) in by_id and "angles" in phase.arguments else steer  # an angle's name is no wish
    message = phase.message(brief, steer=wish, arguments=arguments)
    task = {**phase.task(brief, arguments=arguments), **({"wish": wish} if wish else {})}
    parent = line[-1].key if line else root_key(session.endpoint, session.model)
    return TurnSpec(
        phase=phase, message=message, model=session.model, ancestors=tuple(turn.id for turn in line),
        budget_usd=request.budget_usd, wanted_angles=tuple(arguments.get("angles", ())), task=task,
        optional_kinds={} if brief.competitors else {CompetitorProfile.kind: NO_RIVAL},
        session=session, brief=brief, parent_key=parent, take=request.take, steer=steer,
        fresh_pages=request.fresh_pages, brand_names=(*brands, urlsplit(brief.url).hostname or ""),
        known_angles=tuple(angles), page_owners=page_owners(con, session), cell=request.cell,
    )  # fmt: skip


def labels(con: Con, line: Sequence[LineTurn], *kinds: str) -> list[list[str]]:
    """For each kind, the names of its records, from the newest turn of the line that has any."""
    sql = (
        "SELECT turn_id, kind, label, degraded FROM records "
        f"WHERE turn_id {queries.IN_LIST} AND kind {queries.IN_LIST} ORDER BY n"
    )
    rows = con.execute(sql, [[turn.id for turn in line], list(kinds)]).fetchall() if line else []
    place = {turn.id: n for n, turn in enumerate(line)}
    newest = {kind: max((place[turn] for turn, other, *_ in rows if other == kind), default=-1) for kind in kinds}
    return [
        [
            label
            for turn, other, label, degraded in rows
            if (other, place[turn]) == (kind, newest[kind]) and not degraded
        ]
        for kind in kinds
    ]


def known_records(con: Con, line: Sequence[str], phases: Iterable[Phase]) -> list[Record]:
    """The valid records of a line of turns, by id, in the order in which they are stored; each kind's from the newest turn."""
    types = {record.kind: record for phase in phases for record in phase.makes}
    rows = queries.select(con, RecordRow, f"WHERE turn_id {queries.IN_LIST} ORDER BY n", [list(line)]) if line else []
    place = {turn: n for n, turn in enumerate(line)}
    newest = {row.kind: row.turn_id for row in sorted(rows, key=lambda row: place[row.turn_id])}
    return [
        types[row.kind].model_validate_json(row.body)
        for row in sorted(rows, key=lambda row: (list(types).index(row.kind) if row.kind in types else -1, row.n))
        if row.turn_id == newest[row.kind] and row.kind in types and not row.degraded
        and row.revision == types[row.kind].revision
    ]  # fmt: skip


def _past_anchor(con: Con, session: SessionRow, position: str | None) -> tuple[SessionRow, str | None]:
    """The session, and the position moved behind the anchor turn where a fan-out put one right after the fork's start.

    A session that renews such a fork takes the anchor over, which moves its tip.
    """
    if session.start_turn != position:
        return session, position
    older = (
        queries.select(con, SessionRow, "WHERE id = ?", [session.renews or ""]) if session.tip_turn == position else []
    )
    tip = older[0].tip_turn if older else session.tip_turn
    if tip == position:
        return session, position
    line = queries.ancestry(con, tip)
    found = queries.turns_of(con, [each for each in queries.turns_after(con, position) if each in line])
    if not found or found[0].phase != ANCHOR:
        return session, position
    (turn,) = found
    if older:
        queries.set_session(con, session.id, "tip_turn", turn.id)
        session = replace(session, tip_turn=turn.id)
    return session, turn.id


def check_needs(phase: Phase, line: Line) -> None:
    """Raises PhaseOrderError when the turns of the line have not made the kinds of records that the phase needs."""
    made = {kind for turn in line for kind in json.loads(turn.fingerprint)["records"]}
    if lacking := tuple(kind.replace("_", " ") for kind in phase.needs if kind not in made):
        raise PhaseOrderError(phase.name, lacking)
    if phase.follows and not line:
        raise PhaseOrderError(phase.name, ("a turn",))


def line_for(
    con: Con, session: SessionRow, position: str | None, *, phase: Phase, phases: Mapping[str, Phase]
) -> Sequence[TurnRow]:
    """The turns after which the phase can start; empty where it can start at the position itself, or nowhere.

    They are the newest line of the session, of forks that runs made of it, or of an expired session that it renews, which
    has what the phase needs and was made for the session's brief.
    """
    if _can_start(phase, queries.short_line_of(con, position)):
        return ()
    brief = json.loads(session.brief)
    family = sorted(queries.family_of(con, session) - {session.id})
    rows = [session, *queries.select(con, SessionRow, f"WHERE id {queries.IN_LIST} ORDER BY made_at, id", [family])]
    lines = [line for row in rows if (line := queries.line_of(con, row.tip_turn))]
    fitting = [
        line for line in lines if _can_start(phase, line) and all(_made_for(brief, turn, phases) for turn in line)
    ]
    return max(fitting, key=lambda line: line[-1].finished_at, default=())


def _can_start(phase: Phase, line: Line) -> bool:
    try:
        check_needs(phase, line)
    except PhaseOrderError:
        return False
    return True


def _made_for(brief: Mapping[str, object], turn: TurnRow, phases: Mapping[str, Phase]) -> bool:
    """True when the turn was made with the same fields of the brief that its phase shows. An unknown phase shows none."""
    shown = phases[turn.phase].shows if turn.phase in phases else ()
    before = json.loads(turn.brief)
    return all(before.get(name) == brief.get(name) for name in shown)


def _steer(named: SessionRow, line: Sequence[LineTurn], request: RunRequest) -> str:
    """The steer that was given, else the purpose for the first turn of a fork that the user made, else empty.

    ``named`` is that fork, also where the handle has moved into a fork that a run made of it.
    """
    if request.steer is not None:
        return request.steer.strip()
    own = [turn for turn in line if turn.phase != ANCHOR]
    at_start = (own[-1].id if own else None) == named.start_turn
    return named.purpose if named.parent_session is not None and at_start and not request.phase.follows else ""


def _chosen(wanted: Sequence[str] | None, known: Sequence[str], phase: Phase, line: Sequence[LineTurn]) -> list[str]:
    """The names of the angles to write for, which may be given by id; all of them when none is given. Raises NotFoundError."""
    if not known:
        missing = tuple(one_line(text)[:LINE_CHARACTERS] for turn in line for text in json.loads(turn.missing))
        raise PhaseOrderError(phase.name, ("at least one angle",), missing[:MOST_MISSING])
    by_id = {slug(name): name for name in known} | {name: name for name in known}
    unknown = [name for name in wanted or [] if name not in by_id]
    if unknown:
        raise NotFoundError("angle", unknown[0], tuple(known))
    return list(dict.fromkeys(by_id[name] for name in wanted or known))
