"""CostMeter: its four figures are those of the lab."""

from __future__ import annotations

import math
import re

import pytest

from campaign_lab import Lab
from campaign_lab.panels import CostMeter
from campaign_lab.sessions.budgets import Budgets
from campaign_lab.sessions.session import Session
from support.clock import Clock
from support.labs import MakeLab
from support.panel_tools import labels_of


def amounts(meter: CostMeter) -> dict[str, str]:
    """The big figure of each tile."""
    tiles = {"paid": meter.paid, "avoided": meter.avoided, "replayed": meter.replayed, "left": meter.left}
    return {name: re.findall(r"font-size:1.5em[^>]*>([^<]*)<", tile.value)[0] for name, tile in tiles.items()}


def dollars(text: str) -> float:
    return float(text.removeprefix("$"))


def forked(lab: Lab) -> Session:
    """The researched session, with a fork that has copy and one that has nothing yet."""
    main = lab.open("main")
    lab.run_sync(main.fork("First").run("copy"))
    main.fork("Second")
    return main


@pytest.mark.usefixtures("slow")
def test_paid_is_what_the_ledger_says(lab_of: MakeLab) -> None:
    """Paid is the sum of all turns of the tree, from whichever of its sessions one looks."""
    lab = lab_of()
    main = forked(lab)
    spent = lab.costs()["cost_usd"].sum()
    assert dollars(amounts(CostMeter(lab, main))["paid"]) == pytest.approx(spent, abs=5e-5)
    assert amounts(CostMeter(lab, lab.open("First"))) == amounts(CostMeter(lab, main))


@pytest.mark.usefixtures("slow")
def test_avoided_is_what_forks_carry(lab_of: MakeLab) -> None:
    """A fork that ran avoided the turns before its start; one without a turn has avoided nothing yet."""
    lab = lab_of()
    main = lab.open("main")
    before = CostMeter(lab, main)
    assert amounts(before)["avoided"] == "$0.0000"
    forked(lab)
    carried = main.receipt.cost_usd
    assert carried
    assert dollars(amounts(CostMeter(lab, main))["avoided"]) == pytest.approx(carried, abs=5e-5)


@pytest.mark.usefixtures("slow")
def test_refresh_reads_anew(lab_of: MakeLab) -> None:
    """The figures change with a click, and not before it."""
    lab = lab_of()
    meter = CostMeter(lab, lab.open("main"))
    before = amounts(meter)
    forked(lab)
    assert amounts(meter) == before
    meter.refresh_button.click()
    assert dollars(amounts(meter)["paid"]) > dollars(before["paid"])


@pytest.mark.usefixtures("slow")
def test_counts_replays_since_the_lab_was_opened(lab_of: MakeLab) -> None:
    """Each replayed turn of the tree avoids what it once cost; a turn that is paid avoids nothing."""
    lab = lab_of()
    main = lab.open("main", from_start=True)
    meter = CostMeter(lab, main)
    assert amounts(meter)["replayed"] == "$0.0000"
    research = lab.run_sync(main.run("research"))
    lab.run_sync(main.run("strategy", take=2))
    meter.refresh()
    assert research.replayed
    assert dollars(amounts(meter)["replayed"]) == pytest.approx(research.receipt.cost_usd, abs=5e-5)
    elsewhere = lab.session(main.brief, name="again")
    assert amounts(CostMeter(lab, elsewhere))["replayed"] == "$0.0000"


def test_says_that_no_budget_is_set(lab_of: MakeLab) -> None:
    """Without a budget there is no number."""
    lab = lab_of()
    assert amounts(CostMeter(lab, lab.open("main")))["left"] == "no budget set"


def test_budget_left_is_that_of_the_tightest_one(lab_of: MakeLab, clock: Clock) -> None:
    """The figure is the least that is left, the note names each budget; the day's budget is whole again on the next day."""
    lab = lab_of(budgets=Budgets(session_usd=2.0, user_usd=5.0, day_usd=1.0))
    main = lab.open("main")
    spent = main.receipt.cost_usd
    assert spent
    meter = CostMeter(lab, main)
    assert dollars(amounts(meter)["left"]) == pytest.approx(1.0 - spent, abs=5e-5)
    assert f"this session: ${2 - spent:.4f} of $2.0000; ana: ${5 - spent:.4f} of $5.0000" in meter.left.value
    clock.move(days=1)
    meter.refresh()
    assert amounts(meter)["left"] == "$1.0000"


def test_a_forks_budget_is_its_own(lab_of: MakeLab) -> None:
    """What the session before it spent does not count against a fork's session budget."""
    lab = lab_of(budgets=Budgets(session_usd=2.0))
    fork = lab.open("main").fork("Fresh")
    assert amounts(CostMeter(lab, fork))["left"] == "$2.0000"


def test_says_what_is_over(lab_of: MakeLab) -> None:
    """A budget that was set below what is spent leaves nothing, and says by how much."""
    lab = lab_of(budgets=Budgets(user_usd=0.01))
    assert amounts(CostMeter(lab, lab.open("main")))["left"].startswith("nothing ($")


@pytest.mark.usefixtures("slow")
def test_an_unknown_price_is_said(lab_of: MakeLab) -> None:
    """Requests without a price are counted beside the sum, and beside what a budget has left: never as 0."""
    lab = lab_of()
    main = forked(lab)
    unpriced = "UPDATE requests SET cost_usd = NULL WHERE attempt_id IN (SELECT id FROM attempts WHERE phase = 'copy')"
    lab._context.engine.call(lambda con: con.execute(unpriced))
    tree = lab.tree(main).set_index("session")
    assert math.isnan(tree["cost_usd"]["First"])
    lost = tree["unpriced_requests"]["First"]
    assert lost > 0
    paid = f"${lab.costs()['cost_usd'].sum():.4f} and {lost} requests without a price"
    assert CostMeter(lab, main).line().startswith(f"CostMeter(paid {paid}, avoided $")
    held = lab_of(budgets=Budgets(user_usd=9.0))
    assert amounts(CostMeter(held, held.open("main")))["left"].endswith(f", less {lost} requests without a price")


@pytest.mark.usefixtures("slow")
def test_what_is_saved_is_a_function_of_the_turns(lab_of: MakeLab, clock: Clock) -> None:
    """Line and twin hold paid and avoided only: a day later, and under another budget, they are the same."""
    lab = lab_of()
    main = forked(lab)
    meter = CostMeter(lab, main)
    shown = amounts(meter)
    assert meter.line() == f"CostMeter(paid {shown['paid']}, avoided {shown['avoided']})"
    clock.move(days=1)
    later = lab_of(budgets=Budgets(user_usd=9.0))
    again = CostMeter(later, later.open("main", from_start=True))
    later.run_sync(again._session.run("research"))
    again.refresh()
    assert again.twin() == meter.twin()
    assert again.line() == meter.line()
    assert shown["paid"] in meter.twin()
    assert "list prices" in meter.twin()


def test_the_button_has_a_label_and_a_hint(lab_of: MakeLab) -> None:
    """One control, named."""
    lab = lab_of()
    assert all(label and hint for label, hint in labels_of(CostMeter(lab, lab.open("main"))))


def test_a_hostile_user_name_is_shown_as_text(lab_of: MakeLab) -> None:
    """Whatever the login is called, the tile holds no tag of it."""
    lab = lab_of(budgets=Budgets(user_usd=9.0))
    session = lab.open("main")
    lab._context.user = "<img src=x onerror=alert(1)>"
    lab._context.engine.call(lambda con: con.execute("UPDATE sessions SET owner = ?", [lab._context.user]))
    session._row = session._fresh()
    assert "<img" not in CostMeter(lab, session).left.value
    assert "&lt;img" in CostMeter(lab, session).left.value
