"""Stored turns that read nothing: older versions kept a research turn as finished although its site could not be read.

Such a turn stays visible, but it answers nothing: a run makes the turn anew.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from campaign_lab.brief import origin_of
from campaign_lab.records import BrandProfile
from campaign_lab.sessions.upkeep.access import root_owner
from campaign_lab.store import queries
from campaign_lab.store.rows import RecordRow, SessionRow, TurnRow

if TYPE_CHECKING:
    from campaign_lab.store.connection import Con


def read_nothing(con: Con, session: SessionRow, turn: TurnRow) -> bool:
    """Was the turn to say what the brand's site says, without a page of it that had been read by then?

    Not one that has a brand profile with a quote that stands: whatever became of its pages, it is good.
    """
    if BrandProfile.kind not in json.loads(turn.fingerprint).get("records", ()):
        return False
    profiles = queries.select(con, RecordRow, "WHERE turn_id = ? AND kind = ?", [turn.id, BrandProfile.kind])
    if any(_stands(json.loads(row.body)) for row in profiles if not row.degraded):
        return False
    return not _site_read(con, session, turn)


def _stands(part: Any) -> bool:
    """Is there a quote in it that was not found wanting?"""
    if isinstance(part, dict):
        quoted = "quote" in part and part.get("supported") is not False
        return quoted or any(map(_stands, part.values()))
    return isinstance(part, list) and any(map(_stands, part))


def _site_read(con: Con, session: SessionRow, turn: TurnRow) -> bool:
    """Had a page of the brand's own site been read when the turn ended, one that says something?"""
    from campaign_lab.agents.tools.empty_pages import why_hollow
    from campaign_lab.pages import Page

    site = origin_of(session.url)
    met = queries.pages_met(con, root_owner(con, session), session.campaign)
    own = [row for row in met if row.fetched_at <= turn.finished_at and origin_of(row.requested_url) == site]
    return any(not why_hollow(Page.from_json(row.page)) for row in own if row.error is None and row.page)
