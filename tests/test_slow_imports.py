"""Imports that are put off: they are not paid for by who does not use them, and do the same for who does."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import sys
import campaign_lab, jsonschema
assert "rfc3987_syntax.syntax_helpers" not in sys.modules
checker = jsonschema.FormatChecker()
assert checker.conforms("https://é.example/ü", "iri")
assert not checker.conforms("no iri", "iri")
assert "rfc3987_syntax.syntax_helpers" in sys.modules
from rfc3987_syntax import is_valid_syntax, parse
assert is_valid_syntax.__module__ == "rfc3987_syntax.syntax_helpers"
"""


@pytest.mark.usefixtures("process")
def test_rehearsal_answers_without_the_client_library() -> None:
    """The server starts without the library ``anthropic``: its models take more than a second to import in each process."""
    script = "import sys, campaign_lab.rehearsal.server.app; assert 'anthropic' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("process")
def test_the_grammar_of_iris_is_loaded_when_an_iri_is_checked() -> None:
    """The library jsonschema loads without it, judges as before, and then the library itself stands in its place."""
    pytest.importorskip("rfc3987_syntax", reason="it comes with JupyterLab")
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
