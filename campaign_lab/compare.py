"""Tables for comparing: columns are data, one line a column; the frame is pandas."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from campaign_lab.checks import graphemes

if TYPE_CHECKING:
    import pandas as pd

Row = Mapping[str, Any]

PANDAS_WIDTH = 50
"""Characters of a cell that pandas shows when nobody has chosen."""
TEXT_WIDTH = 130
"""Characters of a cell that show a primary text whole."""


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


def copy_frame(rows: Sequence[Row], columns: Sequence[Column] = COPY_COLUMNS) -> pd.DataFrame:
    """The rows as a frame with fixed columns and dtypes, empty or not."""
    import pandas as pd

    if pd.get_option("display.max_colwidth") == PANDAS_WIDTH:  # the user has not chosen: show whole texts
        pd.set_option("display.max_colwidth", TEXT_WIDTH)
    data = {column.name: pd.Series([column.value(row) for row in rows], dtype=column.dtype) for column in columns}
    return pd.DataFrame(data)
