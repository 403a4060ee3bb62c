"""fetch: the one door to a page, on the web or saved in a folder, under the same rules."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from campaign_lab.brief import origin_of
from campaign_lab.errors import PageError
from campaign_lab.pages.fetching import saved_site
from campaign_lab.pages.fetching.limits import FetchedResponse, FetchLimits, not_html
from campaign_lab.pages.page import Page

if TYPE_CHECKING:  # httpx and the parsers are imported when a page is read, not with the package
    from campaign_lab.pages.fetching.network import Network

_USUAL = FetchLimits()


async def fetch(
    url: str,
    *,
    sources: Sequence[tuple[str, str]] = (),
    allow_private: bool = False,
    limits: FetchLimits = _USUAL,
    network: Network | None = None,
) -> tuple[Page, bytes]:
    """Reads one page: what was found on it, and its bytes.

    ``sources`` are made-up origins with the folder or file that stands for each; those are never looked for on the
    net. ``allow_private`` lets private, loopback and link-local addresses be read; ``network`` gives other rules.

    Raises PageError with a reason and advice for whatever is not read: other schemes, addresses that are not public,
    too many redirects, too many bytes, not HTML, too slow, HTTP errors, paths that leave the folder, missing files.
    """
    from campaign_lab.pages.fetching.network import Network, is_public

    rules = network or Network(allowed=None if allow_private else is_public)
    try:
        async with asyncio.timeout(limits.seconds):
            return await _read(url.strip(), _Site(_source_of(url.strip(), sources), rules, limits))
    except TimeoutError:
        reason = f"it took longer than {limits.seconds:g} s; try again later, or another page of the site"
        raise PageError(url, reason) from None


async def _read(url: str, site: _Site) -> tuple[Page, bytes]:
    from campaign_lab.pages.reading import page_facts

    answer = await site.page(url)
    reason = not_html(answer)
    if reason:
        raise PageError(url, reason)
    document = await asyncio.to_thread(page_facts.document, answer.body, answer.content_type)
    sheets = await site.sheets(page_facts.stylesheets(document, answer.url)[: site.limits.style_files])
    found = await asyncio.to_thread(page_facts.facts, document, answer.url, sheets)
    page = Page(
        url=answer.url,
        requested_url=url,
        fetched_at=datetime.now(UTC),
        sha256=hashlib.sha256(answer.body).hexdigest(),
        size=len(answer.body),
        **found,
    )
    return page, answer.body


def _source_of(url: str, sources: Sequence[tuple[str, str]]) -> Path | None:
    """The folder or file that stands for the address's site. Raises PageError when it is no address at all."""
    try:
        parts = urlsplit(url)
        scheme, _ = parts.scheme, parts.port
        url.encode()  # half an emoji can be neither sent nor stored
    except ValueError:
        raise PageError(url, "it is not a valid address; give one such as https://site.example/page") from None
    if scheme.lower() not in ("http", "https"):
        given = f"the scheme {scheme!r} is not read" if scheme else "it has no scheme"
        raise PageError(url, f"{given}; give an address that begins with https:// or http://")
    origin = origin_of(url)
    return next((Path(path) for known, path in sources if known.lower().rstrip("/") == origin), None)


@dataclass(frozen=True)
class _Site:
    """Where a page and its style sheets come from: a saved folder or file (``source``), else the network."""

    source: Path | None
    network: Network
    limits: FetchLimits

    async def page(self, url: str) -> FetchedResponse:
        """The page as it was answered. Raises PageError."""
        if self.source is not None:
            return await asyncio.to_thread(saved_site.read_page, url, self.source, self.limits.bytes)
        return await self.network.get(url, max_bytes=self.limits.bytes, max_redirects=self.limits.redirects)

    async def sheets(self, urls: Sequence[str]) -> list[str]:
        """The style sheets that could be read. Colours are a nicety: a sheet that fails or takes long is left out."""
        tasks = [asyncio.ensure_future(self._sheet(url)) for url in urls]
        if not tasks:
            return []
        try:
            await asyncio.wait(tasks, timeout=self.limits.style_seconds)
        finally:
            for task in tasks:
                task.cancel()
            answers = await asyncio.gather(*tasks, return_exceptions=True)
        return [answer for answer in answers if isinstance(answer, str)]

    async def _sheet(self, url: str) -> str:
        most = self.limits.style_bytes
        if self.source is not None:
            answer = await asyncio.to_thread(saved_site.read_style, url, self.source, most)
        else:
            answer = await self.network.get(url, max_bytes=most, max_redirects=0, accept="text/css")
        return answer.body.decode("utf-8", "replace")
