"""Making a turn: the claim, the attempt, and what is stored when it has ended, well or not."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import json
import logging
import uuid
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from campaign_lab.agents import events
from campaign_lab.agents.kept_record import KeptRecord
from campaign_lab.agents.ledger import Request, cost_of
from campaign_lab.agents.process.sdk_loop import in_daemon_thread
from campaign_lab.errors import StoreError, TurnFailed
from campaign_lab.findings import dump_findings
from campaign_lab.markets import market_names
from campaign_lab.records import COPY_FIELDS, BrandProfile, CopyVariant
from campaign_lab.references import references_of
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.run import claims
from campaign_lab.sessions.run.lookup import LookupResult, with_settled_take
from campaign_lab.sessions.run.recovery import book, book_dead_attempts, recover
from campaign_lab.sessions.run.request import known_records
from campaign_lab.sessions.run.turn_spec import TurnSpec
from campaign_lab.sessions.spending.batch_budget import within_batch_budget
from campaign_lab.sessions.upkeep.access import permits
from campaign_lab.store import queries
from campaign_lab.store.connection import Con
from campaign_lab.store.rows import AttemptRow, CacheRow, RecordRow, SessionRow, TurnRow

if TYPE_CHECKING:
    from campaign_lab.agents.attempt import Attempt
    from campaign_lab.agents.tools.record_intake import RecordIntake

WAIT_S = 0.25
"""How often a run looks whether another one has finished the same turn, in seconds."""
PACKAGES = ("campaign_lab", "claude-agent-sdk", "duckdb")


async def find_or_make(context: Context, spec: TurnSpec, on_event: events.OnEvent) -> tuple[TurnRow, SessionRow, bool]:
    """The turn, the session that it belongs to, and whether it was found. Waits while another run makes the same turn.

    Raises TurnFailed, after the claim was given back and the cost booked. Raises BudgetExceeded for the batch's budget,
    when nothing was claimed.
    """
    dead = await recover(context)
    while True:
        for booked in dead:
            on_event(booked)
        attempt_id = str(uuid.uuid4())
        claim = partial(_look_or_claim, context=context, spec=spec, attempt_id=attempt_id)
        with claims.under_way(attempt_id):  # entered before the claim: so no claim is left that counts as alive
            found, admitted, attempt = await context.engine.run(claim)
            if found.turn is None and found.busy is None:
                async with claims.kept_alive(context.engine, attempt.id, every_s=context.beat_s):
                    turn, session = await _make(context, admitted, attempt, on_event=on_event)
                return turn, session, False
        if found.turn:
            session = await context.engine.run(partial(_session_of, context=context, spec=spec, turn=found.turn))
            return found.turn, session, True
        assert found.busy is not None
        on_event(events.Queued(found.busy.user_name))
        await asyncio.sleep(WAIT_S)
        dead = await book_dead_attempts(context)  # whoever was making this turn may have died meanwhile


def _look_or_claim(
    con: Con, context: Context, spec: TurnSpec, attempt_id: str
) -> tuple[LookupResult, TurnSpec, AttemptRow]:
    """What was found; the turn with its take, and with the budget that its batch has left if it is ours; its attempt.

    One transaction: when the batch cannot pay the claim is undone, and nobody claims the same take in between.
    """
    new_take, spec = spec.asks_for_a_new_take, with_settled_take(con, spec)
    while True:
        attempt = _attempt_row(context, spec, attempt_id)
        found = claims.look_or_claim(con, spec.session, attempt)
        ours = found.turn is None and found.busy is None
        if ours or not new_take:
            break
        spec = spec.with_take((spec.take or 1) + 1)  # another run makes this one: each that asks for one more gets one
    return found, within_batch_budget(con, context, spec, attempt_id=attempt.id) if ours else spec, attempt


def _session_of(con: Con, context: Context, spec: TurnSpec, turn: TurnRow) -> SessionRow:
    """The session that a found turn belongs to. Somebody who may only read moves nobody's session."""
    may_run = permits(con, context.user, spec.session, "run")
    return queries.session_for(con, spec.session, turn, take_over=may_run)


async def _make(
    context: Context, spec: TurnSpec, row: AttemptRow, *, on_event: events.OnEvent
) -> tuple[TurnRow, SessionRow]:
    """Runs one attempt and stores how it ended. The SDK takes seconds to import, so that happens in a thread."""
    give_up = partial(_give_up, context, row, on_event=on_event)
    try:
        attempt = await in_daemon_thread(partial(_prepare, context, spec, row.id, on_event=on_event))
    except BaseException as error:
        await asyncio.shield(give_up(error, ()))
        raise
    from campaign_lab.agents.attempt import run_attempt  # loaded by now

    try:
        await run_attempt(context.engine, attempt)
    except BaseException as error:
        try:
            await asyncio.shield(give_up(error, attempt.requests(stopped=True)))
        except StoreError as busy:  # the next run books it; the user has to know what ended the turn
            logging.getLogger("campaign_lab").warning("a failed turn could not be booked yet: %s", busy)
        raise
    requests = attempt.requests(stopped=False)

    async def settle() -> tuple[TurnRow, SessionRow]:
        with claims.under_way(row.id):  # also when nobody waits for it any more
            try:
                return await _finish(context, spec, row, attempt, requests)
            except Exception as error:
                reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
                why = f"its answer came, but could not be stored ({reason})"
                failure = TurnFailed(spec.phase.name, "store", why, spent=cost_of(requests))
                with contextlib.suppress(Exception):  # then the next run books it
                    await give_up(failure, requests)
                raise failure from error
            except BaseException as error:
                await give_up(error, requests)
                raise

    made = await asyncio.shield(settle())  # the answer is paid for: it is stored even when the caller stops waiting
    on_event(events.TurnEnded(True))
    return made


async def _give_up(
    context: Context, row: AttemptRow, error: BaseException, requests: Sequence[Request], *, on_event: events.OnEvent
) -> None:
    """Books what a failed attempt was charged, and gives its claim back."""
    cause = error.cause if isinstance(error, TurnFailed) else _cause(error)
    reason = str(error) or type(error).__name__
    failed = replace(row, state="failed", cause=cause, reason=reason, ended_at=context.now())
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
    """Books a failed attempt. Where its turn is stored only the claim is removed: just the reply to the commit was lost."""
    if con.execute("SELECT 1 FROM turns WHERE id = ?", [failed.id]).fetchone():
        con.execute("DELETE FROM claims WHERE attempt_id = ?", [failed.id])
        return
    book(con, failed, requests)


def _prepare(context: Context, spec: TurnSpec, attempt_id: str, *, on_event: events.OnEvent) -> Attempt:
    """The attempt, ready to run. Starts the endpoint and imports the SDK. Raises EndpointError, such as for a missing key."""
    context.endpoint.start()  # before the import, which takes seconds
    from campaign_lab.agents.attempt import Attempt
    from campaign_lab.agents.briefing import Briefing
    from campaign_lab.agents.tools.page_reader import PageReader
    from campaign_lab.agents.tools.record_intake import RecordIntake

    before = f"WHERE attempt_id {queries.IN_LIST}"
    cached = context.engine.call(lambda con: queries.select(con, CacheRow, before, [list(spec.ancestors)]))
    context.endpoint.begin(attempt_id, cached)
    reader = PageReader(context.engine, spec.brief, owners=spec.page_owners, fresh=spec.fresh_pages)
    stored = context.engine.call(lambda con: known_records(con, spec.ancestors, context.phases.values()))
    known = [record for record in stored if spec.phase.record_type(record.kind) is None]
    names = (*spec.brand_names, *market_names(spec.brief.market))
    intake = RecordIntake(
        spec.phase, reader.texts, brand=names, angles=spec.known_angles, references=references_of(known)
    )
    briefing = Briefing(spec.phase, intake, spec.task, known=known, angles=spec.wanted_angles)
    return Attempt(attempt_id, spec, context.endpoint.env(), reader, intake, briefing, on_event)


async def _finish(
    context: Context, spec: TurnSpec, row: AttemptRow, attempt: Attempt, requests: Sequence[Request]
) -> tuple[TurnRow, SessionRow]:
    """The finished turn and its session, after it was stored with its records and requests in one transaction."""
    now, missing = context.now(), await asyncio.to_thread(_missing, spec, attempt.intake)
    ended = replace(row, state="finished", ended_at=now)
    cached = context.endpoint.end(row.id)
    turn = TurnRow(
        id=row.id, session_id=spec.session.id, parent_turn=spec.parent, key=spec.key, take=spec.take or 1,
        phase=spec.phase.name, message=spec.message, steer=spec.steer,
        fingerprint=json.dumps(spec.phase.fingerprint(), sort_keys=True), brief=spec.brief.to_json(),
        endpoint=spec.session.endpoint, model=spec.session.model, user_name=context.user, started_at=row.started_at,
        finished_at=now, leaf_uuid=None, answer=attempt.answer, missing=json.dumps(missing),
        notebook=spec.cell.notebook, cell_id=spec.cell.cell_id, source_sha=spec.cell.source_sha,
    )  # fmt: skip
    records = _record_rows(row.id, attempt.intake.results())

    def write(con: Con) -> tuple[TurnRow, SessionRow]:
        finished = replace(turn, leaf_uuid=queries.leaf_of(con, row.id))
        queries.insert(con, [finished])
        queries.insert(con, records)
        queries.insert(con, cached)
        book(con, ended, requests)
        session = queries.move_tip(con, finished)
        return replace(finished, session_id=session.id), session

    return await context.engine.run(write)


def _missing(spec: TurnSpec, intake: RecordIntake) -> list[str]:
    """What was looked for in vain, and a line where the money on the site that was read is not the market's."""
    from campaign_lab.sessions.run.currency_check import contradiction

    doubt = contradiction(spec.brief, intake.texts()) if BrandProfile in spec.phase.makes else ""
    return [*intake.missing, *([doubt] if doubt else [])]


def _record_rows(turn_id: str, results: Sequence[KeptRecord]) -> list[RecordRow]:
    """What the turn hands in, each copy variant with the one that it is most alike to, if a reader would take the two for one."""
    alike = _near_duplicates([kept for kept in results if isinstance(kept.record, CopyVariant)])
    return [
        RecordRow(
            turn_id=turn_id, kind=kept.kind, n=n, record_id=kept.id, label=kept.label,
            revision=kept.record.revision if kept.record else 0, body=kept.body, degraded=kept.degraded,
            problems=dump_findings(kept.findings), near_duplicate=alike.get(kept.id),
        )
        for n, kept in enumerate(results)
    ]  # fmt: skip


def _near_duplicates(variants: Sequence[KeptRecord]) -> dict[str, str]:
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
        one, other = variants[left].id, variants[right].id
        alike.setdefault(one, other)
        alike.setdefault(other, one)
    return alike


def _attempt_row(context: Context, spec: TurnSpec, attempt_id: str) -> AttemptRow:
    versions, tag = {name: importlib.metadata.version(name) for name in PACKAGES}, context.batch
    return AttemptRow(
        id=attempt_id, session_id=spec.session.id, parent_turn=spec.parent, key=spec.key,
        phase=spec.phase.name, user_name=context.user, state="running", cause=None, reason=None,
        started_at=context.now(), ended_at=None, cost_usd=None, versions=json.dumps(versions),
        batch=tag.batch if tag else None, run=tag.run if tag else None,
    )  # fmt: skip


def _cause(error: BaseException) -> str:
    if isinstance(error, (asyncio.CancelledError, KeyboardInterrupt)):
        return "cancelled"
    return "store" if isinstance(error, StoreError) else "process"
