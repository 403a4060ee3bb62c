"""The two tools that every phase has, served in this process: ``fetch_page`` and ``save_records``."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from claude_agent_sdk import McpSdkServerConfig, ToolAnnotations, create_sdk_mcp_server, tool

from campaign_lab.agents.tools.page_reader import PageReader
from campaign_lab.agents.tools.record_intake import RecordIntake, parsed

SERVER = "lab"

FETCH_SCHEMA = {
    "type": "object",
    "properties": {
        "url": {"type": "string", "description": "A url of the brief's sites, or one that a page read links to."}
    },
    "required": ["url"],
}
SAVE_SCHEMA = {
    "type": "object",
    "properties": {
        "kind": {"type": "string", "description": "The kind of the records, such as brand_profile."},
        "records": {"type": "array", "items": {"type": "object"}, "description": "All records of that kind."},
        "missing": {
            "type": "array",
            "items": {"type": "string"},
            "description": "What was looked for and not found, one plain sentence each.",
        },
    },
    "required": ["kind", "records"],
}


def tool_server(reader: PageReader, intake: RecordIntake, clean: Callable[[Any], Any]) -> McpSdkServerConfig:
    """The in-process MCP server for one turn. Names, texts and schemas are the same for every turn.

    ``clean`` takes out of what a model hands in what must not be kept.
    """

    # readOnlyHint lets one agent fetch several pages at once; without maxResultSizeChars a long page becomes a file stub.
    @tool(
        "fetch_page",
        "Read one web page: its text, headings, testimonials, links, legal lines and colours, as JSON.",
        FETCH_SCHEMA,
        annotations=ToolAnnotations(readOnlyHint=True, maxResultSizeChars=200_000),
    )
    async def fetch_page(arguments: dict[str, Any]) -> dict[str, Any]:
        return _text(await reader.read(str(clean(arguments.get("url", "")))))

    @tool("save_records", "Hand in the results of this phase. Answers with what to mend.", SAVE_SCHEMA)
    async def save_records(arguments: dict[str, Any]) -> dict[str, Any]:
        records, missing = (clean(listed(arguments.get(name))) for name in ("records", "missing"))
        answer = intake.hand_in(clean(str(arguments.get("kind", ""))), records, missing)
        return _text(json.dumps(answer, ensure_ascii=False))

    return create_sdk_mcp_server(SERVER, "1", [fetch_page, save_records])


def listed(value: Any) -> list[Any]:
    """Models sometimes send one object for a list."""
    value = parsed(value)
    return value if isinstance(value, list) else [] if value is None else [value]


def _text(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}]}
