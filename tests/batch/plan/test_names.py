"""Names of runs: safe as file names, distinct, the same every time."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.batch.plan.names import capped, distinct, file_slug


def test_a_slug_reads_like_its_text() -> None:
    """Accents and ligatures become plain letters; slashes, dots and blanks one hyphen."""
    assert file_slug("Paniers d'été, cœur & âme") == "paniers-d-ete-coeur-ame"
    assert file_slug("../../etc/passwd") == "etc-passwd"
    assert file_slug("Straße  №5") == "strasse-no5"
    assert file_slug("日本語 ..") == ""


@given(st.lists(st.text(max_size=90), max_size=8))
def test_names_are_safe_distinct_and_the_same_every_time(texts: list[str]) -> None:
    """Whatever the texts are; and a text that is added behind changes no name before it."""
    names = distinct(texts, [f"{n}" for n in range(len(texts))])
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) and len(name) <= 60 for name in names)
    assert len({*names}) == len(texts)
    assert distinct([*texts, "more"], [f"{n}" for n in range(len(texts) + 1)])[: len(texts)] == names


def test_the_longest_names_fit_a_file_system_and_stay_distinct() -> None:
    """With its ending a name has at most 255 bytes; what differs at its far end is told apart."""
    one, other = capped("a" * 300 + "1"), capped("a" * 300 + "2")
    assert one != other
    assert max(len(one), len(other)) <= 200
    assert capped("kept") == "kept"


def test_only_the_second_of_a_name_is_marked() -> None:
    """By what it is, not by where it stands; even two that are the same in all are told apart."""
    first, second, third = distinct(["Spring", "spring", "spring"], ["a", "b", "b"])
    assert first == "spring"
    assert second.startswith("spring-")
    assert third.startswith("spring-")
    assert second != third
    assert distinct(["Spring", "Autumn", "spring"], ["a", "c", "b"])[2] == second
