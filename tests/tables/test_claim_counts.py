"""Claims and quotes are found by their shape, wherever they are, and nothing else is taken for one."""

from __future__ import annotations

from typing import Any

import pytest

from campaign_lab.findings import parts_below
from campaign_lab.sessions.history.path_loader import StoredRecord
from campaign_lab.tables.claim_counts import claims_and_quotes, counts, text_of
from support.copy_rows import claim, quote


def counted(fields: dict[str, Any]) -> tuple[int, int]:
    found = counts(StoredRecord("t", "note", 0, "id", "Label", fields, "", (), None, False))
    return found["claims"], found["quotes"]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"text": "Mine.", "evidence": "Seen in the shop."}, (0, 0)),
        ({"text": "Mine.", "evidence": [quote("One."), quote("Two.")]}, (0, 2)),
        ({"parts": [{"text": "Mine.", "evidence": ["Seen."]}]}, (0, 0)),
        ({"parts": [{"text": "Mine.", "evidence": [{"seen": "in the shop"}]}]}, (0, 0)),
        ({"quote": "Mine.", "url": "https://a.example/"}, (0, 0)),
        ({"parts": [{"text": 3, "evidence": []}, {"quote": ["a"], "url": 1}]}, (0, 0)),
    ],
)
def test_a_type_of_ones_own_may_use_the_same_names(fields: dict[str, Any], expected: tuple[int, int]) -> None:
    """A record is no claim of itself, and text with other evidence than quotes is no claim."""
    assert counted(fields) == expected


def test_claims_and_quotes_are_found_at_any_depth_once() -> None:
    """In reading order, and equal ones are one."""
    said = claim("Free.", quote("free"))
    claims, quotes = claims_and_quotes(
        parts_below({"a": said, "b": [{"c": said}, [claim("New.")]], "d": quote("free")})
    )
    assert [each["text"] for _, each in claims] == ["Free.", "New."]
    assert [each["quote"] for each in quotes] == ["free", "New."]


def test_what_is_no_claim_is_told_whole() -> None:
    """Other evidence than quotes is not lost from the text; a claim is its statement."""
    assert text_of({"text": "Mine.", "evidence": ["Seen."]}) == "Mine.: Seen."
    assert text_of(claim("Free.", quote("free of charge"))) == "Free."
