"""The sweep: what only expired sessions stand on goes, what a living one stands on stays, and costs add up as before."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign_lab.sessions.history.turns import load_turn
from campaign_lab.sessions.upkeep.sweep import SweepReport, sweep
from campaign_lab.store import queries
from campaign_lab.store.connection import Con, Store
from campaign_lab.store.rows import SessionRow, TurnRow
from support.lab_rows import NOW, add, add_page, dump, fork, grow, ids, orphans, session, share, try_in_vain
from support.stores import opened

pytestmark = pytest.mark.both_stores
DAY_S = 86_400.0
LATER = NOW + timedelta(days=30)
SWEEPER = """
import json, sys
from datetime import datetime
from campaign_lab.sessions.upkeep.sweep import sweep
from campaign_lab.store.location import open_store

file, now = open_store(sys.argv[1]), datetime.fromisoformat(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
report = file.call(lambda con: sweep(con, now=now, grace_s=0, keep_records=False, dry_run=False))
print(json.dumps(vars(report)))
"""


def swept(
    con: Con, *, now: datetime = LATER, grace_s: float = DAY_S, keep_records: bool = False, dry_run: bool = False
) -> SweepReport:
    return sweep(con, now=now, grace_s=grace_s, keep_records=keep_records, dry_run=dry_run)


def row_of(con: Con, name: str) -> SessionRow:
    return queries.select(con, SessionRow, "WHERE id = ?", [name])[0]


def costs(con: Con) -> dict[tuple[str, str], float]:
    """US dollars by campaign and session, as the ledger of record has them."""
    sql = (
        "SELECT s.campaign, s.id, sum(r.cost_usd) FROM requests AS r JOIN attempts AS a ON a.id = r.attempt_id"
        " LEFT JOIN turns AS t ON t.id = a.id JOIN sessions AS s ON s.id = coalesce(t.session_id, a.session_id) GROUP BY 1, 2"
    )
    return {(campaign, name): cost for campaign, name, cost in con.execute(sql).fetchall()}


def test_an_expired_session_goes_with_all_that_only_it_stands_on(lab_file: Store) -> None:
    """Turns, records, transcripts of agents, cached prefixes, pages and shares go; a tombstone and the ledger stay."""

    def check(con: Con) -> None:
        base = grow(con, grow(con, add(con, session(metadata='{"client": "x"}')), "t1"), "t2", phase="strategy")
        add_page(con)
        share(con, base, "bob")
        before, ledger = dump(con), costs(con)
        report = swept(con)
        after = dump(con)
        for name in ("turns", "records", "entries", "transcripts", "rehearsal_cache", "pages", "shares"):
            assert before[name], name
            assert after[name] == [], name
        assert (report.sessions, report.turns, report.entries, report.pages) == (1, 2, 18, 1)
        tombstone = row_of(con, "main")
        assert (tombstone.swept_at, tombstone.brief, tombstone.metadata) == (LATER, "{}", "{}")
        assert (tombstone.name, tombstone.tip_turn) == ("main", None)
        assert after["attempts"] == before["attempts"]
        assert after["requests"] == before["requests"]
        assert costs(con) == ledger
        assert orphans(con) == []

    lab_file.call(check)


@pytest.mark.parametrize(
    ("changes", "now"),
    [({}, NOW + timedelta(hours=1, days=1)), ({"pinned": True}, LATER), ({"ttl_seconds": None}, LATER)],
    ids=["within the grace", "pinned", "without an end"],
)
def test_a_session_that_may_stay_is_left_as_it_is(lab_file: Store, changes: dict[str, Any], now: datetime) -> None:
    """The last moment of the grace still belongs to the session; pinned ones and those without a life never go."""

    def check(con: Con) -> None:
        grow(con, add(con, session(**changes)), "t1")
        add_page(con)
        before = dump(con)
        report = swept(con, now=now)
        assert (report.sessions, report.turns, report.entries, report.pages, report.text_bytes) == (0, 0, 0, 0, 0)
        assert dump(con) == before

    lab_file.call(check)


def test_a_living_fork_keeps_its_line_and_not_what_its_parent_did_later(lab_file: Store) -> None:
    """Bob's fork lives; ana's session has expired: the research stays for bob, with its pages, and ana's strategy goes."""

    def check(con: Con) -> None:
        base = grow(con, add(con, session()), "research")
        child = grow(con, add(con, fork(base, "bobs", owner="bob", pinned=True)), "copy", phase="copy")
        grow(con, base, "strategy", phase="strategy")
        add_page(con)
        line, ledger = queries.line_of(con, child.tip_turn), costs(con)
        stored = {turn: queries.entries_of(con, turn) for turn in ("research", "copy")}
        report = swept(con)
        assert (report.sessions, report.turns, report.pages) == (1, 1, 0)
        assert queries.line_of(con, child.tip_turn) == line
        assert {turn: queries.entries_of(con, turn) for turn in stored} == stored
        assert ids(con, "turns") == {"research", "copy"}
        assert ids(con, "records", "turn_id") == {"research", "copy"}
        assert row_of(con, "main").swept_at == LATER
        assert costs(con) == ledger
        assert orphans(con) == []

    lab_file.call(check)


def test_when_the_last_fork_goes_so_does_what_was_kept_for_it(lab_file: Store) -> None:
    """A later sweep takes the turns of a session that was swept before, and nothing points at them any more."""

    def check(con: Con) -> None:
        base = grow(con, add(con, session()), "research")
        add(con, fork(base, "long", ttl_seconds=20 * 86_400))
        add_page(con)
        first = swept(con, now=NOW + timedelta(days=10))
        assert (first.sessions, first.turns) == (1, 0)
        assert row_of(con, "main").tip_turn == "research"
        second = swept(con)
        assert (second.sessions, second.turns, second.pages) == (1, 1, 1)
        assert row_of(con, "main").tip_turn is None
        assert row_of(con, "main").swept_at == NOW + timedelta(days=10)
        assert orphans(con) == []

    lab_file.call(check)


def test_a_fork_from_the_root_keeps_the_pages_of_its_root_session(lab_file: Store) -> None:
    """Pages of a line are kept under the root session's owner, so a living fork needs them even without a turn."""

    def check(con: Con) -> None:
        add(con, fork(add(con, session()), "bobs", owner="bob", pinned=True))
        add_page(con)
        add_page(con, campaign="Autumn")
        assert swept(con).pages == 1
        assert ids(con, "pages", "campaign") == {"Spring"}

    lab_file.call(check)


def test_pages_of_a_campaign_stay_while_one_of_its_sessions_lives(lab_file: Store) -> None:
    """Two sessions of one campaign, one expired: its turns go, the pages do not."""

    def check(con: Con) -> None:
        grow(con, add(con, session("old")), "t1")
        grow(con, add(con, session("new", pinned=True)), "t2")
        add_page(con)
        report = swept(con)
        assert (report.turns, report.pages) == (1, 0)
        assert len(ids(con, "pages", "url")) == 1

    lab_file.call(check)


def test_kept_records_still_replay_when_the_transcripts_are_gone(lab_file: Store) -> None:
    """With keep_records only transcripts and cached prefixes go; a second sweep finds nothing left."""

    def check(con: Con) -> None:
        base = grow(con, add(con, session()), "t1")
        add_page(con)
        share(con, base, "bob")
        before = dump(con)
        (turn,) = queries.select(con, TurnRow)
        shown = load_turn(con, turn, None, base).kept
        report = swept(con, keep_records=True)
        after = dump(con)
        assert (report.sessions, report.turns, report.entries, report.pages) == (1, 0, 9, 0)
        changed = {name for name in before if before[name] != after[name]}
        assert changed == {"entries", "transcripts", "rehearsal_cache"}
        assert after["entries"] == after["transcripts"] == after["rehearsal_cache"] == []
        assert load_turn(con, turn, None, base).kept == shown
        again = swept(con, keep_records=True)
        assert (again.sessions, again.entries, again.text_bytes) == (0, 0, 0)

    lab_file.call(check)


def test_keeping_records_keeps_the_transcripts_that_a_living_fork_stands_on(lab_file: Store) -> None:
    """The fork could not go on without them."""

    def check(con: Con) -> None:
        base = grow(con, add(con, session()), "research")
        add(con, fork(base, "bobs", owner="bob", pinned=True))
        grow(con, base, "strategy")
        swept(con, keep_records=True)
        assert ids(con, "entries", "session_id") == {"research"}

    lab_file.call(check)


@pytest.mark.parametrize("keep_records", [False, True])
def test_a_dry_run_counts_the_same_and_changes_nothing(lab_file: Store, keep_records: bool) -> None:
    """What it would take is what a sweep then takes."""

    def check(con: Con) -> None:
        base = grow(con, add(con, session()), "t1")
        add(con, fork(base, "living", pinned=True))
        grow(con, base, "t2")
        try_in_vain(con, base, "f1")
        add_page(con, owner="zoe")
        before = dump(con)
        would = swept(con, keep_records=keep_records, dry_run=True)
        assert dump(con) == before
        did = swept(con, keep_records=keep_records)
        assert vars(would) == vars(did) | {"dry_run": True}
        assert str(would) == str(did).replace("Took", "Would take")
        assert dump(con) != before

    lab_file.call(check)


def test_failed_attempts_lose_their_transcripts_and_running_ones_lose_nothing(lab_file: Store) -> None:
    """Failed before the grace: gone, though the session lives; failed since, or running: kept. All stay booked."""

    def check(con: Con) -> None:
        living = add(con, session(pinned=True))
        try_in_vain(con, living, "old")
        try_in_vain(con, living, "new", ended_at=LATER - timedelta(hours=1))
        try_in_vain(con, living, "running", state="running", ended_at=None)
        report = swept(con)
        assert report.entries == 9
        assert ids(con, "entries", "session_id") == {"new", "running"}
        assert ids(con, "attempts") == {"old", "new", "running"}
        assert ids(con, "requests", "attempt_id") == {"old", "new", "running"}
        assert orphans(con) == []

    lab_file.call(check)


def test_a_session_with_a_running_turn_is_not_taken(lab_file: Store) -> None:
    """It expired while its turn runs: line, brief and pages stay until the turn has ended."""

    def check(con: Con) -> None:
        base = grow(con, add(con, session()), "t1")
        try_in_vain(con, base, "running", state="running", ended_at=None)
        add_page(con)
        before = dump(con)
        assert swept(con).sessions == 0
        assert dump(con) == before

    lab_file.call(check)


def test_a_renewing_session_keeps_what_it_took_over(lab_file: Store) -> None:
    """It replays turns of the expired session, so its tip stands on them, or a turn that runs right now does."""

    def check(con: Con) -> None:
        old = grow(con, grow(con, add(con, session("old")), "t1"), "t2")
        add(con, session("new", renews=old.id, tip_turn="t1", pinned=True))
        assert swept(con).turns == 1
        assert ids(con, "turns") == {"t1"}
        assert orphans(con) == []
        older = grow(con, add(con, session("older")), "t3")
        add(con, session("newer", renews=older.id))
        try_in_vain(con, replace(older, id="newer"), "running", state="running", ended_at=None)
        assert swept(con).sessions == 1
        assert ids(con, "turns") == {"t1", "t3"}

    lab_file.call(check)


def test_a_deleted_session_is_taken_without_waiting_for_its_end(lab_file: Store) -> None:
    """Its owner marked it as swept: the next sweep takes its turns, empties it, and keeps the time at which it was deleted."""

    def check(con: Con) -> None:
        deleted = NOW + timedelta(minutes=1)
        grow(con, add(con, session(pinned=True, swept_at=deleted)), "t1")
        report = swept(con, now=NOW + timedelta(minutes=2))
        assert (report.sessions, report.turns) == (1, 1)
        assert (row_of(con, "main").swept_at, row_of(con, "main").brief) == (deleted, "{}")
        assert swept(con, now=NOW + timedelta(minutes=2)).sessions == 0

    lab_file.call(check)


def test_a_turn_that_moved_to_a_fork_keeps_its_cost_there(lab_file: Store) -> None:
    """Its attempt began in the named session, its turn ended in an automatic fork: the fork goes on bearing the cost."""

    def check(con: Con) -> None:
        base = grow(con, add(con, session()), "t1")
        fork_row = add(con, fork(base, "other", automatic=True))
        grow(con, fork_row, "t2")
        con.execute("UPDATE attempts SET session_id = 'main' WHERE id = 't2'")
        before = costs(con)
        assert len(before) == 2
        assert swept(con).turns == 2
        assert costs(con) == before

    lab_file.call(check)


@pytest.mark.usefixtures("process")
def test_two_sweepers_at_once_do_each_job_once(lab_file: Store) -> None:
    """Two processes sweep the same lab at the same moment: together they report each session once."""

    def make(con: Con) -> None:
        for n in range(20):
            grow(con, add(con, session(f"s{n}", campaign=f"c{n}")), f"t{n}")
            add_page(con, campaign=f"c{n}")

    lab_file.call(make)
    before = lab_file.call(costs)
    lab_file.close()
    command = [sys.executable, "-c", SWEEPER, lab_file.display_url, LATER.isoformat()]
    sweepers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for sweeper in sweepers:
        assert sweeper.stdout is not None
        assert sweeper.stdout.readline() == "ready\n"
    for sweeper in sweepers:
        assert sweeper.stdin is not None
        sweeper.stdin.write("go\n")
        sweeper.stdin.flush()
    reports = [json.loads(sweeper.communicate(timeout=60)[0]) for sweeper in sweepers]
    assert sorted(report["sessions"] for report in reports) == [0, 20]
    assert sum(report["turns"] for report in reports) == 20
    assert sum(report["pages"] for report in reports) == 20
    with opened(lab_file.display_url) as again:
        assert again.call(costs) == before
        assert again.call(orphans) == []


def test_a_sweep_that_breaks_off_takes_nothing(lab_file: Store) -> None:
    """It is one transaction."""
    lab_file.call(lambda con: grow(con, add(con, session()), "t1"))
    before = lab_file.call(dump)

    def broken(con: Con) -> None:
        assert swept(con).turns == 1
        raise RuntimeError("pulled the plug")

    with pytest.raises(RuntimeError, match="plug"):
        lab_file.call(broken)
    assert lab_file.call(dump) == before


class Undo(Exception):
    """Ends an example without leaving a trace in the file."""


def undone(file: Store, work: Callable[[Con], None]) -> None:
    def run(con: Con) -> None:
        work(con)
        raise Undo

    with pytest.raises(Undo):
        file.call(run)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), keep_records=st.booleans())
def test_no_sweep_ever_harms_a_living_session(lab_file: Store, seed: int, keep_records: bool) -> None:
    """Any forest of forks, any of them living: each living line is whole, nothing is orphaned, no cost changes."""
    chance = random.Random(seed)

    def check(con: Con) -> None:
        rows: list[SessionRow] = []
        for n in range(6):
            owner, pinned = chance.choice(["ana", "bob"]), chance.random() < 0.35
            parent = chance.choice(rows) if rows and chance.random() < 0.7 else None
            name = f"s{n}"
            made = session(name, owner=owner, pinned=pinned)
            row = add(con, made if parent is None else fork(parent, name, owner=owner, pinned=pinned))
            for m in range(chance.randrange(3)):
                row = grow(con, row, f"{name}-t{m}")
            rows.append(row)
        living = {row.id: (queries.line_of(con, row.tip_turn), row) for row in rows if row.pinned}
        stored = {turn.id: queries.entries_of(con, turn.id) for line, _ in living.values() for turn in line}
        before = costs(con)
        swept(con, keep_records=keep_records)
        for name, (line, row) in living.items():
            assert queries.line_of(con, row.tip_turn) == line
            assert row_of(con, name) == row
        assert {turn: queries.entries_of(con, turn) for turn in stored} == stored
        assert ids(con, "entries", "session_id") == set(stored)
        assert costs(con) == before
        assert orphans(con) == []

    undone(lab_file, check)
