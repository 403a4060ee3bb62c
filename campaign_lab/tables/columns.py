"""The columns of every table, as data, and rows as a pandas frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from campaign_lab.records import COPY_FIELDS, Record
from campaign_lab.tables.claim_counts import checks

if TYPE_CHECKING:
    import pandas as pd

Row = dict[str, Any]
"""A row of a table, by the names that its columns read."""

FIGURES: dict[type, str] = {bool: "boolean", int: "Int64", float: "Float64"}
"""Dtypes of a record's fields that are figures; NA when a record has none."""

TIME = "datetime64[us, UTC]"


@dataclass(frozen=True)
class Column:
    """One column: its name, its pandas dtype, and how its value is read from a row."""

    name: str
    dtype: str
    value: Callable[[Row], Any]


def named(dtype: str, *names: str) -> tuple[Column, ...]:
    """Columns of one dtype, each with the value that a row has under its name."""
    return tuple(Column(name, dtype, itemgetter(name)) for name in names)


def _length(name: str) -> Column:
    def value(row: Row) -> int:
        return int(checks().graphemes(row[name]))

    return Column(f"{name}_length", "int64", value)


def _over_limit(row: Row) -> str:
    known = checks()
    limits = known.limits()
    long = [name for name in COPY_FIELDS if limits[name].is_over(len(row[name]))]  # no text has more graphemes
    return ", ".join(name for name in long if limits[name].is_over(known.graphemes(row[name])))


COPY_COLUMNS: tuple[Column, ...] = (
    *named("str", "campaign", "session", "lineage", "purpose", "angle", "motivation", "awareness_stage"),
    *named("str", *COPY_FIELDS, "call_to_action", "language", "length", "hook", "picture_line", "picture"),
    *map(_length, COPY_FIELDS),
    Column("over_limit", "str", _over_limit),
    *named("int64", "claims", "claims_supported", "quotes", "quotes_supported"),
    *named("int64", "sentences_carried", "sentences_plain", "sentences_to_check"),
    *named("str", "near_duplicate"),
    *named("float64", "cost_own_usd", "cost_avoided_usd"),
    *named("str", "cache", "pick"),
    *named("Int64", "rating"),
    *named("str", "note", "rated_by"),
    *named("int64", "own_unpriced_requests", "avoided_unpriced_requests"),
    *named("str", "endpoint", "id"),
)
"""One row per copy variant.

- ``campaign``, ``session`` and its ``purpose``; ``lineage`` is the way to it from its root session: ``main > Emotional angle``.
- ``angle`` with its ``motivation`` and ``awareness_stage``; "" when the session has no angle of that name.
- the copy itself; ``language`` is a BCP 47 tag, ``length`` is short or long, ``hook`` the opening line, ``picture_line`` a line
  to set on the picture, ``picture`` what it shows; "" where an older variant has none.
- lengths in graphemes, what a reader sees as characters. ``over_limit`` names the fields that are longer than recommended;
  primary text may be, because it folds.
- ``claims`` and ``quotes``, and how many of each are supported: a quote stands on its page, a claim says no more than its quotes.
  A sentence that no claim carries counts as a claim that is not supported.
- ``sentences_carried`` by its claims, ``sentences_plain`` (a question, an invitation, a marked opinion: nothing that could be
  false), and ``sentences_to_check``, which state what no claim carries.
- ``near_duplicate``: headline of the variant that says nearly the same, "" when there is none: of the same turn, else of another
  turn of the campaign in this table, with the session that made it: ``Sleep well again (main)``.
- ``cost_own_usd``: what the session's own turns and its failed tries cost, ``cost_avoided_usd``: what the turns of others that
  it stands on once cost. Both are of the session and the same in each of its rows, as far as they are known (NaN: nothing is);
  ``own_unpriced_requests`` and ``avoided_unpriced_requests`` count the requests in them that have no price.
- ``cache``: was the prompt still cached for the turn that made the variant: warm, partial, cold, ``first turn``; "" if unknown.
- ``pick`` (pick, reject or ""), ``rating`` (1 to 5 or NA) and ``note`` of ``rated_by``: the user, else whoever judged last.
- ``endpoint`` that answered; ``id`` is the record's, as ``session.rate`` takes it.
"""

DIFF_COLUMNS: tuple[Column, ...] = named("str", "kind", "label", "field", "a", "b")
"""One row per field that differs. ``label`` is the record's in the first session, or in the one that has it; ``a`` and ``b``
are the field in the first and in the second one. The field ``record`` says that only one of them has the record."""

COVERAGE_COLUMNS: tuple[Column, ...] = (
    *named("str", "session", "need_kind", "need", "awareness_stage"),
    *named("int64", "angles"),
    *named("str", "names"),
)
"""One row per need and stage of awareness. ``need_kind`` is pain, desire, or other (only an angle speaks of it); ``angles``
counts the angles there, 0 for a gap, and ``names`` lists them."""

TIMELINE_COLUMNS: tuple[Column, ...] = (
    *named("str", "session", "phase", "agent"),
    *named("float64", "started_s", "ended_s"),
    *named("int64", "requests", "pages"),
)
"""One row per agent of a turn. ``started_s`` and ``ended_s`` are seconds since the turn began; ``requests`` are those that
were answered, ``pages`` those that the agent asked for."""


SESSION_COLUMNS: tuple[Column, ...] = (
    *named("str", "session", "campaign", "url", "owner", "purpose", "phase"),
    *named("int64", "turns"),
    *named("float64", "cost_usd"),
    *named("int64", "unpriced_requests"),
    *named("str", "state"),
    *named(TIME, "expires_at", "made_at"),
    *named("str", "endpoint", "id"),
)
"""One row per session. ``phase`` is the newest one, and ``state`` is living, expired or pinned.

``turns`` counts all turns up to its tip, carried ones too; ``cost_usd`` is what is known of what its own turns and failed
attempts cost (NaN: nothing is), and ``unpriced_requests`` have no price.
"""

TREE_COLUMNS: tuple[Column, ...] = (
    *named("str", "session", "parent"),
    *named("int64", "checkpoint"),
    *named("str", "phase", "purpose", "phases"),
    *named("float64", "cost_usd"),
    *named("int64", "unpriced_requests"),
    *named("float64", "carried_usd"),
    *named("int64", "carried_unpriced_requests"),
    *named("bool", "automatic"),
    *named("str", "state"),
    *named(TIME, "expires_at"),
    *named("str", "cache", "made_by"),
    *named(TIME, "made_at"),
    *named("str", "notebook", "cell", "id"),
)
"""One row per session of a fork tree. ``checkpoint`` and ``phase`` are what it was forked at, ``phases`` its turns from the root.

``cost_usd`` is what its own turns and failed attempts cost, ``carried_usd`` what the turns before its start once cost, which
the fork avoided: both as far as they are known (NaN: nothing is), with the requests without a price beside them.
``state`` is living, expired or pinned.
``cache`` tells whether the prompt of its tip is still cached, judged by time: warm, cold, or nothing where none was.
"""


PAGE_COLUMNS: tuple[Column, ...] = (
    *named("str", "url", "state", "title", "language"),
    *named("int64", "words", "numbers", "testimonials"),
    *named("str", "notes"),
    *named(TIME, "fetched_at"),
)
"""One row per page that agents asked for. ``state`` is read or refused, ``words`` counts its own text without navigation,
``numbers`` and ``testimonials`` what was found in it; ``notes`` says why it was refused, or what is odd about it."""


def cost_columns(by: str) -> tuple[Column, ...]:
    """Costs by one key. Tokens and dollars are sums of what is known; requests without a price and cut ones stand beside them.

    ``cost_usd`` is NaN where no price is known.
    """
    return (
        *named("str", by),
        *named("int64", "requests", "input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"),
        *named("float64", "cost_usd"),
        *named("int64", "unpriced_requests", "cut_requests"),
    )


def record_columns(made: type[Record]) -> tuple[Column, ...]:
    """One row per record of a class: whose it is, its own fields in the order of the class, and how it stands.

    ``label`` is its name; a field of its own is text (claims as their statements, lists joined with " · ", "" when absent)
    or a figure; one whose name is taken has ``_text`` behind it. ``claims`` and ``claims_supported`` count; a ``degraded``
    record could not be read by its class, and its own fields are empty.
    """
    before = named("str", "session", "campaign", "phase", "label")
    after = (
        *named("int64", "claims", "claims_supported"),
        *named("bool", "degraded"),
        *named("str", "endpoint", "id"),
    )
    taken = {column.name for column in (*before, *after)}
    return (*before, *(_field(name, about.annotation, taken) for name, about in made.model_fields.items()), *after)


def _field(name: str, annotation: Any, taken: set[str]) -> Column:
    choice = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    kinds = [kind for kind in choice if kind is not type(None)]
    dtype = FIGURES.get(kinds[0], "str") if len(kinds) == 1 else "str"

    def value(row: Row) -> Any:
        found = row["fields"].get(name)
        return found if dtype != "str" else "" if found is None else str(found)

    return Column(f"{name}_text" if name in taken else name, dtype, value)


def frame(rows: Sequence[Row], columns: Sequence[Column], *, when_empty: str = "") -> pd.DataFrame:
    """The rows as a frame with fixed columns and dtypes, empty or not. Where it is empty it shows what that means."""
    import pandas as pd  # most of a second, which importing the package does not need

    from campaign_lab.tables.readable_frame import WHEN_EMPTY, ReadableFrame

    data = {column.name: pd.Series(list(map(column.value, rows)), dtype=column.dtype) for column in columns}
    made = ReadableFrame(data)
    made.attrs |= {WHEN_EMPTY: when_empty} if when_empty and not rows else {}
    return made
