"""The journal of a batch run: one line of JSON per ended turn and per cell that an error stopped.

The batch that started this process reads it, and so decides by codes and never by the text of an error.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

from campaign_lab.errors import LabError, TurnFailed
from campaign_lab.money import Sum
from campaign_lab.sessions.context import BatchTag
from campaign_lab.store.rows import SessionRow

ERROR_CHARACTERS = 2_000
"""How much of an error is written down."""


@dataclass
class JournalEntry:
    """How a turn ended. Filled in while it runs; ``cost_usd`` is the known part of what it cost when it was made."""

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

    def set_cost(self, cost: Sum) -> None:
        """Notes what the turn cost when it was made."""
        self.cost_usd, self.unpriced_requests = cost.known, cost.unpriced

    def stands_in(self, session: SessionRow, turn: str) -> None:
        """Notes the session in which the turn was found or made."""
        self.session, self.name, self.campaign, self.turn = session.id, session.name, session.campaign, turn


@contextmanager
def journalled(tag: BatchTag | None, session: SessionRow, phase: str) -> Iterator[JournalEntry]:
    """An entry to fill in. It is written when the turn ends, well or not; without a batch it is written nowhere."""
    entry = JournalEntry(session.id, session.name, session.campaign, None, phase)
    try:
        yield entry
    except BaseException as error:
        entry.error = (str(error) or type(error).__name__)[:ERROR_CHARACTERS]
        if isinstance(error, TurnFailed) and error.spent is not None:
            entry.set_cost(error.spent)
        raise
    finally:
        if tag is not None and tag.journal is not None:
            _append(tag.journal, asdict(entry))


def journal_cell_error(path: str, cell: str | None, error: LabError) -> None:
    """Writes down which error stopped a cell of the notebook."""
    _append(path, {"cell": cell, "error_type": type(error).__name__, "code": error.code})


def _append(path: str, entry: Mapping[str, Any]) -> None:
    """Writes one line at once, so that lines of turns that end together do not mix. No turn fails for its journal."""
    text = (json.dumps(entry) + "\n").encode("ascii")
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
