"""The notebooks: they say the same on every machine, in a fresh lab and in the lab that made them, and hold no logic."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from support.older.files import VERSIONS, Older
from support.paths import ROOT, copy_notebooks

pytestmark = pytest.mark.usefixtures("slow")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("**/[!.]*.ipynb"))
LOGIC = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.If, ast.Try, ast.With, ast.Lambda)
MOST_BYTES = 300_000
USER = "zoë <b>"

names = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
Run = subprocess.CompletedProcess[str]


def _cells(notebook: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return cells


def _environment(lab: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "CAMPAIGN_LAB_STORE": str(lab), "PYTHONPATH": str(ROOT / "tests"), **more}


def _nbval(folder: Path, check: str = "--nbval", **more: str) -> Run:
    """Nbval of all notebooks in a process of its own; strict unless told otherwise: every saved output is compared."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:playwright",
               "-p", "campaign_lab.jupyter.cell_ids", "-p", "support.kernel_sockets", "-c", os.devnull, check,
               "--nbval-current-env", "--nbval-cell-timeout=300", str(folder / "notebooks")]  # fmt: skip
    return subprocess.run(
        command,
        env=_environment(folder / "lab.duckdb", **more),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=580,
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Notebooks and data in a folder of their own, where notebooks may write."""
    folder = tmp_path_factory.mktemp("checkout")
    copy_notebooks(folder)
    return folder


@pytest.fixture(scope="module")
def first_run(process: None, checkout: Path) -> Run:
    """All notebooks in a fresh lab, by a user with a name of another kind than the one who saved them."""
    return _nbval(checkout, CAMPAIGN_LAB_USER=USER)


@pytest.mark.timeout(600)
def test_all_say_the_same_in_a_fresh_lab(first_run: Run) -> None:
    """Strict nbval of all notebooks passes in a lab that is not there yet, and for another user than who saved them."""
    assert first_run.returncode == 0, first_run.stdout[-6000:] + first_run.stderr[-2000:]
    assert " passed" in first_run.stdout


@pytest.mark.timeout(600)
def test_all_say_the_same_in_the_lab_that_made_them(first_run: Run, checkout: Path) -> None:
    """Strict nbval passes again in that lab with every new turn refused: all of it replays."""
    assert first_run.returncode == 0
    again = _nbval(checkout, CAMPAIGN_LAB_ON_MISS="refuse", CAMPAIGN_LAB_USER=USER)
    assert again.returncode == 0, again.stdout[-6000:] + again.stderr[-2000:]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.usefixtures("process", "slow")
def test_all_run_in_the_lab_of_an_older_version(version: str, tmp_path: Path) -> None:
    """Each cell runs with every new turn refused in a lab that an older version made with its notebooks: its turns are shown."""
    copy_notebooks(tmp_path)
    Older(version).kept_notebooks(tmp_path)
    run = _nbval(tmp_path, "--nbval-lax", CAMPAIGN_LAB_ON_MISS="refuse", CAMPAIGN_LAB_USER="ana")
    assert run.returncode == 0, run.stdout[-6000:] + run.stderr[-2000:]
    assert " passed" in run.stdout


def _statements(cell: dict[str, Any]) -> list[ast.stmt]:
    """What a code cell says; none for a ``%%angle`` cell, which is prose."""
    source = "".join(cell["source"])
    return [] if source.startswith("%%") else ast.parse(source).body


@names
def test_every_code_cell_is_one_call_without_logic(notebook: Path) -> None:
    """No loop, branch or definition stands in a cell; beside imports and parameters a cell has two statements at most."""
    for cell in (cell for cell in _cells(notebook) if cell["cell_type"] == "code"):
        statements = _statements(cell)
        assert not any(isinstance(node, LOGIC) for each in statements for node in ast.walk(each)), cell["id"]
        assert sum(not isinstance(each, ast.ImportFrom | ast.AnnAssign) for each in statements) <= 2, cell["id"]
        assert cell["id"].replace("-", "").isalpha(), cell["id"]


@names
def test_is_saved_with_outputs_small_and_without_paths(notebook: Path) -> None:
    """Every cell that ends in an expression has its output; nothing tells of the machine or the person that saved it."""
    text = notebook.read_text(encoding="utf-8")
    assert len(text.encode()) <= MOST_BYTES
    assert str(Path.home()) not in text.replace("\\/", "/") or str(Path.home()) == "/"
    assert str(ROOT) not in text
    assert "widget-view" not in text
    for cell in _cells(notebook):
        if cell["cell_type"] == "code" and [each for each in _statements(cell)[-1:] if isinstance(each, ast.Expr)]:
            assert cell["outputs"], cell["id"]


@names
def test_has_ten_to_twenty_five_cells_and_says_what_each_is_for(notebook: Path) -> None:
    """A notebook reads in a few minutes, and most calls have a sentence of intent above them."""
    cells = _cells(notebook)
    assert 10 <= len(cells) <= 25
    assert sum(cell["cell_type"] == "markdown" for cell in cells) >= len(cells) / 3
