"""The journal of a batch run: one line of JSON for each turn that ended, for the batch that started this process."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from campaign_lab.errors import TurnFailed

if TYPE_CHECKING:
    from campaign_lab.sessions.context import BatchTag
    from campaign_lab.store.rows import SessionRow

ERROR_CHARACTERS = 2_000
"""How much of an error is written down."""


@dataclass
class JournalEntry:
    """What a turn came to. Filled in while it runs; ``cost_usd`` is what is known of what it cost when it was made."""

    session: str
    name: str
    campaign: str
    turn: str | None
    phase: str
    replayed: bool = False
    cost_usd: float | None = None
    unpriced_requests: int = 0
    records: int = 0
    error: str = ""

    def stands_in(self, session: SessionRow, turn: str) -> None:
        """It was found or made, in this session."""
        self.session, self.name, self.campaign, self.turn = session.id, session.name, session.campaign, turn


@contextmanager
def journalled(tag: BatchTag | None, session: SessionRow, phase: str) -> Iterator[JournalEntry]:
    """A line to fill in; it is written at the end, also when the turn failed. Without a batch it is written nowhere."""
    line = JournalEntry(session.id, session.name, session.campaign, None, phase)
    try:
        yield line
    except BaseException as error:
        line.error = (str(error) or type(error).__name__)[:ERROR_CHARACTERS]
        if isinstance(error, TurnFailed) and error.spent is not None:
            line.cost_usd, line.unpriced_requests = error.spent.known, error.spent.unpriced
        raise
    finally:
        if tag is not None and tag.journal is not None:
            _append(tag.journal, line)


def _append(path: str, line: JournalEntry) -> None:
    """One write, so that lines of turns that end at once do not mix. A turn that was paid never fails for its journal."""
    text = (json.dumps(asdict(line)) + "\n").encode("ascii")
    try:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            whole = os.write(file, text) == len(text)
        finally:
            os.close(file)
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL in it
        logging.getLogger("campaign_lab").warning("the run's journal %s could not be written: %s", path, error)
        return
    if not whole:
        logging.getLogger("campaign_lab").warning("the run's journal %s could be written only in part", path)
