"""Puts off an import that takes a second in each process and is hardly ever needed.

The SDK and nbformat import jsonschema, which imports rfc3987_syntax where that is installed, as with JupyterLab. It compiles the
grammar of RFC 3987 when it is imported, and jsonschema asks it only about values of the formats "iri" and "iri-reference".
"""

from __future__ import annotations

import sys
from importlib import import_module
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

NAME = "rfc3987_syntax"


def put_off_iri_grammar() -> None:
    """Puts a module in the place of rfc3987_syntax that loads it when it is used. Does nothing where it is loaded or missing."""
    if NAME in sys.modules or PathFinder.find_spec(NAME) is None:
        return
    deferred = ModuleType(NAME)

    def loaded() -> ModuleType:
        if sys.modules.get(NAME) is deferred:
            del sys.modules[NAME]
        return import_module(NAME)

    def is_valid_syntax(term: str, value: str) -> bool:
        return bool(loaded().is_valid_syntax(term=term, value=value))

    def attribute(name: str) -> Any:
        if name.startswith("__"):  # inspect asks each module for its file
            raise AttributeError(name)
        return getattr(loaded(), name)

    vars(deferred).update(is_valid_syntax=is_valid_syntax, __getattr__=attribute)
    sys.modules[NAME] = deferred
