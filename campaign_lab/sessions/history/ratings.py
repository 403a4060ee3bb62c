"""Judgements: what people think of the copy. They belong to the record, whoever's fork it is seen from."""

from __future__ import annotations

import operator
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from campaign_lab.errors import NotFoundError
from campaign_lab.records import CopyVariant
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.history.path_loader import HandlePosition, StoredRecord, kept_at
from campaign_lab.sessions.upkeep.access import readable
from campaign_lab.show.text import one_line
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.queries import IN_LIST
from campaign_lab.store.rows import JudgementRow

WORDS = ("pick", "reject", "")
"""What ``pick`` may be; the empty word takes it back."""
RATINGS = range(1, 6)
UNRATED = 0
"""Takes a rating back."""
MOST_NOTE = 1_000
"""How long a note may be, in characters."""

Key = tuple[str, str, int]
"""A record: its turn, kind and number."""


@dataclass(frozen=True, repr=False)
class Judgement:
    """What the user now thinks of a copy variant. ``rating`` is None when there is none."""

    headline: str
    pick: str
    rating: int | None
    note: str

    def __repr__(self) -> str:
        stars = "" if self.rating is None else f"{self.rating} of 5"
        said = ", ".join(word for word in (self.pick, stars, self.note) if word) or "nothing said"
        return one_line(f"{self.headline!r}: {said}")


def rate(
    context: Context, place: HandlePosition, variant: str, *, pick: str | None, rating: int | None, note: str | None
) -> Judgement:
    """Keeps what the user says of a copy variant up to where the handle stands, named by its id or headline.

    What is None stays as it was. Raises ValueError for what cannot be kept, and NotFoundError, with the ids that there are,
    when none or more than one is called so.
    """
    said: dict[str, Any] = {}
    if pick is not None:
        if pick not in WORDS:
            raise ValueError(f"pick: {pick!r} is not allowed; expected pick, reject, or nothing to take it back")
        said["pick"] = pick
    if rating is not None:
        said["rating"] = _whole(rating) or None
    if note is not None:
        said["note"] = _storable(note)
    if not said:
        raise ValueError("nothing was said: give pick, rating or note")
    context.require(place.session, "read")

    def write(con: Con) -> Judgement:
        record = _named(list(kept_at(con, place, context.phases, kinds=(CopyVariant.kind,))), variant)
        row = replace(_so_far(con, record, context.user, context.now()), **said)
        _keep(con, row)
        return Judgement(record.label, row.pick, row.rating, row.note)

    return context.engine.call(write)


def judgements_of(con: Con, turns: Collection[str], user: str) -> dict[Key, JudgementRow]:
    """For each record of the turns the user's own judgement, else the newest that the user may know (``known_to``)."""
    found: dict[Key, JudgementRow] = {}
    for row in known_to(con, turns, user):
        key = (row.turn_id, row.kind, row.n)
        if not _is_empty(row) and (key not in found or found[key].user_name != user):
            found[key] = row
    return found


def known_to(con: Con, turns: Collection[str], user: str) -> list[JudgementRow]:
    """The stored judgements of the turns, oldest first: the user's own, and all of turns of sessions that the user may read."""
    rows = queries.select(con, JudgementRow, f"WHERE turn_id {IN_LIST} ORDER BY rated_at, user_name", [list(turns)])
    sessions = readable(con, user)
    made_in = con.execute(f"SELECT id, session_id FROM turns WHERE id {IN_LIST}", [list(turns)]).fetchall()
    seen = {turn for turn, session in made_in if session in sessions}
    return [row for row in rows if row.user_name == user or row.turn_id in seen]


def make_room(con: Con, rows: Iterable[JudgementRow], *, fresh: Collection[str], owner: str) -> list[JudgementRow]:
    """Those judgements of a file that the user who takes it in may add. Earlier ones in their place are removed.

    For turns that were not here before (``fresh``) everybody's. Of turns that were here only the user's own, when they
    are newer: nobody changes by a file what others think.
    """
    taken = []
    for row in rows:
        here = queries.select(con, JudgementRow, _SAME, _same(row)) if row.turn_id not in fresh else []
        newer = row.user_name == owner and all(row.rated_at > each.rated_at for each in here)
        if row.turn_id in fresh or newer:
            con.execute(f"DELETE FROM judgements {_SAME}", _same(row))
            taken.append(row)
    return taken


def faults(con: Con, turn: str) -> Iterator[str]:
    """What is wrong with the stored judgements of a turn, mostly nothing."""
    known = set(con.execute("SELECT kind, n FROM records WHERE turn_id = ?", [turn]).fetchall())
    said = set[tuple[str, int, str]]()
    for row in queries.select(con, JudgementRow, "WHERE turn_id = ? ORDER BY kind, n, user_name", [turn]):
        what = f"what {row.user_name} said of its {row.kind} {row.n}"
        if (row.kind, row.n) not in known:
            yield f"{what} is of no record"
        if (row.kind, row.n, row.user_name) in said:
            yield f"{what} is stored twice"
        if not _can_be_said(row):
            yield f"{what} is none of what can be said"
        said.add((row.kind, row.n, row.user_name))


_SAME = "WHERE turn_id = ? AND kind = ? AND n = ? AND user_name = ?"


def _same(row: JudgementRow) -> list[str | int]:
    return [row.turn_id, row.kind, row.n, row.user_name]


def _so_far(con: Con, record: StoredRecord, user: str, now: datetime) -> JudgementRow:
    """What the user has said of it so far."""
    fresh = JudgementRow(record.turn, record.kind, record.n, user, pick="", rating=None, note="", rated_at=now)
    here = queries.select(con, JudgementRow, _SAME, _same(fresh))
    return replace(here[0], rated_at=now) if here else fresh


def _keep(con: Con, row: JudgementRow) -> None:
    """Puts the row in the place of the earlier one. An empty one too: an older file must not bring back what was taken back."""
    con.execute(f"DELETE FROM judgements {_SAME}", _same(row))
    queries.insert(con, [row])


def _is_empty(row: JudgementRow) -> bool:
    return not row.pick and row.rating is None and not row.note


def _can_be_said(row: JudgementRow) -> bool:
    """Is it a row that ``rate`` could have written? Rows from elsewhere may hold anything."""
    whole = None not in (row.user_name, row.note, row.rated_at)
    return whole and row.pick in WORDS and (row.rating is None or row.rating in RATINGS) and len(row.note) <= MOST_NOTE


def _named(records: list[StoredRecord], name: str) -> StoredRecord:
    valid = [record for record in records if not record.degraded]
    found = [record for record in valid if record.id == name] or [record for record in valid if record.label == name]
    if len(found) != 1:
        known = tuple(record.id for record in found or valid)
        raise NotFoundError("single copy variant" if found else "copy variant", str(name), known)
    return found[0]


def _whole(rating: int) -> int:
    """The rating as a plain int; what a table gives (numpy) counts as one."""
    try:
        number = -1 if isinstance(rating, bool) else operator.index(rating)
    except TypeError:
        number = -1
    if number not in (UNRATED, *RATINGS):
        raise ValueError(
            f"rating: {rating!r} is not allowed; expected a whole number from 1 to 5, or 0 to take it back"
        )
    return number


def _storable(note: str) -> str:
    text = str(note).strip()
    if len(text) > MOST_NOTE:
        raise ValueError(f"note: {len(text)} characters are too many; at most {MOST_NOTE} are kept")
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise ValueError(f"note: {text[:40]!r}… has half of a character in it; type it again")
    return text
