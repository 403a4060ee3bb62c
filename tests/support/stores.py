"""Fresh places for labs in tests: files of a folder, or databases of a server on which each user is a role."""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar
from urllib.parse import quote

import pytest

from campaign_lab import Lab
from campaign_lab.store.connection import Con, Store
from campaign_lab.store.location import open_store
from support.postgres import OWNER, PostgresServer

T = TypeVar("T")
KINDS = ("file", "server")


class Stores(Protocol):
    """Where a test finds and makes its labs, by names of its own."""

    kind: str

    def place(self, name: str = "lab.duckdb", *, user: str = OWNER) -> str:
        """The path or url of a lab as that user opens it; an empty lab if there is none of that name yet."""

    def copy(self, source: str, name: str = "lab.duckdb") -> None:
        """Makes the lab of that name a copy of one that ``kept`` has given."""

    def kept(self, name: str = "lab.duckdb") -> str:
        """What ``copy`` makes copies of. Nobody may have the lab open then."""


class Files:
    """Lab files. Whoever can read one can read it, so all users open the same path."""

    kind = "file"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def place(self, name: str = "lab.duckdb", *, user: str = OWNER) -> str:
        """The file's path; the file is made when it is opened."""
        return str(self._folder / name)

    def copy(self, source: str, name: str = "lab.duckdb") -> None:
        """Copies the file."""
        shutil.copyfile(source, self.place(name))

    def kept(self, name: str = "lab.duckdb") -> str:
        """The file's path."""
        return self.place(name)


class Databases:
    """Databases whose tables belong to OWNER. Everybody else is a role that row-level security holds."""

    kind = "server"
    _numbers = itertools.count()

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._names: dict[str, str] = {}

    def place(self, name: str = "lab.duckdb", *, user: str = OWNER) -> str:
        """The url with the user's password; a copy of an empty lab if it is new."""
        if name not in self._names:
            self.copy(empty_database(self._server), name)
        self._server.add_role(user)
        return self._server.url(user, self._names[name])

    def copy(self, source: str, name: str = "lab.duckdb") -> None:
        """Copies the database."""
        assert name not in self._names
        self._names[name] = f"lab {next(self._numbers)}"
        self._server.add_database(self._names[name], template=source)

    def kept(self, name: str = "lab.duckdb") -> str:
        """The database's name."""
        return self._names[name]

    def drop(self) -> None:
        """Removes the databases."""
        for database in self._names.values():
            self._server.drop_database(database)


def empty_database(server: PostgresServer) -> str:
    """A database with a lab's tables and nothing in them, made once a server."""
    name = "empty lab"
    if name not in server.made:
        server.add_database(name)
        open_store(server.url(OWNER, name)).close()
        server.made.add(name)
    return name


@contextlib.contextmanager
def stores_of(kind: str, folder: Path, request: pytest.FixtureRequest) -> Iterator[Stores]:
    """Places of that kind, for as long as it is entered. Processes that are started meanwhile know the passwords."""
    if kind == "file":
        yield Files(folder)
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    databases = Databases(server)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PGPASSFILE", str(server.pass_file))
        yield databases
    databases.drop()


@contextlib.contextmanager
def opened(place: str) -> Iterator[Store]:
    """The store of a path or url, open."""
    store = open_store(place)
    try:
        yield store
    finally:
        store.close()


def by_hand(lab: Lab, work: Callable[[Con], T]) -> T:
    """Runs the function on the lab's store as who may write down anything of anybody: on a server that is the tables' owner."""
    store = lab._context.engine
    if store.role is None:
        return store.call(work)
    with opened(store.display_url.replace(f"//{quote(store.role)}@", f"//{OWNER}@")) as owned:
        return owned.call(work)
