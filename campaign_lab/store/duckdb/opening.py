"""Opening the lab file: made whole or not at all, and every reason why it cannot be used told in plain words."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import time
from typing import TYPE_CHECKING

from campaign_lab.errors import UNAVAILABLE, StoreError
from campaign_lab.store import schema
from campaign_lab.store.duckdb import rollback_journal
from campaign_lab.store.whole_file import put_in_place

if TYPE_CHECKING:
    import duckdb

STORAGE = "v1.5.0"
"""The format new files are written in: DuckDB 1.5 and 2.0 both read it, and it sticks to the file."""

CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "memory_limit": "1GB",
    "threads": 1,  # a second one would be woken by each statement, and has work in the largest labs only
    "autoinstall_known_extensions": False,  # a store downloads nothing
    "checkpoint_threshold": "1TB",  # only close() writes to the file, and it keeps what it writes over
    "python_enable_replacements": False,  # a table name in a query never means a variable of the caller
}
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
_DENIED = (errno.EACCES, errno.EROFS, errno.EPERM)

# What only the words of DuckDB tell: its exceptions carry no code, and asking the file itself would give up the lock that
# this process may hold on it. All else is decided by the exception's class, an error number or the file's first bytes.
_TOO_NEW = re.compile(r"version number (\d+), but we can only read .*?between (\d+) and (\d+)")
_TOO_NEW_TOO = "Unsupported Storage Version"
_LOCKED = "Conflicting lock"
_LOCKED_BY = re.compile(r"held in (.+?) \(PID (\d+)\)")
_DAMAGED = ("Corrupt database", "Could not read enough bytes")


def connect(path: str, deadline: float) -> duckdb.DuckDBPyConnection:
    """An open connection to the up-to-date lab file, made if there is none. Call it under the gate.

    A program that goes round the gate (the DuckDB shell, an editor) is waited for until ``deadline``
    (``time.monotonic()``). Raises StoreError.
    """
    import duckdb  # 120 ms that only who opens a file should pay

    try:
        if not os.path.exists(path) or os.path.getsize(path) == 0:
            _create(path)
        rollback_journal.roll_back(path)
        return _prepared(_connect_patiently(path, deadline), path)
    except OSError as error:
        raise explained_os(path, error) from error
    except duckdb.ConnectionException as error:
        advice = "Close your own connection to it first: connection.close()."
        raise StoreError(
            path, "is held open by another DuckDB connection of this very process", advice, UNAVAILABLE
        ) from error
    except duckdb.Error as error:
        if not _is_duckdb(path):
            advice = "Choose another name for the lab file. Nothing was changed."
            raise StoreError(path, "is not a DuckDB file", advice) from error
        raise _of_file(path, error) from error


def _is_duckdb(path: str) -> bool:
    """Does the file begin as DuckDB's do? Ask only while this process does not hold it open: closing it gives up all locks."""
    try:
        with open(path, "rb") as file:
            head = file.read(12)
    except OSError:
        return True  # it cannot be told
    return head[8:] == b"DUCK" or not head  # an empty one is about to be made


def _prepared(con: duckdb.DuckDBPyConnection, path: str) -> duckdb.DuckDBPyConnection:
    try:
        con.execute("SET TimeZone = 'UTC'")  # refused in the configuration
        schema.migrate(con, path)
    except BaseException:
        close(con, path)
        raise
    return con


def close(con: duckdb.DuckDBPyConnection, path: str) -> None:
    """Close a connection, which checkpoints the file. Where that fails (a full disk) nothing is lost: the journal stays."""
    import duckdb

    try:
        with rollback_journal.guarded(con, path):
            con.close()
    except (OSError, duckdb.Error):
        with contextlib.suppress(duckdb.Error):
            con.execute("PRAGMA disable_checkpoint_on_shutdown")
        with contextlib.suppress(duckdb.Error):
            con.close()


def explained_os(path: str, error: OSError) -> StoreError:
    """The StoreError that an error of the file system amounts to."""
    return _of_system(path, error) or _unknown(path, error)


def explained(path: str, error: BaseException) -> StoreError | None:
    """The StoreError that an error met inside a transaction amounts to; None if it is not about the file.

    Decided by the error's type first: the text of other errors may quote what was to be stored.
    """
    import duckdb

    if isinstance(error, duckdb.TransactionException | duckdb.OutOfMemoryException):
        return _of_system(path, error)  # a full disk is met at the commit, or when a query spills
    about_file = isinstance(error, duckdb.IOException | duckdb.FatalException | duckdb.InternalException)
    if about_file or type(error) is duckdb.Error:  # the plain one tells of a damaged block
        return _of_file(path, error)
    return None


def in_use(path: str, holder: int | None, patience: float) -> StoreError:
    """Another process, whose id is ``holder`` if that is known, has kept the gate for all of our patience, in seconds."""
    who = "another process" if holder is None else f"process {holder}"
    return StoreError(
        path,
        f"is in use by {who}, which did not hand it over within {patience:g} seconds",
        "Wait until it is done or end that process, then run again. What was stored before stays.",
        UNAVAILABLE,
    )


def half_inherited(path: str) -> StoreError:
    """This process is the child of one that was in the middle of a transaction."""
    return StoreError(
        path,
        "cannot be used in this process: it was forked while its parent was writing",
        'Start the process anew instead of forking it, for example multiprocessing.get_context("spawn").',
    )


def _of_system(path: str, error: BaseException) -> StoreError | None:
    """What the operating system refused. DuckDB gives its words and not its number."""
    if isinstance(error, OSError):
        code = error.errno
    else:
        code = next((each for each in (*_FULL, *_DENIED) if os.strerror(each) in str(error)), None)
    folder = os.path.dirname(path)
    if code in _FULL:
        return StoreError(
            path,
            "could not be written: the disk is full",
            f"Free some space where {folder} lies and run again. What was stored before is all there.",
        )
    if code in _DENIED:
        advice = f"Choose a lab file in a folder that you may write to, or ask for the right to write to {folder}."
        return StoreError(path, "cannot be used: you may not read and write it", advice)
    return None


def _of_file(path: str, error: BaseException) -> StoreError:
    """What is wrong with the file itself, or who else holds it."""
    import duckdb

    if known := _of_system(path, error):
        return known
    text = str(error)
    if _TOO_NEW_TOO in text or _too_new(text):
        advice = "Upgrade the duckdb package, or choose another lab file. Nothing was changed."
        return StoreError(path, "was written by a newer DuckDB than the one installed here", advice)
    if _LOCKED in text:
        found = _LOCKED_BY.search(text)
        who = f"{os.path.basename(found[1])}, process {found[2]}" if found else "unknown"
        return StoreError(
            path,
            f"is held open by another program ({who})",
            "Close the file there and run again. What was stored before stays.",
            UNAVAILABLE,
        )
    if type(error) is duckdb.Error or any(words in text for words in _DAMAGED):
        advice = "Put back a copy of it, or choose another lab file. Nothing was changed."
        return StoreError(path, f"is damaged: {text}", advice)
    return _unknown(path, error)


def _too_new(text: str) -> bool:
    found = _TOO_NEW.search(text)
    return found is not None and int(found[1]) > int(found[3])


def _unknown(path: str, error: BaseException) -> StoreError:
    words = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
    return StoreError(path, f"cannot be used: {words}", "Look at the path, or choose another lab file.")


def check_path(path: str) -> None:
    """Make the parent folders, and refuse what can never be a lab file. Raises StoreError."""
    if os.path.isdir(path):
        raise StoreError(path, "is a folder", f"Name a file in it, for example {os.path.join(path, 'lab.duckdb')}.")
    if os.path.exists(path) and not os.path.isfile(path):
        raise StoreError(path, "is not a regular file", "Choose another name for the lab file.")
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.EEXIST):
            advice = "Choose another path: a part of this one is a file."
            raise StoreError(path, "cannot be made: its folder is not a folder", advice) from error
        raise explained_os(path, error) from error


def _create(path: str) -> None:
    """Build the file under another name and move it into place: who is killed half-way leaves no half file."""
    import duckdb

    if os.path.exists(path + ".wal"):
        raise StoreError(
            path,
            f"is missing, but its journal {path}.wal is still there",
            "Put the lab file back beside its journal, or move the journal away to begin with an empty file.",
        )
    draft = path + ".new"
    for leftover in (draft, draft + ".wal"):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(leftover)
    config = {**CONFIG, "storage_compatibility_version": STORAGE}
    with contextlib.closing(duckdb.connect(draft, config=config)) as con:
        _prepared(con, path).execute("CHECKPOINT")
    put_in_place(draft, path)


def _connect_patiently(path: str, deadline: float) -> duckdb.DuckDBPyConnection:
    import duckdb

    pause = 0.01
    while True:
        try:
            return duckdb.connect(path, config=CONFIG)
        except duckdb.IOException as error:
            if _LOCKED not in str(error) or time.monotonic() + pause > deadline:
                raise
            time.sleep(pause)
            pause = min(pause * 1.7, 0.25)
