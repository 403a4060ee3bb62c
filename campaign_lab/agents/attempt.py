"""One attempt at a turn: the only caller of the SDK.

Every attempt is an SDK session of its own. Its store answers with the entries of all ancestor turns, so continuing and
forking are the same thing, and a failed attempt leaves no trace in the conversation.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import claude_agent_sdk as sdk

from campaign_lab.agents import events
from campaign_lab.agents.attempt_spec import AttemptSpec
from campaign_lab.agents.briefing import Briefing
from campaign_lab.agents.completeness import HandIn, lacking
from campaign_lab.agents.endpoints import cleaned, without_key
from campaign_lab.agents.ledger import Ledger, Request, cost_of
from campaign_lab.agents.phases import FETCH_PAGE, SAVE_RECORDS, all_agents
from campaign_lab.agents.process.cli_environment import environment, workplace
from campaign_lab.agents.sdk_options import options
from campaign_lab.agents.tools.page_reader import PageReader
from campaign_lab.agents.tools.record_intake import RecordIntake
from campaign_lab.agents.tools.server import listed, tool_server
from campaign_lab.errors import REFUSED, TurnFailed
from campaign_lab.records import BrandProfile
from campaign_lab.show.text import one_line
from campaign_lab.store.connection import Store
from campaign_lab.store.transcripts import TurnTranscripts

TOO_LONG = ("prompt_too_long", "blocking_limit")
"""The CLI's reasons for a conversation that does not fit: the service said so, or the CLI did not even send it."""

TIMEOUT_S = 3600.0
"""How long an attempt may take, in seconds."""
ASK_AGAIN = frozenset({408, 409, 425, 429})
"""The HTTP statuses of 4xx after which the same request may be answered a moment later."""
INTERRUPT_S = 1.0
"""How long the CLI may take to stop before its process is ended, in seconds."""


@dataclass
class Attempt:
    """One attempt at a turn, and what is known of it while it runs and after. ``answer`` is the main agent's last text."""

    id: str
    spec: AttemptSpec
    endpoint_env: Mapping[str, str]
    reader: PageReader
    intake: RecordIntake
    briefing: Briefing
    on_event: events.OnEvent
    ledger: Ledger = field(default_factory=Ledger)
    answer: str = ""
    failed_agents: list[str] = field(default_factory=list)
    started_agents: dict[str, str] = field(default_factory=dict)
    stop: tuple[str, str] | None = None
    """Cause and reason for which the turn must not go on."""
    found_nothing: list[HandIn] = field(default_factory=list)
    _orders: dict[str, str] = field(default_factory=dict)
    _fetches: dict[str, str] = field(default_factory=dict)
    _last_message: str = ""

    def entries_stored(self, subpath: str, entries: list[dict[str, Any]]) -> None:
        """Called by the store after each batch."""
        self.briefing.see_stored(subpath, entries)
        for request in self.ledger.read(subpath, entries):
            call = self.ledger.calls.get(subpath, "")
            self.on_event(events.TokensBooked(call, request.usage.total_tokens, request.cost_usd))
        self.stop = self.stop or self._why_not_on()

    def _why_not_on(self) -> tuple[str, str] | None:
        """Cause and reason to stop: what is paid would go over its budget, or is not what was ordered."""
        cost, budget = self.ledger.cost, self.spec.budget_usd
        if budget is not None and (cost.usd > budget or cost.unpriced):
            why = "is used up" if cost.usd > budget else "cannot be held: a response came without a price"
            return "budget", f"the budget of ${budget:.4f} for this turn {why}"
        own = {agent.name: agent.model for agent in all_agents(self.spec.phase) if agent.model != "inherit"}
        strangers = self.ledger.strangers(self.spec.model, own)
        return ("agent", f"an agent was given another model: {'; '.join(strangers)}") if strangers else None

    def requests(self, *, stopped: bool) -> list[Request]:
        """What is to be booked for it; ``stopped`` when it did not come to its own end."""
        model = self.spec.model
        return [*self.ledger.requests(), *self.ledger.unlisted(model), *self.ledger.cut(model, stopped=stopped)]

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

    def failure(self, cause: str, reason: str, code: str = "") -> TurnFailed:
        """The error for this attempt, with what it cost."""
        read = self._fetches and cause not in ("site", "store")
        kept = "Pages that were read are kept and will not be fetched again." if read else ""
        shown = one_line(without_key(reason, self.endpoint_env)).rstrip(".")
        requests = self.requests(stopped=True)
        known = any(request.complete for request in requests) or not requests
        return TurnFailed(self.spec.phase.name, cause, shown, kept, cost_of(requests) if known else None, code)

    def _agent_ended(self, message: sdk.TaskNotificationMessage) -> None:
        call = message.tool_use_id or ""
        ok = message.status == "completed"
        if not ok:
            agent = self.started_agents.get(call, "an agent")
            self.failed_agents.append(f"{agent} ({message.summary or message.status})")
        summary = "" if ok else without_key(message.summary, self.endpoint_env)
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
                self._orders[block.id] = f"{block.input.get('description', '')}\n{block.input.get('prompt', '')}"
            elif isinstance(block, sdk.TextBlock) and not call:
                same = bool(self._last_message) and message.message_id == self._last_message
                text = cleaned(block.text, self.endpoint_env)
                self.answer = f"{self.answer}\n{text}".strip() if same else text
                self._last_message = message.message_id or ""  # a thought before the text comes with the same id

    def _handed_in(self, call: str, arguments: Mapping[str, Any]) -> None:
        kind = str(arguments.get("kind", ""))
        self.on_event(events.RecordsHandedIn(call, kind))
        if missing := tuple(map(str, listed(arguments.get("missing")))):
            agent, prompt = self.started_agents.get(call, ""), self._orders.get(call, "")
            self.found_nothing.append(HandIn(kind, missing, agent, prompt))
            self.briefing.found_nothing(call, (cleaned(line, self.endpoint_env) for line in missing))

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
        self.ledger.reported = message.model_usage or {}
        if self.stop:
            raise self.failure(*self.stop)
        if message.terminal_reason in TOO_LONG:
            advice = "fork from an earlier checkpoint, or ask for less in one turn"
            raise self.failure("api", f"the conversation is too long for the model; {advice}", REFUSED)
        if message.is_error or message.subtype != "success":
            what = message.result or "; ".join(message.errors or []) or message.terminal_reason or message.subtype
            status = message.api_error_status
            shown = f" (HTTP {status})" if status else ""
            refused = status is not None and 400 <= status < 500 and status not in ASK_AGAIN
            raise self.failure("api", f"the endpoint did not answer{shown}: {what}", REFUSED if refused else "")


async def run_attempt(engine: Store, attempt: Attempt) -> None:
    """Runs the attempt to its end. Raises TurnFailed; when it is cancelled the CLI is stopped before the error goes on.

    However it ends, ``attempt.ledger`` holds what was paid.
    """
    spec, env, reader = attempt.spec, attempt.endpoint_env, attempt.reader
    attempt.on_event(events.TurnStarted(spec.phase.name, tuple(agent.name for agent in spec.phase.agents)))
    await _open(attempt)
    store = TurnTranscripts(  # type: ignore[abstract]  # what no turn asks for is left to the Protocol, which refuses it
        engine, attempt.id, spec.ancestors, attempt.entries_stored, clean=partial(without_key, env=env)
    )
    server = tool_server(reader, attempt.intake, partial(cleaned, env=env))
    with workplace(attempt.id) as (folder, folders):
        client = sdk.ClaudeSDKClient(
            options(
                attempt.id, spec, store, server, attempt.briefing, env=environment(env, folders), folder=str(folder)
            )
        )
        listens = False
        try:
            async with asyncio.timeout(TIMEOUT_S) as limit:
                reader.on_trouble = partial(_end, limit)
                await client.connect()
                listens = True
                await client.query(spec.message)
                await _listen(client, attempt)
            _check(attempt)
        except TurnFailed as failed:
            if failed.cause == "store":
                store.give_up()
            raise
        except TimeoutError:
            if reader.trouble is not None:
                store.give_up()
            _check_pages(attempt)
            raise attempt.failure("process", f"it took longer than {TIMEOUT_S:.0f} s") from None
        except RuntimeError:
            if store.not_loaded is None:
                raise
            reason = f"the conversation before it could not be loaded ({store.not_loaded})"
            raise attempt.failure("store", reason) from store.not_loaded
        except sdk.ClaudeSDKError as error:
            raise attempt.failure("process", f"the agent process ended early ({_words(error)})") from error
        finally:
            await _stop(client, listens)


async def _open(attempt: Attempt) -> None:
    """Loads the stored pages. Raises TurnFailed, before anything is sent, when the brand's site must be read and cannot be."""
    reader = attempt.reader
    try:
        await reader.open()
    except Exception as error:  # a StoreError, or what the database itself raises
        raise attempt.failure("store", f"the pages of the campaign could not be loaded ({error})") from error
    _check_pages(attempt, unread=attempt.spec.reads_the_brand and await reader.site_is_refused())


def _end(limit: asyncio.Timeout) -> None:
    """Ends a turn now, if it is still listened to."""
    with contextlib.suppress(RuntimeError):
        limit.reschedule(asyncio.get_running_loop().time())


def _check_pages(attempt: Attempt, *, unread: bool = False) -> None:
    """Raises TurnFailed when a page could not be stored, or when the brand's site is ``unread`` and must be read."""
    reader = attempt.reader
    if reader.trouble is not None:
        raise attempt.failure("store", f"a page could not be stored ({reader.trouble})") from reader.trouble
    if unread:
        reason = f"no page of the brand's own site could be read: {reader.why_site_unread()}"
        raise attempt.failure("site", reason)


def _words(error: BaseException) -> str:
    """What the error says, and what lies behind it where that has no words of its own."""
    cause = error.__cause__
    return f"{error}{repr(cause) if cause is not None and not str(cause) else ''}"


async def _listen(client: sdk.ClaudeSDKClient, attempt: Attempt) -> None:
    interrupted = False
    async for message in client.receive_response():
        attempt.see(message)
        if attempt.stop and not interrupted:
            interrupted = True
            await client.interrupt()


def _check(attempt: Attempt) -> None:
    """Raises TurnFailed unless pages were read and kept, every agent worked as ordered, and every record was handed in."""
    spec, intake, reader = attempt.spec, attempt.intake, attempt.reader
    if attempt.stop:  # set by the last entries
        raise attempt.failure(*attempt.stop)
    unread = spec.reads_the_brand and bool(reader.why_site_unread()) and not intake.stands(BrandProfile.kind)
    _check_pages(attempt, unread=unread)
    if attempt.failed_agents:
        raise attempt.failure("agent", f"an agent failed: {'; '.join(attempt.failed_agents)}")
    needed = [agent for agent in spec.phase.agents if not agent.makes or set(agent.makes) - set(spec.optional_kinds)]
    started = set(attempt.started_agents.values())
    if absent := [agent.name for agent in needed if agent.name not in started]:
        raise attempt.failure("agent", f"the main agent did not start {', '.join(absent)}")
    if failures := attempt.briefing.failures(attempt.ledger.calls):
        raise attempt.failure("agent", f"{'; '.join(failures)}: a hook of the agent process failed")
    lacks = lacking(spec.phase, intake.results(), attempt.found_nothing, angles=spec.wanted_angles)
    for kind in [kind for kind, _ in lacks if kind in spec.optional_kinds]:
        intake.hand_in(kind, [], [spec.optional_kinds[kind]])
    required = [(kind, angle) for kind, angle in lacks if kind not in spec.optional_kinds]
    if names := [f"{kind} for the angle {angle!r}" if angle else kind for kind, angle in required]:
        reason = f"no {' and no '.join(names)} was handed in, and nothing was said to be missing"
        raise attempt.failure("records", reason)


async def _stop(client: sdk.ClaudeSDKClient, listens: bool) -> None:
    """Ends the CLI, with an interrupt first: without it the CLI would go on sending requests for seconds.

    A CLI that is still starting was asked nothing and does not listen yet, so that it gets no interrupt.
    """
    if listens:
        with contextlib.suppress(Exception):
            async with asyncio.timeout(INTERRUPT_S):
                await client.interrupt()
    with contextlib.suppress(Exception):
        await client.disconnect()
