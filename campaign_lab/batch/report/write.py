"""What a batch leaves beside its notebooks: a page to look at, and a table to work with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from secrets import token_hex

from campaign_lab.batch.report.overview import overview
from campaign_lab.batch.report.summary import made_by, summary
from campaign_lab.batch.rows import Row
from campaign_lab.sessions.context import Context
from campaign_lab.show.document import document
from campaign_lab.show.frame import source
from campaign_lab.store.duckdb.parquet import write_parquet

PAGE = "index.html"
TABLE = "summary.parquet"


def write_report(context: Context, rows: Sequence[Row], out: Path) -> None:
    """Writes index.html and summary.parquet into the batch's folder, also of runs that failed or never began.

    What the runs made is read from the lab as it stands at ``Row.tips``. Each file is written beside its target first, so that an
    older one stays whole until then. Blocks: call it in a thread where a loop must stay free. Raises StoreError, OSError.
    """
    made = made_by(context, rows)
    out.mkdir(parents=True, exist_ok=True)
    write_parquet(summary(made), out / TABLE)
    title = f"Batch {out.resolve().name}"
    beside = out / f".{token_hex(8)}.part"
    try:
        beside.write_text(document(title, overview(title, made), source("batch_report.css")), encoding="utf-8")
        beside.replace(out / PAGE)
    finally:
        beside.unlink(missing_ok=True)
