"""Writes the report of a batch: a page to look at, and a table to work with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from campaign_lab.batch.report.overview import overview
from campaign_lab.batch.report.summary import made_by, summary
from campaign_lab.batch.rows import Row
from campaign_lab.sessions.context import Context
from campaign_lab.show.document import document
from campaign_lab.show.frame import source
from campaign_lab.store.duckdb.parquet import write_parquet
from campaign_lab.store.whole_file import whole_file

PAGE = "index.html"
TABLE = "summary.parquet"


def write_report(context: Context, rows: Sequence[Row], out: Path) -> None:
    """Writes index.html and summary.parquet into the batch's folder, including runs that failed or never began.

    What the runs made is read from the lab at ``Row.tips``. An error leaves an older file whole. It blocks: call it in a
    thread where an event loop must stay free. Raises StoreError, OSError.
    """
    made = made_by(context, rows)
    out.mkdir(parents=True, exist_ok=True)
    write_parquet(summary(made), out / TABLE)
    title = f"Batch {out.resolve().name}"
    with whole_file(out / PAGE) as draft:
        draft.write_text(document(title, overview(title, made), source("batch_report.css")), encoding="utf-8")
