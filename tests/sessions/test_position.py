"""Where a handle stands: in a script it moves on, in a notebook the cell counts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.sessions.position import NOWHERE, CellRef, Position


def _cell(name: str, execution: int) -> CellRef:
    return CellRef("a.ipynb", name, "sha", f"{name}-{execution}")


def _run(standing: Position, name: str, execution: int, result: str) -> str | None:
    """One run of a handle in a cell; returns where it started."""
    start, step = standing.enter(_cell(name, execution))
    standing.leave(step, result)
    return start


def test_in_a_script_a_handle_moves_on_with_each_run() -> None:
    """Without a cell each run starts where the last one ended."""
    standing = Position(None)
    starts = []
    for turn in ("t1", "t2", "t3"):
        start, step = standing.enter(NOWHERE)
        standing.leave(step, turn)
        starts.append(start)
    assert starts == [None, "t1", "t2"]


def test_a_cell_run_again_starts_where_it_first_did() -> None:
    """Running the strategy cell twice does not put a strategy on top of a strategy."""
    standing = Position(None)
    _run(standing, "research", 1, "t1")
    assert _run(standing, "strategy", 1, "t2") == "t1"
    assert _run(standing, "strategy", 2, "t2") == "t1"


def test_after_an_edit_the_cells_below_follow_the_new_branch() -> None:
    """The edited cell starts where it did; the next cell starts at its new end."""
    standing = Position(None)
    for name, turn in (("research", "t1"), ("strategy", "t2"), ("copy", "t3")):
        _run(standing, name, 1, turn)
    assert _run(standing, "strategy", 2, "t2b") == "t1"
    assert _run(standing, "copy", 2, "t3b") == "t2b"


def test_a_new_cell_stands_where_the_handle_stands_now() -> None:
    """A cell that was inserted later goes on from wherever the handle is."""
    standing = Position(None)
    _run(standing, "research", 1, "t1")
    _run(standing, "strategy", 1, "t2")
    assert _run(standing, "inserted", 1, "t9") == "t2"


def test_two_runs_in_one_cell_keep_their_order_when_the_cell_is_run_again() -> None:
    """The first and the second run of a handle within a cell are told apart."""
    standing = Position(None)
    assert [_run(standing, "both", 1, "t1"), _run(standing, "both", 1, "t2")] == [None, "t1"]
    assert [_run(standing, "both", 2, "t1"), _run(standing, "both", 2, "t2")] == [None, "t1"]


def test_a_run_that_failed_moves_nothing() -> None:
    """A cell whose run raised is run again from the same place, and the cell below it starts there too."""
    standing = Position(None)
    _run(standing, "research", 1, "t1")
    start, _ = standing.enter(_cell("strategy", 1))
    assert start == "t1"
    assert _run(standing, "strategy", 2, "t2") == "t1"


@pytest.mark.parametrize("start", [None, "t0"])
@given(cells=st.lists(st.sampled_from("abcdef"), min_size=1, max_size=12))
def test_running_everything_again_from_the_top_gives_the_same_starts(start: str | None, cells: list[str]) -> None:
    """With distinct cells in any order, a second pass over them starts each where the first pass did."""
    order = list(dict.fromkeys(cells))
    standing = Position(start)
    first = [_run(standing, name, 1, f"end-{name}") for name in order]
    second = [_run(standing, name, 2, f"end-{name}") for name in order]
    assert first == second
