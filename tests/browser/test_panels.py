"""All panels by keyboard and screen reader, in both themes, saved and opened again."""

from __future__ import annotations

from support.browser.chromium import OpenNotebook
from support.browser.jupyter import Jupyter
from support.browser.lab_page import LabPage
from support.browser.looks import nameless, out_of_order, tab_stops, too_wide, unreadable

SETUP = """from campaign_lab import Brief, Lab
from campaign_lab.panels import BriefForm, CompareBoard, CostMeter, RunPanel, SessionTree

lab = Lab()
base = lab.session(Brief.load("../data/briefs/termwick-renewals.toml", campaign="Panels"))"""
STEPS = 'await base.run("research")\nawait base.run("strategy")\nawait base.run("copy")'
FORK = 'other = base.fork("Less to read", at="strategy")\nawait other.run("copy", variants=1)'
PANELS = {
    "form": 'BriefForm(path="../data/briefs/termwick-renewals.toml")',
    "run": 'RunPanel(base, "research", "strategy")',
    "tree": "SessionTree(lab, base)",
    "board": "CompareBoard(lab, [base, other])",
    "meter": "CostMeter(lab, base)",
}


def _expect_usable(page: LabPage, panel: str) -> None:
    """A screen reader can name each control, and Tab goes from left to right and from top to bottom."""
    shown = page.shown(panel)
    assert nameless(shown) == [], panel
    stops = tab_stops(page, shown)
    assert len(stops) == shown.locator("button:enabled, input:enabled, select:enabled, textarea:enabled").count(), panel
    assert out_of_order(stops) == [], panel


def _expect_readable(page: LabPage) -> None:
    """In both themes each panel says something, no widget is broken, texts stand out, and nothing is cut off."""
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.theme(theme)
        for panel in PANELS:
            text = page.text(panel)
            assert "Error displaying widget" not in text, panel
            assert "model not found" not in text, panel
            assert unreadable(page.shown(panel)) == [], (theme, panel)
        assert too_wide(page, ".jp-Cell, .jp-OutputArea-output") == []


def test_panels_are_usable_and_readable(jupyter: Jupyter, open_notebook: OpenNotebook) -> None:
    """By keyboard and screen reader; live, and on the next morning without their kernel."""
    page = open_notebook(jupyter.write("panels", setup=SETUP, steps=STEPS, fork=FORK, **PANELS)).run_all()
    for panel in PANELS:
        _expect_usable(page, panel)
    _expect_readable(page)
    page.save()
    _expect_readable(page.reopen())
