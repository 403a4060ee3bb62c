"""The page reader of one turn: which urls an agent may fetch, each page once a campaign, refusals as text."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from urllib.parse import urldefrag

from campaign_lab.brief import Brief, origin_of
from campaign_lab.errors import PageError
from campaign_lab.pages import Page, fetch
from campaign_lab.store import tables
from campaign_lab.store.connection import Store
from campaign_lab.store.rows import PageRow

PAGES_A_TURN = 40
"""How many pages one turn may fetch, so that a page of links cannot run up a bill."""


class PageReader:
    """Reads pages for the agents of one turn, and keeps them for the campaign.

    An agent may read pages of the brief's own sites, and pages that a stored page links to, letter by letter: so text on
    a page cannot make an agent carry data out in a url of its own making.
    """

    def __init__(self, engine: Store, brief: Brief, *, owner: str, fresh: bool = False) -> None:
        self._engine = engine
        self._brief = brief
        self._scope = (owner, brief.campaign)
        self._fresh = fresh
        self._reading: dict[str, asyncio.Task[str]] = {}
        self._known: dict[str, Page] = {}
        self._stored: dict[str, Page] = {}
        self._asked = 0

    async def open(self) -> None:
        """Loads the campaign's stored pages. Call before the first read."""
        rows = await self._engine.run(lambda con: tables.pages_of(con, *self._scope))
        for row in rows:
            page = Page.from_json(row.page or "")
            self._known |= {row.requested_url: page, page.url: page}
        self._stored = {} if self._fresh else dict(self._known)

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
        if url not in self._reading:  # several agents ask for the same page at once
            self._reading[url] = asyncio.create_task(self._read(url))
        return await asyncio.shield(self._reading[url])

    def texts(self) -> Mapping[str, str]:
        """All text of each stored page of the campaign, by url: what quotes are checked against."""
        return {page.url: page.text for page in self._known.values()}

    async def _read(self, url: str) -> str:
        try:
            page = self._stored.get(url) or await self._fetch(url)
        except PageError as error:
            await self._keep(PageRow(*self._scope, url, url, error=error.reason))
            return json.dumps({"error": str(error)}, ensure_ascii=False)
        return page.for_agent()

    async def _fetch(self, url: str) -> Page:
        if not self._allowed(url):
            raise PageError(url, "it is neither on a site of the brief nor linked from a page that was read")
        if self._asked >= PAGES_A_TURN:
            raise PageError(url, f"the turn has fetched {PAGES_A_TURN} pages, which is its limit")
        self._asked += 1
        page, body = await fetch(url, sources=self._brief.sources, allow_private=self._brief.allow_private_addresses)
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
        await self._engine.run(lambda con: tables.insert(con, [row]), scope=f"pages {row.owner}")

    def _allowed(self, url: str) -> bool:
        sites = {origin_of(site) for site in (self._brief.url, *self._brief.competitors)}
        return origin_of(url) in sites or any(url == link.url for page in self._known.values() for link in page.links)
