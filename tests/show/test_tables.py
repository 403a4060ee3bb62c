"""Receipts, frames and trees as tables that can be read."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.money import NOTHING, Sum
from campaign_lab.show import frame_html, framed, receipt_html, tree_html
from support.markup import Reader, assert_only_ours

NUMBERS = ("requests", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")


@given(cost=st.none() | st.floats(0, 100))
def test_an_unknown_price_is_not_a_zero(cost: float | None) -> None:
    """A receipt has four decimals, or counts what has no price."""
    line = {"phase": "copy", "agent": "main agent", **dict.fromkeys(NUMBERS, 1), "cost_usd": cost}
    text = assert_only_ours(receipt_html([line], Sum.stored(cost), False)).text
    assert text.count("1 request without a price" if cost is None else f"${round(cost, 12):.4f}") == 2


def test_a_receipt_says_what_is_carried_and_that_rehearsal_is_free() -> None:
    """What the turns before cost is not paid again; the first turn carries nothing and says nothing."""
    assert "once cost $0.3755: they are carried along, not paid again" in receipt_html(
        [], Sum(1.0), False, avoided=Sum(0.3755)
    )
    assert "carried" not in receipt_html([], Sum(1.0), False, avoided=NOTHING)
    assert "Sum: $1.0000 and 2 requests without a price. 3 requests cut; what that cost is not known." in receipt_html(
        [], Sum(1.0, 2), False, cut=3
    )
    assert "rehearsal costs nothing" in receipt_html([], Sum(1.0), True)


def test_numbers_stand_right_and_texts_left() -> None:
    """A column with gaps is still one of numbers; counts get thousands, amounts four decimals, truths words."""
    html = frame_html(["name", "count", "cost", "good"], [["a", 12345, 0.5, True], ["b", "", 0.25, False]], 2)
    read = Reader(html)
    heads = [values for tag, values in read.tags if tag == "th"]
    assert ["right" in values["style"] for values in heads] == [False, True, True, False]
    assert "a12,3450.5000yesb0.2500no" in read.text


def test_a_wide_table_scrolls_in_its_own_box() -> None:
    """Each column has the room that its texts need, so the box scrolls and no letter stands alone on a line."""
    read = Reader(frame_html(["headline", "primary_text"], [["x" * 30, "y" * 130]], 1))
    assert ("div", {"class": "cl-stay", "style": "overflow-x:auto;max-width:100%"}) in read.tags
    widths = [values["style"].rpartition("min-width:")[2] for tag, values in read.tags if tag == "th"]
    assert widths == ["15em", "22em"]


def test_a_wide_first_column_does_not_stay_in_sight() -> None:
    """It would cover the others on a narrow page."""
    assert 'class="cl-stay"' not in frame_html(["primary_text", "n"], [["y" * 130, 1]], 1)


@pytest.mark.parametrize("rows", [[], [["a"]]])
def test_rows_that_are_left_out_are_counted(rows: list[list[Any]]) -> None:
    """An empty frame still shows its columns."""
    text = Reader(frame_html(["some_name"], rows, 300)).text
    assert "some name" in text
    assert f"{len(rows)} of 300 rows are shown" in text


def tree(*rows: tuple[str, str, float | None]) -> str:
    made = [
        {"session": name, "parent": parent, "purpose": name, "phases": "copy", "cost_usd": cost, "carried_usd": 0.25}
        for name, parent, cost in rows
    ]
    return assert_only_ours(framed(tree_html(made))).text


def test_a_fork_is_set_in_below_its_parent() -> None:
    """Twice for a fork of a fork; a root carries nothing, and an unknown cost is unknown."""
    text = tree(("main", "", 0.5), ("soft", "main", None), ("softer", "soft", 0.0), ("hard", "main", float("nan")))
    gap = "\N{NO-BREAK SPACE}" * 4
    assert "maincopy$0.5000└ softcopy1 request without a price$0.2500" in text
    assert f"{gap}└ softercopy$0.0000" in text
    assert f"{gap}└ hard" not in text
    assert "└ hardcopy1 request without a price" in text


def test_a_tree_whose_parents_are_not_seen_is_still_shown() -> None:
    """Somebody else's root, or a row that names itself: they stand at the left edge."""
    text = tree(("mine", "theirs", 0.0), ("odd", "odd", 0.0))
    assert "└" not in text
    assert "mine" in text
