"""The page of a batch in a browser: it asks nobody for anything, runs nothing, and can be read on any screen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from campaign_lab import Lab
from campaign_lab.batch.report.write import write_report
from campaign_lab.batch.rows import Row
from campaign_lab.store import queries
from support.browser.looks import unreadable
from support.copy_rows import angle, claim, quote, turn, variant
from support.lab_rows import add, session

HOSTILE = "</script></style><img src='https://elsewhere.invalid/x' onerror='window.seen=1'><a href='javascript:window.seen=1'>$x$"


@pytest.fixture
def page_of_a_batch(make_lab: Callable[..., Lab], tmp_path: Path) -> Path:
    """Eight campaigns, folded: with hostile texts, a word without an end, claims that do not stand, and each state."""
    lab = make_lab()
    long = variant(
        HOSTILE, angle=HOSTILE, primary_text="y" * 10_000, description=HOSTILE, claims=[claim("z", quote("z", False))]
    )

    def make(con: queries.Con) -> None:
        base = turn(
            con,
            add(con, session(url="https://a.example/")),
            "t1",
            angle(HOSTILE, core_angle="x" * 900),
            phase="strategy",
        )
        turn(con, base, "t2", long, variant("Sleep well", primary_text="A text. " * 60))

    lab._context.engine.call(make)
    rows = [Row(f"r{n}", f"brand-{n}", HOSTILE, {"angle": "w" * 200}, tips={"main": "t2"}) for n in range(4)]
    rows += [Row(state, state, state=state, error=HOSTILE, notebook="a b.ipynb", cost_usd=None)
             for state in ("failed", "refused", "over budget", "cancelled")]  # type: ignore[arg-type]  # fmt: skip
    write_report(lab._context, rows, tmp_path / "out")
    return tmp_path / "out" / "index.html"


@pytest.mark.parametrize("width", [1280, 600])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_a_batch_is_readable_and_harmless(
    chromium: Any, page_of_a_batch: Path, scheme: str, width: int
) -> None:
    """Nothing but the file itself is asked for, no console error, enough contrast, no word beyond the edge, links that open."""
    page = chromium.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(page_of_a_batch.as_uri())
    assert page.locator("details[open] figure").count() == 0
    page.locator("table.runs a").first.click()
    assert page.locator("#run-1 figure").first.is_visible()
    page.evaluate("document.querySelectorAll('details').forEach(each => each.open = true)")
    assert unreadable(page.locator("body")) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.evaluate("window.seen") is None
    assert asked == [page_of_a_batch.as_uri()]
    assert said == []
    page.close()
