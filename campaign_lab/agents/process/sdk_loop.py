"""The background loop: one thread that owns the SDK, so that cells, callbacks and scripts need not share a loop with it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from functools import cache
from typing import Any, Generic, NoReturn, TypeVar

from campaign_lab.agents.process import parent_death

T = TypeVar("T")

HEARTBEAT_S = 0.1
"""How often a waiting cell looks up, in seconds: a kernel interrupt does not reach an idle await (measured)."""
STOP_S = 10.0
"""How long a cancelled job may take to stop its process, in seconds."""


class LoopTask(Generic[T]):
    """A coroutine at work. ``ended`` is set after its clean-up, which is later than a cancelled future says."""

    def __init__(self) -> None:
        self.future: Future[T] = Future()
        self.ended = threading.Event()

    def cancel(self) -> None:
        """Cancels the work, and waits until its process is gone or STOP_S have passed."""
        self.future.cancel()
        self.ended.wait(STOP_S)


async def in_daemon_thread(work: Callable[[], T]) -> T:
    """Does work that may take seconds in a thread beside the loop. Unlike ``asyncio.to_thread``, nobody who ends waits for it."""
    done: Future[T] = Future()

    def do() -> None:
        if not done.set_running_or_notify_cancel():
            return
        try:
            done.set_result(work())
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=do, name="preparing", daemon=True).start()
    return await asyncio.wrap_future(done)


_under_way: set[LoopTask[Any]] = set()


def stop_all(timeout_s: float = STOP_S) -> None:
    """Cancels all work of this process, and waits until its processes are gone or so many seconds have passed.

    For a process that is about to end: what its turns have cost is booked, and no request follows.
    """
    jobs = list(_under_way)
    for job in jobs:
        job.future.cancel()
    until = time.monotonic() + timeout_s
    for job in jobs:
        job.ended.wait(max(0.0, until - time.monotonic()))


class _Loop(asyncio.SelectorEventLoop):
    """A loop whose processes end with this one, and have a session, and so a process group, of their own.

    A signal to a whole group is meant for us: JupyterLab's ■ and Ctrl-C in a terminal send one. We end the run that it is
    about; a CLI that heard it too would end whatever run it is in. The SDK has no option for either.
    """

    async def subprocess_exec(self, *args: Any, **options: Any) -> Any:
        """As asyncio's."""
        _let_children_be_watched()
        protocol, *command = args
        lifeline, _ = _lifeline(os.getpid())
        tied = (sys.executable, "-I", "-S", parent_death.__file__, str(os.getpid()), str(lifeline))
        more = {"start_new_session": True, "pass_fds": (*options.get("pass_fds", ()), lifeline)}
        return await super().subprocess_exec(protocol, *tied, *command, **{**options, **more})


@cache
def _lifeline(_owner: int) -> tuple[int, int]:
    """A pipe whose writing end only this process holds, by the process's id: a forked one needs a pipe of its own."""
    return os.pipe()


def _let_children_be_watched() -> None:
    """Before Python 3.14 asyncio asks the policy who waits for a process; uvloop's knows nobody, and gets asyncio's own."""
    if sys.version_info >= (3, 14):
        return
    policy: Any = asyncio.get_event_loop_policy()
    nobody = type(policy).get_child_watcher is asyncio.AbstractEventLoopPolicy.get_child_watcher
    if nobody and "get_child_watcher" not in vars(policy):
        watcher = asyncio.ThreadedChildWatcher()
        policy.get_child_watcher = lambda: watcher


class AgentLoop:
    """Runs coroutines in a thread of its own, started with the first one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, work: Coroutine[Any, Any, T]) -> LoopTask[T]:
        """Starts the coroutine; the job may be waited for or cancelled from any thread."""
        job: LoopTask[T] = LoopTask()
        self._start(job, work)
        return job

    def _start(self, job: LoopTask[T], work: Coroutine[Any, Any, T]) -> None:
        """Not run_coroutine_threadsafe: cancelled before its first step, a coroutine never says that it has ended."""
        loop = self._running()
        _under_way.add(job)

        def begin() -> None:
            task = loop.create_task(work)
            job.future.add_done_callback(lambda done: done.cancelled() and loop.call_soon_threadsafe(task.cancel))
            task.add_done_callback(lambda done: _settle(job, done))

        loop.call_soon_threadsafe(begin)

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs the coroutine and waits. Cancelled, it cancels the work and waits until that has cleaned up."""
        job = self.submit(work)
        waiting = asyncio.wrap_future(job.future)
        try:
            while not waiting.done():
                await asyncio.wait({waiting}, timeout=HEARTBEAT_S)
        except BaseException:
            await asyncio.to_thread(job.cancel)
            raise
        return waiting.result()

    def run_sync(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs the coroutine for a script. Ctrl-C cancels it, and waits until its process is gone."""
        job: LoopTask[T] = LoopTask()
        try:
            self._start(job, work)
            while not job.ended.wait(HEARTBEAT_S):
                pass
            return job.future.result()
        except KeyboardInterrupt:
            job.cancel()
            raise

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = _Loop()
                threading.Thread(target=_run_on, args=[self._loop], name="agent-loop", daemon=True).start()
            return self._loop


def _run_on(loop: asyncio.AbstractEventLoop) -> NoReturn:
    """Runs the loop for as long as the process lives.

    SystemExit and KeyboardInterrupt end asyncio's own run. A task that raised one has kept it for whoever waits for its job.
    """
    while True:
        with contextlib.suppress(SystemExit, KeyboardInterrupt):
            loop.run_forever()


def _settle(job: LoopTask[T], task: asyncio.Task[T]) -> None:
    """Hands the outcome of a task to its job."""
    try:
        if not job.future.set_running_or_notify_cancel():
            return
        if task.cancelled():
            job.future.set_exception(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            job.future.set_exception(error)
        else:
            job.future.set_result(task.result())
    finally:
        _under_way.discard(job)
        job.ended.set()
