"""One run of a batch as a picklable task: it can be done on this machine or on a worker of a cluster."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from campaign_lab.agents.process.scratch_folders import NOTEBOOK, scratch
from campaign_lab.batch.execute.notebook import KERNEL_ENDED, NotebookFailed, clause, run_notebook
from campaign_lab.batch.plan.template import BRIEF_PARAMETER
from campaign_lab.errors import PASSING_CODES
from campaign_lab.sessions.context import RUN_JOURNAL

if TYPE_CHECKING:
    from campaign_lab.batch.execute.notebook_client import OnProgress

TEMPLATE, OUT, JOURNAL = "template.ipynb", "out", "journal.jsonl"
"""Names in the temporary folder of a run. The executed notebook has a folder of its own, as a run may be called template."""
TIMEOUT, CANCELLED = "Timeout", "Cancelled"
"""Kinds of failures that are not errors in the notebook."""
MARK = "papermill-error-cell-tag"
"""Papermill's tag of the cells that show where a notebook stopped."""


@dataclass(frozen=True)
class Payload:
    """All that a run needs, picklable. It holds the template and the brief as they were when the batch began.

    ``env`` is added to the kernel's environment; it may hold the store's password, so it is not shown. ``timeout_s`` is the
    limit for the whole notebook, in seconds. ``folder`` holds the template, and ``brief_path`` is a copy of the brief: both on
    ``home``, the machine that made the payload. Another machine works in a temporary folder.
    """

    run: str
    name: str
    template_name: str
    template: bytes = field(repr=False)
    brief_toml: str = field(repr=False)
    parameters: Mapping[str, Any]
    env: Mapping[str, str] = field(repr=False)
    timeout_s: float | None
    folder: str | None
    brief_path: str | None = None
    home: str = ""

    @property
    def at_home(self) -> bool:
        """Is this the machine that made the payload, so that its paths exist here?"""
        return self.home in ("", socket.gethostname())


@dataclass(frozen=True)
class Outcome:
    """How a try at a run ended, picklable. ``notebook`` is the executed notebook, as far as it came.

    ``error`` is one line, ``code`` the code of a LabError; ``cell`` is where it happened. ``journal`` is what the notebook's
    sessions did. ``retriable``: it may go well the second time.
    """

    run: str
    state: Literal["finished", "failed", "cancelled"]
    notebook: bytes = field(repr=False)
    error: str = ""
    cell: str = ""
    duration_s: float = 0.0
    journal: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    retriable: bool = False
    code: str = ""


class Cancellation:
    """Cancels a batch, or some of its runs, from any thread. It cannot be undone."""

    def __init__(self) -> None:
        self._all = threading.Event()
        self._runs: set[str] = set()

    def set(self) -> None:
        """Cancels the whole batch: running notebooks are interrupted, waiting ones are not started."""
        self._all.set()

    def is_set(self) -> bool:
        """True when the whole batch was cancelled."""
        return self._all.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Waits ``timeout_s`` seconds, or until the batch is cancelled. Returns whether it is cancelled."""
        return self._all.wait(timeout_s)

    def cancel_run(self, run: str) -> None:
        """Cancels one run."""
        self._runs.add(run)

    def cancelled_run(self, run: str) -> bool:
        """True when this run was cancelled, alone or with the batch."""
        return self.is_set() or run in self._runs


def run_payload(payload: Payload, *, on_cell: OnProgress, cancelled: Callable[[], bool]) -> Outcome:
    """Runs the notebook and returns its outcome, also when the run fails. It blocks, so call it in a thread.

    When the run is cancelled or takes too long, its kernel is interrupted, and killed if it goes on.
    """
    began = time.monotonic()
    limits = _StopReason(payload.timeout_s, cancelled)
    try:
        with scratch(NOTEBOOK) as place:
            failed = _run(payload, place, limits, on_cell=on_cell)
            notebook = _executed(payload, place, failed)
            journal = read_journal(place / JOURNAL)
    except OSError as error:  # no room to work in
        failed = NotebookFailed(payload.run, "", clause(f"it could not be run here: {error}"), type(error).__name__)
        notebook, journal = b"", ()
    took = time.monotonic() - began
    if failed is None:
        return Outcome(payload.run, "finished", notebook, duration_s=took, journal=journal)
    if limits.was_cancelled:
        failed = NotebookFailed(failed.notebook, failed.cell, "it was cancelled", CANCELLED)
    elif limits.was_late:
        failed = NotebookFailed(failed.notebook, failed.cell, f"it took longer than {payload.timeout_s:g} s", TIMEOUT)
    code = _code(failed, journal)
    return Outcome(
        payload.run, "cancelled" if limits.was_cancelled else "failed", notebook, failed.reason, failed.cell, took,
        journal, code in PASSING_CODES or failed.kind in (KERNEL_ENDED, TIMEOUT), code,
    )  # fmt: skip


class _StopReason:
    """Answers whether the run must stop, and keeps the reason: it was cancelled, or it is late."""

    def __init__(self, timeout_s: float | None, cancelled: Callable[[], bool]) -> None:
        self.was_cancelled = self.was_late = False
        self._cancelled = cancelled
        self._end = None if timeout_s is None else time.monotonic() + timeout_s

    def __call__(self) -> bool:
        if not (self.was_cancelled or self.was_late):
            self.was_cancelled = self._cancelled()
            self.was_late = not self.was_cancelled and self._end is not None and time.monotonic() >= self._end
        return self.was_cancelled or self.was_late


def _run(payload: Payload, place: Path, limits: _StopReason, *, on_cell: OnProgress) -> NotebookFailed | None:
    """Runs the template in the folder. Returns what stopped it, or None."""
    (place / TEMPLATE).write_bytes(payload.template)
    folder = Path(payload.folder) if payload.folder and payload.at_home and Path(payload.folder).is_dir() else place
    brief = _brief(payload, place)
    try:
        run_notebook(
            place / TEMPLATE, place / OUT / f"{payload.run}.ipynb", {BRIEF_PARAMETER: str(brief), **payload.parameters},
            on_progress=on_cell, cancelled=limits, env={**payload.env, RUN_JOURNAL: str(place / JOURNAL)},
            folder=folder,
        )  # fmt: skip
    except NotebookFailed as failed:
        return failed
    except OSError:
        raise
    except Exception as error:  # whatever papermill and nbclient raise stops one run only
        return NotebookFailed(payload.run, "", clause(f"{type(error).__name__}: {error}"), type(error).__name__)
    return None


def _brief(payload: Payload, place: Path) -> Path:
    """Returns the path of the copy in the batch's folder, if this machine has it; else of a new copy for this run only."""
    kept = Path(payload.brief_path) if payload.brief_path and payload.at_home else place / f"{payload.run}.toml"
    try:
        if kept.read_text(encoding="utf-8") == payload.brief_toml:
            return kept
    except (OSError, UnicodeDecodeError):
        pass
    mine = place / f"{payload.run}.toml"
    mine.write_text(payload.brief_toml, encoding="utf-8")
    return mine


def _executed(payload: Payload, place: Path, failed: NotebookFailed | None) -> bytes:
    """Returns the executed notebook without names of temporary files, with a mark where it stopped."""
    try:
        data = (place / OUT / f"{payload.run}.ipynb").read_bytes()
        notebook = json.loads(data)
    except (OSError, ValueError):  # it never began
        notebook = json.loads(payload.template)
        notebook["cells"] = [cell for cell in notebook["cells"] if isinstance(cell, dict)]
        for cell in notebook["cells"]:
            cell.setdefault("metadata", {})
            cell.update({"outputs": [], "execution_count": None} if cell.get("cell_type") == "code" else {})
    about = notebook.setdefault("metadata", {}).setdefault("papermill", {})
    about |= {"input_path": payload.template_name, "output_path": f"{payload.run}.ipynb"}
    cells = notebook["cells"]
    if failed is not None and not any(MARK in cell["metadata"].get("tags", ()) for cell in cells):
        at = next((n for n, cell in enumerate(cells) if failed.cell and cell.get("id") == failed.cell), 0)
        cells.insert(
            at,
            _mark(f"**The notebook stopped {'here' if at else 'before its first cell'}:** {_escaped(failed.reason)}"),
        )
    return json.dumps(notebook, ensure_ascii=False, indent=1).encode("utf-8", "surrogateescape") + b"\n"


def _mark(text: str) -> dict[str, Any]:
    """Returns a cell as papermill marks errors: papermill removes it when the notebook is run again."""
    return {"cell_type": "markdown", "id": "stopped", "metadata": {"tags": [MARK]}, "source": text}


def _escaped(text: str) -> str:
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>$~])", r"\\\1", text)


def read_journal(path: Path) -> tuple[dict[str, Any], ...]:
    """Returns what the sessions of a run wrote down. Skips a line that is incomplete because its process was killed."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    found = []
    for line in lines:
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        if isinstance(entry, dict):
            found.append(entry)
    return tuple(found)


def _code(failed: NotebookFailed, journal: tuple[dict[str, Any], ...]) -> str:
    """The code of the error that stopped the notebook; empty where it is none of ours."""
    stopped = (failed.cell, failed.kind)
    codes = [str(entry["code"]) for entry in journal if (entry.get("cell"), entry.get("error_type")) == stopped]
    return codes[-1] if codes else ""
