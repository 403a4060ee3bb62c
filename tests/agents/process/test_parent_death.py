"""The leash: a program ends with the process that asked for it, by the kernel where it can, by a watcher elsewhere."""

from __future__ import annotations

import subprocess
import sys
import time

import psutil
import pytest

from campaign_lab.agents.process import parent_death

pytestmark = pytest.mark.usefixtures("process")
OWNER = """
import os, subprocess, sys
reading, writing = os.pipe()
start = [sys.executable, "-c", sys.argv[1], str(os.getpid()), str(reading), sys.executable, "-c", sys.argv[2]]
subprocess.Popen(start, pass_fds=(reading,))
sys.stdin.read()
"""
PROGRAM = "import os, time; print(os.getpid(), os.getppid(), flush=True); time.sleep(60)"
TIE = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("leash", {parent_death.__file__!r})
leash = importlib.util.module_from_spec(spec)
spec.loader.exec_module(leash)
"""
MAIN = "leash.main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])"
WATCHED = "leash.dies_with_parent = lambda: False\n"


def _started(tie: str, program: str = PROGRAM) -> tuple[subprocess.Popen[str], psutil.Process]:
    """An owner, and the program that it has tied to itself."""
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER, tie, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    pid, parent = map(int, owner.stdout.readline().split())
    assert parent == owner.pid
    return owner, psutil.Process(pid)


def _gone(process: psutil.Process, seconds: float) -> bool:
    """Does it end within so many seconds? One that nobody has collected yet has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel's own signal is Linux's")
def test_the_kernel_ends_the_program_with_its_owner() -> None:
    """Killed with -9, the owner takes the program along at once, and no watcher is needed."""
    owner, program = _started(TIE + MAIN)
    assert program.children() == []
    owner.kill()
    owner.wait()
    assert _gone(program, 3)


def test_a_watcher_ends_the_program_where_the_kernel_does_not() -> None:
    """Within five seconds of the owner's end; the watcher itself goes too, and holds no stream open meanwhile."""
    owner, program = _started(TIE + WATCHED + MAIN)
    (watcher,) = program.children()
    owner.kill()
    owner.communicate(timeout=5)  # its output ends when nobody holds it any more
    assert _gone(program, 5)
    assert _gone(watcher, 5)


def test_a_watcher_ends_with_the_program() -> None:
    """When the program has done its work no process stays behind."""
    owner, program = _started(TIE + WATCHED + MAIN)
    (watcher,) = program.children()
    program.kill()
    assert _gone(watcher, 5)
    owner.kill()
    owner.communicate()


def test_a_program_whose_owner_is_gone_already_is_not_started(tmp_path: object) -> None:
    """Between starting and tying the owner may have died: then nothing runs."""
    reading = subprocess.run(
        [sys.executable, parent_death.__file__, "1", "0", sys.executable, "-c", "print('ran')"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (reading.returncode, reading.stdout) == (0, "")
