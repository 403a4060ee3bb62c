"""Row-level security: with plain SQL a role sees and writes what the access table lets it, and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.errors import InsufficientPrivilege, UniqueViolation
from psycopg.sql import SQL, Identifier

from campaign_lab.sessions.run.claims import beat, claim_scope
from campaign_lab.sessions.spending.costs import spent_by
from campaign_lab.sessions.transfer.session_file import load, save
from campaign_lab.sessions.upkeep.access import page_owners
from campaign_lab.store import queries
from campaign_lab.store.duckdb.engine import open_file
from campaign_lab.store.grants import GRANTS
from campaign_lab.store.location import open_store
from campaign_lab.store.postgres.dialect import ServerCon
from campaign_lab.store.postgres.policies import AMOUNTS, RULES, TIMES, policies
from campaign_lab.store.postgres.rls_functions import SETS
from campaign_lab.store.rows import (
    AttemptRow,
    AuditRow,
    ClaimRow,
    JudgementRow,
    PageRow,
    RecordRow,
    SessionRow,
    ShareRow,
    TurnRow,
)
from campaign_lab.tables.costs import cost_rows
from support.lab_rows import NOW, PAGE, add, add_page, dump, fork, grow, session, share, try_in_vain
from support.postgres import ADMIN, OWNER, PostgresServer
from support.stores import Databases

VERBS = ("read", "fork", "run", "share", "cost", "change", "delete")
SECRETS = tuple(table for table in RULES if table != "schema_version")


class Role(ServerCon):
    """The one connection, as one of the roles: the server then takes it for a connection of that role's."""

    def __init__(self, raw: psycopg.Connection[Any], role: str) -> None:
        super().__init__(raw)
        self.raw, self._role = raw, role

    def execute(
        self, query: str, parameters: Sequence[Any] | Mapping[str, Any] = (), /
    ) -> psycopg.Cursor[tuple[Any, ...]]:
        """Runs a statement as the role."""
        self.raw.execute(SQL("SET SESSION AUTHORIZATION {}").format(Identifier(self._role)))
        return super().execute(query, parameters)


class Team:
    """A database, and the roles in it. They share a transaction, so nothing of a test stays."""

    def __init__(self, databases: Databases, server: PostgresServer) -> None:
        for user in USERS:
            databases.place(user=user)
        self._databases = databases
        self.raw = psycopg.connect(server.url(ADMIN, databases.kept()))

    def url(self, role: str) -> str:
        """The url of the database for a role."""
        return self._databases.place(user=role)

    def of(self, role: str) -> Role:
        """The connection as that role."""
        return Role(self.raw, role)


USERS = ("ana", "ben", "cyd", "dan", "eve")


def fill(con: ServerCon) -> None:
    """Ana's session "main" with two turns and a failed attempt, a fork that a run made of it, pages, a claim and a judgement."""
    main = grow(con, grow(con, add(con, session()), "t1"), "t2", phase="strategy")
    add(con, session("older"))
    try_in_vain(con, main, "vain")
    aside = add(con, fork(main, "aside", automatic=True, start_turn="t1", tip_turn="t1"))
    grow(con, aside, "t3", phase="strategy")
    grow(con, add(con, session("private", campaign="Autumn")), "p1")
    add_page(con)
    add_page(con, campaign="Autumn")
    queries.insert(con, [JudgementRow("t1", "brand_profile", 0, "ana", "pick", 5, "good", NOW)])
    queries.insert(
        con, [ClaimRow("key", "vain", "ana", "host", 1, "1", NOW), AuditRow("ana", "run", "main", True, NOW)]
    )
    queries.insert(con, [ShareRow("private", "cyd", "read", "ana", NOW)])


@contextlib.contextmanager
def team_on(server: PostgresServer) -> Iterator[Team]:
    databases = Databases(server)
    team = Team(databases, server)
    fill(team.of(OWNER))
    team.raw.commit()
    yield team
    team.raw.close()
    databases.drop()


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> Iterator[Team]:
    """A database that all tests begin with."""
    with team_on(postgres_server) as made:
        yield made


@pytest.fixture
def team(database: Team) -> Iterator[Team]:
    """The roles, with what ``fill`` stored; all that a test does is taken back."""
    database.of(OWNER).execute("SELECT 1")  # begins the transaction that everything else is a part of
    yield database
    database.raw.rollback()


@pytest.fixture
def own_team(postgres_server: PostgresServer) -> Iterator[Team]:
    """A database of the test's own, to be opened as a lab."""
    with team_on(postgres_server) as made:
        yield made


def given(team: Team, permission: str, user: str = "ben", session_id: str = "main") -> Role:
    """The connection of a user with whom ana has shared a session."""
    queries.insert(team.of("ana"), [ShareRow(session_id, user, permission, "ana", NOW)])
    return team.of(user)


def count(con: ServerCon, table: str, where: str = "true") -> int:
    return int(con.execute(f"SELECT count(*) FROM {table} WHERE {where}").fetchone()[0])


def attempt(
    name: str, user: str, *, session_id: str = "main", state: str = "running", cost: float | None = None
) -> AttemptRow:
    return AttemptRow(name, session_id, "t2", "k", phase="copy", user_name=user, state=state, cause=None, reason=None,
                      started_at=NOW, ended_at=None, cost_usd=cost, versions="{}")  # fmt: skip


def turn(con: ServerCon, name: str, user: str, **changes: Any) -> TurnRow:
    """A turn like t2 that stands after it."""
    (row,) = queries.select(con, TurnRow, "WHERE id = 't2'")
    return replace(row, **{"id": name, "parent_turn": "t2", "user_name": user, **changes})


def forked(user: str, **changes: Any) -> SessionRow:
    """A fork of main at t1 by that user."""
    at_t1 = session(tip_turn="t1")
    return fork(at_t1, f"{user}'s", owner=user, **changes)


def done(con: Role, work: Callable[[], object]) -> bool:
    """Does the server let it happen, to one row at least?"""
    try:
        with con.raw.transaction():
            result = work()
    except InsufficientPrivilege:
        return False
    return not isinstance(result, psycopg.Cursor) or result.rowcount > 0


def claim(row: AttemptRow, **changes: Any) -> ClaimRow:
    """The claim of an attempt at a turn of ana's campaign, as a run makes it."""
    return replace(ClaimRow(claim_scope(session(), row), row.id, row.user_name, "host", 1, "1", NOW), **changes)


def runs(con: ServerCon, user: str) -> None:
    """What a run writes, from the claim to the new tip, and with a tip that has moved meanwhile."""
    queries.insert(con, [attempt("n1", user), claim(attempt("n1", user))])
    made = turn(con, "n1", user)
    queries.insert(con, [made, RecordRow("n1", "angle", 0, "a", "A", 1, "{}", degraded=False, problems="[]")])
    queries.end_attempt(con, replace(attempt("n1", user), state="finished"))
    assert queries.move_tip(con, made).tip_turn == "n1"
    queries.insert(con, [attempt("n2", user), late := turn(con, "n2", user)])
    assert queries.move_tip(con, late).automatic


def tried(con: Role, user: str) -> dict[str, Callable[[], object]]:
    """For each verb something that it is needed for."""
    seen = ("sessions", "turns", "records", "entries", "transcripts", "judgements", "pages", "rehearsal_cache")
    return {
        "read": lambda: next((None for table in seen if not count(con, table)), con.execute("SELECT 1")) or refuse(),
        "cost": lambda: (count(con, "requests") and count(con, "attempts")) or refuse(),
        "fork": lambda: queries.get_or_create_fork(con, forked(user), lambda _: False),
        "run": lambda: runs(con, user),
        "share": lambda: queries.insert(con, [ShareRow("main", "eve", "read", user, NOW)]),
        "change": lambda: con.execute("UPDATE sessions SET name = 'mine' WHERE id = 'main'"),
        "delete": lambda: con.execute("UPDATE sessions SET swept_at = now() WHERE id = 'main'"),
    }


def refuse() -> None:
    raise InsufficientPrivilege


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("permission", GRANTS)
def test_a_permission_opens_what_the_access_table_says(team: Team, permission: str, verb: str) -> None:
    """Each verb works with exactly those permissions that grant it."""
    ben = given(team, permission)
    assert done(ben, tried(ben, "ben")[verb]) == (verb in GRANTS[permission])


@pytest.mark.parametrize("verb", VERBS)
def test_the_owner_of_a_session_may_do_everything(team: Team, verb: str) -> None:
    """Nothing is kept from the one who owns it."""
    assert done(team.of("ana"), tried(team.of("ana"), "ana")[verb])


@pytest.mark.parametrize("verb", VERBS)
def test_a_stranger_may_do_nothing(team: Team, verb: str) -> None:
    """Without a share no verb works."""
    assert not done(team.of("eve"), tried(team.of("eve"), "eve")[verb])


def test_a_stranger_sees_no_row_of_any_table(team: Team) -> None:
    """All tables of the lab are empty for a role that nothing was shared with."""
    eve = team.of("eve")
    names = {name for (name,) in eve.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()}
    assert names == set(RULES)
    assert {table: count(eve, table) for table in SECRETS} == dict.fromkeys(SECRETS, 0)
    assert all(count(team.of(OWNER), table) for table in SECRETS)


def test_the_functions_tell_a_stranger_nothing(team: Team) -> None:
    """No function of the policies gives an id away, whatever verb it is asked for."""
    eve = team.of("eve")
    for signature in [*SETS, "lab_scopes(verb text)"]:
        for verb in (*VERBS, "own", "", "x' OR true"):
            call = signature.replace("verb text", "?")
            assert not eve.execute(f"SELECT * FROM {call}", [verb] if "?" in call else []).fetchall(), signature


def test_the_owner_of_the_tables_sees_all(team: Team) -> None:
    """Whoever runs the server's lab is bound by nothing, and may act for any user."""
    con = team.of(OWNER)
    assert {row.owner for row in queries.select(con, SessionRow)} == {"ana"}
    queries.insert(con, [session("for ben", owner="ben")])
    assert count(team.of("ben"), "sessions") == 1


def test_a_share_opens_one_session_and_no_other(team: Team) -> None:
    """What stands on the shared line is seen; other sessions, campaigns and shares are not."""
    ben = given(team, "read")
    assert {row.id for row in queries.select(ben, SessionRow)} == {"main", "aside"}
    assert {row.id for row in queries.select(ben, TurnRow)} == {"t1", "t2", "t3"}
    assert ben.execute("SELECT DISTINCT campaign FROM pages").fetchall() == [("Spring",)]
    assert {row.user_name for row in queries.select(ben, ShareRow)} == {"ben"}
    assert not count(ben, "audit")


def test_a_fork_shows_what_it_stands_on_and_not_what_came_after(team: Team) -> None:
    """Who was given a fork reads the turns it carries; of the session above only its row is seen."""
    add(team.of(OWNER), fork(session(tip_turn="t1"), "emotional"))
    ben = given(team, "read", session_id="emotional")
    assert {row.id for row in queries.select(ben, TurnRow)} == {"t1"}
    assert {row.id for row in queries.select(ben, SessionRow)} == {"main", "emotional"}
    assert {name for (name,) in ben.execute("SELECT DISTINCT session_id FROM entries").fetchall()} == {"t1"}
    assert not count(ben, "judgements")  # they are of the session that made the variant


def test_a_renewed_session_brings_the_turns_that_it_replays(team: Team) -> None:
    """A share of a session that goes on from an expired one opens the expired one's turns."""
    add(team.of(OWNER), session("renewed", renews="main"))
    ben = given(team, "read", session_id="renewed")
    assert {row.id for row in queries.select(ben, TurnRow)} == {"t1", "t2", "t3"}


def test_a_fork_that_a_run_made_follows_its_session(team: Team) -> None:
    """It is shared with its session, and closed with it."""
    ben = given(team, "run")
    assert count(ben, "sessions", "id = 'aside'") == 1
    team.of("ana").execute("DELETE FROM shares WHERE session_id = 'main'")
    assert count(ben, "sessions") == 0


def test_revoking_closes_at_once_and_leaves_forks(team: Team) -> None:
    """What was taken back is gone, with the ledger's rows alone to stay; the fork that was made keeps its line."""
    ben = given(team, "fork")
    queries.get_or_create_fork(ben, forked("ben"), lambda _: False)
    team.of("ana").execute("DELETE FROM shares WHERE user_name = 'ben'")
    assert {row.id for row in queries.select(ben, TurnRow)} == {"t1"}
    assert {name for (name,) in ben.execute("SELECT DISTINCT session_id FROM entries").fetchall()} == {"t1"}
    ben.execute("UPDATE sessions SET name = 'still mine', last_paid_at = now() WHERE owner = 'ben'")
    assert not done(ben, lambda: queries.insert(ben, [replace(forked("ben"), id="again")]))


def test_what_one_paid_stays_in_ones_ledger(team: Team) -> None:
    """A run on a session that was closed later still counts for who paid it, without what was said."""
    ben = given(team, "run")
    runs(ben, "ben")
    team.of("ana").execute("DELETE FROM shares")
    assert {row.id for row in queries.select(ben, AttemptRow)} == {"n1", "n2"}
    assert [count(ben, table) for table in ("turns", "records", "entries", "sessions")] == [0, 0, 0, 0]
    assert count(team.of("ana"), "turns", "user_name = 'ben'") == 2


THEFTS = {
    "take a session over": "UPDATE sessions SET owner = 'ben' WHERE id = 'main'",
    "take a session over blindly": "UPDATE sessions SET owner = 'ben'",
    "read another campaign's pages": "UPDATE sessions SET campaign = 'Autumn' WHERE id = 'main'",
    "share with oneself": "INSERT INTO shares VALUES ('main', 'ben', 'run', 'ben', now())",
    "share as the owner": "INSERT INTO shares VALUES ('main', 'ben', 'run', 'ana', now())",
    "make more of a share": "UPDATE shares SET permission = 'run' WHERE user_name = 'ben'",
    "take back others' shares": "DELETE FROM shares WHERE user_name <> 'ben'",
    "judge as another": "INSERT INTO judgements VALUES ('t2', 'brand_profile', 0, 'ana', 'reject', 1, '', now())",
    "remove others' judgements": "DELETE FROM judgements",
    "write pages": "INSERT INTO pages (owner, campaign, url) VALUES ('ana', 'Spring', 'https://false.example/')",
    "write down what another did": "INSERT INTO audit VALUES ('ana', 'read', 'main', true, now())",
    "remove traces": "DELETE FROM audit",
    "remove turns": "DELETE FROM turns",
    "remove conversations": "DELETE FROM entries",
    "add to a conversation": "INSERT INTO entries VALUES ('p', 't2', '', 99, 'u', 'user', '{}', now())",
    "add to what was found": "INSERT INTO records VALUES ('t2', 'angle', 9, 'x', 'X', 1, '{}', false, '[]')",
    "change the ledger": "UPDATE attempts SET cost_usd = 0",
    "remove from the ledger": "DELETE FROM requests",
    "remove claims": "DELETE FROM claims",
    "claim as another": "INSERT INTO claims VALUES ('key', 'x', 'ana', 'h', 1, '1', now())",
    "claim what another runs": "INSERT INTO claims VALUES ('key', 't2', 'ben', 'h', 1, '1', now())",
    "claim what nobody runs": "INSERT INTO claims VALUES ('key', 'x', 'ben', 'h', 1, '1', now())",
    "turn the clock of a session back": "UPDATE sessions SET last_paid_at = '2001-01-01' WHERE id = 'main'",
    "turn a session back": "UPDATE sessions SET tip_turn = NULL WHERE id = 'main'",
    "change the version": "UPDATE schema_version SET version = 99",
    "empty a table": "TRUNCATE sessions",
    "drop a policy": "DROP POLICY lab_turns_select ON turns",
    "switch the policies off": "ALTER TABLE turns DISABLE ROW LEVEL SECURITY",
    "go round the policies": "SET row_security = off; SELECT * FROM turns",
    "make a table": "CREATE TABLE public.mine (id integer)",
    "make a function": "CREATE FUNCTION public.lab_sessions(text) RETURNS integer LANGUAGE sql AS 'SELECT 1'",
    "make a trigger": "CREATE TRIGGER mine BEFORE INSERT ON turns EXECUTE FUNCTION suppress_redundant_updates_trigger()",
}


@pytest.mark.parametrize("what", THEFTS)
def test_a_reader_changes_nothing(team: Team, what: str) -> None:
    """A role with a read share leaves every table as it was, whatever it sends."""
    ben = given(team, "read")
    before = dump(team.of(OWNER))
    with contextlib.suppress(InsufficientPrivilege), ben.raw.transaction():
        for statement in THEFTS[what].split("; "):
            ben.execute(statement)
    assert dump(team.of(OWNER)) == before


@pytest.mark.parametrize("permission", ["read", "fork", "run"])
@pytest.mark.parametrize(
    "what",
    [
        "tip",
        "start",
        "above",
        "renewed",
        "automatic",
        "as ana's",
        "turn",
        "same session",
        "same turn",
        "same attempt",
        "pages",
    ],
)
def test_a_known_id_opens_nothing(team: Team, what: str, permission: str) -> None:
    """Ids of a session that one may not read cannot be built upon, whatever was shared besides."""
    ben, mine = given(team, permission), session("ben's", owner="ben")
    private = {
        "tip": lambda: add(ben, replace(mine, tip_turn="p1")),
        "start": lambda: add(ben, replace(mine, start_turn="p1")),
        "above": lambda: add(ben, replace(mine, campaign="Autumn", parent_session="private")),
        "renewed": lambda: add(ben, replace(mine, renews="private")),
        "automatic": lambda: add(ben, replace(mine, campaign="Autumn", parent_session="private", automatic=True)),
        "as ana's": lambda: add(ben, fork(session(campaign="Autumn"), "x", parent_session="private", automatic=True)),
        "turn": lambda: [
            add(ben, mine),
            queries.insert(ben, [attempt("b1", "ben", session_id="ben's")]),
            queries.insert(ben, [TurnRow("b1", "ben's", "p1", "k", 1, phase="copy", message="", steer="", fingerprint="{}",
                brief="{}", endpoint="", model="", user_name="ben", started_at=NOW, finished_at=NOW, leaf_uuid=None,
                answer="", missing="[]")]),
        ],
        "same session": lambda: add(ben, replace(mine, id="private")),
        "same turn": lambda: [add(ben, mine), queries.insert(ben, [attempt("p1", "ben", session_id="ben's")])],
        "same attempt": lambda: queries.insert(ben, [attempt("p1", "ben")]),
        "pages": lambda: add(ben, replace(mine, campaign="Autumn", parent_session="main")),
    }  # fmt: skip
    with pytest.raises((InsufficientPrivilege, UniqueViolation)), ben.raw.transaction():
        private[what]()
    assert count(ben, "turns", "id = 'p1'") == count(ben, "entries", "session_id = 'p1'") == 0
    assert count(ben, "pages", "campaign = 'Autumn'") == 0


def test_who_may_only_run_makes_no_session_of_it(team: Team) -> None:
    """The right to run is not the right to fork: nothing of one's own may stand on such a turn."""
    ben = given(team, "run")
    add(ben, session("ben's", owner="ben"))
    queries.insert(ben, [attempt("b1", "ben", session_id="ben's")])
    assert not done(ben, lambda: queries.insert(ben, [turn(ben, "b1", "ben", session_id="ben's")]))
    assert not done(ben, lambda: ben.execute("UPDATE sessions SET tip_turn = 't2' WHERE id = 'ben''s'"))


@pytest.mark.parametrize("tip", ["NULL", "'t1'", "'t3'"])
def test_who_runs_moves_a_session_only_forwards(team: Team, tip: str) -> None:
    """The tip moves to a turn right after it, never back or aside."""
    ben = given(team, "run")
    assert not done(ben, lambda: ben.execute(f"UPDATE sessions SET tip_turn = {tip} WHERE id = 'main'"))


@pytest.mark.parametrize("column", ["owner", "pinned", "brief", "url"])
def test_a_fork_for_the_owner_is_as_its_session(team: Team, column: str) -> None:
    """What a run forks by itself belongs to the session's owner, with all that the owner has set."""
    ben, odd = given(team, "run"), {"owner": "cyd", "pinned": True, "brief": "{}", "url": "https://b.example/"}
    (main,) = queries.select(ben, SessionRow, "WHERE id = 'main'")
    own = replace(fork(main, "s-x"), automatic=True, purpose="")
    assert not done(ben, lambda: add(ben, replace(own, **{column: odd[column]})))
    assert done(ben, lambda: add(ben, own))


def test_a_finished_turn_is_closed_to_its_owner_too(team: Team) -> None:
    """Nobody adds records to a turn that is there, or says for others what they think of it."""
    ana = team.of("ana")
    record = RecordRow("t2", "angle", 9, "x", "X", 1, "{}", degraded=False, problems="[]")
    assert not done(ana, lambda: queries.insert(ana, [record]))
    assert not done(
        ana, lambda: queries.insert(ana, [JudgementRow("t2", "brand_profile", 0, "ben", "pick", 5, "", NOW)])
    )
    assert done(ana, lambda: queries.insert(ana, [JudgementRow("t2", "brand_profile", 0, "ana", "pick", 5, "", NOW)]))


def test_a_claim_is_seen_in_all_sessions_of_the_campaign(team: Team) -> None:
    """Who may run on one of them meets the claims of the others, for a key is claimed in the whole campaign."""
    ben = given(team, "run", session_id="older")
    assert count(ben, "claims") == 1
    assert count(ben, "attempts") == 0
    assert count(given(team, "run", "dan", "private"), "claims") == 0


def test_a_key_is_claimed_only_for_an_own_attempt_at_it(team: Team) -> None:
    """No claim for another's attempt, for a finished one, for a key of other turns, or on a session that was closed."""
    ana, ben = team.of("ana"), given(team, "run")
    anas, bens, ended = attempt("a9", "ana"), attempt("b9", "ben"), attempt("b8", "ben", state="finished")
    queries.insert(ana, [anas])
    add(ben, session("ben's", owner="ben"))
    queries.insert(ben, [bens, ended, attempt("b7", "ben", session_id="ben's")])
    for row in (anas, ended, replace(ended, id="b7"), replace(ended, id="nothing")):
        assert not done(ben, lambda row=row: queries.insert(ben, [claim(row, user_name="ben")])), row.id
    assert not done(ben, lambda: queries.insert(ben, [claim(bens, key="another key")]))
    for missing in ("host", "pid", "process_start", "claimed_at"):
        assert not done(ben, lambda missing=missing: queries.insert(ben, [claim(bens, **{missing: None})])), missing
    team.of("ana").execute("DELETE FROM shares WHERE user_name = 'ben'")
    assert not done(ben, lambda: queries.insert(ben, [claim(bens)]))
    given(team, "run")
    assert done(ben, lambda: queries.insert(ben, [claim(bens)]))


def test_a_claim_of_a_run_that_lives_is_not_taken_away(team: Team) -> None:
    """Not by who may run on the session either, until it has been silent for so long that nobody believes it."""
    ana, ben, row = team.of("ana"), given(team, "run"), attempt("a9", "ana")
    queries.insert(ana, [row, replace(claim(row), seen_at=None)])
    beat(ana, "a9")
    assert not done(ben, lambda: ben.execute("DELETE FROM claims WHERE attempt_id = 'a9'"))
    team.of(OWNER).execute("UPDATE claims SET seen_at = now() - interval '3 minutes' WHERE attempt_id = 'a9'")
    assert done(ben, lambda: ben.execute("DELETE FROM claims WHERE attempt_id = 'a9'"))


def test_a_key_is_hashed_as_the_server_hashes_it(team: Team) -> None:
    """Letters of any script, at the root and after a turn: a run's claim is taken."""
    ben = team.of("ben")
    odd = add(ben, session("o", owner="ben", campaign="Été ☃ 'x' \\ \ufffd", url="https://ü.example/?a=%20"))
    for row in (attempt("b1", "ben", session_id="o"), replace(attempt("b2", "ben", session_id="o"), parent_turn=None)):
        queries.insert(ben, [row])
        assert done(ben, lambda row=row: queries.insert(ben, [claim(row, key=claim_scope(odd, row))]))


@pytest.mark.parametrize("time", ["infinity", "-infinity", "20000-01-01", "2000-01-01 BC", "2999-01-01"])
def test_a_claim_is_not_seen_at_a_time_that_is_none(team: Team, time: str) -> None:
    """Neither beyond what can be read nor in the future, when it is made and afterwards; a beat is let through."""
    ben, row = given(team, "run"), attempt("b9", "ben")
    queries.insert(ben, [row])
    insert = "INSERT INTO claims VALUES (?, 'b9', 'ben', 'host', 1, '1', ?::TIMESTAMPTZ, ?::TIMESTAMPTZ)"
    assert not done(ben, lambda: ben.execute(insert, [claim(row).key, str(NOW), time]))
    if time != "2999-01-01":  # by the clock of who claims, which may be wrong
        assert not done(ben, lambda: ben.execute(insert, [claim(row).key, time, None]))
    assert done(ben, lambda: ben.execute(insert, [claim(row).key, str(NOW), None]))
    assert not done(ben, lambda: ben.execute("UPDATE claims SET seen_at = ?::TIMESTAMPTZ", [time]))
    beat(ben, "b9")
    assert all(each.seen_at for each in queries.select(ben, ClaimRow, "WHERE attempt_id = 'b9'"))


def test_every_column_with_a_time_is_guarded(team: Team) -> None:
    """Whoever adds one adds it there."""
    sql = (
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        " AND data_type = 'timestamp with time zone' AND table_name <> 'schema_version'"
    )
    found = {(str(table), str(column)) for table, column in team.of(OWNER).execute(sql).fetchall()}
    assert found == {(table, column) for table, columns in TIMES.items() for column in columns}


@pytest.mark.parametrize("time", ["infinity", "-infinity", "20000-01-01", "2000-01-01 BC"])
def test_no_time_is_written_that_nobody_can_read(team: Team, time: str) -> None:
    """Neither in a new row nor in one of one's own that is there."""
    ana = team.of("ana")
    insert = "INSERT INTO attempts SELECT (jsonb_populate_record(a, jsonb_build_object('id', 'a9', 'started_at', ?::text))).*"
    template = f"{insert} FROM attempts AS a WHERE id = 't1'"
    assert not done(ana, lambda: ana.execute(template, [time]))
    assert not done(ana, lambda: ana.execute("UPDATE sessions SET last_paid_at = ?::TIMESTAMPTZ", [time]))
    assert done(ana, lambda: ana.execute(template, [str(NOW)]))


def test_every_column_with_money_is_guarded(team: Team) -> None:
    """Whoever adds one adds it there."""
    sql = (
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
        " AND data_type = 'double precision'"
    )
    found = {(str(table), str(column)) for table, column in team.of(OWNER).execute(sql).fetchall()}
    assert found == {(table, column) for table in AMOUNTS for column in AMOUNTS[table] if column.endswith("_usd")}


@pytest.mark.parametrize("cost", ["NaN", "Infinity", "-Infinity", "-0.01", "1e13"])
def test_no_cost_is_written_that_cannot_be_added_up(team: Team, cost: str) -> None:
    """Neither with an attempt of one's own, nor with its requests, nor later."""
    ben = given(team, "run")
    insert = "INSERT INTO {0} SELECT (jsonb_populate_record(a, jsonb_build_object({1}, 'cost_usd', ?::text))).* FROM {0} AS a"
    booked = "INSERT INTO requests (attempt_id, cost_usd, complete) VALUES ('b9', ?::double precision, true)"
    row = attempt("b9", "ben")
    queries.insert(ben, [row])
    own = f"{insert.format('attempts', repr('id') + ', ' + repr('b8'))} WHERE id = 'b9'"
    changed = "UPDATE attempts SET cost_usd = ?::double precision WHERE id = 'b9'"
    for sql in (booked, own, changed):
        assert not done(ben, lambda sql=sql: ben.execute(sql, [cost]))
        assert done(ben, lambda sql=sql: ben.execute(sql, ["0.01"]))


@pytest.mark.parametrize("revoked", [False, True])
def test_who_forks_adds_no_page_to_the_campaign_that_he_forked(team: Team, revoked: bool) -> None:
    """His fork reads her pages and keeps its own, which no turn of hers reads."""
    ben, page = given(team, "fork"), PageRow("ana", "Spring", "https://false.example/", "https://false.example/", "sha")
    queries.get_or_create_fork(ben, forked("ben"), lambda _: False)
    if revoked:
        team.of("ana").execute("DELETE FROM shares WHERE user_name = 'ben'")
    assert not done(ben, lambda: queries.insert(ben, [page]))
    assert done(ben, lambda: queries.insert(ben, [replace(page, owner="ben")]))
    row = queries.select(ben, SessionRow, "WHERE owner = 'ben'")[0]
    assert page_owners(ben, row) == ("ana", "ben")
    (main,) = queries.select(team.of("ana"), SessionRow, "WHERE id = 'main'")
    seen = queries.pages_met(team.of("ana"), page_owners(team.of("ana"), main), "Spring")
    assert {each.url for each in seen} == {PAGE}


def test_who_was_given_a_session_may_decline_it(team: Team) -> None:
    """His own share and nobody else's."""
    given(team, "read", "dan")
    ben = given(team, "run")
    assert not done(ben, lambda: ben.execute("DELETE FROM shares WHERE user_name = 'dan'"))
    assert done(ben, lambda: ben.execute("DELETE FROM shares WHERE user_name = 'ben'"))
    assert count(ben, "turns") == 0
    assert count(team.of("dan"), "turns") > 0


def test_who_runs_keeps_pages_for_the_session(team: Team) -> None:
    """Under its owner's name, as long as it is shared."""
    ben, page = given(team, "run"), PageRow("ana", "Spring", "https://a.example/x", "https://a.example/x", "sha")
    assert done(ben, lambda: queries.insert(ben, [page]))
    team.of("ana").execute("DELETE FROM shares WHERE user_name = 'ben'")
    assert not done(ben, lambda: queries.insert(ben, [page]))


def test_what_somebody_books_in_anothers_name_is_not_paid_by_her(team: Team) -> None:
    """He took it in under her name and shared it with her: her budget does not count it, and her costs say whose it is not."""
    ben, ana = team.of("ben"), team.of("ana")
    before = spent_by(ana, "ana")
    add(ben, session("his", owner="ben"))
    queries.insert(ben, [attempt("b9", "ana", session_id="his", state="finished", cost=900.0)])
    ben.execute("INSERT INTO requests (attempt_id, agent, cost_usd, complete) VALUES ('b9', '', 900, true)")
    queries.insert(ben, [ShareRow("his", "ana", "read", "ben", NOW)])
    assert spent_by(ana, "ana") == before
    assert {row["user"]: row["cost_usd"] for row in cost_rows(ana, "ana", "user")}["ana (taken in)"] == 900.0


@pytest.mark.parametrize("change", ["state = 'failed'", "cost_usd = 0", "reason = 'x'", "ended_at = now()"])
def test_a_finished_attempt_stays_as_it_was_booked(team: Team, change: str) -> None:
    """Not even who made it opens it again, so nothing of the conversation that others stand on can be taken away."""
    ana = team.of("ana")
    before = dump(team.of(OWNER))
    assert not done(ana, lambda: ana.execute(f"UPDATE attempts SET {change} WHERE id = 't1'"))
    for table, column in (("entries", "session_id"), ("transcripts", "session_id"), ("requests", "attempt_id")):
        assert not done(
            ana, lambda table=table, column=column: ana.execute(f"DELETE FROM {table} WHERE {column} = 't1'")
        )
    assert dump(team.of(OWNER)) == before


def test_who_was_taken_for_dead_may_finish(team: Team) -> None:
    """An attempt that another one has booked as failed still writes its conversation, its turn and its own booking."""
    ben = given(team, "run")
    queries.insert(ben, [attempt("n1", "ben", state="failed", cost=0.1)])
    ben.execute("INSERT INTO transcripts VALUES ('p', 'n1', '', 1, 1, NULL)")
    ben.execute("INSERT INTO entries VALUES ('p', 'n1', '', 0, 'u', 'user', '{}', now())")
    ben.execute("UPDATE transcripts SET n = 2 WHERE session_id = 'n1'")
    queries.insert(
        ben, [turn(ben, "n1", "ben"), RecordRow("n1", "angle", 0, "a", "A", 1, "{}", degraded=False, problems="[]")]
    )
    ben.execute("DELETE FROM requests WHERE attempt_id = 'n1'")
    queries.end_attempt(ben, replace(attempt("n1", "ben"), state="finished", cost_usd=0.2))
    assert count(ben, "attempts", "id = 'n1' AND state = 'finished' AND cost_usd = 0.2") == 1
    assert count(ben, "entries", "session_id = 'n1'") == 1


def test_dead_attempts_may_be_settled_by_who_may_run(team: Team) -> None:
    """A running attempt of another's is booked and ended by a role that may run on the session, a finished one is not."""
    team.of(OWNER).execute("UPDATE attempts SET state = 'running' WHERE id = 'vain'")
    ben = given(team, "run")
    (dead,) = queries.select(ben, AttemptRow, "WHERE state = 'running'")
    ben.execute("DELETE FROM requests WHERE attempt_id = 'vain'")
    queries.end_attempt(ben, replace(dead, state="failed", cost_usd=0.5))
    assert count(team.of(OWNER), "claims") == 0
    assert not done(ben, lambda: ben.execute("UPDATE attempts SET cost_usd = 9 WHERE id IN ('vain', 't1')"))


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """A session of ben's from another lab, with an attempt and a judgement of ana's in it."""
    with contextlib.closing(open_file(tmp_path / "other.duckdb")) as other:
        row = other.call(
            lambda con: grow(con, grow(con, add(con, session("theirs", owner="ben")), "x1"), "x2", phase="strategy")
        )
        other.call(lambda con: con.execute("UPDATE attempts SET user_name = 'ana'").fetchall())
        other.call(lambda con: add_page(con, owner="ben"))
        other.call(lambda con: queries.insert(con, [JudgementRow("x1", "brand_profile", 0, "ana", "pick", 4, "", NOW)]))
        save(other, row, tmp_path / "saved.duckdb")
    return tmp_path / "saved.duckdb"


def test_a_file_is_taken_in_by_a_role_and_belongs_to_it(own_team: Team, saved: Path) -> None:
    """Loading works under the policies, twice as well as once, and shows the new rows to nobody else."""
    with contextlib.closing(open_store(own_team.url("cyd"))) as store:
        row = load(store, saved, owner="cyd")
        assert load(store, saved, owner="cyd") == row
    cyd = own_team.of("cyd")
    assert (row.owner, row.tip_turn, count(cyd, "turns", "id LIKE 'x%'")) == ("cyd", "x2", 2)
    assert count(cyd, "judgements", "user_name = 'ana' AND turn_id = 'x1'") == 1
    assert count(own_team.of("eve"), "turns") == 0


def test_a_file_charges_nobody_else(own_team: Team, saved: Path) -> None:
    """What a file says that ana has paid is no part of ana's ledger."""
    with contextlib.closing(open_store(own_team.url("cyd"))) as store:
        load(store, saved, owner="cyd")
    assert count(own_team.of("cyd"), "attempts", "user_name = 'ana' AND id LIKE 'x%'") == 2
    assert count(own_team.of("ana"), "attempts", "id LIKE 'x%'") == 0


def test_a_shared_session_can_be_saved_and_taken_in_elsewhere(own_team: Team, tmp_path: Path) -> None:
    """A role with the right to fork saves the line as a file that another lab proves and takes in."""
    given(own_team, "fork")
    own_team.raw.commit()
    with contextlib.closing(open_store(own_team.url("ben"))) as store:
        (main,) = store.call(lambda con: queries.select(con, SessionRow, "WHERE id = 'main'"))
        report = save(store, main, tmp_path / "main.duckdb", user="ben")
    with contextlib.closing(open_file(tmp_path / "ours.duckdb")) as ours:
        assert load(ours, tmp_path / "main.duckdb", owner="eve").tip_turn == "t2"
    assert (report.turns, report.pages) == (2, 1)


def state_of_catalogue(con: ServerCon) -> list[Any]:
    """Policies, functions, triggers and rights, as the server has them."""
    return [
        sorted(con.execute(sql).fetchall(), key=repr)
        for sql in (
            "SELECT tablename, policyname, roles::text, cmd, qual, with_check FROM pg_policies",
            "SELECT proname, prosrc, proacl::text FROM pg_proc WHERE proname LIKE 'lab%'",
            "SELECT tgname, tgrelid::regclass::text, tgqual FROM pg_trigger WHERE NOT tgisinternal",
            "SELECT relname, relacl::text, relrowsecurity FROM pg_class WHERE relnamespace = 'public'::regnamespace",
        )
    ]


def test_making_the_policies_again_changes_nothing(team: Team) -> None:
    """The statements may be run any number of times, and take away policies of ours that are no more."""
    con = team.of(OWNER)
    before = state_of_catalogue(con)
    con.execute("CREATE POLICY lab_turns_of_an_older_version ON turns FOR SELECT USING (true)")
    for statement in policies("public"):
        con.execute(statement)
    assert state_of_catalogue(con) == before


def test_another_access_table_makes_other_policies(team: Team) -> None:
    """The policies say what the table says: a permission that changes but may not cost, and no right to fork at all."""
    other = {"read": {"read"}, "edit": {"read", "change", "share"}}
    for statement in policies("public", grants=other):
        team.of(OWNER).execute(statement)
    for name, user in (("read", "ben"), ("edit", "dan")):
        con = given(team, name, user)
        can = {verb for verb in VERBS if verb != "run" and done(con, tried(con, user)[verb])}
        assert can == other[name]
    with pytest.raises(InsufficientPrivilege), team.raw.transaction():
        given(team, "fork", "eve")  # no permission of that name any more


def test_without_any_permission_only_owners_are_let_in(team: Team) -> None:
    """An empty access table closes every share."""
    cyd = team.of("cyd")
    assert count(cyd, "turns") == 1
    for statement in policies("public", grants={}):
        team.of(OWNER).execute(statement)
    assert count(cyd, "turns") == 0
    assert count(team.of("ana"), "turns") == 4


def test_a_lab_may_lie_in_a_schema_of_any_name(postgres_server: PostgresServer) -> None:
    """Quotes and capitals in the schema's name do no harm, and its tables are guarded."""
    databases = Databases(postgres_server)
    name = "It's \"Ana's\" $lab$"
    with contextlib.closing(psycopg.connect(databases.place(), autocommit=True)) as raw:
        quoted = '"' + name.replace('"', '""') + '"'
        raw.execute(f"CREATE SCHEMA {quoted}".encode())
        for table in RULES:
            raw.execute(f"CREATE TABLE {quoted}.{table} (LIKE public.{table})".encode())
        for statement in policies(name):
            ServerCon(raw).execute(statement)
        raw.execute(f"SET search_path = {quoted}".encode())
        add(ServerCon(raw), session())
    with contextlib.closing(psycopg.connect(databases.place(user="eve"), autocommit=True)) as raw:
        raw.execute(f"SET search_path = {quoted}".encode())
        assert count(ServerCon(raw), "sessions") == 0
        add(ServerCon(raw), session("mine", owner="eve"))
        assert count(ServerCon(raw), "sessions") == 1
    databases.drop()


def test_a_shared_session_is_not_shared_on(team: Team) -> None:
    """Who was given a session gives away neither that nor another one."""
    ben = given(team, "run")
    assert not done(ben, lambda: share(ben, session("main"), "cyd"))
    assert not done(ben, lambda: share(ben, session("private"), "ben"))
    assert count(ben, "turns", "id = 'p1'") == 0
    assert count(ben, "pages", f"url = '{PAGE}'") == 1
