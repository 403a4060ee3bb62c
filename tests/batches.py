"""Small batches for tests: a template without a lab that does what the brief's audience says, and runs of such a batch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbformat
from kernels import write_notebook

from campaign_lab import Brief, Lab
from campaign_lab.batch.events import BatchEvent
from campaign_lab.batch.plan.jobs import BatchOptions
from campaign_lab.batch.rows import Row

PARAMETERS = 'brief_path: str = ""\nangle: str = "calm"\nn: int = 1'
LOAD = 'import os, time, tomllib\nwith open(brief_path, "rb") as file:\n    brief = tomllib.load(file)\nprint("began")'
ACT = 'exec(brief["audience"])'
"""The audience of a test's brief is code: it says how its notebook ends."""
CHEAP = {"parameters": PARAMETERS, "load": LOAD, "act": ACT, "last": 'print("done", angle, n)'}


def cheap_template(folder: Path, **cells: str) -> Path:
    """A template whose kernel imports nothing of ours; ``cells`` replace or follow its own."""
    folder.mkdir(parents=True, exist_ok=True)
    return write_notebook(folder / "cheap.ipynb", {**CHEAP, **cells})


def brief_of(name: str, act: str = "", **fields: Any) -> Brief:
    """A brief whose notebook does this."""
    return Brief(
        url=f"https://{name.lower().replace(' ', '-')}.example",
        campaign=name,
        audience=act,
        **{"market": "CA", **fields},
    )


def run_cheap(lab: Lab, briefs: Sequence[Brief], folder: Path, **options: Any) -> list[Row]:
    """Runs a batch of cheap notebooks in ``folder/out``, as a script would."""
    from campaign_lab.batch.execute.run import run_batch
    from campaign_lab.batch.plan.planner import plan_batch

    heard = {name: options.pop(name) for name in ("on_event", "cancelled") if name in options}
    options.setdefault("notebook", folder / "templates" / "cheap.ipynb")
    if not options["notebook"].exists():
        cheap_template(folder / "templates")
    plan = plan_batch(lab._context, list(briefs), BatchOptions(out=folder / "out", **options))
    return run_batch(lab._context, plan, **heard)


def cells_of(notebook: Path) -> dict[str, Any]:
    """The cells of a saved notebook by id."""
    return {cell["id"]: cell for cell in nbformat.read(notebook, as_version=4).cells}


def said(notebook: Path, cell: str) -> str:
    """What a cell of a saved notebook printed."""
    return "".join("".join(output.get("text", ())) for output in cells_of(notebook)[cell]["outputs"])


def names(events: Sequence[BatchEvent]) -> list[str]:
    """The events by their class."""
    return [type(event).__name__ for event in events]
