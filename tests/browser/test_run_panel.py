"""RunPanel in a real browser: agents are seen at work, Cancel stops at once, and what is finished is kept."""

from __future__ import annotations

from support.browser.chromium import OpenNotebook
from support.browser.jupyter import Jupyter
from support.browser.lab_page import LabPage

AGENTS = {"brand-intelligence-analyst", "customer-psychology-specialist", "competitive-intelligence-specialist"}

WATCH = """area => { window.campaignSeen = [];
    new MutationObserver(() => { for (const row of area.querySelectorAll('tr:has(th[scope=row])'))
        window.campaignSeen.push([row.cells[0].innerText, row.cells[1].innerText]) }
    ).observe(area, {subtree: true, childList: true}) }"""


def _setup(campaign: str) -> str:
    return (
        "from campaign_lab import Brief, Lab\nfrom campaign_lab.panels import RunPanel\n\nlab = Lab()\n"
        f'base = lab.session(Brief.load("../data/briefs/termwick-renewals.toml", campaign="{campaign}"))'
    )


def _states(page: LabPage) -> dict[str, list[str]]:
    """The states that each agent was seen in, in order, each once."""
    seen: dict[str, list[str]] = {}
    for agent, state in page.page.evaluate("() => window.campaignSeen"):
        states = seen.setdefault(agent, [])
        if state not in states:
            states.append(state)
    return seen


def test_three_agents_are_seen_at_work(jupyter: Jupyter, open_notebook: OpenNotebook) -> None:
    """A click on Run shows each agent in several states before it is done; then the results stand below."""
    notebook = jupyter.write("run", setup=_setup("Running"), panel='RunPanel(base, "research")')
    page = open_notebook(notebook).run_all()
    page.shown("panel").evaluate(WATCH)
    page.click("panel", "Run")
    page.wait_for("panel", "Research (rehearsal)", 60)
    seen = _states(page)
    assert set(seen) >= AGENTS
    for agent in AGENTS:
        assert len([state for state in seen[agent] if not state.startswith("done")]) >= 2, seen
        assert seen[agent][-1].startswith("done")
    assert page.ask("[turn.phase for turn in base.turns()]") == "['research']"


def test_cancel_keeps_what_is_finished_and_run_goes_on_from_there(
    jupyter: Jupyter, open_notebook: OpenNotebook
) -> None:
    """A second take is cancelled in its second phase: the first phase stays, is shown, and Run goes on from there."""
    notebook = jupyter.write(
        "cancel", setup=_setup("Panels"), first='await base.run("research")\nawait base.run("strategy")',
        panel='RunPanel(base.fork("Again", at="research"), "strategy", "copy", take=2)',
    )  # fmt: skip
    page = open_notebook(notebook).run_all()
    page.click("panel", "Run")
    page.wait_for("panel", "copy-creator", 60)
    page.click("panel", "Cancel")
    page.wait_for("panel", "cancelled")
    assert page.ask('[turn.phase for turn in lab.open("Again").turns()]') == "['research', 'strategy']"
    page.wait_for("panel", "Strategy, take 2 (rehearsal)")
    page.click("panel", "Run")
    page.wait_for("panel", "strategy replayed", 60)
    assert page.ask('[turn.phase for turn in lab.open("Again").turns()]') == "['research', 'strategy', 'copy']"


def test_cancel_works_while_a_cell_waits_for_the_panel(jupyter: Jupyter, open_notebook: OpenNotebook) -> None:
    """The cell that awaits the panel ends with a plain error, and nothing of the cancelled turn is kept."""
    notebook = jupyter.write(
        "waiting", setup=_setup("Waiting"), panel='panel = RunPanel(base, "research")\npanel', wait="await panel.run()"
    )
    page = open_notebook(notebook).run_cell("setup").run_cell("panel").start_cell("wait")
    page.wait_for("panel", "customer-psychology-specialist", 60)
    page.click("panel", "Cancel")
    page.wait_for("panel", "cancelled")
    page.wait_for("wait", "TurnFailed")
    assert page.ask("base.turns()") == "[]"
