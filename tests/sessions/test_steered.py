"""Directions as parameters: each is a fork of the same research, and none is the session itself."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from campaign_lab import Brief, Lab

pytestmark = pytest.mark.usefixtures("slow")


def test_two_directions_of_a_brief_carry_one_research(lab_of: Callable[..., Lab], termwick: Brief) -> None:
    """Each goes its own way from the research that is there; only what comes after it is paid, and a second time nothing."""
    lab = lab_of()
    steers = ("Relief first", "Price first")

    def run(**options: str) -> list[str]:
        base = lab.session(termwick)
        lab.run_sync(base.run("research", **options))
        made = []
        for purpose in steers:
            fork = base.steered(purpose)
            turn = lab.run_sync(fork.run("strategy", **options))
            assert fork.purpose == purpose
            assert [turn.phase for turn in fork.turns()] == ["research", "strategy"]
            made.append(turn.key)
        return made

    first = run()
    assert len(set(first)) == 2
    assert run(on_miss="refuse") == first
    paid = lab._context.engine.call(
        lambda con: con.execute("SELECT phase, count(*) FROM turns GROUP BY phase ORDER BY phase").fetchall()
    )
    assert paid == [("research", 1), ("strategy", 3)]
    assert set(lab.tree(lab.open("main"))["session"]) == {"main", *steers}


def test_no_direction_is_the_session_itself(lab_of: Callable[..., Lab], termwick: Brief) -> None:
    """Without a purpose nothing is forked, and what was run before replays: no key has changed."""
    lab = lab_of()
    base = lab.session(termwick)
    lab.run_sync(base.run("research", on_miss="refuse"))
    assert base.steered("") is base
    assert base.steered(" \n") is base
    assert lab.run_sync(base.steered("").run("strategy", on_miss="refuse")).replayed
