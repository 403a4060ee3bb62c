"""The browser tests' JupyterLab and Chromium: one of each for all of them; one page a test."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from browser.jupyter import Jupyter
from browser.lab_page import LabPage

NEEDED = "CAMPAIGN_LAB_NEED_BROWSER"
"""Set to 1 where these tests must not be skipped."""
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
ARGUMENTS = [
    "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]  # fmt: skip
"""No name resolves: whatever our own watch should miss would still not leave this machine."""

OpenNotebook = Callable[[str], LabPage]
FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
    """Notes whether a test failed, so that its page can be kept."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


def _missing() -> str:
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
    """A headless Chromium. Skips where there is none, and fails where there must be one.

    While it is open, playwright's event loop runs in this thread: ``asyncio.run`` cannot be used.
    """
    if missing := _missing():
        if os.environ.get(NEEDED) == "1":
            pytest.fail(f"{missing} ({NEEDED} is 1)")
        pytest.skip(missing)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Any]:
    """The browser of all tests in this folder."""
    with a_chromium() as browser:
        yield browser


@pytest.fixture(scope="package")
def jupyter(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """One JupyterLab for all tests. It waits for the browser: without one it is not started."""
    server = Jupyter(tmp_path_factory.mktemp("jupyter"))
    yield server
    server.stop()


@pytest.fixture(scope="package")
def pages(chromium: Any, jupyter: Jupyter) -> Iterator[list[LabPage]]:
    """The page that the tests take over from one another: none before the first one, and after one that has failed."""
    kept: list[LabPage] = []
    yield kept
    for page in kept:
        page.close()


@pytest.fixture
def open_notebook(
    chromium: Any, jupyter: Jupyter, pages: list[LabPage], request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[OpenNotebook]:
    """Opens the test's notebook. Afterwards nothing may have gone wrong in the page that the test did not ask about."""
    page = pages.pop() if pages else LabPage(chromium, jupyter)
    yield page.open
    if request.node.stash.get(FAILED, False):
        _keep(page, tmp_path / "page")
        page.close()
        jupyter.stop_kernels()
        return
    page.leave()
    page.expect_clean()
    page.forget()
    pages.append(page)


def _keep(page: LabPage, stem: Path) -> None:
    """What is seen and what the notebook holds, for whoever looks into a failure."""
    page.screenshot(stem.with_suffix(".png"))
    stem.with_suffix(".json").write_text(json.dumps(page.notebook(), indent=1))
    print(f"kept: {stem}.png and .json; console: {page.console[:5]}; elsewhere: {page.elsewhere[:5]}")
