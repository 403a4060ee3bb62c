"""Figures: they say what they show, and are read on white and on black."""

from __future__ import annotations

import html
import json
import math
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest

from campaign_lab import Lab
from campaign_lab.figures import cost_waterfall, coverage_map, fork_tree, run_timeline
from campaign_lab.figures.style import AVOIDED, INK, ON_MARKS, PAID, PAPER
from campaign_lab.figures.tree_costs import known
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server.app import RehearsalServer
from campaign_lab.show.cards import STAGES
from campaign_lab.tables.columns import COVERAGE_COLUMNS, TIMELINE_COLUMNS, TREE_COLUMNS, frame
from support.clock import Clock

THEMES = ("#ffffff", "#111111")
KINDS = ("tree", "costs", "coverage", "timeline")
DRAW: dict[str, Callable[[pd.DataFrame], go.Figure]] = {
    "tree": fork_tree, "costs": cost_waterfall, "coverage": coverage_map, "timeline": run_timeline,
}  # fmt: skip
COLUMNS = {"tree": TREE_COLUMNS, "costs": TREE_COLUMNS, "coverage": COVERAGE_COLUMNS, "timeline": TIMELINE_COLUMNS}


def empty(kind: str) -> pd.DataFrame:
    return frame([], COLUMNS[kind])


def json_of(figure: go.Figure) -> str:
    return str(figure.to_json())


def seen(text: str) -> str:
    """What plotly shows for a text of ours: its tags taken out, its entities decoded."""
    return html.unescape(re.sub(r"</?b>", "", text.replace("<br>", " ")))


def title_of(figure: go.Figure) -> str:
    return seen(figure.layout.title.text)


def bars(figure: go.Figure) -> dict[str, tuple[float, str]]:
    """Length and text of the bars of a waterfall by label."""
    labels = [seen(text) for text in figure.layout.yaxis.ticktext]
    return dict(zip(labels, zip(figure.data[0].x, map(seen, figure.data[0].text), strict=True), strict=True))


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_are_read_in_every_theme() -> None:
    """A figure brings its paper along: text has a contrast of 4.5 to 1 on it, marks 3 to 1, and text on marks 4 to 1."""
    assert contrast(INK, PAPER) >= 4.5
    assert contrast(PAID, PAPER) >= 3
    assert contrast(AVOIDED, PAPER) >= 3
    assert contrast(ON_MARKS, PAID) >= 4


def test_no_tone_is_read_on_white_and_on_black() -> None:
    """Why there is a paper: the best of all greys stays below 4.5 to 1 on one of JupyterLab's two backgrounds."""
    greys = [f"#{level:02x}{level:02x}{level:02x}" for level in range(256)]
    assert max(min(contrast(grey, background) for background in THEMES) for grey in greys) < 4.5


@pytest.mark.parametrize("kind", KINDS)
def test_uses_no_other_colours(kind: str, frames: dict[str, pd.DataFrame]) -> None:
    """Every solid colour in a figure is one of those whose contrast is known."""
    found = set(re.findall(r"#[0-9a-fA-F]{6}\b", json_of(DRAW[kind](frames[kind]))))
    assert found <= {INK, PAPER, PAID, AVOIDED, ON_MARKS, "#222222"}  # the last is behind the white text of hover boxes


@pytest.mark.parametrize("kind", KINDS)
def test_is_small_and_stands_on_its_own(kind: str, frames: dict[str, pd.DataFrame]) -> None:
    """Below 20 kB with five forks, on its own paper, with axis titles, and without the template that plotly adds by itself."""
    figure = DRAW[kind](frames[kind])
    written = json.loads(json_of(figure))
    assert len(json_of(figure)) < 20_000
    assert figure.layout.template.layout.paper_bgcolor == PAPER
    assert figure.layout.template.layout.plot_bgcolor == "rgba(0,0,0,0)"
    assert set(written["layout"]["template"]) == {"layout"}
    shown = [axis for name, axis in written["layout"].items() if "axis" in name and axis.get("visible", True)]
    assert shown
    assert all(axis["title"]["text"] for axis in shown if axis.get("ticktext") is None)
    assert figure.layout.height >= 100


@pytest.mark.parametrize("kind", KINDS)
def test_same_frame_same_json(kind: str, frames: dict[str, pd.DataFrame]) -> None:
    """A saved notebook compares equal."""
    assert json_of(DRAW[kind](frames[kind])) == json_of(DRAW[kind](frames[kind].copy()))


@pytest.mark.parametrize("kind", ["tree", "costs"])
def test_does_not_change_with_time(kind: str, grown_file: Path, server: RehearsalServer, tmp_path: Path) -> None:
    """A day later, with everything expired and cold, the fork tree and the costs are drawn alike."""
    path, clock = tmp_path / "lab.duckdb", Clock()
    shutil.copy(grown_file, path)
    lab = Lab(path, user="ana", endpoint=RehearsalEndpoint(server, now=clock), now=clock)
    before = lab.tree(lab.open("main"))
    clock.move(hours=24)
    after = lab.tree(lab.open("main"))
    lab._context.engine.close()
    assert list(before["state"]) != list(after["state"])
    assert json_of(DRAW[kind](before)) == json_of(DRAW[kind](after))


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_frame_says_so(kind: str) -> None:
    """Nothing yet is a figure with a title and a next step, not an error."""
    figure = DRAW[kind](empty(kind))
    assert len(figure.data) == 0
    assert re.search(r"\b(no|nothing)\b", title_of(figure), re.IGNORECASE)
    assert figure.layout.title.subtitle.text


def test_the_tree_shows_every_session(frames: dict[str, pd.DataFrame]) -> None:
    """Each session stands in its row with its name, what it reached by itself, and its own cost."""
    _behind, branches, marks, costs = fork_tree(frames["tree"]).data
    for place, row in enumerate(frames["tree"].to_dict("records")):
        own = row["phases"].split(", ")[row["checkpoint"] :]
        assert marks.y[place] == costs.y[place] == place
        assert row["session"][:30] in seen(marks.text[place])
        assert " → ".join(own) in seen(marks.text[place])
        assert ("nothing run yet" in marks.text[place]) == (not own) == marks.marker.symbol[place].endswith("-open")
        assert seen(costs.text[place]) == (f"${row['cost_usd']:.4f}" if own else "nothing paid")
    assert branches.x.count(None) == len(frames["tree"]) - 1
    assert marks.x[list(frames["tree"]["session"]).index("Copy for it")] == 2


def test_the_tree_tells_kinds_by_shape(frames: dict[str, pd.DataFrame]) -> None:
    """The first session, forks, and forks that a run made differ in shape, and a note names those that are there."""
    tree = frames["tree"].copy()
    tree.loc[1, "automatic"] = True
    figure = fork_tree(tree)
    assert [symbol.removesuffix("-open") for symbol in figure.data[2].marker.symbol[:3]] == [
        "square",
        "diamond",
        "circle",
    ]
    assert "by itself" in figure.layout.title.subtitle.text
    assert "by itself" not in fork_tree(frames["tree"]).layout.title.subtitle.text


@pytest.mark.parametrize("forks", [0, 200])
def test_the_tree_gives_each_row_its_room(forks: int, frames: dict[str, pd.DataFrame]) -> None:
    """One session and two hundred forks both get rows that can be read."""
    tree = frames["tree"]
    one = tree.iloc[1:2]
    many = pd.concat([tree.iloc[:1], *(one.assign(session=f"Angle {number}") for number in range(forks))])
    figure = fork_tree(many)
    margin = figure.layout.margin
    assert (figure.layout.height - margin.t - margin.b) / len(many) >= 20
    assert len(json_of(figure)) < 500 * len(many) + 2_000


def test_the_waterfall_adds_up(frames: dict[str, pd.DataFrame]) -> None:
    """Paid is the sum of all own costs, avoided what the forks that ran carry, and the two together are what it saved from."""
    tree, shown = frames["costs"], bars(cost_waterfall(frames["costs"]))
    ran = tree[tree["session"] != "Ask about the price later"]
    paid, avoided = tree["cost_usd"].sum(), ran["carried_usd"].sum()
    assert shown["Paid in all"][0] == pytest.approx(paid)
    assert shown["Avoided by forking"][0] == pytest.approx(avoided)
    assert shown["Without forks"][0] == pytest.approx(paid + avoided)
    assert [length for length, _ in shown.values()][: len(tree)] == pytest.approx(list(tree["cost_usd"]))
    assert f"{avoided / (paid + avoided):.0%}" in title_of(cost_waterfall(tree))


def test_an_unknown_cost_is_said(frames: dict[str, pd.DataFrame]) -> None:
    """A cost that is not known has no bar and says so; the sums count what has no price beside what is known."""
    tree = frames["tree"].copy()
    tree.loc[1, ["cost_usd", "unpriced_requests"]] = math.nan, 3
    tree.loc[0, "unpriced_requests"] = 1
    shown = bars(cost_waterfall(tree))
    assert list(shown.values())[1] == (0, "3 requests without a price")
    assert shown["Paid in all"] == (
        pytest.approx(tree["cost_usd"].sum()),
        f"${tree['cost_usd'].sum():.4f} and 4 requests without a price",
    )
    assert shown["Without forks"][1].endswith(" and 4 requests without a price")
    assert "not known" in title_of(cost_waterfall(tree))
    assert fork_tree(tree).data[3].text[1] == "3 requests without a price"
    assert "NaN" not in json_of(cost_waterfall(tree)) + json_of(fork_tree(tree))


def test_the_waterfall_groups_many_forks(frames: dict[str, pd.DataFrame]) -> None:
    """Beyond a dozen forks the cheaper ones share one bar, and nothing is lost from the sum."""
    tree = frames["tree"]
    many = pd.concat(
        [tree.iloc[:1], *(tree.iloc[1:2].assign(session=f"Angle {n}", cost_usd=n / 100) for n in range(40))]
    )
    shown = bars(cost_waterfall(many))
    assert shown["28 more forks"][0] == pytest.approx(sum(range(28)) / 100)
    assert shown["Paid in all"][0] == pytest.approx(many["cost_usd"].sum())
    assert len(shown) == 1 + 12 + 1 + 3


def test_the_map_says_how_many_needs_have_no_angle(frames: dict[str, pd.DataFrame]) -> None:
    """The title counts the pains and desires without an angle, and names the stages that nobody speaks to."""
    rows = frames["coverage"]
    needs = rows[rows["need_kind"] != "other"].groupby("need", sort=False)["angles"].sum()
    stages = rows.groupby("awareness_stage", sort=False)["angles"].sum()
    title = title_of(coverage_map(rows))
    assert 0 < (needs == 0).sum() < len(needs)
    assert title.startswith(f"{(needs == 0).sum()} of {len(needs)} needs have no angle")
    assert all((stage in title) == (count == 0) for stage, count in stages.items())


def test_the_map_says_of_each_stage_what_the_cards_say(frames: dict[str, pd.DataFrame]) -> None:
    """The beginning of the same words stands at the head of each column."""
    heads = [seen(text) for text in coverage_map(frames["coverage"]).layout.xaxis.ticktext]
    assert [head.split()[0] for head in heads] == list(STAGES)
    for head, (stage, words) in zip(heads, STAGES.items(), strict=True):
        assert words.startswith(head.removeprefix(stage).strip())


def test_the_map_fills_the_cells_with_angles(frames: dict[str, pd.DataFrame]) -> None:
    """A cell with angles is filled and names them, one without is a hollow mark; the hover box has the whole need."""
    rows = frames["coverage"]
    behind, _words, cells, gaps = coverage_map(rows).data
    assert len(cells.x) == (rows["angles"] > 0).sum()
    assert len(gaps.x) == (rows["angles"] == 0).sum()
    assert gaps.marker.symbol.endswith("-open")
    hovers = {seen(text) for text in cells.hovertext}
    for names in rows.loc[rows["angles"] > 0, "names"]:
        assert any(names in text for text in hovers)
    for need in rows["need"]:
        assert any(" ".join(need.split()) in seen(text) for text in behind.hovertext)


def test_the_timeline_has_a_bar_an_agent(frames: dict[str, pd.DataFrame]) -> None:
    """Each agent's bar begins and ends when it did; the phases head their agents; requests and pages are in the hover box."""
    rows, figure = frames["timeline"].to_dict("records"), run_timeline(frames["timeline"])
    (drawn,) = figure.data
    assert list(drawn.base) == [row["started_s"] for row in rows]
    assert list(drawn.x) == pytest.approx([row["ended_s"] - row["started_s"] for row in rows])
    labels = [seen(text) for text in figure.layout.yaxis.ticktext]
    assert [label for label in labels if label in ("research", "strategy")] == ["research", "strategy"]
    assert len(labels) == len(rows) + 2
    for row, text in zip(rows, drawn.hovertext, strict=True):
        assert f"Requests: {row['requests']} Pages: {row['pages']}" in seen(text)


def test_the_timeline_says_when_a_time_is_not_known(frames: dict[str, pd.DataFrame]) -> None:
    """An agent whose end is not known has no bar."""
    rows = frames["timeline"].copy()
    rows.loc[1, "ended_s"] = math.nan
    (drawn,) = run_timeline(rows).data
    assert drawn.x[1] == 0
    assert drawn.text[1].startswith("time not known")


def test_the_timeline_tells_work_side_by_side() -> None:
    """When agents worked at the same time, the title says how much work was done in how little time."""
    rows = [
        {
            "session": "main",
            "phase": "research",
            "agent": agent,
            "started_s": start,
            "ended_s": end,
            "requests": 1,
            "pages": 1,
        }
        for agent, start, end in (("main agent", 0.0, 10.0), ("a", 1.0, 9.0), ("b", 1.0, 7.0))
    ]
    title = title_of(run_timeline(frame(rows, TIMELINE_COLUMNS)))
    assert title == "research took 10.0 s: its 2 agents did 14.0 s of work side by side in 8.0 s"


def test_known_costs() -> None:
    """None and NaN are costs that are not known; 0 is a known one."""
    assert [known(value) for value in (None, math.nan, 0, 0.5)] == [None, None, 0, 0.5]
