"""Near duplicates: when a turn ends, each of its variants is stored with the one that a reader would take it for."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from campaign_lab.agents.phases import Phase
from campaign_lab.records import CopyVariant
from campaign_lab.store import queries
from campaign_lab.store.rows import RecordRow
from support.copy_rows import variant
from support.labs import MakeLab

pytestmark = pytest.mark.usefixtures("slow")
WRITTEN = {
    "Sleep well again": "Hold your rate for weeks and stop worrying about the letter from the bank.",
    "Sleep well again soon": "Hold your rate for weeks, and stop worrying about that letter from the bank.",
    "Look before you sign": "The first offer is seldom the best one, so compare them in a table.",
    "Sleep well": "Hold your rate, and stop worrying about the bank.",
}


def _written(headlines: list[str]) -> Callable[..., tuple[list[dict[str, Any]], list[str]]]:
    def rehearse(_research: Mapping[str, Any], task: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
        told = [variant(text, angle=task["angle"], primary_text=WRITTEN[text]) for text in headlines]
        return [json.loads(record.body) for record in told], []

    return rehearse


@pytest.mark.parametrize(
    ("headlines", "expected"),
    [
        (
            ["Sleep well again", "Look before you sign", "Sleep well again soon"],
            ["Sleep well again soon", "", "Sleep well again"],
        ),
        (["Sleep well again", "Look before you sign"], ["", ""]),
        (["Sleep well again"], [""]),
    ],
    ids=["two alike", "none alike", "alone"],
)
def test_alike_variants_name_each_other(headlines: list[str], expected: list[str], lab_of: MakeLab) -> None:
    """A real turn of a phase that writes copy; the table shows the other's headline, and the check is not made again."""
    phase = Phase(
        name="twins", prompt="Write.\n\n```json\n$task\n```\n", makes=(CopyVariant,), arguments={"angle": ""},
        rehearse=_written(headlines),
    )  # fmt: skip
    lab = lab_of(phases=[phase])
    main = lab.open("main")
    lab.run_sync(main.run("twins", angle=main.records("angle")[0].label()))
    table = lab.compare(main)
    assert table["headline"].tolist() == headlines
    assert table["near_duplicate"].tolist() == expected
    ids = dict(zip(table["headline"], table["id"], strict=True))
    stored = lab._context.engine.call(
        lambda con: queries.select(con, RecordRow, "WHERE kind = 'copy_variant' ORDER BY n")
    )
    assert [row.near_duplicate for row in stored] == [ids.get(each) for each in expected]
    assert lab._context.engine.call(
        lambda con: con.execute("SELECT count(near_duplicate) FROM records").fetchone()
    ) == (len([each for each in expected if each]),)


def test_forks_that_are_compared_name_each_others_variants(lab_of: MakeLab) -> None:
    """With the session that made it; a variant of the same turn comes first, and a turn that both carry is no duplicate."""
    phase = Phase(
        name="twins", prompt="Write.\n\n```json\n$task\n```\n", makes=(CopyVariant,), arguments={"angle": "", "texts": []},
        rehearse=lambda research, task: _written(task["texts"])(research, task),
    )  # fmt: skip
    lab = lab_of(phases=[phase])
    main = lab.open("main")
    texts = ["Sleep well again", "Look before you sign"]
    options = {"angle": main.records("angle")[0].label(), "texts": texts}
    lab.run_sync(main.run("twins", **options))
    other, same = main.fork("Same words", at="strategy"), main.fork("Same turn")
    lab.run_sync(other.run("twins", **{**options, "texts": [*texts, "Sleep well again soon"]}))
    assert lab.compare([main, same])["near_duplicate"].tolist() == [""] * 4
    seen = lab.compare([main, other])
    assert seen["near_duplicate"].tolist() == [
        "Sleep well again (Same words)", "Look before you sign (Same words)",
        "Sleep well again soon", "Look before you sign (main)", "Sleep well again",
    ]  # fmt: skip
    again = lab.compare([other, main])
    assert sorted(seen["near_duplicate"]) == sorted(again["near_duplicate"])


def test_a_check_that_fails_loses_no_paid_turn(
    lab_of: MakeLab, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The variants are stored without a near duplicate, and the log says why."""

    def fail(_texts: list[str]) -> None:
        raise ArithmeticError("no texts today")

    lab = lab_of()
    main = lab.open("main")
    with monkeypatch.context() as patched:
        patched.setattr("campaign_lab.checks.near_duplicates", fail)
        lab.run_sync(main.run("copy", angles=[main.records("angle")[0].label()]))
    table = lab.compare(main)
    assert len(table) > 1
    assert table["near_duplicate"].eq("").all()
    assert "no texts today" in caplog.text
