"""Processes in tests: which of ours work for one (not the servers that tests keep for themselves), and one on a terminal."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
from collections.abc import Sequence

import psutil

from support.kernels import environment

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


def on_a_terminal(command: Sequence[str], answer: str = "") -> tuple[int, str]:
    """Runs a command on a pseudo-terminal, answers its question, and returns its exit code and all that it wrote there."""
    main, side = pty.openpty()
    env = environment(TERM="xterm", COLUMNS=150, LINES=40)
    process = subprocess.Popen(command, stdout=side, stderr=side, stdin=side, env=env)
    os.close(side)
    seen, answered = "", False
    while process.poll() is None or select.select([main], [], [], 0.2)[0]:
        if select.select([main], [], [], 0.2)[0]:
            try:
                seen += os.read(main, 65_536).decode("utf-8", "replace")
            except OSError:
                break
        if ("[y/N]" in seen or "[CA]:" in seen) and not answered:
            os.write(main, f"{answer}\n".encode())
            answered = True
    os.close(main)
    return process.wait(timeout=60), seen
