"""What was read: the pages of a session's campaign as plain rows, refused ones with the reason."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from campaign_lab.sessions.access import root_owner
from campaign_lab.store import tables
from campaign_lab.store.rows import PageRow, SessionRow

if TYPE_CHECKING:
    from campaign_lab.store.tables import Con

Row = dict[str, Any]


def page_rows(con: Con, session: SessionRow) -> list[Row]:
    """One row an address, as last met: the brand's own site first, then the others, each by address.

    Agents read in parallel, so the order of reading means nothing.
    """
    rest = "WHERE owner = ? AND campaign = ? ORDER BY fetched_at"
    found = tables.select(con, PageRow, rest, [root_owner(con, session), session.campaign])
    read = {row.url: _read(row) for row in found if row.error is None}
    asked = {row.requested_url for row in found if row.error is None}
    refused = {row.url: _refused(row) for row in found if row.error is not None and row.url not in asked | read.keys()}
    home = urlsplit(session.url).netloc
    return sorted(
        [*read.values(), *refused.values()], key=lambda row: (urlsplit(row["url"]).netloc != home, row["url"])
    )


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
