"""Mending: a model hands in only what changes of a record that it handed in before, by the paths of the fields."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from campaign_lab.agents.kept_record import KeptRecord

MEND = "mend"
"""The key whose value is the label of the record that is to be changed."""
HOW = (
    'Mend the records with problems and hand in only them again: whole, or as {"mend": "<label>", "<field>": <new value>}'
    " with the fields that change. null takes an item out of its list."
)
MOST_LABELS = 12
"""Labels that an answer lists at most."""


class MendRefused(ValueError):
    """The changes belong to no record, or to no field of it. The message says why, for the model."""


def record_to_mend(raw: Mapping[str, Any], known: Sequence[KeptRecord], angles: Collection[str]) -> KeptRecord:
    """The one of the ``known`` records that has the label. Raises MendRefused.

    Where records belong to ``angles``, ``angle`` says which one of several is meant; for a record of none of them it is a change.
    """
    label, angle = raw[MEND], raw.get("angle")
    found = [each for each in known if each.label == label]
    if angles and angle is not None:
        found = [each for each in found if each.angle == angle] or [each for each in found if each.angle not in angles]
    if len(found) == 1:
        return found[0]
    shown = repr(label)[:80]
    if found:
        advice = "name the angle, too" if angles and angle is None else "hand it in whole"
        raise MendRefused(f"mend: several records have the label {shown}; {advice}")
    labels = ", ".join(repr(each.label) for each in known[:MOST_LABELS]) or "none"
    where = f" in the angle {str(angle)[:80]!r}" if angles and angle is not None else ""
    raise MendRefused(f"mend: no record has the label {shown}{where}; handed in were: {labels}")


def changed(body: Any, changes: Mapping[str, Any]) -> Any:
    """The JSON value with each path set to its new value: names of fields and positions in lists, joined with dots.

    None removes a field, or an item of a list; the position after the last item adds one. Positions are those before any
    change. Raises MendRefused for a path that leads nowhere.
    """
    whole = copy.deepcopy(body)
    removed: list[tuple[list[Any], int]] = []
    for path, value in changes.items():
        *way, last = path.split(".")
        holder = whole
        for step in way:
            holder = _part(holder, step, path)
        if isinstance(holder, list):
            place = _place(holder, last, path, most=len(holder) - (value is None))
            if value is None:
                removed.append((holder, place))
            else:
                holder[place : place + 1] = [value]
        elif not isinstance(holder, dict):
            raise MendRefused(f"{path}: there is no such field")
        elif value is None:
            holder.pop(last, None)
        else:
            holder[last] = value
    for holder, place in sorted(removed, key=lambda each: -each[1]):
        del holder[place]
    return whole


def _part(holder: Any, step: str, path: str) -> Any:
    if isinstance(holder, list):
        return holder[_place(holder, step, path, most=len(holder) - 1)]
    if not isinstance(holder, dict) or step not in holder:
        raise MendRefused(f"{path[:80]}: there is no such field")
    return holder[step]


def _place(holder: Sequence[Any], step: str, path: str, *, most: int) -> int:
    if step not in map(str, range(most + 1)):
        raise MendRefused(f"{path[:80]}: the list has {len(holder)} items, the first is 0")
    return int(step)
