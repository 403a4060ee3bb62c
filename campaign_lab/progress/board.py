"""The protocol of progress: what a board of running work can do, and what it shows, as plain data for any front end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, Self, TypeVar

Event_contra = TypeVar("Event_contra", contravariant=True)
Elapsed = Callable[[str], float | None]
"""Seconds that the clock of this name shows; None before it has begun. The clock of the whole work has no name."""


@dataclass(frozen=True)
class ProgressLine:
    """One agent or notebook: its name, and what it does in ``words``. All texts are plain, and as hostile as any.

    ``key`` is its id on the board; the main agent has none. ``share`` is how much of it is done, 0 to 1, or None.
    ``brief`` is the one figure that a narrow display has room for; ``figures`` are all of them, by column.
    ``file`` is what it has left in the folder of its work, and ``ran_as`` the name that it had while it worked.
    """

    key: str
    name: str
    words: str
    state: str
    share: float | None = None
    brief: str = ""
    figures: Mapping[str, str] = field(default_factory=dict)
    sign: str = ""
    file: str = ""
    ran_as: str = ""


@dataclass(frozen=True)
class ProgressView:
    """What a board shows: a head, with a bar where ``share`` (0 to 1) is known, lines at work, and lines that have ended.

    ``columns`` are the titles of a line's name and of its words. ``notices`` stay to the end, ``note`` says what is waited for.
    An empty head: nothing has begun. ``prefix`` stands before what is said of it line by line, where nothing can be redrawn.
    """

    name: str
    columns: tuple[str, str]
    head: str = ""
    share: float | None = None
    lines: Sequence[ProgressLine] = ()
    ended: Sequence[ProgressLine] = ()
    notices: tuple[str, ...] = ()
    note: str = ""
    prefix: str = ""


class ProgressBoard(Protocol[Event_contra]):
    """The state of running work. Immutable: ``after`` gives the next one."""

    def after(self, event: Event_contra) -> Self:
        """The board once the event has happened."""

    def clocks(self) -> Mapping[str, bool]:
        """By name, the clocks that have begun, and whether each still runs."""

    def view(self, elapsed: Elapsed) -> ProgressView:
        """What is shown now."""
