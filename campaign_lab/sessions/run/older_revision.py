"""Turns of older revisions: what was asked is the same, and only our own prompts, tools or agents have changed since.

Such a turn has another key than the same request has today. It is shown, for nothing, until somebody asks for another take.
"""

from __future__ import annotations

import json
import re
from typing import Any

from campaign_lab.agents.phases import Phase, builtin_phases, schema_text, task_in
from campaign_lab.sessions.run.turn_spec import TurnSpec
from campaign_lab.store.rows import TurnRow

_WHO_WORKS = ("agents", "records")


def is_older_revision(spec: TurnSpec, turn: TurnRow) -> bool:
    """True when the stored turn answers what the spec asks for, in an older revision of the workbench."""
    before, now = json.loads(turn.fingerprint), json.loads(json.dumps(spec.phase.fingerprint()))
    if turn.phase != spec.phase.name or turn.steer != spec.steer or before["records"] != now["records"]:
        return False
    if _is_builtin(spec.phase):
        return (before, turn.message) != (now, spec.message) and _same_task(spec, turn)
    same = _same_agents(before["agents"], now["agents"]) and _prose(turn.message) == _prose(spec.message, spec.phase)
    return (before, turn.message) != (now, spec.message) and same and _same_task(spec, turn)


def _is_builtin(phase: Phase) -> bool:
    return builtin_phases().get(phase.name) == phase


def _same_task(spec: TurnSpec, turn: TurnRow) -> bool:
    """True when brief and arguments are the same. Arguments that the older revision did not know must be the default."""
    before = task_in(turn.message) if "$task" in str(spec.phase.prompt) else None
    if before is None:
        return turn.message == spec.message
    stored, asked = json.loads(turn.brief), json.loads(spec.brief.to_json())
    facts = {**{name: stored.get(name) for name in spec.phase.shows}, **spec.phase.arguments, **before}
    now = {**{name: asked.get(name) for name in spec.phase.shows}, **json.loads(json.dumps(dict(spec.task)))}
    names = (facts.keys() | now.keys()) - {*_WHO_WORKS, "wish"}
    return all(facts.get(name) == now.get(name) for name in names)


def _prose(message: str, phase: Phase | None = None) -> str:
    """What the message says in words: without its task, its steer, and the fields of its records, which we write."""
    text = message.partition("\n## Steer\n")[0]
    if phase and (fields := schema_text(phase.makes)):
        text = text.replace(fields, "")
    text = re.sub(r"```json\n.*?\n```", "", text, flags=re.DOTALL)
    lines = (line for line in text.splitlines() if not (line.startswith('{"') and '"properties"' in line))
    return "\n".join(lines).strip()


def _same_agents(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> bool:
    """True when the agents are the same in all that the older revision knew of an agent."""
    known = [{name: agent.get(name) for name in old} for old, agent in zip(before, now, strict=False)]
    return len(before) == len(now) and before == known
