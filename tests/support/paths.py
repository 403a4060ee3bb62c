"""Where the checkout keeps what the tests read."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BRIEFS = ROOT / "data" / "briefs"
SITES = ROOT / "data" / "sites"


def copy_notebooks(folder: Path, root: Path = ROOT) -> None:
    """Copies a checkout's notebooks and data into a folder, where notebooks may write."""
    for name in ("notebooks", "data"):
        shutil.copytree(root / name, folder / name, ignore=shutil.ignore_patterns("*.duckdb*", ".ipynb_checkpoints"))
