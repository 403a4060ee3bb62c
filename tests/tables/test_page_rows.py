"""Reading: the pages that a session's own line asked for, as they were met last."""

from __future__ import annotations

from datetime import timedelta

import pytest

from campaign_lab import Lab
from campaign_lab.sessions.upkeep.sweep import sweep
from campaign_lab.store import queries
from campaign_lab.store.rows import PageRow
from support.lab_rows import NOW, PAGE, add, fork, grow, said, session, share, store, use
from support.labs import MakeLab
from support.stores import by_hand


def met(
    con: queries.Con, url: str, *, asked: str = "", error: str | None = None, hour: int = 0, owner: str = "ana"
) -> None:
    """A page of the campaign that was read, or refused, so many hours after NOW."""
    page = None if error else '{"title": "T"}'
    at = NOW + timedelta(hours=hour)
    queries.insert(con, [PageRow(owner, "Spring", url, asked or url, page=page, error=error, fetched_at=at)])


def ask_for(con: queries.Con, turn: str, *urls: str) -> None:
    """One more agent of the turn, that asked for these pages."""
    calls = [use(f"toolu_{url}", "mcp__lab__fetch_page", {"url": url}) for url in urls]
    store(con, turn, "subagents/agent-more", [said("assistant", calls)])


def seen(lab: Lab, name: str = "main") -> list[tuple[str, str]]:
    table = lab.pages(lab.open(name))
    return list(zip(table["url"], table["state"], strict=True))


@pytest.mark.both_stores
def test_a_session_shows_what_its_own_line_asked_for(make_lab: MakeLab) -> None:
    """Not what another session of the campaign read: somebody who was given one session learns nothing of the others."""
    lab, bens = make_lab(), make_lab(user="ben")

    def make(con: queries.Con) -> None:
        base = grow(con, add(con, session()), "t1")
        grow(con, add(con, fork(base, "secret plans")), "t2", phase="strategy")
        ask_for(con, "t2", "https://rival.example/")
        for url in (PAGE, "https://rival.example/"):
            met(con, url)
        share(con, base, "ben")

    by_hand(lab, make)
    assert seen(bens) == seen(lab) == [(PAGE, "read")]
    assert seen(lab, "secret plans") == [(PAGE, "read"), ("https://rival.example/", "read")]
    assert lab.pages(lab.open("main", from_start=True)).empty


@pytest.mark.parametrize(
    ("rows", "state"),
    [
        ([{}, {"error": "it is gone", "hour": 1}], "refused"),
        ([{"error": "it is slow"}, {"hour": 1}], "read"),
        ([{"hour": 1}, {"error": "it is slow"}], "read"),
    ],
    ids=["refused after it was read", "read after it was refused", "stored in another order"],
)
def test_an_address_counts_as_it_was_met_last(rows: list[dict[str, object]], state: str, make_lab: MakeLab) -> None:
    """One row, read or refused."""
    lab = make_lab()

    def make(con: queries.Con) -> None:
        grow(con, add(con, session()), "t1")
        for row in rows:
            met(con, PAGE, **row)  # type: ignore[arg-type]

    by_hand(lab, make)
    assert seen(lab) == [(PAGE, state)]


def test_a_page_that_an_address_leads_to_counts_once(make_lab: MakeLab) -> None:
    """It was asked for under two names, with a fragment, and stands under its own; refused since, only the asked name is."""
    lab, home = make_lab(), "https://a.example/home"

    def make(con: queries.Con) -> None:
        grow(con, add(con, session()), "t1")
        ask_for(con, "t1", home + "#top", " https://a.example/old ", "no address", "http://[")
        met(con, home, asked=PAGE)
        met(con, home, asked="https://a.example/old", hour=1)

    by_hand(lab, make)
    assert seen(lab) == [(home, "read")]
    by_hand(lab, lambda con: met(con, "https://a.example/old", error="it is gone", hour=2))
    assert seen(lab) == [(home, "read"), ("https://a.example/old", "refused")]


@pytest.mark.both_stores
def test_when_the_conversations_were_swept_the_owner_sees_the_campaign_and_others_nothing(make_lab: MakeLab) -> None:
    """Nobody knows any more what the turn asked for."""
    lab, bens = make_lab(), make_lab(user="ben")

    def make(con: queries.Con) -> None:
        share(con, grow(con, add(con, session()), "t1"), "ben")
        for url in (PAGE, "https://rival.example/"):
            met(con, url)
        met(con, "https://bens.example/", owner="ben")
        sweep(con, now=NOW + timedelta(days=30), grace_s=0, keep_records=True, dry_run=False)

    by_hand(lab, make)
    assert seen(lab) == [(PAGE, "read"), ("https://rival.example/", "read")]
    assert seen(bens) == []


def test_a_real_campaign_shows_each_page_that_it_read(lab_of: MakeLab) -> None:
    """All that is stored was asked for by its research, so a fork of it shows the same; the brand's own site comes first."""
    lab = lab_of()
    main = lab.open("main")
    table = lab.pages(main)
    pages = by_hand(lab, lambda con: queries.pages_of(con, ["ana"], main.brief.campaign))
    assert set(table[table["state"] == "read"]["url"]) == {page.url for page in pages}
    assert table["url"][0] == main.brief.url
    assert lab.pages(main.fork("again", at="research")).equals(table)
