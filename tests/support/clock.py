"""A clock that stands until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 7, 12, 0, tzinfo=UTC)
"""A spring Saturday, the day before daylight saving begins in Canada."""


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """The time as it stands."""
        return self.now

    def move(self, **by: float) -> None:
        """Moves on, such as ``move(hours=8)``."""
        self.now += timedelta(**by)
