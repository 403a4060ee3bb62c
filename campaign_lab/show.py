"""Records as static HTML: what a notebook saves. Every text is escaped; pages and models are hostile."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

CELL = "text-align:left;vertical-align:top;padding:2px 12px 2px 0"
WIDE_FROM = 40
"""From how many characters a column of texts gets room."""
TITLES = {
    "brand_profile": "Brand",
    "customer_insight": "Customers",
    "competitor_profile": "Rivals",
    "angle": "Angles",
    "copy_variant": "Copy",
}


def records_html(phase: str, records: Sequence[Mapping[str, Any]], missing: Sequence[str], rehearsal: bool) -> str:
    """One section a kind, one row a record, then what is missing. ``rehearsal`` is said in the heading."""
    kinds = dict.fromkeys(str(record["kind"]) for record in records)
    note = " <small>(rehearsal)</small>" if rehearsal else ""
    parts = [f"<h4>{escape(phase.capitalize())}{note}</h4>"]
    parts += [_section(kind, [record for record in records if record["kind"] == kind]) for kind in kinds]
    if missing:
        parts.append(f"<p><b>Missing</b></p><ul>{''.join(f'<li>{escape(line)}</li>' for line in missing)}</ul>")
    return "".join(parts)


def receipt_html(lines: Sequence[Mapping[str, Any]], total_usd: float | None, rehearsal: bool) -> str:
    """One row an agent and phase, then the sum. In rehearsal the prices are what the tokens would cost."""
    rows = [
        {
            "Phase": str(line["phase"]),
            "Agent": str(line["agent"]),
            "Requests": str(line["requests"]),
            "Fresh in": f"{line['input_tokens']:,}",
            "Cache read": f"{line['cache_read_tokens']:,}",
            "Cache written": f"{line['cache_write_tokens']:,}",
            "Out": f"{line['output_tokens']:,}",
            "US$": usd(line["cost_usd"]),
        }
        for line in lines
    ]
    note = " at list price; rehearsal costs nothing" if rehearsal else ""
    return f"{_table(rows)}<p>Sum: {escape(usd(total_usd))}{note}.</p>"


def frame_html(names: Sequence[str], rows: Sequence[Sequence[Any]], total: int) -> str:
    """A frame as a table that can be read: texts stand left and get room, headings may wrap. ``total`` counts all rows."""
    wide = {
        place
        for place in range(len(names))
        if max((len(row[place]) for row in rows if isinstance(row[place], str)), default=0) > WIDE_FROM
    }
    head = "".join(f'<th style="{CELL};white-space:normal">{escape(name.replace("_", " "))}</th>' for name in names)
    body = "".join(
        "<tr>" + "".join(_frame_cell(value, place in wide) for place, value in enumerate(row)) + "</tr>" for row in rows
    )
    more = f"<p>{len(rows)} of {total} rows are shown.</p>" if total > len(rows) else ""
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>{more}"


def _frame_cell(value: Any, wide: bool) -> str:
    room = ";min-width:20em" if wide else ""
    text = f"{value:.4f}" if isinstance(value, float) else str(value)
    return f'<td style="{CELL}{room}">{escape(text)}</td>'


def usd(cost: float | None) -> str:
    """Dollars with four decimals; an unknown price says so."""
    return "unknown" if cost is None else f"${cost:.4f}"


def _section(kind: str, records: Sequence[Mapping[str, Any]]) -> str:
    rows = {"angle": _angle, "copy_variant": _copy}.get(kind)
    if any(record.get("degraded") for record in records):
        rows = None  # its raw text is all there is
    title = f"<p><b>{escape(TITLES.get(kind, kind))}</b></p>"
    if rows is None:
        return title + "".join(_profile(record) for record in records)
    return title + _table([rows(record) for record in records])


def _angle(record: Mapping[str, Any]) -> dict[str, str]:
    return {
        "Angle": str(record.get("name", "")),
        "Motivation": str(record.get("motivation", "")).replace("_", " "),
        "Idea": str(record.get("core_angle", "")),
        "Leans on": "\n".join(str(proof["claim"]["text"]) for proof in record.get("proofs", [])),
    }


def _copy(record: Mapping[str, Any]) -> dict[str, str]:
    return {
        "Angle": str(record.get("angle", "")),
        "Headline": str(record.get("headline", "")),
        "Primary text": str(record.get("primary_text", "")),
        "Description": str(record.get("description", "")),
        "Button": str(record.get("call_to_action", "")).replace("_", " ").capitalize(),
        "Evidence": _support(record),
    }


def _support(record: Mapping[str, Any]) -> str:
    evidence = record.get("evidence", [])
    good = sum(bool(each.get("supported")) for each in evidence)
    return f"{good} of {len(evidence)} quotes stand" if evidence else "makes no claim"


def _profile(record: Mapping[str, Any]) -> str:
    """A record as a list of its fields; a claim shows its sentence and whether its quotes stand."""
    rows = []
    for name, value in record.items():
        if name in ("id", "kind", "evidence", "problems", "degraded") or not value:
            continue
        rows.append({"Field": name.replace("_", " ").capitalize(), "Found": "\n".join(_words(value))})
    return _table(rows)


def _words(value: Any) -> list[str]:
    """A field's value in words."""
    if isinstance(value, Mapping):
        if "text" in value:
            return [f"{value['text']}{'' if _all_stand(value) else ' (unsupported)'}"]
        if "quote" in value:
            return [f"“{value['quote']}”{'' if value.get('supported') else ' (unsupported)'}"]
        return [", ".join(word for word in _words(item)) for item in value.values() if item]
    if isinstance(value, (list, tuple)):
        return [word for item in value for word in _words(item)]
    return [str(value)] if value else []


def _all_stand(claim: Mapping[str, Any]) -> bool:
    return all(each.get("supported") for each in claim.get("evidence", []))


def _table(rows: Sequence[Mapping[str, str]]) -> str:
    if not rows:
        return ""
    head = "".join(f'<th style="{CELL}">{escape(name)}</th>' for name in rows[0])
    body = "".join(
        "<tr>" + "".join(f'<td style="{CELL}">{_lines(value)}</td>' for value in row.values()) + "</tr>" for row in rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _lines(text: str) -> str:
    """Several lines are a list."""
    lines = [escape(line) for line in text.split("\n") if line]
    return "".join(lines) if len(lines) < 2 else f"<ul>{''.join(f'<li>{line}</li>' for line in lines)}</ul>"
