"""TurnSpec: a turn that is to be made, with all that decides its key."""

from __future__ import annotations

from dataclasses import dataclass, replace

from campaign_lab.agents.attempt_spec import AttemptSpec
from campaign_lab.brief import Brief
from campaign_lab.sessions.keys import turn_key
from campaign_lab.sessions.position import NOWHERE, CellRef
from campaign_lab.store.rows import SessionRow

ANCHOR = "anchor"
"""Name of the short common turn that a fan-out puts before its forks when the prompt cache has gone cold."""


@dataclass(frozen=True, kw_only=True)
class TurnSpec(AttemptSpec):
    """A turn that is to be made: what is sent, after which turns, and the names that its records may use.

    ``take`` is as it was asked for. None means the newest stored take, or with ``fresh_pages`` one more; lookup.py decides.
    """

    session: SessionRow
    brief: Brief
    parent_key: str
    take: int | None = None
    steer: str = ""
    fresh_pages: bool = False
    brand_names: tuple[str, ...] = ()
    known_angles: tuple[str, ...] = ()
    page_owners: tuple[str, ...] = ()
    cell: CellRef = NOWHERE
    older_key: str = ""
    """The key of a stored turn that answers the same request in an older revision of the phase."""

    @property
    def parent(self) -> str | None:
        """The id of the turn that it follows; None for the root."""
        return self.ancestors[-1] if self.ancestors else None

    @property
    def asks_for_a_new_take(self) -> bool:
        """Is one more answer wanted, whatever is stored?"""
        return self.fresh_pages and self.take is None

    @property
    def key(self) -> str:
        """The key of its turn."""
        return self.older_key or turn_key(self.parent_key, self.message, self.phase.fingerprint(), self.take or 1)

    def with_take(self, take: int) -> TurnSpec:
        """The same turn as this take."""
        return replace(self, take=take)
