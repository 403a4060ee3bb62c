"""Texts in figures: what people, pages and models wrote is shown letter by letter, and means nothing to plotly."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.figures import cost_waterfall, coverage_map, fork_tree, run_timeline
from campaign_lab.figures.style import plain, wrapped
from support.browser.chromium import a_chromium

KINDS = ("tree", "costs", "coverage", "timeline")
DRAW: dict[str, Callable[[pd.DataFrame], go.Figure]] = {
    "tree": fork_tree, "costs": cost_waterfall, "coverage": coverage_map, "timeline": run_timeline,
}  # fmt: skip
HOSTILE = (
    "$x^2$ and $y$", "<a href='javascript:alert(1)'>link</a>", "<img src=x onerror=alert(1)>", "%{y} %{customdata[0]}",
    "&lt;b&gt; &amp;amp; &#36;", "\x1b[31mred\x1b[0m \x07\u202ebidi", "</script><script>alert(1)</script>", "<b>bold<br>",
)  # fmt: skip


def texts_of(figure: go.Figure) -> list[str]:
    """All strings that plotly may show."""

    def walk(value: Any) -> list[str]:
        if isinstance(value, dict):
            return [text for each in value.values() for text in walk(each)]
        if isinstance(value, list):
            return [text for each in value for text in walk(each)]
        return [value] if isinstance(value, str) else []

    return walk(json.loads(figure.to_json()))


@given(st.text() | st.lists(st.sampled_from(HOSTILE)).map(" ".join))
def test_plain_text_means_nothing_to_plotly(text: str) -> None:
    """No tag, no entity but ours, no LaTeX; and plotly, which decodes the entities, shows what a reader would read."""
    shown = plain(text)
    assert not re.search("[<>$]", shown)
    assert re.sub("&(amp|lt|gt|#36);", "", shown).count("&") == 0
    assert all(sign.isprintable() or sign.isspace() or sign in text for sign in html.unescape(shown))
    assert plain(html.unescape(shown)) == shown


@given(st.text(), st.integers(4, 40), st.integers(1, 3))
def test_wrapped_text_keeps_to_its_room(text: str, width: int, lines: int) -> None:
    """Not more lines and not longer ones than asked for, whatever entities stand in them."""
    found = wrapped(text, width, lines).split("<br>")
    assert len(found) <= lines
    assert all(len(html.unescape(line)) <= width for line in found)


def hostile(kind: str, frames: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """A frame in which every text that comes from people, pages and models is hostile."""
    rows = frames[kind].copy()
    if kind in ("tree", "costs"):
        names = dict(zip(rows["session"], [" ".join(HOSTILE)] + [text * 2 for text in HOSTILE], strict=False))
        rows["session"], rows["parent"] = rows["session"].map(names), rows["parent"].map(names).fillna("")
        rows["purpose"] = "purpose " + rows["session"]
    elif kind == "coverage":
        rows["need"] = [HOSTILE[place // 5 % len(HOSTILE)] + str(place // 5) for place in range(len(rows))]
        rows.loc[rows["angles"] > 0, "names"] = HOSTILE[0] + HOSTILE[1]
    else:
        rows["agent"] = [HOSTILE[place % len(HOSTILE)] for place in range(len(rows))]
    return rows


@pytest.mark.parametrize("kind", KINDS)
def test_hostile_texts_reach_no_template(kind: str, frames: dict[str, pd.DataFrame]) -> None:
    """No string in a figure holds a tag but bold and line breaks, or two dollar signs; there are no templates to fill in."""
    figure = DRAW[kind](hostile(kind, frames))
    assert not re.search(r'"(hover|text)template"', str(figure.to_json()))
    for text in texts_of(figure):
        assert set(re.findall(r"<[^>]*>", text)) <= {"<b>", "</b>", "<br>"}
        assert not re.search(r"\$[^$]*\$", text)


TYPESETTER = """<script>
window.typeset = [];
window.MathJax = {version: '3.2.2', config: {}, get _() { window.typeset.push('asked'); throw new Error('typeset') }};
</script>"""
"""Stands where MathJax would: plotly asks it for its parts as soon as a text looks like LaTeX."""


def test_a_browser_shows_hostile_texts_letter_by_letter(
    browser: None, frames: dict[str, pd.DataFrame], tmp_path: Path
) -> None:
    """In Chromium with MathJax there: nothing runs, no link, nothing is typeset, and the names are read as they are."""
    figures = [DRAW[kind](hostile(kind, frames)) for kind in KINDS]
    parts = [figure.to_html(full_html=False, include_plotlyjs=place == 0) for place, figure in enumerate(figures)]
    (tmp_path / "page.html").write_text(f"<meta charset='utf-8'>{TYPESETTER}{''.join(parts)}", encoding="utf-8")
    gone_wrong: list[str] = []
    with a_chromium() as chromium:
        page = chromium.new_page()
        page.on("dialog", lambda dialog: (gone_wrong.append(dialog.message), dialog.dismiss()))
        page.on("pageerror", lambda error: gone_wrong.append(str(error)))
        page.goto(f"file://{tmp_path}/page.html")
        page.wait_for_function("() => document.querySelectorAll('.gtitle').length === 4")
        assert page.evaluate("() => window.typeset") == []
        assert page.locator("svg a").count() == page.locator(".js-plotly-plot img").count() == 0
        words = page.evaluate("() => [...document.querySelectorAll('svg text')].map(each => each.textContent)")
        for text in ("$x^2$ and $y$", "<b>bold<br>", "%{y} %{customdata[0]}", "&lt;b&gt; &amp;amp; &#36;"):
            assert any(text in word for word in words), text
        page.mouse.move(*page.evaluate(FIRST_MARK))
        page.wait_for_selector(".hovertext text")
        assert "<a href='javascript:alert(1)'>" in page.locator(".hovertext text").first.text_content()
    assert gone_wrong == []


FIRST_MARK = """() => {
    const box = document.querySelector('.scatterlayer .point').getBoundingClientRect();
    return [box.x + box.width / 2, box.y + box.height / 2] }"""
