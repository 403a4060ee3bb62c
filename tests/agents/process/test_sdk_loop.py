"""The background loop: work runs in its own thread, and is never left behind half stopped."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import Callable

import pytest

from campaign_lab.agents.process.sdk_loop import AgentLoop


async def thread_name() -> str:
    await asyncio.sleep(0)
    return threading.current_thread().name


async def fail() -> None:
    await asyncio.sleep(0)
    raise LookupError("of the work")


def waits_for_its_job(thread: threading.Thread) -> bool:
    """Has ``run_sync`` handed over its work, and does it wait now?"""
    frame, names = sys._current_frames()[thread.ident or 0], []
    while frame.f_back is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return {"run_sync", "wait"} <= set(names) and "submit" not in names


class Slow:
    """Work that only ends by being cancelled, and then takes its time to clean up."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.cleaned = False

    async def work(self) -> None:
        """Waits for ever; cleans up in several steps."""
        try:
            self.begun.set()
            await asyncio.Event().wait()
        finally:
            for _ in range(20):
                await asyncio.sleep(0.002)
            self.cleaned = True


@pytest.mark.usefixtures("process")
def test_a_script_gets_the_result() -> None:
    """run_sync works without any loop of the caller's, again and again, always in the same thread."""
    loop = AgentLoop()
    assert [loop.run_sync(thread_name()) for _ in range(3)] == ["agent-loop"] * 3


def test_a_cell_gets_the_result() -> None:
    """It is awaited in the caller's loop, while the work runs in the background one."""
    assert asyncio.run(AgentLoop().run(thread_name())) == "agent-loop"


@pytest.mark.usefixtures("process")
def test_two_runs_go_on_at_once() -> None:
    """One waits for the other in the same background loop without blocking it."""
    loop = AgentLoop()
    met = asyncio.Event()

    async def wait() -> str:
        await met.wait()
        return "met"

    async def meet() -> None:
        met.set()

    async def both() -> str:
        waiting = asyncio.create_task(loop.run(wait()))
        await loop.run(meet())
        return await waiting

    assert asyncio.run(both()) == "met"


RUNNERS: dict[str, Callable[[AgentLoop], object]] = {
    "run": lambda loop: asyncio.run(loop.run(fail())),
    "run_sync": lambda loop: loop.run_sync(fail()),
    "submit": lambda loop: loop.submit(fail()).future.result(),
}


@pytest.mark.usefixtures("process")
@pytest.mark.parametrize("how", RUNNERS)
def test_an_exception_travels(how: str) -> None:
    """The caller sees the very error of the work, and the loop goes on."""
    loop = AgentLoop()
    with pytest.raises(LookupError, match="of the work"):
        RUNNERS[how](loop)
    assert loop.run_sync(thread_name()) == "agent-loop"


def test_cancelling_a_job_waits_for_its_clean_up() -> None:
    """When cancel returns, the process of the work is gone."""
    slow = Slow()
    job = AgentLoop().submit(slow.work())
    assert slow.begun.wait(5)
    job.cancel()
    assert slow.cleaned


def test_cancelling_a_cell_waits_for_its_clean_up() -> None:
    """A stopped cell comes back when the work has ended, and as cancelled."""
    loop, slow = AgentLoop(), Slow()

    async def cell() -> None:
        task = asyncio.create_task(loop.run(slow.work()))
        await asyncio.to_thread(slow.begun.wait, 5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert slow.cleaned

    asyncio.run(cell())


@pytest.mark.usefixtures("process")
def test_ctrl_c_in_a_script_waits_for_the_clean_up() -> None:
    """A real SIGINT stops the work first, and then the script."""
    slow = Slow()

    def interrupt() -> None:
        slow.begun.wait(5)
        while not waits_for_its_job(threading.main_thread()):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        AgentLoop().run_sync(slow.work())
    assert slow.cleaned


@pytest.mark.usefixtures("process")
def test_a_process_does_not_hear_signals_to_our_group() -> None:
    """JupyterLab's interrupt goes to the whole process group, and is about one cell, not about every run."""

    async def group() -> int:
        process = await asyncio.create_subprocess_exec("sleep", "60")
        try:
            return os.getpgid(process.pid)
        finally:
            process.kill()
            await process.wait()

    assert AgentLoop().run_sync(group()) != os.getpgrp()


def test_a_job_that_has_ended_can_be_cancelled() -> None:
    """Nothing happens, and its result stays."""
    job = AgentLoop().submit(thread_name())
    assert job.future.result() == "agent-loop"
    job.cancel()
    assert job.future.result() == "agent-loop"


async def leave() -> None:
    await asyncio.sleep(0)
    raise SystemExit(3)


@pytest.mark.usefixtures("process")
def test_work_that_leaves_settles_its_job_and_ends_nothing_else() -> None:
    """SystemExit, which would end asyncio's own run, reaches who waits; the thread and the work beside it go on."""
    loop, slow = AgentLoop(), Slow()
    beside = loop.submit(slow.work())
    job = loop.submit(leave())
    assert job.ended.wait(5)
    assert isinstance(job.future.exception(), SystemExit)
    assert loop.run_sync(thread_name()) == "agent-loop"
    assert not beside.ended.is_set()
    beside.cancel()


def test_a_callback_that_leaves_ends_nothing_else() -> None:
    """A callback that somebody put on the loop and that raises SystemExit takes nobody's work with it."""
    loop = AgentLoop()

    async def call() -> str:
        asyncio.get_running_loop().call_soon(sys.exit)
        await asyncio.sleep(0.05)
        return "still there"

    assert loop.submit(call()).future.result(timeout=5) == "still there"


class BarePolicy(asyncio.DefaultEventLoopPolicy):
    """A policy as uvloop's: it knows nobody who waits for processes."""

    get_child_watcher = asyncio.AbstractEventLoopPolicy.get_child_watcher


@pytest.mark.usefixtures("process")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_process_runs_under_a_policy_that_watches_none() -> None:
    """With uvloop as the policy of the process, our loop starts its processes and hears of their end all the same."""
    before = asyncio.get_event_loop_policy()
    asyncio.set_event_loop_policy(BarePolicy())

    async def end() -> int:
        return await (await asyncio.create_subprocess_exec("sh", "-c", "exit 7")).wait()

    try:
        assert [AgentLoop().run_sync(end()) for _ in range(2)] == [7, 7]
    finally:
        asyncio.set_event_loop_policy(before)
