"""What the other processes of these tests do. They are forked from a server that has the libraries loaded."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import signal
import uuid
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

from campaign_lab.store.duckdb.engine import open_file
from campaign_lab.store.transcripts import Transcripts

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["pytest", "duckdb", "campaign_lab.store.transcripts"])

Entry: TypeAlias = Any
"""A transcript entry: to the store it is opaque JSON."""


def entry(**fields: object) -> Entry:
    """An entry as the CLI writes it."""
    return {"type": "user", "uuid": str(uuid.uuid4()), "message": {"role": "user", "content": "x" * 500}, **fields}


def in_child(check: Callable[[], bool]) -> int:
    """Run ``check`` in a forked child; 0 when it returned True."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of threads; that is what is tested
        pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = 0 if check() else 2
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def append_batches(path: str, session: str, batches: list[list[Entry]]) -> None:
    """Append batches one after another."""

    async def main() -> None:
        store = Transcripts(file)
        for batch in batches:
            await store.append({"project_key": "p", "session_id": session}, batch)

    file = open_file(path)
    asyncio.run(main())
    file.close()


def append_until_killed(path: str, told: Connection, seed: int) -> None:
    """Append batches of three, tell each uuid that was acknowledged, and die somewhere without any clean-up."""
    file = open_file(path)
    store = Transcripts(file)
    chance = random.Random(seed)

    async def main() -> None:
        doomed = chance.randrange(3, 15)
        for n in range(1_000):
            batch = [entry(batch=n) for _ in range(3)]
            if n == doomed:  # a thread kills us while the worker writes this batch
                asyncio.get_running_loop().call_later(chance.random() * 0.006, os.kill, os.getpid(), signal.SIGKILL)
            await store.append({"project_key": "p", "session_id": f"s{seed}"}, batch)
            told.send([e["uuid"] for e in batch])

    asyncio.run(main())


def hold(path: str, told: Connection) -> None:
    """Hold the gate in the middle of a transaction until killed or told to go on."""
    file = open_file(path)

    def wait(_: object) -> None:
        told.send(os.getpid())
        told.recv()

    file.call(wait)
    file.close()


def open_and_count(path: str, told: Connection) -> None:
    """Open the file (all at once, for who makes it) and tell how many migrations it saw."""
    told.recv()
    file = open_file(path)
    told.send(file.call(lambda con: con.execute("SELECT version FROM schema_version").fetchall()))
    file.close()
