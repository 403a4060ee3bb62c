"""The background loop: one thread that owns the SDK, so that cells, callbacks and scripts need not share a loop with it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

T = TypeVar("T")

HEARTBEAT_S = 0.1
"""How often a waiting cell looks up, in seconds: a kernel interrupt does not reach an idle await (measured)."""
STOP_S = 10.0
"""How long a cancelled job may take to stop its process, in seconds."""


@dataclass(frozen=True)
class Job(Generic[T]):
    """Work under way. ``ended`` is set when its clean-up is over, which is later than a cancelled future says."""

    future: Future[T]
    ended: threading.Event

    def cancel(self) -> None:
        """Cancels the work, and waits until its process is gone or STOP_S have passed."""
        self.future.cancel()
        self.ended.wait(STOP_S)


class AgentLoop:
    """Runs coroutines in a thread of its own, started with the first one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None

    def submit(self, work: Coroutine[Any, Any, T]) -> Job[T]:
        """Starts the coroutine; the job may be waited for or cancelled from any thread."""
        ended = threading.Event()

        async def run() -> T:
            try:
                return await work
            finally:
                ended.set()

        return Job(asyncio.run_coroutine_threadsafe(run(), self._running()), ended)

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
        job = self.submit(work)
        try:
            while not job.ended.wait(HEARTBEAT_S):
                pass
            return job.future.result()
        except KeyboardInterrupt:
            job.cancel()
            raise

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._loop.run_forever, name="agent-loop", daemon=True).start()
            return self._loop
