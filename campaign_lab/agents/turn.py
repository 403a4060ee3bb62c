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
from campaign_lab.agents.endpoints import without_key
from campaign_lab.agents.intake import Intake
from campaign_lab.agents.ledger import Ledger
from campaign_lab.agents.phases import FETCH_PAGE, SAVE_RECORDS, TOOLS, Phase, all_agents, system_prompt
from campaign_lab.agents.reader import PageReader
from campaign_lab.agents.tools import SERVER, tool_server
from campaign_lab.agents.workplace import environment, workplace
from campaign_lab.errors import TurnFailed
from campaign_lab.show.text import one_line
from campaign_lab.store.connection import Store
from campaign_lab.store.transcripts import TurnTranscripts

TOO_LONG = ("prompt_too_long", "blocking_limit")
"""The CLI's reasons for a conversation that does not fit: the service said so, or the CLI did not even send it."""

INTERRUPT_S = 1.0
"""How long the CLI may take to stop before its process is ended, in seconds."""


@dataclass(frozen=True)
class Plan:
    """What one attempt sends. ``ancestors`` are the ids of the turns before it, root first."""

    attempt_id: str
    ancestors: Sequence[str]
    phase: Phase
    message: str
    model: str
    endpoint_env: Mapping[str, str]
    budget_usd: float | None = None
    timeout_s: float = 3600.0


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
        kept = "Pages that were read are kept and will not be fetched again." if self._fetches else ""
        told = one_line(without_key(reason.rstrip("."), self.plan.endpoint_env))
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
                self.on_event(events.RecordsHandedIn(call, str(block.input.get("kind", ""))))
            elif isinstance(block, sdk.TextBlock) and not call:
                same = bool(self._last_message) and message.message_id == self._last_message
                self.answer = f"{self.answer}\n{block.text}".strip() if same else block.text
        if not call:
            self._last_message = message.message_id or ""

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
    await reader.open()
    store = TurnTranscripts(
        engine, plan.attempt_id, plan.ancestors, attempt.entries_stored,
        clean=partial(without_key, env=plan.endpoint_env),
    )  # fmt: skip
    with workplace() as (folder, folders):
        client = sdk.ClaudeSDKClient(
            _options(plan, store, tool_server(reader, intake), folder=str(folder), folders=folders)
        )
        listens = False
        try:
            async with asyncio.timeout(plan.timeout_s):
                await client.connect()
                listens = True
                await client.query(plan.message)
                await _listen(client, attempt)
            _check(attempt, intake)
        except TurnFailed as failed:
            if failed.cause == "store":
                store.give_up()
            raise
        except TimeoutError:
            raise attempt.failure("process", f"it took longer than {plan.timeout_s:.0f} s") from None
        except sdk.ClaudeSDKError as error:
            raise attempt.failure("process", f"the agent process ended early ({_words(error)})") from error
        finally:
            await _stop(client, listens)


def _words(error: BaseException) -> str:
    """What the error says, and what lies behind it where that has no words of its own."""
    cause = error.__cause__
    return f"{error}{repr(cause) if cause is not None and not str(cause) else ''}"


async def _listen(client: sdk.ClaudeSDKClient, attempt: Attempt) -> None:
    interrupted = False
    async for message in client.receive_response():
        attempt.see(message)
        if attempt.over_budget and not interrupted:
            interrupted = True
            await client.interrupt()


def _check(attempt: Attempt, intake: Intake) -> None:
    """What success does not mean: that every agent worked and every record came."""
    if attempt.failed_agents:
        raise attempt.failure("agent", f"an agent failed: {'; '.join(attempt.failed_agents)}")
    started = set(attempt.started_agents.values())
    absent = [agent.name for agent in attempt.plan.phase.agents if agent.name not in started]
    if absent:
        raise attempt.failure("agent", f"the main agent did not start {', '.join(absent)}")
    kept = {record.kind for record in intake.results()}
    lacking = [record.kind for record in attempt.plan.phase.makes if record.kind not in kept]
    if lacking and not intake.missing:
        raise attempt.failure(
            "records", f"no {' and no '.join(lacking)} was handed in, and nothing was said to be missing"
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
