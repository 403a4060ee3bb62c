"""Advertisement texts out of claims and phrases: what fits where, cut only where a sentence or clause ends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from campaign_lab.checks import breaches, graphemes, limit_of, sentences_in
from campaign_lab.rehearsal.planning import is_speech
from campaign_lab.rehearsal.sentences import cues, language_of

_NEGATED = re.compile(
    r"\b(not|no|never|none|nobody|without|refuse[sd]?|others?|average|usual|usually|instead|if|could)\b", re.IGNORECASE
)
_LOOSE_END = re.compile(
    r"\b(a|an|the|of|for|to|in|on|at|by|with|and|or|from|than|per|is|are|was|has|have|your|our|its|that|if|as)$",
    re.IGNORECASE,
)
_MAIN_CLAUSE = re.compile(
    r"(?!(?:because|if|when|while|as|since|although|though|after|before|for|in|on|at|with|by|to|from|of|whether|once|until"
    r"|unless|where|not|both|either|even)\b)(?P<first>[^,;:()]{25,}?)"
    r"(?:;|, (?:and|so|which|as|because|where)) (?P<rest>.+)",
    re.IGNORECASE,
)
"""A main clause that opens a sentence, and what follows it."""
_TAKES_BACK = re.compile(r"\b(but|only|unless|except|if|provided|however|not)\b", re.IGNORECASE)
_FIGURE = re.compile(
    r"(?:^|, (?:and |but )?)(?P<figure>(?:[$\u20ac\u00a3]\s?)?\d[\d.,]*(?:\s?%)?(?=[\s-])[^,.;:!?()\u2013\u2014]*?)"
    r"(?=[.;!?]?$|[.;!?] |, | (?:once|when|while|because|before|after|until|who|which|that|and|so)\b)"
)
"""A clause that begins with a figure, up to the next clause."""


@dataclass(frozen=True, slots=True)
class Line:
    """A piece of text, and the claims that it makes."""

    text: str
    claims: tuple[int, ...] = ()


def fill(template: str, slots: Mapping[str, str]) -> str:
    """The template with its slots filled and a capital first; empty when it needs one that is empty."""
    needed = re.findall(r"\{(\w+)\}", template)
    if any(not slots.get(name) for name in needed):
        return ""
    text = template.format_map(slots)
    return text[0].upper() + text[1:] if needed and template.startswith("{topic}") else text


def bare(text: str) -> str:
    """The claim without its full stop, where nothing needs the stop."""
    needs = is_speech(text) or len(sentences_in(text)) > 1 or re.search(r"\b\w\.\w\.$|[!?\u2026]$|\.\.$", text)
    return text if needs else text.rstrip(".")


def whole(text: str) -> str:
    """The claim as a sentence of the advertisement: closed with a full stop, shouting calmed."""
    calm = calmed(text.strip())
    if is_speech(calm):
        return calm
    last = re.sub(r"[^\w.!?\u2026%$\u20ac\u00a3]+$", "", calm)[-1:]
    return calm if last in ".!?\u2026" else f"{calm}."


def calmed(text: str) -> str:
    """A sentence in capitals in the usual case."""
    letters = [letter for letter in text if letter.isalpha()]
    if len(letters) < 8 or sum(letter.isupper() for letter in letters) < 0.8 * len(letters):
        return text
    lowered = text.lower()
    sentences = re.sub(r"(^|[.!?]\s+)(\w)", lambda match: match.group(1) + match.group(2).upper(), lowered)
    return re.sub(r"\bi\b", "I", sentences)


def quotable(claims: Sequence[Mapping[str, Any]], limit: int) -> list[Line]:
    """Each claim as one sentence that fits, or a whole clause of it that does. Claims that do not fit are left out."""
    found = []
    for at, claim in enumerate(claims):
        piece = next((p for p in _pieces(claim["text"]) if graphemes(p) <= limit and _clean(p)), "")
        if piece:
            found.append(Line(piece, (at,)))
    return found


def _pieces(text: str) -> Iterator[str]:
    """The claim whole, then its first sentences, then a clause that stands alone."""
    yield whole(text)
    if is_speech(text):
        yield from _spoken_pieces(text)
        return
    parts = sentences_in(text)
    for end in range(len(parts) - 1, 0, -1):
        yield whole(" ".join(parts[:end]))
    clause = _MAIN_CLAUSE.match(parts[0] if parts else "")
    if clause and not _TAKES_BACK.search(clause["rest"]) and language_of(text) == "en":
        yield whole(clause["first"])


def _spoken_pieces(text: str) -> Iterator[str]:
    """Fewer sentences of someone's words, with the name kept."""
    match = re.match("\u201c(?P<said>.*)\u201d(?P<author> \u2013 .*)?$", text)
    said = sentences_in(match["said"]) if match else []
    author = (match["author"] or "") if match else ""
    known = cues(language_of(text)).patterns["dangling"]
    for start in range(len(said)):
        for end in range(len(said), start, -1):
            if not known.match(said[start]):
                yield f"\u201c{' '.join(said[start:end])}\u201d{author}"


def headlines(claims: Sequence[Mapping[str, Any]]) -> list[Line]:
    """Short claims as they stand, without the full stop."""
    found = []
    for at, claim in enumerate(claims):
        text = whole(claim["text"])
        if graphemes(bare(text)) <= limit_of("headline") and _clean(text):
            found.append(Line(bare(text), (at,)))
    return found


def figures(claims: Sequence[Mapping[str, Any]]) -> list[Line]:
    """Figures with what they count, as headlines: "2,310 renewals", "30 days before the term ends"."""
    found = []
    for at, claim in enumerate(claims):
        text = claim["text"]
        if is_speech(text) or _NEGATED.search(text) or language_of(text) != "en":
            continue
        for match in _FIGURE.finditer(calmed(text)):
            piece = match["figure"].rstrip(" ,")
            fits = 14 <= len(piece) <= limit_of("headline") and len(piece.split()) >= 3
            if fits and not _LOOSE_END.search(piece) and _clean(piece):
                found.append(Line(piece[0].upper() + piece[1:], (at,)))
                break
    return found


def _clean(text: str) -> bool:
    """Nothing that an advertisement must not say. A quoted rate passes: a person is told about it."""
    return all(rule.severity != "block" and rule.id == "quoted_rate" for rule, _ in breaches(text))
