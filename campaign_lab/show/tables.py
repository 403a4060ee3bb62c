"""Tables: receipts, data frames, and the tree of forks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from numbers import Integral, Real
from typing import Any

from campaign_lab.money import NOTHING, Sum
from campaign_lab.show.frame import framed
from campaign_lab.show.text import and_take, bidi_isolate, escape_html, pluralize

WIDTHS = ((400, 28), (120, 22), (40, 15))
"""Pairs of a text length and the width, in em, of a column with a longer text; other columns are as wide as their text."""
STAYS_TO = 15
"""Width in em up to which the first column stays in sight when the table scrolls; a wider one would hide the others."""
EM_PER_CHARACTER, EM_PER_BOLD = 0.62, 0.74
"""The average width of a character, and of a bold one in a heading."""


def receipt_html(
    lines: Sequence[Mapping[str, Any]], total: Sum, rehearsal: bool, *, avoided: Sum = NOTHING, cut: int = 0
) -> str:
    """One row per agent and phase, then the sum. In rehearsal the prices are what the tokens would cost.

    ``avoided`` is what the turns before once cost: they are carried along and not paid again. ``cut`` counts requests whose
    response broke off.
    """
    names = ("Phase", "Agent", "Requests", "Fresh in", "Cache read", "Cache written", "Out", "US$")
    keys = ("requests", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")
    rows = [
        [
            f"{line['phase']}{and_take(line.get('take', 1))}",
            str(line["agent"]),
            *(f"{line[key]:,}" for key in keys),
            str(Sum.stored(line["cost_usd"], line.get("unpriced_requests"))),
        ]
        for line in lines
    ]
    note = " at list price; rehearsal costs nothing" if rehearsal else ""
    before = f" The turns before it once cost {escape_html(str(avoided))}: they are carried along, not paid again."
    carried = "" if avoided == NOTHING else before
    lost = f" {pluralize(cut, 'request')} cut; what that cost is not known." if cut else ""
    return framed(
        f"{table(names, rows, right=range(2, len(names)))}<p>Sum: {escape_html(total.words(note))}.{lost}{carried}</p>"
    )


def frame_html(names: Sequence[str], rows: Sequence[Sequence[Any]], total: int) -> str:
    """A frame as a table that can be read: texts stand left and get room, numbers right; it scrolls in its own box.

    ``total`` counts all rows; those that are not among ``rows`` are said to be left out.
    """
    places = range(len(names))
    numbers = [place for place in places if _is_number_column([row[place] for row in rows])]
    cells = [[_shown(value) for value in row] for row in rows]
    body = table([name.replace("_", " ") for name in names], cells, right=numbers)
    more = f"<p>{len(rows)} of {total} rows are shown.</p>" if total > len(rows) else ""
    stays = ' class="cl-stay"' if names and _room(names[0], *(row[0] for row in cells)) <= STAYS_TO else ""
    return framed(f'<div{stays} style="overflow-x:auto;max-width:100%">{body}</div>{more}')


def tree_html(rows: Sequence[Mapping[str, Any]]) -> str:
    """Sessions and their forks as a table, each fork set in below what it was forked from.

    A row has ``session``, ``parent`` (its name, or empty), ``purpose``, ``phases``, ``cost_usd`` and ``carried_usd``:
    its own turns, and what the turns before its start once cost, as far as they are known; ``unpriced_requests`` and
    ``carried_unpriced_requests`` count the requests without a price.
    """
    depths = _depths(rows)
    lines = [
        [
            "\N{NO-BREAK SPACE}" * 4 * (depth - 1) + "└ " * (depth > 0) + str(row["session"]),
            "" if row["purpose"] == row["session"] else str(row["purpose"] or ""),
            _phases(row["phases"]),
            str(Sum.stored(row["cost_usd"], row.get("unpriced_requests"))),
            str(Sum.stored(row.get("carried_usd"), row.get("carried_unpriced_requests"))) if depth else "",
        ]
        for row, depth in zip(rows, depths, strict=True)
    ]
    return table(
        ("Session", "Purpose", "Phases of its own", "Own cost", "Carried, not paid again"), lines, right=(3, 4)
    )


def table(names: Sequence[str], rows: Sequence[Sequence[str]], *, right: Sequence[int] | range = ()) -> str:
    """The rows as an HTML table. Cells are plain text; ``right`` are the places of the columns that hold numbers."""
    columns = list(zip(names, *rows, strict=True)) or [(name,) for name in names]
    head = "".join(_heading(column, place in right) for place, column in enumerate(columns))
    body = "".join(f"<tr>{''.join(_cell(cell, place in right) for place, cell in enumerate(row))}</tr>" for row in rows)
    return f'<table class="cl-t"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _heading(column: Sequence[str], number: bool) -> str:
    """A heading with its column's width. Alignment is inline: JupyterLab sets tables right where it takes our sheet out."""
    kind, align = (' class="n"', "right") if number else ("", "left")
    return (
        f'<th scope="col"{kind} style="text-align:{align};min-width:{_room(*column)}em">{escape_html(column[0])}</th>'
    )


def _cell(cell: str, number: bool) -> str:
    if number:
        return f'<td class="n">{escape_html(cell)}</td>'
    return f'<td style="text-align:left">{bidi_isolate(cell) if cell else ""}</td>'


def _room(name: str, *texts: str) -> int:
    """The least width of a column, in em: long texts may break, short ones and the words of the heading may not."""
    longest = max(map(len, texts), default=0)
    word = max(map(len, name.split()), default=0)
    needed = ceil(max(longest * EM_PER_CHARACTER, word * EM_PER_BOLD))
    return next((em for size, em in WIDTHS if longest > size), min(needed, WIDTHS[-1][1]))


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _is_number_column(values: Sequence[Any]) -> bool:
    """Numbers, and gaps between them."""
    known = [value for value in values if value != "" and value is not None]
    return bool(known) and all(map(_is_number, known))


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not _is_number(value):
        return str(value)
    return f"{value:,}" if isinstance(value, Integral) else f"{value:.4f}"


def _phases(value: Any) -> str:
    """Phases as a text or a list of names."""
    return str(value or "") if isinstance(value, str) or value is None else ", ".join(map(str, value))


def _depths(rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """The depth of each row in the tree: 0 without a parent among the rows before it, else one more than its parent."""
    known: dict[str, int] = {}
    depths = []
    for row in rows:
        parent = str(row.get("parent") or "")
        depth = known[parent] + 1 if parent in known else 0
        known[str(row["session"])] = depth
        depths.append(depth)
    return depths
