"""Text from pages, models and users, made safe to show: escaped, and without what a reader cannot see."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from html import escape
from ipaddress import ip_address
from urllib.parse import urlsplit

ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
"""Control sequences of terminals (ECMA-48): colours, cursor movement, window titles."""
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Control characters, bidirectional embeddings and overrides, zero-width spaces, tags; not what scripts and emoji need."""
ACCENTS = re.compile("([\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{4})"
                     "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")  # fmt: skip
"""More than four accents on one letter, which cover the lines around it; no language needs so many."""
LONE = re.compile("[\ud800-\udfff]")
RESERVED = ("example", "invalid", "test", "localhost")
"""Top-level domains that no public site has (RFC 2606); saved sites get one under .example."""


def plain(value: object) -> str:
    """The value as text without ANSI sequences and characters that hide, reorder or overrun other text."""
    seen = ANSI.sub("", str(value)).replace("\r\n", "\n").replace("\r", "\n")
    seen = re.sub("[\u2028\u2029]", "\n", UNSEEN.sub("", seen))
    return LONE.sub("\ufffd", ACCENTS.sub(r"\1", seen))


def one_line(value: object) -> str:
    """The value as plain text in one line, with single spaces."""
    return " ".join(plain(value).split())


def shortened(value: object, most: int) -> str:
    """The value as plain text, cut at so many characters."""
    seen = plain(value)
    return seen if len(seen) <= most else f"{seen[: most - 1]}…"


def escape_html(value: object) -> str:
    """The value as HTML text, for use between tags and in quoted attributes, without control characters."""
    return escape(plain(value))


def and_take(take: int) -> str:
    """What follows a phase's name for this take of a turn, such as ", take 2"; "" for the first one."""
    return f", take {take}" if take > 1 else ""


def pluralize(number: int, noun: str) -> str:
    """The number with its noun, such as "1 fork", "2 forks" and "3 entries"."""
    return f"{number} {noun if number == 1 else re.sub('(?<=[^aeiou])y$', 'ie', noun) + 's'}"


def counts_by_kind(kinds: Iterable[str]) -> str:
    """How many records there are of each kind, such as "1 brand profile, 2 competitor profiles"."""
    return ", ".join(pluralize(count, kind.replace("_", " ")) for kind, count in Counter(kinds).items())


def bidi_isolate(value: object) -> str:
    """The value as HTML text within a line. Its writing direction does not change the text around it."""
    return f"<bdi>{escape_html(value)}</bdi>"


def words(name: object) -> str:
    """A stored name in words: ``GET_QUOTE`` and ``get_quote`` as "Get quote". Plain text, not yet escaped."""
    return plain(name).replace("_", " ").strip().capitalize()


def address(url: object) -> str:
    """The url as HTML without its scheme: a link where it is a public web address, else text."""
    shown = bidi_isolate(re.sub(r"^https?://", "", plain(url)).rstrip("/"))
    if not _is_public_url(url):
        return shown
    return f'<a href="{escape(str(url))}" target="_blank" rel="noopener noreferrer">{shown}</a>'


def host(url: object) -> str:
    """The host of a web address without www; empty when it is none. Plain text, not yet escaped."""
    try:
        name = urlsplit(plain(url)).hostname or ""
    except ValueError:
        return ""
    return name.removeprefix("www.")


def _is_public_url(url: object) -> bool:
    """Is it a whole http(s) address of a public host, without a password, spaces or hidden characters?"""
    if not isinstance(url, str) or plain(url) != url or re.search(r"\s", url):
        return False
    try:
        parts = urlsplit(url)
        name, _port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return False
    known = parts.scheme in ("http", "https") and name and "@" not in parts.netloc
    return bool(known) and name.rpartition(".")[2] not in RESERVED and _is_public(name)


def _is_public(name: str) -> bool:
    """Is the host public? Addresses of this machine and of private networks are not."""
    try:
        return ip_address(name).is_global
    except ValueError:
        return "." in name
