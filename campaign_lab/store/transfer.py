"""Moving rows between lab files: whole transcripts, and whether another file has the very tables that this one has."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from campaign_lab.store import queries

if TYPE_CHECKING:
    from campaign_lab.store.connection import Con

HEAD = ("project_key", "session_id", "subpath", "n", "mtime", "summary")
ENTRY = ("project_key", "session_id", "subpath", "seq", "uuid", "kind", "entry", "stored_at")


@dataclass(frozen=True)
class Transcript:
    """All that one attempt wrote: a head for each of its agents, and the entries, as rows of their tables."""

    attempt_id: str
    heads: tuple[tuple[Any, ...], ...]
    entries: tuple[tuple[Any, ...], ...]


def transcripts_of(con: Con, attempts: Sequence[str]) -> list[Transcript]:
    """The transcripts of attempts, in the order of ``attempts``; those that have none are left out."""
    found = []
    for attempt in attempts:
        heads = _rows(con, "transcripts", HEAD, attempt)
        entries = _rows(con, "entries", ENTRY, attempt)
        if heads or entries:
            found.append(Transcript(attempt, heads, entries))
    return found


def add_transcripts(con: Con, transcripts: Sequence[Transcript]) -> None:
    """Stores the transcripts of attempts that have none here."""
    here = present(con, "transcripts", "session_id", [each.attempt_id for each in transcripts])
    for transcript in transcripts:
        if transcript.attempt_id not in here:
            _add(con, "transcripts", HEAD, transcript.heads)
            _add(con, "entries", ENTRY, transcript.entries)


def present(con: Con, table: str, column: str, ids: Collection[str]) -> set[str]:
    """Which of the ids stand in a column. Table and column are named by us."""
    sql = f"SELECT DISTINCT {column} FROM {table} WHERE {column} {queries.IN_LIST}"
    return {str(found) for (found,) in con.execute(sql, [list(ids)]).fetchall()}


def shape(con: Con) -> set[tuple[str, str, str, str]]:
    """Table, kind of table, column and type of all our columns. A view in a table's place would run what its maker wrote."""
    names = [*queries.TABLES.values(), "transcripts", "entries"]
    found = con.execute(
        "SELECT c.table_name, t.table_type, c.column_name, c.data_type FROM information_schema.columns AS c"
        " JOIN information_schema.tables AS t ON t.table_schema = c.table_schema AND t.table_name = c.table_name"
        f" WHERE c.table_name {queries.IN_LIST}",
        [names],
    )
    return {(str(table), str(kind), str(column), str(type_)) for table, kind, column, type_ in found.fetchall()}


def _rows(con: Con, table: str, names: Sequence[str], attempt: str) -> tuple[tuple[Any, ...], ...]:
    order = "subpath, seq" if "seq" in names else "subpath"
    sql = f"SELECT {', '.join(names)} FROM {table} WHERE session_id = ? ORDER BY {order}"
    return tuple(con.execute(sql, [attempt]).fetchall())


def _add(con: Con, table: str, names: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    if rows:
        marks = ", ".join("?" for _ in names)
        con.executemany(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", [list(row) for row in rows])
