"""The records of a turn as one piece of HTML: a heading, cards by kind, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from campaign_lab.findings import sentences
from campaign_lab.show.ads import copy_html, flags_html
from campaign_lab.show.cards import record_html
from campaign_lab.show.evidence import findings_in, with_claim_support
from campaign_lab.show.frame import framed
from campaign_lab.show.templates import render
from campaign_lab.show.text import counts_by_kind

FORK_LINE = 'session.fork("another angle", at="research")'


def records_html(
    phase: str,
    records: Sequence[Mapping[str, Any]],
    missing: Sequence[str],
    rehearsal: bool,
    *,
    answer: str = "",
    note: str = "",
) -> str:
    """The records of a turn as cards, then what is missing. The heading has ``note``, and tells of ``rehearsal``.

    A record is what ``KeptRecord.to_json`` gives, with its ``kind``. ``answer`` is shown where there is no record to show.
    """
    kinds = dict.fromkeys(str(record["kind"]) for record in records)
    cards = "".join(_section(kind, [record for record in records if record["kind"] == kind]) for kind in kinds)
    shown = {"cards": cards, "answer": "" if records else answer, "missing": missing}
    return framed(render("records", phase=phase, note=note, rehearsal=rehearsal, **shown))


def session_html(
    *,
    name: str,
    campaign: str,
    purpose: str,
    phases: Sequence[str],
    following: str,
    kinds: Sequence[str],
    notice: str = "",
) -> str:
    """The card of a session: the phases that are done, the records that it has, and the next line of code to type.

    ``following`` is the phase that comes next, "" when all are done; ``notice`` what a person should know of its brief.
    """
    return framed(
        render(
            "session",
            name=name,
            campaign=campaign,
            notice=notice,
            purpose="" if purpose == name else purpose,
            done=", ".join(dict.fromkeys(phases)),
            carries=counts_by_kind(kinds),
            next=f'await session.run("{following}")' if following else FORK_LINE,
        )
    )


def _section(kind: str, records: Sequence[Mapping[str, Any]]) -> str:
    """All records of one kind; those of which only the raw text was kept come last."""
    whole = [with_claim_support(record) for record in records if not record.get("degraded")]
    broken = "".join(map(_degraded, (record for record in records if record.get("degraded"))))
    if kind == "copy_variant":
        return (copy_html(whole) if whole else "") + broken
    return "".join(f"{record_html(record)}{flags_html(record)}" for record in whole) + broken


def _degraded(record: Mapping[str, Any]) -> str:
    why = sentences(findings_in(record))
    return render("degraded", kind=record["kind"], problems=why, raw=record.get("raw", ""))
