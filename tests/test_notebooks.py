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

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
LOGIC = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.For, ast.While, ast.If, ast.Try, ast.With, ast.Lambda)
MOST_BYTES = 300_000

names = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)


def _cells(notebook: Path) -> list[dict[str, Any]]:
    cells: list[dict[str, Any]] = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    return cells


def _environment(lab: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "CAMPAIGN_LAB_STORE": str(lab), **more}


def _nbval(notebook: Path, lab: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Strict nbval in a process of its own: every saved output is compared."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--nbval", "--nbval-current-env",
               "--nbval-cell-timeout=300", str(notebook)]  # fmt: skip
    return subprocess.run(
        command, env=_environment(lab, **more), capture_output=True, text=True, check=False, timeout=280
    )


@names
def test_says_the_same_in_a_fresh_lab_and_in_the_lab_that_made_it(notebook: Path, tmp_path: Path) -> None:
    """Strict nbval passes in a fresh lab, and again in that lab with every new turn refused."""
    lab = tmp_path / "lab.duckdb"
    first = _nbval(notebook, lab)
    assert first.returncode == 0, first.stdout[-4000:] + first.stderr[-2000:]
    again = _nbval(notebook, lab, CAMPAIGN_LAB_ON_MISS="refuse")
    assert again.returncode == 0, again.stdout[-4000:] + again.stderr[-2000:]


def test_the_tour_runs_under_papermill_with_another_brief(tmp_path: Path) -> None:
    """Papermill injects another brief, and the table at the end is that brand's."""
    done = tmp_path / "done.ipynb"
    brief = ROOT / "data" / "briefs" / "cairnwold-autumn.toml"
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", "--cwd", str(tmp_path), "-p", "brief_path", str(brief),
               str(ROOT / "notebooks" / "00_tour.ipynb"), str(done)]  # fmt: skip
    run = subprocess.run(
        command, env=_environment(tmp_path / "lab.duckdb"), capture_output=True, text=True, check=False, timeout=280
    )
    assert run.returncode == 0, run.stderr[-3000:]
    (table,) = (cell for cell in _cells(done) if cell["id"] == "compare")
    text = "".join(table["outputs"][0]["data"]["text/html"])
    assert text.count("<tr>") == 1 + 10  # the head, and a row a variant
    assert "Cairnwold" in text or "repair" in text.lower()
    assert "Termwick" not in text


@names
def test_every_code_cell_is_one_call_without_logic(notebook: Path) -> None:
    """No loop, branch or definition stands in a cell; a cell has at most three statements, and ids are readable."""
    code = [cell for cell in _cells(notebook) if cell["cell_type"] == "code"]
    for cell in code:
        tree = ast.parse("".join(cell["source"]), mode="exec")
        assert not any(isinstance(node, LOGIC) for node in ast.walk(tree)), cell["id"]
        assert len(tree.body) <= 3, cell["id"]
        assert cell["id"].replace("-", "").isalpha(), cell["id"]


@names
def test_is_saved_with_outputs_small_and_without_paths(notebook: Path) -> None:
    """Every cell that ends in an expression has its output; nothing tells of the machine that saved it."""
    text = notebook.read_text(encoding="utf-8")
    assert len(text.encode()) <= MOST_BYTES
    assert str(Path.home()) not in text.replace("\\/", "/") or str(Path.home()) == "/"
    assert str(ROOT) not in text
    for cell in _cells(notebook):
        if cell["cell_type"] == "code" and isinstance(ast.parse("".join(cell["source"])).body[-1], ast.Expr):
            assert cell["outputs"], cell["id"]
