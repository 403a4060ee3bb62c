"""The house: rooms of a size that one can look over, no circles among modules, and no noun for two classes."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from graphlib import TopologicalSorter

from support.paths import ROOT

PACKAGE = ROOT / "campaign_lab"
MODULES = {
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts).removesuffix(".__init__"): path
    for path in PACKAGE.rglob("*.py")
}


def imported(module: str) -> Iterator[str]:
    """The modules of ours that a module imports, at its top, within functions, or for the type checker."""
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module in MODULES:
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                yield inner if inner in MODULES else str(node.module)


def test_no_modules_import_each_other_in_a_circle() -> None:
    """There is an order in which every module stands behind all that it imports, lazy imports included."""
    order = TopologicalSorter({name: set(imported(name)) - {name} for name in MODULES})
    assert len(list(order.static_order())) == len(MODULES)


def test_no_folder_holds_more_than_fourteen_modules() -> None:
    """A room can be looked over at a glance."""
    folders = defaultdict(list)
    for path in MODULES.values():
        if path.name != "__init__.py":
            folders[path.parent].append(path.name)
    assert {folder.name: len(names) for folder, names in folders.items() if len(names) > 14} == {}


def test_no_file_is_longer_than_350_lines() -> None:
    """A file can be read in one sitting."""
    lengths = {
        str(path.relative_to(PACKAGE)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES.values()
    }
    assert {name: length for name, length in lengths.items() if length > 350} == {}


def test_no_noun_stands_for_two_classes() -> None:
    """Each class has its name for itself; a leading underscore makes no other word of it."""
    homes = defaultdict(list)
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                homes[node.name.lstrip("_")].append(module)
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}
