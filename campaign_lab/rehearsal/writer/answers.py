"""Answers to free questions: the sentences of the research that speak to the question, with their pages."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from campaign_lab.rehearsal.analyst.sentences import language_of
from campaign_lab.rehearsal.writer.phrasebook import phrases

MOST_SENTENCES = 3


def answer_question(question: str, research: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Up to three quotes from the research that share most words with the question; says so when none does.

    In the question's language, where rehearsal has phrases in it.
    """
    said = phrases(language_of(question))["answers"]
    words = _words(question)
    quotes = dict.fromkeys(quote for records in research.values() for record in records for quote in _quotes(record))
    ranked = sorted(quotes, key=lambda quote: (-len(words & _words(quote[0])), list(quotes).index(quote)))
    fitting = [quote for quote in ranked[:MOST_SENTENCES] if words & _words(quote[0])]
    if not fitting:
        return str(said["nothing"])
    return "\n".join([said["found"], *(f'- "{text}" ({url})' for text, url in fitting)])


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", text.casefold()) if len(word) > 3}


def _quotes(value: Any) -> Iterator[tuple[str, str]]:
    """All quotes with their urls in a record."""
    if isinstance(value, Mapping):
        if isinstance(value.get("quote"), str) and isinstance(value.get("url"), str):
            yield value["quote"], value["url"]
        for item in value.values():
            yield from _quotes(item)
    elif isinstance(value, list):
        for item in value:
            yield from _quotes(item)
