"""Runs of a template notebook: one, or one for each of several briefs. What was run before replays, in each of them."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaign_lab.brief import Brief
from campaign_lab.compare import Column, frame
from campaign_lab.errors import BriefError, LabError, NotFoundError
from campaign_lab.show.text import plain
from campaign_lab.store.place import default_place

if TYPE_CHECKING:
    import pandas as pd

    from campaign_lab.batch.client import OnProgress

FilePath = str | os.PathLike[str]
BRIEF_PARAMETER = "brief_path"
"""The parameter of a template that takes the path of a brief."""

BATCH_COLUMNS: tuple[Column, ...] = tuple(
    Column(name, "str", itemgetter(name)) for name in ("brief", "campaign", "state", "notebook", "error")
)
"""One row a brief. ``brief`` and ``notebook`` are file names, ``state`` is finished or failed, ``error`` is one line."""


class NotebookFailed(LabError):
    """A notebook stopped in a cell. It is kept as far as it came; ``cell`` is the cell's id, empty when none was reached."""

    def __init__(self, notebook: str, cell: str, reason: str) -> None:
        super().__init__(notebook, cell, reason)
        self.notebook = notebook
        self.cell = cell
        self.reason = reason

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
) -> Path:
    """Runs a copy of the template with these parameters, saves it at ``out`` with its outputs, and returns that path as given.

    The template runs in its own folder, as in JupyterLab. ``on_progress`` hears of each cell, ``cancelled`` may stop the
    run. The lab is the one that ``Lab()`` opens here. Raises NotFoundError, NotebookFailed, ValueError.
    """
    source, target = Path(template).resolve(), Path(out).resolve()
    if not source.is_file():
        raise NotFoundError("notebook", str(template))
    if target == source:
        raise ValueError(f"out: {str(out)!r} is the template itself; give another file")
    target.parent.mkdir(parents=True, exist_ok=True)
    import papermill  # type: ignore[import-untyped]  # costs 1.5 s

    from campaign_lab.batch.engine import NAME, register

    register()

    given = {
        name: os.fspath(value) if isinstance(value, os.PathLike) else value
        for name, value in (parameters or {}).items()
    }
    try:
        papermill.execute_notebook(
            source, target, given, engine_name=NAME, kernel_name="python3", progress_bar=False,
            on_progress=on_progress, cancelled=cancelled, resources={"metadata": {"path": str(source.parent)}},
            extra_env={"CAMPAIGN_LAB_STORE": default_place()},  # the kernel works in another folder
        )  # fmt: skip
    except papermill.PapermillExecutionError as error:
        raise NotebookFailed(target.name, _stopped_at(target), _line(f"{error.ename}: {error.evalue}")) from None
    except RuntimeError as error:  # the kernel died, or a cell took too long
        raise NotebookFailed(target.name, _stopped_at(target), _line(error)) from None
    return Path(out)


def run_briefs(
    template: FilePath, briefs: Sequence[FilePath], out_dir: FilePath, *, at_once: int = 1, **parameters: Any
) -> pd.DataFrame:
    """Runs the template for each brief file and tells in a table how each run ended (see BATCH_COLUMNS).

    Each executed notebook is saved in ``out_dir`` under the brief's name. The template's parameter ``brief_path`` gets the
    brief; ``parameters`` are passed on to all runs. A bad brief or a notebook that fails has its row, and stops no other.
    ``at_once`` run in parallel. Raises NotFoundError when there is no template, ValueError.
    """
    if at_once < 1:
        raise ValueError(f"at_once: {at_once!r} is not allowed; expected 1 or more")
    if not Path(template).is_file():
        raise NotFoundError("notebook", str(template))
    stop = threading.Event()
    jobs = zip(briefs, _names(briefs), strict=True)
    with ThreadPoolExecutor(at_once, thread_name_prefix="batch") as pool:
        futures = [
            pool.submit(_run_one, template, Path(out_dir) / name, brief, parameters=parameters, stop=stop)
            for brief, name in jobs
        ]
        rows = _all(futures, stop)
    return frame(rows, BATCH_COLUMNS)


def _all(futures: Sequence[Future[dict[str, str]]], stop: threading.Event) -> list[dict[str, str]]:
    """The results in order. Ctrl-C interrupts what runs, and what waits is not begun."""
    try:
        return [future.result() for future in futures]
    except BaseException:
        stop.set()
        for future in futures:
            future.cancel()
        raise


def _run_one(
    template: FilePath, out: Path, brief: FilePath, *, parameters: Mapping[str, Any], stop: threading.Event
) -> dict[str, str]:
    """One row. A brief that cannot be read is left to the notebook, so that its error stands in the saved file too."""
    path, error = Path(brief).resolve(), ""
    try:
        run_notebook(template, out, {**parameters, BRIEF_PARAMETER: path}, cancelled=stop.is_set)
    except Exception as failed:  # whatever stops one run stops no other
        reason = failed.reason if isinstance(failed, NotebookFailed) else f"{type(failed).__name__}: {failed}"
        error = _line(reason).replace(str(path), str(brief))
    return {
        "brief": path.name,
        "campaign": _campaign(path),
        "state": "failed" if error else "finished",
        "notebook": out.name,
        "error": error,
    }


def _campaign(path: Path) -> str:
    """The campaign that a brief is for; empty when it cannot be read."""
    try:
        return Brief.load(path).campaign
    except BriefError:
        return ""


def _names(briefs: Sequence[FilePath]) -> list[str]:
    """A file name for each brief's notebook: its own name, numbered from the second of one name on."""
    names: list[str] = []
    for stem in (Path(brief).stem for brief in briefs):
        numbered = (stem, *(f"{stem}-{number}" for number in range(2, len(briefs) + 1)))
        names.append(next(f"{each}.ipynb" for each in numbered if f"{each}.ipynb" not in names))
    return names


def _stopped_at(path: Path) -> str:
    """The id of the cell in which an executed notebook stopped."""
    try:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    except (OSError, ValueError, KeyError):
        return ""
    return next((str(cell["id"]) for cell in cells if cell["metadata"].get("papermill", {}).get("exception")), "")


def _line(text: object) -> str:
    """A text as one line, without what steers a terminal, hides, or reorders other text."""
    return " ".join(plain(text).split()).rstrip(".")
