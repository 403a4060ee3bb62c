"""One attempt at a turn: the only caller of the SDK.

Every attempt is an SDK session of its own. Its store answers with the entries of all ancestor turns, so continuing and
forking are the same thing, and a failed attempt leaves no trace in the conversation.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import claude_agent_sdk as sdk

from campaign_lab.agents import events
from campaign_lab.agents.complete import HandIn, lacking
from campaign_lab.agents.endpoints import without_key
from campaign_lab.agents.intake import Intake
from campaign_lab.agents.ledger import Ledger
from campaign_lab.agents.phases import FETCH_PAGE, SAVE_RECORDS, TOOLS, Phase, all_agents, system_prompt
from campaign_lab.agents.reader import PageReader
from campaign_lab.agents.tools import SERVER, listed, tool_server
from campaign_lab.agents.workplace import environment, workplace
from campaign_lab.errors import TurnFailed
from campaign_lab.records import BrandProfile
from campaign_lab.show.text import one_line
from campaign_lab.store.connection import Store
from campaign_lab.store.transcripts import TurnTranscripts

TOO_LONG = ("prompt_too_long", "blocking_limit")
"""The CLI's reasons for a conversation that does not fit: the service said so, or the CLI did not even send it."""

INTERRUPT_S = 1.0
"""How long the CLI may take to stop before its process is ended, in seconds."""


@dataclass(frozen=True)
class Plan:
    """What one attempt sends. ``ancestors`` are the ids of the turns before it, root first.

    ``angles`` are those that copy is to be written for. ``unasked`` are kinds of records that the brief does not ask for, each
    with the line that says so where none is handed in.
    """

    attempt_id: str
    ancestors: Sequence[str]
    phase: Phase
    message: str
    model: str
    endpoint_env: Mapping[str, str]
    budget_usd: float | None = None
    timeout_s: float = 3600.0
    angles: tuple[str, ...] = ()
    unasked: Mapping[str, str] = field(default_factory=dict)

    @property
    def reads_the_brand(self) -> bool:
        """Is it to say what the brand's own site says?"""
        return self.phase.record_type(BrandProfile.kind) is not None


@dataclass
class Attempt:
    """What is known of an attempt, while it runs and after. ``answer`` is the main agent's last text."""

    plan: Plan
    on_event: events.OnEvent
    ledger: Ledger = field(default_factory=Ledger)
    answer: str = ""
    failed_agents: list[str] = field(default_factory=list)
    started_agents: dict[str, str] = field(default_factory=dict)
    over_budget: bool = False
    in_vain: list[HandIn] = field(default_factory=list)
    _told: dict[str, str] = field(default_factory=dict)
    _fetches: dict[str, str] = field(default_factory=dict)
    _last_message: str = ""

    def entries_stored(self, subpath: str, entries: list[dict[str, Any]]) -> None:
        """Called by the store after each batch."""
        for request in self.ledger.read(subpath, entries):
            call = self.ledger.calls.get(subpath, "")
            self.on_event(events.TokensBooked(call, request.usage.total_tokens, request.cost_usd))
        spent, budget = self.ledger.cost_usd, self.plan.budget_usd
        self.over_budget = budget is not None and spent is not None and spent > budget

    def see(self, message: object) -> None:
        """Takes in one message of the SDK. Raises TurnFailed when the turn cannot end well any more."""
        match message:
            case sdk.MirrorErrorMessage():
                raise self.failure("store", f"a part of the conversation could not be stored ({message.error})")
            case sdk.TaskStartedMessage():
                agent = str(message.data.get("subagent_type", ""))
                self.started_agents[message.tool_use_id or ""] = agent
                self.on_event(events.AgentStarted(message.tool_use_id or "", agent, message.description))
            case sdk.TaskNotificationMessage():
                self._agent_ended(message)
            case sdk.AssistantMessage():
                self._assistant(message)
            case sdk.UserMessage() if isinstance(message.content, list):
                self._pages_read(message)
            case sdk.SystemMessage(subtype="api_retry"):
                self._retry(message.data)
            case sdk.ResultMessage():
                self._result(message)

    def failure(self, cause: str, reason: str) -> TurnFailed:
        """The error for this attempt, with what it cost."""
        read = self._fetches and cause not in ("site", "store")
        kept = "Pages that were read are kept and will not be fetched again." if read else ""
        told = one_line(without_key(reason, self.plan.endpoint_env)).rstrip(".")
        return TurnFailed(self.plan.phase.name, cause, told, kept, self.ledger.cost_usd)

    def _agent_ended(self, message: sdk.TaskNotificationMessage) -> None:
        call = message.tool_use_id or ""
        ok = message.status == "completed"
        if not ok:
            self.failed_agents.append(
                f"{self.started_agents.get(call, 'an agent')} ({message.summary or message.status})"
            )
        summary = "" if ok else without_key(message.summary, self.plan.endpoint_env)
        self.on_event(events.AgentEnded(call, ok, summary))

    def _assistant(self, message: sdk.AssistantMessage) -> None:
        call = message.parent_tool_use_id or ""
        for block in message.content:
            if isinstance(block, sdk.ToolUseBlock) and block.name == FETCH_PAGE:
                self._fetches[block.id] = call
                self.on_event(events.PageAsked(call, str(block.input.get("url", ""))))
            elif isinstance(block, sdk.ToolUseBlock) and block.name == SAVE_RECORDS:
                self._handed_in(call, block.input)
            elif isinstance(block, sdk.ToolUseBlock) and not call:
                self._told[block.id] = f"{block.input.get('description', '')}\n{block.input.get('prompt', '')}"
            elif isinstance(block, sdk.TextBlock) and not call:
                same = bool(self._last_message) and message.message_id == self._last_message
                self.answer = f"{self.answer}\n{block.text}".strip() if same else block.text
        if not call:
            self._last_message = message.message_id or ""

    def _handed_in(self, call: str, given: Mapping[str, Any]) -> None:
        kind = str(given.get("kind", ""))
        self.on_event(events.RecordsHandedIn(call, kind))
        if missing := tuple(map(str, listed(given.get("missing")))):
            self.in_vain.append(HandIn(kind, missing, self.started_agents.get(call, ""), self._told.get(call, "")))

    def _pages_read(self, message: sdk.UserMessage) -> None:
        for block in message.content:
            if isinstance(block, sdk.ToolResultBlock) and block.tool_use_id in self._fetches:
                refused = bool(block.is_error) or '{"error":' in json.dumps(block.content)[:80].replace("\\", "")
                self.on_event(events.PageRead(self._fetches[block.tool_use_id], not refused))

    def _retry(self, data: Mapping[str, Any]) -> None:
        status = data.get("error_status")
        reason = f"the endpoint answered {status}" if status else "the connection to the endpoint broke"
        wait_s = float(data.get("retry_delay_ms") or 0) / 1000
        attempt, most = int(data.get("attempt") or 1), int(data.get("max_retries") or 1)
        self.on_event(events.Retrying(attempt, most, wait_s, reason))

    def _result(self, message: sdk.ResultMessage) -> None:
        if self.over_budget:
            raise self.failure("budget", f"the budget of ${self.plan.budget_usd:.4f} for this turn is used up")
        if message.terminal_reason in TOO_LONG:
            advice = "fork from an earlier checkpoint, or ask for less in one turn"
            raise self.failure("api", f"the conversation is too long for the model; {advice}")
        if message.is_error or message.subtype != "success":
            what = message.result or "; ".join(message.errors or []) or message.terminal_reason or message.subtype
            status = f" (HTTP {message.api_error_status})" if message.api_error_status else ""
            raise self.failure("api", f"the endpoint did not answer{status}: {what}")


async def run_attempt(engine: Store, attempt: Attempt, reader: PageReader, intake: Intake) -> None:
    """Runs the attempt to its end. Raises TurnFailed; on cancellation the CLI is stopped before the error goes on.

    Whatever happens, ``attempt.ledger`` holds what was paid.
    """
    plan = attempt.plan
    attempt.on_event(events.TurnStarted(plan.phase.name, tuple(agent.name for agent in plan.phase.agents)))
    await _open(attempt, reader)
    store = TurnTranscripts(
        engine, plan.attempt_id, plan.ancestors, attempt.entries_stored,
        clean=partial(without_key, env=plan.endpoint_env),
    )  # fmt: skip
    with workplace(plan.attempt_id) as (folder, folders):
        client = sdk.ClaudeSDKClient(
            _options(plan, store, tool_server(reader, intake), folder=str(folder), folders=folders)
        )
        listens = False
        try:
            async with asyncio.timeout(plan.timeout_s) as limit:
                reader.on_trouble = partial(_end, limit)
                await client.connect()
                listens = True
                await client.query(plan.message)
                await _listen(client, attempt)
            _check(attempt, intake, reader)
        except TurnFailed as failed:
            if failed.cause == "store":
                store.give_up()
            raise
        except TimeoutError:
            if reader.trouble is None:
                raise attempt.failure("process", f"it took longer than {plan.timeout_s:.0f} s") from None
            store.give_up()
            raise _not_kept(attempt, reader.trouble) from reader.trouble
        except RuntimeError:
            if store.not_loaded is None:
                raise
            reason = f"the conversation before it could not be loaded ({store.not_loaded})"
            raise attempt.failure("store", reason) from store.not_loaded
        except sdk.ClaudeSDKError as error:
            raise attempt.failure("process", f"the agent process ended early ({error})") from error
        finally:
            await _stop(client, listens)


async def _open(attempt: Attempt, reader: PageReader) -> None:
    """Loads the stored pages. A turn that is to read a site which cannot be read fails here, before anybody is paid."""
    try:
        await reader.open()
    except Exception as error:  # a StoreError, or what the database itself raises
        raise attempt.failure("store", f"the pages of the campaign could not be loaded ({error})") from error
    refused = attempt.plan.reads_the_brand and await reader.site_is_refused()
    if reader.trouble is not None:
        raise _not_kept(attempt, reader.trouble) from reader.trouble
    if refused:
        raise _unread(attempt, reader)


def _end(limit: asyncio.Timeout) -> None:
    """Ends a turn now, if it is still listened to."""
    with contextlib.suppress(RuntimeError):
        limit.reschedule(asyncio.get_running_loop().time())


def _not_kept(attempt: Attempt, trouble: Exception) -> TurnFailed:
    return attempt.failure("store", f"a page could not be stored ({trouble})")


def _unread(attempt: Attempt, reader: PageReader) -> TurnFailed:
    return attempt.failure("site", f"no page of the brand's own site could be read: {reader.why_site_unread()}")


async def _listen(client: sdk.ClaudeSDKClient, attempt: Attempt) -> None:
    interrupted = False
    async for message in client.receive_response():
        attempt.see(message)
        if attempt.over_budget and not interrupted:
            interrupted = True
            await client.interrupt()


def _check(attempt: Attempt, intake: Intake, reader: PageReader) -> None:
    """What success does not mean: that pages were read and kept, every agent worked, and every record came."""
    plan = attempt.plan
    if reader.trouble is not None:
        raise _not_kept(attempt, reader.trouble)
    if plan.reads_the_brand and reader.why_site_unread() and not intake.stands(BrandProfile.kind):
        raise _unread(attempt, reader)
    if attempt.failed_agents:
        raise attempt.failure("agent", f"an agent failed: {'; '.join(attempt.failed_agents)}")
    needed = [agent for agent in plan.phase.agents if not agent.makes or set(agent.makes) - set(plan.unasked)]
    started = set(attempt.started_agents.values())
    if absent := [agent.name for agent in needed if agent.name not in started]:
        raise attempt.failure("agent", f"the main agent did not start {', '.join(absent)}")
    places = lacking(plan.phase, intake.results(), attempt.in_vain, angles=plan.angles)
    for kind in [kind for kind, _ in places if kind in plan.unasked]:
        intake.hand_in(kind, [], [plan.unasked[kind]])
    if wanted := [
        f"{kind} for the angle {angle!r}" if angle else kind for kind, angle in places if kind not in plan.unasked
    ]:
        raise attempt.failure(
            "records", f"no {' and no '.join(wanted)} was handed in, and nothing was said to be missing"
        )


async def _stop(client: sdk.ClaudeSDKClient, listens: bool) -> None:
    """Ends the CLI. An interrupt first: without it the CLI, and the bill, would run on for seconds.

    One that was still starting has been asked nothing and does not listen yet: then there is no interrupt to wait for.
    """
    if listens:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(INTERRUPT_S):
                await client.interrupt()
    with contextlib.suppress(Exception):
        await client.disconnect()


def _options(
    plan: Plan, store: TurnTranscripts, server: sdk.McpSdkServerConfig, *, folder: str, folders: Mapping[str, str]
) -> sdk.ClaudeAgentOptions:
    """The measured options: nothing but our tools, nothing of the host, the same for every phase and fork."""
    agents = {
        agent.name: sdk.AgentDefinition(
            description=agent.description, prompt=agent.prompt, tools=list(agent.tools), model=agent.model,
            maxTurns=agent.max_turns,
        )
        for agent in all_agents(plan.phase)
    }  # fmt: skip
    return sdk.ClaudeAgentOptions(
        model=plan.model,
        tools=["Agent"],
        allowed_tools=list(TOOLS),
        permission_mode="dontAsk",
        setting_sources=[],
        strict_mcp_config=True,
        mcp_servers={SERVER: server},
        agents=agents,
        system_prompt=system_prompt(),
        thinking={"type": "disabled"},
        verbatim_prompts=True,
        max_buffer_size=64 << 20,
        session_store=store,
        session_store_flush="eager",
        env=environment(plan.endpoint_env, folders),
        cwd=folder,
        session_id=None if plan.ancestors else plan.attempt_id,
        resume=plan.attempt_id if plan.ancestors else None,
    )
