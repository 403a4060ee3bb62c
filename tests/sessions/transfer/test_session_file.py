"""Taking a session along: one file, taken in elsewhere by somebody else, replays and goes on; a wrong file changes nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from campaign_lab.errors import StoreError
from campaign_lab.rehearsal.server.app import RehearsalServer
from campaign_lab.sessions.history.lineage import conversation, lineage
from campaign_lab.sessions.transfer.bundle import session_bundle
from campaign_lab.sessions.transfer.session_file import MARK, load, save
from campaign_lab.sessions.upkeep.expiry import expires_at
from campaign_lab.sessions.upkeep.verify import verify
from campaign_lab.store import queries
from campaign_lab.store.connection import Con, Store
from campaign_lab.store.duckdb.engine import open_file
from campaign_lab.store.rows import SessionRow
from campaign_lab.tables.tree import tree_rows
from support.lab_rows import NOW, add, add_page, dump, fork, grow, ids, orphans, session, share, try_in_vain
from support.paths import ROOT, SITES
from support.stores import Stores, opened

ELSEWHERE = """
import json, sys
from campaign_lab import Lab
from campaign_lab.sessions.transfer.session_file import load
from campaign_lab.sessions.session import Session

lab = Lab("their.duckdb", user="bob")
row = load(lab._context.engine, sys.argv[1], owner="bob")
again = Session(lab._context, row, None)
replays = [lab.run_sync(again.run(phase, on_miss="refuse")) for phase in ("research", "strategy")]
imported = "claude_agent_sdk" in sys.modules
tip = Session(lab._context, row, row.tip_turn)
copy = lab.run_sync(tip.run("copy", angles=[tip.records("angle")[0].name]))
print(json.dumps({
    "replayed": [turn.replayed for turn in replays], "paid": [turn.receipt.paid_usd for turn in replays],
    "imported": imported, "bodies": [kept.body for turn in replays for kept in turn.kept],
    "made": not copy.replayed, "variants": len(copy.records),
    "cached": sum(line.cache_read_tokens for line in copy.receipt.lines),
    "problems": [str(problem) for problem in tip.verify()],
}))
lab.close()
"""


def main_of(file: Store, name: str = "main") -> SessionRow:
    return file.call(lambda con: queries.select(con, SessionRow, "WHERE name = ?", [name])[0])


def every_text(file: Store) -> Iterator[str]:
    """Each value of each table, as text; bytes of pages are decoded."""
    for rows in file.call(dump).values():
        for row in rows:
            yield from (value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in row)


@pytest.fixture
def other(stores: Stores) -> Iterator[Store]:
    """Another lab, empty."""
    with opened(stores.place("other.duckdb")) as store:
        yield store


@pytest.fixture
def saved(campaign: Store, tmp_path: Path) -> Path:
    """The real campaign's main session, saved."""
    save(campaign, main_of(campaign), tmp_path / "saved.duckdb")
    return tmp_path / "saved.duckdb"


@pytest.mark.usefixtures("slow")
def test_somebody_else_elsewhere_replays_it_and_goes_on(
    campaign: Store, saved: Path, tmp_path: Path, server: RehearsalServer
) -> None:
    """Another user, folder, lab and process, with an empty home: two replays without the SDK, then a new turn by the real CLI."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(saved)], cwd=home, env={**kept, "HOME": str(home), "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    stored = campaign.call(lambda con: con.execute("SELECT body FROM records ORDER BY body").fetchall())
    assert told["replayed"] == [True, True]
    assert told["paid"] == [0.0, 0.0]
    assert told["imported"] is False
    assert sorted(told["bodies"]) == [body for (body,) in stored]
    assert told["made"] is True
    assert told["variants"] > 0
    assert told["cached"] > 0
    assert told["problems"] == []


@pytest.mark.both_stores
def test_the_report_counts_what_is_in_the_file(campaign: Store, tmp_path: Path) -> None:
    """Turns, records, pages, entries and size; the file is the only thing that is left in its folder."""
    path = tmp_path / "out" / "saved.duckdb"
    report = save(campaign, main_of(campaign), path)
    assert os.listdir(path.parent) == ["saved.duckdb"]
    assert report.size == path.stat().st_size
    with duckdb.connect(path, read_only=True) as con:
        counts = [con.execute(f"SELECT count(*) FROM {name}").fetchone() for name in ("turns", "records", "entries")]
    assert counts == [(report.turns,), (report.records,), (report.entries,)]
    assert report.turns == 2
    assert "2 turns" in str(report)
    assert report.path == str(path)


def test_saving_changes_nothing_and_never_overwrites(campaign: Store, saved: Path) -> None:
    """The lab is as it was, and a file that is there already is left alone, whatever it is."""
    before = campaign.call(dump)
    for path, text in ((saved, None), (saved.with_name("notes.txt"), "mine"), (saved.with_name("link"), None)):
        if text:
            path.write_text(text)
        if path.name == "link":
            path.symlink_to(saved.with_name("nowhere"))
        content = path.read_bytes() if path.exists() else b""
        with pytest.raises(StoreError, match="is there already"):
            save(campaign, main_of(campaign), path)
        assert (path.read_bytes() if path.exists() else b"") == content
    assert not saved.with_name("nowhere").exists()
    assert campaign.call(dump) == before


def test_no_secret_and_no_folder_of_this_machine_is_in_the_file(
    campaign: Store, saved: Path, server: RehearsalServer, tmp_path: Path
) -> None:
    """Neither the endpoint's token, nor anything that looks like a key, nor where the sites lie; all of it is looked through."""
    file = open_file(shutil.copyfile(saved, tmp_path / "look.duckdb"))
    texts = list(every_text(file))
    file.close()
    unwanted = [
        server.token,
        "sk-ant",
        "ANTHROPIC_API_KEY",
        "x-api-key",
        "Bearer ",
        str(SITES),
        str(ROOT),
        str(tmp_path),
    ]
    assert len(texts) > 1000
    assert server.token
    for word in unwanted:
        assert not [text[:200] for text in texts if word in text], word
        assert word.encode() not in saved.read_bytes()
    assert any(
        str(SITES) in text for text in every_text(campaign)
    )  # the lab itself has it: the search finds what is there


def test_notebook_folders_stay_behind(lab_file: Store, other: Store, tmp_path: Path) -> None:
    """Of a notebook only its name goes along."""
    where = "/home/ana/clients/a/angles.ipynb"
    row = lab_file.call(lambda con: grow(con, add(con, session(notebook=where)), "t1", notebook=where, cell_id="c1"))
    save(lab_file, row, tmp_path / "s.duckdb")
    loaded = load(other, tmp_path / "s.duckdb", owner="ana")
    (step,) = other.call(lambda con: lineage(con, "t1", "ana"))
    assert (loaded.notebook, step.notebook, step.cell_id) == ("angles.ipynb", "angles.ipynb", "c1")
    assert not [text for text in every_text(other) if "/home/ana" in text]


@pytest.mark.both_stores
def test_taking_in_keeps_the_whole_line(campaign: Store, saved: Path, other: Store) -> None:
    """Turns with their ids and keys, ledger, records, transcripts, pages and cached prefixes are the same, the owner is new."""
    row = load(other, saved, owner="bob")
    assert (row.owner, row.name, row.tip_turn) == ("bob", "main", main_of(campaign).tip_turn)
    here, there = campaign.call(dump), other.call(dump)
    for name in ("attempts", "requests", "records", "entries", "transcripts", "rehearsal_cache"):
        assert there[name] == here[name], name
    assert len(there["pages"]) == len(here["pages"])
    assert other.call(lambda con: ids(con, "pages", "owner")) == {"bob"}
    assert other.call(lambda con: verify(con, row)) == []
    assert other.call(orphans) == []
    said = campaign.call(lambda con: conversation(con, row.tip_turn, "customer-psychology-specialist"))
    assert other.call(lambda con: conversation(con, row.tip_turn, "customer-psychology-specialist")) == said
    assert said


@pytest.mark.both_stores
def test_taking_in_twice_gives_the_same_session_once(saved: Path, other: Store) -> None:
    """Nothing is stored a second time, for the same owner and for another one."""
    first = load(other, saved, owner="bob")
    once = other.call(dump)
    assert load(other, saved, owner="bob") == first
    assert other.call(dump) == once
    zoes = load(other, saved, owner="zoe")
    assert (zoes.owner, zoes.name, zoes.tip_turn) == ("zoe", "main", first.tip_turn)
    assert zoes.id != first.id
    twice = other.call(dump)
    assert load(other, saved, owner="zoe") == zoes
    assert load(other, saved, owner="bob") == first
    assert other.call(dump) == twice
    assert [len(twice[name]) for name in ("turns", "entries", "requests")] == [
        len(once[name]) for name in ("turns", "entries", "requests")
    ]


def test_taking_ones_own_session_back_in_changes_nothing(campaign: Store, saved: Path) -> None:
    """In the lab that it was saved from, for its owner, it is there already."""
    before = campaign.call(dump)
    assert load(campaign, saved, owner="ana") == main_of(campaign)
    assert campaign.call(dump) == before


def test_a_fork_brings_the_sessions_that_it_came_through(lab_file: Store, other: Store, tmp_path: Path) -> None:
    """Its family tree elsewhere is the same line, without the turns that its parent made later."""

    def make(con: Con) -> SessionRow:
        base = grow(con, add(con, session()), "research")
        between = add(con, fork(base, "Between"))
        closer = add(con, fork(between, "Closer"))
        child = grow(con, add(con, fork(closer, "Emotional", owner="bob")), "copy", phase="copy")
        grow(con, base, "strategy", phase="strategy")
        share(con, base, "bob")
        add_page(con)
        return child

    row = lab_file.call(make)
    save(lab_file, row, tmp_path / "s.duckdb")
    loaded = load(other, tmp_path / "s.duckdb", owner="zoe")
    assert other.call(lambda con: ids(con, "turns")) == {"research", "copy"}
    rows = other.call(lambda con: tree_rows(con, "zoe", loaded, NOW))
    assert [(row["session"], row["made_by"], row["parent"], row["phases"]) for row in rows] == [
        ("main", "zoe", "", "research"),
        ("Between", "zoe", "main", "research"),
        ("Closer", "zoe", "Between", "research"),
        ("Emotional", "zoe", "Closer", "research, copy"),
    ]
    assert [step.user for step in other.call(lambda con: lineage(con, loaded.tip_turn, loaded.owner))] == ["ana", "bob"]
    assert other.call(dump)["shares"] == []
    assert other.call(lambda con: ids(con, "pages", "owner")) == {"zoe"}
    assert other.call(lambda con: verify(con, loaded)) == []
    assert other.call(orphans) == []


def test_only_the_line_goes_along(lab_file: Store, other: Store, tmp_path: Path) -> None:
    """No failed attempt, no other session, no page of another campaign, no claim and no trace of who looked at what."""

    def make(con: Con) -> SessionRow:
        row = grow(con, add(con, session()), "t1")
        try_in_vain(con, row, "failed")
        grow(con, add(con, session("beside")), "t2")
        add_page(con)
        add_page(con, campaign="Autumn")
        con.execute("INSERT INTO audit VALUES ('eve', 'read', 'main', false, now())")
        return row

    row = lab_file.call(make)
    save(lab_file, row, tmp_path / "s.duckdb")
    load(other, tmp_path / "s.duckdb", owner="ana")
    assert other.call(lambda con: [ids(con, "sessions"), ids(con, "attempts"), ids(con, "pages", "campaign")]) == [
        {"main"}, {"t1"}, {"Spring"},
    ]  # fmt: skip
    assert other.call(dump)["audit"] == []


@pytest.mark.both_stores
def test_metadata_goes_along_and_the_life_begins_anew(lab_file: Store, other: Store, tmp_path: Path) -> None:
    """What was noted with a session survives as it was; a session that expired on the way can be worked with."""
    row = lab_file.call(lambda con: grow(con, add(con, session(metadata='{"client": "Ä", "n": 1}')), "t1"))
    save(lab_file, row, tmp_path / "s.duckdb")
    loaded = load(other, tmp_path / "s.duckdb", owner="ana")
    assert json.loads(loaded.metadata) == {"client": "Ä", "n": 1}
    end = expires_at(loaded)
    assert end is not None
    assert end > datetime.now(UTC)
    assert loaded.made_at == NOW


def test_a_name_that_is_taken_gets_a_number(lab_file: Store, other: Store, tmp_path: Path) -> None:
    """The owner's own session of that name keeps it."""
    row = lab_file.call(lambda con: grow(con, add(con, session()), "t1"))
    save(lab_file, row, tmp_path / "s.duckdb")
    other.call(lambda con: add(con, replace(session(), id="mine")))
    loaded = load(other, tmp_path / "s.duckdb", owner="ana")
    assert (loaded.name, loaded.id) == ("main 2", "main")
    assert main_of(other).id == "mine"


@pytest.mark.both_stores
def test_a_newer_file_moves_the_session_on_and_an_older_one_not_back(
    lab_file: Store, other: Store, tmp_path: Path
) -> None:
    """The same session, saved after its first and after its second turn."""
    early = lab_file.call(lambda con: grow(con, add(con, session()), "t1"))
    save(lab_file, early, tmp_path / "early.duckdb")
    late = lab_file.call(lambda con: grow(con, early, "t2"))
    save(lab_file, late, tmp_path / "late.duckdb")
    first = load(other, tmp_path / "early.duckdb", owner="ana")
    second = load(other, tmp_path / "late.duckdb", owner="ana")
    assert (first.id, first.tip_turn) == (second.id, "t1")
    assert second.tip_turn == "t2"
    assert load(other, tmp_path / "early.duckdb", owner="ana") == second


def test_a_session_that_went_on_differently_here_is_kept_beside(lab_file: Store, other: Store, tmp_path: Path) -> None:
    """Neither line is lost: the file's becomes a session of its own, again the same one when it is taken in again."""
    early = lab_file.call(lambda con: grow(con, add(con, session()), "t1"))
    save(lab_file, early, tmp_path / "early.duckdb")
    save(lab_file, lab_file.call(lambda con: grow(con, early, "theirs")), tmp_path / "late.duckdb")
    mine = load(other, tmp_path / "early.duckdb", owner="ana")
    other.call(lambda con: grow(con, mine, "mine"))
    loaded = load(other, tmp_path / "late.duckdb", owner="ana")
    assert (loaded.name, loaded.tip_turn) == ("main 2", "theirs")
    assert main_of(other).tip_turn == "mine"
    assert load(other, tmp_path / "late.duckdb", owner="ana") == loaded
    assert other.call(orphans) == []


@pytest.mark.both_stores
def test_what_was_swept_here_comes_back(lab_file: Store, other: Store, tmp_path: Path) -> None:
    """A tombstone is not the session: the file brings it back with its turns, and costs are not booked twice."""
    row = lab_file.call(lambda con: grow(con, add(con, session()), "t1"))
    save(lab_file, row, tmp_path / "s.duckdb")

    def sweep_all(con: Con) -> None:
        con.execute("UPDATE sessions SET swept_at = now(), brief = '{}', tip_turn = NULL")
        for table in ("turns", "records", "entries", "transcripts", "rehearsal_cache"):
            con.execute(f"DELETE FROM {table}")

    lab_file.call(sweep_all)
    loaded = load(lab_file, tmp_path / "s.duckdb", owner="ana")
    assert (loaded.swept_at, loaded.tip_turn) == (None, "t1")
    assert len(lab_file.call(dump)["attempts"]) == 1
    assert lab_file.call(lambda con: verify(con, loaded)) == []


def test_a_session_without_transcripts_goes_along_and_replays(lab_file: Store, other: Store, tmp_path: Path) -> None:
    """After a sweep that kept the records: no fault, only the remark that nothing can be built on it."""
    row = lab_file.call(lambda con: grow(con, add(con, session()), "t1"))
    lab_file.call(lambda con: [con.execute(f"DELETE FROM {table}") for table in ("entries", "transcripts")] and None)
    assert save(lab_file, row, tmp_path / "s.duckdb").entries == 0
    loaded = load(other, tmp_path / "s.duckdb", owner="ana")
    assert [problem.info for problem in other.call(lambda con: verify(con, loaded))] == [True]


def test_a_handle_that_stands_further_back_saves_only_so_far(lab_file: Store, stores: Stores, tmp_path: Path) -> None:
    """Standing at a fork's own first checkpoint, or even before it."""

    def make(con: Con) -> SessionRow:
        base = grow(con, grow(con, add(con, session()), "t1"), "t2")
        return grow(con, add(con, fork(base, "child")), "t3")

    child = lab_file.call(make)
    for tip, turns in (("t2", {"t1", "t2"}), ("t1", {"t1"}), (None, set[str]())):
        path = tmp_path / f"{tip}.duckdb"
        save(lab_file, replace(child, tip_turn=tip), path)
        with opened(stores.place(f"lab-{tip}.duckdb")) as lab:
            loaded = load(lab, path, owner="ana")
            assert loaded.tip_turn == tip
            assert lab.call(lambda con: ids(con, "turns")) == turns
            assert lab.call(orphans) == []


def test_saved_again_elsewhere_it_is_the_same_line(lab_file: Store, other: Store, tmp_path: Path) -> None:
    """From lab to file to lab to file: what a file holds does not change on the way."""
    row = lab_file.call(lambda con: grow(con, grow(con, add(con, session()), "t1"), "t2"))
    lab_file.call(add_page)
    save(lab_file, row, tmp_path / "one.duckdb")
    there = load(other, tmp_path / "one.duckdb", owner="ana")
    save(other, there, tmp_path / "two.duckdb")

    def held(path: Path) -> object:
        file = open_file(path)
        bundle = file.call(
            lambda con: session_bundle(con, queries.select(con, SessionRow, "WHERE metadata LIKE '%saved%'")[0])
        )
        file.close()
        return replace(bundle, sessions=tuple(replace(row, last_paid_at=None, metadata="") for row in bundle.sessions))

    assert held(tmp_path / "one.duckdb") == held(tmp_path / "two.duckdb")


# -- files that are not what they should be


def plain_text(path: Path, _: Path) -> None:
    path.write_text("not a database")


def nothing(path: Path, _: Path) -> None:
    path.write_bytes(b"")


def a_folder(path: Path, _: Path) -> None:
    path.mkdir()


def not_there(path: Path, _: Path) -> None:
    path.unlink(missing_ok=True)


def of_another_program(path: Path, _: Path) -> None:
    with duckdb.connect(path) as con:
        con.execute("CREATE TABLE sales (n INTEGER)")


def a_plain_lab(path: Path, _: Path) -> None:
    file = open_file(path)
    file.call(lambda con: grow(con, add(con, session()), "t1"))
    file.close()


def cut_short(path: Path, saved: Path) -> None:
    path.write_bytes(saved.read_bytes()[: saved.stat().st_size // 2])


def in_use(path: Path, saved: Path) -> None:
    shutil.copyfile(saved, path)
    Path(f"{path}.wal").write_bytes(b"x")


def changed(sql: str) -> Callable[[Path, Path], None]:
    def change(path: Path, saved: Path) -> None:
        shutil.copyfile(saved, path)
        with duckdb.connect(path) as con:
            con.execute(sql)

    return change


WRONG: dict[str, tuple[Callable[[Path, Path], None], str]] = {
    "text": (plain_text, "not a DuckDB file"),
    "empty": (nothing, "not a saved session"),
    "folder": (a_folder, "is not a file"),
    "missing": (not_there, "is not a file"),
    "another program's": (of_another_program, "of another program"),
    "a plain lab file": (a_plain_lab, "not a saved session"),
    "cut short": (cut_short, "."),
    "in use": (in_use, "is in use"),
    "a changed message": (changed("UPDATE turns SET message = message || ' Say it is free.'"), "damaged"),
    "a lost entry": (changed("DELETE FROM entries WHERE seq = 3"), "damaged"),
    "a lost turn": (changed("DELETE FROM turns WHERE id = (SELECT tip_turn FROM sessions LIMIT 1)"), "damaged"),
    "two marked sessions": (changed("INSERT INTO sessions SELECT * FROM sessions"), "not a saved session"),
    "metadata that is no JSON": (changed("UPDATE sessions SET metadata = '{'"), "cannot be read"),
    "another type of column": (changed("ALTER TABLE turns ALTER take TYPE VARCHAR"), "other tables"),
    "a view that reads this machine's files": (
        changed("CREATE TABLE t AS FROM records; DROP TABLE records; CREATE VIEW records AS FROM t"), "other tables",
    ),
    "a session that was forked from itself": (changed("UPDATE sessions SET parent_session = id"), "round in a circle"),
    "a session that renews itself": (changed("UPDATE sessions SET renews = id"), "round in a circle"),
    "another session that renews itself": (
        changed("INSERT INTO sessions SELECT * REPLACE ('x' AS id, 'x' AS renews, '{}' AS metadata) FROM sessions"),
        "round in a circle",
    ),
    "a page with other bytes": (changed("UPDATE pages SET body = '<p>Best rates</p>'::BLOB"), "not those that were read"),
    "a newer schema": (changed("INSERT INTO schema_version VALUES (999, now())"), "newer campaign_lab"),
}  # fmt: skip


@pytest.fixture(scope="module")
def saved_by_hand(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small saved session, made by hand."""
    folder = tmp_path_factory.mktemp("saved")
    file = open_file(folder / "lab.duckdb")
    row = file.call(lambda con: grow(con, grow(con, add(con, session()), "t1"), "t2"))
    file.call(add_page)
    save(file, row, folder / "saved.duckdb")
    file.close()
    return folder / "saved.duckdb"


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_file_is_refused_and_nothing_is_taken_in(
    kind: str, saved_by_hand: Path, other: Store, tmp_path: Path
) -> None:
    """The error names the file and what is wrong with it; the lab is as it was, and so is the file."""
    make, words = WRONG[kind]
    path = tmp_path / "wrong.duckdb"
    make(path, saved_by_hand)
    before, content = other.call(dump), path.read_bytes() if path.is_file() else b""
    beside = set(os.listdir(tmp_path))
    with pytest.raises(StoreError) as error:
        load(other, path, owner="bob")
    assert words in str(error.value)
    assert error.value.path == str(path)
    assert other.call(dump) == before
    assert (path.read_bytes() if path.is_file() else b"") == content
    assert set(os.listdir(tmp_path)) == beside


@pytest.mark.both_stores
@pytest.mark.parametrize(("column", "value"), [("answer", "something else"), ("leaf_uuid", "x"), ("phase", "copy")])
def test_a_file_cannot_get_at_a_turn_by_bearing_its_id(
    column: str, value: str, saved_by_hand: Path, other: Store
) -> None:
    """A turn of that id that differs from the one here is refused: it is somebody else's, or the file was made up."""
    other.call(lambda con: grow(con, add(con, session(owner="eve")), "t1", **{column: value}))
    before = other.call(dump)
    with pytest.raises(StoreError, match="differs from the one of that id"):
        load(other, saved_by_hand, owner="bob")
    assert other.call(dump) == before


def test_the_mark_is_only_in_the_file(saved_by_hand: Path, other: Store) -> None:
    """A lab that took a session in cannot be mistaken for a saved session, and the file says who saved it and when."""
    load(other, saved_by_hand, owner="bob")
    assert not [text for text in every_text(other) if f'"{MARK}"' in text]
    with duckdb.connect(saved_by_hand, read_only=True) as con:
        (metadata,) = con.execute("SELECT metadata FROM sessions").fetchone() or ("{}",)
    told: dict[str, Any] = json.loads(metadata)[MARK]
    assert told["by"] == "ana"
    assert datetime.fromisoformat(told["at"]).tzinfo is not None
