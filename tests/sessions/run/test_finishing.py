"""Finishing: a turn that was answered, but cannot be written down, ends like any other failed one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from campaign_lab import Lab
from campaign_lab.agents.events import Event, TurnEnded
from campaign_lab.agents.phases import Phase
from campaign_lab.errors import StoreError
from campaign_lab.records import Record, Text
from campaign_lab.sessions.run.attempt import _give_up
from campaign_lab.sessions.run.claims import claim_scope
from campaign_lab.store import queries
from campaign_lab.store.rows import AttemptRow, ClaimRow, RequestRow, SessionRow, TurnRow
from support.stores import by_hand

LabOf = Callable[..., Lab]


class Motto(Record):
    """A record whose revision fits into no column."""

    kind: ClassVar[str] = "motto"
    revision: ClassVar[int] = 2**40

    name: Text


def _mottos(_research: Mapping[str, Any], _task: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
    return [{"name": "Calm"}], []


MOTTOS = Phase(name="mottos", prompt="Make one.\n\n```json\n$task\n```\n", makes=(Motto,), rehearse=_mottos)


@pytest.mark.both_stores
def test_a_turn_that_cannot_be_written_down_is_booked_and_gives_its_claim_back(
    lab_of: LabOf, heard: list[Event]
) -> None:
    """What it cost stands in the ledger, it is said that it failed, and the same turn can be tried again at once."""
    lab = lab_of(phases=[MOTTOS])
    main = lab.open("main")
    for _ in range(2):
        with pytest.raises(Exception, match="out of range"):
            lab.run_sync(asyncio.wait_for(main.run("mottos", on_event=heard.append), timeout=60))
    call = lab._context.engine.call
    failed = call(lambda con: queries.select(con, AttemptRow, "WHERE phase = 'mottos'"))
    assert [attempt.state for attempt in failed] == ["failed", "failed"]
    for attempt in failed:
        booked = call(lambda con, each=attempt: queries.select(con, RequestRow, "WHERE attempt_id = ?", [each.id]))
        assert booked
        assert all(request.complete for request in booked)
        assert attempt.cost_usd == pytest.approx(sum(request.cost_usd or 0 for request in booked))
    assert call(lambda con: queries.select(con, ClaimRow)) == []
    assert [event.ok for event in heard if isinstance(event, TurnEnded)] == [False, False]
    assert main.checkpoint().phase == "strategy"


def test_a_turn_that_got_through_is_not_booked_as_failed(lab_of: LabOf, heard: list[Event]) -> None:
    """Only the answer to its commit was lost: the attempt stays finished, with what it cost, and its claim goes."""
    lab = lab_of()
    call = lab._context.engine.call
    (turn,) = call(lambda con: queries.select(con, TurnRow, "WHERE phase = 'strategy'"))
    (finished,) = call(lambda con: queries.select(con, AttemptRow, f"WHERE id = '{turn.id}'"))
    booked = call(lambda con: queries.select(con, RequestRow, f"WHERE attempt_id = '{turn.id}' ORDER BY n"))
    (session,) = call(lambda con: queries.select(con, SessionRow, f"WHERE id = '{finished.session_id}'"))
    claim = ClaimRow(claim_scope(session, finished), turn.id, "ana", "a-machine", 1, "1.0", finished.started_at)
    by_hand(lab, lambda con: queries.insert(con, [claim]))
    lost = StoreError("postgresql://somewhere/lab", "did not answer while it was committing", "Run again.")
    running = replace(finished, state="running", ended_at=None, cost_usd=None)
    asyncio.run(_give_up(lab._context, running, lost, [], on_event=heard.append))
    assert call(lambda con: queries.select(con, AttemptRow, f"WHERE id = '{turn.id}'")) == [finished]
    assert call(lambda con: queries.select(con, RequestRow, f"WHERE attempt_id = '{turn.id}' ORDER BY n")) == booked
    assert call(lambda con: queries.select(con, ClaimRow)) == []
    assert all(lab.open(row.id).verify() == [] for row in call(lambda con: queries.select(con, SessionRow)))
