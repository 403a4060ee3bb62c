"""Checkpoints: where a fork starts, and the ways to name one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from campaign_lab.errors import NotFoundError


@dataclass(frozen=True)
class Checkpoint:
    """The end of a finished turn, or the root. ``number`` counts turns from the root, which is 0."""

    number: int
    phase: str
    key: str
    turn_id: str | None = None
    cell_id: str | None = None

    def __repr__(self) -> str:
        return f"Checkpoint({self.number}, {self.phase})"

    def __str__(self) -> str:
        return f"checkpoint {self.number} ({self.phase})"


At = str | int | Checkpoint | None
"""A checkpoint, a phase (the nearest such turn), ``"cell:ID"``, a turn's number, or None: the handle's position."""


def chosen(known: Sequence[Checkpoint], at: At) -> Checkpoint:
    """The checkpoint of a line, root first, that ``at`` names. Raises NotFoundError that lists the known ones."""
    if at is None:
        return known[-1]
    if isinstance(at, Checkpoint):
        fitting = [each for each in known if each.turn_id == at.turn_id]
    elif isinstance(at, str) and at.startswith("cell:"):
        fitting = [each for each in known if each.cell_id == at.removeprefix("cell:")]
    else:
        fitting = [each for each in known if at in (each.number, each.phase)]
    if not fitting:
        raise NotFoundError("checkpoint", str(at), tuple(f"{each.number} ({each.phase})" for each in known))
    return fitting[-1]
