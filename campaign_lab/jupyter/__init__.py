"""What campaign_lab does in a notebook beside its panels: progress in the cell that runs, and the ``%%angle`` cell."""

from __future__ import annotations

from typing import Any


def attach(shell: Any) -> None:
    """Ties a kernel's shell to the lab: runs show their progress in their cell, and the magics are known."""
    from campaign_lab.jupyter import magics
    from campaign_lab.jupyter.progress import CellProgress
    from campaign_lab.jupyter.warming import Warming
    from campaign_lab.sessions.watching import show_runs_in

    show_runs_in(CellProgress)
    magics.register(shell)
    Warming(shell)
