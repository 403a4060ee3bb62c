"""A batch's folder: the executed notebooks, and the batch's own files in ``.batch``. Each file is replaced as a whole.

``batch.json`` has the batch's id, ``rows/`` one file per run, ``briefs/`` the briefs as they were used. ``lock`` is locked
while a batch works here; the lock (flock) ends with its process.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import logging
import os
import socket
import uuid
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

from campaign_lab.batch.rows import Row
from campaign_lab.errors import LabError
from campaign_lab.store.whole_file import whole_file

HOME = ".batch"


class FolderInUse(LabError):
    """Another batch works in the folder. ``holder`` is how that batch described itself in the lock file."""

    def __init__(self, folder: str, holder: str) -> None:
        super().__init__(folder, holder)
        self.folder = folder
        self.holder = holder

    def __str__(self) -> str:
        return (
            f"A batch already works in {self.folder}: {self.holder or 'who, is not known'}. "
            "Wait for its end or cancel it, or give another folder."
        )


class RowFiles:
    """The rows of a batch in its folder. Only the batch that has locked the folder may write; everybody may read."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self.home = self.folder / HOME

    def batch_id(self) -> str:
        """Returns the batch's id in the ledger, empty when there is no batch here. Raises LabError when its file is damaged."""
        path = self.home / "batch.json"
        try:
            return str(json.loads(path.read_text(encoding="utf-8"))["id"])
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise LabError(
                f"{path} cannot be read ({type(error).__name__}). Put it back, or give another folder."
            ) from None

    def refuse_foreign(self, runs: Sequence[str]) -> None:
        """Raises ValueError when these runs would overwrite notebooks or a report that no batch has made."""
        notebooks = [f"{run}.ipynb" for run in runs if not (self.home / "rows" / f"{run}.json").exists()]
        reports = [] if self.home.is_dir() else ["index.html", "summary.parquet"]
        for name in (*notebooks, *reports):
            if (self.folder / name).exists():
                raise ValueError(
                    f"out: {str(self.folder / name)!r} is there, and no batch has made it; move it away, or give another folder"
                )

    def begin(self, template: str) -> str:
        """Returns the batch's id; makes and saves a new one when there is none."""
        known = self.batch_id()
        if known:
            return known
        made = {"id": str(uuid.uuid4()), "template": template, "created_at": datetime.now(UTC).isoformat()}
        self.save(f"{HOME}/batch.json", json.dumps(made, indent=1).encode())
        return made["id"]

    def rows(self) -> dict[str, Row]:
        """Returns all rows by run. A file that cannot be read counts as missing: its run is done again, and paid turns replay."""
        found = {}
        for path in sorted((self.home / "rows").glob("*.json")):
            try:
                row = Row.from_json(path.read_text(encoding="utf-8"))
            except (OSError, ValueError, TypeError, AttributeError):
                logging.getLogger("campaign_lab").warning("%s is no row of a batch; its run counts as not done", path)
                continue
            if row.run == path.stem:
                found[row.run] = row
        return found

    def write(self, row: Row) -> None:
        """Saves a row. Raises OSError; the stored row is then unchanged."""
        self.save(f"{HOME}/rows/{row.run}.json", row.to_json().encode())

    def save(self, name: str, data: bytes) -> Path:
        """Replaces a file of the folder and returns its path: it is the old file or the new one, never a part. Raises OSError."""
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        self.home.mkdir(exist_ok=True)
        with whole_file(target, self.home / f"{target.name}.draft") as draft:
            draft.write_bytes(data)
        return target

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Locks the folder for a batch. Raises FolderInUse, and ValueError when the folder cannot be made."""
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            file = os.open(self.home / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise ValueError(f"out: {str(self.folder)!r} cannot be used as a folder ({error.strerror})") from None
        try:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise FolderInUse(str(self.folder), os.pread(file, 500, 0).decode(errors="replace")) from None
            os.ftruncate(file, 0)
            os.pwrite(file, _who().encode(), 0)
            yield
            os.ftruncate(file, 0)
        finally:
            os.close(file)


def _who() -> str:
    since = datetime.now(UTC)
    return f"process {os.getpid()} of {getpass.getuser()} on {socket.gethostname()}, since {since:%Y-%m-%d %H:%M} UTC"
