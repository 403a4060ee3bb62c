"""Advertisements as they look in a feed, and beside them their lengths, claims and findings."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from campaign_lab.records import COPY_FIELDS
from campaign_lab.show.evidence import claims_html, findings_in
from campaign_lab.show.frame import bullets, folded, warning
from campaign_lab.show.text import bidi_isolate, escape_html, host, plain, words

AD = "width:20em;max-width:100%;margin:0;border:1px solid gray;border-radius:8px;padding:10px 12px"
PICTURE = "background:#8883;text-align:center;padding:2.2em 0"
FOOT = "display:flex;flex-wrap:wrap;gap:2px 8px;align-items:flex-start"
HEADLINE = "flex:1 1 8em;max-width:100%;overflow-wrap:break-word"
"""The headline stands beside the button where its longest word has room there, else above it."""
BUTTON = "border:1px solid gray;border-radius:4px;padding:2px 8px"
SIDE_BY_SIDE = "display:flex;flex-wrap:wrap;gap:20px;margin:8px 0 20px"


def ad_html(row: Mapping[str, Any], *, brand: str, address: str) -> str:
    """The variant as HTML of an advertisement in a feed. ``row`` is one of ``lab.compare``, or a copy variant as a mapping.

    ``brand`` and ``address`` (such as "termwick.example") are plain text. Where the row counts its claims, tells what is too
    long or names a near duplicate, that stands below. It is a mock-up: real placements cut by pixels, not by characters.
    """
    name = plain(brand) or "Your brand"
    button = words(row.get("call_to_action", ""))
    action = f' <span style="{BUTTON}">{escape_html(button)}</span>' if button and button != "No button" else ""
    return (
        f'<figure class="cl-ad" style="{AD}">'
        f'<p><span class="cl-mono" title="{escape_html(first_graphemes(name, 1)[0].upper())}"></span>'
        f"<b>{bidi_isolate(name)}</b><br><small>Sponsored</small></p>"
        f"{_primary(str(row.get('primary_text', '')))}"
        f'<div class="cl-pic" style="{PICTURE}"><small>your picture</small></div>'
        f'<div class="cl-foot"><small>{bidi_isolate(address)}</small>'
        f'<div style="{FOOT}"><b style="{HEADLINE}">{bidi_isolate(row.get("headline", ""))}</b>{action}</div>'
        f"<small>{bidi_isolate(row.get('description', ''))}</small></div></figure>{_counts_line(row)}"
    )


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


def _primary(value: str) -> str:
    """The text above the picture, cut where a feed cuts it; a click shows the rest."""
    from campaign_lab.checks.limits import limit_of  # checks take 8 ms that importing the package does not need

    start, rest = first_graphemes(plain(value), limit_of("primary_text"))
    if not rest:
        return f'<p class="cl-pre" dir="auto">{escape_html(start)}</p>'
    more = folded(f"{escape_html(start)}… <b>See more</b>", f'<p class="cl-pre" dir="auto">{escape_html(rest)}</p>')
    return f'<div class="cl-pre" dir="auto">{more}</div>'


def _variant(record: Mapping[str, Any], brand: str, home: str) -> str:
    ad = {name: record.get(name, "") for name in (*COPY_FIELDS, "call_to_action")}
    lengths = "<br>".join(_length(field, str(record.get(field, ""))) for field in COPY_FIELDS)
    claims = claims_html("Claims", record.get("claims") or []) or "<p><b>Claims</b> it makes none</p>"
    beside = f"<p>{lengths}</p>{claims}{flags_html(record)}"
    return (
        f'<div style="{SIDE_BY_SIDE}"><div>{ad_html(ad, brand=brand, address=home)}</div>'
        f'<div style="flex:1 1 20em;max-width:40em">{beside}</div></div>'
    )


def _length(field: str, value: str) -> str:
    from campaign_lab.checks.limits import graphemes, limit_of

    length, most = graphemes(value), limit_of(field)
    shown = f"{words(field)}: {length} characters of at most {most}"
    over = "hidden behind See more" if field == "primary_text" else "may be cut off"
    return escape_html(shown) + (f" {warning(f'{length - most} too many: {over}')}" if length > most else "")


def flags_html(record: Mapping[str, Any]) -> str:
    """What the checks found and nobody mended, one line each. A text that stands in the card by itself is not repeated."""
    lines = dict.fromkeys(
        f"{words(each.field)}: {each.message}" if isinstance(record.get(each.field), str) else each.sentence
        for each in findings_in(record)
    )
    return f"<p>{warning('Flagged')}</p>{bullets([bidi_isolate(line) for line in lines])}" if lines else ""


def _counts_line(row: Mapping[str, Any]) -> str:
    """What a row of the comparison tells of its claims, lengths and near duplicate, in one line."""
    notes = []
    if "claims_supported" in row:
        claims, good = int(row["claims"]), int(row["claims_supported"])
        whole = "makes no claim" if not claims else f"{good} of {claims} claims stand"
        notes.append(warning(whole) if good < claims else whole)
    if row.get("over_limit"):
        notes.append(warning(f"too long: {words(row['over_limit']).lower()}"))
    if row.get("near_duplicate"):
        notes.append(f"{warning('almost the same as')} {bidi_isolate(row['near_duplicate'])}")
    return f"<p><small>{' · '.join(notes)}</small></p>" if notes else ""
