"""Where a lab is kept: a file or a server, and which one when nobody says so."""

from __future__ import annotations

import os
from pathlib import Path

from campaign_lab.errors import StoreError
from campaign_lab.store.connection import Store

SETTING = "CAMPAIGN_LAB_STORE"
"""The environment variable that names the lab file, or the server's url."""
SCHEMES = ("postgresql://", "postgres://")
"""How the url of a PostgreSQL server begins."""


def is_server(location: str | os.PathLike[str]) -> bool:
    """Is it the url of a server, and not a file?"""
    return isinstance(location, str) and location.startswith(SCHEMES)


def open_store(location: str | os.PathLike[str]) -> Store:
    """Opens the lab file, or the server's lab, of that path or url; made if there is none. Raises StoreError."""
    if is_server(location):
        from campaign_lab.store.postgres.server import open_server

        return open_server(str(location))
    from campaign_lab.store.duckdb.engine import open_file

    return open_file(whole_path(location))


def whole_path(location: str | os.PathLike[str]) -> str:
    """The whole path of a lab file; ``~`` is the home folder. Raises StoreError for what is no path.

    No file is made in the name of a url, which may hold a password.
    """
    scheme, separator, _ = str(location).partition("://")
    if separator:
        advice = f"Give the path of a file, or a url that begins with {SCHEMES[0]}."
        raise StoreError(f"{scheme}://…", "is no place for a lab", advice)
    if str(location).startswith(":memory:"):
        advice = "A lab has to outlive its process: give the path of a file, such as one in a temporary folder."
        raise StoreError(str(location), "would be in memory only", advice)
    try:
        return os.path.abspath(Path(location).expanduser())
    except RuntimeError:
        advice = "Nobody of that name has a home folder here: give a whole path."
        raise StoreError(str(location), "cannot be found", advice) from None


def default_location() -> str:
    """The lab's url or whole path: CAMPAIGN_LAB_STORE, else a checkout's data/lab.duckdb, else in the user's data folder."""
    if named := os.environ.get(SETTING):
        return named if is_server(named) else whole_path(named)
    checkout = Path(__file__).resolve().parent.parent.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "data").is_dir():
        return str(checkout / "data" / "lab.duckdb")
    from platformdirs import user_data_path

    return str(user_data_path("campaign_lab") / "lab.duckdb")
