"""Which passages of a site serve which field of a record: the short, whole and concrete ones first, no two alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from campaign_lab.checks import likeness
from campaign_lab.checks.evidence import fold
from campaign_lab.rehearsal.analyst.sentences import Cues, Passage, cues, passages, site_table

PageJson = Mapping[str, Any]

SHORT = 41
"""A passage up to this length, full stop included, fits into a headline."""
ENOUGH = 24
"""With fewer passages than this, the sentences of short paragraphs count one by one."""
_CAPS = {"audience": 4, "proofs": 12, "differentiators": 8, "offers": 10}
_PEOPLE = re.compile(r"\b(I|my|me|mine|je|mon|ich|mein)\b")


def score(passage: Passage) -> float:
    """How well a passage serves as a claim in an advertisement: short, whole, concrete, in the brand's own voice."""
    text, known = passage.text, cues(passage.language).patterns
    points = 2.0 if 20 <= len(text) <= 110 else 0.0
    points += 0.5 if re.search(r"\d", text) else 0.0
    points += 0.5 if text[-1] in ".!\u201d" or passage.kind == "heading" else -1.0
    points += 0.5 if re.search(r"\b(we|our|you|your|nous|vous|wir|sie|ihr)\b", text, re.IGNORECASE) else 0.0
    points -= 2.5 if re.search(site_table("links")["aside"], passage.url.split("/", 3)[-1].lower()) else 0.0
    points -= 4.0 if passage.dangling else 0.0
    points -= 2.0 if len(text) > 125 else 0.0
    points -= 2.5 if known["weak"].search(text) else 0.0
    points -= 1.5 if known["legal"].search(text) else 0.0
    points -= 1.0 if re.search(r"[():;/]", text) or text.count(",") > 2 else 0.0
    points -= 2.0 if text.isupper() else 0.0
    return points - min(1.5, passage.order / 100)


def statements(pages: Sequence[PageJson]) -> list[Passage]:
    """What the pages state, each once, customers' words included, other people's stray "I" left out."""
    everything = _everything(pages, paired=True)
    if len(everything) < ENOUGH:
        everything = _everything(pages, paired=False)
    solo = _speaks_alone(pages, everything)
    kept: dict[str, Passage] = {}
    for passage in everything:
        foreign_voice = passage.kind in ("statement", "heading") and not solo and _PEOPLE.search(passage.text)
        if passage.kind != "question" and not foreign_voice:
            kept.setdefault(fold(passage.text).rstrip("."), passage)
    return list(kept.values())


def _everything(pages: Sequence[PageJson], *, paired: bool) -> list[Passage]:
    """The passages of all pages, the home page's first."""
    found: list[Passage] = []
    for page in pages:
        found += passages(page, first=len(found), paired=paired)
    return found


def _speaks_alone(pages: Sequence[PageJson], found: Iterable[Passage]) -> bool:
    """Is the brand one person who says "I"? Only where a title, heading or description says so: elsewhere customers speak."""
    own = [line for page in pages for line in (page["title"], page["description"], *page["headings"])]
    if not any(_PEOPLE.search(line) for line in own if not line.rstrip().endswith("?")):
        return False
    text = " ".join(passage.text for passage in found if passage.kind in ("statement", "heading"))
    return len(_PEOPLE.findall(text)) > len(re.findall(r"\b(we|our|us|nous|notre|wir|unser\w*)\b", text, re.IGNORECASE))


def promise_of(pages: Sequence[PageJson], found: Sequence[Passage]) -> Passage | None:
    """The first heading of the home page, else its description, else the best sentence."""
    home = pages[0]["url"] if pages else ""
    top = {fold(heading) for heading in pages[0]["headings"][:1]} if pages else set()
    described = fold(pages[0]["description"]) if pages else ""
    own = [passage for passage in found if passage.kind in ("statement", "heading") and not passage.dangling]

    def rank(passage: Passage) -> tuple[int, float]:
        first = passage.kind == "heading" and fold(passage.text) in top
        said = bool(described) and fold(passage.text) in described
        return (2 if first and passage.url == home else 1 if said else 0, score(passage))

    return max(own or found, key=rank, default=None)


def sorted_into_fields(found: Sequence[Passage], promise: Passage) -> dict[str, list[Passage]]:
    """Each passage in the first field whose cue words it has, the best of each field."""
    pools: dict[str, list[Passage]] = {"offers": [], "proofs": [], "audience": [], "differentiators": []}
    for passage in found:
        known = cues(passage.language).tables["fields"]
        if passage.kind == "testimonial":
            pools["proofs"].append(passage)
        elif passage.kind == "row":
            pools["offers"].append(passage)
        else:
            pools[next((field for field, cue in known.items() if cue.search(passage.text)), "offers")].append(passage)
    taken = [promise.text]
    fields = {field: best(pool, _CAPS[field], taken) for field, pool in pools.items() if field != "proofs"}
    voices = [passage for passage in pools["proofs"] if _is_voice(passage)]
    heard = best(voices, 5, taken)
    rest = best([passage for passage in pools["proofs"] if passage not in heard], _CAPS["proofs"] - len(heard), taken)
    return {**fields, "proofs": [*heard, *rest]}


def _is_voice(passage: Passage) -> bool:
    """Is it someone else's word about the brand: a testimonial, a rating, an award?"""
    return passage.kind == "testimonial" or bool(cues(passage.language).tables["tier"]["2"].search(passage.text))


def best(pool: Sequence[Passage], most: int, taken: list[str] | None = None) -> list[Passage]:
    """The best passages, no two alike. ``taken`` are texts already used elsewhere, and is added to."""
    used = [] if taken is None else taken
    chosen: list[Passage] = []
    for passage in _short_ones_first(sorted(pool, key=lambda item: -_worth(item)), most):
        if len(chosen) == most:
            break
        alike = any(likeness(passage.text, other) >= 90 for other in used)
        rows = passage.kind == "row" and sum(p.kind == "row" for p in chosen) >= 3
        if not alike and not rows:
            chosen.append(passage)
            used.append(passage.text)
    return chosen


def _worth(passage: Passage) -> float:
    """Its score, and more for one that says several telling things at once."""
    fields = cues(passage.language).tables["fields"]
    cue = re.compile(f"{fields['differentiators'].pattern}|{fields['proofs'].pattern}", re.IGNORECASE)
    return score(passage) + 0.5 * min(3, len({match.group().lower() for match in cue.finditer(passage.text)}))


def _short_ones_first(ranked: Sequence[Passage], most: int) -> list[Passage]:
    """The ranking, with the best short passages moved up: an advertisement needs some that fit into a headline."""
    short = [item for item in ranked if len(item.text) <= SHORT and item.kind != "testimonial" and score(item) > 1]
    short = short[: most // 3]
    return [*short, *(item for item in ranked if item not in short)]


def matching(found: Iterable[Passage], table: Callable[[Cues], re.Pattern[str]]) -> list[Passage]:
    """The passages that a cue of their language finds; ``table`` picks it."""
    told = (passage for passage in found if passage.kind != "row")
    return [passage for passage in told if table(cues(passage.language)).search(passage.text)]
