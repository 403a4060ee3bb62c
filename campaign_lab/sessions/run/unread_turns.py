"""Stored turns that read nothing: older versions stored a research turn as finished although its site could not be read.

Such a turn stays visible but answers no run: the turn is made again.
"""

from __future__ import annotations

import json
from typing import Any

from campaign_lab.brief import origin_of
from campaign_lab.records import BrandProfile
from campaign_lab.sessions.upkeep.access import root_owner
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import RecordRow, SessionRow, TurnRow


def read_nothing(con: Con, session: SessionRow, turn: TurnRow) -> bool:
    """True when the turn had to read the brand's site and no page of it had been read by then.

    A turn with a brand profile whose quote was found on a page is good, whatever became of the stored pages.
    """
    if BrandProfile.kind not in json.loads(turn.fingerprint).get("records", ()):
        return False
    profiles = queries.select(con, RecordRow, "WHERE turn_id = ? AND kind = ?", [turn.id, BrandProfile.kind])
    if any(_stands(json.loads(row.body)) for row in profiles if not row.degraded):
        return False
    return not _site_read(con, session, turn)


def _stands(part: Any) -> bool:
    """True when it holds a quote that is not marked as unsupported."""
    if isinstance(part, dict):
        quoted = "quote" in part and part.get("supported") is not False
        return quoted or any(map(_stands, part.values()))
    return isinstance(part, list) and any(map(_stands, part))


def _site_read(con: Con, session: SessionRow, turn: TurnRow) -> bool:
    """True when a page of the brand's own site with text on it had been read when the turn ended."""
    from campaign_lab.agents.tools.empty_pages import why_hollow
    from campaign_lab.pages import Page

    site = origin_of(session.url)
    met = queries.pages_met(con, root_owner(con, session), session.campaign)
    own = [row for row in met if row.fetched_at <= turn.finished_at and origin_of(row.requested_url) == site]
    return any(not why_hollow(Page.from_json(row.page)) for row in own if row.error is None and row.page)
