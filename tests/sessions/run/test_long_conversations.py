"""Conversations at the end of the model's window: refused in words, never cut down or summed up behind one's back."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.errors import TurnFailed
from campaign_lab.rehearsal.server.api_request import Ask
from campaign_lab.rehearsal.server.app import Fault
from campaign_lab.store import queries
from campaign_lab.store.rows import AttemptRow, RequestRow

pytestmark = pytest.mark.usefixtures("slow")
TOO_LONG = "prompt is too long: 210000 tokens > 200000 maximum"
"""What the service says."""


def _entries(lab: Lab, attempt: AttemptRow) -> list[dict[str, Any]]:
    rows = lab._context.engine.call(lambda con: queries.entries_of(con, attempt.id))
    return [json.loads(entry) for _, entry in rows]


def _reports(ask: Ask) -> list[str]:
    return [call.result or "" for call in ask.calls if call.name == "Agent"]


def test_a_prompt_that_is_too_long_is_refused_and_nothing_is_summed_up(
    make_lab: Callable[..., Lab], termwick: Brief, watch: Callable[..., Any], stored: Callable[..., list[Any]]
) -> None:
    """When the service refuses the length, the turn fails with cause api: no further request, no summary in the store."""
    refuse = Fault(400, message=TOO_LONG)
    watched = watch(lambda ask, _: refuse if ask.prompt.startswith("# Phase: strategy") else None)
    lab = make_lab(own_server=watched.server)
    session = lab.session(termwick)
    lab.run_sync(session.run("research"))
    before = len(watched.asks)
    with pytest.raises(TurnFailed, match="too long for the model; fork from an earlier checkpoint") as caught:
        lab.run_sync(session.run("strategy"))
    assert caught.value.cause == "api"
    assert len(watched.asks) == before + 1
    (failed,) = stored(lab, AttemptRow, "WHERE state = 'failed'")
    entries = _entries(lab, failed)
    assert not [
        entry for entry in entries if entry.get("subtype") == "compact_boundary" or entry.get("isCompactSummary")
    ]
    served = [booked for booked in watched.server.book if booked.status == 200]
    assert len(stored(lab, RequestRow, "WHERE complete")) == len(served)


def test_a_turn_that_was_too_long_spoils_nothing(
    make_lab: Callable[..., Lab], termwick: Brief, watch: Callable[..., Any]
) -> None:
    """After it, the same checkpoint goes on in another way, with every report of the research whole."""
    watched = watch(lambda ask, _: Fault(400, message=TOO_LONG) if "A way too far" in ask.prompt else None)
    lab = make_lab(own_server=watched.server)
    session = lab.session(termwick)
    lab.run_sync(session.run("research"))
    with pytest.raises(TurnFailed, match="too long for the model; fork from an earlier checkpoint"):
        lab.run_sync(session.run("strategy", steer="A way too far"))
    lab.run_sync(session.run("strategy"))
    refused, first = [ask for ask in watched.asks if ask.prompt.startswith("# Phase: strategy")][:2]
    assert _reports(first) == _reports(refused)
    assert len(_reports(first)) == 3
    assert len(first.prompts) == 2


def test_a_message_longer_than_the_window_is_not_even_sent(
    make_lab: Callable[..., Lab], termwick: Brief, watch: Callable[..., Any]
) -> None:
    """What cannot fit is refused before a request is made, for nothing."""
    watched = watch()
    lab = make_lab(own_server=watched.server, model="claude-sonnet-4-6")  # its window is the smaller one
    session = lab.session(termwick)
    lab.run_sync(session.run("research"))
    before = len(watched.asks)
    with pytest.raises(TurnFailed, match="too long for the model; fork from an earlier checkpoint") as caught:
        lab.run_sync(session.run("strategy", steer="Much more of the same. " * 40_000))
    assert caught.value.cause == "api"
    assert not caught.value.spent_usd
    assert len(watched.asks) == before
