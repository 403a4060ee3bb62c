"""From what was asked for (RunRequest) to what is sent (TurnSpec): the message, the turns before it, and so the key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

from campaign_lab.agents.phases import Phase
from campaign_lab.brief import Brief
from campaign_lab.errors import NotFoundError, PhaseOrderError
from campaign_lab.records import CompetitorProfile, Record, slug
from campaign_lab.sessions.keys import root_key
from campaign_lab.sessions.position import NOWHERE, CellRef
from campaign_lab.sessions.run.lookup import read_nothing, takes_of, turns_behind
from campaign_lab.sessions.run.older_revision import is_older_revision
from campaign_lab.sessions.run.turn_spec import ANCHOR, TurnSpec
from campaign_lab.sessions.upkeep.access import named_session, root_owner
from campaign_lab.show.text import one_line
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import RecordRow, SessionRow, TurnRow

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
    line = queries.line_of(con, position)
    spec = _spec_behind(con, session, line, request)
    if stored := _stored(con, spec):
        return stored
    before = _asked_before(con, session, line, request)
    return (_stored(con, before) or before) if before else spec


def _asked_before(con: Con, session: SessionRow, line: Sequence[TurnRow], request: RunRequest) -> TurnSpec | None:
    """The newest turn of the line that this request made, specified as it was then; None when it made none.

    A question counts as asked before only when no turn follows it. An anchor never does.
    """
    places = range(len(line)) if request.phase.name != ANCHOR else range(0)
    for place in reversed(places[-1:] if request.phase.follows else places):
        turn = line[place]
        if turn.phase != request.phase.name:
            continue
        try:
            spec = _spec_behind(con, session, line[:place], request)
        except (PhaseOrderError, NotFoundError):  # the line had other angles there
            continue
        if spec.with_take(turn.take).key == turn.key or is_older_revision(spec, turn):
            return spec
    return None


def _stored(con: Con, spec: TurnSpec) -> TurnSpec | None:
    """The turn if answers are stored, else the newest stored one of an older revision with the take asked for, else None."""
    if takes_of(con, spec):
        return spec
    if spec.asks_for_a_new_take:
        return None
    behind = [turn for turn in turns_behind(con, spec.session, spec.parent) if spec.take in (None, turn.take)]
    stored = [turn for turn in behind if is_older_revision(spec, turn) and not read_nothing(con, spec.session, turn)]
    newest = max(stored, key=lambda turn: (turn.started_at, turn.take), default=None)
    return replace(spec, older_key=newest.key, take=newest.take) if newest else None


def _spec_behind(con: Con, session: SessionRow, line: Sequence[TurnRow], request: RunRequest) -> TurnSpec:
    """The turn that a request asks for right after the turns of a line."""
    phase, arguments = request.phase, dict(request.arguments)
    check_needs(phase, line)
    brands, angles = labels(con, line, "brand_profile"), labels(con, line, "angle")
    named = named_session(con, session)
    steer = _steer(named, line, request)
    if "angles" in phase.arguments:
        own = next(([name] for name in (steer, named.purpose) if name in angles), None)
        arguments["angles"] = _chosen(arguments.get("angles", own), angles, phase, line)
    brief = Brief.from_json(session.brief)
    wish = "" if steer in angles and "angles" in phase.arguments else steer  # an angle's name is no wish
    message = phase.message(brief, steer=wish, arguments=arguments)
    task = {**phase.task(brief, arguments=arguments), **({"wish": wish} if wish else {})}
    parent = line[-1].key if line else root_key(session.endpoint, session.model)
    return TurnSpec(
        phase=phase, message=message, model=session.model, ancestors=tuple(turn.id for turn in line),
        budget_usd=request.budget_usd, wanted_angles=tuple(arguments.get("angles", ())), task=task,
        optional_kinds={} if brief.competitors else {CompetitorProfile.kind: NO_RIVAL},
        session=session, line=tuple(line), brief=brief, parent_key=parent, take=request.take, steer=steer,
        fresh_pages=request.fresh_pages, brand_names=(*brands, urlsplit(brief.url).hostname or ""),
        known_angles=tuple(angles), pages_owner=root_owner(con, session), cell=request.cell,
    )  # fmt: skip


def labels(con: Con, line: Sequence[TurnRow], kind: str) -> list[str]:
    """Names of the records of a kind, from the newest turn of the line that has any."""
    for turn in reversed(line):
        if rows := _of_kind(con, turn, kind):
            return [row.label for row in rows if not row.degraded]
    return []


def known_records(con: Con, line: Sequence[TurnRow], phases: Iterable[Phase]) -> list[Record]:
    """The valid records of the line in the order in which they are stored; of each kind those of the newest turn that has any."""
    types = {record.kind: record for phase in phases for record in phase.makes}
    found: list[Record] = []
    for kind, model in types.items():
        rows = next((rows for turn in reversed(line) if (rows := _of_kind(con, turn, kind))), [])
        usable = (row for row in rows if not row.degraded and row.revision == model.revision)
        found += [model.model_validate_json(row.body) for row in usable]
    return found


def _of_kind(con: Con, turn: TurnRow, kind: str) -> list[RecordRow]:
    return queries.select(con, RecordRow, "WHERE turn_id = ? AND kind = ? ORDER BY n", [turn.id, kind])


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
    line = queries.turns_after(con, position, (), line=queries.ancestry(con, tip))
    if not line or line[0].phase != ANCHOR:
        return session, position
    if older:
        queries.set_session(con, session.id, "tip_turn", line[0].id)
        session = replace(session, tip_turn=line[0].id)
    return session, line[0].id


def check_needs(phase: Phase, line: Sequence[TurnRow]) -> None:
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
    if _can_start(phase, queries.line_of(con, position)):
        return ()
    brief = json.loads(session.brief)
    rows = {row.id: row for row in (session, *queries.family_of(con, session))}.values()
    lines = [line for row in rows if (line := queries.line_of(con, row.tip_turn))]
    fitting = [
        line for line in lines if _can_start(phase, line) and all(_made_for(brief, turn, phases) for turn in line)
    ]
    return max(fitting, key=lambda line: line[-1].finished_at, default=())


def _can_start(phase: Phase, line: Sequence[TurnRow]) -> bool:
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


def _steer(named: SessionRow, line: Sequence[TurnRow], request: RunRequest) -> str:
    """The steer that was given, else the purpose for the first turn of a fork that the user made, else empty.

    ``named`` is that fork, also where the handle has moved into a fork that a run made of it.
    """
    if request.steer is not None:
        return request.steer
    own = [turn for turn in line if turn.phase != ANCHOR]
    at_start = (own[-1].id if own else None) == named.start_turn
    return named.purpose if named.parent_session is not None and at_start and not request.phase.follows else ""


def _chosen(wanted: Sequence[str] | None, known: Sequence[str], phase: Phase, line: Sequence[TurnRow]) -> list[str]:
    """The names of the angles to write for, which may be given by id; all of them when none is given. Raises NotFoundError."""
    if not known:
        missing = tuple(one_line(text)[:LINE_CHARACTERS] for turn in line for text in json.loads(turn.missing))
        raise PhaseOrderError(phase.name, ("at least one angle",), missing[:MOST_MISSING])
    by_id = {slug(name): name for name in known} | {name: name for name in known}
    unknown = [name for name in wanted or [] if name not in by_id]
    if unknown:
        raise NotFoundError("angle", unknown[0], tuple(known))
    return list(dict.fromkeys(by_id[name] for name in wanted or known))
