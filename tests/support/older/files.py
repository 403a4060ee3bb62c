"""The files of tests/data/older: unpacked where a test works, and what was shown of them held against what is shown now."""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import math
import re
import tarfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatch
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import psycopg

from campaign_lab import Lab
from support.older.campaign import USERS
from support.paths import ROOT
from support.postgres import ADMIN, OWNER, PostgresServer

OLDER = ROOT / "tests" / "data" / "older"
VERSIONS = tuple(sorted(path.name for path in OLDER.iterdir() if path.is_dir()))
MOST = 300
"""Characters of a value that a failure shows."""


@dataclass(frozen=True)
class Change:
    """A value that is shown otherwise on purpose: where it stands (a pattern), what it was, and why."""

    path: str
    was: Any
    why: str


CHANGED: Mapping[str, tuple[Change, ...]] = {
    "68e4478": (
        Change("tables/costs by */cost_usd/*", None, "a sum shows what is known; one unknown price had made all of it unknown"),
        Change("sessions/*/receipt/avoided", None, "several turns together avoided nothing, which had been said to be unknown"),
        Change("tables/*/claims/*", ANY, "a sentence that no claim carries counts as a claim that is not supported"),
        Change("tables/compare/near_duplicate/*", "", "forks that are compared name each other's near duplicates"),
        Change("sessions/*/full_name", ANY, "it names the site's host too, so that it stands for one session only"),
    ),
    "4516828": (
        Change("tables/*/claims/*", ANY, "a sentence that no claim carries counts as a claim that is not supported"),
        Change("tables/compare/near_duplicate/*", "", "forks that are compared name each other's near duplicates"),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Older:
    """The files that one version made."""

    version: str

    @cached_property
    def shown(self) -> dict[str, Any]:
        """What that version showed, by part (lab, notebooks, postgres): ``at`` is when, the rest is by user."""
        found: dict[str, Any] = json.loads(self._unpacked("shown.json"))
        return found

    def at(self, part: str) -> datetime:
        """When that version showed the part: what depends on the time is compared at that moment."""
        return datetime.fromisoformat(self.shown[part]["at"])

    def file(self, name: str, folder: Path) -> Path:
        """The file of that name, unpacked into the folder."""
        path = folder / name
        path.write_bytes(self._unpacked(name))
        return path

    def notebooks(self, folder: Path) -> Path:
        """The lab in which the notebooks were run; the batch's folder lies beside it as if it had been made there."""
        with tarfile.open(fileobj=io.BytesIO(self._unpacked("notebooks.tar"))) as archive:
            archive.extractall(folder, filter="data")
        path = (folder / "notebooks.duckdb").rename(folder / "lab.duckdb")
        store = hashlib.sha256(json.dumps(str(path.resolve())).encode()).hexdigest()[:16]
        for row in folder.glob("runs/*/.batch/rows/*.json"):
            made = json.loads(row.read_text(encoding="utf-8"))
            made["inputs"]["store"] = store
            row.write_text(json.dumps(made), encoding="utf-8")
        return path

    def kept_notebooks(self, folder: Path) -> Path:
        """The same lab with its sessions running: they expired long ago, and a renewed one has paid nothing itself."""
        path = self.notebooks(folder)
        with Lab(path, user="ana") as lab:
            for session in lab.sessions()["id"]:
                lab.open(session).keep_for("36500d")
        return path

    def restore(self, server: PostgresServer) -> dict[str, str]:
        """The urls by user of a database with the dump in it, which its owner has opened once."""
        name = f"older {self.version}"
        server.add_database(name)
        for user in USERS:
            server.add_role(user)
        with psycopg.connect(server.url(ADMIN, name), autocommit=True) as con:
            con.execute(self._unpacked("postgres.sql"))
        Lab(server.url(OWNER, name), user=OWNER).close()
        return {user: server.url(user, name) for user in USERS}

    def changes(self, was: Any, now: Any) -> list[str]:
        """Where what was shown is shown otherwise now, but for the changes on purpose. What is new is none."""
        known = CHANGED[self.version]
        return [
            f"{path}: {repr(before)[:MOST]} is now {repr(after)[:MOST]}"
            for path, before, after in _changes(was, json.loads(json.dumps(now)))
            if not any(fnmatch(path, change.path) and change.was == before for change in known)
        ]

    def _unpacked(self, name: str) -> bytes:
        return lzma.decompress((OLDER / self.version / f"{name}.xz").read_bytes())


def _changes(was: Any, now: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    if path.startswith("tables/costs by ") and path.count("/") == 1:
        was, now = _by_key(was), _by_key(now)
    if path.endswith("/card"):
        gone = _words(was) - _words(now)
        if gone:
            yield path, " ".join(gone), ""
    elif isinstance(was, dict) and isinstance(now, dict):
        for name, value in was.items():
            yield from _changes(value, now.get(name), f"{path}/{name}".lstrip("/"))
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for place, (before, after) in enumerate(zip(was, now, strict=True)):
            yield from _changes(before, after, f"{path}/{place}")
    elif isinstance(was, float) and isinstance(now, float):
        if not math.isclose(was, now, abs_tol=1e-9):
            yield path, was, now
    elif was != now:
        yield path, was, now


def _by_key(costs: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """A table of costs in the order of its keys: the order of what it shows follows the known costs."""
    key, *_ = costs
    order = sorted(range(len(costs[key])), key=lambda place: str(costs[key][place]))
    return {name: [values[place] for place in order] for name, values in costs.items()}


def _words(text: str) -> Counter[str]:
    """The words of a card: where each stands is a matter of layout."""
    return Counter(re.findall(r"\w+", text))
