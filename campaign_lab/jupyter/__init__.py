"""What campaign_lab does in a notebook beside its panels: progress in the cell, errors in one line, the ``%%angle`` cell."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from campaign_lab.batch.events import OnBatchEvent


def attach(shell: Any) -> None:
    """Ties a kernel's shell to the lab: runs show their progress in their cell, errors are one line, magics are known."""
    from campaign_lab.batch.progress_hook import show_batches_in
    from campaign_lab.jupyter import error_lines, magics
    from campaign_lab.jupyter.cell_progress import CellProgress
    from campaign_lab.jupyter.kernel_end import stop_turns_with
    from campaign_lab.jupyter.preloading import Warming
    from campaign_lab.sessions.progress_hook import show_runs_in

    show_runs_in(CellProgress)
    show_batches_in(_batch_display)
    magics.register(shell)
    if (kernel := getattr(shell, "kernel", None)) is not None:
        stop_turns_with(kernel)
    error_lines.register(shell)
    Warming(shell)


def _batch_display() -> AbstractContextManager[OnBatchEvent]:
    """Imported with the first batch."""
    from campaign_lab.jupyter.batch_progress import BatchInCell

    return BatchInCell()
