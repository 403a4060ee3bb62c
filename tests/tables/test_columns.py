"""The tables: the same columns and dtypes whatever is in them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.checks import limit_of
from campaign_lab.records import RECORD_TYPES, CopyVariant, Record, Text
from campaign_lab.tables.columns import (
    COPY_COLUMNS,
    COVERAGE_COLUMNS,
    DIFF_COLUMNS,
    PAGE_COLUMNS,
    SESSION_COLUMNS,
    TIMELINE_COLUMNS,
    TREE_COLUMNS,
    cost_columns,
    frame,
    record_columns,
)

TEXTS = ("campaign", "session", "lineage", "purpose", "angle", "motivation", "awareness_stage", "headline", "primary_text",
         "description", "call_to_action", "language", "length", "hook", "picture_line", "picture")  # fmt: skip
LENGTHS = ("headline_length", "primary_text_length", "description_length")
COUNTS = ("claims", "claims_supported", "quotes", "quotes_supported", "sentences_carried", "sentences_plain",
          "sentences_to_check")  # fmt: skip
COSTS = ("cost_own_usd", "cost_avoided_usd")
UNPRICED = ("own_unpriced_requests", "avoided_unpriced_requests")
DTYPES = {
    **dict.fromkeys(TEXTS, "str"),
    **dict.fromkeys(LENGTHS, "int64"),
    "over_limit": "str",
    **dict.fromkeys(COUNTS, "int64"),
    "near_duplicate": "str",
    **dict.fromkeys(COSTS, "float64"),
    **dict.fromkeys(("cache", "pick"), "str"),
    "rating": "Int64",
    **dict.fromkeys(("note", "rated_by"), "str"),
    **dict.fromkeys(UNPRICED, "int64"),
    **dict.fromkeys(("endpoint", "id"), "str"),
}
TABLES = {
    "copy": COPY_COLUMNS,
    "sessions": SESSION_COLUMNS,
    "tree": TREE_COLUMNS,
    "diff": DIFF_COLUMNS,
    "coverage": COVERAGE_COLUMNS,
    "timeline": TIMELINE_COLUMNS,
    "pages": PAGE_COLUMNS,
    "costs": cost_columns("user"),
    **{made.kind: record_columns(made) for made in RECORD_TYPES},
}


class Plan(Record):
    """A record of one's own, with figures and a field whose name is taken."""

    kind: ClassVar[str] = "plan"

    name: Text
    days: int
    share: float | None = None
    daring: bool = False
    phase: Text
    steps: tuple[int, ...] = ()


def row(**fields: Any) -> dict[str, Any]:
    texts = dict.fromkeys((name for name, dtype in DTYPES.items() if dtype == "str"), "x")
    return {**texts, **dict.fromkeys((*COUNTS, *UNPRICED), 0), **dict.fromkeys((*COSTS, "rating")), **fields}


def copy_frame(rows: list[dict[str, Any]]) -> pd.DataFrame:
    return frame(rows, COPY_COLUMNS)


def dtypes(table: pd.DataFrame) -> dict[str, str]:
    return {str(name): str(dtype) for name, dtype in table.dtypes.items()}


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
ROWS = st.fixed_dictionaries(
    {
        **dict.fromkeys(TEXTS, texts),
        **dict.fromkeys(COUNTS, st.integers(0, 9)),
        **dict.fromkeys(COSTS, st.none() | st.floats(0, 9)),
        "rating": st.none() | st.integers(1, 5),
        "note": texts,
    }
)


@given(st.lists(ROWS, max_size=3))
def test_columns_and_dtypes_never_change(rows: list[dict[str, Any]]) -> None:
    """Code that reads the table works on an empty one too, and texts and ratings come back as they were."""
    table = copy_frame([row(**each) for each in rows])
    assert dtypes(table) == DTYPES
    assert list(table.columns) == list(DTYPES) == [column.name for column in COPY_COLUMNS]
    assert table["headline"].tolist() == [each["headline"] for each in rows]
    assert [None if pd.isna(each) else each for each in table["rating"]] == [each["rating"] for each in rows]
    assert table["cost_own_usd"].isna().tolist() == [each["cost_own_usd"] is None for each in rows]


def test_an_empty_table_has_all_columns() -> None:
    """No copy yet is a table without rows, not without columns."""
    table = copy_frame([])
    assert table.shape == (0, len(DTYPES))
    assert dtypes(table) == DTYPES
    assert pd.concat([table, copy_frame([row()])])["quotes"].dtype == "int64"


@pytest.mark.parametrize("name", TABLES)
def test_no_table_has_a_column_twice(name: str) -> None:
    """One name a column, and the dtype that the column says, also without rows."""
    columns = TABLES[name]
    table = frame([], columns)
    assert len(set(table.columns)) == len(columns) > 0
    assert dtypes(table) == {column.name: column.dtype for column in columns}


def test_lengths_count_what_a_reader_sees() -> None:
    """An emoji family is one character, as it is in the advertisement."""
    table = copy_frame([row(headline="Hi 👨‍👩‍👧‍👦!", primary_text="éé", description="")])
    assert [table[name].tolist() for name in LENGTHS] == [[5], [2], [0]]


def test_fields_over_their_limit_are_named() -> None:
    """At the recommended length nothing is said, one character more is, unless the text folds; several stand in one row."""
    full = {name: "y" * limit_of(name) for name in ("headline", "primary_text", "description")}
    longer = {name: text + "y" for name, text in full.items()}
    table = copy_frame([row(**full), row(**full | {"headline": longer["headline"]}), row(**longer)])
    assert table["over_limit"].tolist() == ["", "headline", "headline, description"]


def test_a_class_of_ones_own_gives_its_columns() -> None:
    """Figures are figures, missing or not; all else is text; a field whose name is taken keeps both."""
    columns = record_columns(Plan)
    known = {"session": "s", "campaign": "c", "phase": "planning", "label": "l", "claims": 0, "claims_supported": 0,
             "degraded": False, "endpoint": "e", "id": "i"}  # fmt: skip
    full = {"name": "Plan", "days": 3, "share": 0.5, "daring": True, "phase": "second", "steps": "1 · 2"}
    table = frame([known | {"fields": full}, known | {"fields": {}}], columns)
    own = {"name": "str", "days": "Int64", "share": "Float64", "daring": "boolean", "phase_text": "str", "steps": "str"}
    assert {name: dtype for name, dtype in dtypes(table).items() if name in own} == own
    assert [column.name for column in columns] == [
        "session", "campaign", "phase", "label", *own, "claims", "claims_supported", "degraded", "endpoint", "id",
    ]  # fmt: skip
    assert table.loc[0, list(own)].tolist() == ["Plan", 3, 0.5, True, "second", "1 · 2"]
    assert table.loc[1, ["days", "share", "daring"]].isna().all()
    assert table.loc[1, ["name", "phase_text", "steps"]].tolist() == ["", "", ""]


def test_the_claims_of_copy_are_counted_and_told() -> None:
    """Both columns are there: how many, and which."""
    names = [column.name for column in record_columns(CopyVariant)]
    assert names.count("claims") == names.count("claims_text") == 1


def test_a_table_shows_whole_texts_and_escapes_them() -> None:
    """A text of full length stands in the HTML uncut; markup in it is text; a slice of the table shows itself the same way."""
    text = "<script>alert(1)</script> " + "words that go on and on " * 4
    frame = copy_frame([row(primary_text=text.strip()), row()])
    shown = frame[frame["headline"] == frame["headline"][0]][["headline", "primary_text"]]._repr_html_()
    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
    assert ("words that go on and on " * 4).strip() in shown
    assert "primary text" in shown


def test_a_long_table_says_how_much_it_shows() -> None:
    """Two hundred rows are shown, and the number of all."""
    assert "200 of 300 rows are shown" in copy_frame([row()] * 300)._repr_html_()


def test_a_named_index_is_shown_and_a_bare_one_is_not() -> None:
    """After a pivot the index says what the row is about; the row numbers of a filtered table say nothing."""
    table = copy_frame(
        [row(campaign="Rain", motivation="pain", angle="One"), row(campaign="Rain", motivation="", angle="Two")]
    )
    pivoted = table.pivot_table(index="motivation", columns="campaign", values="angle", aggfunc="first")
    assert ">pain<" in pivoted._repr_html_()
    assert ">1<" not in table[["angle"]].query("angle == 'Two'")._repr_html_()


@pytest.mark.parametrize(
    "turned",
    [
        lambda table: table[["claims", "quotes"]].T,
        lambda table: table[["claims", "quotes"]].corr(),
    ],
    ids=["transposed", "correlated"],
)
def test_an_index_of_texts_is_shown(turned: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Whether it has a name or not: without it nobody knows what a row is."""
    table = turned(copy_frame([row(claims=1, quotes=2), row(claims=2, quotes=1)]))
    shown = table._repr_html_()
    assert all(f"<bdi>{label}</bdi>" in shown for label in table.index)


def test_an_index_may_share_its_name_with_a_column() -> None:
    """Both are shown, the index first."""
    table = copy_frame([row(session="Rain", headline="One")]).set_index("session", drop=False)[["session", "headline"]]
    assert re.findall(r"<bdi>(.*?)</bdi>", table._repr_html_()) == ["Rain", "Rain", "One"]


def test_a_cell_may_hold_a_list() -> None:
    """As in a column of one's own."""
    table = copy_frame([row()]).assign(tags=[["One", "Two"]])
    assert "[&#x27;One&#x27;, &#x27;Two&#x27;]" in table._repr_html_()


def test_a_table_can_be_stored_and_read_again(tmp_path: Path) -> None:
    """As a pickle, which caches and workers use; it still shows itself readably."""
    table = copy_frame([row(headline="One")])
    table.to_pickle(tmp_path / "copy.pickle")
    read = pd.read_pickle(tmp_path / "copy.pickle")
    assert read.equals(table)
    assert read._repr_html_() == table._repr_html_()
