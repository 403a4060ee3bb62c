"""Where a handle stands. In a script it moves on with each run; in a notebook the cell counts (design section 2).

A cell that is run again stands where the cell it first followed now ends; a new cell stands where the handle stands now.
So running a notebook again from the top replays it, editing a cell and running on forks from the cell above, and the cells
below follow the new branch.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class CellRef:
    """The notebook cell that is executing. ``cell_id`` is nbformat's; None where the front end does not tell it."""

    notebook: str | None
    cell_id: str | None
    source_sha: str | None
    execution: str | None
    """Tells two executions of one cell apart."""
    panel: str = ""
    """Tells what a panel runs apart from what the code of its cell runs; a click on it is an execution of its own."""

    @property
    def place(self) -> str:
        """What positions are kept by; empty in a script, where there is nothing to come back to."""
        return f"{self.cell_id or ''}{self.panel}"


NOWHERE = CellRef(None, None, None, None)
_given: ContextVar[CellRef | None] = ContextVar("given_cell", default=None)


@contextmanager
def running_for(cell: CellRef) -> Iterator[None]:
    """What runs inside runs for this cell: a panel works for the one that it was made in, wherever it is clicked."""
    token = _given.set(cell)
    try:
        yield
    finally:
        _given.reset(token)


def current_cell() -> CellRef:
    """The executing cell, under JupyterLab, papermill, nbval and nbclient with our stamps; NOWHERE outside of a kernel.

    Where the front end tells the notebook but no cell id, the cell is looked for in the file by its source.
    """
    if (given := _given.get()) is not None:
        return given
    module = sys.modules.get("IPython")  # not imported by us: without a kernel there is nothing to ask
    shell = module.get_ipython() if module else None
    if shell is None or not hasattr(shell, "get_parent"):
        return NOWHERE
    parent = shell.get_parent() or {}
    metadata, content = parent.get("metadata") or {}, parent.get("content") or {}
    cell_id, source = metadata.get("cellId"), content.get("code")
    if cell_id and cell_id.startswith("vscode-notebook-cell:"):
        cell_id = cell_id.rsplit("#", 1)[-1]
    notebook = (metadata.get("campaign") or {}).get("notebook") or _notebook(shell.user_ns)
    return CellRef(
        notebook=os.path.basename(notebook) if notebook else None,
        cell_id=cell_id or (_cell_in_file(notebook, source) if notebook and source else None),
        source_sha=hashlib.sha256(source.rstrip("\n").encode()).hexdigest()[:16] if source else None,
        execution=(parent.get("header") or {}).get("msg_id"),
    )


def cell_header(notebook: str, cell_id: str | None) -> dict[str, Any]:
    """What a runner writes on the requests of a cell, as message metadata, so that ``current_cell`` knows the cell."""
    return {"cellId": cell_id, "campaign": {"notebook": notebook}}


def _notebook(namespace: Mapping[str, Any]) -> str | None:
    """The notebook's path, as JupyterLab tells it, or VS Code, or papermill where the template asks for it."""
    told = (
        os.environ.get("JPY_SESSION_NAME"),
        namespace.get("__vsc_ipynb_file__"),
        namespace.get("PAPERMILL_OUTPUT_PATH"),
    )
    return next((path for path in told if isinstance(path, str) and path), None)


def _cell_in_file(path: str, source: str) -> str | None:
    """The id of the one code cell with this source in the notebook file; None when there is none, or more than one."""
    try:
        with open(path, encoding="utf-8") as file:
            cells = json.load(file)["cells"]
        fitting = [cell.get("id") for cell in cells if "".join(cell["source"]).rstrip("\n") == source.rstrip("\n")]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None  # no notebook that we can read: then the cell is not known
    return fitting[0] if len(fitting) == 1 else None


Step = tuple[str, int]
"""A cell, and which run of the handle it is within one execution of the cell."""


class Position:
    """The positions of one handle: turn ids, None for the root."""

    def __init__(self, start: str | None) -> None:
        self.now = start
        self._start = start
        self._followed: dict[Step, Step | None] = {}
        self._ends: dict[Step, str | None] = {}
        self._last: Step | None = None
        self._runs: Counter[tuple[str, str | None]] = Counter()

    def enter(self, cell: CellRef) -> tuple[str | None, Step | None]:
        """Where a run in this cell starts, and the step to give back to ``leave``."""
        if not cell.place:
            return self.now, None
        step = (cell.place, self._runs[cell.place, cell.execution])
        self._runs[cell.place, cell.execution] += 1
        before = self._followed.setdefault(step, self._last)
        return (self._start if before is None else self._ends[before]), step

    def leave(self, step: Step | None, position: str | None) -> None:
        """A run has ended at the turn ``position``."""
        self.now = position
        if step is not None:
            self._ends[step] = position
            self._last = step
