"""Processes in tests: which of ours work for one (not the servers that tests keep for themselves), and commands run as one."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import select
import subprocess
from collections.abc import Sequence

import psutil

from campaign_lab.cli import main
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


def run_here(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs a ``campaign-lab`` command in this process, without a terminal: it spares the start where no process is looked at."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    words = [str(argument) for argument in arguments]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    return subprocess.CompletedProcess(words, code, *(each.buffer.getvalue().decode() for each in (out, err)))


def on_a_terminal(command: Sequence[str], answer: str = "") -> tuple[int, str]:
    """Runs a command on a pseudo-terminal, answers its question, and returns its exit code and all that it wrote there."""
    ours, side = pty.openpty()
    env = environment(TERM="xterm", COLUMNS=150, LINES=40)
    process = subprocess.Popen(command, stdout=side, stderr=side, stdin=side, env=env)
    os.close(side)
    seen, answered = "", False
    while process.poll() is None or select.select([ours], [], [], 0.2)[0]:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                seen += os.read(ours, 65_536).decode("utf-8", "replace")
            except OSError:
                break
        if ("[y/N]" in seen or "[CA]:" in seen) and not answered:
            os.write(ours, f"{answer}\n".encode())
            answered = True
    os.close(ours)
    return process.wait(timeout=60), seen
