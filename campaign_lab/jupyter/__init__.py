"""What campaign_lab does in a notebook beside its panels: progress in the cell, errors in one line, the ``%%angle`` cell."""

from __future__ import annotations

from typing import Any


def attach(shell: Any) -> None:
    """Ties a kernel's shell to the lab: runs show their progress in their cell, errors are one line, magics are known."""
    from campaign_lab.jupyter import error_lines, magics
    from campaign_lab.jupyter.cell_progress import batch_in_cell, runs_in_cell
    from campaign_lab.jupyter.kernel_end import stop_turns_with
    from campaign_lab.jupyter.preloading import Warming
    from campaign_lab.progress.hook import show_progress_in

    show_progress_in(runs=runs_in_cell, batches=batch_in_cell)
    magics.register(shell)
    if (kernel := getattr(shell, "kernel", None)) is not None:
        stop_turns_with(kernel)
    error_lines.register(shell)
    Warming(shell)
