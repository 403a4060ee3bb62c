"""What the workbench adds to the SDK: a research turn through it, over the same conversation with the bare SDK.

Same prompts, agents, tools, options and endpoint. The bare side has no lab file, ledger, pages or checks: its tools
answer from a dictionary. Both sides were run once before, so that nothing is loaded for the first time. Pairs alternate.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import claude_agent_sdk as sdk
from mcp.types import ToolAnnotations

from campaign_lab import Brief, Lab
from campaign_lab.agents.phases import TOOLS, all_agents, builtin_phases, system_prompt
from campaign_lab.agents.process.cli_environment import environment, workplace
from campaign_lab.agents.tools import server as tools
from campaign_lab.lab import DEFAULT_MODEL
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server.app import RehearsalServer

BAR = 1.25
PAIRS = 6
ROOT = Path(__file__).resolve().parent.parent
RESEARCH = builtin_phases()["research"]


def main() -> int:
    """Prints the median ratio; 1 when it is over the bar or the two sides did not do the same."""
    brief = Brief.load(ROOT / "data" / "briefs" / "cairnwold-autumn.toml")
    server = RehearsalServer()
    server.start()
    endpoint = RehearsalEndpoint(server)
    with (
        tempfile.TemporaryDirectory() as folder,
        Lab(Path(folder) / "lab.duckdb", endpoint=endpoint, user="bench") as lab,
    ):
        _, requests = _ours(lab, brief, server, "warm")
        pages = _pages(lab)
        _bare(brief, server, pages)
        ratios, counts = [], {requests}
        for pair in range(PAIRS):
            sides = [("ours", lambda name=f"pair {pair}": _ours(lab, brief, server, name)),
                     ("bare", lambda: _bare(brief, server, pages))]  # fmt: skip
            done = {side: run() for side, run in (sides if pair % 2 else reversed(sides))}
            ratios.append(done["ours"][0] / done["bare"][0])
            counts |= {done["ours"][1], done["bare"][1]}
            print(f"  pair {pair + 1}: ours {done['ours'][0]:.2f} s, bare {done['bare'][0]:.2f} s")
    ratio = statistics.median(ratios)
    print(f"overhead: a research turn takes {ratio:.2f} x the bare SDK's time, median of {PAIRS} pairs (bar {BAR:.2f})")
    if len(counts) > 1:
        print(f"  the two sides sent different numbers of requests ({sorted(counts)}): the figure means nothing")
    return 0 if ratio <= BAR and len(counts) == 1 else 1


def _ours(lab: Lab, brief: Brief, server: RehearsalServer, name: str) -> tuple[float, int]:
    """Seconds and requests of a research turn in a session of its own; its pages are stored already."""
    session, before = lab.session(brief, name), len(server.book)
    began = time.perf_counter()
    lab.run_sync(session.run("research"))
    return time.perf_counter() - began, len(server.book) - before


def _pages(lab: Lab) -> dict[str, str]:
    """The stored pages as the agents see them, by every address that leads to them."""
    from campaign_lab.pages import Page
    from campaign_lab.pages.agent_view import page_for_agent
    from campaign_lab.store import queries

    rows = lab._context.engine.call(lambda con: queries.select(con, queries.PageRow, "WHERE error IS NULL"))
    found = [(row.requested_url, Page.from_json(row.page)) for row in rows]
    return {url: page_for_agent(page) for asked, page in found for url in (asked, page.url)}


def _bare(brief: Brief, server: RehearsalServer, pages: dict[str, str]) -> tuple[float, int]:
    """Seconds and requests of the same conversation without the workbench."""
    before, began = len(server.book), time.perf_counter()
    asyncio.run(_converse(brief, server, pages))
    return time.perf_counter() - began, len(server.book) - before


async def _converse(brief: Brief, server: RehearsalServer, pages: dict[str, str]) -> None:
    endpoint = RehearsalEndpoint(server)
    with workplace("bench") as (folder, folders):
        options = sdk.ClaudeAgentOptions(
            model=DEFAULT_MODEL, tools=["Agent"], allowed_tools=list(TOOLS), permission_mode="dontAsk", setting_sources=[],
            strict_mcp_config=True, mcp_servers={tools.SERVER: _tools(pages)}, agents=_agents(), system_prompt=system_prompt(),
            thinking={"type": "disabled"}, verbatim_prompts=True, max_buffer_size=64 << 20,
            session_store=sdk.InMemorySessionStore(), session_store_flush="eager", env=environment(endpoint.env(), folders),
            cwd=str(folder), session_id=str(uuid.uuid4()),
        )  # fmt: skip
        async with sdk.ClaudeSDKClient(options) as client:
            await client.query(RESEARCH.message(brief))
            async for _ in client.receive_response():
                pass


def _agents() -> dict[str, sdk.AgentDefinition]:
    return {
        agent.name: sdk.AgentDefinition(
            description=agent.description, prompt=agent.prompt, tools=list(agent.tools), model=agent.model,
            maxTurns=agent.max_turns,
        )
        for agent in all_agents(RESEARCH)
    }  # fmt: skip


def _tools(pages: dict[str, str]) -> sdk.McpSdkServerConfig:
    reads = ToolAnnotations(readOnlyHint=True, maxResultSizeChars=200_000)

    @sdk.tool("fetch_page", "Read one web page: its text, headings, numbers, testimonials, links and colours, as JSON.",
              tools.FETCH_SCHEMA, annotations=reads)  # fmt: skip
    async def fetch_page(arguments: dict[str, Any]) -> dict[str, Any]:
        return _text(pages.get(arguments["url"], json.dumps({"error": "there is no such page"})))

    @sdk.tool("save_records", "Hand in the results of this phase. Answers with what to mend.", tools.SAVE_SCHEMA)
    async def save_records(arguments: dict[str, Any]) -> dict[str, Any]:
        return _text(json.dumps({"saved": [arguments["kind"]], "problems": []}))

    return sdk.create_sdk_mcp_server(tools.SERVER, "1", [fetch_page, save_records])


def _text(text: str) -> dict[str, Any]:
    return {"content": [{"type": "text", "text": text}]}


if __name__ == "__main__":
    sys.exit(main())
