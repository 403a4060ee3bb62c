"""Advertisement texts from claims and phrases. A text is cut only where a sentence or clause ends."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from campaign_lab.checks import breaches, graphemes, limit_of, sentences_in
from campaign_lab.rehearsal.analyst.sentences import cues, cutting, language_of
from campaign_lab.rehearsal.writer.typography import SPEECH, is_speech


@dataclass(frozen=True, slots=True)
class AdText:
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


def lowered(text: str, words: Mapping[str, Any]) -> str:
    """The sentence as it stands behind a colon: with a small letter where the language and its first word want one."""
    known = words.get("lowered")
    return text[0].lower() + text[1:] if known and re.match(known, text) else text


def quotable(claims: Sequence[Mapping[str, Any]], limit: int, language: str) -> list[AdText]:
    """Each claim as one sentence that fits, or a whole clause of it that does. Claims that do not fit are left out.

    ``language`` is the one that most of the claims are in; a text too short to tell is taken to be in it.
    """
    found = []
    for at, claim in enumerate(claims):
        own = language_of(claim["text"], language)
        piece = next((p for p in _pieces(claim["text"], own) if graphemes(p) <= limit and _clean(p, own)), "")
        if piece:
            found.append(AdText(piece, (at,)))
    return found


def _pieces(text: str, language: str) -> Iterator[str]:
    """The claim whole, then its first sentences, then a clause that stands alone."""
    yield whole(text)
    if is_speech(text):
        yield from _spoken_pieces(text, language)
        return
    parts = sentences_in(text)
    for end in range(len(parts) - 1, 0, -1):
        yield whole(" ".join(parts[:end]))
    known = cutting(language)
    clause = known["main_clause"].match(parts[0] if parts else "") if known else None
    if clause and not known["takes_back"].search(clause["rest"]):
        yield whole(clause["first"])


def _spoken_pieces(text: str, language: str) -> Iterator[str]:
    """Fewer sentences of someone's words, with the marks and the name kept."""
    match = SPEECH.match(text)
    words = match["said"].strip() if match else ""
    if not words:
        return
    before, after = text.split(words, 1)
    said, known = sentences_in(words), cues(language).patterns["dangling"]
    for start in range(len(said)):
        for end in range(len(said), start, -1):
            if not known.match(said[start]):
                yield f"{before}{' '.join(said[start:end])}{after}"


def headlines(claims: Sequence[Mapping[str, Any]], language: str) -> list[AdText]:
    """Short claims as they stand, without the full stop."""
    found = []
    for at, claim in enumerate(claims):
        text = whole(claim["text"])
        if graphemes(bare(text)) <= limit_of("headline") and _clean(text, language_of(text, language)):
            found.append(AdText(bare(text), (at,)))
    return found


def figures(claims: Sequence[Mapping[str, Any]], language: str) -> list[AdText]:
    """Figures with what they count, as headlines: "2,310 renewals", "30 days before the term ends"."""
    found = []
    for at, claim in enumerate(claims):
        text = claim["text"]
        own = language_of(text, language)
        known = cutting(own)
        if not known or is_speech(text) or known["negated"].search(text):
            continue
        for match in known["figure"].finditer(calmed(text)):
            piece = match["figure"].rstrip(" ,")
            fits = 14 <= len(piece) <= limit_of("headline") and len(piece.split()) >= 3
            if fits and not known["loose_end"].search(piece) and _clean(piece, own):
                found.append(AdText(piece[0].upper() + piece[1:], (at,)))
                break
    return found


def _clean(text: str, language: str) -> bool:
    """Nothing that an advertisement must not say. A quoted rate passes: a person is told about it."""
    return all(rule.severity != "block" and rule.id == "quoted_rate" for rule, _ in breaches(text, language))
