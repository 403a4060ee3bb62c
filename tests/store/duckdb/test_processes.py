"""One lab file, several processes: nothing lost, nothing doubled, whoever dies."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from multiprocessing.connection import Connection

import pytest

from campaign_lab.store.duckdb.engine import DuckFile, open_file
from campaign_lab.store.transcripts import Transcripts
from support.workers import store_writers
from support.workers.store_writers import PROCESSES, Entry, entry

pytestmark = pytest.mark.usefixtures("process", "slow")


def load(file: DuckFile, session: str) -> list[Entry]:
    return asyncio.run(Transcripts(file).load({"project_key": "p", "session_id": session})) or []


def append_from_processes(path: str, work: list[tuple[str, list[list[Entry]]]]) -> None:
    processes = [
        PROCESSES.Process(target=store_writers.append_batches, args=(path, session, batches))
        for session, batches in work
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
        assert process.exitcode == 0


def test_four_processes_append_at_once_and_nothing_is_lost_or_doubled(path: str) -> None:
    """Each to a transcript of its own and all to a common one; each one's order is kept."""
    own = [[[entry(writer=w, n=n), entry(writer=w, n=n)] for n in range(12)] for w in range(4)]
    common = [[[entry(writer=w, n=n)] for n in range(12)] for w in range(2)]
    work = [(f"s{w}", batches) for w, batches in enumerate(own)]
    append_from_processes(path, work[:2] + [("common", batches) for batches in common])
    append_from_processes(path, work[2:] + [("common", batches) for batches in common])  # again: the SDK repeats
    file = open_file(path)
    for w, batches in enumerate(own):
        assert load(file, f"s{w}") == [one for batch in batches for one in batch]
    stored = load(file, "common")
    for w, batches in enumerate(common):
        assert [one for one in stored if one["writer"] == w] == [one for (one,) in batches]
    assert len(stored) == 24
    file.close()


def test_the_same_uuids_from_four_processes_stand_once(path: str) -> None:
    """Without any unique index: the check and the insert are one transaction under the gate."""
    batches = [[entry(n=n, i=i) for i in range(5)] for n in range(8)]
    append_from_processes(path, [("shared", batches)] * 4)
    file = open_file(path)
    stored = load(file, "shared")
    file.close()
    assert Counter(one["uuid"] for one in stored) == Counter(one["uuid"] for batch in batches for one in batch)
    assert sorted(map(json.dumps, stored)) == sorted(json.dumps(one) for batch in batches for one in batch)


def acknowledged_before_death(pipe: Connection) -> list[str]:
    uuids: list[str] = []
    try:
        while True:
            uuids += pipe.recv()
    except EOFError:
        return uuids


@pytest.mark.parametrize("rounds", [10])
def test_what_a_killed_writer_was_told_is_stored_is_stored(rounds: int, path: str) -> None:
    """After kill -9 at random moments of a write: whole batches only, the acknowledged ones all there."""
    deaths = []
    for seed in range(rounds):
        ours, its = PROCESSES.Pipe(duplex=False)
        process = PROCESSES.Process(target=store_writers.append_until_killed, args=(path, its, seed))
        process.start()
        its.close()
        told = acknowledged_before_death(ours)
        process.join()
        deaths.append(process.exitcode)
        file = open_file(path)
        stored = load(file, f"s{seed}")
        file.close()
        assert [one["uuid"] for one in stored][: len(told)] == told
        assert set(Counter(one["batch"] for one in stored).values()) == {3}
        assert len(stored) - len(told) in (0, 3)  # the batch that was being written may have landed
    assert deaths == [-9] * rounds
