"""The SDK's options for an attempt: measured, and the same for every phase and fork."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import claude_agent_sdk as sdk

from campaign_lab.agents.attempt_spec import AttemptSpec
from campaign_lab.agents.briefing import Briefing, BriefRefused
from campaign_lab.agents.phases import TOOLS, all_agents, system_prompt
from campaign_lab.agents.tools.server import SERVER
from campaign_lab.store.transcripts import TurnTranscripts

AGENT_FIELDS = frozenset({"description", "prompt", "subagent_type"})
"""What the main agent says when it calls an agent. Its model, and where it works, are ours."""


def agent_hooks(briefing: Briefing) -> dict[Any, list[sdk.HookMatcher]]:
    """The hooks on the Agent tool: the call gets its order from code, and its result is what the turn has kept."""

    async def order(hook_input: Any, call: str | None, _context: Any) -> Any:
        """The call without the fields that the model may not set, such as another model for the agent, and with its order."""
        asked = {name: value for name, value in hook_input["tool_input"].items() if name in AGENT_FIELDS}
        output = {"hookEventName": hook_input["hook_event_name"]}
        try:
            prompt = briefing.prompt_for(call or "", str(asked.get("subagent_type", "")), str(asked.get("prompt", "")))
        except BriefRefused as refused:
            return {
                "hookSpecificOutput": {**output, "permissionDecision": "deny", "permissionDecisionReason": str(refused)}
            }
        updated = asked if prompt is None else {**asked, "prompt": prompt}
        return {"hookSpecificOutput": {**output, "permissionDecision": "allow", "updatedInput": updated}}

    async def report(hook_input: Any, call: str | None, _context: Any) -> Any:
        """What the turn has kept of the agent, in the place of what it said last."""
        text = briefing.report_of(call or "")
        if text is None:
            return {}
        answer = {**hook_input["tool_response"], "content": [{"type": "text", "text": text}]}
        return {"hookSpecificOutput": {"hookEventName": hook_input["hook_event_name"], "updatedToolOutput": answer}}

    return {
        "PreToolUse": [sdk.HookMatcher(matcher="Agent", hooks=[order], on_failure="block")],
        "PostToolUse": [sdk.HookMatcher(matcher="Agent", hooks=[report])],
    }


def options(
    attempt_id: str,
    spec: AttemptSpec,
    store: TurnTranscripts,
    server: sdk.McpSdkServerConfig,
    briefing: Briefing,
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
        hooks=agent_hooks(briefing),
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
