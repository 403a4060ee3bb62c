"""One turn, with the real SDK and its CLI against the rehearsal server: how it runs, and every way it fails."""

from __future__ import annotations

import json
import threading
import time
from typing import Any

import psutil
import pytest

from campaign_lab.agents.events import AgentEnded, AgentStarted, Event, Retrying
from campaign_lab.errors import TurnFailed
from campaign_lab.rehearsal.server.api_request import task_of
from campaign_lab.rehearsal.server.app import Fault
from campaign_lab.store import queries
from campaign_lab.store.rows import AttemptRow, ClaimRow, RequestRow, TurnRow
from support.processes import at_work

RESEARCHERS = ("brand-intelligence-analyst", "customer-psychology-specialist", "competitive-intelligence-specialist")
CANCELLED_WITHIN_S = 4.0
"""The promise of the house: a cancelled turn and its process are gone after so many seconds."""
GIVEN_UP_WITHIN_S = 15.0
"""Time for the SDK's own tries at a few batches; were all of them tried, it would be twice that and more."""


def _main_messages(lab, attempt_id: str) -> list[tuple[str, str, list[dict[str, Any]]]]:
    """Role, message id and content blocks of each entry of the main conversation, in order."""
    rows = lab._context.engine.call(lambda con: queries.entries_of(con, attempt_id))
    entries = [json.loads(entry) for subpath, entry in rows if not subpath]
    messages = [(entry["type"], entry["message"]) for entry in entries if entry["type"] in ("user", "assistant")]
    return [
        (
            role,
            message.get("id", ""),
            content if isinstance(content := message["content"], list) else [{"text": content}],
        )
        for role, message in messages
    ]


def _failed(lab, session, phase="research", **options) -> TurnFailed:
    with pytest.raises(TurnFailed) as caught:
        lab.run_sync(session.run(phase, **options))
    return caught.value


def _all_text(ask) -> str:
    return "\n".join(block.text for block in ask.blocks)


def test_one_message_starts_all_researchers_and_their_reports_stay(finished, stored):
    """The three researchers start from one main message, and each one's JSON stands in the transcript as a tool result."""
    (turn,) = stored(finished.lab, TurnRow, "WHERE phase = 'research'")
    messages = _main_messages(finished.lab, turn.id)
    uses = [
        (mid, b) for role, mid, blocks in messages for b in blocks if role == "assistant" and b.get("name") == "Agent"
    ]
    results = {
        b["tool_use_id"]: json.dumps(b["content"]) for _, _, blocks in messages for b in blocks if "tool_use_id" in b
    }

    assert sorted(use["input"]["subagent_type"] for _, use in uses) == sorted(RESEARCHERS)
    assert len({message_id for message_id, _ in uses}) == 1
    kinds = {"brand_profile", "customer_insight", "competitor_profile"}
    reported = {
        kind for _, use in uses for kind in kinds if f'kind\\": \\"{kind}' in results[use["id"]].replace("\\\\", "\\")
    }
    assert reported == kinds


def test_a_later_phase_sees_the_reports_on_the_wire(finished):
    """The first request of the strategy turn carries the researchers' reports as results of the earlier Agent calls."""
    first = next(ask for ask in finished.watched.asks if ask.prompt.startswith("# Phase: strategy"))
    reports = [call.result or "" for call in first.calls if call.name == "Agent"]
    assert len(reports) == len(RESEARCHERS)
    brand = finished.turns["research"].records[0]
    assert any(brand.promise.text in report for report in reports)


def test_a_copy_creator_sees_its_order_and_no_page(finished):
    """It is told of all its angles with their claims and of the brand's voice; it reads no page and no profile."""
    names = [angle.name for angle in finished.session.records("angle")]
    (first,) = [ask for ask in finished.watched.asks if ask.agent == "copy-creator" and not ask.calls]
    order = task_of(first.prompt)
    assert [angle["name"] for angle in order["angles"]] == names
    assert all(angle["claims"] for angle in order["angles"])
    assert order["voice"] == list(finished.session.records("brand_profile")[0].voice.traits)
    colours = finished.session.records("brand_profile")[0].colours
    for ask in (ask for ask in finished.watched.asks if ask.agent == "copy-creator"):
        assert not [colour for colour in colours if colour in _all_text(ask)]
        assert "# Phase: research" not in _all_text(ask)


def test_a_failed_agent_fails_the_turn_and_leaves_no_trace(make_lab, termwick, watch, stored):
    """When one agent fails the turn fails with cause agent, and the next attempt's conversation holds nothing of it."""
    broken = threading.Event()
    broken.set()
    hit = "customer-psychology-specialist"
    watched = watch(lambda ask, _: Fault(status=400) if broken.is_set() and ask.agent == hit and ask.calls else None)
    lab = make_lab(own_server=watched.server)
    session = lab.session(termwick)

    error = _failed(lab, session)
    assert error.cause == "agent"
    assert hit in error.reason
    assert error.spent_usd is not None
    assert error.spent_usd > 0
    assert [row.state for row in stored(lab, AttemptRow)] == ["failed"]
    assert not session.turns()
    assert not stored(lab, ClaimRow)

    broken.clear()
    before = len(watched.asks)
    turn = lab.run_sync(session.run("research"))
    first = next(ask for ask in watched.asks[before:] if not ask.agent)
    assert len(first.prompts) == 1
    assert not first.calls
    assert len(turn.records) >= len(RESEARCHERS)


def test_an_error_of_the_endpoint_names_its_status(make_lab, termwick, watch, stored):
    """An endpoint that refuses the main agent fails the turn with cause api and the HTTP status."""
    watched = watch(lambda ask, _: None if ask.agent else Fault(status=400))
    lab = make_lab(own_server=watched.server)
    error = _failed(lab, lab.session(termwick))
    assert error.cause == "api"
    assert "HTTP 400" in error.reason
    assert [(row.state, row.cause) for row in stored(lab, AttemptRow)] == [("failed", "api")]


def test_an_overloaded_endpoint_is_asked_again(make_lab, termwick, watch, heard):
    """After a 429 and a 529 the turn succeeds, each retry is heard with its status, and refused requests cost nothing."""

    def busy(ask, times):
        main_start = not ask.agent and not ask.calls
        return Fault(status=(429, 529)[times], retry_after_s=0) if main_start and times < 2 else None

    watched = watch(busy)
    lab = make_lab(own_server=watched.server)
    turn = lab.run_sync(lab.session(termwick).run("research", on_event=heard.append))
    retries = [event for event in heard if isinstance(event, Retrying)]
    assert [event.attempt for event in retries] == [1, 2]
    assert ["429" in retries[0].reason, "529" in retries[1].reason] == [True, True]
    served = [booked for booked in watched.server.book if booked.status == 200]
    assert sum(line.requests for line in turn.receipt.lines) == len(served) == len(watched.asks) - 2
    assert turn.receipt.cut_requests == 0


@pytest.mark.parametrize("when", ["first", "last"])
def test_a_cut_stream_is_asked_again_and_stays_booked(make_lab, termwick, watch, stored, when):
    """A response that breaks off is asked for again, the turn succeeds, and the cut request is a row without a cost."""
    watched = watch(
        lambda ask, times: (
            Fault(cut_after=3) if not ask.agent and not times and bool(ask.calls) == (when == "last") else None
        )
    )
    lab, heard = make_lab(own_server=watched.server), []
    turn = lab.run_sync(lab.session(termwick).run("research", on_event=heard.append))
    assert [event.reason for event in heard if isinstance(event, Retrying)] == ["the connection to the endpoint broke"]
    (cut,) = [row for row in stored(lab, RequestRow) if not row.complete]
    assert (cut.agent, cut.cost_usd, cut.input_tokens, cut.output_tokens) == ("", None, 0, 0)
    assert turn.receipt.cut_requests == 1
    assert turn.receipt.cost_usd == pytest.approx(sum(row.cost_usd for row in stored(lab, RequestRow) if row.complete))


def test_a_budget_stops_the_turn_at_the_next_step(make_lab, termwick, watch, stored):
    """A turn over its budget ends with cause budget after the first steps: no agent gets to its report."""
    watched = watch(latency_s=0.2)
    lab = make_lab(own_server=watched.server)
    error = _failed(lab, lab.session(termwick), budget_usd=0.0001)
    assert error.cause == "budget"
    assert "$0.0001" in error.reason
    assert error.spent_usd is not None
    assert error.spent_usd > 0.0001
    assert not [call for ask in watched.asks for call in ask.calls if call.name.endswith("save_records")]
    assert [(row.state, row.cause) for row in stored(lab, AttemptRow)] == [("failed", "budget")]


def test_a_conversation_that_cannot_be_stored_fails_the_turn(make_lab, termwick, watch, stored):
    """When entries cannot be written any more the turn fails with cause store; once they can, the next attempt works."""
    lab = make_lab(own_server=watch().server)
    engine, session = lab._context.engine, lab.session(termwick)

    def rename(con, old: str, new: str) -> None:
        con.execute(f"ALTER TABLE {old} RENAME TO {new}")

    def spoil(event: Event) -> None:
        if isinstance(event, AgentStarted) and event.agent == RESEARCHERS[-1]:
            engine.submit(lambda con: rename(con, "entries", "entries_away"))

    began = time.monotonic()
    error = _failed(lab, session, on_event=spoil)
    assert time.monotonic() - began < GIVEN_UP_WITHIN_S
    engine.call(lambda con: rename(con, "entries_away", "entries"))
    assert error.cause == "store"
    assert [(row.state, row.cause) for row in stored(lab, AttemptRow)] == [("failed", "store")]
    assert len(lab.run_sync(session.run("research")).records) >= len(RESEARCHERS)


def test_a_cancelled_turn_is_gone_at_once(make_lab, termwick, watch, heard, stored):
    """Cancelled in the middle, a turn returns before the SDK's 5 s of grace, leaves no process, is booked; the next run works."""
    watched = watch(latency_s=0.4)
    lab = make_lab(own_server=watched.server)
    session, in_the_middle = lab.session(termwick), threading.Event()

    def hear(event: Event) -> None:
        heard.append(event)
        if len([each for each in heard if isinstance(each, AgentStarted)]) == len(RESEARCHERS):
            in_the_middle.set()

    job = lab._context.loop.submit(session.run("research", on_event=hear))
    assert in_the_middle.wait(30)
    children = at_work()
    assert children
    began = time.monotonic()
    job.cancel()
    took = time.monotonic() - began

    assert took <= CANCELLED_WITHIN_S
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert [(row.state, row.cause) for row in stored(lab, AttemptRow)] == [("failed", "cancelled")]
    assert not stored(lab, ClaimRow)
    watched.server._latency_s = 0.0
    assert len(lab.run_sync(session.run("research")).records) >= len(RESEARCHERS)


def test_the_researchers_overlap(finished):
    """No researcher ends before all have started, and their requests reach the endpoint interleaved."""
    events = [event for event in finished.events["research"] if isinstance(event, (AgentStarted, AgentEnded))]
    assert [type(event) for event in events] == [AgentStarted] * 3 + [AgentEnded] * 3
    asked = [ask.agent for ask in finished.watched.asks if ask.agent in RESEARCHERS]
    assert max(asked.index(name) for name in RESEARCHERS) < min(
        place for place in range(len(asked)) if asked[place] not in asked[place + 1 :]
    )
