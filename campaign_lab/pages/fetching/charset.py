"""Decodes the bytes of a page. The bytes themselves count more than the charset that the header or the page declares."""

from __future__ import annotations

import codecs
import re

_PRESCAN = 4_096
_META = re.compile(rb"""<meta[^>]{0,200}?charset\s*=\s*["']?\s*([a-zA-Z0-9_:.+-]{2,40})""", re.IGNORECASE)
_XML = re.compile(rb"""^\s*<\?xml[^>]{0,200}?encoding\s*=\s*["']([a-zA-Z0-9_:.+-]{2,40})""", re.IGNORECASE)
_ON_THE_WEB = re.compile(
    r"(?:utf-8|utf-16|iso8859|cp\d|windows|koi8|shift|cp932|euc|gb|big5|mac|iso2022-jp|tis-620|johab)"
)
_BOMS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


def decode(body: bytes, content_type: str = "") -> tuple[str, tuple[str, ...]]:
    """The text of a page, and a note when its declared charset is not the one of its bytes.

    A byte order mark wins; then UTF-8, if the bytes are valid UTF-8 that says more than ASCII; then the header's and
    the page's own charset; then windows-1252, the web's default. Never raises.
    """
    for mark, name in _BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace"), ()
    declared = _declared(body, content_type)
    chosen, text = _chosen(body, declared)
    wrong = [name for name in declared if name != chosen]
    if not wrong or body.isascii():
        return text, ()
    return text, (f"the page is declared as {' and '.join(wrong)}, but was read as {chosen}, which its bytes are",)


def _declared(body: bytes, content_type: str) -> list[str]:
    """The known charsets that the header and the page name, the header's first."""
    header = re.search(r"charset\s*=\s*[\"']?\s*([\w:.+-]{2,40})", content_type, re.IGNORECASE)
    in_page = _META.search(body[:_PRESCAN]) or _XML.search(body[:_PRESCAN])
    names = [_known(header[1]) if header else "", _known(in_page[1].decode("ascii")) if in_page else ""]
    if names[1].startswith("utf-16"):  # a page that can say so in ASCII is not UTF-16
        names[1] = "utf-8"
    return [name for name in dict.fromkeys(names) if name]


def _known(label: str) -> str:
    """Python's name for a charset that pages are written in; empty for any other."""
    try:
        name = codecs.lookup(label).name.replace("_", "-")
    except (LookupError, UnicodeError, ValueError):
        return ""
    if name in ("iso8859-1", "ascii", "latin-1"):
        return "windows-1252"  # as every browser reads them
    return name if _ON_THE_WEB.match(name) else ""


def _chosen(body: bytes, declared: list[str]) -> tuple[str, str]:
    double = [name for name in declared if name.startswith(("utf-16", "iso2022"))]  # their bytes look like ASCII
    for name in (*double, "utf-8", *declared):
        try:
            return name, body.decode(name)
        except (UnicodeError, LookupError):
            continue
    lossy = body.decode("utf-8", "replace")
    if lossy.count("\ufffd") * 5 < sum(letter > "\x7f" for letter in lossy):  # UTF-8 with a few bytes broken
        return "utf-8", lossy
    return "windows-1252", body.decode("windows-1252", "replace")
