"""The doctor: a healthy lab has nothing but ok, and everything that is not well is found."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import psutil
import pytest

from campaign_lab.sessions.run.claims import machine, under_way
from campaign_lab.sessions.upkeep import doctor
from campaign_lab.sessions.upkeep.doctor import HealthFinding, examine
from campaign_lab.sessions.upkeep.sweep import sweep
from campaign_lab.store import queries
from campaign_lab.store.connection import Con, Store
from campaign_lab.store.rows import ClaimRow, JudgementRow
from support.lab_rows import NOW, PAGE, add, add_page, dump, fork, grow, session, share, try_in_vain
from support.postgres import PostgresServer
from support.stores import Databases, opened


def claim(attempt: str, pid: int, started: float) -> ClaimRow:
    return ClaimRow(f"k-{attempt}", attempt, "ana", machine(), pid, process_start=str(started), claimed_at=NOW)


def unwell(findings: list[HealthFinding]) -> list[HealthFinding]:
    """What is not well, but for the tests' server, which is told not to wait for its disk."""
    return [finding for finding in findings if finding.level != "ok" and "fsync" not in finding.text]


@pytest.mark.both_stores
def test_a_healthy_lab_is_all_ok(campaign: Store, store_kind: str) -> None:
    """A real campaign, the versions that are installed here, and a look changes nothing."""
    before = campaign.call(dump)
    findings = examine(campaign, low_disk_bytes=0)
    assert unwell(findings) == []
    home = {"lab file", "disk", "file format"} if store_kind == "file" else {"database", "server", "access"}
    anywhere = {"duckdb", "claude-agent-sdk", "claude CLI", "schema", "claims", "tables", "sessions"}
    assert {finding.subject for finding in findings} == home | anywhere
    assert campaign.call(dump) == before
    assert str(findings[0]).startswith("ok")
    assert findings[0].level == "ok"


def test_the_tested_versions_are_those_of_this_environment() -> None:
    """Who upgrades a package runs the tests and then says so in the doctor."""
    for package, tested in doctor.TESTED.items():
        assert importlib.metadata.version(package) == tested, package
    assert doctor.bundled_cli() == doctor.TESTED_CLI


@pytest.mark.usefixtures("process")
def test_the_cli_version_is_what_the_cli_says() -> None:
    """It is read from a file of the SDK; the program itself says the same."""
    from importlib.util import find_spec

    spec = find_spec("claude_agent_sdk")
    assert spec is not None
    assert spec.origin is not None
    program = Path(spec.origin).parent / "_bundled" / "claude"
    said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60, check=True).stdout
    assert said.split()[0] == doctor.bundled_cli()


@pytest.mark.parametrize("package", list(doctor.TESTED))
def test_another_version_than_the_tested_one_is_a_warning(
    lab_file: Store, monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    """It names both."""
    monkeypatch.setitem(doctor.TESTED, package, "0.0.1")
    (finding,) = unwell(examine(lab_file, low_disk_bytes=0))
    assert (finding.level, finding.subject) == ("warn", package)
    assert "0.0.1" in finding.text
    assert importlib.metadata.version(package) in finding.text


def test_a_missing_package_is_a_failure(lab_file: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said in words, not by an exception."""
    monkeypatch.setitem(doctor.TESTED, "no-such-package-of-campaign-lab", "1")
    (finding,) = unwell(examine(lab_file, low_disk_bytes=0))
    assert (finding.level, finding.subject) == ("fail", "no-such-package-of-campaign-lab")


def test_little_room_on_the_disk_is_a_warning(lab_file: Store) -> None:
    """More is asked for than any disk has."""
    (finding,) = unwell(examine(lab_file, low_disk_bytes=2**62))
    assert (finding.level, finding.subject) == ("warn", "disk")
    assert "GB free" in finding.text


@pytest.mark.usefixtures("process")
@pytest.mark.both_stores
def test_a_claim_of_a_dead_process_is_found_and_a_living_one_is_fine(lab_file: Store) -> None:
    """The claim of a process that has ended, beside one of this very process."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()

    def make(con: Con) -> None:
        row = add(con, session())
        for name in ("dead", "alive"):
            try_in_vain(con, row, name, state="running", ended_at=None)
        queries.insert(con, [claim("dead", gone.pid, 1.0), claim("alive", os.getpid(), psutil.Process().create_time())])

    lab_file.call(make)
    with under_way("alive"):
        (finding,) = unwell(examine(lab_file, low_disk_bytes=0))
    assert (finding.level, finding.subject) == ("warn", "claims")
    assert str(gone.pid) in finding.text


@pytest.mark.both_stores
def test_an_attempt_that_nobody_runs_is_found(lab_file: Store) -> None:
    """It is written down as running and has no claim."""
    lab_file.call(lambda con: try_in_vain(con, add(con, session()), "lost", state="running", ended_at=None))
    (finding,) = unwell(examine(lab_file, low_disk_bytes=0))
    assert (finding.level, finding.subject) == ("warn", "claims")
    assert "nobody runs" in finding.text


@pytest.mark.parametrize("ending", [".new", ".compact"])
def test_what_a_killed_process_left_beside_the_file_is_found(lab_file: Store, ending: str) -> None:
    """Named with its path."""
    left = Path(lab_file.path + ending)
    if ending == ".compact":
        left.mkdir()
    else:
        left.write_bytes(b"half")
    (finding,) = unwell(examine(lab_file, low_disk_bytes=0))
    assert (finding.level, finding.subject) == ("warn", "leftovers")
    assert str(left) in finding.text


@pytest.mark.both_stores
@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("DELETE FROM attempts WHERE id = 'f1'", "9 transcript entries of no attempt"),
        ("DELETE FROM attempts WHERE id = 'f1'", "4 requests of no attempt"),
        ("INSERT INTO records (turn_id, kind) VALUES ('x', 'angle')", "1 records of no turn"),
        ("INSERT INTO shares VALUES ('x', 'bob', 'read', 'ana', now())", "1 shares of no session"),
        ("DELETE FROM sessions", "1 turns of no session"),
    ],
)
def test_rows_that_belong_to_nothing_are_a_failure(lab_file: Store, sql: str, words: str) -> None:
    """Counted, by what they are."""

    def make(con: Con) -> None:
        row = grow(con, add(con, session()), "t1")
        try_in_vain(con, row, "f1")
        con.execute(sql)

    lab_file.call(make)
    found = [finding for finding in examine(lab_file, low_disk_bytes=0) if words in finding.text]
    assert [(finding.level, finding.subject) for finding in found] == [("fail", "tables")]


def test_each_damaged_session_is_named(lab_file: Store) -> None:
    """Of three sessions the one whose message was changed, and nothing about the others."""

    def make(con: Con) -> None:
        for name in ("one", "two", "three"):
            grow(con, add(con, session(name)), f"t-{name}")
        con.execute("UPDATE turns SET message = 'x' WHERE id = 't-two'")

    lab_file.call(make)
    (finding,) = unwell(examine(lab_file, low_disk_bytes=0))
    assert (finding.level, finding.subject) == ("fail", "session Spring/two")
    assert "t-two" in finding.text


@pytest.mark.both_stores
def test_after_a_sweep_the_lab_is_still_well(lab_file: Store) -> None:
    """Tombstones are nothing to worry about; a swept transcript is worth a warning."""

    def make(con: Con) -> None:
        grow(con, add(con, session("gone")), "t1")
        living = grow(con, add(con, session("living", pinned=True)), "t0")
        grow(con, add(con, fork(living, "gone too", pinned=False)), "t3")
        sweep(con, now=NOW + timedelta(days=9), grace_s=0, keep_records=False, dry_run=False)

    lab_file.call(make)
    assert unwell(examine(lab_file, low_disk_bytes=0)) == []

    def keep(con: Con) -> None:
        grow(con, add(con, session("kept")), "t2")
        sweep(con, now=NOW + timedelta(days=9), grace_s=0, keep_records=True, dry_run=False)

    lab_file.call(keep)
    (finding,) = unwell(examine(lab_file, low_disk_bytes=0))
    assert (finding.level, finding.subject) == ("warn", "session Spring/kept")


def test_a_file_of_another_schema_is_a_failure(lab_file: Store) -> None:
    """A step is missing in the file's own list."""
    lab_file.call(lambda con: con.execute("DELETE FROM schema_version WHERE version > 1") and None)
    (finding,) = unwell([each for each in examine(lab_file, low_disk_bytes=0) if each.subject == "schema"])
    assert finding.level == "fail"


def test_what_one_said_of_a_closed_session_is_no_fault(postgres_server: PostgresServer) -> None:
    """A role whose share was taken back keeps its judgement; real orphans are told, and that the owner has a backup."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPASSFILE", str(postgres_server.pass_file))
        stores = Databases(postgres_server)
        as_ben, as_owner = stores.place(user="ben"), stores.place()
        with opened(as_ben) as ben, opened(as_owner) as owner:
            owner.call(lambda con: grow(con, add(con, session()), "t1") and None)
            said = [JudgementRow("t1", "brand_profile", 0, "ben", "pick", 5, "", NOW)]
            owner.call(lambda con: queries.insert(con, said))
            assert [each.level for each in examine(ben) if each.subject == "tables"] == ["ok"]
            owner.call(lambda con: con.execute("DELETE FROM records") and None)
            assert [each.level for each in examine(ben) if each.subject == "tables"] == ["ok"]
            owner.call(lambda con: share(con, session(), "ben"))
            for store in (ben, owner):
                (found,) = [each for each in examine(store) if each.subject == "tables"]
                assert found.level == "fail"
                assert found.text.startswith("1 judgements of no record: ")
                assert "pg_restore" in found.text
                assert "file" not in found.text
        stores.drop()


def test_the_doctor_says_what_matters_on_a_server(postgres_server: PostgresServer) -> None:
    """Version, size, who we are there, whether rows are guarded, and that a power cut may harm it; no password."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPASSFILE", str(postgres_server.pass_file))
        stores = Databases(postgres_server)
        as_ana, as_owner = stores.place(user="ana"), stores.place()
        with opened(as_ana) as ana, opened(as_owner) as owner:
            found = {each.text: each.level for each in examine(ana)}
            assert [level for text, level in found.items() if "row-level security holds for the role ana" in text] == [
                "ok"
            ]
            assert [text for text in found if text.startswith(f"{ana.display_url}, ") and text.endswith(" MB")]
            assert [text for text in found if re.match(r"PostgreSQL \d+", text)]
            assert [level for text, level in found.items() if "fsync" in text] == ["warn"]
            assert not [text for text in found if as_ana in text]
            assert any("the role lab_owner is above it" in each.text for each in examine(owner))
            owner.call(lambda con: con.execute("ALTER TABLE records DISABLE ROW LEVEL SECURITY") and None)
            (bare,) = [each for each in examine(owner) if each.subject == "access"]
            assert (bare.level, bare.text.split(":")[0]) == ("fail", "no row-level security on records")
        stores.drop()


@pytest.mark.both_stores
def test_a_page_that_was_not_read_so_is_a_failure(lab_file: Store) -> None:
    """One whose bytes do not have the hash that was stored; the others are fine."""
    lab_file.call(lambda con: (add(con, session()), add_page(con), add_page(con, campaign="Autumn")))
    assert not [each for each in examine(lab_file) if each.subject == "pages"]
    lab_file.call(
        lambda con: con.execute("UPDATE pages SET body = ? WHERE campaign = 'Autumn'", [b"<p>Best rates</p>"])
    )
    (found,) = [each for each in examine(lab_file) if each.subject == "pages"]
    assert found.level == "fail"
    assert f"1 stored page are not those that were read; the first is {PAGE} of Autumn" in found.text
