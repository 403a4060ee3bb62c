"""Moving a lab to another store: all of it arrives, is proved there, and can be gone on with."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from campaign_lab import Brief, Lab
from campaign_lab.cli import main
from campaign_lab.errors import StoreError
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server.app import RehearsalServer
from campaign_lab.sessions.run.claims import machine, under_way
from campaign_lab.sessions.transfer.lab_copy import copy_lab
from campaign_lab.sessions.upkeep.sweep import sweep
from campaign_lab.store import queries
from campaign_lab.store.location import open_store
from campaign_lab.store.rows import TABLES, AuditRow, ClaimRow, JudgementRow
from support.lab_rows import NOW, add, add_page, fork, grow, session, share, try_in_vain
from support.postgres import OWNER, PostgresServer

DATABASE = "moved lab"


@pytest.fixture
def url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database, as its owner."""
    postgres_server.add_database(DATABASE)
    yield postgres_server.url(OWNER, DATABASE)
    postgres_server.drop_database(DATABASE)


def rows(place: str) -> dict[str, list[tuple[object, ...]]]:
    """All rows of a lab but its claims, in an order of their own."""
    columns = {table: tuple(row.__dataclass_fields__) for row, table in TABLES.items() if table != "claims"}
    with contextlib.closing(open_store(place)) as store:
        return {
            table: sorted(
                store.call(lambda con, t=table, n=names: con.execute(f"SELECT {', '.join(n)} FROM {t}").fetchall()),
                key=repr,
            )
            for table, names in columns.items()
        }


def seen(found: dict[str, list[tuple[object, ...]]]) -> str:
    """The rows as text: the two databases give the same moment with another object for its zone."""
    return json.dumps(found, default=lambda each: each.isoformat() if hasattr(each, "isoformat") else repr(each))


@pytest.mark.parametrize(
    "place", ["postgresql+psycopg://ana:secret@db/lab", "POSTGRESQL://ana:secret@db/lab", "s3://a/b"]
)
def test_a_url_of_another_kind_makes_no_file(place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may hold a password: the error names its scheme alone, and no folder of that name is made."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="is no place for a lab") as refused:
        open_store(place)
    assert "secret" not in str(refused.value)
    assert "postgresql://" in str(refused.value)
    assert list(tmp_path.iterdir()) == []


def test_every_row_arrives_and_comes_back(researched_file: Path, url: str, tmp_path: Path) -> None:
    """From a file to a server and from there into a new file: the same rows in every table, to the letter."""
    there = copy_lab(str(researched_file), url)
    back = copy_lab(url, str(tmp_path / "back.duckdb"))
    assert there.problems == back.problems == ()
    assert there.added == back.added
    assert there.added["entries"] > 100
    assert seen(rows(str(researched_file))) == seen(rows(url)) == seen(rows(str(tmp_path / "back.duckdb")))


@pytest.fixture
def grown(tmp_path: Path) -> Path:
    """A lab with a living session and a fork of it, a swept one, an attempt in vain, a share, a judgement, and an audit row."""

    def make(con: queries.Con) -> None:
        main = grow(con, add(con, session(pinned=True)), "t1")
        grow(con, add(con, fork(main, "Closer", owner="bob", pinned=True)), "t2", phase="copy")
        grow(con, add(con, session("gone")), "t3")
        sweep(con, now=NOW + timedelta(days=30), grace_s=0, keep_records=False, dry_run=False)
        try_in_vain(con, main, "vain")
        share(con, main, "bob")
        add_page(con)
        queries.insert(con, [JudgementRow("t1", "brand_profile", 0, "ana", "pick", 4, "", NOW)])
        queries.insert(con, [AuditRow("eve", "read", "main", allowed=False, happened_at=NOW)])

    with contextlib.closing(open_store(str(tmp_path / "grown.duckdb"))) as store:
        store.call(make)
    return tmp_path / "grown.duckdb"


def test_what_no_living_session_stands_on_comes_along(grown: Path, tmp_path: Path) -> None:
    """The ledger of swept sessions and of attempts in vain, shares and audit; copied again, nothing comes twice."""
    target = str(tmp_path / "target.duckdb")
    report = copy_lab(str(grown), target)
    assert report.problems == ()
    assert {"attempts": 4, "turns": 2, "sessions": 3, "shares": 1, "audit": 1, "judgements": 1, "pages": 1}.items() <= (
        report.added.items()
    )
    assert seen(rows(str(grown))) == seen(rows(target))
    assert copy_lab(str(grown), target).added == {}


def test_a_turn_that_was_swept_there_comes_back_whole(grown: Path, tmp_path: Path) -> None:
    """With its records and its conversation; what it cost is not booked twice."""
    target = str(tmp_path / "target.duckdb")
    copy_lab(str(grown), target)
    before = rows(target)
    with contextlib.closing(open_store(target)) as store:
        store.call(lambda con: [con.execute(f"DELETE FROM {table} WHERE {column} = 't2'") for table, column in (
            ("turns", "id"), ("records", "turn_id"), ("entries", "session_id"), ("transcripts", "session_id"),
            ("rehearsal_cache", "attempt_id"),
        )] and None)  # fmt: skip
    assert copy_lab(str(grown), target).problems == ()
    assert seen(rows(target)) == seen(before)


@pytest.mark.usefixtures("slow")
def test_a_moved_campaign_replays_and_goes_on(
    researched_file: Path, url: str, server: RehearsalServer, termwick: Brief, clock: object
) -> None:
    """On the server the research costs nothing, and copy stands on it."""
    copy_lab(str(researched_file), url)
    with Lab(url, user="ana", endpoint=RehearsalEndpoint(server, now=clock), now=clock) as lab:  # type: ignore[arg-type]
        session = lab.session(termwick)
        assert lab.run_sync(session.run("research")).replayed
        assert lab.run_sync(session.run("strategy")).replayed
        assert len(lab.run_sync(session.run("copy")).records) == 10
        lab._context.endpoint.server = None  # type: ignore[attr-defined]  # the server is shared


@pytest.mark.usefixtures("slow")
def test_again_it_copies_what_has_come_since(
    researched_file: Path, url: str, tmp_path: Path, server: RehearsalServer
) -> None:
    """A second copy adds nothing; after a new turn it adds that turn and moves the session on."""
    source = tmp_path / "lab.duckdb"
    source.write_bytes(researched_file.read_bytes())
    copy_lab(str(source), url)
    assert copy_lab(str(source), url).added == {}
    lab = Lab(source, user="ana", endpoint=RehearsalEndpoint(server))
    session = lab.open("main")
    session.pin()  # it expired long ago
    lab.run_sync(session.ask("Which rate is the lowest?"))
    lab._context.engine.close()
    again = copy_lab(str(source), url)
    assert again.problems == ()
    assert again.moved_on == ("main",)
    assert again.added["turns"] == 1


def test_sessions_that_differ_on_both_sides_are_left_and_named(researched_file: Path, url: str, tmp_path: Path) -> None:
    """A session that stands elsewhere on the target is not overwritten."""
    source = tmp_path / "lab.duckdb"
    source.write_bytes(researched_file.read_bytes())
    copy_lab(str(source), url)
    with contextlib.closing(open_store(url)) as store:
        store.call(lambda con: con.execute("UPDATE sessions SET tip_turn = 'elsewhere'") and None)
    report = copy_lab(str(source), url)
    assert report.differing == ("main",)
    assert report.moved_on == ()
    with contextlib.closing(open_store(url)) as store:
        assert store.call(lambda con: con.execute("SELECT tip_turn FROM sessions").fetchall()) == [("elsewhere",)]


def test_users_that_the_server_does_not_know_are_named(researched_file: Path, url: str) -> None:
    """Ana owns a session and has no role there under another name: she is told of, and her rows are there."""
    with contextlib.closing(open_store(str(researched_file))) as store:
        owners = store.call(lambda con: {row[0] for row in con.execute("SELECT owner FROM sessions").fetchall()})
    report = copy_lab(str(researched_file), url)
    with contextlib.closing(open_store(url)) as store:
        assert set(report.strangers) == set(store.strangers(owners))
        assert store.strangers({"nobody has this role", OWNER}) == ["nobody has this role"]


def test_a_member_copies_nothing(researched_file: Path, url: str, postgres_server: PostgresServer) -> None:
    """Who is bound by row-level security is told who has to copy, and nothing is written."""
    open_store(url).close()
    postgres_server.add_role("ana")
    with pytest.raises(StoreError, match="lets you in as ana"):
        copy_lab(str(researched_file), postgres_server.url("ana", DATABASE))
    assert rows(url)["sessions"] == []


@pytest.mark.usefixtures("slow")
def test_a_lab_in_use_is_not_copied(researched_file: Path, url: str, tmp_path: Path) -> None:
    """While a turn runs in it the copy is refused, with who runs it."""
    source = tmp_path / "lab.duckdb"
    source.write_bytes(researched_file.read_bytes())
    with contextlib.closing(open_store(str(source))) as store:
        claim = ClaimRow(
            "k", "a", "ana", machine(), os.getpid(), str(psutil.Process().create_time()), datetime.now(UTC)
        )
        store.call(lambda con: queries.insert(con, [claim]))
    with under_way("a"), pytest.raises(StoreError, match=r"1 turn is running \(ana\)"):
        copy_lab(str(source), url)


@pytest.mark.parametrize("name", ["missing.duckdb", "lab.duckdb"])
def test_what_cannot_be_copied_is_told(researched_file: Path, tmp_path: Path, name: str) -> None:
    """A lab that is not there, and a lab onto itself."""
    (tmp_path / "lab.duckdb").write_bytes(researched_file.read_bytes())
    with pytest.raises(StoreError, match="is not there" if name == "missing.duckdb" else "to itself"):
        copy_lab(str(tmp_path / name), str(tmp_path / "lab.duckdb"))


def test_the_command_says_what_arrived(researched_file: Path, url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """``campaign-lab copy`` lists the rows, says that every session was verified, and shows no password."""
    assert main(["copy", str(researched_file), url]) == 0
    said = capsys.readouterr()
    assert "Verified there: 1 session" in said.out
    assert "entries" in said.out
    assert url.split(":")[2].split("@", maxsplit=1)[0] not in said.out + said.err


@pytest.mark.usefixtures("slow")
def test_a_copy_that_is_killed_leaves_nothing_half(researched_file: Path, url: str) -> None:
    """Kill -9 in the middle: the target has no row of it, and the next copy is whole."""
    script = (
        "import os, sys\n"
        "from campaign_lab.sessions.transfer.lab_copy import copy_lab\n"
        "copy_lab(sys.argv[1], sys.argv[2], on_progress=lambda table, rows: table == 'entries' and os.kill(os.getpid(), 9))\n"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(researched_file), url], capture_output=True, check=False)
    assert killed.returncode == -9
    assert all(found == [] for found in rows(url).values())
    assert copy_lab(str(researched_file), url).problems == ()
