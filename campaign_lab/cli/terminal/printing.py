"""Rows and lines on stdout. Texts come from pages, models and users, so rich's markup stays off."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from campaign_lab.money import Sum
from campaign_lab.show.text import UNSEEN, one_line
from campaign_lab.show.text import plain as harmless

PIPED_WIDTH = 150
"""Columns when the output goes to a file or another program; a table with longer words takes more."""
PADDED = 3
"""Columns that a table puts around a cell."""
WHOLE = 16
"""Texts of so many characters, such as a time, are never broken."""


def plain(text: object, style: str = "") -> Text:
    """A text of whoever wrote it, without markup and without what steers a terminal, hides or reorders."""
    return Text(harmless(text), style=style)


def console() -> Console:
    """The console for results."""
    made = Console(highlight=False)
    if not made.is_terminal:
        made.width = PIPED_WIDTH
    return made


def print_text(text: str) -> None:
    """One line, or several."""
    console().print(plain(text))


def print_json(value: object) -> None:
    """A value as JSON. What the stream cannot carry, and what would steer a terminal, stands there as an escape."""
    written = json.dumps(value, ensure_ascii=False, indent=2, default=str)
    try:
        written.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        written = json.dumps(value, indent=2, default=str)
    print(UNSEEN.sub(lambda found: json.dumps(found[0])[1:-1], written))


def note(text: object) -> None:
    """One line on stderr."""
    print(one_line(text), file=sys.stderr)


def say(text: object, code: int) -> int:
    """Says on stderr why the command ends with this exit code, and gives that code."""
    note(f"campaign-lab: {text}")
    return code


def print_rows(title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """A table with the rows' keys as its head. Numbers stand right, money has four decimals.

    A column with nothing in it is left out. Where a terminal is too narrow, long texts are broken; numbers, times and single
    words are not. A file or another program gets lines as long as they need to be, so that no word is broken.
    """
    if not rows:
        print_text(f"{title}: nothing yet")
        return
    table, made = Table(title=title, title_justify="left"), console()
    cells = {name: [_cell(name, row[name]) for row in rows] for name in rows[0]}
    shown = {name: texts for name, texts in cells.items() if any(texts)}
    needed = 1
    for name, texts in shown.items():
        right = any(isinstance(row[name], int | float) and not isinstance(row[name], bool) for row in rows)
        whole = right or max(map(len, texts)) <= WHOLE
        heading = name.replace("_", " ")
        room = max(cell_len(part) for text in (heading, *texts) for part in ([text] if whole else text.split() or [""]))
        table.add_column(
            heading, justify="right" if right else "left", overflow="fold", no_wrap=whole,
            min_width=None if made.is_terminal else room,
        )  # fmt: skip
        needed += min(room, PIPED_WIDTH) + PADDED
    for line in zip(*shown.values(), strict=True):
        table.add_row(*map(plain, line))
    if not made.is_terminal:
        made.width = max(made.width, needed)
    made.print(table)


def cell(cost: Sum) -> float | str:
    """A sum as a value of a row: a number, or words where a part of it is not known."""
    return str(cost) if cost.unpriced else cost.usd


def _cell(name: str, value: Any) -> str:
    if name.endswith("_usd") and isinstance(value, float):
        return f"${value:.4f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if value is None:
        return ""
    return str(value)[:16].replace("T", " ") if name.endswith("_at") else str(value)
