"""A site that tries to break out of its texts, taken through research, believed by a model, and shown everywhere."""

from __future__ import annotations

from support.browser.chromium import OpenNotebook
from support.browser.jupyter import Jupyter
from support.browser.lab_page import LabPage
from support.browser.looks import broken_out, too_wide
from support.web import hostile_site

BAD = f"<img src=x onerror={hostile_site.RUN}> $x$ [a](javascript:{hostile_site.RUN}) \\x1b[31m \\u202e"
"""As it stands in the code of a cell."""
SETUP = f"""from campaign_lab import Brief, Lab
from campaign_lab.figures import cost_waterfall, coverage_map, fork_tree, run_timeline
from campaign_lab.panels import BriefForm, CompareBoard, CostMeter, RunPanel, SessionTree
from support.web.hostile_site import BELIEVING

lab = Lab(phases=[BELIEVING])
base = lab.session(Brief(url="../data/sites/kettle", market="CA", campaign="{BAD}", audience="{BAD}"))"""
CELLS = {
    "setup": SETUP,
    "brief": "base.brief",
    "panel": 'panel = RunPanel(base, "research")\npanel',
    "strategy": 'await base.run("strategy")',
    "believing": f'believing = base.fork("{BAD}", at="research")\nawait believing.run("believing")',
    "judged": f'believing.rate(believing.kept("copy_variant")[0].label, pick="pick", note="{BAD}")\nlab.compare(believing)',
    "session": "believing",
    "tree": "lab.tree(base)",
    "records": 'lab.records("brand_profile", [believing])',
    "diff": "lab.diff(base, believing)",
    "coverage": "lab.coverage(believing)",
    "receipt": "believing.receipt",
    "lineage": "believing.lineage",
    "conversation": "believing.conversation()[-1]",
    "sessiontree": "SessionTree(lab, base)",
    "board": "CompareBoard(lab, [base, believing])",
    "form": "BriefForm(base.brief)",
    "meter": "CostMeter(lab, base)",
    "figure_tree": "fork_tree(lab.tree(base))",
    "figure_coverage": "coverage_map(lab.coverage(believing))",
    "figure_costs": "cost_waterfall(lab.tree(base))",
    "figure_timeline": "run_timeline(lab.timeline(believing))",
}


def _expect_harmless(page: LabPage) -> None:
    """Every output is seen; in none of them has a text become more than text."""
    for cell in (each["id"] for each in page.notebook()["cells"] if each.get("outputs")):
        page.text(cell)
    assert broken_out(page, hostile_site.ELSEWHERE, hostile_site.FLAG) == []
    assert too_wide(page, ".jp-Cell, .jp-OutputArea-output") == []
    page.expect_clean()


def test_nothing_of_a_hostile_site_becomes_more_than_text(jupyter: Jupyter, open_notebook: OpenNotebook) -> None:
    """No script, request, image, link, formula or colour code of theirs; no long word widens the page; live and saved."""
    hostile_site.write(jupyter.root / "data" / "sites" / "kettle")
    page = open_notebook(jupyter.write("hostile", **CELLS)).run_cell("setup").run_cell("brief").run_cell("panel")
    page.click("panel", "Run")
    page.wait_for("panel", "Research (rehearsal)", 60)
    page.run_from("strategy")
    assert page.ask("len(believing.kept('copy_variant'))") == str(len(hostile_site.STATEMENTS))
    _expect_harmless(page)
    page.save()
    _expect_harmless(page.reopen())
