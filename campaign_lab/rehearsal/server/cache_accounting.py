"""Prompt-cache accounting by the documented rules, in logical time.

A prefix is cached where a breakpoint stands, if it is long enough. A request reads the longest cached prefix that ends at
one of the 20 blocks up to one of its breakpoints, and writes the rest up to its last breakpoint. Which prefixes a request
can see follows from the conversation, not from the clock: those of earlier turns of its line, and of its own agent's
earlier requests. So the same campaign costs the same however fast the machine is.

Source: "Prompt caching" in the vendor's API documentation (breakpoints, minimum length, look-back), as of 2026-11.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from campaign_lab.rehearsal.server.api_request import ContentBlock

CHARACTERS_A_TOKEN = 4
LOOK_BACK_BLOCKS = 20
MOST_BREAKPOINTS = 4
MINIMUM_TOKENS = {"claude-haiku": 2_048, "claude-opus": 1_024, "claude-sonnet": 1_024}
"""Shortest prefix that is cached, by model family."""


@dataclass(frozen=True)
class CachedPrefix:
    """A prefix that an earlier request wrote. ``prefix`` is its hash, ``life_s`` its cache life in seconds."""

    prefix: str
    tokens: int
    life_s: int


@dataclass(frozen=True)
class Counted:
    """How the tokens of one prompt are charged.

    ``written`` are the prefixes that live on from this request: those that it wrote, and the one that it read, because
    a read begins the life of an entry anew.
    """

    input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    written: tuple[CachedPrefix, ...]


def tokens_in(characters: int) -> int:
    """Tokens for a number of characters: a quarter, rounded up."""
    return math.ceil(characters / CHARACTERS_A_TOKEN)


def count(blocks: Sequence[ContentBlock], seen: Iterable[CachedPrefix], model: str) -> Counted:
    """Charges a prompt against the prefixes that it can see."""
    hashes, sizes = _prefixes(blocks, model)
    minimum = next((least for family, least in MINIMUM_TOKENS.items() if model.startswith(family)), 1_024)
    points = [i for i, block in enumerate(blocks) if block.cache_s is not None][-MOST_BREAKPOINTS:]
    usable = [i for i in points if sizes[i] >= minimum]
    known: dict[str, int] = {}
    for cached in seen:
        known[cached.prefix] = max(cached.life_s, known.get(cached.prefix, 0))
    hit = max((i for i in _readable(usable) if hashes[i] in known and sizes[i] >= minimum), default=None)
    read = 0 if hit is None else sizes[hit]
    total = sizes[-1] if sizes else 0
    written = {3600: 0, 300: 0}
    done = read
    for i in usable:  # each stretch is written with the life of the breakpoint that ends it
        life = blocks[i].cache_s or 300
        written[life] += max(0, sizes[i] - done)
        done = max(done, sizes[i])
    living = sorted({*usable, *([] if hit is None else [hit])})
    entries = tuple(CachedPrefix(hashes[i], sizes[i], known.get(hashes[i], blocks[i].cache_s or 300)) for i in living)
    return Counted(total - done, read, written[300], written[3600], entries)


def _readable(points: Sequence[int]) -> set[int]:
    """Block positions at which a cached prefix would be found."""
    return {i for point in points for i in range(max(0, point - LOOK_BACK_BLOCKS + 1), point + 1)}


def _prefixes(blocks: Sequence[ContentBlock], model: str) -> tuple[list[str], list[int]]:
    """For each block the hash and the size in tokens of all that is up to and including it."""
    running = hashlib.sha256(model.encode())
    characters, hashes, sizes = 0, [], []
    for block in blocks:
        running.update(hashlib.sha256(block.text.encode("utf-8", "surrogatepass")).digest())
        characters += len(block.text)
        hashes.append(running.copy().hexdigest())
        sizes.append(tokens_in(characters))
    return hashes, sizes
