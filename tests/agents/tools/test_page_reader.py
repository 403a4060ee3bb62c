"""The page reader: which pages an agent gets, each fetched once a campaign, refusals as text."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign_lab import Brief
from campaign_lab.agents.tools.page_reader import ENDED, PAGES_A_TURN, PageReader
from campaign_lab.errors import StoreError
from campaign_lab.store import queries
from campaign_lab.store.duckdb.engine import IDLE, DuckFile
from campaign_lab.store.rows import PageRow
from support.web.web_site import web_site

HOME = "https://termwick.example/"
Read = Callable[..., list[Any]]


@pytest.fixture
def read(file: DuckFile, termwick: Brief) -> Read:
    """Reads urls with a new reader, as one turn does: all at once when asked for, and gives the answers as data."""

    def turn(
        *urls: str, brief: Brief = termwick, owner: str = "ana", at_once: bool = False, fresh: bool = False
    ) -> list[Any]:
        async def work() -> list[str]:
            reader = PageReader(file, brief, owners=(owner,), fresh=fresh)
            await reader.open()
            if at_once:
                return await asyncio.gather(*map(reader.read, urls))
            return [await reader.read(url) for url in urls]

        return [json.loads(text) for text in asyncio.run(work())]

    return turn


@pytest.fixture
def linked(tmp_path: Path) -> Brief:
    """A brief whose site links to one page of another saved site that the brief does not name."""
    for name, links in (("shop", "https://press.example/review.html"), ("press", "https://press.example/other.html")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text(f"<p>Welcome to our place.</p><a href='{links}'>Read</a>")
    for page in ("review", "other"):
        (tmp_path / "press" / f"{page}.html").write_text("<p>A sturdy shop with honest prices.</p>")
    return Brief(url=str(tmp_path / "shop"), market="CA", sources=[("https://press.example", str(tmp_path / "press"))])


def stored(file: DuckFile) -> list[PageRow]:
    return file.call(lambda con: queries.select(con, PageRow, "ORDER BY fetched_at, requested_url"))


def test_pages_of_the_briefs_own_sites_are_read(read: Read, file: DuckFile) -> None:
    """The brand's and the rivals', as JSON, and kept with their bytes for the campaign."""
    answers = read(HOME, "https://brackendeer-trust.example/", "https://pendlewarth-mortgages.example/")
    assert [answer["url"] for answer in answers] == [row.url for row in stored(file)]
    assert all(answer["text"] for answer in answers)
    assert all(row.body and row.sha256 and row.error is None and row.owner == "ana" for row in stored(file))


@pytest.mark.parametrize(
    "url",
    [
        "https://elsewhere.example/",
        "http://termwick.example/",
        "https://termwick.example:8443/",
        "https://me@termwick.example/",
        "https://termwick.example.evil.example/",
        "http://169.254.169.254/latest/meta-data/",
        "file:///etc/passwd",
        "/etc/passwd",
        "",
    ],
)
def test_other_addresses_are_refused_as_text(read: Read, url: str) -> None:
    """The agent reads why, and goes on."""
    (answer,) = read(url)
    assert answer == {
        "error": f"{url} was not read: it is neither on a site of the brief nor linked from a page that was read"
    }


def test_a_linked_page_is_read_once_its_link_was_seen(read: Read, linked: Brief) -> None:
    """Not before, and only letter by letter: no address of an agent's own making."""
    review = "https://press.example/review.html"
    before, home, after, other, made_up = read(
        review, linked.url, f"{review} ", "https://press.example/other.html", f"{review}?notes=secret", brief=linked
    )
    assert "neither on a site of the brief nor linked" in before["error"]
    assert home["links"][0][1] == review
    assert "error" in after  # refusals hold for a turn
    assert "error" in other
    assert "error" in made_up
    (after,) = read(review, brief=linked)
    assert after["text"] == "A sturdy shop with honest prices."


def test_each_page_is_fetched_once_a_campaign(read: Read, file: DuckFile) -> None:
    """A later turn gets the stored page, under the address asked for and its own; fragments make no other page."""
    first = read(HOME, f"{HOME}rates.html")
    again = read(f"{HOME}rates.html#five-year", f"{HOME}rates.html", HOME)
    assert again == [first[1], first[1], first[0]]
    assert len(stored(file)) == 2


def test_a_page_with_two_addresses_is_fetched_once(read: Read, file: DuckFile) -> None:
    """Asked for as index.html and then under the address it says it has: one page."""
    answers = read(f"{HOME}index.html", HOME)
    assert answers[0] == answers[1]
    assert [row.requested_url for row in stored(file)] == [f"{HOME}index.html"]


def test_two_agents_that_ask_at_once_cause_one_fetch(read: Read, file: DuckFile) -> None:
    """Both get the same page."""
    answers = read(*[HOME] * 5, at_once=True)
    assert all(answer == answers[0] for answer in answers)
    assert len(stored(file)) == 1


def test_another_owner_or_campaign_fetches_its_own(read: Read, file: DuckFile, termwick: Brief) -> None:
    """Stored pages are not shared behind anybody's back."""
    read(HOME)
    read(HOME, owner="ben")
    read(HOME, brief=Brief.from_json(termwick.to_json()).model_copy(update={"campaign": "Other"}))
    assert [(row.owner, row.campaign) for row in stored(file)] == [
        ("ana", termwick.campaign),
        ("ben", termwick.campaign),
        ("ana", "Other"),
    ]


def test_fresh_pages_are_fetched_anew_and_once(read: Read, file: DuckFile) -> None:
    """When the strategist asks for it; later turns see the newest version."""
    read(HOME)
    read(HOME, HOME, fresh=True)
    assert len(stored(file)) == 2
    read(HOME)
    assert len(stored(file)) == 2


def test_a_page_that_is_not_there_is_a_text_and_kept_as_a_refusal(read: Read, file: DuckFile) -> None:
    """What was met is stored; the next turn tries again."""
    missing = f"{HOME}no-such-page.html"
    (answer,) = read(missing)
    assert answer["error"].startswith(f"{missing} was not read: the saved site has no page")
    (row,) = stored(file)
    assert (row.url, row.page, row.body) == (missing, None, None)
    assert row.error is not None
    read(missing)
    assert len(stored(file)) == 2


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters()) | st.text("htps:/.#[]@ab%\ud83d\0 ", max_size=20).map(lambda text: f"https://{text}"))
def test_no_url_is_an_error_of_the_tool(read: Read, url: str) -> None:
    """Whatever a model makes up, the answer is a text that says why it was not read."""
    (answer,) = read(url)
    assert "was not read: " in answer["error"]


def test_a_turn_fetches_no_more_than_its_limit(read: Read, file: DuckFile, tmp_path: Path) -> None:
    """A page of links cannot run up a bill; pages that are stored do not count."""
    site = tmp_path / "many"
    site.mkdir()
    for n in range(PAGES_A_TURN + 2):
        (site / f"p{n}.html").write_text(f"<p>This is page number {n}.</p>")
    brief = Brief(url=str(site), market="CA")
    urls = [f"https://many.example/p{n}.html" for n in range(PAGES_A_TURN + 2)]
    answers = read(*urls, brief=brief)
    assert ["error" in answer for answer in answers] == [False] * PAGES_A_TURN + [True] * 2
    assert f"the turn has fetched {PAGES_A_TURN} pages, which is its limit" in answers[-1]["error"]
    assert not [answer for answer in read(*urls, brief=brief) if "error" in answer]


def test_quotes_are_checked_against_the_campaigns_pages(file: DuckFile, termwick: Brief, read: Read) -> None:
    """All visible text of what was stored, also by an earlier turn; refusals are no pages."""
    read(HOME, f"{HOME}no-such-page.html")

    async def work() -> dict[str, str]:
        reader = PageReader(file, termwick, owners=("ana",))
        await reader.open()
        await reader.read(f"{HOME}faq.html")
        return dict(reader.texts())

    texts = asyncio.run(work())
    assert set(texts) == {HOME, f"{HOME}faq.html"}
    assert "The form takes seven minutes." in texts[HOME]


# -- the brand's own site, and the store


def unread(file: DuckFile, brief: Brief, *more: str, fresh: bool = False) -> tuple[bool, str]:
    """Whether the site is refused before anybody reads it, and why it is unread when these pages were asked for, too."""

    async def work() -> tuple[bool, str]:
        reader = PageReader(file, brief, owners=("ana",), fresh=fresh)
        await reader.open()
        refused = await reader.site_is_refused()
        for url in more:
            await reader.read(url)
        return refused, reader.why_site_unread()

    return asyncio.run(work())


def test_a_site_that_cannot_be_read_is_known_by_its_pages_own_reason(file: DuckFile, tmp_path: Path) -> None:
    """No connection, a private address, an error, a script, nothing at all, a placeholder, a redirect: each in its words."""
    with web_site() as site:
        brief = Brief.load(site.brief(tmp_path / "brief.toml"))
        refused, why = unread(file, brief)
        assert refused
        assert why.startswith(f"{site.url}: no connection could be made")
        private = brief.model_copy(update={"allow_private_addresses": False})
        assert "set allow_private_addresses = true" in unread(file, private)[1]
        for body, status, said in (
            ("oops", 500, "the site answered 500"),
            ("<script>x()</script>", 200, "drawn by scripts"),
            ("", 200, "no sentence of four words"),
            ("<p>This page is under construction.</p>", 200, "placeholder"),
        ):
            site.says(body, status=status)
            refused, why = unread(file, brief)
            assert refused
            assert said in why
        site.is_itself()
        assert unread(file, brief) == (False, "")


@pytest.mark.parametrize(
    "text", ["Nous réparons les lampes anciennes.", "私たちは毎日パンを焼いています", "We mend boots."]
)
def test_a_site_that_says_something_is_read_in_any_language(file: DuckFile, tmp_path: Path, text: str) -> None:
    """Without a word of English, or with few words and a way on."""
    with web_site() as site:
        site.says(f"<h1>{text}</h1><a href='/more.html'>More</a>")
        brief = Brief.load(site.brief(tmp_path / "brief.toml"))
        assert unread(file, brief)[0] is False


def test_the_root_of_a_site_stands_in_for_a_page_that_is_gone(file: DuckFile, tmp_path: Path) -> None:
    """The brief names a landing page that answers 404: the site itself can be read."""
    with web_site() as site:
        site.is_itself()
        brief = Brief.load(site.brief(tmp_path / "brief.toml", url=f"{site.url}gone.html"))
        assert unread(file, brief) == (False, "")


def test_a_stored_page_of_the_site_counts_unless_pages_are_to_be_fresh(file: DuckFile, tmp_path: Path) -> None:
    """A site that was read before may be down now."""
    with web_site() as site:
        brief = Brief.load(site.brief(tmp_path / "brief.toml"))
        site.is_itself()
        assert unread(file, brief) == (False, "")
        site.down()
        assert unread(file, brief, f"{site.url}no-such.html") == (False, "")
        assert unread(file, brief, fresh=True)[0]


def test_a_stored_page_that_says_nothing_is_read_anew(file: DuckFile, tmp_path: Path) -> None:
    """Also one with a way on, which is kept: once the site is itself, so is the page."""
    with web_site() as site:
        brief = Brief.load(site.brief(tmp_path / "brief.toml"))
        site.says("<p>We are under construction.</p><a href='/news.html'>News</a>")
        assert unread(file, brief)[1].startswith(f"{site.url}: it is only a placeholder")
        assert [row.error for row in stored(file)] == [None]
        site.is_itself()
        assert unread(file, brief) == (False, "")


def test_what_a_page_says_of_itself_is_plain_in_the_reason(file: DuckFile, tmp_path: Path) -> None:
    """Escapes, line ends and overrides of the writing direction of a hostile site are out, and it is not long."""
    with web_site() as site:
        site.is_itself()
        brief = Brief.load(site.brief(tmp_path / "brief.toml"))
        evil = f"{site.url}%1b[31m\u202eevil\x1b]0;title\x07{'x' * 5000}"
        site.says("no", status=500)
        _, why = unread(file, brief.model_copy(update={"url": evil}))
    assert why.isprintable()
    assert "\u202e" not in why
    assert len(why) < 1_000


def test_the_stores_trouble_is_told_to_no_agent(file: DuckFile, termwick: Brief) -> None:
    """What went wrong stays with the turn, whatever was being read: no path, no process, no table reaches the model."""

    async def work() -> tuple[list[str], list[Exception | None]]:
        reader = PageReader(file, termwick, owners=("ana",))
        await reader.open()
        told: list[Exception | None] = []
        reader.on_trouble = lambda: told.append(reader.trouble)
        file.call(lambda con: con.execute("ALTER TABLE pages RENAME TO away"))
        answers = [await reader.read(HOME), await reader.read(f"{HOME}no-such.html"), await reader.read(HOME)]
        return answers, told

    answers, told = asyncio.run(work())
    assert set(answers) == {ENDED}
    assert len(told) == 2
    assert told[0] is not None


@pytest.mark.usefixtures("process")
def test_a_page_that_could_not_be_kept_is_stored_when_the_store_is_back(file: DuckFile, termwick: Brief) -> None:
    """Another program holds the lab file for longer than a turn waits; the page is not lost for it."""
    hold = "import sys, duckdb; con = duckdb.connect(sys.argv[1]); print('held', flush=True); sys.stdin.readline()"
    command, piped = [sys.executable, "-c", hold, file.display_url], subprocess.PIPE

    file.call(lambda con: None)
    time.sleep(IDLE * 3)  # then the file is let go
    with subprocess.Popen(command, stdin=piped, stdout=piped, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        reader = PageReader(file, termwick, owners=("ana",))
        file._patience = 2.0
        assert asyncio.run(reader.read(HOME)) == ENDED
        file._patience = 30.0
        holder.communicate("done\n")
    assert isinstance(reader.trouble, StoreError)
    until = time.monotonic() + 20
    while not stored(file) and time.monotonic() < until:
        time.sleep(0.05)
    assert [row.url for row in stored(file)] == [HOME]
