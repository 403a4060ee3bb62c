"""Export: files that other programs open as they are, and that nothing from a page can turn into a program."""

from __future__ import annotations

import csv
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.export import FORMULA_STARTS, save_csv
from campaign_lab.show.text import plain
from campaign_lab.tables.columns import Column, frame

COLUMNS = (Column("headline", "str", lambda row: row["headline"]), Column("claims", "int64", lambda row: row["claims"]))
CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30).map(plain)


def _read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


@given(texts=st.lists(CELLS | CELLS.map(lambda text: f"={text}"), max_size=5))
def test_texts_come_back_and_none_is_a_formula(texts: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Every text is read back letter by letter, but for the apostrophe before those that would be formulas."""
    path = tmp_path_factory.mktemp("csv") / "copy.csv"
    save_csv(frame([{"headline": text, "claims": 1} for text in texts], COLUMNS), path)
    cells = [row[0] for row in _read(path)[1:]]
    assert cells == [f"'{text}" if text.startswith(FORMULA_STARTS) else text for text in texts]
    assert not any(cell.startswith(FORMULA_STARTS) for cell in cells)


def test_gives_the_frame_back(tmp_path: Path) -> None:
    """What is shown under the cell is the frame as it was, numbers as numbers."""
    rows = frame([{"headline": "-20 %", "claims": 2}], COLUMNS)
    assert save_csv(rows, tmp_path / "copy.csv") is rows
    assert _read(tmp_path / "copy.csv") == [["headline", "claims"], ["'-20 %", "2"]]


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    """A folder that is not there is named, and nothing is made."""
    with pytest.raises(ValueError, match="does not exist; make it first"):
        save_csv(frame([], COLUMNS), tmp_path / "none" / "copy.csv")
    assert list(tmp_path.iterdir()) == []


def test_an_index_that_says_something_is_written(tmp_path: Path) -> None:
    """After a pivot it is what the row is about; the row numbers of a filtered table are left out."""
    rows = frame([{"headline": "One", "claims": 1}, {"headline": "Two", "claims": 2}], COLUMNS)
    save_csv(rows.set_index("headline"), tmp_path / "pivot.csv")
    save_csv(rows.query("claims == 2"), tmp_path / "filtered.csv")
    assert _read(tmp_path / "pivot.csv") == [["headline", "claims"], ["One", "1"], ["Two", "2"]]
    assert _read(tmp_path / "filtered.csv") == [["headline", "claims"], ["Two", "2"]]


def test_headings_and_labels_are_no_formulas_either(tmp_path: Path) -> None:
    """After a pivot they are texts of pages and models, in every level, and so may the names of the levels be."""
    rows = frame([{"headline": "=1+1", "claims": 1}], COLUMNS).assign(motive="@pain", **{"-stage": "+most"})
    save_csv(rows.pivot_table(index=["headline", "-stage"], columns="motive", values="claims"), tmp_path / "one.csv")
    save_csv(rows.pivot(index="motive", columns=["headline", "-stage"]), tmp_path / "two.csv")
    one, two = _read(tmp_path / "one.csv"), _read(tmp_path / "two.csv")
    assert one == [["headline", "'-stage", "'@pain"], ["'=1+1", "'+most", "1.0"]]
    assert {cell for line in two for cell in line} >= {"'-stage", "'=1+1", "'+most", "'@pain"}
    assert not any(cell.startswith(FORMULA_STARTS) for line in (*one, *two) for cell in line)


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    """Where the file cannot be put, no half of it stays beside."""
    (tmp_path / "copy.csv").mkdir()
    with pytest.raises(OSError, match=r"copy\.csv"):
        save_csv(frame([], COLUMNS), tmp_path / "copy.csv")
    assert [each.name for each in tmp_path.iterdir()] == ["copy.csv"]


def test_many_writers_of_one_file_leave_a_whole_one(tmp_path: Path) -> None:
    """Each writes beside it under a name of its own, and the last one stays."""
    tables = [frame([{"headline": str(n), "claims": n}] * 300, COLUMNS) for n in range(16)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda table: save_csv(table, tmp_path / "copy.csv"), tables))
    assert len(lines := _read(tmp_path / "copy.csv")) == 301
    assert len({line[0] for line in lines[1:]}) == 1
    assert [each.name for each in tmp_path.iterdir()] == ["copy.csv"]


def test_what_steers_a_terminal_reaches_no_file(tmp_path: Path) -> None:
    """Escape sequences, control characters and overrides of the writing direction of a page's text are out."""
    hostile = "\x1b]0;title\x07Plain\x1b[31m red\u202e evil\u2066\x9b2J\x00\x08"
    save_csv(frame([{"headline": hostile, "claims": 1}], COLUMNS), tmp_path / "copy.csv")
    assert _read(tmp_path / "copy.csv") == [["headline", "claims"], ["Plain red evil2J", "1"]]
    save_csv(frame([{"headline": "\x1b[0m=1+1", "claims": 1}], COLUMNS), tmp_path / "copy.csv")
    assert _read(tmp_path / "copy.csv")[1][0] == "'=1+1"
