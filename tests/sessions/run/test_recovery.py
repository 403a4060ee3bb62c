"""Settling: what a dead attempt was charged is booked, whatever it left behind, and none of it ever stops a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from campaign_lab import Lab
from campaign_lab.agents.events import AgentEnded, Event, RecordsHandedIn
from campaign_lab.errors import TurnFailed
from campaign_lab.lab import DEFAULT_MODEL
from campaign_lab.store import queries
from campaign_lab.store.rows import AttemptRow, RequestRow
from support.lab_rows import MODEL, NOW, said, store, use
from support.stores import by_hand

pytestmark = pytest.mark.usefixtures("slow")
LabOf = Callable[..., Lab]


def hostile(uuid: str, **message: Any) -> dict[str, Any]:
    """A response with odd things in it."""
    return {"type": "assistant", "uuid": uuid, "message": {"id": uuid, "model": MODEL, "content": [], **message}}


LEFT = [
    said("user", "Do it"),
    hostile("a1", usage={"input_tokens": 1e30, "output_tokens": 5}),
    hostile("a2", usage={"input_tokens": -5, "output_tokens": -5}),
    hostile("a3", usage={"input_tokens": "many", "output_tokens": None}),
    hostile("a4", usage=["none"], id={"no": "id"}, model=None),
    {"type": "assistant", "uuid": "a5", "message": "no message"},
    hostile("a6", usage={"input_tokens": 1000, "output_tokens": 10}, id="half \ud83d"),
    said("user", [use("toolu_1", "Agent", {})]),
    {"type": "system", "subtype": "api_error", "uuid": "b1", "error": "no object"},
]


def leave_behind(lab: Lab, name: str, texts: list[str]) -> None:
    """An attempt whose process died, and what it had written."""
    main = lab.open("main")
    row = AttemptRow(
        id=name, session_id=main.id, parent_turn=None, key="k", phase="research", user_name="ana", state="running",
        cause=None, reason=None, started_at=NOW, ended_at=None, cost_usd=None, versions="{}",
    )  # fmt: skip

    def write(con: queries.Con) -> None:
        queries.insert(con, [row])
        store(con, name, "", LEFT[:1])
        con.execute("DELETE FROM entries WHERE session_id = ?", [name])
        for seq, text in enumerate(texts):
            values = [name, seq, text, NOW]
            sql = "INSERT INTO entries VALUES ('campaign_lab', ?, '', ?, NULL, 'assistant', ?, ?)"
            con.execute(sql, values)

    by_hand(lab, write)


def booked(lab: Lab, name: str) -> tuple[AttemptRow, list[RequestRow]]:
    return lab._context.engine.call(
        lambda con: (
            queries.select(con, AttemptRow, "WHERE id = ?", [name])[0],
            queries.select(con, RequestRow, "WHERE attempt_id = ? ORDER BY n", [name]),
        )
    )


def test_hostile_entries_of_a_dead_attempt_stop_no_run(lab_of: LabOf) -> None:
    """Each response is a row, with unknown where nothing usable was said; the next run settles it and goes on."""
    lab = lab_of()
    leave_behind(lab, "dead", [json.dumps(entry) for entry in LEFT])
    assert lab.run_sync(lab.open("main", from_start=True).run("research")).replayed
    attempt, rows = booked(lab, "dead")
    assert (attempt.state, attempt.cause, attempt.cost_usd) == ("failed", "process", None)
    assert [row.cost_usd for row in rows if row.complete] == [None] * 5 + [pytest.approx(0.00315)]
    assert [row.complete for row in rows][-1] is False


def test_what_was_cut_is_booked_for_the_model_of_its_session(lab_of: LabOf) -> None:
    """Whatever model the lab has that finds it."""
    lab = lab_of(model="claude-opus-5")
    leave_behind(lab, "dead", [json.dumps(LEFT[0])])
    lab.run_sync(lab.open("main", from_start=True).run("research"))
    _, rows = booked(lab, "dead")
    assert [(row.complete, row.model) for row in rows] == [(False, DEFAULT_MODEL)]


@pytest.mark.both_stores
def test_entries_that_cannot_be_read_stop_no_run(lab_of: LabOf) -> None:
    """Not JSON, no object, a number of thousands of digits: the attempt is marked, and others are booked all the same."""
    lab = lab_of()
    leave_behind(
        lab,
        "torn",
        ["{", "[]", "7", '{"type": "assistant", "message": {"usage": {"input_tokens": ' + "9" * 5000 + "}}}"],
    )
    leave_behind(lab, "whole", [json.dumps(entry) for entry in LEFT[:2]])
    assert lab.run_sync(lab.open("main", from_start=True).run("research")).replayed
    assert [booked(lab, name)[0].state for name in ("torn", "whole")] == ["failed", "failed"]


def test_what_could_not_be_booked_is_booked_by_the_next_run(lab_of: LabOf) -> None:
    """The store takes neither the turn nor its costs: it is said what was paid, and the next run books it from memory."""
    lab = lab_of()
    engine = lab._context.engine

    def away(event: Event) -> None:
        if isinstance(event, RecordsHandedIn | AgentEnded):
            engine.call(lambda con: con.execute("ALTER TABLE requests RENAME TO away"))

    fork = lab.open("main").fork("calm", at="research")
    with pytest.raises(
        TurnFailed, match=r"its answer came, but could not be stored .* The attempt cost \$0\.\d\d"
    ) as lost:
        lab.run_sync(fork.run("strategy", on_event=away))
    assert lost.value.cause == "store"
    engine.call(lambda con: con.execute("ALTER TABLE away RENAME TO requests"))
    (left,) = engine.call(lambda con: queries.select(con, AttemptRow, "WHERE state = 'running'"))
    engine.call(lambda con: con.execute("DELETE FROM entries WHERE session_id = ?", [left.id]))
    lab.run_sync(lab.open("main", from_start=True).run("research"))
    attempt, rows = booked(lab, left.id)
    assert attempt.state == "failed"
    assert attempt.cost_usd == pytest.approx(lost.value.spent_usd)
    assert attempt.cost_usd == pytest.approx(sum(row.cost_usd or 0 for row in rows))
    assert attempt.cost_usd
