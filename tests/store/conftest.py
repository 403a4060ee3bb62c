"""Lab files for the tests of the store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from campaign_lab.store.duckdb.engine import DuckFile, open_file


@pytest.fixture
def path(tmp_path: Path) -> str:
    """Where a lab file may be made."""
    return str(tmp_path / "lab.duckdb")


@pytest.fixture
def file(path: str) -> Iterator[DuckFile]:
    """A new lab file, open."""
    opened = open_file(path)
    yield opened
    opened.close()
