"""The table of copy variants: the same columns and dtypes whatever is in it."""

from __future__ import annotations

from typing import Any

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.compare import COPY_COLUMNS, copy_frame

DTYPES = {
    "session": "str",
    "angle": "str",
    "motivation": "str",
    "headline": "str",
    "primary_text": "str",
    "description": "str",
    "call_to_action": "str",
    "headline_length": "int64",
    "primary_text_length": "int64",
    "description_length": "int64",
    "quotes": "int64",
    "quotes_supported": "int64",
    "endpoint": "str",
}
NAMES = ("session", "angle", "motivation", "headline", "primary_text", "description", "call_to_action", "endpoint")


def row(**fields: Any) -> dict[str, Any]:
    return {**dict.fromkeys(NAMES, "x"), "evidence": [], **fields}


def evidence(*supported: bool | None) -> list[dict[str, Any]]:
    return [{"quote": "q", "url": "u", "supported": each} for each in supported]


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                **dict.fromkeys(NAMES, st.text(max_size=20)),
                "evidence": st.lists(st.none() | st.booleans()).map(lambda e: evidence(*e)),
            }
        ),
        max_size=3,
    )
)
def test_columns_and_dtypes_never_change(rows: list[dict[str, Any]]) -> None:
    """Code that reads the table works on an empty one too, and texts come back as they were."""
    frame = copy_frame(rows)
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == DTYPES
    assert list(frame.columns) == list(DTYPES) == [column.name for column in COPY_COLUMNS]
    assert frame["headline"].tolist() == [each["headline"] for each in rows]


def test_an_empty_table_has_all_columns() -> None:
    """No copy yet is a table without rows, not without columns."""
    frame = copy_frame([])
    assert frame.shape == (0, len(DTYPES))
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == DTYPES
    assert pd.concat([frame, copy_frame([row()])])["quotes"].dtype == "int64"


def test_lengths_count_what_a_reader_sees() -> None:
    """An emoji family is one character, as it is in the advertisement."""
    frame = copy_frame([row(headline="Hi 👨‍👩‍👧‍👦!", primary_text="éé", description="")])
    lengths = [frame[f"{name}_length"].tolist() for name in ("headline", "primary_text", "description")]
    assert lengths == [[5], [2], [0]]


def test_only_quotes_that_stand_count_as_supported() -> None:
    """Neither a refuted nor an unchecked quote supports anything."""
    frame = copy_frame([row(evidence=evidence(True, False, None)), row()])
    assert frame["quotes"].tolist() == [3, 0]
    assert frame["quotes_supported"].tolist() == [1, 0]


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
