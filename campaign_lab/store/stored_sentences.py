"""What versions before schema 5 stored of the checks, sentences such as "headline: too long: 'Rates'", made into findings.

A sentence was put together from the field that was checked, what was wrong, and the first 200 characters of the field's text.
The record's own texts say which of them it was made from. Those of missing evidence keep their rule and severity; the severity
of all others was not stored, and they become warnings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from campaign_lab.findings import (
    MOST_SHOWN,
    OVERSTATED,
    STORED_SENTENCE,
    Finding,
    Severity,
    dump_findings,
    is_claim,
    is_quote,
    parts_below,
)
from campaign_lab.store.connection import Con

BLOCKING = {
    ("claims", "no supported quote holds every number and name of the claim"): OVERSTATED,
    ("evidence", "the quote does not stand on "): "evidence.quote_missing",
    ("evidence", "the quote names a page that was not read: "): "evidence.page_unread",
    ("", "no quote holds "): "evidence.figure_unquoted",
}
"""How those versions began what they said of missing evidence, by what they called the text (empty: any), with the rule."""
CHUNK = 1_000
"""Records that are written back with one statement."""


class CheckedText(NamedTuple):
    """A text that those versions checked. ``subject`` is what their sentences called it."""

    subject: str
    path: str
    value: str


def sentences_to_findings(con: Con) -> None:
    """Rewrites ``records.problems`` of every record that has sentences there. Text that is no list of sentences stays."""
    sql = "SELECT turn_id, kind, n, problems, body, degraded FROM records WHERE problems LIKE '[\"%'"
    rows = [(*row[:3], _converted(*row[3:])) for row in con.execute(sql).fetchall()]
    for start in range(0, len(rows), CHUNK):
        columns = [list(column) for column in zip(*rows[start : start + CHUNK], strict=True)]
        con.execute(
            "UPDATE records SET problems = made.problems FROM (SELECT unnest(?::VARCHAR[]) AS turn_id, "
            "unnest(?::VARCHAR[]) AS kind, unnest(?::INTEGER[]) AS n, unnest(?::VARCHAR[]) AS problems) AS made "
            "WHERE records.turn_id = made.turn_id AND records.kind = made.kind AND records.n = made.n",
            columns,
        )


def findings_of(sentences: list[str], fields: dict[str, Any]) -> list[Finding]:
    """The findings that the sentences on a record were made from. ``fields`` is the record's JSON, empty for a degraded one."""
    texts = list(_checked_texts(fields))
    return [finding for sentence in sentences for finding in _of_sentence(sentence, texts)]


def _of_sentence(sentence: str, texts: list[CheckedText]) -> list[Finding]:
    """One finding for each place of the text that the sentence ends with; else one of the field that it begins with."""
    whole, begun = [], []
    for subject, path, value in texts:
        head, tail = f"{subject}: ", f": {value[:MOST_SHOWN]!r}"
        if sentence.startswith(head) and sentence.endswith(tail) and len(sentence) >= len(head) + len(tail):
            message = sentence[len(head) : -len(tail)]
            known = (
                rule for (of, begin), rule in BLOCKING.items() if of in ("", subject) and message.startswith(begin)
            )
            rule = next(known, STORED_SENTENCE)
            severity: Severity = "warn" if rule == STORED_SENTENCE else "block"
            whole.append(Finding(rule, severity, path, value[:MOST_SHOWN], message))
        elif subject == path and sentence.startswith(head):
            begun.append(Finding(STORED_SENTENCE, "warn", path, "", sentence[len(head) :]))
    return whole or begun or [Finding(STORED_SENTENCE, "warn", "", "", sentence)]


def _checked_texts(fields: dict[str, Any]) -> Iterator[CheckedText]:
    for name, value in fields.items():
        if isinstance(value, str):
            yield CheckedText(name, name, value)
    for path, part in parts_below(fields):
        if is_claim(part):
            yield CheckedText("claims", f"{path}.text", part["text"])
        elif is_quote(part):
            yield CheckedText("evidence", f"{path}.quote", part["quote"])


def _converted(problems: str, body: str, degraded: bool) -> str:
    try:
        sentences, fields = json.loads(problems), {} if degraded else json.loads(body)
    except ValueError:
        return problems
    if not isinstance(fields, dict) or not all(isinstance(each, str) for each in sentences):
        return problems
    return dump_findings(findings_of(sentences, fields))
