"""The position of a handle: the turn where its next run starts. In a script each run moves it on; in a notebook the cell counts.

A cell that is run again starts where the cell before it now ends; a new cell starts at the handle's current position. So
running a notebook from the top replays it, and running an edited cell forks after the cell above, with the cells below
following the new branch.
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
    """The notebook cell that is executing. ``cell_id`` is nbformat's id; None where the front end does not send it."""

    notebook: str | None
    cell_id: str | None
    source_sha: str | None
    execution: str | None
    """Differs between two executions of one cell."""
    panel: str = ""
    """The panel that runs something, where it is not the code of the cell. A click on a panel is an execution of its own."""

    @property
    def place(self) -> str:
        """The name by which positions are remembered; empty in a script, where no cell can be run again."""
        return f"{self.cell_id or ''}{self.panel}"


NOWHERE = CellRef(None, None, None, None)
_override: ContextVar[CellRef | None] = ContextVar("cell_override", default=None)


@contextmanager
def running_for(cell: CellRef) -> Iterator[None]:
    """Inside, ``current_cell`` is this cell: a panel works for the cell that it was made in, wherever it is clicked."""
    token = _override.set(cell)
    try:
        yield
    finally:
        _override.reset(token)


def current_cell() -> CellRef:
    """The executing cell, under JupyterLab, papermill, nbval and nbclient with our stamps; NOWHERE outside of a kernel.

    Where the front end tells the notebook but no cell id, the cell is looked for in the file by its source.
    """
    if (cell := _override.get()) is not None:
        return cell
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
    """The metadata that a runner adds to the execute request of a cell, so that ``current_cell`` knows the cell."""
    return {"cellId": cell_id, "campaign": {"notebook": notebook}}


def _notebook(namespace: Mapping[str, Any]) -> str | None:
    """The notebook's path, from JupyterLab, VS Code, or papermill where the template has that parameter; None without."""
    paths = (
        os.environ.get("JPY_SESSION_NAME"),
        namespace.get("__vsc_ipynb_file__"),
        namespace.get("PAPERMILL_OUTPUT_PATH"),
    )
    return next((path for path in paths if isinstance(path, str) and path), None)


def _cell_in_file(path: str, source: str) -> str | None:
    """The id of the one code cell with this source in the notebook file; None when there is none, or more than one."""
    try:
        with open(path, encoding="utf-8") as file:
            cells = json.load(file)["cells"]
        fitting = [cell.get("id") for cell in cells if "".join(cell["source"]).rstrip("\n") == source.rstrip("\n")]
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return None  # not a notebook that we can read: the cell stays unknown
    return fitting[0] if len(fitting) == 1 else None


Step = tuple[str, int]
"""A cell, and the number of the handle's run within one execution of that cell, from 0."""


class Position:
    """The positions of one handle, as turn ids; None is the root."""

    def __init__(self, start: str | None) -> None:
        self.now = start
        self._start = start
        self._followed: dict[Step, Step | None] = {}
        self._ends: dict[Step, str | None] = {}
        self._last: Step | None = None
        self._runs: Counter[tuple[str, str | None]] = Counter()

    def enter(self, cell: CellRef) -> tuple[str | None, Step | None]:
        """The turn after which a run in this cell starts, and the step to pass to ``leave``."""
        if not cell.place:
            return self.now, None
        step = (cell.place, self._runs[cell.place, cell.execution])
        self._runs[cell.place, cell.execution] += 1
        before = self._followed.setdefault(step, self._last)
        return (self._start if before is None else self._ends[before]), step

    def leave(self, step: Step | None, position: str | None) -> None:
        """Notes that a run has ended at the turn ``position``."""
        self.now = position
        if step is not None:
            self._ends[step] = position
            self._last = step
