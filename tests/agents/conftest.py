"""What the tests of the agents share: a lab file, a page to quote from, and records as a model hands them in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from campaign_lab.store.duckdb.engine import DuckFile, open_file

URL = "https://termwick.example/"


@pytest.fixture
def file(tmp_path: Path) -> Iterator[DuckFile]:
    """A new lab file, open."""
    opened = open_file(tmp_path / "lab.duckdb")
    yield opened
    opened.close()


@pytest.fixture
def texts() -> dict[str, str]:
    """The stored page that the records quote from."""
    return {URL: "The form takes seven minutes from start to end.\n34 lenders in one table.\nYou see every rate first."}


@pytest.fixture
def claim() -> dict[str, Any]:
    """A claim that its quote carries."""
    return {"text": "The form takes seven minutes", "evidence": [{"quote": "The form takes seven minutes", "url": URL}]}


@pytest.fixture
def variant(claim: dict[str, Any]) -> dict[str, Any]:
    """A copy variant without a fault."""
    return {
        "angle": "Proof first",
        "headline": "Seven minutes, then you know",
        "primary_text": "The form takes seven minutes.",
        "description": "See the rates first",
        "call_to_action": "GET_QUOTE",
        "language": "en-CA",
        "claims": [claim],
    }


@pytest.fixture
def brand(claim: dict[str, Any]) -> dict[str, Any]:
    """A brand profile without a fault."""
    return {"name": "Termwick", "promise": claim, "voice": {"traits": ["plain"]}}
