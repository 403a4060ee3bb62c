"""The page reader of one turn: which addresses an agent may fetch. Each page is fetched once per campaign; a refusal is text."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urldefrag

from campaign_lab.agents.tools.empty_pages import leads_nowhere, why_hollow
from campaign_lab.brief import Brief, origin_of
from campaign_lab.errors import PageError, StoreError
from campaign_lab.pages import Page, fetch
from campaign_lab.pages.agent_view import page_for_agent
from campaign_lab.show.text import one_line
from campaign_lab.store import queries
from campaign_lab.store.connection import Con, Store
from campaign_lab.store.rows import PageRow

PAGES_A_TURN = 40
"""How many pages one turn may fetch, so that a page of links cannot run up a bill."""
ENDED = json.dumps({"error": "The turn has ended; nothing more is read."})
"""What an agent is answered while its turn is being stopped: nothing about the store, its path or its process."""
REASON = 400
"""A reason that a page gives is at most so many characters long."""


class PageReader:
    """Reads pages for the agents of one turn, and keeps them for the campaign.

    An agent may read pages of the brief's own sites, and pages that a stored page links to, letter by letter: so text on
    a page cannot make an agent carry data out in a url of its own making.

    Pages of the campaign that are stored under one of the ``owners`` are known; what it reads is kept under the last one.
    ``trouble`` is what the store said when a page could not be kept; ``on_trouble`` is called then, once a page.
    """

    def __init__(self, engine: Store, brief: Brief, *, owners: Sequence[str], fresh: bool = False) -> None:
        self._engine = engine
        self._brief = brief
        self._owners, self._scope = owners, (owners[-1], brief.campaign)
        self._fresh = fresh
        self._reading: dict[str, asyncio.Task[Page | PageError]] = {}
        self._known: dict[str, Page] = {}
        self._stored: dict[str, Page] = {}
        self._asked = 0
        self._site_read = False
        self._refusals: dict[str, str] = {}
        self.trouble: Exception | None = None
        self.on_trouble: Callable[[], None] = lambda: None

    async def open(self) -> None:
        """Loads the campaign's stored pages. Call before the first read.

        Where none of the brand's own pages says anything they are read anew: its site may have been down, or not yet there.
        """
        rows = await self._engine.run(lambda con: queries.pages_of(con, self._owners, self._brief.campaign))
        for row in rows:
            page = Page.from_json(row.page or "")
            self._known |= {row.requested_url: page, page.url: page}
        own = [page for url, page in self._known.items() if self._is_own(url)]
        self._site_read = not self._fresh and not all(map(why_hollow, own))
        usable = {url: page for url, page in self._known.items() if self._site_read or not self._is_own(url)}
        self._stored = {} if self._fresh else usable

    async def site_is_refused(self) -> bool:
        """Is the brand's home page refused, and the root of its site too? Asked before anybody is paid to read them.

        A saved site is not asked: its refusals name its pages, so an agent may find its way.
        """
        if self._site_read or self._brief.folder_of(self._brief.url) is not None:
            return False
        home = urldefrag(self._brief.url)[0]
        for url in (home, f"{origin_of(home)}/"):
            if isinstance(await self._page(url), Page):
                return False
        return True

    def why_site_unread(self) -> str:
        """Why no page of the brand's own site was read, as that page says it: one plain line, hostile characters out.

        Empty when one was, now or for an earlier turn of the campaign, or when none was asked for.
        """
        if self._site_read or not self._refusals:
            return ""
        home = urldefrag(self._brief.url)[0]
        url = home if home in self._refusals else next(iter(self._refusals))
        return one_line(f"{url[:REASON]}: {self._refusals[url][:REASON]}")

    async def read(self, url: str) -> str:
        """The page as JSON for an agent, or a line that says why it was not read. Never raises for a page."""
        try:
            url = urldefrag(url.strip())[0]
            origin_of(url).encode()
            url.encode()  # half an emoji cannot be stored
        except ValueError:
            return json.dumps(
                {"error": str(PageError(url, "it is not a valid address; follow a link of a page that was read"))}
            )
        page = await self._page(url)
        if self.trouble is not None:
            return ENDED
        if isinstance(page, PageError):
            return json.dumps({"error": str(page)}, ensure_ascii=False)
        return page_for_agent(page)

    async def _page(self, url: str) -> Page | PageError:
        if url not in self._reading:  # several agents ask for the same page at once
            self._reading[url] = asyncio.create_task(self._read(url))
        return await asyncio.shield(self._reading[url])

    def texts(self) -> Mapping[str, str]:
        """All text of each stored page of the campaign, by url: what quotes are checked against."""
        return {page.url: page.text for page in self._known.values()}

    async def _read(self, url: str) -> Page | PageError:
        try:
            page = self._stored.get(url) or await self._fetch(url)
        except PageError as error:
            self._note(url, error.reason)
            await self._keep(PageRow(*self._scope, url, url, error=error.reason))
            return error
        self._note(url, why_hollow(page))
        return page

    def _note(self, url: str, refusal: str) -> None:
        """Remembers whether a page of the brand's own site was read, or why it was not."""
        if self._is_own(url):
            self._site_read = self._site_read or not refusal
            self._refusals |= {url: refusal} if refusal else {}

    def _is_own(self, url: str) -> bool:
        return origin_of(url) == origin_of(self._brief.url)

    async def _fetch(self, url: str) -> Page:
        if not self._allowed(url):
            raise PageError(url, "it is neither on a site of the brief nor linked from a page that was read")
        if self._asked >= PAGES_A_TURN:
            raise PageError(url, f"the turn has fetched {PAGES_A_TURN} pages, which is its limit")
        self._asked += 1
        page, body = await fetch(url, sources=self._brief.sources, allow_private=self._brief.allow_private_addresses)
        if leads_nowhere(page):
            raise PageError(url, why_hollow(page))
        self._known |= {url: page, page.url: page}
        self._stored |= {url: page, page.url: page}  # under its other name it is not fetched again
        await self._keep(
            PageRow(
                *self._scope, page.url, url, page.sha256, size=page.size, body=body, page=page.to_json(),
                fetched_at=page.fetched_at,
            )
        )  # fmt: skip
        return page

    async def _keep(self, row: PageRow) -> None:
        """Stores a row. When that fails the turn is told, and no agent. The row is handed in once more, for later."""

        def insert(con: Con) -> None:
            queries.insert(con, [row])

        scope = f"pages {row.owner}"
        try:
            await self._engine.run(insert, scope=scope)
        except Exception as error:  # a StoreError, or what the database itself raises
            self.trouble = self.trouble or error
            with contextlib.suppress(StoreError):
                self._engine.submit(insert, scope=scope)
            self.on_trouble()

    def _allowed(self, url: str) -> bool:
        sites = {origin_of(site) for site in (self._brief.url, *self._brief.competitors)}
        return origin_of(url) in sites or any(url == link.url for page in self._known.values() for link in page.links)
