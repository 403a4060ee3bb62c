"""The intake of one turn: validates what ``save_records`` receives, tells the model what to correct, and keeps the records."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from campaign_lab import checks
from campaign_lab.agents.kept_record import KeptRecord
from campaign_lab.agents.phases import Phase
from campaign_lab.agents.tools.mending import HOW, MEND, MendRefused, changed, record_to_mend
from campaign_lab.findings import Finding, faults, parts_below
from campaign_lab.records import BrandProfile, Claim, CompetitorProfile, CopyVariant, Record, slug, with_support
from campaign_lab.references import resolved

_NAMED_FOR_A_COMPANY = (BrandProfile.kind, CompetitorProfile.kind)
FOR_A_PERSON = frozenset(f"sentence.{rule}" for rule in ("unsupported", "hedge", "negation", "absolute"))
"""Rules on plain sentences of copy. What breaks them is saved and marked, because a good line often says what no page does."""
MENDS = 2
"""How often a model may mend what it handed in; then it is kept as it is, marked."""


class RecordIntake:
    """Collects the records of one turn. ``texts`` gives the stored pages' text by url at the time of the call.

    ``brand`` are names that need no quote, the market's among them; ``angles`` the names that a copy variant may belong to;
    ``references`` the claims of the conversation by their references.
    """

    def __init__(
        self,
        phase: Phase,
        texts: Callable[[], Mapping[str, str]],
        *,
        brand: Collection[str] = (),
        angles: Sequence[str] = (),
        references: Mapping[str, Claim] | None = None,
    ) -> None:
        self._phase = phase
        self.texts = texts
        self._brand = tuple(brand)
        self._angles = tuple(angles)
        self.references = dict(references or {})
        self._entered = frozenset(_unmarked(claim) for claim in self.references.values())
        self._tries: Counter[tuple[str, str]] = Counter()
        self._places: dict[tuple[str, str], int] = {}
        self._kept: dict[tuple[str, str], KeptRecord] = {}
        self._to_mend: list[KeptRecord] = []
        self._missing: dict[str, int] = {}

    def hand_in(self, kind: str, records: Sequence[Any], missing: Sequence[str] = ()) -> dict[str, Any]:
        """Keeps what is good, and answers the model with what is wrong. ``missing`` is what it looked for in vain.

        A record is whole, or what changes of an earlier one (``mending``). The answer is JSON-ready: ``saved`` labels,
        ``problems`` (index, label, field, what is wrong), what a person is asked ``to_check`` of what was saved, and what to
        do ``next``.
        """
        if self._phase.record_type(kind) is None:
            kinds = ", ".join(record.kind for record in self._phase.makes)
            return _answer([], [{"problem": f"kind {kind!r} is not asked for in this phase; it takes {kinds}"}])
        place = [record.kind for record in self._phase.makes].index(kind)
        self._missing |= {line: place for line in map(str, missing) if line not in self._missing}
        problems: list[dict[str, Any]] = []
        examined: dict[int, KeptRecord] = {}
        mended: set[tuple[str, str]] = set()
        for index, raw in enumerate(map(parsed, records)):
            try:
                if self._only_changes(kind, raw):
                    examined[index] = self._mended(kind, raw, {_name(each) for each in examined.values()})
                    mended.add(_name(examined[index]))
                else:
                    examined[index] = self._examine(kind, raw)
            except MendRefused as refused:
                problems.append({"record": index, "problem": str(refused)})
        self._tries.update({_group(kept) for kept in examined.values() if _must_be_mended(kept)})
        self._replace([*examined.values()], mended)
        saved: list[str] = []
        to_check: list[dict[str, Any]] = []
        for index, kept in examined.items():
            lines = _lines(index, kept)
            if _must_be_mended(kept) and self._tries[_group(kept)] <= MENDS:
                self._to_mend.append(kept)
                problems += lines
            else:
                self._kept[_name(kept)] = kept
                saved.append(kept.label)
                to_check += lines
        return _answer(saved, problems, to_check)

    def results(self) -> tuple[KeptRecord, ...]:
        """What was kept, in an order that does not depend on which agent was first: kind, angle, then as first handed in.

        A record with problems that was never handed in again is kept too, with its problems: nothing is lost.
        """
        kinds = [record.kind for record in self._phase.makes]
        order = {name: place for place, name in enumerate(self._angles)}

        def place(kept: KeptRecord) -> tuple[int, int, int]:
            return kinds.index(kept.kind), order.get(kept.angle, len(order)), self._places[_name(kept)]

        left = {_name(kept): kept for kept in self._to_mend}
        return _numbered(sorted((self._kept | left).values(), key=place))  # what stands keeps its place

    def stands(self, kind: str) -> bool:
        """Whether a record of the kind has a quote that stands on its page."""
        records = (kept.record for kept in self.results() if kept.kind == kind and kept.record is not None)
        return any(each.supported for record in records for each in record.evidence_in())

    @property
    def missing(self) -> list[str]:
        """What was looked for in vain, each once, in an order that does not depend on which agent was first.

        By kind, then as handed in; where several agents hand in one kind, each for its angle, by text.
        """
        return sorted(self._missing, key=lambda line: (self._missing[line], line if self._angles else ""))

    def _replace(self, examined: Sequence[KeptRecord], mended: Collection[tuple[str, str]]) -> None:
        """Records that wait to be mended make room for those handed in again: by name, else the most alike of kind and angle.

        One that was mended under another name leaves no ghost, and one that was not handed in again stays. Those whose names are
        among ``mended`` have their places already.
        """
        names = {_name(kept) for kept in examined}
        again = names & {_name(kept) for kept in self._to_mend}
        self._to_mend = [kept for kept in self._to_mend if _name(kept) not in names]
        for kept in examined:
            if kept.kind not in _NAMED_FOR_A_COMPANY and _name(kept) not in {*again, *mended, *self._kept}:
                same = [each for each in self._to_mend if (each.kind, each.angle) == (kept.kind, kept.angle)]
                likeness = [checks.likeness(_words(each), _words(kept)) for each in same]
                if max(likeness, default=0) >= checks.ALIKE:
                    earlier = same[likeness.index(max(likeness))]
                    self._to_mend.remove(earlier)
                    self._places[_name(kept)] = self._places[_name(earlier)]
            self._places.setdefault(_name(kept), len(self._places))

    def _only_changes(self, kind: str, raw: Any) -> bool:
        """Is it a record of which only what changes was handed in? A record of one's own may have a field of that name."""
        model = self._phase.record_type(kind)
        return isinstance(raw, dict) and MEND in raw and model is not None and MEND not in model.model_fields

    def _mended(self, kind: str, raw: Mapping[str, Any], taken: Collection[tuple[str, str]]) -> KeptRecord:
        """The whole record of which only what changes was handed in, in the earlier one's place.

        ``taken`` are the names of records in the same call. Raises MendRefused; then nothing has changed.
        """
        known = {_name(each): each for each in (*self._kept.values(), *self._to_mend) if each.kind == kind}
        earlier = record_to_mend(raw, [*known.values()], self._angles)
        own = {MEND, "angle"} if earlier.angle in self._angles else {MEND}
        changes = {path: value for path, value in raw.items() if path not in own}
        try:
            body = changed(json.loads(earlier.body), changes)
        except RecursionError:
            raise MendRefused(f"mend: {earlier.label!r} is nested too deeply; hand it in whole") from None
        kept = self._examine(kind, body)
        name, before = _name(kept), _name(earlier)
        if kept.degraded and not earlier.degraded:
            raise MendRefused("; ".join(kept.problems))
        if {name, before} & {*taken}:
            raise MendRefused(f"mend: {earlier.label!r} is in this call twice; hand in all that changes of it at once")
        if name != before and name in known:
            raise MendRefused(f"mend: another record is named {kept.label!r}; choose another name")
        if name != before:
            self._places[name] = self._places[before]
            self._kept.pop(before, None)
            self._to_mend = [each for each in self._to_mend if _name(each) != before]
        return kept

    def _examine(self, kind: str, raw: Any) -> KeptRecord:
        model = self._phase.record_type(kind)
        assert model is not None
        raw, unknown = resolved(model, raw, self.references)
        try:
            record = model.model_validate_json(json.dumps(raw))
        except ValidationError as error:
            label = _text(raw, "headline") or _text(raw, "name") or kind
            own = (_text(raw, "name"),) if kind in _NAMED_FOR_A_COMPANY else ()
            found = (
                *(_invalid(item, unknown) for item in error.errors()[:12]),
                *checks.check_invalid(raw, self.texts(), (*self._brand, *own)),
            )
            return KeptRecord("", kind, label, None, _json(raw), found, angle=_text(raw, "angle"))
        texts = self.texts()
        record = with_support(record, checks.support(record, texts))
        entered = [f"{path}." for path, claim in record.places_of(Claim) if _unmarked(claim) in self._entered]
        found = tuple(
            each
            for each in checks.check_record(record, texts, self._names(record))
            if not any(f"{each.field}.".startswith(path) for path in entered)
        )
        if isinstance(record, CopyVariant) and self._angles and record.angle not in self._angles:
            message = f"{record.angle!r} is not an angle of this campaign; it has {', '.join(self._angles)}"
            found = (*found, Finding("record.angle_unknown", "block", "angle", "", message))
        body = record.model_dump_json()
        return KeptRecord("", kind, record.label(), record, body, found, angle=_text(raw, "angle"))

    def _names(self, record: Record) -> tuple[str, ...]:
        """Names that need no quote: the brand's, and that of the company which the record is about."""
        if isinstance(record, BrandProfile | CompetitorProfile):
            return (*self._brand, record.name)
        return self._brand


def _invalid(item: Any, unknown: Mapping[str, str]) -> Finding:
    """What pydantic says of one place, or what is wrong with the reference that stands there."""
    path = ".".join(map(str, item["loc"]))
    if path in unknown:
        return Finding("record.reference_unknown", "block", path, "", unknown[path])
    return Finding("record.invalid", "block", path or "record", "", item["msg"])


def _unmarked(claim: Claim) -> Claim:
    """The claim without the marks of its evidence."""
    return Claim(
        text=claim.text, evidence=tuple(each.model_copy(update={"supported": None}) for each in claim.evidence)
    )


def _numbered(kept: Sequence[KeptRecord]) -> tuple[KeptRecord, ...]:
    """The records with their ids: the slug of the label; a copy variant is its angle's slug and a number."""
    counts: Counter[str] = Counter()
    taken: set[str] = set()
    result: list[KeptRecord] = []
    for each in kept:
        if each.angle:
            counts[each.angle] += 1
            record_id = f"{slug(each.angle)}-v{counts[each.angle]}"
        else:
            record_id = slug(each.label) or each.kind
        names = (record_id if n == 1 else f"{record_id}-{n}" for n in itertools.count(1))
        result.append(replace(each, id=next(name for name in names if name not in taken)))
        taken.add(result[-1].id)
    return tuple(result)


def _must_be_mended(kept: KeptRecord) -> bool:
    """Has it a fault that is more than a plain sentence of copy which no claim carries?"""
    return any(each.rule not in FOR_A_PERSON for each in faults(kept.findings))


def _lines(index: int, kept: KeptRecord) -> list[dict[str, Any]]:
    """What is wrong with a record, for the model; equal lines of several fields are one."""
    found: dict[str, str] = {}
    for each in faults(kept.findings):
        found.setdefault(each.sentence, each.field)
    return [{"record": index, "label": kept.label, "field": field, "problem": line} for line, field in found.items()]


def _answer(
    saved: list[str], problems: list[dict[str, Any]], to_check: Sequence[dict[str, Any]] = ()
) -> dict[str, Any]:
    answer: dict[str, Any] = {"saved": saved, "problems": problems}
    if to_check:
        answer["to_check"] = list(to_check)
    if problems:
        answer["next"] = HOW
    return answer


def parsed(raw: Any) -> Any:
    """Models sometimes send an object or a list as its JSON text: read it once."""
    try:
        return json.loads(raw) if isinstance(raw, str) else raw
    except json.JSONDecodeError:
        return raw


def _name(kept: KeptRecord) -> tuple[str, str]:
    """A record handed in again under this name replaces the earlier one. A campaign has one brand, and a rival one site."""
    if kept.kind in _NAMED_FOR_A_COMPANY:
        return kept.kind, _site(kept) if kept.kind == CompetitorProfile.kind else ""
    return kept.kind, f"{kept.angle}\n{kept.label}"


def _site(kept: KeptRecord) -> str:
    """The host of the rival's home page; its name where no address tells."""
    url = _text(json.loads(kept.body), "url")
    host = re.match(r"\w+://(?:www\.)?([^/:?#]+)", url)
    return host[1].casefold() if host else kept.label


def _words(kept: KeptRecord) -> str:
    """What the record says, without the names of its fields."""
    parts = [part for _, part in parts_below({"": json.loads(kept.body)})]
    return " ".join(each for part in parts for each in part.values() if isinstance(each, str))


def _group(kept: KeptRecord) -> tuple[str, str]:
    """What a try is counted for: one angle's texts, or one named record. Agents in parallel have a count each."""
    return kept.kind, kept.angle or kept.label


def _text(raw: Any, name: str) -> str:
    value = raw.get(name) if isinstance(raw, dict) else None
    return value.encode("utf-8", "replace").decode()[:80] if isinstance(value, str) else ""


def _json(raw: Any) -> str:
    """JSON text that the lab file takes: readable, but with half an emoji (a lone surrogate) kept as an escape."""
    text = json.dumps(raw, ensure_ascii=False, sort_keys=True)
    return json.dumps(raw, sort_keys=True) if re.search("[\ud800-\udfff]", text) else text
