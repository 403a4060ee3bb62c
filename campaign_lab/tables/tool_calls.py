"""What agents asked to read: the calls of the page reader in stored conversations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

FETCH = "fetch_page"
"""How the name of the tool that reads a page ends."""


def pages_asked(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each call of the page reader in an entry: its id, and the address as the agent wrote it."""
    content = (entry.get("message") or {}).get("content")
    for block in content if isinstance(content, list) else ():
        if block.get("type") == "tool_use" and str(block.get("name", "")).endswith(FETCH):
            given = block.get("input")
            yield str(block.get("id")), str(given.get("url", "")) if isinstance(given, dict) else ""
