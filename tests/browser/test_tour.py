"""The notebooks in a real browser: they run, replay, branch, and are still readable when they are opened again."""

from __future__ import annotations

import pytest

from support.browser.chromium import OpenNotebook
from support.browser.jupyter import ROOT, Jupyter
from support.browser.lab_page import LabPage
from support.browser.looks import unreadable

NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
BROKEN = ("Error displaying widget", "model not found", "Loading widget", "Javascript Error")
REQUESTS = "lab.costs()['requests'].sum()"


def _expect_readable(page: LabPage) -> None:
    """Every saved output is seen, no widget is broken, and all texts stand out in both themes."""
    full = [cell["id"] for cell in page.notebook()["cells"] if cell.get("outputs")]
    assert full
    for theme in ("JupyterLab Light", "JupyterLab Dark"):
        page.theme(theme)
        for cell in full:
            text = page.text(cell)
            assert not [words for words in BROKEN if words in text], cell
            assert unreadable(page.shown(cell)) == [], (theme, cell)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_runs_and_is_readable_on_the_next_morning(name: str, open_notebook: OpenNotebook) -> None:
    """All cells run; saved and opened anew with another kernel, every output is there and readable, light and dark."""
    page = open_notebook(f"notebooks/{name}.ipynb").run_all()
    page.save()
    _expect_readable(page.reopen())


def test_is_readable_before_it_is_run(open_notebook: OpenNotebook) -> None:
    """A notebook that this machine does not trust yet shows its saved outputs, light and dark."""
    _expect_readable(open_notebook("notebooks/00_tour.ipynb"))


def test_the_tour_replays_and_branches_where_it_is_edited(jupyter: Jupyter, open_notebook: OpenNotebook) -> None:
    """Run again it costs nothing and says the same; a steer in one cell forks there, and the cells below follow the branch."""
    page = open_notebook(jupyter.copy("00_tour", "branch")).run_all()
    table, paid = page.output("compare", "text/html"), page.ask(REQUESTS)
    page.run_all()
    assert (page.output("compare", "text/html"), page.ask(REQUESTS)) == (table, paid)
    assert page.shown("compare").locator("tbody tr").count() == 10
    sessions = int(page.ask("len(lab.tree(base))"))
    page.edit("strategy", 'await base.run("strategy", steer="Speak to people who have been let down before")')
    page.run_from("strategy")
    assert page.output("compare", "text/html") != table
    assert int(page.ask("len(lab.tree(base))")) == sessions + 1
    assert page.ask("base.name") != "'main'"
