"""Each kind and each angle is held by itself: what one agent looked for in vain excuses no other."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from campaign_lab.agents.completeness import HandIn, lacking, named_angles
from campaign_lab.agents.kept_record import KeptRecord
from campaign_lab.agents.phases import Agent, Phase, builtin_phases
from campaign_lab.records import Angle, BrandProfile

RESEARCH, COPY = builtin_phases()["research"], builtin_phases()["copy"]
BRAND, PEOPLE, RIVALS = (agent.name for agent in RESEARCH.agents)
ALL = ["brand_profile", "customer_insight", "competitor_profile"]
ANGLES = ("Price", "Price first", "Calm")


def kept(kind: str, angle: str = "") -> KeptRecord:
    return KeptRecord("", kind, "x", None, "{}", angle=angle)


def kinds(records: Sequence[str], *said: HandIn, phase: Phase = RESEARCH) -> list[str]:
    return [kind for kind, _ in lacking(phase, map(kept, records), said)]


def angles(records: Sequence[str], *said: HandIn, wanted: Sequence[str] = ANGLES) -> list[str]:
    return [angle for _, angle in lacking(COPY, [kept("copy_variant", a) for a in records], said, angles=wanted)]


def test_a_line_excuses_its_own_kind_only() -> None:
    """One unreadable rival is no reason to have no brand profile."""
    rival = HandIn("competitor_profile", ("rival.example could not be read",), RIVALS)
    assert kinds(["customer_insight"], rival) == ["brand_profile"]
    assert kinds(["brand_profile", "customer_insight"], rival) == []
    assert kinds(["brand_profile", "customer_insight"]) == ["competitor_profile"]


def test_only_who_answers_for_a_kind_can_say_that_it_is_missing() -> None:
    """Not another agent, and not the main agent, which has read nothing."""
    for who in (RIVALS, PEOPLE, ""):
        assert kinds(ALL[1:], HandIn("brand_profile", ("nothing was found",), who)) == ["brand_profile"]
    assert kinds(ALL[1:], HandIn("brand_profile", ("nothing was found",), BRAND)) == []


def test_in_a_phase_of_ones_own_whoever_hands_in_answers() -> None:
    """Its agents do not say what they make, or it has none."""
    helper = Agent("helper", "", "", ())
    for agents, who in (((), ""), ((helper,), "helper"), ((helper,), "")):
        phase = Phase("own", "$task", makes=(BrandProfile, Angle), agents=agents)
        assert kinds(["angle"], HandIn("brand_profile", ("none",), who), phase=phase) == []


def test_each_angle_needs_a_text_of_its_own() -> None:
    """One copy-creator that wrote for one of them is not enough; whose texts they are does not matter."""
    assert angles(["Price", "Price"]) == ["Price first", "Calm"]
    assert angles(["Calm", "Price first", "Price"]) == []


@pytest.mark.parametrize(
    ("said", "left"),
    [
        (HandIn("copy_variant", ("nothing to quote",), "copy-creator", 'Write.\n{"name": "Price first"}'), ["Price", "Calm"]),
        (HandIn("copy_variant", ("nothing to quote",), "copy-creator", "Price, Calm"), ["Price", "Price first", "Calm"]),
        (HandIn("copy_variant", ("calm: nothing to quote",), "copy-creator", "Price, Calm"), ["Price", "Price first"]),
        (HandIn("copy_variant", ("nothing to quote",), "", "Calm"), ["Price", "Price first", "Calm"]),
        (HandIn("angle", ("Calm: nothing",), "copy-creator", "Calm"), ["Price", "Price first", "Calm"]),
    ],
)  # fmt: skip
def test_a_line_belongs_to_the_angle_that_its_agent_was_told_of_or_that_it_names(said: HandIn, left: list[str]) -> None:
    """A line of who was told of several angles, and that names none, excuses none."""
    assert angles([], said) == left


def test_a_line_about_the_only_angle_needs_no_name() -> None:
    """There is no other one that it could be about."""
    said = HandIn("copy_variant", ("nothing to quote",), "copy-creator")
    assert angles([], said, wanted=["Calm"]) == []


def test_an_angles_name_is_known_as_json_writes_it() -> None:
    """Quotation marks and accents are escaped in the prompt that holds the angle."""
    name = 'L\u2019"été" calme'
    said = HandIn("copy_variant", ("rien",), "copy-creator", r'{"name": "L\u2019\"\u00e9t\u00e9\" calme"}')
    assert angles([], said, wanted=[name, "Price"]) == ["Price"]


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Price\nPrice first\nPrice first now", {"Price", "Price first", "Price first now"}),
        ("price first\n Price first ", {"price first", "Price first"}),
        ("Write for Price first now, please.", {"Price first now"}),
        ("Nothing of it", set()),
    ],
)
def test_angles_on_lines_of_their_own_are_named_whatever_else_they_are_part_of(text: str, named: set[str]) -> None:
    """In a sentence only the longest of the names that contain each other is meant."""
    assert named_angles(text, ["Price", "Price first", "Price first now", "price first"]) == named
