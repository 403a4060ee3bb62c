"""Brand profile, customer insight and competitor profiles, extracted from the pages of a site.

Pure: pages in, records out. A record says nothing that a page does not say in the same words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from campaign_lab.checks import gives_orders
from campaign_lab.checks.evidence import fold, substantial
from campaign_lab.pages.page import host_of
from campaign_lab.rehearsal.analyst.selection import (
    PageJson,
    best,
    matching,
    promise_of,
    sorted_into_fields,
    statements,
)
from campaign_lab.rehearsal.analyst.sentences import Passage, cues, language_of, site_table
from campaign_lab.rehearsal.analyst.topics import topic_of
from campaign_lab.rehearsal.writer.phrasebook import phrases

Result = tuple[dict[str, Any] | None, list[str]]

LABEL = 80
"""A label of a record is at most so many characters long."""
LEGAL_LINES = 4
"""A brand profile holds at most so many legal lines."""
SHORT_TITLE_WORDS = 3
"""A home page's title of up to so many words is a name."""


def brand_profile(pages: Sequence[PageJson], *, home: str = "", language: str = "en") -> Result:
    """What the brand says about itself, as a BrandProfile in JSON, and what the pages do not say.

    ``home`` is the address that was asked for: it is named when no page could be read. ``language`` is the brief's.
    """
    found = statements(pages)
    promise = promise_of(pages, found)
    if promise is None:
        return None, [f"brand profile: {_nothing(pages, home)}"]
    name = brand_name(pages, language)
    rest = [passage for passage in found if fold(passage.text) != fold(promise.text)]
    fields = sorted_into_fields(rest, promise)
    record = {
        "name": name,
        "promise": promise.claim(),
        "voice": _voice(found, pages),
        "colours": _colours(pages),
        **{field: [passage.claim() for passage in chosen] for field, chosen in fields.items()},
        "legal_lines": _legal_lines(pages),
    }
    empty = [field for field, chosen in fields.items() if not chosen]
    return record, [f"{field}: {_why_empty(field, found)}" for field in empty] + _notes(pages, language)


def customer_insight(pages: Sequence[PageJson], audience: str = "", *, home: str = "", language: str = "en") -> Result:
    """What moves the brand's customers, as a CustomerInsight in JSON, and what the pages do not say.

    ``home`` is the address that was asked for: it is named when no page could be read. ``language`` is the brief's:
    groups of customers are named in it.
    """
    found = statements(pages)
    said = [passage for passage in found if passage.kind == "testimonial"]
    if not found:
        return None, [f"customer insight: {_nothing(pages, home)}"]
    fields = {
        name: best(matching(found, lambda known, name=name: known.tables["insight"][name]), 6)  # type: ignore[misc]
        for name in ("pains", "desires", "triggers")
    }
    objections = [
        *_questions(pages),
        *(p.claim() for p in best(matching(found, lambda k: k.tables["insight"]["objections"]), 2)),
    ]
    segments, remarks = _segments(pages, audience, language)
    record = {
        "segments": segments,
        "awareness_stage": _awareness(pages, fields),
        **{name: [passage.claim() for passage in chosen] for name, chosen in fields.items()},
        "objections": objections[:8],
        "words": [{"quote": passage.quotes[0], "url": passage.url} for passage in said[:10]],
    }
    empty = [name for name in ("pains", "desires", "objections", "triggers", "words") if not record[name]]
    missing = [f"{name}: no sentence of the pages speaks of them" for name in empty]
    return record, missing + remarks


def competitor_profiles(
    rivals: Mapping[str, Sequence[PageJson]], brand_pages: Sequence[PageJson] = (), *, language: str = "en"
) -> tuple[list[dict[str, Any]], list[str]]:
    """One CompetitorProfile in JSON for each rival (home url: its pages), and which rivals could not be read.

    Gaps are told in ``language``, the brief's.
    """
    records, missing = [], []
    for url, pages in rivals.items():
        found = statements(pages)
        positioning = promise_of(pages, found)
        if positioning is None:
            missing.append(f"competitor {url}: {_nothing(pages, url)}")
            continue
        rest = [passage for passage in found if fold(passage.text) != fold(positioning.text)]
        fields = sorted_into_fields(rest, positioning)
        record: dict[str, Any] = {"name": brand_name(pages, language), "url": url, "positioning": positioning.claim()}
        record |= {"offer": _first(fields["offers"]), "proof": _first(fields["proofs"])}
        records.append({**record, "gap": _gap(pages, brand_pages, language)})
        missing += [f"competitor {record['name']}: no {name} stated" for name in ("offer", "proof") if not record[name]]
    return records, missing


def links_to_read(page: PageJson, *, limit: int) -> list[str]:
    """Which of the site's own links are worth reading next, best first, at most ``limit``."""
    own = host_of(page["url"])
    scored = []
    for order, link in enumerate(page["links"]):
        parts = urlsplit(link["url"])
        words = f"{link['text']} {parts.path.replace('_', '-')}".lower()
        same = parts.scheme in ("http", "https") and host_of(link["url"]) == own and not parts.query
        other = parts.path.strip("/") and link["url"] != page["url"]
        if same and other and not re.search(site_table("links")["never"], words):
            points = max([score for score, cue in site_table("links")["points"] if re.search(cue, words)], default=1)
            scored.append((-points, parts.path.count("/"), order, link["url"]))
    return [url for *_, url in sorted(scored)][:limit]


def brand_name(pages: Sequence[PageJson], language: str = "en") -> str:
    """The brand's name as its pages write it; the address's when they do not; else "the brand" in ``language``."""
    named = [page["site_name"].strip() for page in pages if 1 < len(page["site_name"].strip()) <= 60]
    if named and not gives_orders(named[0]):
        return str(max(dict.fromkeys(named), key=named.count))
    host = host_of(pages[0]["url"]) if pages else ""
    label = host.removesuffix(".example").rsplit(".", 1)[0] if "." in host else host
    wanted = re.sub(r"[^a-z0-9]", "", label.lower())
    titles = (re.split(r"\s+[|\u2013\u2014-]\s+|[:|]\s+|\s+\u00b7\s+", page["title"]) for page in pages)
    generic = site_table("names")["generic"]
    parts = [part for title in titles for part in map(str.strip, title) if 1 < len(part) <= 60]
    parts = [part for part in parts if part.lower() not in generic and not gives_orders(part)]
    matching = [part for part in parts if re.sub(r"[\W_]", "", part.lower()) == wanted]
    repeated = [part for part in parts if parts.count(part) > 1]
    if host.endswith(".example") and not repeated:  # a folder's name is often not the brand's: a short home title is
        repeated = [part for part in parts[:1] if len(part.split()) <= SHORT_TITLE_WORDS and pages[0]["title"] == part]
    called = label.replace("-", " ").title()
    if sum(letter.isalpha() for letter in label) <= 1:  # a folder "a" or an IP address is nobody's name
        called = max(parts, key=len, default=phrases(language)["reader"]["nameless"])
    return str((matching or repeated or [called])[0])


def _nothing(pages: Sequence[PageJson], home: str) -> str:
    """Why there is nothing to say: no page was read, or none could be quoted."""
    if not pages:
        return f"no page of {home or 'the site'} could be read"
    return "no page holds a sentence of four words that could be quoted"


def _why_empty(field: str, found: Sequence[Passage]) -> str:
    """Why a field holds nothing: no passage speaks of it, or each that does serves another field."""
    elsewhere = any(cues(passage.language).tables["fields"][field].search(passage.text) for passage in found)
    return "all that was found stands under other headings" if elsewhere else "the pages state none"


def _first(chosen: Sequence[Passage]) -> dict[str, Any] | None:
    return chosen[0].claim() if chosen else None


def _questions(pages: Sequence[PageJson]) -> list[dict[str, Any]]:
    """Questions that the pages put into the customer's mouth, each with the answer that follows it."""
    found: dict[str, dict[str, Any]] = {}
    for page in pages:
        lines = [line for line in page["text"].splitlines() if not gives_orders(line)]
        for question, answer in pairwise(lines):
            asked = question.endswith("?") and substantial(question) and len(question) < 120
            if asked and len(answer) <= 400 and substantial(answer) and not answer.endswith("?"):
                quotes = [{"quote": text, "url": page["url"]} for text in (question, answer)]
                found.setdefault(question, {"text": question, "evidence": quotes})
    return list(found.values())[:6]


def _segments(pages: Sequence[PageJson], audience: str, language: str) -> tuple[list[str], list[str]]:
    """Groups of customers that the brief or the pages name in the copy's language; else one made of the topic.

    And what to remark about them: none was named, or the brief's audience is written in another language.
    """
    said, written = phrases(language)["reader"], phrases(language)["language"]
    given = len(audience.strip()) > 1
    fits = given and language_of(audience, written) == written
    named = [_group(audience, written)] if fits else []
    own = [page for page in pages if _spoken(page) == written]
    for page in own:
        known = cues(written)
        text = "\n".join(line for line in page["text"].splitlines() if not gives_orders(line))
        named += [match.group(1) for match in known.patterns["segment"].finditer(text)]
    topic = topic_of(own, brand_name(pages), written) if own else ""
    named = list(dict.fromkeys(name[0].upper() + name[1:] for name in named))[: 5 if topic else 6]
    general = "looking_for" if topic else "visitors"
    general = said[general].format(topic=topic, brand=brand_name(pages, language))
    which = "no page" if len(own) == len(pages) else f"no page in {written}"
    remarks = [] if named else [f"segments: {which} names a group of customers"]
    if given and not fits:
        remarks.append(f"segments: the brief's audience is not in {written}, so no angle is addressed in its words")
    return [*named, *([general] if topic or not named else [])], remarks


def _spoken(page: PageJson) -> str:
    return language_of(page["text"], page["language"])


def _group(audience: str, language: str) -> str:
    """The brief's audience as a label: its first sentence, cut where a clause begins when it is too long."""
    known = cues(language).tables["text"]
    text = re.split(r"[.:;]\s|\n\n", " ".join(audience.split()))[0].rstrip(" ,;.:")
    ends = [match.start() for match in known["clause"].finditer(text)]
    fitting = [end for end in [*ends, len(text)] if 1 < end <= LABEL]
    cut = text[: max(fitting)] if fitting else text[:LABEL].rsplit(" ", 1)[0]
    return known["joint"].sub("", cut)


def _awareness(pages: Sequence[PageJson], fields: Mapping[str, Sequence[Passage]]) -> str:
    """Prices and comparisons are for readers who know the product; pains alone for those who know the problem."""
    text = "\n".join(page["text"] for page in pages)
    if re.search(site_table("subjects")["how it differs from others"], text, re.IGNORECASE):
        return "solution"
    if re.search(site_table("subjects")["prices"], text, re.IGNORECASE):
        return "product"
    return "problem" if fields["pains"] else "unaware"


def _voice(found: Sequence[Passage], pages: Sequence[PageJson]) -> dict[str, Any]:
    """Traits by how often the brand uses certain words, and its best short sentences as examples."""
    own = [passage for passage in found if passage.kind == "statement"] or list(found)
    words = sum(len(passage.text.split()) for passage in own) or 1
    table = cues(language_of(" ".join(page["text"] for page in pages))).tables["voice"]
    share = {trait: sum(len(cue.findall(p.text)) for p in own) / words for trait, cue in table.items()}
    floor = {"factual": 0.08, "warm": 0.03, "direct": 0.03, "plain": 0.02, "lively": 0.01, "personal": 0.05}
    traits = sorted((t for t in share if share[t] >= floor[t]), key=lambda t: (-share[t] / floor[t], t))[:4]
    length = words / max(1, len(own))
    traits.append("concise" if length < 13 else "detailed" if length > 22 else "measured")
    examples = [p for p in best([p for p in own if p.kind == "statement"], 3) if len(p.quotes) == 1]
    return {"traits": traits, "examples": [{"quote": p.quotes[0], "url": p.url} for p in examples]}


def _colours(pages: Sequence[PageJson]) -> list[str]:
    return list(dict.fromkeys(colour for page in pages for colour in page["colours"]))[:8]


def _legal_lines(pages: Sequence[PageJson]) -> list[dict[str, str]]:
    """The lines that the pages keep apart, each once, as quotes."""
    lines = {line: page["url"] for page in reversed(pages) for line in reversed(page["legal_lines"])}
    usable = [line for line in reversed(lines) if substantial(line) and not gives_orders(line)]
    return [{"quote": line, "url": lines[line]} for line in usable[:LEGAL_LINES]]


def _notes(pages: Sequence[PageJson], language: str) -> list[str]:
    """What the strategist should know about the pages: foreign languages, text that could not be read."""
    spoken = {_spoken(page) for page in pages if page["text"].strip()}
    foreign = sorted(spoken - {language[:2].lower()})
    notes = [f"language: pages are in {', '.join(foreign)}; quotes stay in it"] if foreign else []
    return notes + list(dict.fromkeys(f"{page['url']}: {note}" for page in pages for note in page["notes"]))


def _gap(pages: Sequence[PageJson], brand_pages: Sequence[PageJson], language: str) -> str:
    """Subjects that our pages speak about and the rival's do not. States no figures."""
    said = phrases(language)["reader"]
    if not brand_pages:
        return str(said["unread"])
    ours, theirs = _subjects(brand_pages), _subjects(pages)
    open_to_us = [subject for subject in ours if subject not in theirs][:4]
    if not open_to_us:
        return str(said["no_gap"])
    names = [said.get("subjects", {}).get(subject, subject) for subject in open_to_us]
    listed = said["and"].join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
    return str(said["gap"].format(subjects=listed))


def _subjects(pages: Sequence[PageJson]) -> list[str]:
    text = "\n".join(line for page in pages for line in page["text"].splitlines() if not gives_orders(line))
    text += "\ntestimonials" if any(page["testimonials"] or page["ratings"] for page in pages) else ""
    return [subject for subject, cue in site_table("subjects").items() if re.search(cue, text, re.IGNORECASE)]
