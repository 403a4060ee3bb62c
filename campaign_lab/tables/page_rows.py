"""What was read: the pages that a session's agents asked for as plain rows, refused ones with the reason."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urldefrag, urlsplit

from campaign_lab.sessions.history.path_loader import HandlePosition, all_steps, line_to
from campaign_lab.sessions.upkeep.access import page_owners
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.queries import IN_LIST
from campaign_lab.store.rows import PageRow
from campaign_lab.tables.columns import Row

FETCH = "fetch_page"
"""How the name of the tool that reads a page ends."""


def page_rows(con: Con, user: str, position: HandlePosition) -> list[Row]:
    """One row per address that the line asked for, as last met: the brand's own site first, then the others, each by address.

    Agents read in parallel, so the order of reading means nothing. What a turn asked for is not known any more when its
    conversations were swept: who owns all of the pages is then shown all of the campaign, others what is left.
    """
    owners = page_owners(con, position.session)
    turns = [step.id for step in line_to(all_steps(con), position.turn)]
    met = queries.pages_met(con, owners, position.session.campaign)
    swept = not queries.ids_in(con, "transcripts", "session_id", turns).issuperset(turns)
    asked = {row.requested_url for row in met} if swept and {user} == {*owners} else _asked(con, turns)
    home = urlsplit(position.session.url).netloc
    rows = [_read(row) if row.error is None else _refused(row) for row in _newest(met, asked)]
    return sorted(rows, key=lambda row: (urlsplit(row["url"]).netloc != home, row["url"]))


def pages_asked(entry: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each call of the page reader in an entry: its id, and the address as the agent wrote it."""
    content = (entry.get("message") or {}).get("content")
    for block in content if isinstance(content, list) else ():
        if block.get("type") == "tool_use" and str(block.get("name", "")).endswith(FETCH):
            given = block.get("input")
            yield str(block.get("id")), str(given.get("url", "")) if isinstance(given, dict) else ""


def _newest(met: Sequence[PageRow], asked: Collection[str]) -> Collection[PageRow]:
    """What was met last at each of the addresses; a page that two of them lead to counts once."""
    last: dict[str, PageRow] = {}
    for row in met:
        last |= dict.fromkeys({row.requested_url, row.url}.intersection(asked), row)
    return {row.url: row for row in sorted(last.values(), key=lambda row: row.fetched_at)}.values()


def _asked(con: Con, turns: Collection[str]) -> set[str]:
    """The addresses that the agents of the turns asked for, as the page reader keeps them."""
    sql = f"SELECT entry FROM entries WHERE session_id {IN_LIST} AND entry LIKE ?"
    entries = con.execute(sql, [list(turns), f"%{FETCH}%"]).fetchall()
    return {_address(url) for (entry,) in entries for _, url in pages_asked(json.loads(entry))}


def _address(url: str) -> str:
    try:
        return urldefrag(url.strip())[0]
    except ValueError:  # no address at all: it was refused before it was kept
        return url


def _read(row: PageRow) -> Row:
    page = json.loads(row.page or "{}")
    return {
        "url": row.url,
        "state": "read",
        "title": page.get("title", ""),
        "language": page.get("language", ""),
        "words": len(page.get("main_text", "").split()),
        "numbers": len(page.get("numbers", ())),
        "testimonials": len(page.get("testimonials", ())),
        "notes": "; ".join(page.get("notes", ())),
        "fetched_at": row.fetched_at,
    }


def _refused(row: PageRow) -> Row:
    return {
        "url": row.url, "state": "refused", "title": "", "language": "", "words": 0, "numbers": 0, "testimonials": 0,
        "notes": row.error, "fetched_at": row.fetched_at,
    }  # fmt: skip
