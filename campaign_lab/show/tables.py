"""Tables: receipts, data frames, and the tree of forks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from numbers import Integral, Real
from typing import Any

from campaign_lab.money import NOTHING, Sum
from campaign_lab.show.frame import framed
from campaign_lab.show.templates import render
from campaign_lab.show.text import and_take
from campaign_lab.show.tree_places import tree_places

WIDTHS = ((400, 28), (120, 22), (40, 15))
"""Pairs of a text length and the width, in em, of a column with a longer text; other columns are as wide as their text."""
STAYS_TO = 15
"""Width in em up to which the first column stays in sight when the table scrolls; a wider one would hide the others."""
RECEIPT_COLUMNS = ("Phase", "Agent", "Requests", "Fresh in", "Cache read", "Cache written", "Out", "US$")
EM_PER_CHARACTER, EM_PER_BOLD = 0.62, 0.74
"""The average width of a character, and of a bold one in a heading."""


def receipt_rows(lines: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """The lines of a receipt as texts, below RECEIPT_COLUMNS."""
    counts = ("requests", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
    return [
        [
            f"{line['phase']}{and_take(line.get('take', 1))}",
            str(line["agent"]),
            *(f"{line[name]:,}" for name in counts),
            str(Sum.stored(line["cost_usd"], line.get("unpriced_requests"))),
        ]
        for line in lines
    ]


def receipt_html(
    lines: Sequence[Mapping[str, Any]], total: Sum, rehearsal: bool, *, avoided: Sum = NOTHING, cut: int = 0
) -> str:
    """One row per agent and phase, then the sum. In rehearsal the prices are what the tokens would cost.

    ``avoided`` is what the turns before once cost: they are carried along and not paid again. ``cut`` counts requests whose
    response broke off.
    """
    note = " at list price; rehearsal costs nothing" if rehearsal else ""
    before = "" if avoided == NOTHING else str(avoided)
    whole = table(RECEIPT_COLUMNS, receipt_rows(lines), right=range(2, len(RECEIPT_COLUMNS)))
    return framed(render("receipt", table=whole, total=total.words(note), cut=cut, avoided=before))


def frame_html(names: Sequence[str], rows: Sequence[Sequence[Any]], total: int) -> str:
    """A frame as a table that can be read: texts stand left and get room, numbers right; it scrolls in its own box.

    ``total`` counts all rows; those that are not among ``rows`` are said to be left out.
    """
    places = range(len(names))
    numbers = [place for place in places if _is_number_column([row[place] for row in rows])]
    cells = [[_shown(value) for value in row] for row in rows]
    whole = table([name.replace("_", " ") for name in names], cells, right=numbers)
    stays = bool(names) and _room(names[0], *(row[0] for row in cells)) <= STAYS_TO
    return framed(render("frame", table=whole, stays=stays, total=total, shown=len(rows)))


def tree_html(rows: Sequence[Mapping[str, Any]]) -> str:
    """Sessions and their forks as a table, each fork set in below what it was forked from.

    A row has ``session``, ``parent`` (its name, or empty), ``purpose``, ``phases``, ``cost_usd`` and ``carried_usd``:
    its own turns, and what the turns before its start once cost, as far as they are known; ``unpriced_requests`` and
    ``carried_unpriced_requests`` count the requests without a price.
    """
    lines = [
        [
            "\N{NO-BREAK SPACE}" * 4 * (depth - 1) + "└ " * (depth > 0) + str(row["session"]),
            "" if row["purpose"] == row["session"] else str(row["purpose"] or ""),
            _phases(row["phases"]),
            str(Sum.stored(row["cost_usd"], row.get("unpriced_requests"))),
            str(Sum.stored(row.get("carried_usd"), row.get("carried_unpriced_requests"))) if depth else "",
        ]
        for row, (_, depth) in zip(rows, tree_places(rows), strict=True)
    ]
    return table(
        ("Session", "Purpose", "Phases of its own", "Own cost", "Carried, not paid again"), lines, right=(3, 4)
    )


def table(names: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] | range = ()) -> str:
    """The rows as an HTML table. Cells are plain text; ``right`` are the places of the columns that hold numbers."""
    columns = list(zip(names, *rows, strict=True)) or [(name,) for name in names]
    heads = [(column[0], _room(*column), place in right) for place, column in enumerate(columns)]
    return render("table", columns=heads, rows=rows)


def _room(name: str, *texts: str) -> int:
    """The least width of a column, in em: long texts may break, short ones and the words of the heading may not."""
    longest = max(map(len, texts), default=0)
    word = max(map(len, name.split()), default=0)
    needed = ceil(max(longest * EM_PER_CHARACTER, word * EM_PER_BOLD))
    return next((em for size, em in WIDTHS if longest > size), min(needed, WIDTHS[-1][1]))


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_number_column(values: Sequence[Any]) -> bool:
    known = [value for value in values if value != "" and value is not None]
    return bool(known) and all(map(_is_number, known))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not _is_number(value):
        return str(value)
    return f"{value:,}" if isinstance(value, Integral) else f"{value:.4f}"


def _phases(value: Any) -> str:
    return str(value or "") if isinstance(value, str) or value is None else ", ".join(map(str, value))
