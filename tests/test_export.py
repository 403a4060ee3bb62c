"""Export: files that other programs open as they are, and that nothing from a page can turn into a program."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign_lab.compare import Column, frame
from campaign_lab.export import FORMULA_STARTS, save_csv

COLUMNS = (Column("headline", "str", lambda row: row["headline"]), Column("claims", "int64", lambda row: row["claims"]))
CELLS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=30)


def _read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


@settings(deadline=None)
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
