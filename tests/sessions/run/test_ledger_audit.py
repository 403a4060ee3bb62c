"""The ledger of record against the book of the server that answered: to the token, and to a millionth of a dollar."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from claude_agent_sdk import ResultMessage

from campaign_lab.agents.attempt import Attempt, run_attempt
from campaign_lab.agents.attempt_spec import AttemptSpec
from campaign_lab.agents.briefing import Briefing
from campaign_lab.agents.ledger import UNLISTED
from campaign_lab.agents.phases import builtin_phases
from campaign_lab.agents.tools.page_reader import PageReader
from campaign_lab.agents.tools.record_intake import RecordIntake
from campaign_lab.errors import TurnFailed
from campaign_lab.lab import DEFAULT_MODEL
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server.app import Fault
from campaign_lab.store.rows import AttemptRow, RequestRow

pytestmark = pytest.mark.usefixtures("slow")
DOLLARS_A_MILLION = {"fresh": 2.0, "out": 10.0, "read": 0.10, "written_5m": 2.5, "written_1h": 4.0}
"""List prices of claude-sonnet-5-5, written down here and not taken from the code under test."""

Line = dict[str, int]


def _booked(usage: dict[str, Any]) -> Line:
    """A request as the server counted it."""
    return {
        "fresh": usage["input_tokens"],
        "out": usage["output_tokens"],
        "read": usage["cache_read_input_tokens"],
        "written_5m": usage["cache_creation"]["ephemeral_5m_input_tokens"],
        "written_1h": usage["cache_creation"]["ephemeral_1h_input_tokens"],
    }


def _row(row: RequestRow) -> Line:
    """The same as the ledger has it."""
    return {
        "fresh": row.input_tokens,
        "out": row.output_tokens,
        "read": row.cache_read_tokens,
        "written_5m": row.cache_write_5m_tokens,
        "written_1h": row.cache_write_1h_tokens,
    }


def _dollars(line: Line) -> float:
    return sum(DOLLARS_A_MILLION[kind] * tokens for kind, tokens in line.items()) / 1_000_000


def _audit(rows: list[RequestRow], book: list[Any]) -> None:
    """Every response that ended is one row, with the same tokens and price, under the same agent; and no other is.

    But for what the CLI itself counted of streams that were cut: that is one row an attempt.
    """
    served = {(each.session_id, each.message_id): each for each in book if each.complete}
    complete = [row for row in rows if row.complete and row.message_id != UNLISTED]
    cut = {each.session_id for each in book if each.status == 200 and not each.complete}
    assert {row.attempt_id for row in rows if row.message_id == UNLISTED} <= cut
    assert Counter((row.attempt_id, row.message_id) for row in complete) == Counter(served.keys())
    for row in complete:
        booked = served[row.attempt_id, row.message_id]
        assert (row.agent, row.model, _row(row)) == (booked.agent, booked.model, _booked(booked.usage))
        assert row.cost_usd == pytest.approx(_dollars(_booked(booked.usage)), abs=1e-6)


def _by_agent(pairs: list[tuple[str, Line]]) -> dict[str, Counter[str]]:
    sums: dict[str, Counter[str]] = {}
    for agent, line in pairs:
        sums.setdefault(agent, Counter()).update(line)
    return sums


def test_a_campaign_is_booked_to_the_token(finished, stored):
    """Research, strategy and copy: the ledger equals the server's book, and each receipt is the sum of its agents."""
    rows, book = stored(finished.lab, RequestRow), finished.watched.server.book
    assert {row.agent for row in rows} >= {"", "brand-intelligence-analyst", "copy-creator"}
    _audit(rows, book)
    assert _by_agent([(row.agent, _row(row)) for row in rows]) == _by_agent([(b.agent, _booked(b.usage)) for b in book])
    for phase, turn in finished.turns.items():
        (attempt,) = stored(finished.lab, AttemptRow, f"WHERE phase = '{phase}'")
        own = [row for row in rows if row.attempt_id == attempt.id]
        assert turn.receipt.cost_usd == pytest.approx(sum(_dollars(_row(row)) for row in own), abs=1e-6)
        assert turn.receipt.cost_usd == pytest.approx(attempt.cost_usd, abs=1e-9)


def test_retries_cuts_and_a_failed_agent_are_booked_to_the_token(make_lab, termwick, watch, stored):
    """With refused requests, a cut stream and a failed attempt, what was served is booked, and what was cut is apart."""
    hit = "customer-psychology-specialist"

    def faults(ask, times):
        if ask.agent == hit and ask.calls and attempts[0] == ask.session_id:
            return Fault(status=400)
        if not times and ask.agent == "brand-intelligence-analyst":
            return Fault(status=529, retry_after_s=0)
        return (
            Fault(cut_after=3) if not times and ask.session_id != attempts[0] and not (ask.agent or ask.calls) else None
        )

    attempts: list[str] = []
    watched = watch(lambda ask, times: attempts.append(ask.session_id) or faults(ask, times))
    lab = make_lab(own_server=watched.server)
    session = lab.session(termwick)
    with pytest.raises(TurnFailed):
        lab.run_sync(session.run("research"))
    turn = lab.run_sync(session.run("research"))

    rows = stored(lab, RequestRow)
    _audit(rows, watched.server.book)
    failed, finished = sorted(stored(lab, AttemptRow), key=lambda row: row.started_at)
    assert (failed.state, finished.state) == ("failed", "finished")
    served = [b for b in watched.server.book if b.session_id == failed.id and b.complete]
    assert failed.cost_usd == pytest.approx(sum(_dollars(_booked(b.usage)) for b in served), abs=1e-6)
    assert [(row.attempt_id, row.agent, row.cost_usd) for row in rows if not row.complete] == [(finished.id, "", None)]
    assert turn.receipt.cut_requests == 1
    assert {b.status for b in watched.server.book if not b.complete} == {200, 400, 529}


@dataclass
class Reported(Attempt):
    """An attempt that also notes what the CLI itself says it cost."""

    totals: list[float] = field(default_factory=list)

    def see(self, message: object) -> None:
        """Notes the total, then goes on as ever."""
        if isinstance(message, ResultMessage):
            self.totals.append(message.total_cost_usd or 0.0)
        super().see(message)


def test_the_ledger_agrees_with_what_the_cli_reports(make_lab, termwick, watch):
    """The CLI's own total for a research turn is the ledger's, to a millionth of a dollar."""
    server = watch().server
    lab = make_lab(own_server=server)
    phase, attempt_id = builtin_phases()["research"], "3f0cbe0e-7e54-4b53-9b1b-0c1f6f6c2a11"
    endpoint = RehearsalEndpoint(server)
    endpoint.begin(attempt_id, [])
    spec = AttemptSpec(phase=phase, message=phase.message(termwick), model=DEFAULT_MODEL)
    reader = PageReader(lab._context.engine, termwick, owners=("ana",))
    intake = RecordIntake(phase, reader.texts)
    briefing = Briefing(phase, intake, phase.task(termwick))
    attempt = Reported(attempt_id, spec, endpoint.env(), reader, intake, briefing, lambda _: None)
    asyncio.run(run_attempt(lab._context.engine, attempt))
    assert attempt.totals == [pytest.approx(attempt.ledger.cost.whole, abs=1e-6)]
    assert attempt.totals == [pytest.approx(sum(_dollars(_booked(b.usage)) for b in server.book), abs=1e-6)]
