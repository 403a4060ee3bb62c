"""Differences: where the records of two sessions part, after the turns that both carry."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from campaign_lab.findings import is_claim, is_quote
from campaign_lab.records import Angle, CopyVariant
from campaign_lab.sessions.history.path_loader import HandlePosition, Phases, StoredRecord, current_turns, records_of
from campaign_lab.store.connection import Con
from campaign_lab.tables.claim_counts import text_of

Row = dict[str, str]
Pair = tuple[StoredRecord, StoredRecord]
Trait = Callable[[StoredRecord], object]

WHOLE = "record"
"""The field of a row that says: only one of the two has this record."""


def difference_rows(con: Con, phases: Phases, one: HandlePosition, other: HandlePosition) -> list[Row]:
    """One row per field that differs, kind by kind. A claim counts by its statement; evidence alone makes no row.

    Records are paired by kind and label, copy variants within their angle, or within the one that is paired with it. Of what
    is left over, angles are paired by their motivation, and all others in order within their kind and angle.
    """
    ours, theirs = current_turns(con, (one, other))
    shared = {step.id for step in ours} & {step.id for step in theirs}
    kept = records_of(con, list({*ours, *theirs}), phases)
    left = [record for step in ours if step.id not in shared for record in kept.get(step.id, ())]
    right = [record for step in theirs if step.id not in shared for record in kept.get(step.id, ())]
    kinds = sorted(dict.fromkeys(record.kind for record in (*left, *right)), key=lambda kind: kind == CopyVariant.kind)
    angles: dict[str, str] = {}
    rows: list[Row] = []
    for kind in kinds:  # copy variants last: the angles that they belong to are paired by then
        pairs = _paired(kind, _of(kind, left), _of(kind, right), angles)
        if kind == Angle.kind:
            angles = {a.label: b.label for a, b in pairs}
        rows += [row for a, b in pairs for row in _fields(a, b)]
        rows += [_row(record, WHOLE, record.label, "") for record in _unpaired(_of(kind, left), [a for a, _ in pairs])]
        rows += [_row(record, WHOLE, "", record.label) for record in _unpaired(_of(kind, right), [b for _, b in pairs])]
    return rows


def _of(kind: str, records: Iterable[StoredRecord]) -> list[StoredRecord]:
    return [record for record in records if record.kind == kind]


def _paired(kind: str, left: list[StoredRecord], right: list[StoredRecord], angles: Mapping[str, str]) -> list[Pair]:
    """Who belongs together, in the order of the left. ``angles`` are the names of paired angles, left to right."""

    def group(record: StoredRecord) -> str:
        return angles.get(_angle(record), _angle(record))

    pairs = _matched(left, right, lambda record: (group(record), record.label), lambda b: (_angle(b), b.label))
    rest = _unpaired(left, [a for a, _ in pairs]), _unpaired(right, [b for _, b in pairs])
    pairs += _matched(*rest, *((_motivation, _motivation) if kind == Angle.kind else (group, _angle)))
    return sorted(pairs, key=lambda pair: left.index(pair[0]))


def _matched(left: list[StoredRecord], right: list[StoredRecord], of_left: Trait, of_right: Trait) -> list[Pair]:
    """Pairs that have a trait in common, in order among those that share it. None is no trait."""
    waiting: dict[object, list[StoredRecord]] = {}
    for record in right:
        waiting.setdefault(of_right(record), []).append(record)
    waiting[None] = []
    return [(record, found.pop(0)) for record in left if (found := waiting.get(of_left(record)))]


def _unpaired(records: list[StoredRecord], paired: list[StoredRecord]) -> list[StoredRecord]:
    return [record for record in records if not any(record is each for each in paired)]


def _motivation(record: StoredRecord) -> str | None:
    return record.fields.get("motivation")


def _angle(record: StoredRecord) -> str:
    """The angle of a copy variant; "" for other kinds, which are one group."""
    return str(record.fields.get("angle", ""))


def _fields(one: StoredRecord, other: StoredRecord) -> Iterator[Row]:
    """The fields in which the two differ, in the order of the class; a degraded record has but one, its raw text."""
    ours = {"raw": one.raw} if one.degraded else one.fields
    theirs = {"raw": other.raw} if other.degraded else other.fields
    for name in dict.fromkeys((*ours, *theirs)):
        a, b = ours.get(name), theirs.get(name)
        if (left := _compared(a)) != (right := _compared(b)):
            texts = text_of(a), text_of(b)
            yield _row(one, name, *(texts if texts[0] != texts[1] else (left, right)))


def _compared(value: Any) -> str:
    """The value as JSON without evidence: what two records are told apart by, and shown where their texts are equal."""
    return json.dumps(_bare(value), ensure_ascii=False, sort_keys=True)


def _bare(value: Any) -> Any:
    """Claims as their statements and quotes as their words; all else as it is."""
    if is_claim(value) or is_quote(value):
        return text_of(value)
    if isinstance(value, dict):
        return {name: _bare(each) for name, each in value.items()}
    return [_bare(each) for each in value] if isinstance(value, list) else value


def _row(record: StoredRecord, field: str, a: str, b: str) -> Row:
    return {"kind": record.kind, "label": record.label, "field": field, "a": a, "b": b}
