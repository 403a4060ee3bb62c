"""Statements written for both databases, as PostgreSQL takes them: a connection that looks like DuckDB's to its callers."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from campaign_lab.store.queries import IN_LIST

if TYPE_CHECKING:
    import psycopg

ZERO, INSTEAD = "\x00", "\ufffd"
"""PostgreSQL's text takes no U+0000. Unicode's replacement character is stored for it: what was paid for is not lost."""

_TOKEN = re.compile(r"'(?:[^']|'')*'|\?|%")


class ServerCon:
    """A PostgreSQL connection inside a transaction, with ``?`` for values (see ``connection.Con``)."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self._raw = raw

    def execute(
        self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = (), /
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        """Runs a statement; what comes back has ``fetchone`` and ``fetchall``."""
        assert not isinstance(parameters, Mapping)
        return self._raw.execute(translated(query), _storable(parameters))


@cache
def translated(query: str) -> str:
    """The statement with psycopg's marks. A question mark within quotes is text, and a percent sign is doubled everywhere.

    One of many ids is asked for as ANY of a list: PostgreSQL looks each up in an index then, which it does not for a query.
    """
    query = query.replace(IN_LIST, "= ANY(?::VARCHAR[])")
    return _TOKEN.sub(lambda found: "%s" if found[0] == "?" else found[0].replace("%", "%%"), query)


def _storable(values: Sequence[Any]) -> list[Any]:
    return [_whole(value) for value in values]


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace(ZERO, INSTEAD) if ZERO in value else value
    return [_whole(each) for each in value] if isinstance(value, list) else value
