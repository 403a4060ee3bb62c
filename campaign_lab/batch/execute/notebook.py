"""One run of a template notebook, and how it ended."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaign_lab.errors import LabError, NotFoundError
from campaign_lab.show.text import one_line
from campaign_lab.store.location import SETTING, default_location

if TYPE_CHECKING:
    from campaign_lab.batch.execute.notebook_client import OnProgress

FilePath = str | os.PathLike[str]

KERNEL_ENDED = "KernelEnded"
"""The kind of a failure in which the kernel itself died or did not answer, and not the code in it."""


EXPECTED = "; the tag raises-exception let the rest run, but a notebook with an error in it counts as failed"
"""Added to the reason when an error did not stop the notebook: papermill fails such a notebook, too."""


class NotebookFailed(LabError):
    """A notebook stopped in a cell. It is kept as far as it came; ``cell`` is the cell's id, empty when none was reached.

    ``kind`` is the name of the error's class in the notebook, or ``KernelEnded``.
    """

    def __init__(self, notebook: str, cell: str, reason: str, kind: str = "") -> None:
        super().__init__(notebook, cell, reason, kind)
        self.notebook = notebook
        self.cell = cell
        self.reason = reason
        self.kind = kind

    def __str__(self) -> str:
        where = f"in the cell {self.cell!r}" if self.cell else "before its first cell"
        return f"The notebook {self.notebook} stopped {where}: {self.reason}. Open it to see how far it came."


def run_notebook(
    template: FilePath,
    out: FilePath,
    parameters: Mapping[str, Any] | None = None,
    *,
    on_progress: OnProgress | None = None,
    cancelled: Callable[[], bool] | None = None,
    env: Mapping[str, str] | None = None,
    folder: FilePath | None = None,
) -> Path:
    """Returns the path ``out`` after it has run a copy of the template with the parameters and saved it there.

    It runs in ``folder``, or in the template's own folder, as in JupyterLab. ``on_progress`` is called before each cell,
    ``cancelled`` may stop the run, ``env`` is added to the kernel's environment. The lab is the one that ``Lab()`` opens here,
    unless ``env`` names another. Raises NotFoundError, NotebookFailed, ValueError.
    """
    source, target = Path(template).resolve(), Path(out).resolve()
    if not source.is_file():
        raise NotFoundError("notebook", str(template))
    if target == source:
        raise ValueError(f"out: {str(out)!r} is the template itself; give another file")
    target.parent.mkdir(parents=True, exist_ok=True)
    import papermill  # type: ignore[import-untyped]  # costs 1.5 s

    from campaign_lab.batch.execute.papermill_engine import NAME, register

    register()
    values = {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value
        for name, value in (parameters or {}).items()
    }
    reached = ""

    def on_cell(index: int, cells: int, cell: str) -> None:
        nonlocal reached
        reached = cell
        if on_progress:
            on_progress(index, cells, cell)

    kernel_folder = str(source.parent if folder is None else Path(folder).resolve())
    try:
        papermill.execute_notebook(
            source, target, values, engine_name=NAME, kernel_name="python3", language="python", progress_bar=False,
            on_progress=on_cell, cancelled=cancelled, resources={"metadata": {"path": kernel_folder}},
            extra_env={SETTING: default_location(), **(env or {})},  # the kernel works in another folder
        )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        reason = clause(f"{error.ename}: {error.evalue}")
        cell, went_on = _stopped_at(target)
        raise NotebookFailed(target.name, cell, f"{reason}{EXPECTED if went_on else ''}", str(error.ename)) from None
    except RuntimeError as error:  # the kernel died, did not start, or did not answer
        raise NotebookFailed(target.name, reached, clause(error), KERNEL_ENDED) from None
    return Path(out)


def _stopped_at(path: Path) -> tuple[str, bool]:
    """Returns the id of the cell that stopped a notebook, or of its last cell with an error; and whether the rest was run."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError):
        return "", False
    for cell in cells:
        if cell["metadata"].get("papermill", {}).get("exception"):
            return str(cell["id"]), False
    wrong = [cell["id"] for cell in cells if any(each["output_type"] == "error" for each in cell.get("outputs", ()))]
    return (str(wrong[-1]), True) if wrong else ("", False)


def clause(text: object) -> str:
    """Returns a text as part of a sentence: one line, no full stop, and no characters that control, hide or reorder text."""
    return one_line(text).rstrip(".")
