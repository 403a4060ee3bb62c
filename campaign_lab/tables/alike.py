"""Near duplicates among the copy variants of a table: those of other turns, beside what a turn has stored of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from operator import itemgetter

from campaign_lab.records import COPY_FIELDS
from campaign_lab.tables.claim_counts import checks
from campaign_lab.tables.columns import Row

_fields = itemgetter(*COPY_FIELDS)

MOST_TEXTS = 200
"""Different texts of a campaign that are compared with each other: their number of pairs grows with its square."""
SHARED = 0.5
"""Part of the shorter text's sequences of three characters that near duplicates have in common at least."""


def name_alike(variants: Mapping[str, Sequence[Row]], turns: Mapping[str, str]) -> None:
    """Names in each row, for which its own turn has no near duplicate, the nearest one of another turn, and its session.

    ``variants`` are rows by turn; ``turns`` are those of one campaign in their order, with the session that is to be named.
    Where a campaign has more than MOST_TEXTS different texts, none of other turns is named.
    """
    places: dict[tuple[str, ...], list[tuple[str, Row]]] = {}
    for turn in turns:
        for row in variants[turn]:
            places.setdefault(_fields(row), []).append((turn, row))
    texts = list(places) if len(turns) > 1 else []
    if len(texts) > MOST_TEXTS:
        return
    alike: dict[int, list[tuple[float, int]]] = {}
    for left, right, likeness in checks().near_duplicates(["\n".join(text) for text in texts], shared=SHARED):
        alike.setdefault(left, []).append((-likeness, right))
        alike.setdefault(right, []).append((-likeness, left))
    for place, text in enumerate(texts):
        others = (text, *(texts[other] for _, other in sorted(alike.get(place, ()))))
        nearest = _of_two_turns(each for other in others for each in places[other])
        names = [(turn, f"{row['headline']} ({turns[turn]})") for turn, row in nearest]
        for own, row in places[text]:
            row["near_duplicate"] = row["near_duplicate"] or next((name for turn, name in names if turn != own), "")


def _of_two_turns(found: Iterable[tuple[str, Row]]) -> list[tuple[str, Row]]:
    """The first row, and the first one that another turn has made."""
    rows = iter(found)
    first = next(rows)
    return [first, *islice((each for each in rows if each[0] != first[0]), 1)]
