"""The journal of a batch run: what its notebook's turns came to, for the batch that started it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from campaign_lab import Lab
from campaign_lab.errors import ReplayMiss, TurnFailed
from campaign_lab.sessions.context import BatchTag
from campaign_lab.store import queries
from campaign_lab.store.rows import AttemptRow

pytestmark = pytest.mark.usefixtures("slow")
LabOf = Callable[..., Lab]


def tagged(lab: Lab, journal: Path) -> Lab:
    """The lab, as one that was opened in a run of a batch."""
    lab._context.batch = BatchTag("batch-1", "run-1", journal=str(journal))
    return lab


def lines(journal: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in journal.read_text(encoding="ascii").splitlines()]


def test_each_turn_that_ends_is_one_line_of_the_journal(lab_of: LabOf, tmp_path: Path) -> None:
    """Replayed, made and refused ones, with where they stand, what they cost and what they brought."""
    journal = tmp_path / "journal"
    lab = tagged(lab_of(), journal)
    start = lab.open("main", from_start=True)
    replayed = lab.run_sync(start.run("research"))
    fork = start.fork("calm <b>\u2028", at="research")
    made = lab.run_sync(fork.run("strategy"))
    with pytest.raises(ReplayMiss):
        lab.run_sync(fork.run("copy", on_miss="refuse"))
    first, second, third = lines(journal)
    where = {"session": start.id, "name": "main", "campaign": start.brief.campaign}
    assert first == where | {
        "turn": start.checkpoint().turn_id, "phase": "research", "replayed": True,
        "cost_usd": replayed.receipt.cost_usd, "records": len(replayed.kept), "error": "", "unpriced_requests": 0,
    }  # fmt: skip
    where = {"session": fork.id, "name": fork.name, "campaign": start.brief.campaign}
    assert second == where | {
        "turn": fork.checkpoint().turn_id, "phase": "strategy", "replayed": False,
        "cost_usd": made.receipt.cost_usd, "records": len(made.kept), "error": "", "unpriced_requests": 0,
    }  # fmt: skip
    assert third == where | {
        "turn": None, "phase": "copy", "replayed": False, "cost_usd": None, "records": 0, "error": third["error"],
        "unpriced_requests": 0,
    }  # fmt: skip
    assert "has no stored turn to replay" in third["error"]


def test_a_turn_that_failed_says_what_it_cost(lab_of: LabOf, tmp_path: Path) -> None:
    """The limit on the turn stops it after it has paid for a first request."""
    journal = tmp_path / "journal"
    lab = tagged(lab_of(), journal)
    with pytest.raises(TurnFailed) as failed:
        lab.run_sync(lab.open("main").fork("calm", at="research").run("strategy", budget_usd=1e-9))
    (line,) = lines(journal)
    assert line["error"] == str(failed.value)
    assert line["turn"] is None
    rest = "WHERE batch = 'batch-1'"
    (attempt,) = lab._context.engine.call(lambda con: queries.select(con, AttemptRow, rest))
    assert line["cost_usd"] == failed.value.spent_usd == attempt.cost_usd


def test_turns_that_end_at_once_write_whole_lines(lab_of: LabOf, tmp_path: Path) -> None:
    """Twenty replays in parallel, twenty lines."""
    journal = tmp_path / "journal"
    lab = tagged(lab_of(), journal)

    async def together() -> None:
        await asyncio.gather(*(lab.open("main", from_start=True).run("research") for _ in range(20)))

    lab.run_sync(together())
    assert [line["replayed"] for line in lines(journal)] == [True] * 20


def test_a_journal_that_cannot_be_written_costs_no_turn(
    lab_of: LabOf, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is said in the log."""
    lab = tagged(lab_of(), tmp_path / "no such folder" / "journal")
    assert lab.run_sync(lab.open("main", from_start=True).run("research")).replayed
    assert "the run's journal" in caplog.text
    assert "could not be written" in caplog.text
