"""Records as static HTML: what pages and models wrote is text there, and never markup."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from campaign_lab.show import receipt_html, records_html

OUR_TAGS = {"h4", "p", "b", "small", "ul", "li", "table", "thead", "tbody", "tr", "th", "td"}
HOSTILE = "<script>alert('x')</script>\"><img src=x onerror=\"alert(1)\">&lt;b&gt;'"
TEXTS = st.text(max_size=30) | st.text("<>&\"'/= abc!-", max_size=30)

EVIDENCE = st.fixed_dictionaries({"quote": TEXTS, "url": TEXTS, "supported": st.none() | st.booleans()})
CLAIM = st.fixed_dictionaries({"text": TEXTS, "evidence": st.lists(EVIDENCE, max_size=2)})
ANGLE = st.fixed_dictionaries(
    {
        "kind": st.just("angle"),
        "name": TEXTS,
        "motivation": TEXTS,
        "core_angle": TEXTS,
        "proofs": st.lists(st.fixed_dictionaries({"claim": CLAIM}), max_size=2),
    }
)
COPY = st.fixed_dictionaries(
    {
        "kind": st.just("copy_variant"),
        "angle": TEXTS,
        "headline": TEXTS,
        "primary_text": TEXTS,
        "description": TEXTS,
        "call_to_action": TEXTS,
        "evidence": st.lists(EVIDENCE, max_size=2),
    }
)
PROFILE = st.fixed_dictionaries(
    {"kind": TEXTS.filter(lambda kind: kind not in ("angle", "copy_variant")), "name": TEXTS, "promise": CLAIM},
    optional={
        "words": st.lists(EVIDENCE, max_size=2),
        "voice": st.fixed_dictionaries({"traits": st.lists(TEXTS, max_size=2)}),
    },
)


class Reader(HTMLParser):
    """The tags with their attributes, and the texts, of a piece of HTML."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.text = ""
        self.others: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """An opening tag."""
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    def handle_data(self, data: str) -> None:
        """Text between tags."""
        self.text += data

    def handle_comment(self, data: str) -> None:
        """A comment."""
        self.others.append(data)

    def handle_decl(self, decl: str) -> None:
        """A doctype."""
        self.others.append(decl)

    def handle_pi(self, data: str) -> None:
        """A processing instruction."""
        self.others.append(data)


def texts_in(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for part in value.values() for text in texts_in(part)]
    if isinstance(value, list):
        return [text for part in value for text in texts_in(part)]
    return [value] if isinstance(value, str) else []


def assert_only_our_markup(html: str) -> Reader:
    read = Reader(html)
    assert {tag for tag, _ in read.tags} <= OUR_TAGS
    assert {names for _, names in read.tags} <= {(), ("style",)}
    assert not read.others
    return read


@given(phase=TEXTS, records=st.lists(ANGLE | COPY | PROFILE, max_size=3), missing=st.lists(TEXTS, max_size=2))
@example(phase=HOSTILE, records=[{"kind": HOSTILE, "name": HOSTILE, HOSTILE: HOSTILE}], missing=[HOSTILE])
def test_no_text_becomes_markup(phase: str, records: list[dict[str, Any]], missing: list[str]) -> None:
    """Whatever stands in a record, the page holds our own tags only, and no attribute but our style."""
    assert_only_our_markup(records_html(phase, records, missing, True))


@pytest.mark.parametrize("kind", ["angle", "copy_variant", "brand_profile"])
def test_a_hostile_text_is_shown_as_it_was_written(kind: str) -> None:
    """Escaped once: the reader sees the very characters, and no page loses its text."""
    claim = {"text": HOSTILE, "evidence": []}
    record = {
        "kind": kind, "name": HOSTILE, "headline": HOSTILE, "promise": claim, "proofs": [{"claim": claim}],
    }  # fmt: skip
    assert HOSTILE in assert_only_our_markup(records_html("copy", [record], [], False)).text


@given(st.lists(TEXTS.map(lambda text: text.replace("\r", " ").replace("\0", "")), min_size=1, max_size=3))
def test_what_is_missing_is_listed_word_for_word(missing: list[str]) -> None:
    """A gap in the research is shown, not dropped."""
    text = assert_only_our_markup(records_html("research", [], missing, False)).text
    assert text == "ResearchMissing" + "".join(missing)


def test_rehearsal_says_so() -> None:
    """A rehearsed result cannot be taken for a model's."""
    assert "(rehearsal)" in records_html("copy", [], [], True)
    assert "(rehearsal)" not in records_html("copy", [], [], False)


def test_what_no_page_carries_is_marked() -> None:
    """An unsupported claim and quote say so beside their text; supported ones do not."""
    stands = {"quote": "Seven minutes in all.", "url": "https://a.example/", "supported": True}
    falls = {"quote": "Made up by somebody.", "url": "https://a.example/", "supported": False}
    record = {
        "kind": "brand_profile",
        "offers": [{"text": "Good", "evidence": [stands]}, {"text": "Bad", "evidence": [stands, falls]}],
        "words": [stands, falls],
    }
    html = records_html("research", [record], [], False)
    assert "<li>Good</li><li>Bad (unsupported)</li>" in html
    assert "<li>“Seven minutes in all.”</li><li>“Made up by somebody.” (unsupported)</li>" in html


@given(phase=TEXTS, agent=TEXTS, cost=st.none() | st.floats(0, 100))
def test_a_receipt_is_text_too(phase: str, agent: str, cost: float | None) -> None:
    """Agents' names come from phases that users write: they are escaped, and an unknown price is not a zero."""
    counts = dict.fromkeys(("requests", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"), 1)
    html = receipt_html([{"phase": phase, "agent": agent, **counts, "cost_usd": cost}], cost, False)
    text = assert_only_our_markup(html).text
    assert ("unknown" if cost is None else f"${cost:.4f}") in text
