"""What an agent reads of a page: each thing once, and nothing that does not help it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from campaign_lab.pages.agent_view import MOST_LINKS, page_for_agent

FOOTER = "<footer><p>Kettle Ltd, licence no. 4711. Follow us for 500 offers.</p><p>Made with love</p></footer>"


def seen(page_of: Any, html: str) -> dict[str, Any]:
    shown: dict[str, Any] = json.loads(page_for_agent(page_of(html)))
    return shown


def test_a_number_in_the_text_is_not_said_again_and_a_card_is(page_of: Any) -> None:
    """A bare figure and its caption stand in two blocks of the text: together they are a figure of their own."""
    text = "<main><h1>We fix bikes in town</h1><p>A chain costs $30 fitted and takes an hour of your day.</p></main>"
    assert "figures" not in seen(page_of, text)
    assert "numbers" not in seen(page_of, text)


def test_legal_lines_stand_apart(page_of: Any) -> None:
    """Only sentences outside of the main text that are legal ones, with an abbreviation left whole."""
    shown = seen(page_of, f"<main><p>We fix bikes in a shed behind the station.</p></main>{FOOTER}")
    assert shown["legal_lines"] == ["Kettle Ltd, licence no. 4711."]


@pytest.mark.parametrize("link", ["#top", "mailto:a@b.example", "tel:+123", "javascript:void(0)"])
def test_links_that_lead_to_no_other_page_are_left_out(page_of: Any, link: str) -> None:
    """What remains is a text and an address, as it must be asked for."""
    shown = seen(page_of, f"<p>We fix bikes in a shed.</p><a href='{link}'>No</a><a href='/prices'>Prices</a>")
    assert [text for text, _ in shown["links"]] == ["Prices"]


def test_links_with_a_query_come_last(page_of: Any) -> None:
    """On some sites they are the only ones."""
    shown = seen(page_of, "<p>We fix bikes in a shed.</p><a href='/?p=12'>Twelve</a><a href='/prices'>Prices</a>")
    assert [text for text, _ in shown["links"]] == ["Prices", "Twelve"]


def test_figures_outside_of_the_main_text_are_read(page_of: Any) -> None:
    """A guarantee above it, a rating below it; a newsletter is no legal line."""
    hero = "<header><p>We fix boilers within 4 hours, or you pay nothing.</p></header>"
    foot = "<footer><p>Rated 4.8 out of 5 by 2,310 customers.</p><p>Register now. Limited offer: 20% off until May.</p></footer>"
    shown = seen(
        page_of,
        f"{hero}<main><h1>Boilers</h1><p>We fix boilers in your town, and we have done so for long.</p></main>{foot}",
    )
    said = f"{shown['text']} {shown.get('figures')}"
    assert "within 4 hours" in said
    assert "2,310 customers" in said
    assert "legal_lines" not in shown


def test_a_page_of_links_is_cut(page_of: Any) -> None:
    """So that a site map does not fill the conversation."""
    links = "".join(f"<a href='/p{n}'>Page {n}</a>" for n in range(500))
    assert len(seen(page_of, f"<p>We fix bikes in a shed.</p>{links}")["links"]) == MOST_LINKS
