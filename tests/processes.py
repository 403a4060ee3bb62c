"""Which processes of ours work for a test: the CLIs and kernels below it, and not the servers that tests keep for themselves."""

from __future__ import annotations

import contextlib
import os

import psutil

OURS = ("_bundled/claude", f"/campaign-lab-{os.getuid()}/kernel-")
"""What stands in the command of a process that a turn or a batch started. A JupyterLab of other tests has kernels, too."""


def at_work(pid: int | None = None) -> list[psutil.Process]:
    """CLIs and kernels below a process (this one when none is named) that have not ended."""
    found = []
    for each in psutil.Process(pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if each.status() != psutil.STATUS_ZOMBIE and any(word in " ".join(each.cmdline()) for word in OURS):
                found.append(each)
    return found
