"""An error in a cell that a person runs: one line, where it is about what was asked for; ``%tb`` shows the whole traceback.

Runs without a person, such as papermill, nbval and batches, keep the traceback: nobody can ask for it there later.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Any

from campaign_lab.errors import LabError
from campaign_lab.sessions.context import RUN_JOURNAL
from campaign_lab.sessions.position import current_cell
from campaign_lab.sessions.run.run_journal import journal_cell_error
from campaign_lab.show.text import one_line

if TYPE_CHECKING:
    from ipykernel.zmqshell import ZMQInteractiveShell

PACKAGE = __name__.partition(".")[0]
KINDS = (LabError, ValueError)
"""Our errors; a ValueError is ours when our code raised it."""


def register(shell: ZMQInteractiveShell) -> None:
    """Shows our errors in one line, and writes their codes into the journal of a batch run.

    A handler that somebody else has set stays.
    """
    if journal := os.environ.get(RUN_JOURNAL):
        shell.events.register("post_run_cell", partial(_journal, journal))
    if not shell.custom_exceptions:
        shell.set_custom_exc(KINDS, _show)  # type: ignore[no-untyped-call]  # IPython has few types


def _journal(path: str, result: Any) -> None:
    """After each cell. The result is None when the kernel itself was interrupted."""
    if isinstance(error := getattr(result, "error_in_exec", None), LabError):
        journal_cell_error(path, current_cell().cell_id, error)


def _show(
    shell: ZMQInteractiveShell,
    kind: type[BaseException],
    error: BaseException,
    trace: TracebackType | None,
    tb_offset: int | None = None,
) -> None:
    if not (_by_hand(shell) and _is_ours(error, trace)):
        shell.showtraceback((kind, error, trace), tb_offset=tb_offset)
        return
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, trace  # what %tb and %debug look at
    line = f"{kind.__name__}: {one_line(error)} (%tb shows where)"
    shell._showtraceback(kind, error, [line])  # type: ignore[no-untyped-call]


def _by_hand(shell: ZMQInteractiveShell) -> bool:
    """Does a person run this cell? Front ends name it in their request; runners name none, or stamp it as ours do."""
    metadata = (shell.get_parent() or {}).get("metadata") or {}  # type: ignore[no-untyped-call]
    return bool(metadata.get("cellId")) and "campaign" not in metadata


def _is_ours(error: BaseException, trace: TracebackType | None) -> bool:
    """Was it raised on purpose? Then the last frame is of this package."""
    if isinstance(error, LabError):
        return True
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    module = str(trace.tb_frame.f_globals.get("__name__", "")) if trace else ""
    return module.partition(".")[0] == PACKAGE
