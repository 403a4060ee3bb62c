"""Phases: what is asked of the model, by which agents, and which records come back. Prompts are Markdown files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from string import Template
from typing import Any

from campaign_lab.brief import Brief
from campaign_lab.records import (
    LONGEST_TEXT,
    Angle,
    BrandProfile,
    CompetitorProfile,
    CopyVariant,
    CustomerInsight,
    Record,
)

FETCH_PAGE = "mcp__lab__fetch_page"
SAVE_RECORDS = "mcp__lab__save_records"
TOOLS = ("Agent", FETCH_PAGE, SAVE_RECORDS)
"""Every phase and fork sees the same tools: a change would lose the prompt cache."""

ORDER = ("research", "strategy", "copy")
"""The built-in phases in the order in which a campaign goes through them."""

STEER = "All that you hand in serves this wish of the strategist; what you hand in differs within it:"
"""What the model reads above a steer."""

PAGES_AN_AGENT = 6
"""How many pages one agent may read; of rivals, of each of them."""


REGULATION = ("special_ad_categories", "advertiser_role")
"""The brief's fields on regulated advertising."""

Rehearse = Callable[[Mapping[str, list[dict[str, Any]]], Mapping[str, Any]], tuple[list[dict[str, Any]], list[str]]]


@dataclass(frozen=True)
class Agent:
    """A specialist that the main agent can start. It sees its own prompt, and its order.

    ``makes`` are the kinds of records that it answers for: nobody else can say that they were looked for in vain. ``brief``
    is the order as code writes it, with ``$order`` for the task as JSON; without one the main agent writes the order.
    """

    name: str
    description: str
    prompt: str
    tools: tuple[str, ...]
    model: str = "inherit"
    max_turns: int = 16
    makes: tuple[str, ...] = ()
    brief: str = ""

    def fingerprint(self) -> dict[str, Any]:
        """What a turn depends on in it, as JSON-ready data."""
        return {name: value for name, value in asdict(self).items() if name != "makes"} | {"description": ""}


@dataclass(frozen=True)
class Phase:
    """A step of a campaign: a prompt with ``$task`` (and ``$schema``) in it, agents, and the records it must hand in.

    ``shows`` are the brief's fields that the prompt shows, ``needs`` the record kinds that must exist before it,
    ``arguments`` its own arguments with their defaults: all of them are part of the message. ``choices`` are the values that
    an argument may have, where not every one will do. ``follows`` asks for any turn before it. ``rehearse`` answers for it in
    rehearsal: it gets the records of the conversation by kind and the task (with the ``kind`` that is wanted), and returns
    records as dicts, and what is missing.

    The prompt may be a path: then it is read from that file.
    """

    name: str
    prompt: str | Path
    makes: tuple[type[Record], ...] = ()
    agents: tuple[Agent, ...] = ()
    needs: tuple[str, ...] = ()
    shows: tuple[str, ...] = ()
    arguments: Mapping[str, Any] = field(default_factory=dict)
    follows: bool = False
    choices: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    rehearse: Rehearse | None = None

    def __post_init__(self) -> None:
        if isinstance(self.prompt, Path):
            object.__setattr__(self, "prompt", self.prompt.read_text(encoding="utf-8"))

    def message(self, brief: Brief, *, steer: str = "", arguments: Mapping[str, Any] | None = None) -> str:
        """The user message as sent. Raises as ``task`` does."""
        task = self.task(brief, arguments=arguments)
        words = {name: str(task[name]) for name in self.arguments}
        words |= {"task": task_json(task), "schema": schema_text(self.makes)}
        text = Template(str(self.prompt)).safe_substitute(words)
        return f"{text}\n## Steer\n\n{STEER}\n\n{steer}\n" if steer else text

    def task(self, brief: Brief, *, arguments: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What the message says of the turn: fields of the brief, who works on it, its records, its arguments. JSON-ready.

        Raises TypeError for an argument that the phase does not have, ValueError for a value that is not among its choices.
        """
        given = dict(arguments or {})
        unknown = sorted(set(given) - set(self.arguments))
        if unknown:
            known = ", ".join(self.arguments) or "none"
            raise TypeError(f"The phase {self.name!r} has no argument {unknown[0]!r}. Its arguments: {known}.")
        for name, choices in self.choices.items():
            if given.get(name, self.arguments[name]) not in choices:
                raise ValueError(f"{name}: {given[name]!r} is not allowed; expected {' or '.join(map(str, choices))}")
        fields = brief.model_dump(mode="json")
        task = {name: fields[name] for name in self.shows}
        task |= {"agents": [agent.name for agent in self.agents], "records": [record.kind for record in self.makes]}
        return {**task, **self.arguments, **given}

    def fingerprint(self) -> dict[str, Any]:
        """What a turn of this phase depends on beside its message (design section 2), as JSON-ready data."""
        return {
            "system": system_prompt(),
            "tools": list(TOOLS),
            "thinking": "disabled",
            "agents": [agent.fingerprint() for agent in self.agents],
            "records": {record.kind: record.revision for record in self.makes},
        }

    def record_type(self, kind: str) -> type[Record] | None:
        """The class of the records of this kind, if the phase makes them."""
        return next((record for record in self.makes if record.kind == kind), None)


def task_json(task: Mapping[str, Any]) -> str:
    """The task as a model reads it: JSON with a field per line."""
    lines = (f" {json.dumps(name)}: {json.dumps(value, ensure_ascii=False)}" for name, value in task.items())
    return "{\n" + ",\n".join(lines) + "\n}"


def task_in(message: str) -> dict[str, Any] | None:
    """The task that a message of ``Phase.message`` states; None for one that states none."""
    found = re.findall(r"```json\n(.*?)\n```", message.partition("\n## Steer\n")[0], re.DOTALL)
    try:
        task = json.loads(found[-1]) if found else None
    except ValueError:
        return None
    return task if isinstance(task, dict) else None


def system_prompt() -> str:
    """The one system prompt of all phases and forks."""
    return _prompt("system")


def _specialist(name: str, description: str, makes: type[Record], *, reads: bool = True) -> Agent:
    prompt = Template(_prompt(name)).safe_substitute(pages=PAGES_AN_AGENT, schema=schema_text((makes,)))
    tools = (FETCH_PAGE, SAVE_RECORDS) if reads else (SAVE_RECORDS,)
    return Agent(name, description, prompt, tools, makes=(makes.kind,), brief=_prompt("order"))


@cache
def builtin_phases() -> dict[str, Phase]:
    """Research, strategy, copy, and the free question, by name."""
    facts = ("url", "campaign", "objective", "market", "language", "audience")
    research = Phase(
        name="research",
        prompt=_prompt("research"),
        makes=(BrandProfile, CustomerInsight, CompetitorProfile),
        agents=(
            _specialist("brand-intelligence-analyst", "Reads the brand's own site", BrandProfile),
            _specialist("customer-psychology-specialist", "Finds what moves the customers", CustomerInsight),
            _specialist("competitive-intelligence-specialist", "Reads the rivals' sites", CompetitorProfile),
        ),
        shows=(*facts, "competitors"),
    )
    strategy = Phase(
        name="strategy",
        prompt=_prompt("strategy"),
        makes=(Angle,),
        needs=("brand_profile",),
        shows=(*facts, "placements", *REGULATION),
        arguments={"count": 5},
    )
    copy = Phase(
        name="copy",
        prompt=_prompt("copy"),
        makes=(CopyVariant,),
        agents=(_specialist("copy-creator", "Writes the texts for the angles", CopyVariant, reads=False),),
        needs=("angle",),
        shows=("campaign", "objective", "market", "language", "audience", *REGULATION),
        arguments={"angles": [], "variants": 2, "lengths": ["short", "long"], "writers": "one"},
        choices={"writers": ("one", "each")},
    )
    ask = Phase(name="ask", prompt="$question", arguments={"question": ""}, follows=True)
    return {phase.name: phase for phase in (research, strategy, copy, ask)}


def all_agents(phase: Phase) -> tuple[Agent, ...]:
    """The agents that the main agent is told of: always the built-in ones, to keep the prompt, then the phase's own."""
    known = {agent.name: agent for each in builtin_phases().values() for agent in each.agents}
    return tuple((known | {agent.name: agent for agent in phase.agents}).values())


def _prompt(name: str) -> str:
    return resources.files("campaign_lab.agents").joinpath("prompts", f"{name}.md").read_text(encoding="utf-8")


def schema_text(makes: Sequence[type[Record]]) -> str:
    """The records as the model reads them: a list of their fields, and of those of their parts, with type, limits, meaning."""
    parts: dict[str, str] = {}
    for record in makes:
        schema = record.model_json_schema()
        parts[f"`{record.kind}`"] = _fields(schema)
        parts |= {f"where `{name.lower()}` is": _fields(part) for name, part in schema.get("$defs", {}).items()}
    return "\n\n".join(f"{name}:\n{fields}" for name, fields in parts.items())


def _fields(schema: Mapping[str, Any]) -> str:
    needed = schema.get("required", ())
    return "\n".join(
        f"- {name} ({_type(each)}{'' if name in needed else ', optional'}): {' '.join(each.get('description', '').split())}"
        for name, each in schema["properties"].items()
    )


def _type(schema: Mapping[str, Any]) -> str:
    """The type of a field in words, with its limits."""
    if "$ref" in schema:
        return f"`{schema['$ref'].rpartition('/')[2].lower()}`"
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"] if each.get("type") != "null")
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    kind = str(schema.get("type", "value"))
    if kind == "array":
        return f"list{_limits(schema, 'minItems', 'maxItems')}, each {_type(schema['items'])}"
    if kind == "string":
        limits = "" if schema.get("maxLength") in (None, LONGEST_TEXT) else _limits(schema, "", "maxLength")
        return f"text{limits} characters" if limits else "text"
    return f"{kind}{_limits(schema, 'minimum', 'maximum')}"


def _limits(schema: Mapping[str, Any], least: str, most: str) -> str:
    """The limits in words, such as: of at most 8."""
    low, high = schema.get(least, 0), schema.get(most)
    return "" if high is None else f" of {low} to {high}" if low else f" of at most {high}"
