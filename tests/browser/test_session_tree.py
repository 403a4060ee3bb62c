"""SessionTree in a real browser: a fork is made by clicking, and the line of code that it shows works."""

from __future__ import annotations

from support.browser.chromium import OpenNotebook
from support.browser.jupyter import Jupyter

SETUP = """from campaign_lab import Brief, Lab
from campaign_lab.panels import SessionTree

lab = Lab()
base = lab.session(Brief.load("../data/briefs/termwick-renewals.toml", campaign="Panels"))"""
STEPS = 'await base.run("research")\nawait base.run("strategy")'


def test_forks_from_a_chosen_checkpoint(jupyter: Jupyter, open_notebook: OpenNotebook) -> None:
    """Chosen, named, clicked: the code shown runs in a cell, and the branch stands in the tree at that checkpoint."""
    purpose = "People who were let down before"
    notebook = jupyter.write("tree", setup=SETUP, steps=STEPS, panel="SessionTree(lab, base)", paste="pass")
    page = open_notebook(notebook).run_all()
    page.choose("panel", "Tree", "checkpoint 1 research")
    page.fill("panel", "Purpose", purpose)
    page.click("panel", "Fork from here")
    page.page.wait_for_function(
        "field => field.value !== ''", arg=page.shown("panel").get_by_label("Code", exact=True).element_handle()
    )
    page.edit("paste", page.value("panel", "Code"))
    page.run_cell("paste")
    assert "Strategy (rehearsal)" in page.text("paste")
    row = page.ask(
        f"lab.tree(base).query('purpose == \"{purpose}\"')[['parent', 'checkpoint', 'phase', 'phases', 'cell']].values.tolist()"
    )
    assert row == "[['main', 1, 'research', 'research, strategy', 'panel']]"
    page.click("panel", "Refresh")
    page.wait_for("panel", f"{purpose} · forked at 1 research · reached strategy")
