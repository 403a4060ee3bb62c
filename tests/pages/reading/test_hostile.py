"""Pages that try to break the reader: none may crash it, hang it, or make it say what is not there."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign_lab.pages import Page
from campaign_lab.pages.agent_view import page_for_agent
from campaign_lab.pages.reading.document_tree import clean, parse
from campaign_lab.pages.reading.markup_limits import MAX_DEPTH, tame

Make = Callable[..., Page]
MANY = 100_000

EXHAUSTING = {
    "nested div": "<div>" * MANY + "Hello there" + "</div>" * MANY,
    "nested lists": "<ul><li>" * MANY + "Hello there",
    "nested behind an empty comment": "<!-->" + "<div>" * MANY + "Hello there",
    "nested behind a script in a title": "<title><script></title>" + "<div>" * MANY + "Hello there",
    "end tags that close nothing": "<div></x>" * MANY + "Hello there",
    "copied formatting": "<p>" + "".join(f"<b id={n}>" for n in range(500)) + "<p>Hello there" + "<p>x" * 20_000,
    "options": "Hello there<select>" + "<option>x" * MANY,
    "attributes": "<p>Hello there</p><div " + " ".join(f"a{n}=1" for n in range(200_000)) + ">",
    "open scripts": "Hello there" + "<script " * MANY,
    "open comments": "Hello there" + "<!--" * MANY,
    "rolling digits": "<p>Hello there</p><p>" + "1 234 " * MANY,
    "hyphens": "<p>Hello there</p><p>1" + "-a" * MANY,
    "nested quotes": "<div class=review>" * 250 + "<p>Hello there my friends" + "</div>" * 250,
    "many quotes": "<p>Hello there</p>" + "<blockquote>One more very kind word" * 2_000,
    "nested rules": "<p>Hello there</p><style>" + "a{" * 50_000 + "</style>",
    "variables that multiply": "<p>Hello there</p><style>:root{"
    + "".join(f"--v{n}:{f'var(--v{n + 1}) ' * 150};" for n in range(30))
    + "--v30:;}p{color:var(--v0)}</style>",
    "nested JSON": '<p>Hello there</p><script type="application/ld+json">' + "[" * MANY + "</script>",
    "a huge number": '<p>Hello there</p><script type="application/ld+json">{"a":' + "9" * 10_000 + "}</script>",
    "a huge table": "<p>Hello there</p><table>" + "<tr><td>5-year<td>4.19%" * 10_000,
    "a class without end": '<p>Hello there</p><div class="' + "-cookie-banner" * 20_000 + 'x">y</div>',
}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", EXHAUSTING)
def test_no_page_exhausts_the_reader(page_of: Make, name: str) -> None:
    """Each of these takes a parser, a pattern or a recursion to its knees when nothing is done about it."""
    page = page_of(EXHAUSTING[name])
    assert "Hello there" in page.text
    assert json.loads(page_for_agent(page))


NESTED_REVIEWS = {
    "without words": "<div class=review>" * MANY,
    "with words": "<div class=review>" * MANY + "Hello there my kind friends",
    "in one figure": "<figure>" + "<blockquote>x</blockquote>" * 30_000,
}


@pytest.mark.parametrize("name", NESTED_REVIEWS)
def test_reviews_take_no_longer_than_other_elements(page_of: Make, name: str) -> None:
    """Thousands of reviews, nested or side by side, cost at most four times what plain elements do."""

    def spent(html: str) -> float:
        start = time.process_time()
        page_of(html)
        return time.process_time() - start

    html = NESTED_REVIEWS[name]
    assert spent(html) < 4 * spent(html.replace("class=review", "class=player").replace("blockquote", "section"))


def test_what_the_agent_gets_is_bounded(page_of: Make) -> None:
    """However much a page repeats itself, the JSON for the agent stays below the size that a tool may return."""
    long = "word " * 1_000
    page = page_of(
        f"<title>{long}</title><meta name=description content='{long}'><meta property=og:site_name content='{long}'>"
        + "".join(f"<meta property=og:x{n} content='{long}'>" for n in range(200))
        + "".join(f"<a href='/{n}{'x' * 1_900}'>{long}</a><h2>{n} {long[:390]}</h2>" for n in range(200))
        + "".join(f"<blockquote>{n} {long[:1_400]}</blockquote><button>Buy {n}</button>" for n in range(200))
        + "".join(f"<p>{n}% {long}</p>" for n in range(200))
        + f"<h1>{long}</h1><p>{'1' * 100_000}%</p>"
    )
    assert len(page_for_agent(page)) < 400_000
    assert max(len(number.value) for number in page.numbers) <= 60


def test_deep_nesting_is_flattened_and_said(page_of: Make) -> None:
    """The text below the limit is kept, and the note tells that its structure is not."""
    page = page_of("<div>" * 1_000 + "<p>Deep</p>" + "</div>" * 1_000 + "<p>After</p>")
    assert page.main_text.splitlines() == ["Deep", "After"]
    assert page.notes == (f"the page nests its elements more than {MAX_DEPTH} deep: the deeper ones were flattened",)


def test_an_ordinary_page_passes_unchanged() -> None:
    """Only drawings are taken out of a page that is not hostile."""
    html = (
        "<!DOCTYPE html><html lang=en><body class='a'><!-- c --><p>x<b>y</b><br/><svg viewBox='0 0 1 1'/>"
        "<i>z</i></p><script>if (a<b) {'<div>'}</script>"
    )
    assert tame(html) == (html.replace("<svg viewBox='0 0 1 1'/>", ""), ())


PIECES = [
    "<div>",
    "</div>",
    "<p>",
    "</p>",
    "<b>",
    "</b>",
    "<br>",
    "<table>",
    "<tr>",
    "<td>",
    "</table>",
    "<ul>",
    "<li>",
    "</ul>",
    "<h1>",
    "</h1>",
    "<h2>",
    "<a href=/x>",
    "</a>",
    "<button>",
    "</button>",
    "<blockquote>",
    "</blockquote>",
    "<cite>",
    "</cite>",
    "<span>",
    "</span>",
    "<sup>%</sup>",
    "<nav>",
    "</nav>",
    "<header>",
    "</header>",
    "<footer>",
    "<main>",
    "</main>",
    "<div class=review>",
    "<div class=testimonial-text>",
    "<div hidden>",
    "<!--",
    "-->",
    "<script>",
    "</script>",
    "<svg>",
    "</svg>",
    "<select><option>",
    "<form>",
    "<label>",
    "<img alt='A picture'>",
    "<title>",
    "</title>",
    "<template>",
    "<br><br>",
    "<article>",
    "$1,249.00",
    "4.19",
    "%",
    "40+ lenders",
    "“Best rate I ever saw, really.”",
    "Ana R.",
    "— ",
    "Hello there. ",
    "We sell warm socks. ",
    "word ",
    " ",
    "\n",
    "\0",
    "&nbsp;",
    "&#xD800;",
    "\ud800",
    "e\u0301",
    "\u200b",
    "\u202e",
    "|",
    "4.9 out of 5 ",
    "<",
    ">",
    "&",
    '"',
    "<?php ?>",
    "<![CDATA[",
    "]]>",
    "\u2126",
    "가",
]


@settings(max_examples=400)
@given(st.lists(st.sampled_from(PIECES), max_size=60))
def test_everything_quotable_stands_in_the_text(page_of: Make, pieces: list[str]) -> None:
    """Whatever the markup, each line, heading, context and quote for the agent is found in the visible text again."""
    page = page_of("".join(pieces))
    shown = json.loads(page_for_agent(page))
    everything = " ".join(page.text.split())
    quotes = [
        *shown.get("text", "").splitlines(),
        *shown.get("headings", ()),
        *shown.get("figures", ()),
        *shown.get("legal_lines", ()),
    ]
    quotes += [t["quote"] for t in shown.get("testimonials", ())]
    assert [quote for quote in quotes if " ".join(quote.split()) not in everything] == []
    assert Page.from_json(page.to_json()) == page


@settings(max_examples=200)
@given(
    st.binary(max_size=300),
    st.sampled_from(
        [
            "",
            "text/html; charset=utf-8",
            "text/html; charset=shift_jis",
            "text/html;charset=utf-16",
            "text/html; charset=\x00",
        ]
    ),
)
def test_any_bytes_make_a_page(page_of: Make, body: bytes, kind: str) -> None:
    """Bytes are never an error once they were taken for HTML."""
    page = page_of(body, kind)
    assert page.to_json().encode()
    assert page.text == "\n".join(clean(line) for line in page.text.splitlines())


@given(st.lists(st.sampled_from(PIECES), max_size=60))
def test_the_tree_s_ends_enclose_their_contents(pieces: list[str]) -> None:
    """Each node ends after its children and within its parent: what the loops over the flat list rely on."""
    nodes = parse(tame("".join(pieces))[0]).nodes
    for position, node in enumerate(nodes):
        assert position < node.end <= len(nodes)
        if node.parent >= 0:
            assert node.parent < position
            assert node.end <= nodes[node.parent].end
        assert node.unseen or node.parent < 0 or not nodes[node.parent].unseen


@settings(max_examples=100)
@given(st.integers(0, 10_000))
def test_a_page_with_broken_bytes_is_read(page_of: Make, seed: int) -> None:
    """Bytes that are flipped, cut out or doubled on the way never stop the reader."""
    chance = random.Random(seed)
    body = bytearray(
        ("<html lang=fr><title>Taux</title><h1>4,19 % dès aujourd\u2019hui</h1><p>Économisez 1 249 $." * 3).encode()
    )
    for _ in range(chance.randrange(12)):
        at = chance.randrange(len(body))
        body[at : at + chance.randrange(3)] = bytes(chance.randrange(256) for _ in range(chance.randrange(3)))
    assert page_for_agent(page_of(bytes(body)))


def test_the_same_bytes_make_the_same_page(page_of: Make) -> None:
    """Nothing in a page depends on order of hashing or on chance."""
    html = "<style>a{color:red}b{color:blue}</style>" + "".join(
        f"<p class=c{n}>Text {n} of 40 pages</p>" for n in range(50)
    )
    assert page_of(html) == page_of(html)
