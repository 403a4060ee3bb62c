"""The rehearsal reader of pages: brand profile, customer insight and competitor profiles, by extraction alone.

Pure: pages in, records out. A record says nothing that a page does not say in the same words.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any
from urllib.parse import urlsplit

from campaign_lab.checks import gives_orders, near_duplicates
from campaign_lab.checks.evidence import fold, substantial
from campaign_lab.rehearsal.sentences import Cues, Passage, cues, language_of, passages
from campaign_lab.rehearsal.topics import topic_of

PageJson = Mapping[str, Any]
Result = tuple[dict[str, Any] | None, list[str]]

_CAPS = {"audience": 4, "proofs": 12, "differentiators": 8, "offers": 10}
SHORT = 41
"""A passage up to this length, full stop included, fits into a headline."""
LOOKING_FOR = "People who look for "
"""How the segment begins that ends with the site's topic."""
LABEL = 80
"""A label of a record is at most so long."""
ENOUGH = 24
"""With fewer passages than this, the sentences of short paragraphs count one by one."""
_PEOPLE = re.compile(r"\b(I|my|me|mine|je|mon|ich|mein)\b")


def brand_profile(pages: Sequence[PageJson]) -> Result:
    """What the brand says about itself, as a BrandProfile in JSON, and what the pages do not say."""
    found = _statements(pages)
    promise = _promise(pages, found)
    if promise is None:
        return None, ["brand profile: no page holds a sentence of four words that could be quoted"]
    name = brand_name(pages)
    rest = [passage for passage in found if fold(passage.text) != fold(promise.text)]
    fields = _sorted_into_fields(rest, promise)
    record = {
        "name": name,
        "promise": promise.claim(),
        "voice": _voice(found, pages),
        "colours": _colours(pages),
        **{field: [passage.claim() for passage in chosen] for field, chosen in fields.items()},
    }
    return record, [f"{field}: the pages state none" for field, chosen in fields.items() if not chosen] + _notes(pages)


def customer_insight(pages: Sequence[PageJson], audience: str = "") -> Result:
    """What moves the brand's customers, as a CustomerInsight in JSON, and what the pages do not say."""
    found = _statements(pages)
    said = [passage for passage in found if passage.kind == "testimonial"]
    if not found:
        return None, ["customer insight: no page holds a sentence of four words that could be quoted"]
    fields = {
        name: _best(_matching(found, lambda known, name=name: known.insight[name]), 6)  # type: ignore[misc]
        for name in ("pains", "desires", "triggers")
    }
    objections = [*_questions(pages), *(_plain(p) for p in _best(_matching(found, lambda k: k.insight["objections"]), 2))]
    segments, guessed = _segments(pages, audience)
    record = {
        "segments": segments,
        "awareness_stage": _awareness(pages, fields),
        **{name: [passage.claim() for passage in chosen] for name, chosen in fields.items()},
        "objections": objections[:8],
        "words": [{"quote": passage.quotes[0], "url": passage.url} for passage in said[:10]],
    }
    empty = [name for name in ("pains", "desires", "objections", "triggers", "words") if not record[name]]
    missing = [f"{name}: no sentence of the pages speaks of them" for name in empty]
    return record, missing + (["segments: no page names a group of customers"] if guessed else [])


def competitor_profiles(
    rivals: Mapping[str, Sequence[PageJson]], brand_pages: Sequence[PageJson] = ()
) -> tuple[list[dict[str, Any]], list[str]]:
    """One CompetitorProfile in JSON for each rival (home url: its pages), and which rivals could not be read."""
    records, missing = [], []
    for url, pages in rivals.items():
        found = _statements(pages)
        positioning = _promise(pages, found)
        if positioning is None:
            missing.append(f"competitor {url}: no page of it holds a sentence that could be quoted")
            continue
        rest = [passage for passage in found if fold(passage.text) != fold(positioning.text)]
        fields = _sorted_into_fields(rest, positioning)
        record = {"name": brand_name(pages), "url": url, "positioning": positioning.claim()}
        record |= {"offer": _first(fields["offers"]), "proof": _first(fields["proofs"])}
        records.append({**record, "gap": _gap(pages, brand_pages)})
        missing += [f"competitor {record['name']}: no {name} stated" for name in ("offer", "proof") if not record[name]]
    return records, missing


def links_to_read(page: PageJson, *, limit: int) -> list[str]:
    """Which of the site's own links are worth reading next, best first, at most ``limit``."""
    own = _host(page["url"])
    scored = []
    for order, link in enumerate(page["links"]):
        parts = urlsplit(link["url"])
        words = f"{link['text']} {parts.path.replace('_', '-')}".lower()
        same = parts.scheme in ("http", "https") and _host(link["url"]) == own and not parts.query
        if same and parts.path.strip("/") and link["url"] != page["url"] and not re.search(_site()["links"]["never"], words):
            points = max([score for score, cue in _site()["links"]["points"] if re.search(cue, words)], default=1)
            scored.append((-points, parts.path.count("/"), order, link["url"]))
    return [url for *_, url in sorted(scored)][:limit]


def brand_name(pages: Sequence[PageJson]) -> str:
    """The brand's name as its pages write it; the address's when they do not."""
    named = [page["site_name"].strip() for page in pages if 1 < len(page["site_name"].strip()) <= 60]
    if named and not gives_orders(named[0]):
        return str(max(dict.fromkeys(named), key=named.count))
    host = _host(pages[0]["url"]) if pages else ""
    label = host.removesuffix(".example").rsplit(".", 1)[0] if "." in host else host
    wanted = re.sub(r"[^a-z0-9]", "", label.lower())
    parts = [part.strip() for page in pages for part in re.split(r"\s+[|\u2013\u2014-]\s+|[:|]\s+|\s+\u00b7\s+", page["title"])]
    parts = [part for part in parts if 1 < len(part) <= 60 and not gives_orders(part)]
    matching = [part for part in parts if re.sub(r"[\W_]", "", part.lower()) == wanted]
    repeated = [part for part in parts if parts.count(part) > 1]
    return str((matching or repeated or [label.replace("-", " ").title()])[0] or "The brand")


def score(passage: Passage) -> float:
    """How well a passage serves as a claim in an advertisement: short, whole, concrete, in the brand's own voice."""
    text, known = passage.text, cues(passage.language).patterns
    points = 2.0 if 20 <= len(text) <= 110 else 0.0
    points += 0.5 if re.search(r"\d", text) else 0.0
    points += 0.5 if text[-1] in ".!\u201d" or passage.kind == "heading" else -1.0
    points += 0.5 if re.search(r"\b(we|our|you|your|nous|vous|wir|sie|ihr)\b", text, re.IGNORECASE) else 0.0
    points -= 4.0 if passage.dangling else 0.0
    points -= 2.0 if len(text) > 125 else 0.0
    points -= 2.5 if known["weak"].search(text) else 0.0
    points -= 1.5 if known["legal"].search(text) else 0.0
    points -= 1.0 if re.search(r"[():;/]", text) or text.count(",") > 2 else 0.0
    points -= 2.0 if text.isupper() else 0.0
    return points - min(1.5, passage.order / 100)


def _statements(pages: Sequence[PageJson]) -> list[Passage]:
    """What the pages state, each once, customers' words included, other people's stray "I" left out."""
    everything = _everything(pages, paired=True)
    if len(everything) < ENOUGH:
        everything = _everything(pages, paired=False)
    solo = _speaks_alone(everything)
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


def _speaks_alone(found: Iterable[Passage]) -> bool:
    """Is the brand one person who says "I"?"""
    text = " ".join(passage.text for passage in found if passage.kind in ("statement", "heading"))
    return len(_PEOPLE.findall(text)) > len(re.findall(r"\b(we|our|us|nous|notre|wir|unser\w*)\b", text, re.IGNORECASE))


def _promise(pages: Sequence[PageJson], found: Sequence[Passage]) -> Passage | None:
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


def _sorted_into_fields(found: Sequence[Passage], promise: Passage) -> dict[str, list[Passage]]:
    """Each passage in the first field whose cue words it has, the best of each field."""
    pools: dict[str, list[Passage]] = {"offers": [], "proofs": [], "audience": [], "differentiators": []}
    for passage in found:
        known = cues(passage.language).fields
        if passage.kind == "testimonial":
            pools["proofs"].append(passage)
        elif passage.kind == "row":
            pools["offers"].append(passage)
        else:
            pools[next((field for field, cue in known.items() if cue.search(passage.text)), "offers")].append(passage)
    taken = [promise.text]
    fields = {field: _best(pool, _CAPS[field], taken) for field, pool in pools.items() if field != "proofs"}
    voices = [passage for passage in pools["proofs"] if _is_voice(passage)]
    heard = _best(voices, 5, taken)
    rest = _best([passage for passage in pools["proofs"] if passage not in heard], _CAPS["proofs"] - len(heard), taken)
    return {**fields, "proofs": [*heard, *rest]}


def _is_voice(passage: Passage) -> bool:
    """Is it someone else's word about the brand: a testimonial, a rating, an award?"""
    return passage.kind == "testimonial" or bool(cues(passage.language).tier["2"].search(passage.text))


def _best(pool: Sequence[Passage], most: int, taken: list[str] | None = None) -> list[Passage]:
    """The best passages, no two alike. ``taken`` are texts already used elsewhere, and is added to."""
    used = [] if taken is None else taken
    chosen: list[Passage] = []
    for passage in _short_ones_first(sorted(pool, key=lambda item: -_worth(item)), most):
        alike = any(right == len(used) for _, right, _ in near_duplicates([*used, passage.text], 90))
        rows = passage.kind == "row" and sum(p.kind == "row" for p in chosen) >= 3
        if len(chosen) < most and not alike and not rows:
            chosen.append(passage)
            used.append(passage.text)
    return chosen


def _worth(passage: Passage) -> float:
    """Its score, and more for one that says several telling things at once."""
    known = cues(passage.language)
    cue = re.compile("|".join(table.pattern for table in (known.fields["differentiators"], known.fields["proofs"])), re.I)
    return score(passage) + 0.5 * min(3, len({match.group().lower() for match in cue.finditer(passage.text)}))


def _short_ones_first(ranked: Sequence[Passage], most: int) -> list[Passage]:
    """The ranking, with the best short passages moved up: an advertisement needs some that fit into a headline."""
    short = [item for item in ranked if len(item.text) <= SHORT and item.kind != "testimonial" and score(item) > 1]
    short = short[: most // 3]
    return [*short, *(item for item in ranked if item not in short)]


def _matching(found: Iterable[Passage], table: Callable[[Cues], re.Pattern[str]]) -> list[Passage]:
    return [passage for passage in found if passage.kind != "row" and table(cues(passage.language)).search(passage.text)]


def _first(chosen: Sequence[Passage]) -> dict[str, Any] | None:
    return chosen[0].claim() if chosen else None


def _plain(passage: Passage) -> dict[str, Any]:
    return passage.claim()


def _questions(pages: Sequence[PageJson]) -> list[dict[str, Any]]:
    """Questions that the pages put into the customer's mouth, each with the answer that follows it."""
    found: dict[str, dict[str, Any]] = {}
    for page in pages:
        lines = [line for line in page["text"].splitlines() if not gives_orders(line)]
        for question, answer in zip(lines, lines[1:], strict=False):
            asked = question.endswith("?") and substantial(question) and len(question) < 120
            if asked and len(answer) <= 400 and substantial(answer) and not answer.endswith("?"):
                quotes = [{"quote": text, "url": page["url"]} for text in (question, answer)]
                found.setdefault(question, {"text": question, "evidence": quotes})
    return list(found.values())[:6]


def _segments(pages: Sequence[PageJson], audience: str) -> tuple[list[str], bool]:
    """Groups of customers that the brief or the pages name; else one made of the topic, and True."""
    named = [_group(audience)] if len(audience.strip()) > 1 else []
    for page in pages:
        known = cues(language_of(page["text"], page["language"]))
        text = "\n".join(line for line in page["text"].splitlines() if not gives_orders(line))
        named += [match.group(1) for match in known.patterns["segment"].finditer(text)]
    topic = _topic(pages)
    named = list(dict.fromkeys(name[0].upper() + name[1:] for name in named))[: 5 if topic else 6]
    general = f"{LOOKING_FOR}{topic}" if topic else f"Visitors of {brand_name(pages)}"
    return [*named, *([general] if topic or not named else [])], not named


def _group(audience: str) -> str:
    """The brief's audience as a label: its first sentence, cut where a clause begins when it is too long."""
    text = re.split(r"[.:;]\s|\n\n", " ".join(audience.split()))[0].rstrip(" ,;.:")
    ends = [match.start() for match in re.finditer(r",? (?:and|or|but|who|whose|that|which|with)\b|,", text)]
    fitting = [end for end in [*ends, len(text)] if 1 < end <= LABEL]
    cut = text[: max(fitting)] if fitting else text[:LABEL].rsplit(" ", 1)[0]
    return re.sub(r"[ ,]+(and|or|but)$", "", cut)


def _topic(pages: Sequence[PageJson]) -> str:
    english = [page for page in pages if language_of(page["text"], page["language"]) == "en"]
    return topic_of(english, brand_name(pages)) if english else ""


def _awareness(pages: Sequence[PageJson], fields: Mapping[str, Sequence[Passage]]) -> str:
    """Prices and comparisons are for readers who know the product; pains alone for those who know the problem."""
    text = "\n".join(page["text"] for page in pages)
    if re.search(_site()["subjects"]["how it differs from others"], text, re.IGNORECASE):
        return "solution"
    if re.search(_site()["subjects"]["prices"], text, re.IGNORECASE):
        return "product"
    return "problem" if fields["pains"] else "unaware"


def _voice(found: Sequence[Passage], pages: Sequence[PageJson]) -> dict[str, Any]:
    """Traits by how often the brand uses certain words, and its best short sentences as examples."""
    own = [passage for passage in found if passage.kind == "statement"] or list(found)
    words = sum(len(passage.text.split()) for passage in own) or 1
    table = cues(language_of(" ".join(page["text"] for page in pages))).voice
    share = {trait: sum(len(cue.findall(p.text)) for p in own) / words for trait, cue in table.items()}
    floor = {"factual": 0.08, "warm": 0.03, "direct": 0.03, "plain": 0.02, "lively": 0.01, "personal": 0.05}
    traits = sorted((t for t in share if share[t] >= floor[t]), key=lambda t: (-share[t] / floor[t], t))[:4]
    length = words / max(1, len(own))
    traits.append("concise" if length < 13 else "detailed" if length > 22 else "measured")
    examples = [p for p in _best([p for p in own if p.kind == "statement"], 3) if len(p.quotes) == 1]
    return {"traits": traits, "examples": [{"quote": p.quotes[0], "url": p.url} for p in examples]}


def _colours(pages: Sequence[PageJson]) -> list[str]:
    return list(dict.fromkeys(colour for page in pages for colour in page["colours"]))[:8]


def _notes(pages: Sequence[PageJson]) -> list[str]:
    """What the strategist should know about the pages: foreign languages, text that could not be read."""
    languages = [language_of(page["text"], page["language"]) for page in pages if page["text"].strip()]
    foreign = sorted({language for language in languages if language != "en"})
    notes = [f"language: pages are in {', '.join(foreign)}; quotes stay in it"] if foreign else []
    return notes + list(dict.fromkeys(f"{page['url']}: {note}" for page in pages for note in page["notes"]))


def _gap(pages: Sequence[PageJson], brand_pages: Sequence[PageJson]) -> str:
    """Subjects that our pages speak about and the rival's do not. States no figures."""
    if not brand_pages:
        return "No page of our own brand was read beside theirs, so nothing can be said about what they leave open."
    ours, theirs = _subjects(brand_pages), _subjects(pages)
    open_to_us = [subject for subject in ours if subject not in theirs][:4]
    if not open_to_us:
        return "Every subject on our pages is on theirs too; the difference has to come from proof and from tone."
    listed = " and ".join([", ".join(open_to_us[:-1]), open_to_us[-1]] if len(open_to_us) > 1 else open_to_us)
    return f"The pages we read of them say nothing about {listed}; ours do."


def _subjects(pages: Sequence[PageJson]) -> list[str]:
    text = "\n".join(line for page in pages for line in page["text"].splitlines() if not gives_orders(line))
    return [subject for subject, cue in _site()["subjects"].items() if re.search(cue, text, re.IGNORECASE)]


def _host(url: str) -> str:
    return (urlsplit(url).hostname or "").removeprefix("www.")


def site_table(name: str) -> dict[str, Any]:
    """One table of ``cues/site.toml``."""
    table: dict[str, Any] = _site()[name]
    return table


@cache
def _site() -> dict[str, Any]:
    """What does not depend on one language, from ``cues/site.toml``."""
    text = files("campaign_lab.rehearsal").joinpath("cues").joinpath("site.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
