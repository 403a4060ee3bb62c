"""The rehearsal endpoint as the lab uses it: the server, started with the first turn, and its cache in the lab file."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Protocol

from campaign_lab.errors import EndpointError
from campaign_lab.records import Record
from campaign_lab.store.rows import CacheRow

if TYPE_CHECKING:
    from campaign_lab.rehearsal.model import Reader
    from campaign_lab.rehearsal.server.app import RehearsalServer

REVISION = 2
"""Raise it when the same conversation gets another answer or another price: stored turns are then not replayed.
tests/fingerprints.toml knows the answers of each revision, so that no change goes unseen."""


LATENCY = "CAMPAIGN_LAB_REHEARSAL_LATENCY_S"
"""The environment variable with the seconds that the server waits before each answer."""


class RehearsedPhase(Protocol):
    """What rehearsal needs to know of a phase: the records that it makes, and who reads for it."""

    @property
    def makes(self) -> Sequence[type[Record]]:
        """The records' classes."""

    @property
    def rehearse(self) -> Reader | None:
        """Gives kind, records and what is missing for the conversation's records and the task."""


class RehearsalEndpoint:
    """Answers from this process, with no key and no cost. Everything it touches says ``rehearsal``.

    ``now`` is the clock that cache entries age by. It is looked at when a turn begins and when it ends, never between.
    The environment variable CAMPAIGN_LAB_REHEARSAL_LATENCY_S makes the server that it starts wait so many seconds before
    each answer, as a model would. Raises EndpointError for a value that is no such number.
    """

    name = f"rehearsal-{REVISION}"
    rehearsal = True
    setting = "rehearsal"

    def __init__(self, server: RehearsalServer | None = None, *, now: Callable[[], datetime] | None = None) -> None:
        self.server = server
        self._latency_s = _latency_s() if server is None else 0.0
        self._now = now or partial(datetime.now, UTC)
        self._readers: dict[str, Reader] = {}

    def start(self) -> None:
        """Starts the server when it does not run yet. Raises EndpointError."""
        if self.server is None:
            from campaign_lab.rehearsal.server.app import RehearsalServer  # a second of imports, paid by the first turn

            self.server = RehearsalServer(self._latency_s)
        self.server.readers = {**self.server.readers, **self._readers}
        if not self.server.port:
            self.server.start()

    def learn(self, phase: RehearsedPhase) -> None:
        """Takes in how a phase of the user's answers in rehearsal, from the next start on."""
        if phase.rehearse is not None:
            self._readers |= {record.kind: phase.rehearse for record in phase.makes}

    def begin(self, attempt_id: str, cached: Sequence[CacheRow]) -> None:
        """Tells the server which cached prefixes the attempt can read: those whose life is not over."""
        from campaign_lab.rehearsal.server.cache_accounting import CachedPrefix

        assert self.server is not None
        now = self._now()
        alive = [row for row in cached if (now - row.stored_at).total_seconds() <= int(row.ttl)]
        self.server.expect(attempt_id, (CachedPrefix(row.prefix, row.tokens, int(row.ttl)) for row in alive))

    def env(self) -> Mapping[str, str]:
        """Address and token; no proxy stands between."""
        assert self.server is not None
        return {
            "ANTHROPIC_BASE_URL": f"http://127.0.0.1:{self.server.port}",
            "ANTHROPIC_API_KEY": self.server.token,
            "NO_PROXY": "127.0.0.1",
        }

    def count_tokens(self, model: str, text: str) -> int | None:
        """A quarter of its characters, as the server counts."""
        from campaign_lab.rehearsal.server.cache_accounting import tokens_in

        return tokens_in(len(text))

    def end(self, attempt_id: str) -> Sequence[CacheRow]:
        """What the attempt wrote to the cache or read from it, for the lab file: either begins an entry's life."""
        now = self._now()
        written = () if self.server is None else self.server.written(attempt_id)
        return [CacheRow(attempt_id, "", row.prefix, row.tokens, str(row.life_s), now) for row in written]

    def close(self) -> None:
        """Stops the server."""
        if self.server is not None:
            self.server.stop()


def _latency_s() -> float:
    said = os.environ.get(LATENCY, "").strip() or "0"
    try:
        seconds = float(said)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise EndpointError(
            RehearsalEndpoint.name, f"{LATENCY}: {said!r} is not allowed; expected seconds, such as 0.5"
        )
    return seconds
