"""The rehearsal endpoint as the lab uses it: the server, started with the first turn, and its cache in the lab file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from campaign_lab.store.rows import CacheRow

if TYPE_CHECKING:
    from campaign_lab.rehearsal.server import RehearsalServer

REVISION = 1
"""Raise it when the same conversation gets another answer or another price: stored turns are then not replayed."""


class RehearsalEndpoint:
    """Answers from this process, with no key and no cost. Everything it touches says ``rehearsal``."""

    name = f"rehearsal-{REVISION}"
    rehearsal = True

    def __init__(self, server: RehearsalServer | None = None) -> None:
        self.server = server

    def start(self) -> None:
        """Starts the server when it does not run yet. Raises EndpointError."""
        if self.server is None:
            from campaign_lab.rehearsal.server import RehearsalServer  # a second of imports, paid by the first turn

            self.server = RehearsalServer()
        if not self.server.port:
            self.server.start()

    def begin(self, attempt_id: str, cached: Sequence[CacheRow]) -> None:
        """Tells the server which cached prefixes the attempt can read."""
        from campaign_lab.rehearsal.cache import CachedPrefix

        assert self.server is not None
        self.server.expect(attempt_id, (CachedPrefix(row.prefix, row.tokens, int(row.ttl)) for row in cached))

    def env(self) -> Mapping[str, str]:
        """Address and token; no proxy stands between."""
        assert self.server is not None
        return {
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{self.server.port}",
            "ANTHROPIC_API_KEY": self.server.token,
            "NO_PROXY": "127.0.0.1",
        }

    def end(self, attempt_id: str) -> Sequence[CacheRow]:
        """What the attempt wrote to the cache, for the lab file."""
        now = datetime.now(UTC)
        written = () if self.server is None else self.server.written(attempt_id)
        return [CacheRow(attempt_id, "", row.prefix, row.tokens, str(row.life_s), now) for row in written]

    def close(self) -> None:
        """Stops the server."""
        if self.server is not None:
            self.server.stop()
