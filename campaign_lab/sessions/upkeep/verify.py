"""Verifying a line: is what is stored whole, and does it add up? Nothing is changed."""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from campaign_lab.agents.ledger import UNLISTED, Ledger
from campaign_lab.agents.prices import TokenUsage
from campaign_lab.money import Sum
from campaign_lab.sessions.history import ratings
from campaign_lab.sessions.keys import root_key, turn_key
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import AttemptRow, ClaimRow, PageRow, RecordRow, RequestRow, SessionRow, TurnRow

RESTORE = (
    "Put back a copy of the lab (its file, or a backup of its database), "
    "or run this phase again from the checkpoint before it."
)
COST_SLACK_USD = 1e-9
"""How far two sums of the same prices may lie apart."""


@dataclass(frozen=True)
class IntegrityProblem:
    """What is wrong with a turn, and what to do. ``info``: worth knowing, but no fault. ``turn_id`` may be an attempt's."""

    turn_id: str | None
    what: str
    advice: str = RESTORE
    info: bool = False

    def __str__(self) -> str:
        where = f"turn {self.turn_id}: " if self.turn_id else ""
        return f"{where}{self.what}. {self.advice}"


def verify(con: Con, session: SessionRow) -> list[IntegrityProblem]:
    """What is wrong on the session's line, root first; empty when all is well.

    The chain reaches the root with one endpoint and model, keys are those of the messages, every call of a tool has its
    answer, transcripts are complete and end where the turn says, the ledger equals them, records can be read, what is said of
    them is of a record, and the sessions above it are no circle.
    """
    line, problems = _chain(con, session)
    parent: TurnRow | None = None
    for turn in line:
        problems += _of_turn(session, turn, parent)
        problems += _of_attempt(con, turn)
        problems += _of_records(con, turn)
        problems += [IntegrityProblem(turn.id, what) for what in ratings.faults(con, turn.id)]
        problems += _of_transcripts(con, turn)
        parent = turn
    return [*problems, *circles(con, session), *_of_claims(con, session)]


def circles(con: Con, session: SessionRow) -> Iterator[IntegrityProblem]:
    """A problem for each way up from the session, to what it was forked from or renews, that leads back to where it was."""
    for column, words in (("parent_session", "was forked from"), ("renews", "renews")):
        above: str | None = session.id
        seen: set[str] = set()
        while above is not None and above not in seen:
            seen.add(above)
            (above,) = con.execute(f"SELECT {column} FROM sessions WHERE id = ?", [above]).fetchone() or (None,)
        if above is not None:
            yield IntegrityProblem(None, f"what the session {session.name!r} {words} goes round in a circle")


def false_pages(con: Con) -> Iterator[PageRow]:
    """The stored pages, without their bytes, whose bytes are not those that were read: hash or size differ."""
    scopes = con.execute("SELECT DISTINCT owner, campaign FROM pages WHERE error IS NULL ORDER BY 1, 2").fetchall()
    for scope in scopes:  # one after another: only one campaign's bytes are held at a time
        for row in queries.select(con, PageRow, "WHERE owner = ? AND campaign = ? AND error IS NULL", scope):
            body = row.body or b""
            if (hashlib.sha256(body).hexdigest(), len(body)) != (row.sha256, row.size):
                yield replace(row, body=None)


def _chain(con: Con, session: SessionRow) -> tuple[list[TurnRow], list[IntegrityProblem]]:
    """The turns from the root to the tip, as far as they are there. It never walks in a circle, unlike a query."""
    line: list[TurnRow] = []
    problems: list[IntegrityProblem] = []
    wanted, after = session.tip_turn, session.tip_turn
    while wanted is not None:
        if any(turn.id == wanted for turn in line):
            problems.append(IntegrityProblem(after, "the turns before it go round in a circle"))
            break
        found = queries.select(con, TurnRow, "WHERE id = ?", [wanted])
        if not found:
            problems.append(IntegrityProblem(after, f"the turn {wanted} before it is missing, or is the tip itself"))
            break
        if len(found) > 1:
            problems.append(IntegrityProblem(wanted, f"it is stored {len(found)} times"))
        line.insert(0, found[0])
        wanted, after = found[0].parent_turn, wanted
    if session.start_turn is not None and all(turn.id != session.start_turn for turn in line):
        what = f"the checkpoint that the session {session.name!r} was forked from is not on its line"
        problems.append(IntegrityProblem(session.start_turn, what))
    return line, problems


def _of_turn(session: SessionRow, turn: TurnRow, parent: TurnRow | None) -> Iterator[IntegrityProblem]:
    if (turn.endpoint, turn.model) != (session.endpoint, session.model):
        what = f"{turn.endpoint}, {turn.model} answered, but the session is one of {session.endpoint}, {session.model}"
        yield IntegrityProblem(turn.id, what)
    if parent is None and turn.parent_turn is not None:
        return  # its parent is missing, which was said
    before = root_key(turn.endpoint, turn.model) if parent is None else parent.key
    fingerprint = _json(turn.fingerprint)
    if fingerprint is None:
        yield IntegrityProblem(turn.id, "its fingerprint cannot be read")
    elif turn_key(before, turn.message, fingerprint, turn.take) != turn.key:
        what = "its key is not that of its message, fingerprint, take and parent: one of them was changed"
        yield IntegrityProblem(turn.id, what)
    for name, text in (("brief", turn.brief), ("list of what is missing", turn.missing)):
        if _json(text) is None:
            yield IntegrityProblem(turn.id, f"its {name} cannot be read")


def _of_attempt(con: Con, turn: TurnRow) -> Iterator[IntegrityProblem]:
    attempts = queries.select(con, AttemptRow, "WHERE id = ?", [turn.id])
    if len(attempts) != 1 or attempts[0].state != "finished":
        states = ", ".join(attempt.state for attempt in attempts) or "none"
        yield IntegrityProblem(turn.id, f"it needs one finished attempt; there is {states}")
        return
    requests = queries.select(con, RequestRow, "WHERE attempt_id = ?", [turn.id])
    booked = Sum.of(request.cost_usd for request in requests if request.complete).whole
    if not _equal(booked, attempts[0].cost_usd):
        what = f"its attempt is booked at {attempts[0].cost_usd} US dollars, its requests add up to {booked}"
        yield IntegrityProblem(turn.id, what)


def _of_records(con: Con, turn: TurnRow) -> Iterator[IntegrityProblem]:
    for record in queries.select(con, RecordRow, "WHERE turn_id = ? ORDER BY n", [turn.id]):
        if not isinstance(_json(record.problems), list) or _json(record.body) is None:
            yield IntegrityProblem(turn.id, f"its {record.kind} {record.label!r} cannot be read as JSON")


def _of_transcripts(con: Con, turn: TurnRow) -> Iterator[IntegrityProblem]:
    threads: dict[str, list[Any]] = {}
    for subpath, entry in queries.entries_of(con, turn.id):
        threads.setdefault(subpath, []).append(_json(entry))
    sizes = dict(con.execute("SELECT subpath, n FROM transcripts WHERE session_id = ?", [turn.id]).fetchall())
    if not threads and not sizes:
        what = "its transcript was swept: it replays, but no new turn can stand on it"
        yield IntegrityProblem(turn.id, what, "Run its phase again with take=2 to go on from there.", info=True)
        return
    for subpath in sorted({*threads, *sizes}):
        where = f"the transcript of {subpath}" if subpath else "its transcript"
        found, expected = len(threads.get(subpath, ())), sizes.get(subpath, 0)
        if found != expected:
            yield IntegrityProblem(turn.id, f"{where} has {found} entries of {expected}")
        if any(not isinstance(entry, dict) for entry in threads.get(subpath, ())):
            yield IntegrityProblem(turn.id, f"{where} has entries that cannot be read")
            return
        for what in _unpaired(threads.get(subpath, ())):
            yield IntegrityProblem(turn.id, f"{where} has {what}")
    if queries.leaf_of(con, turn.id) != turn.leaf_uuid:
        yield IntegrityProblem(turn.id, "its transcript does not end where the turn says that it ends")
    yield from _of_ledger(con, turn, threads)


def _of_ledger(
    con: Con, turn: TurnRow, threads: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Iterator[IntegrityProblem]:
    ledger = Ledger()
    for subpath, entries in threads.items():
        ledger.read(subpath, entries)
    told = Counter((each.subpath, each.message_id, each.model, each.usage) for each in ledger.requests())
    rows = queries.select(con, RequestRow, "WHERE attempt_id = ?", [turn.id])
    listed = [row for row in rows if row.complete and row.message_id != UNLISTED]
    booked = Counter((row.subpath, row.message_id, row.model, _usage(row)) for row in listed)
    for subpath, message_id, *_ in sorted((told - booked) + (booked - told), key=lambda each: each[:2]):
        what = f"the request {message_id}{f' of {subpath}' if subpath else ''} is not booked as its transcript tells it"
        yield IntegrityProblem(turn.id, what, "Costs of this turn cannot be relied on. " + RESTORE)
    cut, cut_rows = len(ledger.cut("", stopped=False)), sum(not row.complete for row in rows)
    if cut != cut_rows:
        yield IntegrityProblem(turn.id, f"{cut_rows} cut requests are booked, its transcript tells of {cut}")


def _of_claims(con: Con, session: SessionRow) -> Iterator[IntegrityProblem]:
    """At most one claim a running attempt, and none for one that has ended."""
    claims = Counter(claim.attempt_id for claim in queries.select(con, ClaimRow))
    for attempt in queries.select(con, AttemptRow, "WHERE session_id = ? ORDER BY started_at, id", [session.id]):
        most = 1 if attempt.state == "running" else 0
        if claims[attempt.id] > most:
            what = f"the {attempt.state} attempt has {claims[attempt.id]} claims, and may have {most}"
            yield IntegrityProblem(attempt.id, what, "Run the phase again when no other process works in this lab.")


def _unpaired(entries: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Calls without an answer and answers without a call, in one conversation."""
    open_calls: dict[str, str] = {}
    for entry in entries:
        content = (entry.get("message") or {}).get("content")
        for block in content if isinstance(content, list) else ():
            if block.get("type") == "tool_use":
                open_calls[str(block.get("id"))] = str(block.get("name"))
            elif block.get("type") == "tool_result" and open_calls.pop(str(block.get("tool_use_id")), None) is None:
                yield f"the answer to a call that is not there ({block.get('tool_use_id')})"
    yield from (f"a call of {name} without an answer ({call})" for call, name in open_calls.items())


def _usage(row: RequestRow) -> TokenUsage:
    return TokenUsage(**{field.name: getattr(row, field.name) for field in fields(TokenUsage)})


def _json(text: str | None) -> Any:
    """The value, or None when it cannot be read."""
    try:
        return json.loads(text or "")
    except json.JSONDecodeError:
        return None


def _equal(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=1e-9, abs_tol=COST_SLACK_USD)
