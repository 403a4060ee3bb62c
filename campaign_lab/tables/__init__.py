"""Tables for comparing: what columns they have, and rows as a pandas frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from campaign_lab.tables.columns import (
    COPY_COLUMNS,
    COVERAGE_COLUMNS,
    DIFF_COLUMNS,
    PAGE_COLUMNS,
    SESSION_COLUMNS,
    TIMELINE_COLUMNS,
    TREE_COLUMNS,
    Column,
    Row,
    cost_columns,
    record_columns,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COPY_COLUMNS",
    "COVERAGE_COLUMNS",
    "DIFF_COLUMNS",
    "PAGE_COLUMNS",
    "SESSION_COLUMNS",
    "TIMELINE_COLUMNS",
    "TREE_COLUMNS",
    "Column",
    "cost_columns",
    "frame",
    "record_columns",
]


def frame(rows: Sequence[Row], columns: Sequence[Column]) -> pd.DataFrame:
    """The rows as a frame with fixed columns and dtypes, empty or not."""
    import pandas as pd  # most of a second, which importing the package does not need

    from campaign_lab.tables.readable_frame import ReadableFrame

    data = {column.name: pd.Series([column.value(row) for row in rows], dtype=column.dtype) for column in columns}
    return ReadableFrame(data)
