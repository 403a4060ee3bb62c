"""Mending: a model hands in only what changes of a record that it handed in before, by the paths of the fields."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from campaign_lab.agents.kept_record import KeptRecord

MEND = "mend"
"""The key whose value is the label of the record that is to be changed."""
HOW = (
    'Mend the records with problems and hand in only them again: whole, or as {"mend": "<label>", "<field>": <new value>}'
    " with the fields that change. null takes an item out of its list."
)


class MendRefused(ValueError):
    """The changes belong to no record, or to no field of it. The message says why, for the model."""


def record_to_mend(raw: Mapping[str, Any], known: Sequence[KeptRecord]) -> KeptRecord:
    """The one of the ``known`` records that has the label, and the angle where one is named. Raises MendRefused."""
    label, angle = raw[MEND], raw.get("angle")
    found = [each for each in known if each.label == label and angle in (None, each.angle)]
    if len(found) == 1:
        return found[0]
    labels = ", ".join(repr(each.label) for each in known) or "none"
    raise MendRefused(
        f"mend: several records have the label {label!r}; name the angle, too"
        if found
        else f"mend: no record has the label {label!r}; handed in were: {labels}"
    )


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
            place = _place(holder, last, path, most=len(holder))
            if value is None:
                removed.append((holder, place))
            else:
                holder[place : place + 1] = [value]
        elif isinstance(holder, dict):
            holder[last] = value
        else:
            raise MendRefused(f"{path}: there is no such field")
    for holder, place in sorted(removed, key=lambda each: -each[1]):
        del holder[place : place + 1]
    return whole


def _part(holder: Any, step: str, path: str) -> Any:
    if isinstance(holder, list):
        return holder[_place(holder, step, path, most=len(holder) - 1)]
    if not isinstance(holder, dict) or step not in holder:
        raise MendRefused(f"{path}: there is no such field")
    return holder[step]


def _place(holder: Sequence[Any], step: str, path: str, *, most: int) -> int:
    if not (step.isascii() and step.isdecimal() and len(step) < 4 and int(step) <= most):
        raise MendRefused(f"{path}: the list has {len(holder)} items, the first is 0")
    return int(step)
