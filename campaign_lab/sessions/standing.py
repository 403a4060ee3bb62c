"""Where a handle stands. In a script it moves on with each run; in a notebook the cell counts (design section 2).

A cell that is run again stands where the cell it first followed now ends; a new cell stands where the handle stands now.
So running a notebook again from the top replays it, editing a cell and running on forks from the cell above, and the cells
below follow the new branch.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections import Counter
from dataclasses import dataclass


@dataclass(frozen=True)
class CellRef:
    """The notebook cell that is executing. ``cell_id`` is nbformat's; None where the front end does not tell it."""

    notebook: str | None
    cell_id: str | None
    source_sha: str | None
    execution: str | None
    """Tells two executions of one cell apart."""


NOWHERE = CellRef(None, None, None, None)


def current_cell() -> CellRef:
    """The executing cell, under JupyterLab, papermill, nbval and nbclient with our hooks; NOWHERE outside of a kernel."""
    module = sys.modules.get("IPython")  # not imported by us: without a kernel there is nothing to ask
    shell = module.get_ipython() if module else None
    if shell is None or not hasattr(shell, "get_parent"):
        return NOWHERE
    parent = shell.get_parent() or {}
    metadata, content = parent.get("metadata") or {}, parent.get("content") or {}
    cell_id, source = metadata.get("cellId"), content.get("code")
    if cell_id and cell_id.startswith("vscode-notebook-cell:"):
        cell_id = cell_id.rsplit("#", 1)[-1]
    notebook = (metadata.get("campaign") or {}).get("notebook") or os.environ.get("JPY_SESSION_NAME")
    return CellRef(
        notebook=os.path.basename(notebook) if notebook else None,
        cell_id=cell_id,
        source_sha=hashlib.sha256(source.rstrip("\n").encode()).hexdigest()[:16] if source else None,
        execution=(parent.get("header") or {}).get("msg_id"),
    )


Step = tuple[str, int]
"""A cell, and which run of the handle it is within one execution of the cell."""


class Standing:
    """The positions of one handle: turn ids, None for the root."""

    def __init__(self, start: str | None) -> None:
        self.now = start
        self._start = start
        self._followed: dict[Step, Step | None] = {}
        self._ends: dict[Step, str | None] = {}
        self._last: Step | None = None
        self._execution: str | None = None
        self._runs: Counter[str] = Counter()

    def enter(self, cell: CellRef) -> tuple[str | None, Step | None]:
        """Where a run in this cell starts, and the step to give back to ``leave``."""
        if cell.cell_id is None:
            return self.now, None
        if cell.execution != self._execution:
            self._execution = cell.execution
            self._runs.clear()
        step = (cell.cell_id, self._runs[cell.cell_id])
        self._runs[cell.cell_id] += 1
        before = self._followed.setdefault(step, self._last)
        return (self._start if before is None else self._ends[before]), step

    def leave(self, step: Step | None, position: str | None) -> None:
        """A run has ended at the turn ``position``."""
        self.now = position
        if step is not None:
            self._ends[step] = position
            self._last = step
