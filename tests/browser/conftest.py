"""The browser tests' JupyterLab and Chromium: one of each for all of them; one page a test."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.browser.chromium import OpenNotebook, a_chromium
from support.browser.jupyter import Jupyter
from support.browser.lab_page import LabPage
from support.older.files import VERSIONS, Older

FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[Any]) -> Any:
    """Notes whether a test failed, so that its page can be kept."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report


@pytest.fixture(scope="package")
def chromium(browser: None) -> Iterator[Any]:
    """The browser of all tests in this folder."""
    with a_chromium() as started:
        yield started


@pytest.fixture(scope="package")
def jupyter(chromium: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Jupyter]:
    """One JupyterLab for all tests, in whose lab the notebooks were run before. It waits for the browser."""
    server = Jupyter(tmp_path_factory.mktemp("jupyter"), Older(VERSIONS[0]).kept_notebooks)
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
