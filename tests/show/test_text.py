"""Text made safe to show: what is taken out, what stays, and which addresses become links."""

from __future__ import annotations

from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.show.text import address, escape_html, plain
from support.markup import assert_only_ours


@given(st.text(st.characters(exclude_categories=["C", "M", "Zl", "Zp"]), max_size=60))
def test_what_can_be_seen_is_kept(value: str) -> None:
    """Letters, signs, emoji and all spaces that languages use."""
    assert unescape(escape_html(value)) == value


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("\x1b[1;31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("a\x00b\x07c\x7f\x9b", "abc"),
        ("abc\u202egnp.exe", "abcgnp.exe"),
        ("pay\u200bpal\ufeff", "paypal"),
        ("one\r\ntwo\rthree\u2028four", "one\ntwo\nthree\nfour"),
        ("e" + "\u0301" * 300, "e" + "\u0301" * 4),
        ("half \ud83d emoji", "half \ufffd emoji"),
    ],
)
def test_what_hides_or_moves_text_is_taken_out(written: str, seen: str) -> None:
    """ANSI sequences whole, controls, overrides of the direction, zero-width spaces, piled accents, halves of characters."""
    assert plain(written) == seen


@pytest.mark.parametrize(
    "value", ["👩‍👩‍👧", "4,19\u202f% « oui\u00a0»", "می‌خواهم", "Brückenstraße", "\u05d0\u200f\u05d1"]
)
def test_what_scripts_and_emoji_need_stays(value: str) -> None:
    """Joiners, no-break spaces and direction marks belong to the text."""
    assert plain(value) == value


@pytest.mark.parametrize(
    "url",
    [
        "https://termwick.example/rates.html", "javascript:alert(1)", "data:text/html,x", "https://user:pw@bank.com/",
        "http://127.0.0.1/", "http://[::1]/", "http://[broken/", "http://localhost:8888/lab", "http://10.0.0.8/",
        "https://a b.com/", "https://bank.com/\u202etxt", " https://bank.com/", "//bank.com/", "https://x:99999/", "",
    ],
)  # fmt: skip
def test_what_leads_nowhere_or_astray_is_no_link(url: str) -> None:
    """Reserved and private hosts, other schemes, passwords, hidden characters: the address is shown as text."""
    read = assert_only_ours(address(url))
    assert not read.links


def test_a_public_page_is_a_link_that_tells_nothing() -> None:
    """Shown without its scheme, opened without opener or referrer; what stands in the address cannot leave it."""
    read = assert_only_ours(address('https://theratefinder.ca/rates?a=1&b="><script>'))
    assert read.links == ['https://theratefinder.ca/rates?a=1&b="><script>']
    assert read.tags[0][1]["rel"] == "noopener noreferrer"
    assert read.text == 'theratefinder.ca/rates?a=1&b="><script>'
