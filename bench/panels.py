"""What the panels cost in the kernel: the session tree and ``lab.tree`` at 200 forks, and the board of three forks.

Medians of several tries in one process, on a lab file written by hand: 200 forks of one research, half of them with a
strategy, 10 variants on each fork of the board. What a browser adds is measured by tests/browser.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from campaign_lab import Lab
from campaign_lab.panels import CompareBoard, SessionTree
from campaign_lab.store import queries
from campaign_lab.store.rows import RecordRow, SessionRow
from support.lab_rows import add, fork, grow, session

FORKS, BOARD, VARIANTS = 200, 3, 10
TRIES = 7
BARS_MS = {
    f"session tree of {FORKS} forks, built": 500.0,
    f"lab.tree at {FORKS} forks": 500.0,
    "session tree, another line chosen": 100.0,
    "session tree, forked by clicking": 500.0,
    f"compare board of {BOARD} forks, built": 500.0,
    "compare board, next angle": 100.0,
    "compare board, picked": 100.0,
}
ANGLES = 5


def main() -> int:
    """Prints one line a figure; 1 when one is over its bar."""
    with tempfile.TemporaryDirectory() as folder, Lab(Path(folder) / "lab.duckdb", user="ana") as lab:
        lab._context.engine.call(_write)
        taken = [*_tree(lab), *_board(lab)]
    good = True
    for (name, bar), ms in zip(BARS_MS.items(), taken, strict=True):
        print(f"{name}: {ms:.0f} ms (bar {bar:.0f} ms)")
        good &= ms <= bar
    return 0 if good else 1


def _tree(lab: Lab) -> list[float]:
    base = lab.open("base")
    panel = SessionTree(lab, base)
    lines = [choice for _, choice in panel.tree.options]
    places, purposes = iter(lines[5::20]), (f"Clicked {number}" for number in range(TRIES + 1))

    def choose() -> None:
        panel.tree.value = next(places)

    def click() -> None:
        panel.purpose.value = next(purposes)
        panel.fork_button.click()
        assert panel.problem.value == "", panel.problem.value

    return [
        _median(lambda: SessionTree(lab, base)),
        _median(lambda: lab.tree(base)),
        _median(choose),
        _median(click),
    ]


def _board(lab: Lab) -> list[float]:
    sessions = [lab.open(f"fork {number}") for number in range(BOARD)]
    board = CompareBoard(lab, sessions)
    picks = iter([(card, word) for word in ("pick", "reject", "") for card in board.cards])
    assert len(board.cards) == BOARD * VARIANTS // ANGLES

    def pick() -> None:
        card, card.pick.value = next(picks)
        assert board.problem.value == "", board.problem.value

    def turn() -> None:
        (board.previous_button if board.next_button.disabled else board.next_button).click()

    picked = _median(pick)
    return [_median(lambda: CompareBoard(lab, sessions)), _median(turn), picked]


def _median(work: Callable[[], object]) -> float:
    """Milliseconds; the first try warms up."""
    taken = []
    for _ in range(TRIES + 1):
        start = time.perf_counter()
        work()
        taken.append((time.perf_counter() - start) * 1000)
    return statistics.median(taken[1:])


def _write(con: queries.Con) -> None:
    base = grow(con, add(con, session("base", brief='{"url": "https://a.example/", "campaign": "Spring"}')), "t")
    for number in range(FORKS):
        row = add(con, fork(base, f"fork {number}"))
        if number % 2 or number < BOARD:
            row = grow(con, row, f"t-{number}", phase="strategy")
        if number < BOARD:
            _write_copy(con, grow(con, row, f"c-{number}", phase="copy"))
    con.execute("UPDATE records SET degraded = TRUE WHERE kind = 'brand_profile'")  # one letter is no brand


def _write_copy(con: queries.Con, row: SessionRow) -> None:
    con.execute("DELETE FROM records WHERE turn_id = ?", [row.tip_turn])
    for number in range(VARIANTS):
        body = (
            f'{{"angle": "Angle {number % ANGLES}", "headline": "Headline {number}", "primary_text": "{"words " * 20}", '
            '"description": "d d", "call_to_action": "LEARN_MORE", "language": "en", "claims": []}'
        )
        record = RecordRow(
            str(row.tip_turn), "copy_variant", number, f"v{number}", f"Headline {number}", 1, body=body, degraded=False,
            problems="[]",
        )  # fmt: skip
        queries.insert(con, [record])


if __name__ == "__main__":
    sys.exit(main())
