"""The rehearsal model's specialists: which pages they read of a site, and what they say when there are none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from campaign_lab.rehearsal.model import FETCH_PAGE, SAVE_RECORDS, TextReply, ToolCall, reply
from campaign_lab.rehearsal.server.api_request import Ask, Call
from support.web.odd_sites import page

HOME = "https://brand.example/"
RIVAL = "https://rival.example"


def ask(agent: str, results: dict[str, dict[str, Any] | str]) -> Ask:
    """What a specialist asks that has fetched these addresses, with what came back."""
    prompt = f"```json\n{json.dumps({'url': HOME, 'competitors': [RIVAL]})}\n```"
    calls = [
        Call(FETCH_PAGE, {"url": url}, result if isinstance(result, str) else json.dumps(result), 0)
        for url, result in results.items()
    ]
    return Ask("s", "a", agent, "m", False, (prompt,), tuple(calls), ())


def only_call(step: list[TextReply | ToolCall]) -> ToolCall:
    """The tool call of a step that is one."""
    assert len(step) == 1
    assert isinstance(step[0], ToolCall)
    return step[0]


def test_a_site_that_redirects_to_another_host_is_read() -> None:
    """The home page's final address is the site's too: its links are followed, and records are made of both hosts."""
    moved = "https://www.brand.example/"
    home = page(
        "We fix bikes in a shed behind the station.",
        url=moved,
        headings=["We fix bikes"],
        links=[["Prices", f"{moved}prices"]],
    )
    first = only_call(reply(ask("brand-intelligence-analyst", {HOME: home})))
    assert (first.name, first.input) == (FETCH_PAGE, {"url": f"{moved}prices"})
    prices = page("A new chain costs $30 in our shop.", url=f"{moved}prices")
    other = page("Nothing of this belongs to the brand.", url="https://other.example/")
    fetched = {f"{moved}prices": prices, "https://other.example/": other, HOME: home}
    saved = json.dumps(only_call(reply(ask("brand-intelligence-analyst", fetched))).input)
    assert "behind the station" in saved
    assert "$30" in saved
    assert "Nothing of this" not in saved


def test_a_rival_that_redirects_to_another_host_is_read() -> None:
    """Rivals are found behind a redirect as the brand is."""
    pages = {
        HOME: page("We fix bikes in a shed behind the station.", url=HOME),
        RIVAL: page("We sell wheels to everyone in town.", url="https://www.rival.example/"),
    }
    saved = only_call(reply(ask("competitive-intelligence-specialist", {**pages})))
    assert saved.name == SAVE_RECORDS
    assert "We sell wheels to everyone in town." in json.dumps(saved.input["records"])


@pytest.mark.parametrize("agent", ["brand-intelligence-analyst", "customer-psychology-specialist"])
def test_a_site_that_cannot_be_read_is_said_to_be_unread(agent: str) -> None:
    """Refused pages are not blamed for holding no sentence: the strategist is told that none could be read."""
    saved = only_call(reply(ask(agent, {HOME: "PageError: the address answers with status 503"})))
    assert saved.input["records"] == []
    assert saved.input["missing"][0].endswith(f"no page of {HOME} could be read")
