"""Text from pages, models and users, made safe to show: escaped, and without what a reader cannot see."""

from __future__ import annotations

import re
from html import escape
from ipaddress import ip_address
from urllib.parse import urlsplit

ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
"""Terminal sequences (ECMA-48): colours, cursor moves, window titles."""
UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Control characters, bidirectional embeddings and overrides, zero-width spaces, tags. What scripts and emoji need stays."""
ACCENTS = re.compile("([\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{4})"
                     "[\u0300-\u036f\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+")  # fmt: skip
"""Accents piled up on one letter run over the lines around it; no language needs more than four."""
LONE = re.compile("[\ud800-\udfff]")
RESERVED = ("example", "invalid", "test", "localhost")
"""Names that lead nowhere (RFC 2606): saved sites stand under .example."""


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
    """The value as HTML text, for between tags and for quoted attributes; control characters are out."""
    return escape(plain(value))


def and_take(take: int) -> str:
    """Which answer a turn is, to put behind its phase; nothing for the first."""
    return f", take {take}" if take > 1 else ""


def pluralize(number: int, noun: str) -> str:
    """Such as "1 fork" and "2 forks"."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def bidi_isolate(value: object) -> str:
    """The value as HTML text within a line: its writing direction does not reach what stands beside it."""
    return f"<bdi>{escape_html(value)}</bdi>"


def words(name: object) -> str:
    """A stored name in words: ``GET_QUOTE`` and ``get_quote`` as "Get quote". Plain text, not yet escaped."""
    return plain(name).replace("_", " ").strip().capitalize()


def address(url: object) -> str:
    """A page as its address: a link where the address leads somewhere, without its scheme."""
    shown = bidi_isolate(re.sub(r"^https?://", "", plain(url)).rstrip("/"))
    if not _leads_somewhere(url):
        return shown
    return f'<a href="{escape(str(url))}" target="_blank" rel="noopener noreferrer">{shown}</a>'


def host(url: object) -> str:
    """The host of a web address without www; empty when it is none. Plain text, not yet escaped."""
    try:
        name = urlsplit(plain(url)).hostname or ""
    except ValueError:
        return ""
    return name.removeprefix("www.")


def _leads_somewhere(url: object) -> bool:
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
    """False for addresses of this machine and of private networks."""
    try:
        return ip_address(name).is_global
    except ValueError:
        return "." in name
