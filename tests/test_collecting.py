"""Any folder of tests can be run beside any other: what they share lies in tests/support."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator

import pytest

from support.paths import ROOT

pytestmark = pytest.mark.usefixtures("slow")
TESTS = ROOT / "tests"
SHARED = TESTS / "support"


def imported(text: str) -> Iterator[str]:
    """The modules that a file imports, wherever it does."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


@pytest.mark.usefixtures("process")
@pytest.mark.parametrize("folders", [("store", "panels"), ("show", "figures")], ids=" ".join)
def test_folders_collect_together(folders: tuple[str, str]) -> None:
    """No folder needs another one, or a module that happens to be loaded."""
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", *(f"tests/{folder}" for folder in folders)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout[-2000:]


def test_what_tests_share_lies_in_support() -> None:
    """Beside the tests there are only their fixtures, which pytest finds by itself, and nobody edits the import path."""
    files = [path for path in TESTS.rglob("*.py") if SHARED not in path.parents]
    others = [path for path in files if path.name not in {"conftest.py", "__init__.py"} and path.name[:5] != "test_"]
    assert others == []
    texts = {path: path.read_text(encoding="utf-8") for path in [*files, *SHARED.rglob("*.py")]}
    assert [path for path, text in texts.items() for name in imported(text) if "conftest" in name.split(".")] == []
    assert [path for path, text in texts.items() if "sys." + "path" in text] == []
