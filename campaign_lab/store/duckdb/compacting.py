"""Compacting: the lab file is copied into a fresh one and replaced by it, which gives back the space of deleted rows.

Deleting rows leaves holes that DuckDB fills again but never returns to the disk. The copy is built beside the file under
another name and moved into place as the last step: who is killed before leaves the old file whole, who is killed
after it the new one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Callable

from campaign_lab.errors import StoreError
from campaign_lab.store.duckdb import opening, rollback_journal
from campaign_lab.store.queries import literal
from campaign_lab.store.whole_file import flush, put_in_place

FOLDER = ".compact"
"""What stands behind the lab file's name for the folder in which the copy is built. Only its owner may look into it."""


def compact(path: str, patience: float, *, before_move: Callable[[str], None]) -> tuple[int, int]:
    """Compacts the lab file; returns its size in bytes before and after. Call it under the gate, with the file closed.

    ``before_move`` is given the fresh file's path as the last thing before it takes the old one's place.
    Raises StoreError, for example for a full disk: the lab file is then as it was. Takes a few seconds for each
    gigabyte, and meanwhile as much free space as the file has of data.
    """
    import duckdb

    folder = path + FOLDER
    draft = os.path.join(folder, "copy")
    try:
        shutil.rmtree(folder, ignore_errors=True)  # of one who was killed
        os.mkdir(folder, 0o700)
        _copy(path, draft, time.monotonic() + patience)
        before, after = os.path.getsize(path), os.path.getsize(draft)
        _replace(draft, path, before_move)
    except OSError as error:
        raise opening.explained_os(path, error) from error
    except duckdb.Error as error:
        raise opening.explained(path, error) or _failed(path, str(error)) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return before, after


def leftovers(path: str) -> list[str]:
    """Files beside the lab file that a process left which was killed half-way. The next of its kind removes them."""
    names = [path + ending for ending in (FOLDER, ".new", ".new.wal", rollback_journal.ENDING + ".new")]
    return [name for name in names if os.path.exists(name)]


def _copy(path: str, draft: str, deadline: float) -> None:
    con = opening.connect(path, deadline)
    try:
        row = con.execute("SELECT current_database()").fetchone()
        assert row is not None
        con.execute(f"ATTACH {literal(draft)} AS fresh (STORAGE_VERSION {literal(opening.STORAGE)})")
        name = '"' + str(row[0]).replace('"', '""') + '"'
        con.execute("SET threads = 2")  # here there is work for a second one
        con.execute(f"COPY FROM DATABASE {name} TO fresh")
        con.execute("CHECKPOINT fresh")
        con.execute("DETACH fresh")
    finally:
        opening.close(con, path)


def _replace(draft: str, path: str, before_move: Callable[[str], None]) -> None:
    """Puts the draft in the place of the file. A journal must not be there: it would be replayed into the wrong file."""
    for journal in (path + ".wal", draft + ".wal"):
        if os.path.exists(journal):
            raise _failed(path, f"its journal {journal} could not be emptied")
    shutil.copymode(path, draft)
    with contextlib.suppress(PermissionError):  # only an administrator may give files away
        found = os.stat(path)
        os.chown(draft, found.st_uid, found.st_gid)
    before_move(draft)
    put_in_place(draft, path)
    flush(os.path.dirname(path))


def _failed(path: str, reason: str) -> StoreError:
    return StoreError(path, f"could not be compacted: {reason}", "It is as it was, and can be used.")
