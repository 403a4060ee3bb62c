"""Notebooks as jobs: a template is run for each brief of a table, a folder or a list, on this machine or on a cluster.

A batch is a folder: it holds the executed notebooks, and the same batch begun again does only what is missing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from campaign_lab.batch.execute.notebook import NotebookFailed, run_notebook
    from campaign_lab.batch.execute.run import run_batch
    from campaign_lab.batch.execute.work import Cancellation
    from campaign_lab.batch.folder import FolderInUse
    from campaign_lab.batch.plan.jobs import BatchOptions, BatchPlan
    from campaign_lab.batch.plan.planner import plan_batch
    from campaign_lab.batch.rows import BATCH_COLUMNS, Row

__all__ = [
    "BATCH_COLUMNS",
    "BatchOptions",
    "BatchPlan",
    "Cancellation",
    "FolderInUse",
    "NotebookFailed",
    "Row",
    "plan_batch",
    "run_batch",
    "run_notebook",
]

HOMES = {
    "plan.jobs": ("BatchOptions", "BatchPlan"),
    "plan.planner": ("plan_batch",),
    "execute.work": ("Cancellation",),
    "execute.notebook": ("NotebookFailed", "run_notebook"),
    "execute.run": ("run_batch",),
    "folder": ("FolderInUse",),
    "rows": ("BATCH_COLUMNS", "Row"),
}


def __getattr__(name: str) -> Any:
    """Loads what is asked for: papermill loads our engine while it is half imported, and a lab needs none of it to open."""
    home = next((module for module, names in HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{home}"), name)
