"""A headless Chromium from which no request leaves this machine."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from support.browser.lab_page import LabPage

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]  # fmt: skip
"""No name resolves: whatever our own watch should miss would still not leave this machine."""

OpenNotebook: TypeAlias = Callable[[str], LabPage]


def chromium_missing() -> str:
    """Why there is no browser to test in; empty when there is one."""
    if CHROMIUM is None:
        return "Chromium is not installed: apt-get install chromium"
    try:
        import playwright.sync_api  # noqa: F401  # only asked whether it is there
    except ImportError:
        return "playwright is not installed: pip install playwright"
    return ""


@contextmanager
def a_chromium() -> Iterator[Any]:
    """A headless Chromium, for a fixture that asks for ``browser``.

    While it is open, playwright's event loop runs in this thread: ``asyncio.run`` cannot be used.
    """
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()
