"""Money on the site that is not the market's: said with the research turn, and part of no key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab import Brief, Lab
from campaign_lab.sessions.run.currency_check import contradiction

POUNDS = "Boots mended from £35 a pair. Collection costs £4.50."
MARKETS = st.sampled_from(["CA", "GB", "JP", "CH", "DE-BY"])


def doubt(market: str, text: str, page: str = "https://www.a.example/prices") -> str:
    return contradiction(Brief(url="https://a.example", market=market), {page: text})


@pytest.mark.parametrize(
    ("market", "text", "sign"),
    [
        ("CA", POUNDS, "£"), ("GB", "From $35 a month, or $300 a year.", "$"), ("US", "35 € TTC, livraison 4 €", "€"),
        ("AU", "C$35 a month", "C$"), ("CA", "US$35 a month, CAD 3 delivery, US$20 deposit", "US$"), ("DE-BY", "CHF 35", "CHF"),
    ],
)  # fmt: skip
def test_most_money_in_another_currency_is_a_finding(market: str, text: str, sign: str) -> None:
    """It names the sign, an amount with its page, and what to do."""
    found = doubt(market, text)
    assert f": {sign}, such as " in found
    assert "https://www.a.example/prices" in found
    assert "set market in the brief" in found


@pytest.mark.parametrize(
    ("market", "text"),
    [
        ("GB", POUNDS), ("CA", "From $35, in Québec 35 $, C$3 delivery, CAD 20"), ("US", "$35"), ("JP", "¥3500"),
        ("IN", "₹3500"), ("CA", "Twelve people, 35% of them VIP members, 24/7."), ("CA", ""), ("GB", "£20, £30 or $40"),
    ],
)  # fmt: skip
def test_money_of_the_market_or_none_is_no_finding(market: str, text: str) -> None:
    """A sign that several countries share fits each of them."""
    assert doubt(market, text) == ""


def test_only_the_brands_own_pages_count() -> None:
    """What a rival asks says nothing about the brand's market."""
    assert doubt("CA", POUNDS, "https://rival.example/") == ""


@given(MARKETS, st.text() | st.text("£$€ 0123456789.,CADUS", max_size=60))
def test_no_text_is_in_the_way_of_a_paid_turn(market: str, text: str) -> None:
    """Whatever stands on a page, there is an answer of one line."""
    assert "\n" not in doubt(market, text)


@pytest.mark.usefixtures("process", "slow")
def test_the_finding_stands_with_the_research_turn(make_lab: Callable[..., Lab], tmp_path: Path) -> None:
    """It is kept as something that is missing, and replays; the same site for its own market has none."""
    (tmp_path / "cobbler").mkdir()
    (tmp_path / "cobbler" / "index.html").write_text(
        f"<title>Cobbler</title><h1>Boots that last</h1><p>We mend boots in three days. {POUNDS}</p>", encoding="utf-8"
    )
    lab = make_lab()
    for market, count in (("CA", 1), ("GB", 0)):
        session = lab.session(Brief(url=str(tmp_path / "cobbler"), market=market, campaign=market))
        lab.run_sync(session.run("research"))
        replayed = lab.run_sync(lab.session(session.brief).run("research"))
        assert replayed.replayed
        assert sum("does not fit the market" in line for line in replayed.missing) == count
