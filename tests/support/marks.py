"""The marks of the tests. Nobody sets them by hand: a test has those of the fixtures below that it asks for, directly or not."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import pytest

MARKS = {
    "process": "starts processes: the CLI of a real turn, kernels, commands",
    "postgres": "needs PostgreSQL's programs",
    "browser": "needs Chromium and playwright",
    "slow": "takes more than some ten seconds",
}
QUICK = "not (postgres or browser or slow)"
"""What runs when neither a path nor ``-m`` is given."""
ALL = os.environ.get("CAMPAIGN_LAB_TESTS") == "all"
"""Everything runs, and what a test needs must be there."""
STARTS = {"subprocess.Popen", "os.fork", "os.forkpty", "os.posix_spawn"}
"""The audit events of a process that starts."""

started: list[str] = []
"""The processes that this one has started, newest last."""


def missing(what: str) -> None:
    """Skips the test because something is not installed here; fails it where everything has to run."""
    if ALL:
        pytest.fail(f"{what} (CAMPAIGN_LAB_TESTS is all)")
    pytest.skip(what)


def choose(config: pytest.Config) -> None:
    """Registers the marks. Without a path and without ``-m``, only the quick tests run, unless all are asked for."""
    for name, meaning in MARKS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    if not ALL and not config.option.markexpr and config.args_source is config.ArgsSource.TESTPATHS:
        config.option.markexpr = QUICK


def mark(items: Sequence[pytest.Item]) -> None:
    """Gives each test the marks of its fixtures."""
    for item in items:
        for name in MARKS.keys() & set(getattr(item, "fixturenames", ())):
            item.add_marker(name)


def _heard(event: str, arguments: tuple[object, ...]) -> None:
    if event in STARTS:
        started.append(f"{event} {arguments[0] if arguments else ''}")


sys.addaudithook(_heard)
