"""Lineage: the line of a turn, the tree that grew from a root, and what was said on the way, the same from every fork."""

from __future__ import annotations

import math
from datetime import timedelta
from functools import partial

import pytest

from campaign_lab.errors import NotFoundError
from campaign_lab.money import Sum
from campaign_lab.sessions.history.lineage import ConversationMessage, conversation, family_tree, lineage
from campaign_lab.store import queries
from campaign_lab.store.connection import Con, Store
from campaign_lab.store.rows import AttemptRow, SessionRow
from campaign_lab.tables.tree import tree_rows
from support.lab_rows import ANALYST, NOW, add, fork, grow, result, said, session, share, store, try_in_vain, use

PSYCHOLOGIST = "customer-psychology-specialist"


def forest(con: Con) -> dict[str, SessionRow]:
    """A session main (research, strategy); bob's fork of the research with a copy and its fork; an automatic fork; a stranger."""
    base = grow(con, add(con, session()), "t1", notebook="angles.ipynb", cell_id="c1")
    child = fork(
        base, "Emotional", owner="bob", made_at=NOW + timedelta(minutes=1), notebook="bobs.ipynb", cell_id="c9"
    )
    child = grow(con, add(con, child), "t3", phase="copy")
    grandchild = add(con, fork(child, "Shorter", made_at=NOW + timedelta(minutes=3)))
    automatic = fork(base, "main 2", automatic=True, made_at=NOW + timedelta(minutes=2), purpose="steered")
    automatic = grow(con, add(con, automatic), "t4", phase="strategy")
    base = grow(con, base, "t2", phase="strategy")
    grow(con, add(con, session("stranger", campaign="Autumn")), "t5")
    for bobs in (child, grandchild):
        share(con, bobs, "ana")
    rows = {"main": base, "Emotional": child, "Shorter": grandchild, "main 2": automatic}
    return {name: queries.select(con, SessionRow, "WHERE id = ?", [row.id])[0] for name, row in rows.items()}


@pytest.mark.both_stores
def test_a_line_names_each_turn_with_its_session_cell_and_maker(lab_file: Store) -> None:
    """Root first: number, phase, session, purpose, parent, time, who, notebook and cell."""
    rows = lab_file.call(forest)
    lab_file.call(lambda con: share(con, rows["main"], "bob"))
    steps = lab_file.call(lambda con: lineage(con, rows["Shorter"].tip_turn, "bob"))
    assert [(step.number, step.phase, step.turn, step.session, step.user) for step in steps] == [
        (1, "research", "t1", "main", "ana"),
        (2, "copy", "t3", "Emotional", "bob"),
    ]
    assert [(step.purpose, step.parent_session) for step in steps] == [("", None), ("Emotional", "main")]
    assert (steps[0].notebook, steps[0].cell_id, steps[0].made_at) == ("angles.ipynb", "c1", NOW)


@pytest.mark.both_stores
def test_a_session_that_the_user_may_not_read_is_not_named(lab_file: Store) -> None:
    """Bob's fork still carries the turn, but no longer tells what ana calls the session that made it."""
    rows = lab_file.call(forest)
    steps = lab_file.call(lambda con: lineage(con, rows["Shorter"].tip_turn, "bob"))
    assert [(step.turn, step.session, step.purpose, step.parent_session) for step in steps] == [
        ("t1", "", "", None),
        ("t3", "Emotional", "Emotional", None),
    ]


def test_the_root_has_no_line_and_an_unknown_turn_is_an_error(lab_file: Store) -> None:
    """Nothing was said before the first turn; a turn that is not there is not an empty line."""
    assert lab_file.call(lambda con: lineage(con, None, "ana")) == []
    assert lab_file.call(lambda con: conversation(con, None)) == []
    for look in (partial(lineage, user="ana"), conversation):
        with pytest.raises(NotFoundError, match="'nowhere'"):
            lab_file.call(lambda con, look=look: look(con, "nowhere"))


@pytest.mark.parametrize("start", ["main", "Emotional", "Shorter", "main 2"])
def test_the_tree_is_the_same_from_every_session_in_it(lab_file: Store, start: str) -> None:
    """Each after its parent, siblings by age, everybody's forks; sessions of another root are not in it."""
    rows = lab_file.call(forest)
    found = lab_file.call(lambda con: tree_rows(con, "ana", rows[start], NOW))
    shown = [tuple(row[name] for name in ("session", "parent", "checkpoint", "phase", "phases")) for row in found]
    assert shown == [
        ("main", "", 0, "root", "research, strategy"),
        ("Emotional", "main", 1, "research", "research, copy"),
        ("Shorter", "Emotional", 2, "copy", "research, copy"),
        ("main 2", "main", 1, "research", "research, strategy"),
    ]
    assert [row["automatic"] for row in found] == [False, False, False, True]
    assert [row["made_by"] for row in found] == ["ana", "bob", "bob", "ana"]
    emotional = found[1]
    assert (emotional["purpose"], emotional["notebook"], emotional["cell"]) == ("Emotional", "bobs.ipynb", "c9")
    assert emotional["parent_id"] == "main"


FIRST = "attempt_id = ? AND message_id LIKE '%_1'"
"""The first request of an attempt that was made by hand."""


def costs_of(con: Con, row: SessionRow) -> dict[str, float | None]:
    return {each["session"]: each["cost_usd"] for each in tree_rows(con, "ana", row, NOW)}


@pytest.mark.both_stores
def test_a_node_costs_what_was_made_in_it(lab_file: Store) -> None:
    """Its own turns and failed attempts, nothing that it carries; all nodes together are the whole ledger."""

    def check(con: Con) -> None:
        rows = forest(con)
        one = costs_of(con, rows["main"])["Emotional"]
        assert one is not None
        assert one > 0
        assert costs_of(con, rows["main"]) == pytest.approx(
            {"main": 2 * one, "Emotional": one, "Shorter": 0.0, "main 2": one}
        )
        try_in_vain(con, rows["Shorter"], "failed")
        assert costs_of(con, rows["main"])["Shorter"] == pytest.approx(one)
        con.execute("UPDATE attempts SET session_id = 'main' WHERE id = 't4'")  # as a run leaves it that made the fork
        after = costs_of(con, rows["main"])
        assert after["main 2"] == pytest.approx(one)
        booked = sum(row.cost_usd or 0 for row in queries.select(con, AttemptRow) if row.id != "t5")
        assert sum(cost or 0 for cost in after.values()) == pytest.approx(booked)

    lab_file.call(check)


def test_an_unknown_price_makes_a_cost_unknown_and_not_nought(lab_file: Store) -> None:
    """Of that session only; a running attempt has no cost yet."""

    def check(con: Con) -> None:
        rows = forest(con)
        con.execute("UPDATE requests SET cost_usd = NULL WHERE attempt_id = 't3'")
        try_in_vain(con, rows["main 2"], "running", state="running", ended_at=None)
        con.execute("DELETE FROM requests WHERE attempt_id = 'running'")
        found = costs_of(con, rows["main"])
        assert found["Emotional"] is None
        assert found["main"]
        assert found["main 2"]

    lab_file.call(check)


def test_a_session_that_renews_an_expired_one_is_its_child(lab_file: Store) -> None:
    """And a tombstone is shown as what it is."""

    def check(con: Con) -> None:
        add(con, session("old", swept_at=NOW))
        new = add(con, session("new", renews="old", made_at=NOW + timedelta(days=1)))
        assert [(row.name, row.renews, row.swept_at) for row in family_tree(con, new)] == [
            ("old", None, NOW), ("new", "old", None),
        ]  # fmt: skip

    lab_file.call(check)


def test_a_circle_of_sessions_is_walked_once(lab_file: Store) -> None:
    """A damaged file does not hang the tree."""

    def check(con: Con) -> None:
        one = add(con, session("one", parent_session="two"))
        add(con, session("two", parent_session="one"))
        assert {row.name for row in family_tree(con, one)} == {"one", "two"}

    lab_file.call(check)


def test_what_an_agent_said_is_told_in_order(lab_file: Store) -> None:
    """What it was told, the tools it used with their answers, and its report; the main agent's own side likewise."""
    rows = lab_file.call(forest)
    told = lab_file.call(lambda con: conversation(con, rows["Emotional"].tip_turn, ANALYST))
    assert told[:4] == [
        ConversationMessage("t1", "research", ANALYST, "user", "Read the site for t1"),
        ConversationMessage("t1", "research", ANALYST, "call", 'fetch_page {"url": "https://a.example/"}'),
        ConversationMessage("t1", "research", ANALYST, "result", "The page"),
        ConversationMessage("t1", "research", ANALYST, "assistant", "Report of t1"),
    ]
    assert {message.turn for message in told} == {"t1", "t3"}
    main = lab_file.call(lambda con: conversation(con, "t1"))
    assert [message.role for message in main] == ["user", "call", "result", "assistant"]
    assert main[2].text == "Report of t1"


def test_an_agent_that_was_not_there_is_an_error_that_lists_those_who_were(lab_file: Store) -> None:
    """A wrong name is no silence."""
    lab_file.call(forest)
    with pytest.raises(NotFoundError, match=f"'poet'.*Known: {ANALYST}"):
        lab_file.call(lambda con: conversation(con, "t1", "poet"))


def test_of_a_swept_turn_message_and_answer_are_left(lab_file: Store) -> None:
    """The turns after it are told in full."""

    def check(con: Con) -> None:
        rows = forest(con)
        for table in ("entries", "transcripts"):
            con.execute(f"DELETE FROM {table} WHERE session_id = 't1'")
        told = conversation(con, rows["main"].tip_turn)
        assert [(message.role, message.text) for message in told if message.turn == "t1"] == [
            ("user", "Do the research of t1"), ("assistant", "Done t1."),
        ]  # fmt: skip
        assert len([message for message in told if message.turn == "t2"]) == 4

    lab_file.call(check)


@pytest.mark.both_stores
def test_why_the_psychologist_said_so_is_answered_from_any_fork(campaign: Store) -> None:
    """Real campaign: from the fork, and from the main session, the same words, with the pages that it had read."""

    def check(con: Con) -> None:
        tips = {row.name: row.tip_turn for row in queries.select(con, SessionRow)}
        assert tips["Emotional angle"] != tips["main"]
        words = conversation(con, tips["Emotional angle"], PSYCHOLOGIST)
        assert words == conversation(con, tips["main"], PSYCHOLOGIST)
        assert words[0].role == "user"
        assert words[-1].role == "assistant"
        assert any("customer_insight" in message.text for message in words if message.role == "call")
        (insight,) = con.execute("SELECT body FROM records WHERE kind = 'customer_insight'").fetchone() or ("",)
        read = [message.text for message in words if message.role == "result"]
        assert any("termwick.example" in text for text in read)
        assert insight
        assert {message.phase for message in words} == {"research"}
        main = conversation(con, tips["main"])
        assert [message.phase for message in main if message.role == "user"] == ["research", "strategy"]
        assert len([message for message in main if message.text.startswith("Agent ")]) == 3

    campaign.call(check)


def test_reports_stand_in_the_order_in_which_the_agents_were_called(lab_file: Store) -> None:
    """Several runs of one agent in a turn: by the call, not by their random ids."""

    def check(con: Con) -> None:
        calls = ["call-1", "call-2", "call-3"]
        row = add(con, session())
        main = [said("assistant", [use(call, "Agent", {}) for call in calls], message_id="m")]
        main += [said("user", [result(call, "done") for call in calls])]
        row = grow(con, row, "t1")
        for table in ("entries", "transcripts"):
            con.execute(f"DELETE FROM {table}")
        store(con, "t1", "", main)
        for name, call in zip("cab", calls, strict=True):
            note = {"type": "agent_metadata", "agentType": "copy-creator", "toolUseId": call}
            store(
                con, "t1", f"subagents/agent-{name}", [note, said("assistant", f"for {call}", message_id=f"m-{name}")]
            )
        told = [message.text for message in conversation(con, "t1", "copy-creator")]
        assert told == [f"for {call}" for call in calls]

    lab_file.call(check)


@pytest.mark.parametrize("order", [[0.1, 0.2, 0.3], [0.3, 0.2, 0.1], [0.2, 0.3, 0.1]])
def test_costs_are_the_same_in_whatever_order_they_lie(lab_file: Store, order: list[float]) -> None:
    """To the last digit, whichever store tells of the requests and in which order; one without a price is counted beside."""

    def check(con: Con) -> None:
        row = add(con, session())
        for n, cost in enumerate(order):
            try_in_vain(con, row, f"f{n}")
            con.execute("UPDATE requests SET cost_usd = 0 WHERE attempt_id = ?", [f"f{n}"])
            con.execute(f"UPDATE requests SET cost_usd = ? WHERE {FIRST}", [cost, f"f{n}"])
        assert [(each["cost_usd"], each["unpriced_requests"]) for each in tree_rows(con, "ana", row, NOW)] == [(0.6, 0)]
        con.execute(f"UPDATE requests SET cost_usd = NULL WHERE {FIRST}", ["f1"])
        assert [Sum(each["cost_usd"], each["unpriced_requests"]) for each in tree_rows(con, "ana", row, NOW)] == [
            Sum(math.fsum(order) - order[1], 1)
        ]

    lab_file.call(check)


def test_a_step_of_a_turn_whose_session_is_gone_has_no_name(lab_file: Store) -> None:
    """A damaged file is shown as far as it goes."""

    def check(con: Con) -> None:
        row = grow(con, add(con, session()), "t1")
        con.execute("DELETE FROM sessions")
        (step,) = lineage(con, row.tip_turn, "ana")
        assert (step.session, step.parent_session, step.turn) == ("", None, "t1")

    lab_file.call(check)
