"""Tables for comparing: columns are data, one line a column; the frame is pandas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from campaign_lab.checks import graphemes
from campaign_lab.show import frame_html

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]

MOST_ROWS = 200
"""Rows that a frame shows of itself."""


@dataclass(frozen=True)
class Column:
    """One column: its name, its pandas dtype, and how its value is read from a copy variant's row."""

    name: str
    dtype: str
    value: Callable[[Row], Any]


def _supported(row: Row) -> int:
    return sum(bool(each["supported"]) for each in row["evidence"])


COPY_COLUMNS: tuple[Column, ...] = (
    Column("session", "str", lambda row: row["session"]),
    Column("angle", "str", lambda row: row["angle"]),
    Column("motivation", "str", lambda row: row["motivation"]),
    Column("headline", "str", lambda row: row["headline"]),
    Column("primary_text", "str", lambda row: row["primary_text"]),
    Column("description", "str", lambda row: row["description"]),
    Column("call_to_action", "str", lambda row: row["call_to_action"]),
    Column("headline_length", "int64", lambda row: graphemes(row["headline"])),
    Column("primary_text_length", "int64", lambda row: graphemes(row["primary_text"])),
    Column("description_length", "int64", lambda row: graphemes(row["description"])),
    Column("quotes", "int64", lambda row: len(row["evidence"])),
    Column("quotes_supported", "int64", _supported),
    Column("endpoint", "str", lambda row: row["endpoint"]),
)
"""One row a copy variant. Lengths are in graphemes, what a reader sees as characters."""


TIME = "datetime64[us, UTC]"


def _named(name: str, dtype: str) -> Column:
    return Column(name, dtype, lambda row: row[name])


SESSION_COLUMNS: tuple[Column, ...] = (
    *(_named(name, "str") for name in ("session", "campaign", "url", "owner", "purpose", "phase")),
    _named("turns", "int64"),
    _named("cost_usd", "float64"),
    _named("state", "str"),
    _named("expires_at", TIME),
    _named("made_at", TIME),
    _named("endpoint", "str"),
    _named("id", "str"),
)
"""One row a session. ``phase`` is the newest one; ``state`` is living, expired or pinned; ``cost_usd`` is its own."""

TREE_COLUMNS: tuple[Column, ...] = (
    *(_named(name, "str") for name in ("session", "parent")),
    _named("checkpoint", "int64"),
    *(_named(name, "str") for name in ("phase", "purpose", "phases")),
    _named("cost_usd", "float64"),
    _named("automatic", "bool"),
    _named("made_by", "str"),
    _named("made_at", TIME),
    *(_named(name, "str") for name in ("notebook", "cell", "id")),
)
"""One row a session of a fork tree. ``checkpoint`` and ``phase`` are what it was forked at; ``phases`` are its own turns."""


def cost_columns(by: str) -> tuple[Column, ...]:
    """Costs by one key. Tokens are sums; requests without a price and cut ones are counted apart."""
    counts = ("requests", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
    return (
        _named(by, "str"),
        *(_named(name, "int64") for name in counts),
        _named("cost_usd", "float64"),
        *(_named(name, "int64") for name in ("unpriced_requests", "cut_requests")),
    )


def copy_frame(rows: Sequence[Row]) -> pd.DataFrame:
    """The copy variants as a frame."""
    return frame(rows, COPY_COLUMNS)


def frame(rows: Sequence[Row], columns: Sequence[Column]) -> pd.DataFrame:
    """The rows as a frame with fixed columns and dtypes, empty or not."""
    import pandas as pd

    data = {column.name: pd.Series([column.value(row) for row in rows], dtype=column.dtype) for column in columns}
    return _readable()(data)


@cache
def _readable() -> type[pd.DataFrame]:
    """A DataFrame that shows itself so that texts can be read: pandas cuts them, and squeezes them to a word a line.

    Made when first needed, because pandas takes most of a second to import.
    """
    import pandas as pd

    class ReadableFrame(pd.DataFrame):
        """A DataFrame in every way but its HTML."""

        @property
        def _constructor(self) -> type[pd.DataFrame]:
            return ReadableFrame

        def _repr_html_(self) -> str:
            shown = self.head(MOST_ROWS)
            rows = [[_shown(value) for value in row] for row in shown.itertuples(index=False)]
            return frame_html([str(name) for name in shown.columns], rows, len(self))

    return ReadableFrame


def _shown(value: Any) -> Any:
    """Times without seconds; what is missing as nothing."""
    import pandas as pd

    if pd.isna(value):
        return ""
    return f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "strftime") else value
