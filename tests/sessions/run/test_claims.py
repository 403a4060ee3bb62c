"""Claims, in a real lab file and with real processes: a turn is made once, and the dead hold nobody up."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import psutil
import pytest

from campaign_lab.sessions.run.claims import (
    alive,
    beat,
    dead_attempts,
    host_name,
    look_or_claim,
    machine,
    store_time,
    under_way,
)
from campaign_lab.sessions.run.lookup import LookupResult, look
from campaign_lab.store import queries
from campaign_lab.store.connection import Store
from campaign_lab.store.rows import LEASE, AttemptRow, ClaimRow, SessionRow, TurnRow
from support.stores import Stores, opened

pytestmark = pytest.mark.both_stores
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SESSION = SessionRow(
    id="s1", owner="ana", campaign="Spring", url="https://a.example/", name="main", endpoint="rehearsal-1", model="m",
    parent_session=None, start_turn=None, tip_turn=None, purpose="", automatic=False, brief="{}", made_at=NOW,
)  # fmt: skip

CLAIMER = """
import json, sys
from campaign_lab.sessions.run.claims import look_or_claim
from campaign_lab.store.location import open_store
from campaign_lab.store.rows import AttemptRow, SessionRow
from datetime import datetime

path, session, attempt = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
for row in (session, attempt):
    for name in ("made_at", "started_at"):
        if name in row:
            row[name] = datetime.fromisoformat(row[name])
file = open_store(path)
print("ready", flush=True)
sys.stdin.readline()
found = file.call(lambda con: look_or_claim(con, SessionRow(**session), AttemptRow(**attempt)))
print(json.dumps({"turn": bool(found.turn), "busy": found.busy and found.busy.attempt_id}), flush=True)
sys.stdin.readline()
"""

Claimer = subprocess.Popen[str]
Start = Callable[[AttemptRow], Claimer]


def attempt(name: str = "a1", key: str = "k", *, user: str = "ana") -> AttemptRow:
    return AttemptRow(
        id=name, session_id="s1", parent_turn=None, key=key, phase="copy", user_name=user, state="running", cause=None,
        reason=None, started_at=NOW, ended_at=None, cost_usd=None, versions="{}",
    )  # fmt: skip


def finished(row: AttemptRow) -> TurnRow:
    return TurnRow(
        id=row.id, session_id=row.session_id, parent_turn=row.parent_turn, key=row.key, take=1, phase=row.phase,
        message="", steer="", fingerprint="{}", brief="{}", endpoint="rehearsal-1", model="m", user_name=row.user_name,
        started_at=NOW, finished_at=NOW, leaf_uuid=None, answer="", missing="[]",
    )  # fmt: skip


@pytest.fixture
def file(stores: Stores) -> Iterator[Store]:
    """A lab with one session."""
    with opened(stores.place()) as store:
        store.call(lambda con: queries.insert(con, [SESSION]))
        yield store


@pytest.fixture(autouse=True)
def _at_it() -> Iterator[None]:
    """This process is at the attempts that it claims here."""
    with ExitStack() as stack:
        for n in range(10):
            stack.enter_context(under_way(f"a{n}"))
        yield


@pytest.fixture
def start(file: Store) -> Iterator[Start]:
    """Starts a process that has the file open, and claims when it is told to go."""
    started: list[Claimer] = []

    def run(row: AttemptRow) -> Claimer:
        rows = [json.dumps(vars(each), default=str) for each in (SESSION, row)]
        process = subprocess.Popen(
            [sys.executable, "-c", CLAIMER, file.display_url, *rows],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


def go(process: Claimer) -> dict[str, object]:
    """Tells the process to claim; what it found."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    found: dict[str, object] = json.loads(process.stdout.readline())
    return found


def claim(file: Store, row: AttemptRow, session: SessionRow = SESSION) -> LookupResult:
    return file.call(lambda con: look_or_claim(con, session, row))


def attempts(file: Store) -> dict[str, str]:
    rows = file.call(lambda con: queries.select(con, AttemptRow, "ORDER BY id"))
    return {row.id: row.state for row in rows}


def test_what_nobody_made_is_claimed_and_written_down(file: Store) -> None:
    """The attempt stands in the file before anything is sent."""
    assert claim(file, attempt()) == LookupResult()
    assert attempts(file) == {"a1": "running"}
    (held,) = file.call(lambda con: queries.select(con, ClaimRow))
    assert (held.attempt_id, held.pid, held.user_name) == ("a1", os.getpid(), "ana")


def test_a_claim_of_our_own_process_is_busy(file: Store) -> None:
    """Two cells that run the same turn at once pay once."""
    claim(file, attempt())
    found = claim(file, attempt("a2"))
    assert found.busy is not None
    assert found.busy.attempt_id == "a1"
    assert attempts(file) == {"a1": "running"}


def test_a_finished_turn_is_found_and_not_claimed(file: Store) -> None:
    """It replays; no attempt is written down."""
    row = attempt()
    file.call(lambda con: queries.insert(con, [finished(row)]))
    found = claim(file, attempt("a2"))
    assert found.turn is not None
    assert found.turn.id == "a1"
    assert attempts(file) == {}
    assert file.call(lambda con: look(con, SESSION, None, "k")).turn == found.turn


def test_looking_claims_nothing(file: Store) -> None:
    """Who refuses to pay only looks."""
    assert file.call(lambda con: look(con, SESSION, None, "k")) == LookupResult()
    assert file.call(lambda con: queries.select(con, ClaimRow)) == []


def test_other_keys_checkpoints_owners_and_campaigns_do_not_wait(file: Store) -> None:
    """A claim holds up the very same turn and no other."""
    claim(file, attempt())
    assert claim(file, attempt("a2", key="other")).busy is None
    assert claim(file, replace(attempt("a3"), parent_turn="t0")).busy is None
    assert claim(file, attempt("a4", user="ben"), replace(SESSION, id="s2", owner="ben")).busy is None
    assert claim(file, attempt("a5"), replace(SESSION, id="s3", campaign="Autumn")).busy is None


def test_a_claim_is_given_back_when_the_attempt_ends(file: Store) -> None:
    """A failed turn can be run again at once."""
    row = attempt()
    claim(file, row)
    file.call(lambda con: queries.end_attempt(con, replace(row, state="failed", cause="api", ended_at=NOW)))
    assert claim(file, attempt("a2")) == LookupResult()
    assert attempts(file) == {"a1": "failed", "a2": "running"}


@pytest.mark.usefixtures("process")
def test_the_claim_of_a_living_process_blocks_ours(file: Store, start: Start) -> None:
    """It is at work: we wait, and it is not among the dead."""
    other = start(attempt())
    assert go(other) == {"turn": False, "busy": None}
    found = claim(file, attempt("a2"))
    assert found.busy is not None
    assert found.busy.pid == other.pid
    assert file.call(dead_attempts) == []


@pytest.mark.usefixtures("process")
@pytest.mark.parametrize("reaped", [True, False])
def test_the_claim_of_a_killed_process_is_void(file: Store, start: Start, reaped: bool) -> None:
    """The next one claims at once, also while nobody has collected the dead process; its attempt is found."""
    other = start(attempt())
    go(other)
    os.kill(other.pid, signal.SIGKILL)
    if reaped:
        other.wait()
    else:
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert psutil.Process(other.pid).status() == psutil.STATUS_ZOMBIE
    assert [row.id for row in file.call(dead_attempts)] == ["a1"]
    assert claim(file, attempt("a2")) == LookupResult()
    assert [row.attempt_id for row in file.call(lambda con: queries.select(con, ClaimRow))] == ["a2"]


@pytest.mark.usefixtures("process")
def test_of_two_processes_that_race_one_wins(file: Store, start: Start) -> None:
    """Both are told to go at once: one has the claim, the other one waits for it."""
    racers = [start(attempt(name)) for name in ("a1", "a2")]
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(go, racers))
    winners = [name for name, each in zip(("a1", "a2"), found, strict=True) if each["busy"] is None]
    assert len(winners) == 1
    assert [each["busy"] for each in found if each["busy"]] == winners
    assert list(attempts(file)) == winners


def test_of_many_threads_that_race_one_wins(file: Store) -> None:
    """As with cells and callbacks of one kernel."""
    barrier = threading.Barrier(8)

    def race(n: int) -> LookupResult:
        barrier.wait()
        return claim(file, attempt(f"a{n}"))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(race, range(8)))
    assert sum(each.busy is None for each in found) == 1
    assert len(attempts(file)) == 1


def test_a_claim_that_this_process_left_behind_is_void(file: Store) -> None:
    """Of one's own process it is known what it is at: who could not give a claim back does not wait for oneself."""
    with under_way("left"):
        with under_way("left"):
            claim(file, attempt("left"))
        assert claim(file, attempt()).busy is not None
        assert file.call(dead_attempts) == []
    assert [row.id for row in file.call(dead_attempts)] == ["left"]
    assert claim(file, attempt()) == LookupResult()
    assert [row.attempt_id for row in file.call(lambda con: queries.select(con, ClaimRow))] == ["a1"]


def held_by(pid: int, started: float, host: str | None = None) -> ClaimRow:
    return ClaimRow("k", "a1", "ana", host or machine(), pid, str(started), NOW)


@pytest.mark.usefixtures("process")
def test_a_process_that_only_has_the_number_of_the_claimer_is_not_it() -> None:
    """Numbers are given again: ours, in a container that was started anew, or another's."""
    me, parent = psutil.Process(), psutil.Process(os.getppid())
    assert alive(held_by(me.pid, me.create_time()), NOW)
    assert not alive(held_by(me.pid, me.create_time() - 3_600), NOW)
    assert alive(held_by(parent.pid, parent.create_time()), NOW)
    assert not alive(held_by(parent.pid, parent.create_time() - 3_600), NOW)


def test_a_process_on_another_machine_is_believed_for_the_length_of_its_lease() -> None:
    """We cannot look there: what counts is when it was last seen, or when it claimed; here we look, and believe nothing."""
    there, moment = held_by(2**22 + 1, 0.0, host="another-machine"), timedelta(microseconds=1)
    assert alive(there, NOW + LEASE - moment)
    assert not alive(there, NOW + LEASE)
    seen = replace(there, seen_at=NOW + timedelta(hours=1))
    assert alive(seen, NOW)  # a clock that was set back
    assert alive(seen, NOW + timedelta(hours=1) + LEASE - moment)
    assert not alive(seen, NOW + timedelta(hours=1) + LEASE)
    assert not alive(held_by(2**22 + 1, 0.0), NOW)


@pytest.mark.usefixtures("process")
@pytest.mark.parametrize("apart", ["", " 0123abcd-4026531836"], ids=["an older row", "another container"])
def test_a_machine_of_our_name_is_another_one(apart: str) -> None:
    """Containers may share a name, and numbers of processes mean nothing there: the lease decides, either way."""
    me, moment = psutil.Process(), timedelta(microseconds=1)
    there = f"{socket.gethostname()}{apart}"
    nobody_here, ours = held_by(2**22 + 1, 0.0, host=there), held_by(me.pid, me.create_time(), host=there)
    for row in (nobody_here, ours):
        assert alive(row, NOW + LEASE - moment)
        assert not alive(row, NOW + LEASE)
        assert host_name(row) == socket.gethostname()


@pytest.mark.usefixtures("process")
def test_processes_of_one_machine_agree_on_it_and_containers_do_not() -> None:
    """Each process finds the same name by itself; one in a pid namespace of its own finds another."""
    ask = [sys.executable, "-c", "from campaign_lab.sessions.run.claims import machine; print(machine())"]
    assert subprocess.check_output(ask, text=True).strip() == machine()
    apart = ["unshare", "--pid", "--fork"]
    if shutil.which("unshare") is None or subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no namespace can be made here")
    contained = subprocess.check_output([*apart, *ask], text=True).strip()
    assert contained != machine()
    assert contained.split()[0] == machine().split()[0] == socket.gethostname()


@pytest.mark.usefixtures("process")
@pytest.mark.parametrize("started", ["rubbish", "", "nan", "inf", None])
def test_a_claim_that_cannot_be_judged_is_dead(started: str | None) -> None:
    """Whoever writes rubbish into a claim holds nobody up and breaks nobody's look at it."""
    me = psutil.Process()
    for pid in (me.pid, os.getppid(), -1, 2**31 - 1):
        row = replace(held_by(pid, me.create_time()), process_start=started)  # type: ignore[arg-type]
        assert not alive(row, NOW)
    there = held_by(1, 0.0, host="another-machine")
    assert not alive(replace(there, seen_at=NOW + timedelta(days=2)), NOW)
    assert not alive(replace(there, seen_at=datetime.max.replace(tzinfo=UTC)), NOW)
    assert not alive(replace(there, claimed_at=None), NOW)  # type: ignore[arg-type]


def test_a_claim_of_rubbish_is_passed_over(file: Store) -> None:
    """The next run takes the key, and the attempt below the rubbish is among the dead."""
    claim(file, attempt())
    file.call(lambda con: con.execute("UPDATE claims SET process_start = 'rubbish'") and None)
    assert [row.id for row in file.call(dead_attempts)] == ["a1"]
    assert claim(file, attempt("a2")) == LookupResult()
    assert [row.attempt_id for row in file.call(lambda con: queries.select(con, ClaimRow))] == ["a2"]


def elsewhere(file: Store, *, column: str = "seen_at", seconds_ago: int) -> None:
    """Moves the claim in the store to another machine, that was seen (or that claimed) so long ago by the store's clock."""

    def move(con: queries.Con) -> None:
        con.execute("UPDATE claims SET host = 'another-machine', seen_at = NULL")
        con.execute(f"UPDATE claims SET {column} = ?", [store_time(con) - timedelta(seconds=seconds_ago)])

    file.call(move)


@pytest.mark.parametrize("column", ["seen_at", "claimed_at"])
def test_a_claim_of_another_machine_holds_us_up_until_its_lease_is_over(file: Store, column: str) -> None:
    """By the store's clock. One from before claims were seen again counts from when it was made."""
    claim(file, attempt())
    elsewhere(file, column=column, seconds_ago=60)
    found = claim(file, attempt("a2"))
    assert found.busy is not None
    assert found.busy.host == "another-machine"
    assert file.call(dead_attempts) == []
    elsewhere(file, column=column, seconds_ago=180)
    assert [row.id for row in file.call(dead_attempts)] == ["a1"]
    assert claim(file, attempt("a3")) == LookupResult()
    assert [row.attempt_id for row in file.call(lambda con: queries.select(con, ClaimRow))] == ["a3"]


def test_a_claim_is_seen_when_it_is_made_and_with_each_beat(file: Store) -> None:
    """By the store's clock, whatever that of the claimer says; a beat for a claim that is gone makes none."""
    before = file.call(store_time)
    claim(file, attempt())
    (made,) = file.call(lambda con: queries.select(con, ClaimRow))
    assert made.seen_at is not None
    assert made.seen_at >= before
    elsewhere(file, seconds_ago=180)
    file.call(lambda con: beat(con, "a1"))
    (seen,) = file.call(lambda con: queries.select(con, ClaimRow))
    assert seen.seen_at is not None
    assert seen.seen_at >= made.seen_at
    file.call(lambda con: beat(con, "a2"))
    assert len(file.call(lambda con: queries.select(con, ClaimRow))) == 1
