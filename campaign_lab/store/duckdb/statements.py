"""A DuckDB connection that parses a statement once: the words stay, so only the plan is made anew (a quarter of the time)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from campaign_lab.store.connection import Result

if TYPE_CHECKING:
    import duckdb

MOST = 500
"""How many statements are kept. The workbench has about two hundred; an INSERT is another one for each number of rows."""

Parsed = dict[str, "duckdb.Statement"]
"""Statements by their text. They belong to no connection."""


class ParsedCon:
    """A connection inside a transaction (see ``connection.Con``). ``parsed`` is used, and filled, by one thread at a time."""

    def __init__(self, raw: duckdb.DuckDBPyConnection, parsed: Parsed) -> None:
        self._raw, self._parsed = raw, parsed

    def execute(self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = (), /) -> Result:
        """Runs a statement, or several without values."""
        return self._raw.execute(self._parsed.get(query) or self._parse(query), parameters)

    def _parse(self, query: str) -> duckdb.Statement | str:
        found = self._raw.extract_statements(query)
        if len(found) != 1:
            return query
        if len(self._parsed) >= MOST:
            self._parsed.clear()
        self._parsed[query] = found[0]
        return found[0]
