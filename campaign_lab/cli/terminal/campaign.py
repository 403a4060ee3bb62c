"""The campaign at the end of ``campaign-lab run``: brand, angles, copy, what is missing, receipt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from campaign_lab.cli.terminal.printing import console as results_console
from campaign_lab.cli.terminal.printing import plain
from campaign_lab.findings import SentenceCounts
from campaign_lab.money import Sum
from campaign_lab.sessions.history.turns import Turn
from campaign_lab.show.evidence import findings_in
from campaign_lab.show.tables import RECEIPT_COLUMNS, receipt_rows


def print_campaign(result: Mapping[str, Any], turns: Sequence[Turn]) -> None:
    """Prints the campaign on stdout: brand, angles, copy, what is missing, receipt."""
    out, records = results_console(), result["records"]
    _say(out, f"\n{result['session']['campaign']} · {result['session']['url']} · {result['endpoint']}", "bold")
    if result["endpoint"].startswith("rehearsal"):
        words = "Rehearsal: texts are extracted and composed without a model. Use them to learn and to test."
        _say(out, words, "yellow")
    for brand in records["brand_profile"]:
        _brand(out, brand)
    if records["angle"]:
        out.print(_angles(records["angle"]))
    if records["copy_variant"]:
        out.print(_copy(records["copy_variant"]))
    if result["missing"]:
        _say(out, "\nMissing", "bold")
        for line in result["missing"]:
            _say(out, f"  - {line}")
    _problems(out, records)
    _receipt(out, result["receipt"], turns)


def _say(out: Console, words: str, style: str = "") -> None:
    out.print(plain(words, style=style))


def _brand(out: Console, brand: Mapping[str, Any]) -> None:
    if brand["degraded"]:
        _say(out, "\nThe brand profile could not be validated; its raw text is kept.", "yellow")
        return
    voice = ", ".join(brand["voice"]["traits"])
    proofs = [claim["text"] for claim in (*brand["proofs"], *brand["offers"])][:3]
    lines = [f"\n{brand['name']}: {brand['promise']['text']}", f"Voice: {voice}", *(f"- {proof}" for proof in proofs)]
    _say(out, "\n".join(lines))


def _table(title: str, names: Sequence[str], rows: Iterable[Sequence[object]], *, figures: Sequence[str] = ()) -> Table:
    """A table of texts; the columns of ``figures`` stand right."""
    table = Table(title=title, title_justify="left", show_lines=not figures)
    for name in names:
        table.add_column(name, overflow="ellipsis" if figures else "fold")
    for name in figures:
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*map(plain, row))
    return table


def _angles(angles: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        (
            angle.get("name", "?"),
            angle.get("motivation", "").replace("_", " "),
            angle.get("core_angle", ""),
            "; ".join(proof["claim"]["text"] for proof in angle.get("proofs", [])),
        )
        for angle in angles
    ]
    return _table(f"{len(angles)} angles", ("angle", "motivation", "idea", "leans on"), rows)


def _copy(variants: Sequence[Mapping[str, Any]]) -> Table:
    rows = []
    for variant in variants:
        button = variant.get("call_to_action", "").replace("_", " ").capitalize()
        texts = [variant.get(name, "?") for name in ("angle", "headline", "primary_text", "description")]
        rows.append((*texts, button, _checked(variant)))
    names = ("angle", "headline", "primary text", "description", "button", "checks")
    return _table(f"{len(variants)} copy variants", names, rows)


def _checked(variant: Mapping[str, Any]) -> str:
    """How many quotes stand on their pages, and how many sentences are carried by claims, plain, or to be checked."""
    evidence = variant["evidence"]
    quotes = (
        [f"{sum(bool(each['supported']) for each in evidence)} of {len(evidence)} quotes found"] if evidence else []
    )
    counts = SentenceCounts.among(findings_in(variant))
    names = ("carried", "plain", "to check")
    sentences = [f"{count} {name}" for count, name in zip(counts or (0, 0, 0), names, strict=True) if count]
    return "\n".join([*quotes, *([f"sentences: {', '.join(sentences)}"] if sentences else [])]) or "-"


def _problems(out: Console, records: Mapping[str, Sequence[Mapping[str, Any]]]) -> None:
    """What was wrong with a record and stayed so after it was mended twice."""
    for kind, several in records.items():
        for record in several:
            for problem in record["problems"]:
                _say(out, f"! {kind.replace('_', ' ')} {record['id']}: {problem}", "yellow")


def _receipt(out: Console, receipt: Mapping[str, Any], turns: Sequence[Turn]) -> None:
    names = [name if name == "US$" else name.lower() for name in RECEIPT_COLUMNS]
    out.print(_table("receipt", names[:2], receipt_rows(receipt["lines"]), figures=names[2:]))
    for turn in turns:
        if (cache := turn.receipt.cache) and not turn.replayed:
            carried = f"carries {turn.receipt.avoided} of earlier turns"
            _say(out, f"{turn.phase}: {carried}; cache {cache.state}, {cache.reason}", "dim")
    if receipt["cut_requests"]:
        _say(out, f"{receipt['cut_requests']} requests were cut; what they cost is not known.", "yellow")
    if turns and len(receipt["replayed"]) == len(turns):
        cost = Sum.stored(receipt["cost"], receipt["unpriced_requests"])
        _say(out, f"Replayed: nothing was sent and nothing paid. It once cost {cost}.", "green")
        if ages := [turn.pages_read_at for turn in turns if turn.pages_read_at]:
            _say(out, f"Its pages were read on {min(ages):%Y-%m-%d %H:%M} UTC.")
    else:
        replayed = f" ({', '.join(receipt['replayed'])} replayed for nothing)" if receipt["replayed"] else ""
        whole = Sum.stored(receipt["paid"], receipt["paid_unpriced_requests"])
        price = f"Costs {whole.words(' at list price')}; rehearsal, so nothing was paid"
        paid = price if receipt["rehearsal"] else f"Paid {whole}"
        _say(out, f"{paid}{replayed}. A second run replays for $0.")
