"""The records of a turn as one piece of HTML: a heading, cards by kind, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from campaign_lab.findings import sentences
from campaign_lab.show.ads import copy_html, flags_html
from campaign_lab.show.angles import angle_html
from campaign_lab.show.evidence import findings_in, with_claim_support
from campaign_lab.show.frame import bullets, card, framed, warning
from campaign_lab.show.profiles import any_record_html, brand_html, customers_html, rival_html
from campaign_lab.show.text import bidi_isolate, escape_html, words

FORK_LINE = 'session.fork("another angle", at="research")'
CARDS: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "brand_profile": brand_html,
    "customer_insight": customers_html,
    "competitor_profile": rival_html,
    "angle": angle_html,
}


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

    A record is what ``LoadedRecord.to_json`` gives, with its ``kind``. ``answer`` is shown where there is no record to show.
    """
    unpaid = " <small>(rehearsal)</small>" if rehearsal else ""
    parts = [f"<h4>{escape_html(words(phase))}{escape_html(note)}{unpaid}</h4>"]
    kinds = dict.fromkeys(str(record["kind"]) for record in records)
    parts += [_section(kind, [record for record in records if record["kind"] == kind]) for kind in kinds]
    if answer and not records:
        parts.append(f'<p class="cl-pre" dir="auto">{escape_html(answer)}</p>')
    if missing:
        parts.append(f"<p><b>Missing</b></p>{bullets([bidi_isolate(line) for line in missing])}")
    return framed("".join(parts))


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
    done = list(dict.fromkeys(phases))
    counts = [f"{count} {_plural(kind, count)}" for kind, count in Counter(kinds).items()]
    why = f"<p><b>Purpose</b> {bidi_isolate(purpose)}</p>" if purpose and purpose != name else ""
    reached = bidi_isolate(", ".join(done)) if done else "nothing yet"
    carries = f"<p><b>Carries</b> {bidi_isolate(', '.join(counts))}</p>" if counts else ""
    line = f'await session.run("{following}")' if following else FORK_LINE
    known = f"<p><b>Brief</b> {bidi_isolate(notice)}</p>" if notice else ""
    body = f"{known}{why}<p><b>Done</b> {reached}</p>{carries}<p><b>Next</b> <code>{escape_html(line)}</code></p>"
    return framed(card(name, body, campaign))


def _plural(kind: str, count: int) -> str:
    return f"{kind.replace('_', ' ')}{'s' if count > 1 else ''}"


def _section(kind: str, records: Sequence[Mapping[str, Any]]) -> str:
    """All records of one kind; those of which only the raw text was kept come last."""
    whole = [with_claim_support(record) for record in records if not record.get("degraded")]
    broken = "".join(map(_degraded, (record for record in records if record.get("degraded"))))
    if kind == "copy_variant":
        return (copy_html(whole) if whole else "") + broken
    show = CARDS.get(kind, any_record_html)
    return "".join(f"{show(record)}{flags_html(record)}" for record in whole) + broken


def _degraded(record: Mapping[str, Any]) -> str:
    """The raw text of a record that could not be read, and why."""
    why = bullets([bidi_isolate(line) for line in sentences(findings_in(record))])
    raw = f'<pre style="white-space:pre-wrap;max-height:24em;overflow:auto"><bdi>{escape_html(record.get("raw", ""))}</bdi></pre>'
    notice = warning("This record could not be read; here is its text.")
    return card(words(record["kind"]), f"<p>{notice}</p>{why}{raw}", "degraded")
