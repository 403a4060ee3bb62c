"""One run as a piece of work that may be done anywhere: on this machine or on a worker of a cluster."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from campaign_lab.agents.process.scratch_folders import NOTEBOOK, scratch
from campaign_lab.batch.execute.notebook import KERNEL_ENDED, NotebookFailed, clause, run_notebook
from campaign_lab.batch.plan.template import BRIEF_PARAMETER
from campaign_lab.errors import PASSING_CODES
from campaign_lab.sessions.context import RUN_JOURNAL

OnCell = Callable[[int, int, str], None]
"""Hears of each cell before it runs: its place from 0, how many cells there are, and its id."""


TEMPLATE, OUT, JOURNAL = "template.ipynb", "out", "journal.jsonl"
"""Names in the temporary folder of a run. The executed notebook has a folder of its own: a run may be called template."""
TIMEOUT, CANCELLED = "Timeout", "Cancelled"
"""Kinds of failures that are no error in the notebook."""
MARK = "papermill-error-cell-tag"
"""Papermill's tag of the cells that tell where a notebook stopped."""


@dataclass(frozen=True)
class Payload:
    """All that a run needs, picklable. The template and the brief come along as they were when the batch began.

    ``env`` is added to the kernel's environment; it may hold the store's password, so it is not shown. ``timeout_s`` is for
    the whole notebook. ``folder`` is where the template lives, and ``brief_path`` where a copy of the brief lies: on the
    machine that made the payload, which is called ``home``; another machine works in a temporary folder.
    """

    run: str
    name: str
    template_name: str
    template: bytes = field(repr=False)
    brief_name: str
    brief_toml: str = field(repr=False)
    parameters: Mapping[str, Any]
    env: Mapping[str, str] = field(repr=False)
    timeout_s: float | None
    folder: str | None
    brief_path: str | None = None
    home: str = ""

    @property
    def at_home(self) -> bool:
        """Is this the machine that made the payload, so that its paths mean something?"""
        return self.home in ("", socket.gethostname())


@dataclass(frozen=True)
class Outcome:
    """How a try at a run ended, picklable. ``notebook`` is the executed notebook, as far as it came.

    ``error`` is one line and ``error_type`` the name of its class; ``cell`` is where it happened. ``journal`` is what the
    notebook's sessions did. ``retriable``: it may go well the second time. ``code`` is that of a LabError, else empty.
    """

    run: str
    state: Literal["finished", "failed", "cancelled"]
    notebook: bytes = field(repr=False)
    error: str = ""
    error_type: str = ""
    cell: str = ""
    duration_s: float = 0.0
    journal: tuple[dict[str, Any], ...] = field(default=(), repr=False)
    retriable: bool = False
    host: str = ""
    code: str = ""


class Cancellation:
    """What cancels a batch, or some of its runs, from any thread. Once set it stays."""

    def __init__(self) -> None:
        self._all = threading.Event()
        self._runs: set[str] = set()

    def set(self) -> None:
        """Cancels the whole batch: what runs is interrupted, what waits is not begun."""
        self._all.set()

    def is_set(self) -> bool:
        """Was the whole batch cancelled?"""
        return self._all.is_set()

    def wait(self, timeout_s: float) -> bool:
        """Waits so long, or until the batch is cancelled, and says whether it is."""
        return self._all.wait(timeout_s)

    def cancel_run(self, run: str) -> None:
        """Cancels one run."""
        self._runs.add(run)

    def cancelled_run(self, run: str) -> bool:
        """Was this run cancelled, alone or with the batch?"""
        return self.is_set() or run in self._runs


def run_payload(payload: Payload, *, on_cell: OnCell, cancelled: Callable[[], bool]) -> Outcome:
    """Runs the notebook and says how it went. Never raises for what goes wrong in the run; blocks, so call it in a thread.

    Cancelled, or over its time, the kernel is interrupted, and ended when it does not listen.
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
    took, host = time.monotonic() - began, socket.gethostname()
    if failed is None:
        return Outcome(payload.run, "finished", notebook, duration_s=took, journal=journal, host=host)
    if limits.was_cancelled:
        failed = NotebookFailed(failed.notebook, failed.cell, "it was cancelled", CANCELLED)
    elif limits.was_late:
        failed = NotebookFailed(failed.notebook, failed.cell, f"it took longer than {payload.timeout_s:g} s", TIMEOUT)
    code = _code(failed, journal)
    return Outcome(
        payload.run, "cancelled" if limits.was_cancelled else "failed", notebook, failed.reason, failed.kind, failed.cell,
        took, journal, code in PASSING_CODES or failed.kind in (KERNEL_ENDED, TIMEOUT), host, code,
    )  # fmt: skip


class _StopReason:
    """Asked whether the run is to stop, it remembers why: cancelled, or late."""

    def __init__(self, timeout_s: float | None, cancelled: Callable[[], bool]) -> None:
        self.was_cancelled = self.was_late = False
        self._cancelled = cancelled
        self._end = None if timeout_s is None else time.monotonic() + timeout_s

    def __call__(self) -> bool:
        if not (self.was_cancelled or self.was_late):
            self.was_cancelled = self._cancelled()
            self.was_late = not self.was_cancelled and self._end is not None and time.monotonic() >= self._end
        return self.was_cancelled or self.was_late


def _run(payload: Payload, place: Path, limits: _StopReason, *, on_cell: OnCell) -> NotebookFailed | None:
    """Runs the template in the place. What stopped it, None when nothing did."""
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
    except Exception as error:  # whatever papermill and nbclient think of: it stops one run
        return NotebookFailed(payload.run, "", clause(f"{type(error).__name__}: {error}"), type(error).__name__)
    return None


def _brief(payload: Payload, place: Path) -> Path:
    """The copy of the brief that stays, where this machine has it; else one that goes with the run."""
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
    """The executed notebook without the names of temporary files; where it stopped is marked, also when the kernel was gone."""
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


def _mark(words: str) -> dict[str, Any]:
    """A cell as papermill marks errors: it takes them out when the notebook is run again."""
    return {"cell_type": "markdown", "id": "stopped", "metadata": {"tags": [MARK]}, "source": words}


def _escaped(words: str) -> str:
    """Plain words in Markdown: what stands in them draws nothing."""
    return re.sub(r"([\\`*_{}\[\]()#+\-.!|<>$~])", r"\\\1", words)


def read_journal(path: Path) -> tuple[dict[str, Any], ...]:
    """What the sessions of a run wrote down. A line that is not whole, because its process was killed, is left out."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ()
    found = []
    for line in lines:
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict):
            found.append(said)
    return tuple(found)


def _code(failed: NotebookFailed, journal: tuple[dict[str, Any], ...]) -> str:
    """The code of the error that stopped the notebook; empty where it is none of ours."""
    stopped = (failed.cell, failed.kind)
    codes = [str(entry["code"]) for entry in journal if (entry.get("cell"), entry.get("error_type")) == stopped]
    return codes[-1] if codes else ""
