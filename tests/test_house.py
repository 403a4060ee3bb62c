"""The rules of the house that no linter holds."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import campaign_lab

PACKAGE = Path(campaign_lab.__file__).parent


def modules() -> dict[str, Path]:
    """By dotted name, the files of the package."""
    files = {path: path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py")}
    return {".".join(name.parts).removesuffix(".__init__"): path for path, name in files.items()}


def imported(path: Path, known: dict[str, Path]) -> Iterator[str]:
    """The modules of the package that a file imports, also inside functions and for types only."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known:
            for alias in node.names:
                child = f"{node.module}.{alias.name}"
                yield child if child in known else node.module


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Lazy imports and those for types count, too. A package's ``__init__`` that loads names on demand imports nothing."""
    known = modules()
    graph = {name: set(imported(path, known)) - {name} for name, path in known.items() if path.name != "__init__.py"}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as found:
        raise AssertionError(" -> ".join(reversed(found.args[1]))) from None
