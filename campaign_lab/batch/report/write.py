"""Writes the report of a batch: a page to look at, and a table to work with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from campaign_lab.batch.report.overview import overview
from campaign_lab.batch.report.summary import made_by, summary
from campaign_lab.batch.rows import Row
from campaign_lab.sessions.context import Context
from campaign_lab.show.frame import framed, source
from campaign_lab.show.templates import render
from campaign_lab.store.duckdb.parquet import write_parquet
from campaign_lab.store.whole_file import whole_file

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""The page has no script and loads nothing. Should markup get past the escaping, the browser does neither for it."""
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
    title, css = f"Batch {out.resolve().name}", source("document.css") + source("batch_report.css")
    page = render("document", title=title, policy=POLICY, css=css, body=framed(overview(title, made)))
    with whole_file(out / PAGE) as draft:
        draft.write_text(f"{page}\n", encoding="utf-8")
