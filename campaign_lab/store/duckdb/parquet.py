"""A table as a Parquet file, which any tool for data reads: written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from campaign_lab.store.duckdb.opening import CONFIG
from campaign_lab.store.whole_file import whole_file

if TYPE_CHECKING:
    import pandas as pd


def write_parquet(frame: pd.DataFrame, path: Path) -> None:
    """Writes the frame's columns with their types, without its index; ``duckdb.sql("from 'summary.parquet'")`` reads it.

    Texts, whole numbers, decimal numbers, truth values and times keep their types, also in a frame without rows; what is
    missing is null. DuckDB knows no case in names: of ``Angle`` and ``angle`` the second one gets a number behind it. An error
    leaves an older file whole. Raises OSError.
    """
    import duckdb  # 120 ms that only who writes one should pay

    try:
        with whole_file(path) as draft, duckdb.connect(":memory:", config=CONFIG) as con:
            con.execute("SET TimeZone = 'UTC'")
            con.from_df(frame).write_parquet(str(draft), compression="zstd")
    except duckdb.IOException as error:
        raise OSError(f"{path} could not be written: {error}") from error
