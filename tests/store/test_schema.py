"""The tables, and the way from an older file to the newest schema."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from campaign_lab.errors import StoreError
from campaign_lab.store import schema
from campaign_lab.store.duckdb.engine import DuckFile, open_file
from support.workers import store_writers
from support.workers.store_writers import PROCESSES

NEXT = schema.Migration(
    schema.MIGRATIONS[-1].version + 1,
    """
    ALTER TABLE sessions ADD COLUMN colour VARCHAR DEFAULT 'none';
    ALTER TABLE claims RENAME COLUMN host TO machine;
    CREATE TABLE later (id VARCHAR NOT NULL);
    """,
)


def newer(monkeypatch: pytest.MonkeyPatch, *steps: schema.Migration) -> None:
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, *steps))


def put_session(file: DuckFile, name: str) -> None:
    file.call(lambda con: con.execute("INSERT INTO sessions (id, owner) VALUES (?, 'ann')", [name]) and None)


def versions(file: DuckFile) -> list[int]:
    rows = file.call(lambda con: con.execute("SELECT version FROM schema_version ORDER BY version").fetchall())
    return [version for (version,) in rows]


def test_steps_are_numbered_from_one_without_a_gap() -> None:
    """The number of a step is its place in the list."""
    assert [step.version for step in schema.MIGRATIONS] == list(range(1, len(schema.MIGRATIONS) + 1))


def test_a_table_has_no_index_and_no_constraint_but_not_null(file: DuckFile) -> None:
    """Their space is never given back, and they block later changes of the table."""
    assert file.call(lambda con: con.execute("SELECT index_name FROM duckdb_indexes()").fetchall()) == []
    kinds = file.call(lambda con: con.execute("SELECT DISTINCT constraint_type FROM duckdb_constraints()").fetchall())
    assert kinds == [("NOT NULL",)]


@pytest.mark.parametrize("known", range(1, len(schema.MIGRATIONS) + 1))
def test_every_older_file_keeps_its_rows(known: int, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of any earlier version is brought to the newest one, step by step, and once."""
    every = (*schema.MIGRATIONS, NEXT)
    monkeypatch.setattr(schema, "MIGRATIONS", every[:known])
    old = open_file(path)
    put_session(old, "before")
    old.close()
    monkeypatch.setattr(schema, "MIGRATIONS", every)
    for _ in range(2):
        file = open_file(path)
        assert file.call(lambda con: con.execute("SELECT id, owner, colour FROM sessions").fetchall()) == [
            ("before", "ann", "none")
        ]
        assert versions(file) == [step.version for step in every]
        file.close()


def test_a_step_that_fails_leaves_the_file_as_it_was(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps before it stand, of the failing one there is nothing, and the older program goes on."""
    old = open_file(path)
    put_session(old, "before")
    old.close()
    ours = schema.MIGRATIONS
    bad = replace(NEXT, sql=NEXT.sql + "ALTER TABLE sessions DROP COLUMN no_such_column;")
    newer(monkeypatch, bad)
    with pytest.raises(StoreError, match=f"could not be brought to schema {bad.version}.*no_such_column"):
        open_file(path)
    monkeypatch.setattr(schema, "MIGRATIONS", ours)
    file = open_file(path)
    put_session(file, "after")
    assert versions(file) == [step.version for step in ours]
    assert file.call(lambda con: con.execute("SELECT id, owner FROM sessions ORDER BY id").fetchall()) == [
        ("after", "ann"),
        ("before", "ann"),
    ]
    assert file.call(lambda con: con.execute("SELECT count(*) FROM claims WHERE host IS NULL").fetchone()) == (0,)
    file.close()


def test_an_older_program_stops_when_a_newer_one_has_changed_the_file(
    file: DuckFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two versions at once: the older one, which had the file open, refuses instead of writing the wrong columns."""
    put_session(file, "old")
    ours = schema.MIGRATIONS
    newer(monkeypatch, NEXT)
    other = open_file(file.path)  # takes the file over from `file`, which is idle
    put_session(other, "new")
    other.close()
    monkeypatch.setattr(schema, "MIGRATIONS", ours)
    with pytest.raises(StoreError, match=f"newer campaign_lab .schema {NEXT.version}"):
        put_session(file, "too late")
    with duckdb.connect(file.path) as con:
        assert con.execute("SELECT id FROM sessions ORDER BY id").fetchall() == [("new",), ("old",)]


@pytest.mark.usefixtures("process")
def test_processes_that_make_the_same_file_at_once_make_one(path: str) -> None:
    """One makes it, the others find it made."""
    pipes, processes = [], []
    for _ in range(4):
        ours, its = PROCESSES.Pipe()
        process = PROCESSES.Process(target=store_writers.open_and_count, args=(path, its))
        process.start()
        pipes.append(ours)
        processes.append(process)
    for pipe in pipes:
        pipe.send("go")
    assert [pipe.recv() for pipe in pipes] == [[(step.version,) for step in schema.MIGRATIONS]] * 4
    for process in processes:
        process.join()
        assert process.exitcode == 0


def test_what_a_process_killed_while_making_the_file_left_is_swept_away(path: str, tmp_path: Path) -> None:
    """A half-made draft beside the lab file harms nobody; an empty file counts as none."""
    for leftover in (path + ".new", path + ".new.wal"):
        Path(leftover).write_bytes(b"half a database")
    Path(path).touch()
    file = open_file(path)
    assert versions(file) == [step.version for step in schema.MIGRATIONS]
    file.close()
    assert sorted(found.name for found in tmp_path.iterdir()) == [
        "lab.duckdb",
        "lab.duckdb.lock.own",
        "lab.duckdb.lock.wait",
    ]
