"""Page text as sentences that can be quoted: which stand alone, in which language, and which to leave alone."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from campaign_lab.checks import gives_orders, sentences_in
from campaign_lab.checks.evidence import fold, substantial
from campaign_lab.rehearsal.writer.typography import in_marks

LONGEST = 400
"""A longer passage is no quote any more."""
CARD = 60
"""A figure with the label beside it is at most so long."""
PAIRED = 125
"""Two sentences that need each other are quoted together up to this length."""

_CUES = files("campaign_lab.rehearsal") / "cues"

Table = Mapping[str, re.Pattern[str]]


@dataclass(frozen=True, slots=True)
class Cues:
    """The cue words of one language: patterns that sort sentences."""

    language: str
    patterns: Table
    tables: Mapping[str, Table]
    """By what they sort into: ``fields``, ``insight``, ``voice``, ``tier``, ``motivation``.

    ``text`` says what the copywriter may cut; it is empty where a language has none.
    """
    topic: Mapping[str, frozenset[str]]
    """Words that are, or stand before, a topic."""


@dataclass(frozen=True, slots=True)
class Passage:
    """Something a page says, and the words on the page that carry it."""

    text: str
    quotes: tuple[str, ...]
    url: str
    kind: str
    language: str
    order: int
    dangling: bool = False

    def claim(self) -> dict[str, Any]:
        """The passage as a claim, ready for a record."""
        return {"text": self.text, "evidence": [{"quote": quote, "url": self.url} for quote in self.quotes]}


@cache
def cues(language: str) -> Cues:
    """The cue words of a language; those of English where there is no file for it."""
    known = _cue_files()
    data = known.get(language, known["en"])
    tables = {
        name: {key: re.compile(pattern, re.IGNORECASE) for key, pattern in data.get(name, {}).items()}
        for name in ("fields", "insight", "voice", "tier", "motivation", "text")
    }
    anchored = {name: rf"(?:[\"'\u201c\u201e\u00ab(]\s?)*{data[name]}" for name in ("dangling", "imperative")}
    loose = {name: data[name] for name in ("label", "boilerplate", "legal", "segment", "weak")}
    patterns = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in {**anchored, **loose}.items()}
    words = ("skip", "mass", "before", "no_modifier", "before_verb")
    topic = {name: frozenset[str](data.get(f"topic_{name}", ())) for name in words}
    return Cues(data["language"], patterns, tables, topic)


def cutting(language: str) -> Table:
    """What the copywriter may cut in a text of this language; empty where nobody has written that down."""
    known = cues(language)
    return known.tables["text"] if known.language == language else {}


@cache
def _cue_files() -> dict[str, dict[str, Any]]:
    names = sorted(file.name for file in _CUES.iterdir() if len(file.name) == len("en.toml"))
    return {data["language"]: data for data in map(_cue_file, names)}


@cache
def _cue_file(name: str) -> dict[str, Any]:
    return tomllib.loads((_CUES / name).read_text(encoding="utf-8"))


def site_table(name: str) -> Any:
    """One table of ``cues/site.toml``: what does not depend on one language."""
    return _cue_file("site.toml")[name]


@cache
def _stopwords() -> dict[str, frozenset[str]]:
    own = {language: data["stopwords"] for language, data in _cue_files().items()}
    return {language: frozenset(words) for language, words in {**own, **_cue_file("others.toml")["stopwords"]}.items()}


def language_of(text: str, declared: str = "") -> str:
    """The language of a text by its most frequent words, else the declared one, else English."""
    words = Counter(re.findall(r"[^\W\d_]+", text.lower()))
    hits = {language: sum(words.get(word, 0) for word in known) for language, known in _stopwords().items()}
    best = max(hits, key=lambda language: (hits[language], language == declared[:2], language == "en"))
    letters = [each for each in text if each.isalpha()]
    if 2 * sum(each < "\u0250" for each in letters) < len(letters):
        return declared[:2].lower() or "und"
    return best if hits[best] > 0 else declared[:2].lower() or "en"


def passages(page: Mapping[str, Any], *, first: int = 0, paired: bool = True) -> list[Passage]:
    """What the page states, each once and in reading order, numbered from ``first`` on.

    A short paragraph stays together when ``paired``: its sentences belong together and read better so.

    Orders to a machine, addresses, legal lines and labels are left out, and so is every line that holds an order.
    """
    language = language_of(page["text"], page["language"])
    found: dict[str, Passage] = {}
    for text, quotes, kind, dangling in _raw(page, cues(language), paired):
        usable = len(text) <= LONGEST and all(substantial(quote) for quote in quotes)
        if usable and fold(text) not in found:
            found[fold(text)] = Passage(text, quotes, page["url"], kind, language, first + len(found), dangling)
    return list(found.values())


Raw = tuple[str, tuple[str, ...], str, bool]


def _raw(page: Mapping[str, Any], known: Cues, paired: bool) -> Iterable[Raw]:
    spoken = [fold(item["quote"]) for item in page["testimonials"]]
    authors = {fold(item["author"]) for item in page["testimonials"] if item["author"]}
    labels = {fold(text) for text in [*page["calls_to_action"], *(link["text"] for link in page["links"])]}
    headings = {fold(heading) for heading in page["headings"]}
    lines = {fold(line) for line in page["text"].splitlines()}
    header: list[str] = []
    for line in page["text"].splitlines():
        plain = fold(line)
        cells = line.split(" | ")
        before, header = header, _header_after(cells, header)
        if gives_orders(line) or _unquotable(line) or plain in authors:
            header = header if header == before else []
            continue
        if len(cells) > 1:
            yield from _row(line, cells, header, known.language)
            continue
        if any(plain in quote or quote in plain for quote in spoken):
            continue
        if plain in headings:
            yield from _heading(line, known, first=plain == fold(page["headings"][0]))
        elif plain not in labels or (re.search(r"\d", plain) and len(plain) > PAIRED // 3):
            yield from _sentences(line, known, paired)
    for item in page["testimonials"]:
        if not any(gives_orders(text) or _unquotable(text) for text in (item["quote"], item["author"])):
            yield _testimonial(item["quote"], item["author"], page["text"], known.language)
    for number in page["numbers"]:  # a bare figure and what its card says about it
        context, words = number["context"], number["context"].split()
        own = all(word in page["text"] for word in words)  # a footer's figures are nobody's offer
        if own and len(words) > 2 and len(context) <= CARD and fold(context) not in lines and not gives_orders(context):
            yield _card(context, known.language), (context,), "row", False
    if not gives_orders(page["description"]) and not _unquotable(page["description"]):
        yield from _sentences(page["description"], known, paired)


def _unquotable(line: str) -> bool:
    """Addresses, telephones and left-over placeholders: no part of such a line is a claim."""
    odd = re.search(r"https?:|www\.|\S@\S|\.(com|ca|org|net)\b|[{}\[\]<>]|\blorem ipsum\b", line, re.IGNORECASE)
    return bool(odd or re.search(r"\+?\d[\d ()-]{4,}[ -]\d{3,4}\b", line))


def _heading(line: str, known: Cues, *, first: bool) -> Iterable[Raw]:
    """A heading that says something. Only the page's first may call for an action: it is the brand's own slogan."""
    if known.patterns["imperative"].match(line) and not first:
        return
    names = re.search("[,&]", line) and not re.search(r"(?:^|\s)[^\W\dA-ZÀ-Þ]", line)  # a person or a firm, and a place
    if not names and not _is_label(line, known) and not line.rstrip().endswith("?"):
        yield line, (line,), "heading", bool(known.patterns["dangling"].match(line))


def _is_label(line: str, known: Cues) -> bool:
    return any(known.patterns[name].search(line) for name in ("label", "boilerplate"))


def _header_after(cells: list[str], header: list[str]) -> list[str]:
    """The header in force for a table row; empty where there is none, or the line is no row.

    Pages do not say which rows are headers. One that holds a figure or a value is none: a wrong label would be a false fact.
    """
    if len(cells) == 1:
        return []
    if any(re.search(r"\d", cell) or re.search(site_table("tables")["values"], cell, re.IGNORECASE) for cell in cells):
        return header if len(header) == len(cells) else []
    return cells


def _card(context: str, language: str) -> str:
    """A name and its price as a claim. French sets a colon between them, English lets them stand."""
    priced = re.fullmatch(r"(?P<name>.*[^\W\d_]) (?P<price>\d[\d\s.,]*[$\u20ac])", context)
    return f"{priced['name']} : {priced['price']}" if priced and language == "fr" else context


def _row(line: str, cells: list[str], header: list[str], language: str) -> Iterable[Raw]:
    """A table row as "5 years, fixed: rate 4.19%, APR 4.21%", where its header says what the figures are."""
    figures = [at for at, cell in enumerate(cells) if at and re.search(r"\d", cell) and len(cell) <= 24]
    names = [cell for at, cell in enumerate(cells[: figures[0] if figures else 0]) if len(cell) <= 40]
    if not names:
        return
    lead = ", ".join([names[0], *(_lowered(name) for name in names[1:])]) + (" :" if language == "fr" else ":")
    if len(header) == len(cells) and len(cells) > 2:
        values = [f"{_lowered(header[at])} {cells[at]}" for at in figures[:2] if header[at].strip()]
        if values:
            yield f"{lead} {', '.join(values)}.", (line, " | ".join(header)), "row", False
    elif len(figures) == 1 and len(cells) == len(names) + 1:
        yield f"{lead} {cells[figures[0]]}.", (line,), "row", False


def _lowered(text: str) -> str:
    """The text with a small first letter, unless its first word is an abbreviation or a name within."""
    head = text[:2]
    return text if head.isupper() or not head[:1].isupper() else text[0].lower() + text[1:]


def _testimonial(quote: str, author: str, text: str, language: str) -> Raw:
    """The quote in quotation marks, with its author where both stand side by side on the page."""
    bare = quote.strip().strip("\"'\u201c\u201d\u201e\u00ab\u00bb\u2018\u2019 ")
    inner = bare if language == "fr" else re.sub('["\u201c\u201d\u201e\u00ab\u00bb]', "'", bare)
    spoken = in_marks(inner, language)
    lines = text.splitlines()
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        together = f"{line} {following}" if author and fold(following) == fold(author) else line
        if author and fold(bare) in fold(line) and fold(author) in fold(together) and len(together) <= LONGEST:
            return f"{spoken} \u2013 {author}", (together,), "testimonial", False
    return spoken, (bare,), "testimonial", False


def _sentences(line: str, known: Cues, paired: bool) -> Iterable[Raw]:
    """The sentences of a line. One that leans on its neighbour is quoted with it, or marked as dangling."""
    parts = sentences_in(line)
    if paired and len(parts) in (2, 3) and len(line) <= PAIRED and all(_states(part, known) for part in parts):
        yield line, (line,), _kind(line), bool(known.patterns["dangling"].match(line))
        return
    at = 0
    while at < len(parts):
        text = parts[at]
        leans = bool(known.patterns["dangling"].match(text)) or (at > 0 and bool(known.patterns["legal"].search(line)))
        while at + 1 < len(parts) and _belongs(text, parts[at + 1], known) and f"{text} {parts[at + 1]}" in line:
            at += 1
            text = f"{text} {parts[at]}"
        at += 1
        if text.endswith("?"):
            yield text, (text,), "question", False
        elif _states(text, known):
            yield text, (text,), _kind(text), leans


def _belongs(text: str, following: str, known: Cues) -> bool:
    leans = known.patterns["dangling"].match(following) or not substantial(following) or not substantial(text)
    return bool(leans) and len(text) + 1 + len(following) <= PAIRED and not text.endswith("?") and following[-1] != "?"


def _states(text: str, known: Cues) -> bool:
    """Is it a statement, not a label, an invitation or a legal line?"""
    if known.patterns["imperative"].match(text) or known.patterns["boilerplate"].search(text):
        return False
    if _is_label(text, known) or gives_orders(text):
        return False
    if len(re.findall(r"\w+", text)) < 3:
        return False
    ends = text.rstrip("\"'\u201d\u2019)\u00bb")[-1:] in ".!\u2026"
    return ends or bool(re.search(r"\d", text)) or any(cue.search(text) for cue in known.tables["fields"].values())


def _kind(text: str) -> str:
    opens, closes = text[0] in '"\u201c\u201e\u00ab', text.rstrip(".")[-1] in '"\u201d\u201c\u00bb'
    return "testimonial" if opens and closes else "statement"
