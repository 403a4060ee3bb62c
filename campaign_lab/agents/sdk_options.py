"""The SDK's options for an attempt: measured, and the same for every phase and fork."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import claude_agent_sdk as sdk

from campaign_lab.agents.attempt_spec import AttemptSpec
from campaign_lab.agents.phases import TOOLS, all_agents, system_prompt
from campaign_lab.agents.tools.server import SERVER
from campaign_lab.store.transcripts import TurnTranscripts

AGENT_FIELDS = frozenset({"description", "prompt", "subagent_type"})
"""What the main agent decides when it calls an agent. Its model, and where it works, are ours."""


async def _only_our_fields(hook_input: Any, _call: str | None, _context: Any) -> Any:
    """The call of an agent without the fields that the model may not set, such as another model for the agent."""
    call = hook_input["tool_input"]
    if AGENT_FIELDS.issuperset(call):
        return {}
    kept = {name: value for name, value in call.items() if name in AGENT_FIELDS}
    output = {"hookEventName": hook_input["hook_event_name"], "permissionDecision": "allow", "updatedInput": kept}
    return {"hookSpecificOutput": output}


def options(
    attempt_id: str,
    spec: AttemptSpec,
    store: TurnTranscripts,
    server: sdk.McpSdkServerConfig,
    *,
    env: Mapping[str, str],
    folder: str,
) -> sdk.ClaudeAgentOptions:
    """The options: only our tools, nothing of the host. ``env`` is the CLI's environment, ``folder`` where it works."""
    agents = {
        agent.name: sdk.AgentDefinition(
            description=agent.description, prompt=agent.prompt, tools=list(agent.tools), model=agent.model,
            maxTurns=agent.max_turns,
        )
        for agent in all_agents(spec.phase)
    }  # fmt: skip
    return sdk.ClaudeAgentOptions(
        model=spec.model,
        tools=["Agent"],
        allowed_tools=list(TOOLS),
        permission_mode="dontAsk",
        setting_sources=[],
        strict_mcp_config=True,
        mcp_servers={SERVER: server},
        agents=agents,
        hooks={"PreToolUse": [sdk.HookMatcher(matcher="Agent", hooks=[_only_our_fields], on_failure="block")]},
        system_prompt=system_prompt(),
        thinking={"type": "disabled"},
        verbatim_prompts=True,
        max_buffer_size=64 << 20,
        session_store=store,
        session_store_flush="eager",
        env=dict(env),
        cwd=folder,
        session_id=None if spec.ancestors else attempt_id,
        resume=attempt_id if spec.ancestors else None,
    )
