"""Where the checkout keeps what the tests read."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BRIEFS = ROOT / "data" / "briefs"
SITES = ROOT / "data" / "sites"
