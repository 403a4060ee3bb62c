"""A Messages API request as the rehearsal endpoint reads it: who asks, what was said, and what counts as a token.

What the CLI adds by itself (environment, date, token counters, agent ids, durations) differs from machine to machine and
from day to day. It is taken out here, so that the same campaign costs the same everywhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

REMINDER = re.compile(r"<system-reminder>.*?</system-reminder>\s*", re.DOTALL)
COUNTER = re.compile(r"<total_tokens>[^<]*</total_tokens>")
HAND_BACK = re.compile(r"agentId: \S+[^\n]*\s*<usage>.*?</usage>\s*$", re.DOTALL)
ENVIRONMENT_CHARACTERS = 1_600
"""What the CLI's reminders (environment, model, agents, date) count for in a conversation, in characters, once."""


@dataclass(frozen=True)
class ContentBlock:
    """One block of the prompt in order: its text, and the cache life in seconds where a breakpoint stands on it."""

    text: str
    cache_s: int | None = None


@dataclass(frozen=True)
class Call:
    """A tool call that the model made earlier in the conversation, and its result as text (None while it has none)."""

    name: str
    input: Mapping[str, Any]
    result: str | None
    prompt: int
    """Index of the user prompt after which it was made."""


@dataclass(frozen=True)
class Ask:
    """One request of the CLI. ``agent`` is the name of the subagent that sent it, empty for the main agent."""

    session_id: str
    agent_id: str
    agent: str
    model: str
    stream: bool
    prompts: tuple[str, ...]
    """What the user (or, for a subagent, the main agent) wrote, oldest first."""
    calls: tuple[Call, ...]
    blocks: tuple[ContentBlock, ...]

    @property
    def prompt(self) -> str:
        """The newest prompt."""
        return self.prompts[-1] if self.prompts else ""

    @property
    def calls_now(self) -> tuple[Call, ...]:
        """The calls made since the newest prompt."""
        return tuple(call for call in self.calls if call.prompt == len(self.prompts) - 1)

    def digest(self) -> str:
        """Names what was asked, the same on every machine."""
        parts = [self.model, self.agent, *(block.text for block in self.blocks)]
        return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def read_request(body: Mapping[str, Any], headers: Mapping[str, str]) -> Ask:
    """The request in a Messages API body. Raises ValueError that says what is wrong with it."""
    try:
        return _ask(body, headers)
    except (AttributeError, TypeError) as error:  # a list where an object belongs, and the like
        raise ValueError(f"a part of it has the wrong type ({error})") from None


def _ask(body: Mapping[str, Any], headers: Mapping[str, str]) -> Ask:
    if not isinstance(body.get("model"), str) or not isinstance(body.get("messages"), list) or not body["messages"]:
        raise ValueError("model and messages are required")
    system = _system_blocks(body.get("system"))
    messages = [(str(message.get("role")), _content(message.get("content"))) for message in body["messages"]]
    prompts, calls = _conversation(messages)
    agent_id = headers.get("x-claude-code-agent-id", "")
    return Ask(
        session_id=headers.get("x-claude-code-session-id", ""),
        agent_id=agent_id,
        agent=_agent_name(system) if agent_id else "",
        model=body["model"],
        stream=bool(body.get("stream")),
        prompts=tuple(prompts),
        calls=tuple(calls),
        blocks=(*_tool_blocks(body.get("tools") or []), *system, *_message_blocks(messages)),
    )


def task_of(prompt: str) -> dict[str, Any]:
    """The task in a prompt: its last fenced JSON block, empty when there is none."""
    for text in reversed(re.findall(r"```json\s*\n(.*?)\n```", prompt.partition("\n## Steer\n")[0], re.DOTALL)):
        try:
            task = json.loads(text)
        except json.JSONDecodeError:
            continue
        if isinstance(task, dict):
            return task
    return {}


def json_in(text: str) -> Any:
    """The JSON object in a report that may have a frame and an indent around it; None when there is none."""
    start, end = text.find("{"), text.rfind("}")
    if start < 0 or end < start:
        return None
    try:
        return json.loads(text[start : end + 1], strict=False)
    except json.JSONDecodeError:
        return None


def _agent_name(system: list[ContentBlock]) -> str:
    """Our agent prompts begin with the agent's name as a heading."""
    heading = next((re.match(r"# (\S+)", block.text) for block in system if block.text.startswith("# ")), None)
    return heading.group(1) if heading else "agent"


def _system_blocks(system: Any) -> list[ContentBlock]:
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system or []
    return [ContentBlock(_plain(str(block.get("text", ""))), _cache_s(block)) for block in blocks]


def _tool_blocks(tools: list[Any]) -> list[ContentBlock]:
    return [ContentBlock(json.dumps(tool, sort_keys=True, ensure_ascii=False), _cache_s(tool)) for tool in tools]


def _message_blocks(messages: list[tuple[str, list[Any]]]) -> list[ContentBlock]:
    """The conversation. What the CLI reminds of does not count; a breakpoint on it stands on the block before."""
    made = [ContentBlock(" " * ENVIRONMENT_CHARACTERS)]
    for role, content in messages:
        for block in content:
            if role == "system":  # newer models get the CLI's reminders in this role
                made[-1] = replace(made[-1], cache_s=_cache_s(block) or made[-1].cache_s)
            elif (text := _block_text(block)) or block.get("cache_control"):
                made.append(ContentBlock(f"{role}: {text}", _cache_s(block)))
    return made


def _block_text(block: Mapping[str, Any]) -> str:
    """A block without what differs between machines. Tool ids are left out: order ties results to calls."""
    if block.get("type") == "text":
        return _plain(str(block.get("text", "")))
    if block.get("type") == "tool_use":
        return f"{block.get('name')} {json.dumps(block.get('input'), sort_keys=True, ensure_ascii=False)}"
    if block.get("type") == "tool_result":
        return _result_text(block)
    return json.dumps(block, sort_keys=True, ensure_ascii=False)


def _result_text(block: Mapping[str, Any]) -> str:
    parts = [_plain(str(part.get("text", ""))) for part in _content(block.get("content"))]
    return HAND_BACK.sub("", "\n".join(part for part in parts if part)).strip()


def _conversation(messages: list[tuple[str, list[Any]]]) -> tuple[list[str], list[Call]]:
    """The prompts, and the calls with their results, in order."""
    results = {
        block.get("tool_use_id"): _result_text(block)
        for _, content in messages
        for block in content
        if block.get("type") == "tool_result"
    }
    prompts: list[str] = []
    calls: list[Call] = []
    for role, content in messages:
        texts = [_plain(str(block.get("text", ""))) for block in content if block.get("type") == "text"]
        if role == "user" and (prompt := "\n".join(text for text in texts if text)):
            prompts.append(prompt)
        for block in content:
            if block.get("type") == "tool_use":
                result, given = results.get(block.get("id")), block.get("input") or {}
                if not isinstance(given, dict):
                    raise ValueError(f"the input of the tool call {block.get('id')!r} is not an object")
                calls.append(Call(str(block.get("name")), given, result, len(prompts) - 1))
    return prompts, calls


def _plain(text: str) -> str:
    """The text without the CLI's own reminders and counters."""
    return COUNTER.sub("", REMINDER.sub("", text)).strip()


def _content(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    return [block for block in content or [] if isinstance(block, dict)]


def _cache_s(block: Mapping[str, Any]) -> int | None:
    control = block.get("cache_control")
    return None if not control else 3600 if control.get("ttl") == "1h" else 300
