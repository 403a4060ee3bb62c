"""Files of before there were judgements: they are brought up to date, and nothing of them is lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from campaign_lab import Lab
from campaign_lab.findings import Finding, load_findings
from campaign_lab.sessions.transfer.session_file import save
from campaign_lab.store import schema
from campaign_lab.store.duckdb.engine import open_file
from support.copy_rows import angle, turn, variant
from support.lab_rows import add, session
from support.labs import MakeLab
from support.stores import by_hand

BEFORE = 2
"""The schema of those files."""
SENTENCES = "[\"headline: it shouts: 'One'\"]"
"""What the checks found, as those files hold it."""
FOUND = (Finding("stored.sentence", "warn", "headline", "One", "it shouts"),)
"""The same, as it is read."""


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[Path], Path]:
    """Makes a file with the first two migrations only, and puts in what is in another file."""

    def make(source: Path) -> Path:
        path = tmp_path / f"older-{source.name}"
        with monkeypatch.context() as patched:
            patched.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:BEFORE])
            open_file(path).close()
        with duckdb.connect(path) as con:
            con.execute(f"ATTACH '{source}' AS newer (READ_ONLY)")
            sql = "SELECT table_name, string_agg(column_name, ', ') FROM duckdb_columns() WHERE database_name = ? GROUP BY 1"
            for table, columns in con.execute(sql, [path.stem]).fetchall():
                if table != "schema_version":
                    con.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM newer.{table}")
            assert con.execute("SELECT max(version) FROM schema_version").fetchone() == (BEFORE,)
        return path

    return make


@pytest.fixture
def campaign_path(tmp_path: Path) -> Path:
    """A lab file of ana's with an angle and two variants."""
    path = tmp_path / "lab.duckdb"
    file = open_file(path)

    def make(con: duckdb.DuckDBPyConnection) -> None:
        row = turn(con, add(con, session()), "t1", angle("Calm"), phase="strategy")
        turn(con, row, "t2", replace(variant("One"), problems=SENTENCES), variant("Two"))

    file.call(make)
    file.close()
    return path


def findings_of_one(lab: Lab) -> tuple[Finding, ...]:
    sql = "SELECT problems FROM records WHERE label = 'One'"
    return load_findings(by_hand(lab, lambda con: con.execute(sql).fetchone()[0]))


def test_a_lab_file_of_before_is_read_and_judged(
    campaign_path: Path, older: Callable[[Path], Path], make_lab: MakeLab
) -> None:
    """Its variants are there, nobody looked for near duplicates, and they can be rated."""
    lab = make_lab(older(campaign_path).name)
    main = lab.open("main")
    main.rate("One", pick="pick", rating=5)
    table = lab.compare(main)
    assert table["headline"].tolist() == ["One", "Two"]
    assert table["near_duplicate"].tolist() == ["", ""]
    assert table["rating"].tolist()[0] == 5
    assert findings_of_one(lab) == FOUND
    assert lab.records("angle")["label"].tolist() == ["Calm"]
    assert main.verify() == []


def test_a_session_that_was_saved_before_is_taken_in(
    campaign_path: Path, older: Callable[[Path], Path], make_lab: MakeLab, tmp_path: Path
) -> None:
    """By a lab of today; the file itself stays as it was."""
    lab = make_lab(campaign_path.name)
    save(lab._context.engine, lab.open("main")._row, tmp_path / "saved.duckdb")
    old = older(tmp_path / "saved.duckdb")
    bytes_before = old.read_bytes()
    theirs = make_lab("theirs.duckdb", user="ben")
    taken = theirs.open(old)
    taken.rate("Two", note="good")
    assert theirs.compare(taken)["note"].tolist() == ["", "good"]
    assert findings_of_one(theirs) == FOUND
    assert old.read_bytes() == bytes_before
