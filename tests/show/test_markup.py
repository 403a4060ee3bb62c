"""What pages, models and users wrote is text in our HTML, and never markup."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaign_lab.money import Sum
from campaign_lab.show import ad_html, frame_html, framed, receipt_html, records_html, session_html, tree_html
from support.markup import Reader, assert_only_ours
from support.stored import HOSTILE, RECORDS, TEXTS, brand, claim, evidence, variant

SEEN = st.text(st.characters(exclude_categories=["C", "M", "Z"]), min_size=1, max_size=30)


@given(phase=TEXTS, records=RECORDS, missing=st.lists(TEXTS, max_size=2), answer=TEXTS)
@example(phase=HOSTILE, records=[{"kind": HOSTILE, "name": HOSTILE, HOSTILE: HOSTILE}], missing=[HOSTILE], answer="")
@example(phase=HOSTILE, records=[], missing=[], answer=HOSTILE)
@example(phase="copy", records=[variant(headline=HOSTILE, primary_text=HOSTILE * 3)], missing=[], answer="")
def test_no_text_becomes_markup(phase: str, records: list[dict[str, Any]], missing: list[str], answer: str) -> None:
    """Whatever stands in a record, the HTML holds our own tags, attributes and values only."""
    assert_only_ours(records_html(phase, records, missing, True, answer=answer))


@given(phase=TEXTS, records=RECORDS)
def test_nothing_invisible_comes_out(phase: str, records: list[dict[str, Any]]) -> None:
    """No control character, override of the writing direction or zero-width space reaches the reader."""
    shown = records_html(phase, records, [], False)
    controls = {sign for sign in shown if unicodedata.category(sign) == "Cc"} - {"\n", "\t"}
    assert not controls
    assert not set("\u200b\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff") & set(shown)


@pytest.mark.parametrize(
    "record",
    [
        brand(name=HOSTILE),
        brand(claim(HOSTILE)),
        brand(claim("It is.", evidence(HOSTILE))),
        {"kind": "customer_insight", "segments": [HOSTILE], "awareness_stage": "most"},
        {"kind": "competitor_profile", "name": "Other", "gap": HOSTILE},
        {"kind": "angle", "name": "One", "core_angle": HOSTILE},
        variant(headline=HOSTILE),
        {"kind": "tagline", "name": "Mine", "line": HOSTILE},
        {"kind": "angle", "degraded": True, "raw": HOSTILE, "check_findings": []},
    ],
)
def test_a_hostile_text_is_shown_as_it_was_written(record: dict[str, Any]) -> None:
    """Escaped once: the reader sees the very characters, and no card loses its text."""
    assert HOSTILE in assert_only_ours(records_html("copy", [record], [], False)).text


@given(st.lists(SEEN, min_size=1, max_size=3))
def test_what_is_missing_is_listed_word_for_word(missing: list[str]) -> None:
    """A gap in the research is shown, not dropped."""
    text = assert_only_ours(records_html("research", [], missing, False)).text
    assert text == "ResearchMissing" + "".join(missing)


@given(st.lists(st.lists(TEXTS | st.integers() | st.none() | st.booleans(), min_size=2, max_size=2), max_size=3), TEXTS)
def test_tables_hold_text_only(rows: list[list[Any]], name: str) -> None:
    """Column names and cells of a frame are users' and models' texts too."""
    assert_only_ours(frame_html([name, "b"], rows, len(rows)))


@given(SEEN, st.sampled_from(["claims", "none"]))
def test_an_advertisement_is_text_too(text: str, counted: str) -> None:
    """The mock-up shows headline, brand, address and doubles as they are, with counts and without."""
    counts = {"claims": 1, "claims_supported": 1} if counted == "claims" else {}
    row = variant(headline=text, near_duplicate=text) | counts
    read = assert_only_ours(ad_html(row, brand=text, address=text))
    assert read.text.count(text) >= 4


@given(TEXTS, TEXTS)
def test_names_of_sessions_and_agents_are_text(name: str, other: str) -> None:
    """In session cards, trees and receipts."""
    counts = dict.fromkeys(("requests", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"), 1)
    row = {"session": name, "parent": other, "purpose": other, "phases": name, "cost_usd": None, "carried_usd": 0.5}
    assert_only_ours(
        session_html(name=name, campaign=other, purpose=other, phases=[name], following=other, kinds=[other])
        + framed(tree_html([row]))
        + receipt_html(
            [{"phase": name, "agent": other, **counts, "cost_usd": None}], Sum(0.0, 1), True, avoided=Sum(1.0)
        )
    )


def test_the_frame_keeps_latex_away_and_long_words_in_place() -> None:
    """The class names are MathJax's own; the sheet comes along only where one of its classes is used."""
    bare = Reader(framed("<p>$5 and $10</p>"))
    classes = bare.tags[0][1]["class"].split()
    assert {"tex2jax_ignore", "mathjax_ignore"} <= set(classes)
    assert bare.tags[0][1]["style"] == "overflow-wrap:anywhere"
    assert "style" not in [tag for tag, _ in bare.tags]
    assert "style" in [tag for tag, _ in Reader(framed('<p class="cl-lead">A</p>')).tags]
