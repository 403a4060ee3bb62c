"""Keys: two turns are the same turn exactly when all that they depend on is the same."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from campaign_lab.agents.phases import builtin_phases
from campaign_lab.sessions.keys import root_key, turn_key

TEXTS = st.text(st.characters(), max_size=20)
FINGERPRINTS = st.dictionaries(
    TEXTS,
    st.recursive(
        st.none() | st.integers() | TEXTS,
        lambda part: st.lists(part, max_size=2) | st.dictionaries(TEXTS, part, max_size=2),
    ),
    max_size=4,
)
PARTS = st.tuples(TEXTS, TEXTS, FINGERPRINTS, st.integers(1, 9))


def key(parts: tuple[str, str, dict[str, Any], int]) -> str:
    return turn_key(*parts)


def shuffled(value: Any) -> Any:
    """The same data with every object's fields in the other order."""
    if isinstance(value, dict):
        return {name: shuffled(value[name]) for name in reversed(list(value))}
    return [shuffled(item) for item in value] if isinstance(value, list) else value


@given(one=PARTS, other=PARTS, mixed=st.tuples(*[st.booleans()] * 4))
def test_any_part_that_changes_changes_the_key(one: Any, other: Any, mixed: tuple[bool, ...]) -> None:
    """Parent, message, fingerprint, take: each alone, and in any mixture."""
    changed = tuple(theirs if take else ours for ours, theirs, take in zip(one, other, mixed, strict=True))
    assert (key(changed) == key(one)) is (json.dumps(changed, sort_keys=True) == json.dumps(one, sort_keys=True))


@given(PARTS)
def test_the_order_of_fields_is_not_in_a_key(parts: Any) -> None:
    """A fingerprint read from the lab file gives the key of the one that was written."""
    parent, message, fingerprint, take = parts
    assert turn_key(parent, message, shuffled(fingerprint), take) == key(parts)
    assert turn_key(parent, message, json.loads(json.dumps(fingerprint)), take) == key(parts)


@given(parent=TEXTS, message=TEXTS, moved=st.text(min_size=1, max_size=5))
def test_letters_do_not_move_between_the_parts(parent: str, message: str, moved: str) -> None:
    """Where the parent ends and the message begins is in the key."""
    assert turn_key(parent + moved, message, {}, 1) != turn_key(parent, moved + message, {}, 1)


@given(TEXTS, TEXTS, TEXTS, TEXTS)
def test_a_root_is_its_endpoint_and_its_model(endpoint: str, model: str, endpoint_2: str, model_2: str) -> None:
    """Another answerer or another model is another tree."""
    same = (endpoint, model) == (endpoint_2, model_2)
    assert (root_key(endpoint, model) == root_key(endpoint_2, model_2)) is same


@given(TEXTS, TEXTS, PARTS)
def test_a_root_is_never_taken_for_a_turn(endpoint: str, model: str, parts: Any) -> None:
    """Whatever names are used."""
    assert root_key(endpoint, model) != key(parts)


@given(st.lists(TEXTS, min_size=2, max_size=2, unique=True))
def test_a_key_carries_the_whole_line_before_it(messages: list[str]) -> None:
    """The same question after another conversation is another turn."""
    first, second = messages
    root = root_key("rehearsal-1", "claude-sonnet-4-5-20250929")
    assume(first != second)
    lines = [[first, second], [second, first]]
    keys = []
    for line in lines:
        at = root
        for message in line:
            at = turn_key(at, message, {}, 1)
        keys.append(at)
    assert keys[0] != keys[1]


@pytest.mark.usefixtures("process")
def test_a_key_is_the_same_in_another_process() -> None:
    """Nothing of the process (hash seed, order of sets) is in it: an hour later it replays."""
    code = (
        "from campaign_lab.agents.phases import builtin_phases as phases\n"
        "from campaign_lab.sessions.keys import turn_key\n"
        "print([turn_key('p', 'm', phase.fingerprint(), 1) for phase in phases().values()])"
    )
    there = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    here = [turn_key("p", "m", phase.fingerprint(), 1) for phase in builtin_phases().values()]
    assert there.stdout.strip() == str(here)
