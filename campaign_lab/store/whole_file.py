"""Files that are there whole or not at all: written beside their target, and moved into its place as the last step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex


@contextmanager
def whole_file(target: Path, draft: Path | None = None) -> Iterator[Path]:
    """The path of a draft to write to; it takes the target's place when the block ends without an error.

    An error, or a kill, leaves an older file as it was. ``draft``: a path in the same file system, where a leftover of a
    killed process is to be found again; else a name of its own beside the target, for two may write the same file.
    Raises OSError.
    """
    beside = draft or target.with_name(f".{token_hex(8)}.part")
    try:
        yield beside
        put_in_place(beside, target)
    finally:
        beside.unlink(missing_ok=True)


def put_in_place(draft: str | Path, target: str | Path) -> None:
    """Gives a draft the name of its target, once its bytes are on the disk. Raises OSError."""
    flush(draft)
    os.replace(draft, target)


def flush(path: str | Path) -> None:
    """Waits until a file, or the names in a folder, are on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
