"""The report of a batch: what every run made, as far as it came, as a page without scripts and as a table."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
import pytest

from campaign_lab import Lab
from campaign_lab.batch.report.overview import MOST_ADS
from campaign_lab.batch.report.summary import best_by_angle
from campaign_lab.batch.report.write import write_report
from campaign_lab.batch.rows import UNPRICED, Row
from campaign_lab.store import queries
from campaign_lab.tables.columns import COPY_COLUMNS
from support.copy_rows import angle, claim, quote, said, turn, variant
from support.lab_rows import add, fork, session
from support.labs import MakeLab

HOSTILE = "</script></style><img src=//elsewhere.invalid/x onerror=alert(1)>\x1b[31m \u202e&amp; $x$ <!--"
DONE = datetime(2026, 11, 22, 12, 7, tzinfo=UTC)


class Page(HTMLParser):
    """The tags, links and text of a page."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.names: set[str] = set()
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag."""
        self.tags.append(tag)
        given = dict(attrs)
        self.names |= set(given)
        self.links += [given["href"] or ""] if tag == "a" else []
        self.ids |= {given["id"] or ""} if "id" in given else set()

    def handle_data(self, data: str) -> None:
        """Text, but not the style sheet."""
        self.text += data if self.cdata_elem is None else ""


def report(lab: Lab, rows: list[Row], out: Path) -> Page:
    write_report(lab._context, rows, out)
    return Page((out / "index.html").read_text(encoding="utf-8"))


def table(out: Path) -> Any:
    return duckdb.read_parquet(str(out / "summary.parquet"))


def two_directions(lab: Lab) -> list[Row]:
    """A session with copy, and a fork of its strategy with copy of its own: the rows of two runs over one angle each."""

    def make(con: queries.Con) -> None:
        base = turn(con, add(con, session(url="https://a.example/")), "t1", angle("Calm"), phase="strategy")
        turn(con, base, "t2", variant("Sleep well", claims=[claim("Two thirds sleep")]), variant("Wake up well"))
        turn(con, add(con, fork(base, "Bolder")), "t3", variant("Be bold"))

    lab._context.engine.call(make)
    own = Row("a", "a", "Spring", {"angle": ""}, "finished", 0.25, 0.05, 0.1, 90.0, 3, 1, "a.ipynb", ended_at=DONE)
    own = replace(own, sessions=("main",), tips={"main": "t2"}, started_at=DONE.replace(minute=2))
    return [own, replace(own, run="b", parameters={"angle": "Bolder"}, notebook="b c#d.ipynb", cost_usd=None,
                         sessions=("main", "Bolder"), tips={"main": "t1", "Bolder": "t3"})]  # fmt: skip


def test_the_table_has_a_row_for_each_text_of_each_run(make_lab: MakeLab, tmp_path: Path) -> None:
    """A run has what it made, and not what another run made later of the session that both begin with."""
    lab = make_lab()
    report(lab, two_directions(lab), tmp_path)
    read = table(tmp_path)
    assert read.columns == [
        "run", "brief", "state", "param_angle", "paid_usd", "cut_usd", "replayed_usd", *(column.name for column in COPY_COLUMNS),
        *UNPRICED,
    ]  # fmt: skip
    rows = read.project(
        "run, state, param_angle, paid_usd, cut_usd, session, headline, claims_supported, rating"
    ).fetchall()
    assert rows == [
        ("a", "finished", "", 0.25, 0.05, "main", "Sleep well", 1, None),
        ("a", "finished", "", 0.25, 0.05, "main", "Wake up well", 0, None),
        ("b", "finished", "Bolder", None, 0.05, "Bolder", "Be bold", 0, None),
    ]
    assert str(read.project("rating").types[0]) == "BIGINT"


def test_parameters_keep_their_types_where_they_have_one(make_lab: MakeLab, tmp_path: Path) -> None:
    """Whole numbers and truth values stay what they are; lists, mixed values and too large numbers are text."""
    lab = make_lab()
    one, other = two_directions(lab)
    given = [{"n": 1, "on": True, "mixed": 1, "list": ["a"], "big": 2**70}, {"n": 2, "mixed": "x"}]
    report(lab, [replace(row, parameters=each) for row, each in zip((one, other), given, strict=True)], tmp_path)
    read = table(tmp_path).project("param_n, param_on, param_mixed, param_list, param_big")
    assert [str(kind) for kind in read.types] == ["BIGINT", "BOOLEAN", "VARCHAR", "VARCHAR", "VARCHAR"]
    assert read.fetchall()[1:] == [(1, True, "1", '["a"]', str(2**70)), (2, None, '"x"', None, None)]


def test_the_page_tells_of_each_run_and_of_all_of_them(make_lab: MakeLab, tmp_path: Path) -> None:
    """States, sums, parameters, links to the notebooks, and rehearsal, in words."""
    lab = make_lab()
    page = report(lab, two_directions(lab), tmp_path)
    for words in ("2 finished", "$0.2500 and 1 request without a price",
                  "$0.2000", "2026-11-22 12:02 to 2026-11-22 12:07 UTC", "rehearsal", "1 of 1",
                  "angle: Bolder", "angle: none", "1 request without a price", "3.0", "Sleep well", "Be bold",
                  "3texts for 1 campaign"):  # fmt: skip
        assert words in page.text, words
    assert [unquote(link) for link in page.links if not link.startswith("#")] == ["a.ipynb", "b c#d.ipynb"]
    assert {link[1:] for link in page.links if link.startswith("#")} == page.ids


def test_what_failed_is_told_first_and_shows_how_far_it_came(make_lab: MakeLab, tmp_path: Path) -> None:
    """A refused brief, a run that stopped after its angles, and one whose session is gone: each with its reason."""
    lab = make_lab()
    (row, _) = two_directions(lab)
    rows = [
        Row("x", "x", state="refused", error="url: 'ftp://x' is not allowed"),
        replace(
            row, run="y", state="failed", error="TurnFailed: no answer", cell="copy-a", tips={"main": "t1"}, attempts=3
        ),
        replace(row, run="z", state="over budget", tips={"gone": "t9"}, changed="brief: audience"),
        Row("w", "w", state="cancelled"),
    ]
    page = report(lab, rows, tmp_path)
    for words in ("Needs a look", "refused. url: 'ftp://x' is not allowed", "failed in the cell copy-a. TurnFailed: no answer",
                  "Its angles, without copy yet:", "Calm", "3 tries", "ran again: brief: audience",
                  "Nothing was found yet."):  # fmt: skip
        assert words in page.text, words
    assert page.text.index("Needs a look") < page.text.index("Runs")
    assert table(tmp_path).fetchall() == []


def test_a_batch_of_nothing_has_a_page_and_a_table(make_lab: MakeLab, tmp_path: Path) -> None:
    """No run yet: it is said, and the table has its columns."""
    page = report(make_lab(), [], tmp_path / "new")
    assert "No run is in this batch yet." in page.text
    assert table(tmp_path / "new").columns[:3] == ["run", "brief", "state"]
    assert sorted(os.listdir(tmp_path / "new")) == ["index.html", "summary.parquet"]


def test_hostile_texts_stay_texts_and_long_ones_are_cut(make_lab: MakeLab, tmp_path: Path) -> None:
    """Names, errors, parameters and copy that look like markup or steer a terminal add no tag, attribute or link of theirs."""
    lab = make_lab()
    long = variant(
        HOSTILE, primary_text="y" * 10_000, angle=HOSTILE, description=HOSTILE, claims=[claim("z", quote("z", False))]
    )

    def make(con: queries.Con) -> None:
        base = turn(
            con, add(con, session(url="https://a.example/")), "t1", angle(HOSTILE, core_angle=HOSTILE), phase="strategy"
        )
        turn(con, base, "t2", long)

    lab._context.engine.call(make)
    row = Row("a", HOSTILE, HOSTILE, {"angle": HOSTILE}, "failed", error=HOSTILE * 50, cell=HOSTILE, changed=HOSTILE)
    page = report(lab, [replace(row, notebook=f"{HOSTILE}.ipynb", tips={"main": "t2"})], tmp_path)
    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    assert {"script", "img", "iframe", "object", "form", "base"}.isdisjoint(page.tags)
    assert page.names <= {"lang", "charset", "http-equiv", "content", "name", "rel", "href", "class", "style", "scope", "open",
                          "id", "colspan", "title", "dir"}  # fmt: skip
    assert [link for link in page.links if link[0] != "#" and "/" in link] == []
    assert "<img src=//elsewhere.invalid/x onerror=alert(1)>" in page.text
    assert not {"\x1b", "\u202e"} & set(html)
    assert page.text.count("y" * 499) == 0 < page.text.count("y" * 300)
    assert table(tmp_path).project("primary_text").fetchall() == [("y" * 10_000,)]


def test_many_advertisements_are_lines_of_a_table(make_lab: MakeLab, tmp_path: Path) -> None:
    """Up to a number they look like advertisements; above it the page stays small, and still has each of them."""
    lab = make_lab()
    names = [f"Angle {n}" for n in range(20)]

    def make(con: queries.Con) -> None:
        turn(con, add(con, session()), "t1", *(variant(f"Sleep well {name}", angle=name) for name in names))

    lab._context.engine.call(make)
    rows = [Row(f"r{n}", f"b{n}", state="finished", tips={"main": "t1"}) for n in range(MOST_ADS // 20 + 1)]
    assert report(lab, rows[:-1], tmp_path).tags.count("figure") == MOST_ADS
    assert (tmp_path / "index.html").stat().st_size < 1_000_000
    many = report(lab, rows, tmp_path)
    assert "figure" not in many.tags
    assert many.text.count("Sleep well") == MOST_ADS + 20


def test_the_text_that_people_chose_is_the_one_shown(make_lab: MakeLab, tmp_path: Path) -> None:
    """A pick comes before a better text, a rejected one last; of equals the first stands."""
    lab = make_lab()
    rows = two_directions(lab)[:1]
    assert "Sleep well" in report(lab, rows, tmp_path).text.split("Campaigns")[1]
    lab._context.engine.call(lambda con: queries.insert(con, [said("t2", 1, pick="pick", rating=4)]))
    shown = report(lab, rows, tmp_path).text.split("Campaigns")[1]
    assert "Wake up well" in shown
    assert "Sleep well" not in shown
    assert "✓ picked · rating 4" in shown


@pytest.mark.parametrize(
    ("worse", "better"),
    [({"pick": "reject"}, {}), ({"rating": 2}, {}), ({}, {"rating": 4}), ({"claims_supported": 1}, {}),
     ({"over_limit": "headline"}, {}), ({"near_duplicate": "x"}, {})],
)  # fmt: skip
def test_the_better_of_two_texts_is_shown(worse: dict[str, Any], better: dict[str, Any]) -> None:
    """Judgements count first, then what the checks say."""
    plain = {
        "angle": "A",
        "pick": "",
        "rating": None,
        "claims": 2,
        "claims_supported": 2,
        "over_limit": "",
        "near_duplicate": "",
    }
    rows = [{**plain, **worse, "n": 1}, {**plain, **better, "n": 2}]
    assert best_by_angle(rows)["A"]["n"] == 2
    assert best_by_angle([plain | {"n": 1}, plain | {"n": 2}])["A"]["n"] == 1


def test_a_real_campaign_is_shown_with_its_brand(lab_of: MakeLab, tmp_path: Path) -> None:
    """A researched session whose copy failed: brand, address and five angles with their ideas."""
    lab = lab_of()
    main = lab.open("main")
    first, tip = (checkpoint.turn_id for checkpoint in main.checkpoints()[1:])
    page = report(lab, [Row("t", "termwick", "Spring renewals", state="failed", tips={main.id: str(tip)})], tmp_path)
    assert "Termwick · termwick.example" in page.text
    assert all(angle.label() in page.text for angle in main.records("angle"))
    only = report(lab, [Row("t", "termwick", "Spring renewals", state="failed", tips={main.id: str(first)})], tmp_path)
    assert "It has found: 1 brand profile, 1 customer insight, 2 competitor profiles." in only.text


def test_an_error_leaves_the_older_page_whole(make_lab: MakeLab, tmp_path: Path) -> None:
    """A page that cannot be put in its place leaves no half of it behind."""
    lab = make_lab()
    out = tmp_path / "out"
    (out / "index.html").mkdir(parents=True)
    with pytest.raises(OSError, match=r"index\.html"):
        write_report(lab._context, [], out)
    assert sorted(os.listdir(out)) == ["index.html", "summary.parquet"]
