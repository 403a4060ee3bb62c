"""Parquet: what is read back is what was written, and nothing but a whole file ever stands there."""

from __future__ import annotations

import os
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from campaign_lab.store.duckdb.parquet import write_parquet
from campaign_lab.tables.columns import COPY_COLUMNS, frame

DATA = {
    "text": pd.Series(["a", "", "é \U0001f600\n"], dtype="str"),
    "count": pd.Series([1, -2, 2**62], dtype="int64"),
    "rating": pd.Series([1, None, 3], dtype="Int64"),
    "cost": pd.Series([0.1, float("nan"), 2.0], dtype="float64"),
    "yes": pd.Series([True, None, False], dtype="boolean"),
    "at": pd.Series(pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03"]), dtype="datetime64[us]").dt.tz_localize(
        "UTC"
    ),
}
TYPES = ["VARCHAR", "BIGINT", "BIGINT", "DOUBLE", "BOOLEAN", "TIMESTAMP WITH TIME ZONE"]


def _types(path: Path) -> list[str]:
    return [str(kind) for kind in duckdb.read_parquet(str(path)).types]


def test_values_gaps_and_types_come_back(tmp_path: Path) -> None:
    """Each type reads back as it is, gaps as null; a frame without rows keeps the types too."""
    path = tmp_path / "it's a table.parquet"
    write_parquet(pd.DataFrame(DATA), path)
    assert _types(path) == TYPES
    rows = duckdb.read_parquet(str(path)).fetchall()
    assert [row[:5] for row in rows] == [
        ("a", 1, 1, 0.1, True), ("", -2, None, None, None), ("é \U0001f600\n", 2**62, 3, 2.0, False),
    ]  # fmt: skip
    write_parquet(pd.DataFrame(DATA).head(0), path)
    assert _types(path) == TYPES
    assert duckdb.read_parquet(str(path)).fetchall() == []


def test_a_table_of_ours_can_be_written(tmp_path: Path) -> None:
    """A frame as the lab shows it, without rows, has a column for each of its own."""
    write_parquet(frame([], COPY_COLUMNS), tmp_path / "a.parquet")
    assert duckdb.read_parquet(str(tmp_path / "a.parquet")).columns == [column.name for column in COPY_COLUMNS]


def test_what_cannot_be_written_leaves_the_older_file_whole(tmp_path: Path) -> None:
    """A type that Parquet does not know is an error; the older file stands as it was, and nothing beside it."""
    path = tmp_path / "a.parquet"
    write_parquet(pd.DataFrame(DATA), path)
    before = path.read_bytes()
    with pytest.raises(duckdb.Error):
        write_parquet(pd.DataFrame({"odd": pd.Series([1j, 2j])}), path)
    with pytest.raises(OSError, match="gone"):
        write_parquet(pd.DataFrame(DATA), tmp_path / "gone" / "a.parquet")
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.parquet"]
