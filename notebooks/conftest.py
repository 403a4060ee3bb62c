"""For ``pytest --nbval notebooks``: cells know their ids, and work in a throw-away lab where none is named."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from campaign_lab.jupyter.cell_ids import pytest_runtest_call

__all__ = ["pytest_runtest_call"]


def pytest_configure(config: pytest.Config) -> None:
    """What is saved is a function of a fresh lab's turns: forks and ratings in one's own lab would show."""
    if "CAMPAIGN_LAB_STORE" not in os.environ:
        folder = tempfile.TemporaryDirectory()
        config.add_cleanup(folder.cleanup)
        os.environ["CAMPAIGN_LAB_STORE"] = str(Path(folder.name) / "lab.duckdb")
        config.add_cleanup(lambda: os.environ.pop("CAMPAIGN_LAB_STORE", None))
