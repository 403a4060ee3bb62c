"""Caching: one rule says how long a cached prompt lives, for receipts, trees and fan-outs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from campaign_lab import Lab
from campaign_lab.sessions.spending.prompt_cache import verdict, warm_until
from campaign_lab.store import queries
from campaign_lab.store.rows import RequestRow
from support.copy_rows import turn
from support.lab_rows import NOW, add, session
from support.labs import MakeLab
from support.stores import by_hand

HOUR, MINUTES = timedelta(hours=1), timedelta(minutes=5)
LONG, SHORT, BOTH, NEITHER = (100, 0), (0, 100), (100, 100), (0, 0)


def request(written: tuple[int, int], n: int = 0, *, name: str = "t1") -> RequestRow:
    """A request of the main agent that wrote so many tokens to the cache for an hour, and for five minutes."""
    return RequestRow(name, "", f"m{n}", "", "model", 10, 5, 0, written[1], written[0], 0.1, True, NOW, n)


CASES = [([LONG], HOUR), ([SHORT], MINUTES), ([BOTH], MINUTES), ([LONG, SHORT], MINUTES), ([SHORT, LONG], HOUR),
         ([LONG, NEITHER], HOUR), ([NEITHER], None)]  # fmt: skip


@pytest.mark.both_stores
@pytest.mark.parametrize(("written", "life"), CASES)
def test_the_last_write_says_how_long_a_prompt_is_warm(
    written: Sequence[tuple[int, int]], life: timedelta | None, make_lab: MakeLab
) -> None:
    """The end of the prompt lives as it was written last; where nothing was written, nothing is warm."""

    def make(con: queries.Con) -> dict[str, object]:
        turn(con, add(con, session()), "t1")
        con.execute("DELETE FROM requests")
        queries.insert(con, [request(each, n) for n, each in enumerate(written)])
        assert warm_until(con) == warm_until(con, "t1")
        return dict(warm_until(con))

    assert by_hand(make_lab(), make) == ({} if life is None else {"t1": NOW + life})


def reasons(lab: Lab, written: Sequence[tuple[int, int]], *ages: timedelta) -> list[str]:
    """Why a turn did not read the prompt of the one before it, which wrote so to the cache, for each age of that."""

    def make(con: queries.Con) -> list[str]:
        turn(con, turn(con, add(con, session()), "t1"), "t2")
        con.execute("DELETE FROM requests")
        queries.insert(con, [*(request(each, n) for n, each in enumerate(written)), request(NEITHER, name="t2")])
        before, later = queries.line_of(con, "t2")
        found = [verdict(con, replace(later, started_at=before.finished_at + age), before) for age in ages]
        return [each.reason for each in found if each is not None]

    return by_hand(lab, make)


@pytest.mark.parametrize(("written", "life"), [(written, life) for written, life in CASES if life])
def test_a_receipt_judges_age_by_the_same_life(
    written: Sequence[tuple[int, int]], life: timedelta, make_lab: MakeLab
) -> None:
    """Just past its life an unread prompt was too old; just before it, the endpoint dropped it."""
    early, late = reasons(make_lab(), written, life - timedelta(seconds=1), life + timedelta(seconds=1))
    assert "dropped" in early
    assert "its cache entry lives" in late


def test_a_prompt_that_was_never_cached_is_not_called_old(make_lab: MakeLab) -> None:
    """However long ago it was."""
    (reason,) = reasons(make_lab(), [NEITHER], timedelta(days=1))
    assert "too short to be cached" in reason


@pytest.mark.both_stores
def test_a_use_prolongs_it(make_lab: MakeLab) -> None:
    """The prompt of a checkpoint is warm for its life after the newest turn that followed it."""

    def make(con: queries.Con) -> object:
        first = turn(con, add(con, session()), "t1")
        turn(con, first, "t2")
        con.execute("DELETE FROM requests")
        con.execute("UPDATE turns SET finished_at = ? WHERE id = 't2'", [NOW + timedelta(minutes=3)])
        queries.insert(con, [request(SHORT)])
        return warm_until(con)

    assert by_hand(make_lab(), make) == {"t1": NOW + timedelta(minutes=8)}
