"""Turns of before that were stored although their site could not be read: they stay visible, and answer nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.errors import ReplayMiss
from campaign_lab.pages import Page
from campaign_lab.store import queries
from campaign_lab.store.connection import Con, Store
from campaign_lab.store.rows import PageRow, RecordRow, TurnRow
from support.labs import MakeLab

pytestmark = pytest.mark.usefixtures("slow")
Spoil = Callable[[Con], object]


def no_records(con: Con) -> None:
    """What an older version kept of a turn whose site was down: no record, and lines of what is missing."""
    con.execute("DELETE FROM records")
    con.execute("UPDATE turns SET missing = ?", [json.dumps(["brand profile: no page could be read"])])


def refused_pages(con: Con) -> None:
    con.execute("UPDATE pages SET page = NULL, body = NULL, error = 'no connection could be made'")


def hollow_pages(con: Con) -> None:
    """The brand's pages were read and say nothing: a site behind scripts."""
    for row in queries.select(con, PageRow, "WHERE url LIKE '%termwick.example%' AND page IS NOT NULL"):
        page = Page.from_json(row.page or "").model_copy(update={"main_text": "", "text": ""})
        con.execute("UPDATE pages SET page = ? WHERE url = ?", [page.to_json(), row.url])


def invented_profile(con: Con) -> None:
    """A model made a profile up: none of its quotes stands."""
    for row in queries.select(con, RecordRow):
        body = row.body.replace('"supported":true', '"supported":false')
        con.execute("UPDATE records SET body = ? WHERE turn_id = ? AND n = ?", [body, row.turn_id, row.n])


@pytest.fixture
def spoilt(make_lab: MakeLab, stores, campaign: Store) -> Callable[..., Lab]:
    """Opens a copy of the campaign after it was changed, as who owns it."""

    def opened(*changes: Spoil) -> Lab:
        for change in changes:
            campaign.call(change)
        campaign.close()
        return make_lab()

    return opened


@pytest.mark.both_stores
@pytest.mark.parametrize(
    "changes",
    [(no_records, refused_pages), (no_records, hollow_pages), (invented_profile, refused_pages)],
    ids=["site down", "scripts", "invented"],
)
def test_a_turn_that_read_nothing_is_made_anew(
    spoilt: Callable[..., Lab], termwick: Brief, changes: tuple[Spoil, ...]
) -> None:
    """It can be seen, its reason too; a plain run makes a new turn, once, which then replays."""
    lab = spoilt(*changes)
    session = lab.session(termwick)
    assert [turn.phase for turn in lab.open("main").turns()][:1] == ["research"]
    with pytest.raises(ReplayMiss, match="the brand's site could not be read"):
        lab.run_sync(session.run("research", on_miss="refuse"))
    assert session.estimate("research").basis != "replay"
    turn = lab.run_sync(session.run("research"))
    assert (turn.replayed, turn.forked) == (False, True)
    assert turn.records
    again = lab.run_sync(lab.session(termwick).run("research"))
    assert again.replayed
    assert again.records == turn.records


def test_a_good_turn_replays_whatever_became_of_its_pages(spoilt: Callable[..., Lab], termwick: Brief) -> None:
    """Its profile has quotes that stand: pages that were swept, refused since or never copied change nothing."""
    lab = spoilt(refused_pages, lambda con: con.execute("DELETE FROM pages WHERE url LIKE '%faq%'"))
    assert lab.run_sync(lab.session(termwick).run("research")).replayed


def test_a_turn_that_read_pages_and_found_nothing_replays(spoilt: Callable[..., Lab], termwick: Brief) -> None:
    """It is no turn that read nothing."""
    lab = spoilt(no_records)
    assert lab.run_sync(lab.session(termwick).run("research")).replayed


def test_pages_that_were_read_later_make_no_earlier_turn_good(spoilt: Callable[..., Lab], termwick: Brief) -> None:
    """The site was up again when something else was run."""

    def earlier(con: Con) -> None:
        (first, *_) = queries.select(con, TurnRow, "ORDER BY finished_at")
        before = replace(first).started_at.replace(year=2020)
        con.execute("UPDATE turns SET finished_at = ? WHERE id = ?", [before, first.id])

    lab = spoilt(no_records, earlier)
    assert not lab.run_sync(lab.session(termwick).run("research")).replayed
