"""Whether each sentence of an advertisement is carried by the claims of its own record, says nothing that could be false, or is
to be checked.

Carried: the words stand in the claims and their quotes, and so do all numbers, names, superlatives and comparisons. Plain: a
question, an invitation, an opinion that says so, or words about nothing ("Here is a yardstick."). All else is to be checked.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from campaign_lab.checks.folding import fold
from campaign_lab.checks.numbers import Quantity
from campaign_lab.checks.sameness import sentences_in
from campaign_lab.checks.sentences.carriers import Carrier, ClaimText, carrier_of
from campaign_lab.checks.sentences.copy_words import copy_words
from campaign_lab.checks.sentences.lemmas import Word, alike, held, is_word, words_in
from campaign_lab.checks.sentences.marks import Mark, figures_in, marks_in, plain_phrases, said_of, same_figure
from campaign_lab.checks.words import is_general

ENOUGH, ENOUGH_UNKNOWN = 0.5, 0.75
"""The share of a sentence's words that its claims must hold for it to be carried by them; in a language of which no words are
known, where words that state nothing cannot be told from others, a larger one."""
NEARLY = 0.8
"""The share of a sentence's words from which a sentence of a claim says the same, or the opposite."""
SHORTEST_UNKNOWN = 4
"""Letters from which a word counts in such a language."""
LOOSE = 3
"""Words beyond the claims that an invitation may have: "Come and see us in the old town" states next to nothing."""
QUOTED_WORDS = 3
"""From so many words on, a passage in quotation marks is somebody's own words and must be theirs letter by letter."""
MOST_NAMED = 4
"""How many missing words a finding names."""
_SAID = {
    "most": "up to",
    "from": "from",
    "about": "about",
    "usual": "usually",
    "above": "more than",
    "below": "less than",
}
"""What is said of a number, by its name in ``copy_words_*.toml``, as a finding names it."""
_WEAK = ("all", "none", "only", "comparison")
"""Marks that state nothing in a sentence of talk alone."""
_SITE = re.compile(r"\w+://(?:www\.)?([\w-]+)")
_QUOTED = re.compile(r'"([^"]+)"')
_END = re.compile(r"^[\s\"'.,;:!?()-]+|[\s\"'.,;:!?()-]+$")
_NAMES = re.compile(r"[^\W\d_a-zà-ÿ][\w&-]*(?: [^\W\d_a-zà-ÿ][\w&-]*)*")
_OPENER = re.compile(r"(?:^|[.!?:|\"(]|\s-|\n)[^\w\n]*$")
_MORE = re.compile(
    r"(?<=[.!?…][\"”»])\s+(?=[A-ZÀ-Þ])"
    r"|(?<=[ap]\.m\.)\s+(?!(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)|[A-Z]{2})(?=[A-Z])"
    r"|(?<=[.!?…])\s+(?=[^\w\s\"'(«“$€£+-]+\s)"
)
"""Where an emoji, a closing quotation mark or "p.m." stands between two sentences."""
_NEGATED = re.compile(r"(?i)\b(?:not|no|never|without|nor|ne|pas|sans|jamais|ni|nicht|kein\w*|n't)\W*$")


class SentenceCheck(NamedTuple):
    """What the check found of one sentence. ``rule`` is "carried", "plain", or what is missing in the claims, such as "name".

    ``missing`` are the words that no claim holds, ``quote`` is the quote that comes nearest.
    """

    field: str
    text: str
    rule: str
    missing: str = ""
    quote: str = ""

    @property
    def to_check(self) -> bool:
        """Is it neither carried nor plain?"""
        return self.rule not in ("carried", "plain")


def check_sentences(
    texts: Mapping[str, str],
    claims: Sequence[ClaimText],
    language: str,
    names: Collection[str] = (),
    addresses: Iterable[str] = (),
) -> list[SentenceCheck]:
    """Every sentence of the texts (by field), in order.

    ``names`` need no claim: the brand's own, and those of the market. Nor does what ``addresses``, urls of quoted pages, call
    their site.
    """
    names = (*names, *(match[1] for each in addresses if (match := _SITE.match(each))))
    code = language[:2].lower()
    carriers = [carrier_of(claim, code) for claim in claims]
    own = frozenset(fold(name).casefold() for name in names)
    found: list[SentenceCheck] = []
    for field, text in texts.items():
        invented = [quoted for quoted in _QUOTED.findall(fold(text)) if not _said(quoted, carriers)]
        found += [
            _Sentence(field, each, carriers, code, own).checked(invented)
            for whole in sentences_in(text)
            for each in _MORE.split(whole)
        ]
    return found


class _Sentence:
    """One sentence beside the claims."""

    def __init__(self, field: str, text: str, carriers: Sequence[Carrier], language: str, own: frozenset[str]) -> None:
        self.field, self.text, self.language = field, text, language
        self.own = {word for name in own for word in re.findall(r"\w+", name)}
        self.known = copy_words(language)
        folded = fold(text)
        self.folded = folded.lower() if folded.isupper() else folded
        self.plain = plain_phrases(self.folded, language)
        self.words = words_in(self.plain, language)
        self.figures = figures_in(_without(own, self.plain))
        self.marks = marks_in(self.plain, language)
        self.marked = {part for mark in self.marks for part in re.findall(r"\w+", mark.text)}
        self.content = [word for word in self.words if self._states(word)]
        self.all_carriers = carriers
        self.carriers = [each for each in carriers if self._shares(each)] or list(carriers)

    def checked(self, invented: Sequence[str]) -> SentenceCheck:
        for rule, missing in self._missing(invented):
            return self._result(rule, missing)
        loose = [word for word in self._telling() if not self._held(word)]
        if self._is_carried(len(loose)):
            denied = self._denied()
            return self._result("negation", denied) if denied else self._result("carried")
        if not loose or self._is_question() or self._is_opinion() or (self._imperatives() and len(loose) <= LOOSE):
            return self._result("plain")
        return self._result("unsupported", ", ".join(dict.fromkeys(word.text for word in loose[:MOST_NAMED])))

    def _telling(self) -> list[Word]:
        """The words that state something by themselves: neither talk, nor part of a mark, nor what the reader is asked to do."""
        asked = self._imperatives()
        return [
            word
            for word in self.content
            if not self._is_talk(word) and word.text not in self.marked and word not in asked
        ]

    def _is_carried(self, loose: int) -> bool:
        """Do the claims hold enough of it? One word in common is too few where others are loose."""
        found = len(self.figures) + sum(map(self._held, self.content))
        if not found or self._verbatim():
            return bool(found)
        enough = ENOUGH if self.known else ENOUGH_UNKNOWN
        return (found > 1 or not loose) and found / (found + loose) >= enough

    def _result(self, rule: str, missing: str = "") -> SentenceCheck:
        best = max(self.all_carriers, key=self._overlap, default=None)
        return SentenceCheck(self.field, self.text, rule, missing, best.quote if best else "")

    def _overlap(self, carrier: Carrier) -> int:
        figures = [each for text in carrier.texts for each in figures_in(text)]
        held = sum(any(same_figure(one, other) for other in figures) for one in self.figures)
        return held + sum(carrier.holds(word.lemma, self.known) for word in self.content)

    # -- what must stand in the claims whatever else the sentence says

    def _missing(self, invented: Sequence[str]) -> Iterator[tuple[str, str]]:
        yield from (("quotation", each) for each in invented if _overlaps(each, self.folded))
        yield from (
            ("number", self.plain[each.start : each.end].strip())
            for each in self.figures
            if not self._figures_like(each)
        )
        yield from (("name", name) for name in self._names())
        if not self._is_opinion():
            yield from ((mark.kind, mark.text) for mark in self.marks if self._weighs(mark) and not self._marked(mark))
            yield from (("hedge", lacks) for each in self.figures for lacks in self._said_otherwise(each))

    def _weighs(self, mark: Mark) -> bool:
        """Is the mark on words that state something? "Not everyone will agree" and "Look a little closer" state nothing."""
        if mark.key[0] not in _WEAK or self._telling():
            return True
        return mark.kind != "comparison" and any(not self._is_talk(word) for word in self._imperatives())

    def _figures_like(self, figure: Quantity) -> list[tuple[str, Quantity]]:
        texts = [text for carrier in self.carriers for text in (carrier.quotes or carrier.texts)]
        return [(text, other) for text in texts for other in figures_in(text) if same_figure(figure, other)]

    def _said_otherwise(self, figure: Quantity) -> Iterator[str]:
        """What the quotes say of a number and the sentence does not, or the other way round."""
        here = said_of(figure, self.plain, self.language)
        there = [said_of(other, text, self.language) for text, other in self._figures_like(figure)]
        here |= {"usual"} if "most" in here else frozenset()  # "up to" says already that it is not always so
        if there and not any(each - {"above", "below"} <= here and here & {"above", "below"} <= each for each in there):
            lacks = [said for name, said in _SAID.items() if name in there[0] ^ here]
            yield f"{self.plain[figure.start : figure.end].strip()} ({', '.join(lacks)})"

    def _marked(self, mark: Mark) -> bool:
        """Do the claims say it as strongly?"""
        keys = {other.key for carrier in self.carriers for other in carrier.marks}
        if mark.key in keys or (mark.key[0] == "all" and len(mark.key) == 1 and any(key[0] == "all" for key in keys)):
            return True
        if mark.key[0] == "all" and len(mark.key) == 2:
            nouns = [key[1] for key in keys if key[0] == "all" and len(key) == 2]
            return any(alike(mark.key[1], noun) or self._same(mark.key[1], noun) for noun in nouns)
        if mark.kind == "superlative" and len(mark.key) == 3 and self.known:  # "most claims" is "usually, claims"
            usual = self.known.hedges["usual"]
            texts = [text for carrier in self.carriers for text in carrier.texts if usual.search(text)]
            return any(held(mark.key[2], [word.lemma for word in words_in(text, self.language)]) for text in texts)
        return False

    def _same(self, left: str, right: str) -> bool:
        groups = self.known.same if self.known else {}
        return bool(groups.get(left, frozenset()) & groups.get(right, frozenset()))

    def _names(self) -> Iterator[str]:
        """Names that neither the claims nor the brand have. In a title every word is capitalised, which makes it no name."""
        long = [word for word in self.words if len(word.text) > 3]
        title = (
            len(long) > 2 and self.plain[-1] != "." and sum(word.text[0].isupper() for word in long) >= 0.7 * len(long)
        )
        for word in self.words:
            if not word.text[0].isupper() or len(word.text) < 2 or self._own(word.text) or is_general(word.text):
                continue
            ordinary = title or self.language == "de" or bool(_OPENER.search(self.plain[: word.start])) or (
                word.text.isupper() and len(word.text) > 3)  # fmt: skip
            lower = word.text.casefold()
            if any(
                lower in each.words or any(alike(lower, other) for other in each.names) for each in self.all_carriers
            ):
                continue
            if not (ordinary and (is_word(lower, self.language) or not self._states(word))):
                yield self._whole_name(word)

    def _whole_name(self, word: Word) -> str:
        """The word with the capitalised ones around it, such as "Royal Bank"."""
        runs = (match for match in _NAMES.finditer(self.plain) if match.start() <= word.start < match.end())
        return next((match.group() for match in runs), word.text)

    def _denied(self) -> str:
        """The sentence of a claim that holds nearly all its words, where only one of the two denies something; "" without any."""
        if self.known is None or not self.content or self._verbatim() or self.marks:
            return ""  # "not the best" and "above the best" say the same
        near = [text for carrier in self.carriers for whole in carrier.texts for text in sentences_in(whole)]
        near = [text for text in near if self._held_by(text) >= NEARLY]
        denies = bool(self.known.denial.search(self.plain))
        if not near or any(bool(self.known.denial.search(text)) == denies for text in near):
            return ""
        return near[0]

    def _held_by(self, text: str) -> float:
        words = [word.lemma for word in words_in(text, self.language)]
        return sum(held(word.lemma, words) for word in self.content) / len(self.content)

    # -- what kind of sentence it is

    def _is_question(self) -> bool:
        return self.folded.rstrip("\"')").endswith(("?", "\uff1f", "\u061f"))

    def _is_opinion(self) -> bool:
        return bool(self.known and self.known.opinion.search(self.folded))

    def _imperatives(self) -> list[Word]:
        """What the reader is asked to do, at the beginning or behind a colon, a comma or a dash."""
        words = [word for word in self.words if not self._own(word.text)]
        gaps = [self.plain[before.start : word.start] for before, word in pairwise(words)]
        begins = [word for word, gap in zip(words, [":", *gaps], strict=False) if re.search("[:;,-]", gap)]
        return [word for word in begins if self._is_imperative(word)]

    def _is_imperative(self, word: Word) -> bool:
        lower = word.text.casefold()
        if self.language == "fr" and len(lower) > len("assez") and lower.endswith("ez"):
            return True
        if self.language == "en" and self.known:
            return lower in self.known.calls
        return bool(self.known and word.lemma in self.known.calls) and lower.endswith(("ez", "ons"))

    def _is_talk(self, word: Word) -> bool:
        return bool(self.known and (word.lemma in self.known.talk or word.text.casefold() in self.known.talk))

    def _verbatim(self) -> bool:
        """Is it a passage of a claim, word for word, and not cut off behind a negation?"""
        wanted = _END.sub("", self.plain).casefold()
        for text in (text.casefold() for each in self.all_carriers for text in each.texts):
            at = text.find(wanted)
            if at >= 0 and not _NEGATED.search(text[:at]):
                return True
        return False

    def _states(self, word: Word) -> bool:
        """Could the word state something: is it neither the brand nor one such as "the"?"""
        if self._own(word.text):
            return False
        if self.known is None:
            return len(word.text) >= SHORTEST_UNKNOWN
        return not {word.lemma, word.text.casefold()} & self.known.plain

    def _own(self, word: str) -> bool:
        lower = word.casefold()
        return lower in self.own or (len(lower) > 3 and any(lower in each for each in self.own))

    def _held(self, word: Word) -> bool:
        return any(carrier.holds(word.lemma, self.known) for carrier in self.carriers)

    def _shares(self, carrier: Carrier) -> bool:
        return any(carrier.holds(word.lemma, self.known) for word in self.content)


def _said(quoted: str, carriers: Sequence[Carrier]) -> bool:
    """Is the passage a quote's own words? Of one of few words, which is a term or a title, each word counts by itself."""
    wanted = _END.sub("", quoted).casefold()
    if len(wanted.split()) < QUOTED_WORDS:
        return all(any(word in carrier.words for carrier in carriers) for word in re.findall(r"[^\W\d_]+", wanted))
    return any(wanted in text.casefold() for carrier in carriers for text in carrier.quotes)


def _without(names: Collection[str], text: str) -> str:
    """The text with names blanked: "Two Sisters" is no number."""
    for name in names:
        text = re.sub(
            rf"(?<!\w){re.escape(name)}(?!\w)", lambda match: "\u00b7" * len(match.group()), text, flags=re.IGNORECASE
        )
    return text


def _overlaps(quoted: str, sentence: str) -> bool:
    return quoted in sentence or any(part in sentence or sentence.strip('"') in quoted for part in sentences_in(quoted))
