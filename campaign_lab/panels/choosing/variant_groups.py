"""Copy variants of several forks side by side: grouped by angle, what differs, and the plain table. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from campaign_lab.money import Sum, usd
from campaign_lab.show.tables import table
from campaign_lab.show.templates import render
from campaign_lab.show.text import plain, words

Row = Mapping[str, Any]
"""One row of ``lab.compare``, with None for what is missing."""
Column = Sequence[Row]
"""The variants of one fork."""

FIELDS = ("angle", "headline", "primary_text", "description", "call_to_action", "language")
"""What tells two variants apart: what a reader of the feed may notice, and the angle behind it."""
JUDGED = {"pick": "picked", "reject": "rejected", "": "undecided"}
NOTHING_OWN = "Nothing of its own here: its variants are in every chosen fork"


@dataclass(frozen=True)
class VariantGroup:
    """What belongs side by side: one column of variants a fork, empty where a fork has none."""

    title: str
    columns: tuple[tuple[Row, ...], ...]
    shared: bool = False
    """Are variants left out that all forks have?"""

    def differing(self) -> VariantGroup:
        """The group without the variants that all forks have."""
        common = set.intersection(*({_texts(row) for row in column} for column in self.columns))
        left = (tuple(row for row in column if _texts(row) not in common) for column in self.columns)
        return VariantGroup(self.title, tuple(left), bool(common))

    def differences(self) -> list[list[str]]:
        """What differs, a row a field: the variant's number, the field, and its text in each fork."""
        several = enumerate(zip_longest(*self.columns, fillvalue=None), 1)
        return [line for number, variants in several for line in self._fields_apart(number, variants)]

    def lack(self, column: Column) -> str:
        """What is said where a fork has no variant, or no further one."""
        if not self.shared:
            return "none" if column else "No variant here."
        return NOTHING_OWN if not column else "nothing more of its own"

    def _fields_apart(self, number: int, variants: Sequence[Row | None]) -> Iterator[list[str]]:
        for field in FIELDS if all(variants) else ("headline",):
            said = [
                self.lack(column) if row is None else _said(row, field)
                for row, column in zip(variants, self.columns, strict=True)
            ]
            if len(set(said)) > 1:
                yield [str(number), words(field), *said]


def groups(columns: Sequence[Column]) -> list[VariantGroup]:
    """The variants by angle: by its name where all forks have the same names, else by the motivation behind the names.

    Each fork may have written angles of its own; names alone would then put each of them beside nothing.
    """
    found: dict[tuple[str, str | None], None] = {}
    for motivation in dict.fromkeys(row["motivation"] for column in columns for row in column):
        alike = [[row["angle"] for row in column if row["motivation"] == motivation] for column in columns]
        names = dict.fromkeys(name for column in alike for name in column)
        by_name = not motivation or len(names) == 1 or all(set(column) == set(names) for column in alike)
        found |= dict.fromkeys(((motivation, name) for name in names) if by_name else [(motivation, None)])
    return [_group(columns, motivation, name) for motivation, name in found]


def _group(columns: Sequence[Column], motivation: str, name: str | None) -> VariantGroup:
    fitting = [
        tuple(row for row in column if row["motivation"] == motivation and name in (None, row["angle"]))
        for column in columns
    ]
    title = " · ".join(part for part in (name, words(motivation)) if part)
    return VariantGroup(plain(title) or "Without an angle", tuple(fitting))


def _texts(row: Row) -> tuple[str, ...]:
    return tuple(str(row[field]) for field in FIELDS)


def _said(row: Row, field: str) -> str:
    return words(row[field]) if field == "call_to_action" else plain(row[field])


def differences_html(group: VariantGroup, titles: Sequence[str]) -> str:
    """What differs between the forks in this angle, as a table."""
    rows = group.differences()
    if not rows:
        return "<p>Nothing differs here.</p>"
    return f'<div style="overflow-x:auto">{table(("Variant", "Field", *titles), rows)}</div>'


def static_html(columns: Sequence[Column], titles: Sequence[str]) -> str:
    """All angles as one table, a column a fork: texts, and what was thought of them, in words."""
    if not any(columns):
        return ""
    heads = zip(titles, map(cost_of, columns), strict=True)
    return render("compare_table", heads=heads, groups=groups(columns), judged=judged)


def cost_of(column: Column) -> str:
    """The fork's own cost, which stands in each of its rows, in words: "unknown" for one without rows."""
    return str(Sum.stored(column[0]["cost_own_usd"], column[0]["own_unpriced_requests"])) if column else usd(None)


def judged(row: Row) -> str:
    """What was thought of a variant: "picked, rating 4, note: …". Not by whom: a saved notebook names no user."""
    rating = "" if row["rating"] is None else f"rating {row['rating']}"
    note = f"note: {row['note']}" if row["note"] else ""
    return ", ".join(part for part in (JUDGED[row["pick"]], rating, note) if part)
