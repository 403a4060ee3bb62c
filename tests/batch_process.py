"""A batch in a process of its own, that tests kill: prints each event's class and run, and in the end the rows."""

from __future__ import annotations

import json
import sys

from campaign_lab import Lab
from campaign_lab.batch.events import BatchEvent, CellStarted, RunEnded, RunStarted
from campaign_lab.batch.execute.run import run_batch
from campaign_lab.batch.plan.jobs import BatchOptions
from campaign_lab.batch.plan.planner import plan_batch


def _say(event: BatchEvent) -> None:
    run = event.run if isinstance(event, RunStarted | CellStarted | RunEnded) else ""
    cell = event.cell if isinstance(event, CellStarted) else ""
    print(type(event).__name__, run, cell, flush=True)


if __name__ == "__main__":
    from pathlib import Path

    place, template, out, workers, *briefs = sys.argv[1:]
    with Lab(place, user="ana") as lab:
        options = BatchOptions(Path(template), Path(out), workers=int(workers), retries=0)
        rows = run_batch(lab._context, plan_batch(lab._context, briefs, options), on_event=_say)
    print(json.dumps([[row.run, row.state, row.cost_usd, row.cut_usd, row.records, row.attempts] for row in rows]))
