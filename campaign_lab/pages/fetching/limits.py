"""How much of a site is fetched at most, and what a fetch returns."""

from __future__ import annotations

from dataclasses import dataclass

_BINARY = (
    b"%PDF-",
    b"\x89PNG",
    b"GIF8",
    b"\xff\xd8\xff",
    b"PK\x03\x04",
    b"\x1f\x8b",
    b"RIFF",
    b"\x7fELF",
    b"wOF",
    b"ID3",
)
_MARKS = (b"<!doctype html", b"<html", b"<head", b"<body", b"<title", b"<meta", b"<div", b"<h1", b"<p>", b"<p ")


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How much of a site is read at most."""

    seconds: float = 20.0
    """For everything: name, connection, redirects, body, style sheets and reading it."""
    bytes: int = 5_000_000
    """Of a page, after decompression."""
    redirects: int = 5
    style_files: int = 4
    style_bytes: int = 500_000
    """Of one style sheet."""
    style_seconds: float = 5.0
    """For all style sheets together; the page is kept without those that take longer."""


@dataclass(frozen=True, slots=True)
class FetchedResponse:
    """What a site, or a saved page, answered."""

    url: str
    """The address after redirects, without fragment."""
    body: bytes
    content_type: str = ""


def not_html(answer: FetchedResponse) -> str:
    """Why the answer is no HTML page; empty when it is one."""
    kind = answer.content_type.partition(";")[0].strip().lower()
    start = answer.body[:1_024].removeprefix(b"\xef\xbb\xbf").lstrip()
    advice = "give the address of a page, not of a file"
    if start.startswith(_BINARY):
        return f"its bytes are not HTML; {advice}"
    if kind in ("text/html", "application/xhtml+xml") or not answer.body:
        return ""
    if kind not in ("", "text/plain", "application/octet-stream", "application/xml", "text/xml"):
        return f"it is {kind[:60]!r}, not HTML; {advice}"
    plain = start.replace(b"\x00", b"").lower()
    return "" if any(mark in plain for mark in _MARKS) else f"it does not look like HTML; {advice}"
