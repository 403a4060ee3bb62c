"""Lines of many handles at once: the turns that each stands on, and what those turns handed in, in a few queries.

What ``Session.kept`` does for one handle with its classes, this does for a thousand, with the stored JSON as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic_core import from_json

from campaign_lab.agents.phases import Phase
from campaign_lab.findings import Finding, load_findings
from campaign_lab.sessions.upkeep.access import readable
from campaign_lab.store.connection import Con
from campaign_lab.store.queries import IN_LIST
from campaign_lab.store.rows import SessionRow


@dataclass(frozen=True)
class HandlePosition:
    """A handle on a session, and the turn at which it stands; None for the root."""

    session: SessionRow
    turn: str | None


class PathStep(NamedTuple):
    """A finished turn. ``session`` is the id of the session that made it."""

    id: str
    parent: str | None
    session: str
    phase: str


class StoredRecord(NamedTuple):
    """A record as it is stored. ``fields`` is its JSON, empty for a degraded one; ``raw`` its text.

    A record of a class that is not known here, that has another revision now, or that cannot be read, is read as a degraded
    one: somebody else may have written it.
    """

    turn: str
    kind: str
    n: int
    id: str
    label: str
    fields: dict[str, Any]
    raw: str
    findings: tuple[Finding, ...]
    near_duplicate: str | None
    degraded: bool


class SessionLabel(NamedTuple):
    """What is shown of a session."""

    name: str
    campaign: str
    purpose: str
    endpoint: str
    parent: str | None


UNREADABLE = Finding("stored.unreadable", "warn", "", "", "the stored record cannot be read")

Line = Sequence[PathStep]
Steps = Mapping[str, PathStep]
Phases = Mapping[str, Phase]


def all_steps(con: Con) -> dict[str, PathStep]:
    """All finished turns of the lab, by id."""
    found = con.execute("SELECT id, parent_turn, session_id, phase FROM turns").fetchall()
    return {row[0]: PathStep(*row) for row in found}


def line_to(steps: Steps, turn: str | None) -> list[PathStep]:
    """The turns from the root to this one; none for the root."""
    line: dict[str, PathStep] = {}
    while turn is not None and turn in steps and turn not in line:
        line[turn] = steps[turn]
        turn = steps[turn].parent
    return list(reversed(line.values()))


def latest(line: Line) -> list[PathStep]:
    """The turns whose records count: a later turn of a phase replaces the earlier one."""
    return list({step.phase: step for step in line}.values())


def current_turns(con: Con, positions: Iterable[HandlePosition]) -> list[list[PathStep]]:
    """For each position, the turns up to there whose records count."""
    steps = all_steps(con)
    return [latest(line_to(steps, position.turn)) for position in positions]


def stored(
    con: Con, turns: Collection[PathStep], phases: Phases, *, kinds: Collection[str] = ()
) -> Iterator[StoredRecord]:
    """What the turns handed in, turn by turn and in order; of some kinds only, if any are named.

    One at a time, so that who needs little of each never holds thousands of them.
    """
    revisions = {(phase.name, made.kind): made.revision for phase in phases.values() for made in phase.makes}
    phase_of = {step.id: step.phase for step in turns}
    sql = (
        "SELECT turn_id, kind, n, record_id, label, body, problems, near_duplicate, degraded, revision FROM records "
        f"WHERE turn_id {IN_LIST}{f' AND kind {IN_LIST}' if kinds else ''} ORDER BY turn_id, n"
    )
    for row in con.execute(sql, [list(phase_of), *([list(kinds)] if kinds else ())]).fetchall():
        turn, kind, n, record_id, label, body, problems, near, degraded, revision = row
        lost = degraded or revisions.get((phase_of[turn], kind)) != revision
        try:
            fields, findings = {} if lost else from_json(body), load_findings(problems)
        except ValueError:
            fields, findings = None, (UNREADABLE,)
        if not isinstance(fields, dict):
            lost, fields = True, {}
        yield StoredRecord(turn, kind, n, record_id or "", label or "", fields, body, findings, near, lost)


def records_of(
    con: Con, turns: Collection[PathStep], phases: Phases, *, kinds: Collection[str] = ()
) -> dict[str, list[StoredRecord]]:
    """What the turns handed in, by turn and in order."""
    found: dict[str, list[StoredRecord]] = {}
    for record in stored(con, turns, phases, kinds=kinds):
        found.setdefault(record.turn, []).append(record)
    return found


def names_of(con: Con, user: str) -> dict[str, SessionLabel]:
    """The sessions that the user may see, by id, swept ones included."""
    seen = readable(con, user)
    texts = ", ".join(f"coalesce({name}, '')" for name in ("name", "campaign", "purpose", "endpoint"))
    found = con.execute(f"SELECT id, {texts}, parent_session FROM sessions").fetchall()
    return {row[0]: SessionLabel(*row[1:]) for row in found if row[0] in seen}


def kept_at(con: Con, place: HandlePosition, phases: Phases, *, kinds: Collection[str] = ()) -> Iterator[StoredRecord]:
    """The records up to where one handle stands, degraded ones included."""
    (turns,) = current_turns(con, [place])
    found = records_of(con, turns, phases, kinds=kinds)
    return (record for step in turns for record in found.get(step.id, ()))
