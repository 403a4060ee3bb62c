"""How a text is set in its language: quotation marks, and spaces that no line may break at."""

from __future__ import annotations

import re

SPEECH = re.compile(
    "(?P<opens>[\u201c\u00ab])(?P<said>[^\u201c\u00ab]*)(?P<closes>[\u201d\u00bb])(?P<author> \u2013 .*)?$"
)
"""Someone else's words in quotation marks, and who said them."""
NO_BREAK, NARROW = "\u00a0", "\u202f"
_MARKS = {"fr": (f"\u00ab{NO_BREAK}", f"{NO_BREAK}\u00bb")}
_FRENCH = (
    (re.compile(r"\s+(?=[;!?])"), NARROW),  # the thin space of the printers, right in France and in Canada
    (re.compile(r"\s+(?=[:%$\u20ac\u00a3\u00bb])"), NO_BREAK),
    (re.compile(r"(?<=\u00ab)\s*"), NO_BREAK),
    (re.compile(r"(?<=\d)\s(?=\d{3}(?!\d))"), NO_BREAK),
    (re.compile(r"(?<=\d)\s(?=(?:kg|g|km|cm|mm|m|ml|l|L|h|min)\b)"), NO_BREAK),
    (re.compile(r"(?<=\d\sh)\s(?=\d)"), NO_BREAK),
    (re.compile(r"(?<=\w)'(?=\w)"), "\u2019"),
)


def typeset(text: str, language: str) -> str:
    """The text as it is printed in ``language``. English, and any language without rules of its own, stays as it is.

    No space is put where none was: foreign words in the text stay as they are.
    """
    if language[:2].lower() != "fr":
        return text
    if "\u00ab" not in text:
        opening, closing = _MARKS["fr"]
        text = text.replace("\u201c", opening).replace("\u201d", closing)
    for pattern, replacement in _FRENCH:
        text = pattern.sub(replacement, text)
    return text


def in_marks(text: str, language: str) -> str:
    """The text in the quotation marks of ``language``; marks of the same kind in it become inner ones."""
    opening, closing = _MARKS.get(language[:2].lower(), ("\u201c", "\u201d"))
    if opening == "\u201c":
        inner = text.replace("\u201c", "\u2018").replace("\u201d", "\u2019")
    else:
        inner = re.sub(r"\u00ab\s*", "\u201c", re.sub(r"\s*\u00bb", "\u201d", text))
    return f"{opening}{inner}{closing}"


def out_of_marks(text: str) -> str:
    """The text without the quotation marks around it."""
    return text.strip("\u201c\u201d\u00ab\u00bb\u00a0\u202f")


def is_speech(text: str) -> bool:
    """Is it someone else's words, in quotation marks?"""
    return SPEECH.match(text) is not None
