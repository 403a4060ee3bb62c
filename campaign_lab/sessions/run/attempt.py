"""Running a turn: claim, attempt, and what is written when it ended, well or not."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import json
import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from campaign_lab.agents import events
from campaign_lab.agents.ledger import Request, cost_of
from campaign_lab.agents.phases import Phase
from campaign_lab.agents.process.sdk_loop import in_daemon_thread
from campaign_lab.brief import Brief
from campaign_lab.errors import StoreError, TurnFailed
from campaign_lab.findings import dump_findings
from campaign_lab.records import COPY_FIELDS, BrandProfile, CompetitorProfile, CopyVariant
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.keys import turn_key
from campaign_lab.sessions.position import NOWHERE, CellRef
from campaign_lab.sessions.run import claims
from campaign_lab.sessions.run.recovery import book, book_dead_attempts, recover
from campaign_lab.sessions.run.takes import as_take, settled
from campaign_lab.sessions.spending.batch_budget import hold_batch
from campaign_lab.sessions.upkeep.access import permits
from campaign_lab.store import queries
from campaign_lab.store.rows import AttemptRow, CacheRow, RecordRow, SessionRow, TurnRow

if TYPE_CHECKING:
    from campaign_lab.agents.attempt import Attempt
    from campaign_lab.agents.tools.record_intake import RecordIntake, SavedRecord
    from campaign_lab.store.connection import Con

ANCHOR = "anchor"
"""Name of the short common turn that a fan-out puts before its forks when the cache has gone cold."""
NO_RIVAL = "competitor profile: the brief names no rival, and none was looked for"
"""What is missing where no rival was given and nobody said so."""
WAIT_S = 0.25
"""How often a run looks whether another one has finished the same turn, in seconds."""
PACKAGES = ("campaign_lab", "claude-agent-sdk", "duckdb")


@dataclass(frozen=True)
class TurnSpec:
    """A turn to be made: where it stands, what is sent, and the names that its records may use.

    ``wanted`` are those of the ``angles`` that it is to write for.
    """

    session: SessionRow
    line: tuple[TurnRow, ...]
    phase: Phase
    brief: Brief
    message: str
    parent_key: str
    take: int | None = None
    """As it was asked for; None: the newest that is stored, or with ``fresh_pages`` one more (takes.py settles which)."""
    steer: str = ""
    fresh_pages: bool = False
    budget_usd: float | None = None
    brand: tuple[str, ...] = ()
    angles: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    pages_owner: str = ""
    cell: CellRef = NOWHERE

    @property
    def parent(self) -> str | None:
        """The checkpoint that it starts from."""
        return self.line[-1].id if self.line else None

    @property
    def anew(self) -> bool:
        """Is it asked for once more, whatever is stored?"""
        return self.fresh_pages and self.take is None

    @property
    def key(self) -> str:
        """The key of its turn."""
        return turn_key(self.parent_key, self.message, self.phase.fingerprint(), self.take or 1)


async def find_or_make(context: Context, order: TurnSpec, on_event: events.OnEvent) -> tuple[TurnRow, SessionRow, bool]:
    """The turn, the session that it stands in, and whether it was found. Waits while another run makes the same turn.

    Raises TurnFailed; then the claim is given back and what was paid is booked. Raises BudgetExceeded for the batch's
    budget; then nothing was claimed.
    """
    dead = await recover(context)
    while True:
        for booked in dead:
            on_event(booked)
        attempt_id = str(uuid.uuid4())
        claim = partial(_look_or_claim, context=context, order=order, attempt_id=attempt_id)
        with claims.under_way(attempt_id):  # before there is a claim: whatever ends this, none is left that we believe
            found, admitted, attempt = await context.engine.run(claim)
            if found.turn is None and found.busy is None:
                async with claims.kept_alive(context.engine, attempt.id, every_s=context.beat_s):
                    turn, session = await _make(context, admitted, attempt, on_event=on_event)
                return turn, session, False
        if found.turn:
            session = await context.engine.run(partial(_session_of, context=context, order=order, turn=found.turn))
            return found.turn, session, True
        assert found.busy is not None
        on_event(events.Queued(found.busy.user_name))
        await asyncio.sleep(WAIT_S)
        dead = await book_dead_attempts(context)  # whoever was making this turn may have died meanwhile


def _look_or_claim(
    con: Con, context: Context, order: TurnSpec, attempt_id: str
) -> tuple[claims.LookupResult, TurnSpec, AttemptRow]:
    """What is there; when the turn is ours to make, the order with its take and with the budget that its batch has left.

    One transaction: a batch that cannot pay takes the claim back, and nobody claims the same take in between.
    """
    anew, order = order.anew, settled(con, order)
    while True:
        attempt = _attempt_row(context, order, attempt_id)
        found = claims.look_or_claim(con, order.session, attempt)
        ours = found.turn is None and found.busy is None
        if ours or not anew:
            break
        order = as_take(
            order, (order.take or 1) + 1
        )  # another run is at this one: each that asks for one more gets one
    return found, hold_batch(con, context, order, attempt_id=attempt.id) if ours else order, attempt


def _session_of(con: Con, context: Context, order: TurnSpec, turn: TurnRow) -> SessionRow:
    """The session that a found turn stands in. Reading alone moves nobody's session."""
    may_run = permits(con, context.user, order.session, "run")
    return queries.session_for(con, order.session, turn, take_over=may_run)


async def _make(
    context: Context, order: TurnSpec, row: AttemptRow, *, on_event: events.OnEvent
) -> tuple[TurnRow, SessionRow]:
    """Runs one attempt and writes down how it ended. The import of the SDK takes seconds, so it happens beside the loop."""
    give_up = partial(_give_up, context, row, on_event=on_event)
    try:
        run, attempt, intake = await in_daemon_thread(partial(_prepare, context, order, row.id, on_event=on_event))
    except BaseException as error:
        await asyncio.shield(give_up(error, ()))
        raise
    try:
        await run()
    except BaseException as error:
        try:
            await asyncio.shield(give_up(error, attempt.requests(stopped=True)))
        except StoreError as busy:  # it is booked at the next run; what ended the turn is what its user has to know
            logging.getLogger("campaign_lab").warning("a failed turn could not be booked yet: %s", busy)
        raise
    requests = attempt.requests(stopped=False)

    async def settle() -> tuple[TurnRow, SessionRow]:
        with claims.under_way(row.id):  # also when nobody waits for it any more
            try:
                return await _finish(context, order, row, _Answer(attempt.answer, intake, requests))
            except Exception as error:
                said = " ".join(str(error).split()).rstrip(".") or type(error).__name__
                why = f"its answer came, but could not be stored ({said})"
                failure = TurnFailed(order.phase.name, "store", why, spent=cost_of(requests))
                with contextlib.suppress(Exception):  # then the next run books it: the answer is what is missed here
                    await give_up(failure, requests)
                raise failure from error
            except BaseException as error:
                await give_up(error, requests)
                raise

    made = await asyncio.shield(settle())  # the answer is paid: who stops waiting now does not lose it
    on_event(events.TurnEnded(True))
    return made


async def _give_up(
    context: Context, row: AttemptRow, error: BaseException, requests: Sequence[Request], *, on_event: events.OnEvent
) -> None:
    """Books what a failed attempt was charged, and gives its claim back."""
    cause = error.cause if isinstance(error, TurnFailed) else _cause(error)
    failed = _ended(row, "failed", cause, str(error) or type(error).__name__, requests, now=context.now())
    with claims.under_way(row.id):  # also when nobody waits for it any more
        try:
            context.endpoint.end(row.id)
            await context.engine.run(lambda con: _book_failed(con, failed, requests))
        except Exception:
            context.unbooked[row.id] = requests  # its entries may lack what was sent
            raise
        finally:
            on_event(events.TurnEnded(False, str(error)))


def _book_failed(con: Con, failed: AttemptRow, requests: Sequence[Request]) -> None:
    """Books a failed attempt; nothing but its claim goes when its turn stands: then only the answer to a commit was lost."""
    if con.execute("SELECT 1 FROM turns WHERE id = ?", [failed.id]).fetchone():
        con.execute("DELETE FROM claims WHERE attempt_id = ?", [failed.id])
        return
    book(con, failed, requests)


def _prepare(
    context: Context, order: TurnSpec, attempt_id: str, *, on_event: events.OnEvent
) -> tuple[Callable[[], Any], Attempt, RecordIntake]:
    """Starts the endpoint, imports the SDK, and ties the parts of an attempt together."""
    context.endpoint.start()  # first, so that a missing key is said at once
    from campaign_lab.agents.attempt import Attempt, run_attempt
    from campaign_lab.agents.sdk_options import AttemptSpec
    from campaign_lab.agents.tools.page_reader import PageReader
    from campaign_lab.agents.tools.record_intake import RecordIntake

    ancestors = [turn.id for turn in order.line]
    marks = ", ".join("?" for _ in ancestors) or "''"
    cached = context.engine.call(lambda con: queries.select(con, CacheRow, f"WHERE attempt_id IN ({marks})", ancestors))
    context.endpoint.begin(attempt_id, cached)
    reader = PageReader(context.engine, order.brief, owner=order.pages_owner, fresh=order.fresh_pages)
    intake = RecordIntake(order.phase, reader.texts, brand=order.brand, angles=order.angles)
    plan = AttemptSpec(
        attempt_id=attempt_id, ancestors=ancestors, phase=order.phase, message=order.message, model=order.session.model,
        endpoint_env=context.endpoint.env(), budget_usd=order.budget_usd, angles=order.wanted,
        unasked={} if order.brief.competitors else {CompetitorProfile.kind: NO_RIVAL},
    )  # fmt: skip
    attempt = Attempt(plan, on_event)
    return lambda: run_attempt(context.engine, attempt, reader, intake), attempt, intake


@dataclass(frozen=True)
class _Answer:
    """What an attempt came to: the last message, the records that were handed in, and the requests to book."""

    text: str
    intake: RecordIntake
    requests: Sequence[Request]


async def _finish(context: Context, order: TurnSpec, row: AttemptRow, answer: _Answer) -> tuple[TurnRow, SessionRow]:
    """Writes the finished turn with all that belongs to it, in one transaction."""
    now, missing = context.now(), await asyncio.to_thread(_missing, order, answer.intake)
    ended = _ended(row, "finished", None, None, answer.requests, now=now)
    cached = context.endpoint.end(row.id)
    turn = TurnRow(
        id=row.id, session_id=order.session.id, parent_turn=order.parent, key=order.key, take=order.take or 1,
        phase=order.phase.name, message=order.message, steer=order.steer,
        fingerprint=json.dumps(order.phase.fingerprint(), sort_keys=True), brief=order.brief.to_json(),
        endpoint=order.session.endpoint, model=order.session.model, user_name=context.user, started_at=row.started_at,
        finished_at=now, leaf_uuid=None, answer=answer.text, missing=json.dumps(missing),
        notebook=order.cell.notebook, cell_id=order.cell.cell_id, source_sha=order.cell.source_sha,
    )  # fmt: skip
    records = _record_rows(row.id, answer.intake.results())

    def write(con: Con) -> tuple[TurnRow, SessionRow]:
        finished = replace(turn, leaf_uuid=queries.leaf_of(con, row.id))
        queries.insert(con, [finished])
        queries.insert(con, records)
        queries.insert(con, cached)
        book(con, ended, answer.requests)
        session = queries.move_tip(con, finished)
        return replace(finished, session_id=session.id), session

    return await context.engine.run(write)


def _missing(order: TurnSpec, intake: RecordIntake) -> list[str]:
    """What was looked for in vain, and whether the money on the site that was read is not the market's."""
    from campaign_lab.sessions.run.currency_check import contradiction

    doubt = contradiction(order.brief, intake.texts()) if BrandProfile in order.phase.makes else ""
    return [*intake.missing, *([doubt] if doubt else [])]


def _record_rows(turn_id: str, results: Sequence[SavedRecord]) -> list[RecordRow]:
    """What the turn hands in, each copy variant with the one that it is most alike to, if a reader would take the two for one."""
    alike = _near_duplicates([kept for kept in results if isinstance(kept.record, CopyVariant)])
    return [
        RecordRow(
            turn_id=turn_id, kind=kept.kind, n=n, record_id=kept.record_id, label=kept.label,
            revision=kept.record.revision if kept.record else 0, body=kept.body, degraded=kept.degraded,
            problems=dump_findings(kept.findings), near_duplicate=alike.get(kept.record_id),
        )
        for n, kept in enumerate(results)
    ]  # fmt: skip


def _near_duplicates(variants: Sequence[SavedRecord]) -> dict[str, str]:
    """By id, the id of the most alike of the others. All that is read of an advertisement is compared at once.

    When they cannot be compared none is named: a paid turn is not lost for it.
    """
    from campaign_lab.checks import near_duplicates

    try:
        texts = ["\n".join(str(getattr(kept.record, name)) for name in COPY_FIELDS) for kept in variants]
        pairs = sorted(near_duplicates(texts), key=lambda pair: -pair[2])
    except Exception:
        logging.getLogger("campaign_lab").exception("copy variants could not be compared with each other")
        return {}
    alike: dict[str, str] = {}
    for left, right, _ in pairs:
        one, other = variants[left].record_id, variants[right].record_id
        alike.setdefault(one, other)
        alike.setdefault(other, one)
    return alike


def _attempt_row(context: Context, order: TurnSpec, attempt_id: str) -> AttemptRow:
    versions, tag = {name: importlib.metadata.version(name) for name in PACKAGES}, context.batch
    return AttemptRow(
        id=attempt_id, session_id=order.session.id, parent_turn=order.parent, key=order.key,
        phase=order.phase.name, user_name=context.user, state="running", cause=None, reason=None,
        started_at=context.now(), ended_at=None, cost_usd=None, versions=json.dumps(versions),
        batch=tag.batch if tag else None, run=tag.run if tag else None,
    )  # fmt: skip


def _ended(
    row: AttemptRow, state: str, cause: str | None, reason: str | None, requests: Sequence[Request], *, now: datetime
) -> AttemptRow:
    return replace(row, state=state, cause=cause, reason=reason, ended_at=now, cost_usd=cost_of(requests).whole)


def _cause(error: BaseException) -> str:
    if isinstance(error, (asyncio.CancelledError, KeyboardInterrupt)):
        return "cancelled"
    return "store" if isinstance(error, StoreError) else "process"
