"""A batch's folder: rows survive anything, and two batches never work in one folder."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from campaign_lab.batch.folder import FolderInUse, RowFiles
from campaign_lab.batch.rows import BATCH_COLUMNS, Row, batch_frame
from campaign_lab.errors import LabError
from support.kernels import environment

ROW = Row(
    "one--angle-a", "Été", "Paniers d'été", {"angle": "a", "n": [1, 2]}, "failed", None, 0.1, 0.2, 3.5, 4, 2, "x.ipynb",
    "KeyError: 'é'", "cell", ("s1", "s2"), {"s1": "t1"}, "brief: url", datetime(2026, 3, 7, tzinfo=UTC), None, {"store": "1"},
)  # fmt: skip
HOLD = (
    "import sys\nfrom campaign_lab.batch.folder import RowFiles\n"
    "with RowFiles(sys.argv[1]).held():\n    print('held', flush=True)\n    sys.stdin.read()"
)


def test_a_row_comes_back_as_it_was(tmp_path: Path) -> None:
    """All its fields, in the file of its run."""
    RowFiles(tmp_path).write(ROW)
    assert RowFiles(tmp_path).rows() == {ROW.run: ROW}
    assert (tmp_path / ".batch" / "rows" / "one--angle-a.json").is_file()


def test_rows_are_a_table_with_fixed_columns() -> None:
    """Empty or not; an unknown cost is missing, not 0; parameters are in words."""
    assert list(batch_frame([]).columns) == [column.name for column in BATCH_COLUMNS]
    table = batch_frame([ROW, Row("b", "b")])
    assert table["cost_usd"].isna().tolist() == [True, False]
    assert table["parameters"].tolist() == ["angle: a, n: [1, 2]", ""]
    assert table["duration_s"].tolist()[0] == 3.5
    assert batch_frame([]).dtypes.equals(table.dtypes)


@pytest.mark.parametrize("rubbish", ["", "{", "[]", '{"run": 1}', '{"run": "x", "brief": "b", "state": "odd"}', "\x00"])
def test_a_row_that_cannot_be_read_counts_as_not_done(rubbish: str, tmp_path: Path) -> None:
    """And so does one under another's name; the others are read."""
    files = RowFiles(tmp_path)
    files.write(ROW)
    (tmp_path / ".batch" / "rows" / "x.json").write_text(rubbish, encoding="utf-8")
    (tmp_path / ".batch" / "rows" / "y.json").write_text(ROW.to_json(), encoding="utf-8")
    assert files.rows() == {ROW.run: ROW}


def test_a_batch_keeps_its_id(tmp_path: Path) -> None:
    """It is the ledger's: a damaged file is an error, and no reason for another id."""
    files = RowFiles(tmp_path)
    assert files.batch_id() == ""
    made = files.begin("a.ipynb")
    assert files.begin("b.ipynb") == files.batch_id() == made
    assert json.loads((tmp_path / ".batch" / "batch.json").read_text(encoding="utf-8"))["template"] == "a.ipynb"
    (tmp_path / ".batch" / "batch.json").write_text("{", encoding="utf-8")
    with pytest.raises(LabError, match=r"batch\.json cannot be read"):
        files.begin("a.ipynb")


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path) -> None:
    """And leaves no draft."""
    files = RowFiles(tmp_path)
    (tmp_path / "taken" / "inside").mkdir(parents=True)
    with pytest.raises(OSError, match="taken"):
        files.save("taken", b"new")
    assert (tmp_path / "taken" / "inside").is_dir()
    assert list((tmp_path / ".batch").iterdir()) == []


@pytest.mark.usefixtures("process", "slow")
def test_a_second_batch_is_refused_with_who_holds_the_folder(tmp_path: Path) -> None:
    """Of another process or of this one; killed, its process holds nothing any more."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment()) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(FolderInUse, match=f"process {other.pid} of "), RowFiles(tmp_path).held():
            pass
        other.kill()
        other.wait()
    with RowFiles(tmp_path).held(), pytest.raises(FolderInUse), RowFiles(tmp_path).held():
        pass


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """It is said of ``out``."""
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ValueError, match="out: "), RowFiles(tmp_path / "file").held():
        pass
