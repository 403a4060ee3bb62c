"""Coverage: each angle stands at one need and stage, and every gap is a zero."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import pytest

from campaign_lab import Brief, Lab
from campaign_lab.store.rows import RecordRow
from campaign_lab.tables.coverage import STAGES
from support.copy_rows import angle, claim, insight, quote, turn
from support.lab_rows import add, session
from support.labs import MakeLab
from support.paths import BRIEFS
from support.stores import by_hand

PAIN, DESIRE = "The invoice was lying in the wrong inbox.", "Free repairs for ten years."


def covered(lab: Lab, *angles: RecordRow, research: Sequence[RecordRow] | None = None) -> pd.DataFrame:
    found = [insight(pains=[PAIN], desires=[DESIRE])] if research is None else research

    def make(con: object) -> None:
        row = turn(con, add(con, session()), "t1", *found, phase="research")  # type: ignore[arg-type]
        turn(con, row, "t2", *angles, phase="strategy")  # type: ignore[arg-type]

    by_hand(lab, make)
    return lab.coverage(lab.open("main"))


def cells(table: pd.DataFrame) -> dict[tuple[str, str, str], str]:
    """The cells that are not gaps, with the names in them."""
    return {
        (row["need_kind"], row["need"], row["awareness_stage"]): row["names"]
        for row in table[table["angles"] > 0].to_dict("records")
    }


@pytest.mark.both_stores
def test_every_need_stands_at_every_stage(make_lab: MakeLab) -> None:
    """Pains first, then desires, from those who know nothing to those who are ready; what nobody tried is 0."""
    table = covered(make_lab())
    assert table["need"].tolist() == [PAIN] * 5 + [DESIRE] * 5
    assert table["need_kind"].tolist() == ["pain"] * 5 + ["desire"] * 5
    assert table["awareness_stage"].tolist() == list(STAGES) * 2
    assert STAGES == ("unaware", "problem", "solution", "product", "most")
    assert (table["angles"].sum(), set(table["names"]), set(table["session"])) == (0, {""}, {"main"})


@pytest.mark.parametrize(
    ("anchor", "need"),
    [
        (DESIRE, ("desire", DESIRE)),
        ("The wish for free repairs", ("desire", DESIRE)),
        ("Their invoice lies in the wrong inbox", ("pain", PAIN)),
        ("The wish to have it done, and done properly", ("other", "The wish to have it done, and done properly")),
    ],
)
def test_an_anchor_names_a_need_in_its_own_words(anchor: str, need: tuple[str, str], make_lab: MakeLab) -> None:
    """The same words or like ones; another need is a row of its own, at every stage."""
    table = covered(make_lab(), angle("Calm", stage="most", anchor=anchor))
    assert cells(table) == {(*need, "most"): "Calm"}
    assert len(table) == (15 if need[0] == "other" else 10)


def test_an_angle_whose_anchor_names_no_need_covers_what_it_proves(make_lab: MakeLab) -> None:
    """The first need that one of its proofs quotes; what else it quotes is not covered by that."""
    proofs = [
        {"claim": claim("Something else."), "tier": 5},
        {"claim": claim("Repairs cost nothing.", quote(DESIRE)), "tier": 4},
        {"claim": claim(PAIN), "tier": 1},
    ]
    table = covered(make_lab(), angle("Calm", anchor="The nagging thought of trouble", proofs=proofs))
    assert cells(table) == {("desire", DESIRE, "problem"): "Calm"}


def test_angles_of_one_cell_are_counted_and_named(make_lab: MakeLab) -> None:
    """In the order in which they were made."""
    angles = [angle(name, stage="product", anchor=PAIN) for name in ("Calm", "Bold")]
    table = covered(make_lab(), *angles)
    assert cells(table) == {("pain", PAIN, "product"): "Calm, Bold"}
    assert table["angles"].max() == 2


def test_without_research_every_angle_speaks_of_its_own(make_lab: MakeLab) -> None:
    """No needs are made up; and without angles there is an empty table."""
    assert covered(make_lab(), research=()).empty
    table = covered(make_lab("other.duckdb"), angle("Calm", anchor=PAIN), research=())
    assert cells(table) == {("other", PAIN, "problem"): "Calm"}


def test_several_sessions_stand_below_each_other(lab_of: MakeLab) -> None:
    """Each with its own name and all of its needs."""
    lab = lab_of()
    main = lab.open("main")
    table = lab.coverage([main, main.fork("Again")])
    assert table["session"].tolist() == ["main"] * (len(table) // 2) + ["Again"] * (len(table) // 2)


@pytest.mark.usefixtures("process", "slow")
def test_most_angles_of_the_demo_campaigns_stand_at_a_need(make_lab: MakeLab) -> None:
    """Of the five angles of each site, each at its own stage, more than half in all."""
    lab = make_lab()
    tables = []
    for name in ("termwick-renewals", "cairnwold-autumn", "duewren-trial"):
        main = lab.session(Brief.load(BRIEFS / f"{name}.toml"))
        for phase in ("research", "strategy"):
            lab.run_sync(main.run(phase))
        tables.append(lab.coverage(main))
        assert tables[-1]["angles"].sum() == 5
    table = pd.concat(tables)
    assert table[table["need_kind"] != "other"]["angles"].sum() > 15 / 2


def test_a_need_that_is_pain_and_desire_is_listed_once(make_lab: MakeLab) -> None:
    """As a pain, in the place where it was first named: pains stand before desires."""
    found = [insight(pains=[PAIN, DESIRE], desires=["Another wish.", DESIRE, PAIN])]
    table = covered(make_lab(), angle("Calm", anchor=PAIN), research=found)
    needs = table[["need_kind", "need"]].drop_duplicates().to_dict("split")["data"]
    assert needs == [["pain", PAIN], ["pain", DESIRE], ["desire", "Another wish."]]
