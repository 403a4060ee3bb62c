"""Advertisements as they look in a feed, and beside them their lengths, claims and findings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from campaign_lab.findings import faults
from campaign_lab.records import COPY_FIELDS
from campaign_lab.show.evidence import findings_in
from campaign_lab.show.frame import bullets, warning
from campaign_lab.show.templates import render
from campaign_lab.show.text import bidi_isolate, host, plain, words


def ad_html(row: Mapping[str, Any], *, brand: str, address: str) -> str:
    """The variant as HTML of an advertisement in a feed. ``row`` is one of ``lab.compare``, or a copy variant as a mapping.

    ``brand`` and ``address`` (such as "termwick.example") are plain text. Where the row counts its claims, tells what is too
    long or names a near duplicate, that stands below. It is a mock-up: real placements cut by pixels, not by characters.
    """
    from campaign_lab.checks.limits import limit_of  # checks take 8 ms that importing the package does not need

    name = plain(brand) or "Your brand"
    start, rest = first_graphemes(plain(row.get("primary_text", "")), limit_of("primary_text"))
    initial = first_graphemes(name, 1)[0].upper()
    return render("ad", row=row, name=name, initial=initial, address=address, start=start, rest=rest)


def copy_html(records: Sequence[Mapping[str, Any]]) -> str:
    """Copy variants by angle: each as an advertisement with its lengths, claims and flags beside it."""
    brand, home = brand_and_host(records)
    parts = []
    for angle in dict.fromkeys(str(record.get("angle", "")) for record in records):
        parts.append(f"<p><b>{bidi_isolate(angle)}</b></p>")
        parts += [_variant(each, brand, home) for each in records if str(each.get("angle", "")) == angle]
    return "".join(parts)


def brand_and_host(records: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """The brand's name as the copy writes it, and the host of the pages that the copy quotes; "" where nothing tells."""
    urls = [each.get("url", "") for record in records for each in record.get("evidence") or []]
    home = next(filter(None, map(host, urls)), "")
    label = re.sub(r"\W", "", home.split(".")[0])
    written = re.search(
        r"(?i)\b" + r"[\s&'\u2019-]{0,3}".join(map(re.escape, label)) + r"\b",
        " ".join(str(record.get(field, "")) for record in records for field in COPY_FIELDS),
    )
    return (written.group() if label and written else home), home


def first_graphemes(value: str, most: int) -> tuple[str, str]:
    """The first ``most`` graphemes (characters as a reader counts them) of the value, and the rest."""
    if value.isascii():
        return value[:most], value[most:]
    import regex  # type: ignore[import-untyped]  # 15 ms that importing the package does not need

    found = regex.match(rf"\X{{0,{most}}}", value)
    return value[: found.end()], value[found.end() :]


def _variant(record: Mapping[str, Any], brand: str, home: str) -> str:
    from campaign_lab.checks import counts_of, graphemes, limits

    found = findings_in(record)
    ad = {name: record.get(name, "") for name in (*COPY_FIELDS, "call_to_action")}
    lengths = [(limits()[field], graphemes(str(record.get(field, "")))) for field in COPY_FIELDS]
    shown = {"ad": ad_html(ad, brand=brand, address=home), "lengths": lengths, "flags": flags_html(record)}
    shown |= {name: record.get(name) or "" for name in ("picture_line", "picture")}
    return render("variant", made=record.get("claims") or [], counts=counts_of(record, found), **shown)


def flags_html(record: Mapping[str, Any]) -> str:
    """What the checks found and nobody mended, one line each. A text that stands in the card by itself is not repeated."""
    lines = dict.fromkeys(
        f"{words(each.field)}: {each.message}" if isinstance(record.get(each.field), str) else each.sentence
        for each in faults(findings_in(record))
    )
    return f"<p>{warning('Flagged')}</p>{bullets([bidi_isolate(line) for line in lines])}" if lines else ""
