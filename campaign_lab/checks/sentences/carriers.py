"""What may carry the sentences of an advertisement: the claims of its record, as words, numbers and marks."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from typing import NamedTuple

from campaign_lab.checks.folding import fold
from campaign_lab.checks.sentences.copy_words import CopyWords, copy_words
from campaign_lab.checks.sentences.lemmas import alike, words_in
from campaign_lab.checks.sentences.marks import Mark, marks_in, plain_phrases


class ClaimText(NamedTuple):
    """A claim whose quotes stand on their pages: its statement ("" when that says more than the quotes), and the quotes."""

    statement: str
    quotes: tuple[str, ...]


def sentence_claims(claims: Iterable[tuple[str, str, Sequence[str]]], overstated: Collection[str]) -> list[ClaimText]:
    """What may carry a sentence, of claims as path, statement and supported quotes: not a statement that says more than these."""
    return [ClaimText("" if path in overstated else text, tuple(quotes)) for path, text, quotes in claims if quotes]


class Carrier(NamedTuple):
    """A claim in the form in which sentences are compared with it; ``quote`` is shown where one of them is not carried."""

    texts: tuple[str, ...]
    quotes: tuple[str, ...]
    words: frozenset[str]
    names: frozenset[str]
    lemmas: frozenset[str]
    groups: frozenset[int]
    marks: tuple[Mark, ...]
    quote: str

    def holds(self, word: str, known: CopyWords | None) -> bool:
        """Does the claim hold the word, in any ending, or one that stands for it?"""
        same = known.same.get(word, frozenset()) if known else frozenset()
        return word in self.lemmas or bool(same & self.groups) or any(alike(word, other) for other in self.lemmas)


@lru_cache(maxsize=4_096)
def carrier_of(claim: ClaimText, language: str) -> Carrier:
    """The claim as a carrier of sentences in that language."""
    known = copy_words(language)
    texts = [plain_phrases(fold(text), language) for text in (*claim.quotes, claim.statement) if text]
    words = [word for text in texts for word in words_in(text, language)]
    groups = [known.same.get(word.lemma, frozenset()) for word in words] if known else []
    return Carrier(
        tuple(texts), tuple(texts[: len(claim.quotes)]), frozenset(word.text.casefold() for word in words),
        frozenset(word.text.casefold() for word in words if word.text[0].isupper()),
        frozenset(word.lemma for word in words if known is None or word.lemma not in known.plain),
        frozenset().union(*groups), tuple(mark for text in texts for mark in marks_in(text, language)),
        claim.quotes[0] if claim.quotes else "",
    )  # fmt: skip
