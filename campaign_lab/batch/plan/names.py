"""Names of runs: made of a brief's name and parameters, safe as file names, and no two alike. A text never chooses a path."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

LONGEST, LONGEST_NAME = 60, 200
"""Characters of one part of a name, and of a whole one; file systems allow 255 bytes, endings included."""
LETTERS = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d"}
"""Letters that do not come apart into a plain one and an accent."""


def file_slug(text: str) -> str:
    """The text in ASCII lower-case letters, digits and single hyphens; empty when it has none of them.

    ``records.slug`` keeps the letters of every script: a record's id is read by people and models, and is no file name.
    """
    apart = unicodedata.normalize("NFKD", text).lower()
    plain = "".join(LETTERS.get(sign, sign) for sign in apart).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def distinct(texts: Sequence[str], identities: Sequence[str]) -> list[str]:
    """A slug for each text. From the second of one slug on, and where there is none, a hash of the identity tells them apart.

    The same texts in the same order give the same slugs, and what is added behind changes none before it.
    """
    taken: set[str] = set()
    names = []
    for text, identity in zip(texts, identities, strict=True):
        short = file_slug(text)
        name, n = (short if len(short) <= LONGEST else ""), 0
        while not name or name in taken:
            mark = digest([identity, n])[:8]
            name, n = "-".join(part for part in (short[: LONGEST - 9].strip("-"), mark) if part), n + 1
        taken.add(name)
        names.append(name)
    return names


def capped(name: str) -> str:
    """The name, or as much of it as a file name holds, with a hash of all of it."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 9]}-{digest(name)[:8]}"


def digest(value: Any) -> str:
    """A short hash of JSON data."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
