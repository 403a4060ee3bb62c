"""Makes names of runs from a brief's name and parameters: unique, safe as file names, and never a path."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

LONGEST, LONGEST_NAME = 60, 200
"""The most characters of one part of a name, and of a whole name; file systems allow 255 bytes with the suffix."""
LETTERS = {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d"}
"""Letters that Unicode does not decompose into a plain letter and an accent."""


def file_slug(text: str) -> str:
    """Returns the text in ASCII lower-case letters, digits and single hyphens; empty when nothing of it is left.

    ``records.slug`` keeps the letters of every script: a record's id is read by people and models, and is no file name.
    """
    decomposed = unicodedata.normalize("NFKD", text).lower()
    plain = "".join(LETTERS.get(sign, sign) for sign in decomposed).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def distinct(texts: Sequence[str], identities: Sequence[str]) -> list[str]:
    """Returns a unique slug for each text. A repeated or empty slug gets a hash of the text's identity.

    The same texts in the same order give the same slugs, and texts added at the end change none before them.
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
    """Returns the name; one that is too long for a file name is cut and ends with a hash of the whole."""
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 9]}-{digest(name)[:8]}"


def digest(value: Any) -> str:
    """Returns a hash of JSON data as 16 hexadecimal digits."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
