"""CompareBoard in a real browser: what is picked, rated and noted is stored, and there again after a reload."""

from __future__ import annotations

from support.browser.chromium import OpenNotebook
from support.browser.jupyter import Jupyter

SETUP = """from campaign_lab import Brief, Lab
from campaign_lab.panels import CompareBoard

lab = Lab()
base = lab.session(Brief.load("../data/briefs/termwick-renewals.toml", campaign="Panels"))"""
STEPS = 'await base.run("research")\nawait base.run("strategy")\nawait base.run("copy")'
FORK = 'other = base.fork("Less to read", at="strategy")\nawait other.run("copy", variants=1)'
JUDGED = "lab.compare(other).query(\"rated_by != ''\")[['pick', 'rating', 'note', 'rated_by']].values.tolist()"
NOTE = "Says <b>what</b> it costs"


def test_what_is_judged_is_there_again(jupyter: Jupyter, open_notebook: OpenNotebook) -> None:
    """A pick, a rating and a note by clicking come back in the frame, after a reload and with another kernel."""
    notebook = jupyter.write("board", setup=SETUP, steps=STEPS, fork=FORK, panel="CompareBoard(lab, other)")
    page = open_notebook(notebook).run_all()
    page.click("panel", "Pick")
    page.wait_for("panel", "saved: pick, by ana")
    page.choose("panel", "Rating", "4")
    page.wait_for("panel", "saved: rating 4, by ana")
    page.fill("panel", "Note", NOTE)
    page.wait_for("panel", "saved: note, by ana")
    assert page.ask(JUDGED) == f"[['pick', 4, '{NOTE}', 'ana']]"
    page.save()
    assert page.reload().value("panel", "Note") == NOTE
    page.reopen().run_all()
    assert page.ask(JUDGED) == f"[['pick', 4, '{NOTE}', 'ana']]"
    assert page.value("panel", "Note") == NOTE
    assert page.shown("panel").get_by_label("Rating", exact=True).locator("option:checked").inner_text() == "4"
