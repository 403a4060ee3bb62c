"""Pages that say nothing: told apart from short, foreign and odd ones that do."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from campaign_lab.agents.tools.empty_pages import leads_nowhere, why_hollow
from campaign_lab.pages import Link, Page
from campaign_lab.pages.reading.page_facts import document, facts


def page_of(html: str) -> Page:
    """The page that a piece of HTML makes."""
    url, now = "https://tea.example/", datetime(2026, 1, 2, tzinfo=UTC)
    return Page(url=url, requested_url=url, fetched_at=now, sha256="", size=1, **facts(document(html.encode()), url))


@pytest.mark.parametrize(
    ("html", "why"),
    [
        ("", "no sentence of four words"),
        ("<title>Teasel Tea</title><div id=root></div><script>x()</script>", "drawn by scripts"),
        ("<p>You need to enable JavaScript to run this app.</p>", "drawn by scripts"),
        ("<p>Veuillez activer JavaScript pour voir cette page.</p>", "drawn by scripts"),
        ("<h1>Under construction</h1><p>This page is under construction. Come back soon!</p>", "placeholder"),
        ("<p>Our new website is coming soon, stay tuned.</p>", "placeholder"),
        ("<p>This domain may be for sale by its owner.</p>", "placeholder"),
        ("<p>We are down for scheduled maintenance.</p>", "placeholder"),
        ("<p>Notre site est en construction, revenez bientôt.</p>", "placeholder"),
        ("<p>Hier entsteht eine neue Internetpräsenz.</p>", "placeholder"),
        ("<h1>Tea</h1><p>Leaf tea.</p>", "no sentence of four words"),
    ],
)
def test_a_page_that_says_nothing_is_known(html: str, why: str) -> None:
    """Empty, drawn by scripts, or a placeholder in several languages; the reason says what to do."""
    said = why_hollow(page_of(html))
    assert why in said
    assert "; " in said


@pytest.mark.parametrize(
    "html",
    [
        "<p>We dry every leaf by hand.</p>",
        "<p>$18 a box</p>",
        "<p>Nous réparons les lampes anciennes depuis 1974.</p>",
        "<p>私たちは毎日パンを焼いています</p>",
        "<p>نحن نخبز الخبز كل صباح</p>",
        "<p>We build houses; forty of them are under construction this year.</p>",
        "<p>Our winter bar is coming soon to a shop near you.</p>",
        "<p>We teach JavaScript to teachers every summer.</p>",
        "<h1>Under construction</h1><p>We dry every leaf by hand and never add flavour.</p>",
    ],
)
def test_a_page_that_says_something_is_none_of_them(html: str) -> None:
    """Short, foreign, or with the words of a placeholder in another sense: it counts."""
    assert why_hollow(page_of(html)) == ""


def test_a_way_on_from_an_empty_page_is_not_cut_off() -> None:
    """One with a link to another page of the site, a description, or a few words of its own is given to the agents."""
    empty = page_of("<script>x()</script>")
    assert leads_nowhere(empty)
    assert not leads_nowhere(empty.model_copy(update={"links": (Link(text="Enter", url="https://tea.example/en"),)}))
    assert leads_nowhere(empty.model_copy(update={"links": (Link(text="Host", url="https://host.example/"),)}))
    assert not leads_nowhere(empty.model_copy(update={"description": "Tea from our own meadow"}))
    assert not leads_nowhere(page_of("<p>Leaf tea.</p>"))
