"""Where each row of a fork tree stands: for the table, the figure and the panel alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple


class TreePlace(NamedTuple):
    """``above``: the place of the parent's row, from 0; None for one without. ``depth``: how many rows stand above it."""

    above: int | None
    depth: int


def tree_places(rows: Sequence[Mapping[str, Any]], *, name: str = "session", parent: str = "parent") -> list[TreePlace]:
    """The place of each row, parents before their forks. Names may come twice: the nearest one above is meant."""
    last: dict[str, int] = {}
    found: list[TreePlace] = []
    for place, row in enumerate(rows):
        above = last.get(str(row[parent])) if row.get(parent) else None
        found.append(TreePlace(above, 0 if above is None else found[above].depth + 1))
        last[str(row[name])] = place
    return found
