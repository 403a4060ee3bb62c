"""What one attempt sends, and the SDK's options for it: measured, and the same for every phase and fork."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import claude_agent_sdk as sdk

from campaign_lab.agents.phases import TOOLS, Phase, all_agents, system_prompt
from campaign_lab.agents.process.cli_environment import environment
from campaign_lab.agents.tools.server import SERVER
from campaign_lab.records import BrandProfile
from campaign_lab.store.transcripts import TurnTranscripts

AGENT_FIELDS = frozenset({"description", "prompt", "subagent_type"})
"""What the main agent decides when it calls an agent. Its model, and where it works, are ours."""


@dataclass(frozen=True)
class AttemptSpec:
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


async def _as_ordered(given: Any, _call: str | None, _context: Any) -> Any:
    """Takes out of a call of an agent what a model does not decide: it could run the agent with another model."""
    asked = given["tool_input"]
    if AGENT_FIELDS.issuperset(asked):
        return {}
    kept = {name: value for name, value in asked.items() if name in AGENT_FIELDS}
    output = {"hookEventName": given["hook_event_name"], "permissionDecision": "allow", "updatedInput": kept}
    return {"hookSpecificOutput": output}


def options(
    plan: AttemptSpec,
    store: TurnTranscripts,
    server: sdk.McpSdkServerConfig,
    *,
    folder: str,
    folders: Mapping[str, str],
) -> sdk.ClaudeAgentOptions:
    """The options: nothing but our tools, nothing of the host, the same for every phase and fork."""
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
        hooks={"PreToolUse": [sdk.HookMatcher(matcher="Agent", hooks=[_as_ordered], on_failure="block")]},
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
