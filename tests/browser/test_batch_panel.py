"""BatchPanel in a real browser: notebooks are seen at work, one is cancelled, and a link opens an executed one."""

from __future__ import annotations

import shutil

from support.browser.chromium import OpenNotebook
from support.browser.jupyter import Jupyter
from support.kernels import write_notebook

CELLS = {
    "parameters": 'brief_path: str = ""',
    "load": "from time import sleep\nfrom pathlib import Path\nfrom campaign_lab import Brief\n"
    "brief = Brief.load(brief_path)",
    "work": 'sleep(2)\nwhile brief.market == "CA-QC" and Path("held").exists():\n    sleep(0.05)\nbrief.campaign',
}
SETUP = (
    "from pathlib import Path\nfrom campaign_lab import Lab\nfrom campaign_lab.panels import BatchPanel\n\nlab = Lab()\n"
    'Path("held").touch()'
)
PANEL = 'BatchPanel(lab, "some-briefs", "cheap.ipynb", out="../runs/panel", workers=2, retries=0)'


def test_notebooks_are_seen_at_work_and_cancelled_and_opened(jupyter: Jupyter, open_notebook: OpenNotebook) -> None:
    """Start shows each notebook with its cell; its own Cancel stops one; the other's link opens it beside this one."""
    home = jupyter.root / "notebooks"
    (home / "some-briefs").mkdir()
    for name in ("termwick-renewals", "aubrelune-ete"):
        text = (jupyter.root / "data" / "briefs" / f"{name}.toml").read_text(encoding="utf-8")
        (home / "some-briefs" / f"{name}.toml").write_text(text.replace('"../sites', '"../../data/sites'), "utf-8")
    write_notebook(home / "cheap.ipynb", CELLS)
    shutil.rmtree(jupyter.root / "runs" / "panel", ignore_errors=True)
    page = open_notebook(jupyter.write("batch", setup=SETUP, panel=PANEL)).run_all()
    page.wait_for("panel", "termwick-renewals")
    page.click("panel", "Start")
    page.wait_for("panel", "of 2 notebooks ended", 60)
    page.wait_for("panel", "cell work", 60)
    page.wait_for("panel", "✓ finished", 60)
    page.click("panel", "Cancel")
    page.wait_for("panel", "■ cancelled in cell work", 60)
    page.wait_for("panel", "1 run to do", 60)
    page.shown("panel").get_by_role("link", name="termwick-renewals").click()
    page.page.wait_for_function(
        "() => window.jupyterapp.shell.currentWidget?.context?.path === 'runs/panel/termwick-renewals.ipynb'",
        timeout=30_000,
    )
