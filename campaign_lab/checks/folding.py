"""Text in the form in which quotes are compared: plain typography, single spaces."""

from __future__ import annotations

import unicodedata

_FOLDED = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u2032\u02bc`", "'"),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\u2060\ufeff", None),
        **dict.fromkeys("\u2605\u2606\u2b50\u2022\u2713\u2714", " "),
        "…": "...",
    }
)


def fold(text: str) -> str:
    """The text in NFC with single spaces and plain typographic marks, without stars and ticks."""
    return " ".join(unicodedata.normalize("NFC", text).translate(_FOLDED).split())
