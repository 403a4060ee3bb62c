"""The rollback journal: a checkpoint that a kill cut in the middle of a block is undone, one that was done is left alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest

from campaign_lab.store.duckdb import engine, opening, rollback_journal
from campaign_lab.store.duckdb.engine import DuckFile, open_file

BLOCK, PAGE = 12288, 4096
"""Where the first block of a DuckDB file begins (it holds metadata), and how much a kill lets through at least; in bytes."""


def put(file: DuckFile, key: str) -> None:
    file.call(lambda con: con.execute("INSERT INTO claims (key, attempt_id) VALUES (?, 'a')", [key]) and None)


def keys(path: Path) -> list[str]:
    file = open_file(path)
    try:
        return [key for (key,) in file.call(lambda con: con.execute("SELECT key FROM claims ORDER BY key").fetchall())]
    finally:
        file.close()


@dataclass(frozen=True)
class Checkpoint:
    """A lab file, DuckDB's journal and the rollback journal around a checkpoint that stores the second of two keys."""

    path: Path
    before: bytes
    after: bytes
    wal: bytes
    kept: bytes

    def lay(self, lab: bytes, *, wal: bool) -> None:
        """Put these bytes in the lab file's place, as a killed process leaves them."""
        self.path.write_bytes(lab)
        Path(f"{self.path}{rollback_journal.ENDING}").write_bytes(self.kept)
        if wal:
            Path(f"{self.path}.wal").write_bytes(self.wal)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    path = tmp_path / "lab.duckdb"
    file = open_file(path)
    put(file, "first")
    file.close()
    con = duckdb.connect(path, config=opening.CONFIG)
    con.execute("INSERT INTO claims (key, attempt_id) VALUES ('second', 'a')")
    before, wal = path.read_bytes(), Path(f"{path}.wal").read_bytes()
    with rollback_journal.guarded(con, str(path)):
        con.close()
        kept = Path(f"{path}{rollback_journal.ENDING}").read_bytes()
    return Checkpoint(path, before, path.read_bytes(), wal, kept)


def test_a_block_that_a_kill_cut_is_put_back(checkpoint: Checkpoint) -> None:
    """With a torn metadata block no DuckDB opens the file; the lab does, and has what was stored before and in the journal."""
    torn = checkpoint.before[:BLOCK] + checkpoint.after[BLOCK : BLOCK + PAGE] + checkpoint.before[BLOCK + PAGE :]
    checkpoint.path.write_bytes(torn)
    with pytest.raises(duckdb.Error, match="Corrupt"):
        duckdb.connect(checkpoint.path)
    checkpoint.lay(torn, wal=True)
    assert keys(checkpoint.path) == ["first", "second"]
    assert not Path(f"{checkpoint.path}{rollback_journal.ENDING}").exists()


def test_a_checkpoint_that_was_done_is_not_undone(checkpoint: Checkpoint) -> None:
    """A process killed between its checkpoint and the end of the rollback journal: the new headers say that all is there."""
    checkpoint.lay(checkpoint.after, wal=False)
    assert keys(checkpoint.path) == ["first", "second"]


def test_a_long_queue_is_checkpointed_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that never pauses does not let DuckDB's journal grow without end."""
    monkeypatch.setattr(engine, "JOURNAL", 10_000)
    file = open_file(tmp_path / "lab.duckdb")
    largest = 0
    for number in range(300):
        put(file, f"{number:04}" * 50)
        largest = max(largest, rollback_journal.pending(file.path))
    file.close()
    assert 0 < largest < 12_000
    assert len(keys(tmp_path / "lab.duckdb")) == 300
