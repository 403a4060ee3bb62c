"""Phases: what is sent, and what a stored turn depends on."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab import Brief
from campaign_lab.agents.phases import (
    FETCH_PAGE,
    ORDER,
    SAVE_RECORDS,
    STEER,
    TOOLS,
    Agent,
    Phase,
    all_agents,
    builtin_phases,
    system_prompt,
)
from campaign_lab.records import RECORD_TYPES, Angle, Label, Record
from campaign_lab.rehearsal.server.api_request import task_of

BRIEF = Brief(
    url="https://shop.example.org",
    market="CA",
    campaign="Autumn",
    competitors=["https://rival.example.org"],
    audience="walkers",
    budget=4500,
)


class Slogan(Record):
    """A record type of a user's own."""

    kind: ClassVar[str] = "slogan"
    text: Label
    """The slogan."""


SLOGANS = Phase(
    "slogans", "# Phase: slogans\n\n```json\n$task\n```\n", (Slogan,), shows=("campaign",), arguments={"count": 3}
)


@pytest.mark.parametrize("name", ["research", "strategy", "copy"])
def test_the_task_shows_the_fields_that_the_phase_names(name: str) -> None:
    """Those of the brief, its agents, the records it wants and its arguments; nothing else of the brief is sent."""
    phase = builtin_phases()[name]
    task = task_of(phase.message(BRIEF))
    fields = BRIEF.model_dump(mode="json")
    agents = [agent.name for agent in phase.agents]
    own = {"agents": agents, "records": [record.kind for record in phase.makes]} | dict(phase.arguments)
    assert task == own | {field: fields[field] for field in phase.shows}
    assert "4500" not in phase.message(BRIEF)


def test_no_placeholder_is_left_in_what_is_sent() -> None:
    """Every $name in a prompt is filled in, in messages and in agents' prompts."""
    for phase in builtin_phases().values():
        texts = [phase.message(BRIEF), system_prompt(), *(agent.prompt for agent in phase.agents)]
        assert not [text for text in texts if "$task" in text or "$schema" in text or "$pages" in text]


@given(steer=st.text(min_size=1, max_size=60), campaign=st.text(min_size=1, max_size=60).filter(str.strip))
def test_a_steer_and_a_brief_are_sent_word_for_word(steer: str, campaign: str) -> None:
    """Dollar signs, braces and quotes in them are text, not templates."""
    brief = Brief(url="https://shop.example.org", market="CA", campaign=campaign)
    message = SLOGANS.message(brief, steer=steer)
    assert message.endswith(f"\n## Steer\n\n{STEER}\n\n{steer}\n")
    assert task_of(SLOGANS.message(brief))["campaign"] == brief.campaign


def test_without_a_steer_nothing_is_said_of_one() -> None:
    """The same message as if there were no such thing."""
    assert "## Steer" not in SLOGANS.message(BRIEF)


def test_arguments_are_part_of_the_message() -> None:
    """A default shows, and what is given replaces it."""
    assert task_of(SLOGANS.message(BRIEF))["count"] == 3
    assert task_of(SLOGANS.message(BRIEF, arguments={"count": 8}))["count"] == 8


def test_an_argument_that_the_phase_does_not_have_is_refused() -> None:
    """By name, with the ones there are."""
    with pytest.raises(TypeError, match=r"'slogans' has no argument 'coutn'. Its arguments: count\."):
        SLOGANS.message(BRIEF, arguments={"coutn": 8})
    with pytest.raises(TypeError, match=r"Its arguments: none\."):
        builtin_phases()["research"].message(BRIEF, arguments={"count": 8})


def test_the_same_brief_gives_the_same_message() -> None:
    """A message is a key: nothing of the day, the process or the order of fields is in it."""
    again = Brief.from_json(BRIEF.to_json())
    for phase in builtin_phases().values():
        assert phase.message(BRIEF, steer="calm") == phase.message(again, steer="calm")


CHANGES: list[tuple[str, Any]] = [
    ("prompt", {"prompt": "other words"}),
    ("tools", {"tools": (SAVE_RECORDS, FETCH_PAGE)}),
    ("model", {"model": "claude-haiku-4-5-20251001"}),
    ("turns", {"max_turns": 3}),
    ("name", {"name": "copywriter"}),
]


@pytest.mark.parametrize("change", [change for _, change in CHANGES], ids=[name for name, _ in CHANGES])
def test_a_changed_agent_changes_the_fingerprint(change: dict[str, Any]) -> None:
    """A stored turn is not replayed for an agent that works otherwise."""
    phase = builtin_phases()["copy"]
    other = replace(phase, agents=(replace(phase.agents[0], **change),))
    assert other.fingerprint() != phase.fingerprint()


def test_a_record_type_that_changed_changes_the_fingerprint() -> None:
    """By kind and revision, not by its code."""

    class Slogan2(Slogan):
        """The same kind with another meaning."""

        revision: ClassVar[int] = 2

    assert replace(SLOGANS, makes=(Slogan2,)).fingerprint() != SLOGANS.fingerprint()


def test_how_an_agent_is_described_is_not_in_the_fingerprint() -> None:
    """A better label for people does not make anybody pay again."""
    phase = builtin_phases()["copy"]
    other = replace(phase, agents=(replace(phase.agents[0], description="Drafts the words"),))
    assert other.fingerprint() == phase.fingerprint()


def test_a_fingerprint_survives_the_lab_file() -> None:
    """It is JSON, so that a stored one can be compared with today's."""
    for phase in builtin_phases().values():
        made = json.dumps(phase.fingerprint(), sort_keys=True)
        assert json.dumps(json.loads(made), sort_keys=True) == made


def test_all_phases_share_what_the_prompt_cache_needs() -> None:
    """System prompt, tools, thinking and the agents told of are the same for all of them."""
    phases = list(builtin_phases().values())
    assert len({json.dumps({**phase.fingerprint(), "agents": [], "records": {}}) for phase in phases}) == 1
    assert len({all_agents(phase) for phase in phases}) == 1


def test_a_phase_of_ones_own_adds_its_agents_behind_the_built_in_ones() -> None:
    """So the beginning of the prompt stays the same."""
    own = Agent("slogan-writer", "Writes slogans", "# slogan-writer\n", (SAVE_RECORDS,))
    assert all_agents(replace(SLOGANS, agents=(own,))) == (*all_agents(SLOGANS), own)


def test_the_order_is_that_of_the_built_in_phases() -> None:
    """Each stands on records of those before it; the free question has no place in it."""
    phases = builtin_phases()
    assert (*ORDER, "ask") == tuple(phases)
    made: set[str] = set()
    for phase in (phases[name] for name in ORDER):
        assert set(phase.needs) <= made
        made |= {record.kind for record in phase.makes}


def test_agents_may_use_our_tools_only() -> None:
    """And a copy-creator fetches nothing: it sees only what it is handed."""
    agents = {agent.name: agent for agent in all_agents(SLOGANS)}
    assert all(set(agent.tools) <= set(TOOLS) - {"Agent"} for agent in agents.values())
    assert agents["copy-creator"].tools == (SAVE_RECORDS,)


def test_each_record_type_is_made_by_one_phase_that_knows_it_by_its_kind() -> None:
    """What is handed in finds its class."""
    for record in RECORD_TYPES:
        (maker,) = [phase for phase in builtin_phases().values() if record in phase.makes]
        assert maker.record_type(record.kind) is record
    assert builtin_phases()["research"].record_type(Angle.kind) is None


def test_an_agent_knows_the_schema_of_what_it_hands_in() -> None:
    """Each specialist's prompt names its record kind and every field of it."""
    for phase in builtin_phases().values():
        for agent, record in zip(phase.agents, phase.makes, strict=False):
            assert f"`{record.kind}`" in agent.prompt
            assert not [field for field in record.model_fields if f"- {field} (" not in agent.prompt]
