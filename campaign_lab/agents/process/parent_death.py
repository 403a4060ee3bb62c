"""Starts a program that ends when the process that started it ends, whatever ended that process.

    python -I -S parent_death.py OWNER LIFELINE PROGRAM [ARGUMENT ...]

OWNER is the id of the process that started this one. LIFELINE is the number of the reading end of a pipe of which only the
owner holds the writing end. The program takes this process's place and keeps its id, so the owner's signals reach it.

Measured: a CLI whose owner was killed goes on for as long as its turn does, and each of its requests is paid. On Linux the
kernel kills it (PR_SET_PDEATHSIG). Where that cannot be asked for, a second process waits at the pipe, which the kernel
closes with the owner, and kills the program then. Only the standard library is used: this file runs alone.
"""

import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""From linux/prctl.h: the signal that this process gets when the thread that started it ends."""
LOOK_S = 1.0
"""How often the watcher looks whether the program has ended by itself, in seconds."""


def main(owner: int, lifeline: int, command: list[str]) -> None:
    """Ties this process to its owner and becomes the program."""
    if not dies_with_parent():
        watch(os.getpid(), lifeline)
    if os.getppid() != owner:  # it ended before it could be said
        return
    os.close(lifeline)
    os.execvp(command[0], command)  # noqa: S606  # what to start is the caller's business


def dies_with_parent() -> bool:
    """Asks the kernel to kill this process with its parent. False where there is no such call."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        import ctypes

        return bool(ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0) == 0)
    except (ImportError, OSError, AttributeError):
        return False


def watch(program: int, lifeline: int) -> None:
    """Leaves a process behind that kills the program once nobody holds the other end of the lifeline."""
    import select

    if os.fork():
        return
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # who waits for the program's end waits for the end of its streams
        os.dup2(null, stream)
    while os.getppid() == program:
        if select.select([lifeline], [], [], LOOK_S)[0]:
            os.kill(program, signal.SIGKILL)
            break
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
