"""Verifying: a whole line passes, and every kind of damage is told, with the turn that has it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import timedelta

import pytest

from campaign_lab.errors import StoreError
from campaign_lab.sessions.upkeep.sweep import sweep
from campaign_lab.sessions.upkeep.verify import IntegrityProblem, verify
from campaign_lab.store import queries
from campaign_lab.store.connection import Con, Store
from campaign_lab.store.rows import SessionRow
from support.lab_rows import NOW, add, fork, grow, session, try_in_vain
from support.stores import opened, stores_of

pytestmark = pytest.mark.both_stores
RESEARCH = "(SELECT id FROM turns WHERE phase = 'research')"
STRATEGY = "(SELECT id FROM turns WHERE phase = 'strategy')"
AGENT = f"(SELECT min(subpath) FROM entries WHERE subpath <> '' AND session_id = {RESEARCH})"
EMPTY_AGENT = "(SELECT min(subpath) FROM transcripts WHERE subpath NOT IN (SELECT subpath FROM entries))"
CALL = "entry LIKE '%\"tool_use\"%'"
ANSWER = "entry LIKE '%\"tool_result\"%'"

DAMAGE: dict[str, tuple[str, str, str]] = {
    "a changed message": (f"UPDATE turns SET message = message || '!' WHERE id = {RESEARCH}", "key is not that", "research"),
    "a changed key": ("UPDATE turns SET key = 'x' WHERE phase = 'strategy'", "key is not that", "strategy"),
    "another take": ("UPDATE turns SET take = 2 WHERE phase = 'strategy'", "key is not that", "strategy"),
    "a changed fingerprint": (
        "UPDATE turns SET fingerprint = replace(fingerprint, 'disabled', 'enabled') WHERE phase = 'research'",
        "key is not that", "research",
    ),
    "a fingerprint that is cut": ("UPDATE turns SET fingerprint = '{' WHERE phase = 'research'", "fingerprint", "research"),
    "another parent": ("UPDATE turns SET parent_turn = NULL WHERE phase = 'strategy'", "key is not that", "strategy"),
    "a parent that is not there": ("UPDATE turns SET parent_turn = 'x' WHERE phase = 'strategy'", "is missing", "strategy"),
    "a lost turn": ("DELETE FROM turns WHERE phase = 'research'", "is missing", "strategy"),
    "a circle": (f"UPDATE turns SET parent_turn = {STRATEGY} WHERE phase = 'research'", "circle", "research"),
    "a turn stored twice": (f"INSERT INTO turns SELECT * FROM turns WHERE id = {RESEARCH}", "stored 2 times", "research"),
    "another model": ("UPDATE turns SET model = 'm' WHERE phase = 'strategy'", "but the session is one of", "strategy"),
    "another endpoint": ("UPDATE turns SET endpoint = 'anthropic' WHERE phase = 'research'", "but the session is", "research"),
    "a brief that is cut": ("UPDATE turns SET brief = '{' WHERE phase = 'research'", "its brief cannot be read", "research"),
    "a lost entry": (f"DELETE FROM entries WHERE session_id = {RESEARCH} AND subpath = '' AND seq = 4", "entries of", "research"),
    "a lost entry of an agent": (
        f"DELETE FROM entries WHERE session_id = {RESEARCH} AND subpath = {AGENT} AND seq = 3", "entries of", "research",
    ),
    "a lost agent": (f"DELETE FROM entries WHERE session_id = {RESEARCH} AND subpath = {AGENT}", "has 0 entries", "research"),
    "a lost agent and its head": (
        f"DELETE FROM entries WHERE subpath = {AGENT}; DELETE FROM transcripts WHERE subpath = {EMPTY_AGENT}",
        "not booked as its transcript", "research",
    ),
    "a lost transcript": (f"DELETE FROM entries WHERE session_id = {RESEARCH}", "has 0 entries", "research"),
    "an entry that is cut": (
        f"UPDATE entries SET entry = left(entry, 30) WHERE session_id = {RESEARCH} AND seq = 2", "cannot be read", "research",
    ),
    "a lost last entry": (
        f"DELETE FROM entries WHERE session_id = {STRATEGY} AND uuid = (SELECT leaf_uuid FROM turns WHERE id = {STRATEGY})",
        "does not end where", "strategy",
    ),
    "another end": ("UPDATE turns SET leaf_uuid = 'x' WHERE phase = 'strategy'", "does not end where", "strategy"),
    "a lost call": (
        f"UPDATE entries SET entry = '{{}}' WHERE session_id = {STRATEGY} AND {CALL}", "the answer to a call", "strategy",
    ),
    "a lost answer": (
        f"UPDATE entries SET entry = '{{}}' WHERE session_id = {STRATEGY} AND {ANSWER}", "without an answer", "strategy",
    ),
    "a lost answer to an agent": (
        f"UPDATE entries SET entry = '{{}}' WHERE session_id = {RESEARCH} AND subpath = {AGENT} AND {ANSWER}",
        "without an answer", "research",
    ),
    "a changed request": (
        f"UPDATE requests SET output_tokens = output_tokens + 1 WHERE attempt_id = {STRATEGY}", "not booked as", "strategy",
    ),
    "a request of another model": (f"UPDATE requests SET model = 'm' WHERE attempt_id = {STRATEGY}", "not booked as", "strategy"),
    "a lost request": (f"DELETE FROM requests WHERE attempt_id = {STRATEGY}", "not booked as", "strategy"),
    "a request booked twice": (
        f"INSERT INTO requests SELECT * FROM requests WHERE attempt_id = {STRATEGY}", "not booked as", "strategy",
    ),
    "a request booked as cut": (
        f"UPDATE requests SET complete = false WHERE attempt_id = {STRATEGY}", "cut requests are booked", "strategy",
    ),
    "another price": (f"UPDATE requests SET cost_usd = 0 WHERE attempt_id = {STRATEGY}", "add up to", "strategy"),
    "another sum": (f"UPDATE attempts SET cost_usd = cost_usd * 2 WHERE id = {RESEARCH}", "add up to", "research"),
    "a lost attempt": (f"DELETE FROM attempts WHERE id = {RESEARCH}", "one finished attempt; there is none", "research"),
    "an attempt that failed": (f"UPDATE attempts SET state = 'failed' WHERE id = {RESEARCH}", "there is failed", "research"),
    "a record that is cut": ("UPDATE records SET body = left(body, 20) WHERE kind = 'angle'", "read as JSON", "strategy"),
    "problems that are cut": ("UPDATE records SET problems = '[' WHERE kind = 'brand_profile'", "as JSON", "research"),
    "a claim on an ended attempt": (
        f"INSERT INTO claims (key, attempt_id) SELECT 'k', id FROM attempts WHERE id = {STRATEGY}",
        "has 1 claims", "strategy",
    ),
}  # fmt: skip


def main_of(con: Con) -> SessionRow:
    return queries.select(con, SessionRow, "WHERE name = 'main'")[0]


def faults(con: Con, row: SessionRow) -> list[str]:
    return [problem.what for problem in verify(con, row) if not problem.info]


class Undo(Exception):
    """Ends a damage without leaving a trace in the file."""


@pytest.fixture(scope="module")
def whole(store_kind: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Store]:
    """The real campaign; each damage is undone after it was looked at."""
    with stores_of(store_kind, tmp_path_factory.mktemp("verify"), request) as stores:
        stores.copy(str(request.getfixturevalue(f"campaign_{store_kind}")))
        with opened(stores.place()) as store:
            yield store


def test_a_real_campaign_is_whole(whole: Store) -> None:
    """Nothing is wrong with its session, nor with a fork of it."""
    rows = whole.call(lambda con: queries.select(con, SessionRow))
    assert len(rows) == 2
    assert [whole.call(lambda con, row=row: verify(con, row)) for row in rows] == [[], []]


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_told_with_the_turn_that_has_it(whole: Store, store_kind: str, kind: str) -> None:
    """One thing is changed in the store behind our back."""
    if kind == "a turn stored twice" and store_kind == "server":
        pytest.skip("a unique index of the server refuses it")
    sql, words, phase = DAMAGE[kind]
    found: list[IntegrityProblem] = []

    def damage(con: Con) -> None:
        turns = dict(con.execute("SELECT phase, id FROM turns").fetchall())
        con.execute(sql)
        found.extend(verify(con, main_of(con)))
        told = [problem for problem in found if words in problem.what]
        assert told, [str(problem) for problem in found]
        assert turns[phase] in {problem.turn_id for problem in told}
        assert not any(problem.info for problem in told)
        assert all(problem.advice.endswith(".") for problem in found)
        raise Undo

    with pytest.raises(Undo):
        whole.call(damage)


def test_looking_changes_nothing(whole: Store) -> None:
    """After all the damage above was undone, and after a look, the file is whole."""
    assert whole.call(lambda con: verify(con, main_of(con))) == []


def test_a_pointer_into_nowhere_is_told(lab_file: Store) -> None:
    """A tip that is no turn, and a start that is not on the line."""

    def check(con: Con) -> None:
        base = grow(con, add(con, session()), "t1")
        beside = grow(con, add(con, session("beside")), "t2")
        lost = add(con, fork(base, "lost", tip_turn="nowhere"))
        assert any("nowhere" in what for what in faults(con, lost))
        astray = add(con, fork(base, "astray", start_turn=beside.tip_turn))
        assert any("not on its line" in what for what in faults(con, astray))
        assert faults(con, add(con, session("new"))) == []

    lab_file.call(check)


def test_a_running_attempt_has_one_claim_at_most(lab_file: Store, store_kind: str) -> None:
    """One is right; two for the same attempt are told in a file, and refused by a unique index of the server."""

    def check(con: Con) -> None:
        row = add(con, session())
        try_in_vain(con, row, "running", state="running", ended_at=None)
        for claims in (1, 2):
            con.execute("INSERT INTO claims (key, attempt_id) VALUES (?, 'running')", [f"k{claims}"])
            assert bool(faults(con, row)) is (claims == 2)

    with pytest.raises(StoreError) if store_kind == "server" else contextlib.nullcontext():
        lab_file.call(check)


def test_swept_transcripts_are_a_remark_and_no_fault(lab_file: Store) -> None:
    """After a sweep that kept the records each turn says so; nothing else is wrong."""

    def check(con: Con) -> None:
        row = grow(con, grow(con, add(con, session()), "t1"), "t2")
        sweep(con, now=NOW + timedelta(days=9), grace_s=0, keep_records=True, dry_run=False)
        problems = verify(con, row)
        assert [(problem.turn_id, problem.info) for problem in problems] == [("t1", True), ("t2", True)]
        assert "replays" in str(problems[0])

    lab_file.call(check)


def test_damage_on_another_line_is_not_this_sessions(lab_file: Store) -> None:
    """A fork of the first turn is whole although its parent's second turn is not."""

    def check(con: Con) -> None:
        base = grow(con, add(con, session()), "t1")
        child = grow(con, add(con, fork(base, "child")), "t3")
        base = grow(con, base, "t2")
        con.execute("DELETE FROM entries WHERE session_id = 't2' AND seq = 1")
        assert faults(con, child) == []
        assert faults(con, base)

    lab_file.call(check)
