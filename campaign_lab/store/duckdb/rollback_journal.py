"""The rollback journal: a process that is killed in the middle of a checkpoint leaves a lab file that can be opened.

DuckDB 2.0 writes its metadata blocks (256 KiB with one checksum) where they stand, and the header that makes a checkpoint
valid after them. A kill between two pages of such a block leaves a file that no DuckDB opens any more. So these blocks and
the headers are copied beside the lab file before each checkpoint. As long as the headers are the copied ones, the
checkpoint did not happen: the blocks are put back, and DuckDB's own journal (.wal) still has what it was to write.
"""

from __future__ import annotations

import contextlib
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from campaign_lab.store.whole_file import whole_file

if TYPE_CHECKING:
    import duckdb

ENDING = ".rollback"
"""What stands behind the lab file's name for its rollback journal: a ZIP file, each member named by its offset in bytes."""
_HEADERS = 3 * 4096
"""Bytes of the main header and of the two that take turns, at the beginning of a DuckDB file. The blocks follow."""


def pending(path: str) -> int:
    """Bytes that wait in DuckDB's own journal for the next checkpoint of the lab file."""
    with contextlib.suppress(FileNotFoundError):
        return os.path.getsize(path + ".wal")
    return 0


@contextlib.contextmanager
def guarded(con: duckdb.DuckDBPyConnection, path: str) -> Iterator[None]:
    """Within it the connection checkpoints the lab file by being closed. Without a journal beside it nothing is written.

    Raises OSError when the rollback journal cannot be written, duckdb.Error when the connection is of no use any more.
    """
    if pending(path) == 0:
        yield
        return
    with open(path, "rb") as file:  # closed after the connection: closing it gives up DuckDB's lock on the file
        _keep(file.fileno(), con, path + ENDING)
        yield
    os.unlink(path + ENDING)


def roll_back(path: str) -> None:
    """Undo the checkpoint that a killed process left half-way. Call it under the gate, with the file closed."""
    try:
        kept = zipfile.ZipFile(path + ENDING)
    except (FileNotFoundError, zipfile.BadZipFile):
        return
    with kept, open(path, "r+b") as file:
        if file.read(_HEADERS) == kept.read("0"):
            for name in kept.namelist():
                file.seek(int(name))
                file.write(kept.read(name))
            file.flush()
            os.fsync(file.fileno())
    os.unlink(path + ENDING)


def _keep(descriptor: int, con: duckdb.DuckDBPyConnection, target: str) -> None:
    found = con.execute("SELECT block_size FROM pragma_database_size()").fetchone()
    assert found is not None
    size = int(found[0])
    ids = [block for (block,) in con.execute("SELECT block_id FROM pragma_metadata_info()").fetchall()]
    spans = [(0, _HEADERS), *((_HEADERS + block * size, size) for block in ids)]
    with whole_file(Path(target), Path(target + ".new")) as draft, zipfile.ZipFile(draft, "w") as journal:
        for offset, length in spans:
            journal.writestr(str(offset), os.pread(descriptor, length, offset))
