"""The words of the session tree: one plain line a session or checkpoint for the list, and HTML for what is chosen. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from campaign_lab.figures.tree_costs import carried, cost
from campaign_lab.show.templates import render
from campaign_lab.show.text import one_line, plain, shortened
from campaign_lab.show.tree_places import tree_places

Row = Mapping[str, Any]
Choice = tuple[str, int | None]
"""A session by id, and one of its checkpoints by number; None is where the session stands."""

STEP = "    "
DEEPEST = 12
"""From this depth on lines are not indented further: they would leave the list."""
LONGEST = 60
CACHE = {
    "warm": "warm: the next turn reads its conversation from the prompt cache",
    "cold": "cold: the next turn writes its conversation to the prompt cache anew",
    "": "not cached yet",
}


def options(rows: Sequence[Row], user: str, now: datetime) -> list[tuple[str, Choice]]:
    """The tree as lines for a list, parents first, each session with its own checkpoints below it."""
    lines: list[tuple[str, Choice]] = []
    for row, (_, depth) in zip(rows, tree_places(rows, name="id", parent="parent_id"), strict=True):
        indent = STEP * min(depth, DEEPEST)
        lines.append((indent + session_line(row, user, now), (row["id"], None)))
        lines += [
            (indent + STEP + checkpoint_line(point, user), (row["id"], point["number"])) for point in row["checkpoints"]
        ]
    return lines


def session_line(row: Row, user: str, now: datetime) -> str:
    """Name, why and where it was forked, phase reached, own cost, warm or cold, age left, and who made it."""
    reached = row["phases"].rsplit(", ", 1)[-1] or "nothing yet"
    parts = [short(row["session"])]
    if row["parent"]:
        parts.append(f"forked at {row['checkpoint']} {row['phase']}")
    if row["automatic"]:
        parts.append("made by a run")
    if row["purpose"] and row["purpose"] != row["session"]:
        parts.append(f"“{short(row['purpose'])}”")
    parts += [f"reached {reached}", str(cost(row)), row["cache"], left(row, now)]
    if row["made_by"] != user:
        parts.append(f"of {short(row['made_by'])}")
    return " · ".join(one_line(part) for part in parts if part)


def checkpoint_line(point: Row, user: str) -> str:
    """Number, phase, own cost, and who ran it."""
    name = "0 root, before anything ran" if point["number"] == 0 else f"{point['number']} {point['phase']}"
    parts = [f"checkpoint {name}"]
    if point["number"]:
        parts.append(str(cost(point)))
    if point["take"] > 1:
        parts.append(f"take {point['take']}")
    if point["made_by"] != user:
        parts.append(f"by {short(point['made_by'])}")
    return " · ".join(one_line(part) for part in parts)


def left(row: Row, now: datetime) -> str:
    """How long a session still lives, such as "7 h 40 min left"."""
    if row["state"] != "living" or row["expires_at"] is None:
        return row["state"] if row["state"] != "living" else ""
    minutes = max(int((row["expires_at"] - now).total_seconds() // 60), 0)
    days, hours, rest = minutes // 1440, minutes // 60 % 24, minutes % 60
    parts = ((days, "d"), (hours, "h"), (rest, "min"))
    said = [f"{number} {unit}" for number, unit in parts if number][:2]
    return f"{' '.join(said) or 'less than 1 min'} left"


def session_html(row: Row, now: datetime, steer: str) -> str:
    """All that is known of a session. ``steer`` waits for its first run."""
    further = f", and carries turns that once cost {carried(row)}" if row["checkpoint"] else ""
    forked = f"{row['parent']}, checkpoint {row['checkpoint']} ({row['phase']})" if row["parent"] else ""
    return details(
        ("Session", row["session"]),
        ("Purpose", plain(row["purpose"]) or "none: it is not a fork"),
        ("Forked from", forked),
        ("Steer that waits for its first run", plain(steer)),
        ("Turns", plain(row["phases"]) or "none yet"),
        ("Cost", f"{cost(row)} of its own{further}"),
        ("Prompt", CACHE[row["cache"]]),
        ("Life", left(row, now) or "without end"),
        ("Made by", _made_by(row, "a run of " if row["automatic"] else "")),
    )


def checkpoint_html(row: Row, point: Row) -> str:
    """All that is known of a checkpoint of a session."""
    if point["number"] == 0:
        return details(("Checkpoint", "0, the root: nothing was said yet"), ("Session", row["session"]))
    return details(
        ("Checkpoint", f"{point['number']}, the end of {point['phase']}"),
        ("Session", row["session"]),
        ("Steer", plain(point["steer"]) or "none"),
        ("Take", str(point["take"])),
        ("Cost of the turn", str(cost(point))),
        ("Made by", _made_by(point)),
    )


def details(*pairs: tuple[str, str]) -> str:
    """Names and values as a table, without what has no value."""
    return render("details", pairs=[(name, value) for name, value in pairs if value])


def short(value: object) -> str:
    """One plain line of at most ``LONGEST`` characters."""
    return shortened(one_line(value), LONGEST)


def _made_by(row: Row, how: str = "") -> str:
    cell = f"cell {row['cell']}" if row["cell"] else ""
    where = " of ".join(part for part in (cell, row["notebook"]) if part) or "no notebook cell"
    return f"{how}{row['made_by']}, {row['made_at']:%Y-%m-%d %H:%M} UTC, in {where}"
