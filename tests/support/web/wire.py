"""What the prompt cache compares: requests of the Messages API without what does not count for it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any


def assert_carries(later: Any, earlier: Any) -> None:
    """The later request has the same tools and system prompt, and begins with all messages of the earlier one."""
    for part in ("model", "tools", "system", "thinking"):
        assert text_of(later.get(part)) == text_of(earlier.get(part))
    carried = [text_of(message) for message in earlier["messages"]]
    assert [text_of(message) for message in later["messages"][: len(carried)]] == carried
    assert later["messages"][len(carried)]["role"] == "assistant"  # the answer that ended the earlier turn
    assert len(later["messages"]) > len(carried) + 1


def text_of(value: Any) -> str:
    """The bytes that count for the cache: all but the breakpoints, and the CLI's way to write the one block that has none."""
    return json.dumps(_plain(value), ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _plain(each) for name, each in value.items() if name != "cache_control"}
        return kept | {"content": _plain(blocks(value))} if "role" in value else kept
    return [_plain(each) for each in value] if isinstance(value, list) else value


def blocks(message: Any) -> Sequence[Any]:
    """The content of a message, of which a text alone is one block."""
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
