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
"""What is said of an error that stopped nothing: papermill fails such a notebook, too."""


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
    """Runs a copy of the template with these parameters, saves it at ``out`` with its outputs, and returns that path as given.

    It runs in the ``folder``, else in the template's own, as in JupyterLab. ``on_progress`` hears of each cell, ``cancelled``
    may stop the run, ``env`` is added to the kernel's environment. The lab is the one that ``Lab()`` opens here, unless
    ``env`` names another. Raises NotFoundError, NotebookFailed, ValueError.
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
    given = {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value
        for name, value in (parameters or {}).items()
    }
    reached = _Reached(on_progress)
    place = str(source.parent if folder is None else Path(folder).resolve())
    try:
        papermill.execute_notebook(
            source, target, given, engine_name=NAME, kernel_name="python3", language="python", progress_bar=False,
            on_progress=reached, cancelled=cancelled, resources={"metadata": {"path": place}},
            extra_env={SETTING: default_location(), **(env or {})},  # the kernel works in another folder
        )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        reason = clause(f"{error.ename}: {error.evalue}")
        cell, went_on = _stopped_at(target)
        raise NotebookFailed(target.name, cell, f"{reason}{EXPECTED if went_on else ''}", str(error.ename)) from None
    except RuntimeError as error:  # the kernel died, did not start, or did not answer
        raise NotebookFailed(target.name, reached.cell, clause(error), KERNEL_ENDED) from None
    return Path(out)


class _Reached:
    """Remembers the cell that was begun last, and passes progress on."""

    def __init__(self, on_progress: OnProgress | None) -> None:
        self.cell = ""
        self._on_progress = on_progress

    def __call__(self, index: int, cells: int, cell: str) -> None:
        self.cell = cell
        if self._on_progress:
            self._on_progress(index, cells, cell)


def _stopped_at(path: Path) -> tuple[str, bool]:
    """The id of the cell in which an executed notebook stopped; or of the last one with an error, and that the rest was run."""
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
    """A text as a part of a sentence: one line without its full stop, and without what steers, hides or reorders other text."""
    return one_line(text).rstrip(".")
