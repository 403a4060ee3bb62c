"""A frame that can be read where it is shown. Imported when the first table is made, because pandas takes its time."""

from __future__ import annotations

from typing import Any

import pandas as pd

from campaign_lab.show import frame_html
from campaign_lab.show.frame import framed
from campaign_lab.show.text import escape_html

WHEN_EMPTY = "campaign_lab: when empty"
"""The attribute of a frame that says what it means when there is nothing in it."""
MOST_ROWS = 200
"""Rows that a frame shows of itself."""


class ReadableFrame(pd.DataFrame):
    """A DataFrame in every way but its HTML: pandas cuts texts, and squeezes them to a word a line."""

    @property
    def _constructor(self) -> type[pd.DataFrame]:
        return ReadableFrame

    def __repr__(self) -> str:
        return self._said() or super().__repr__()

    def _said(self) -> str:
        """What it means that there is nothing in it; empty where there is, or where it only is so."""
        return str(self.attrs.get(WHEN_EMPTY, "")) if not len(self) else ""

    def _repr_html_(self) -> str:
        if said := self._said():
            return framed(f"<p>{escape_html(said)}</p>")
        shown = self.head(MOST_ROWS)
        index = shown.index
        labels = [index.get_level_values(level) for level in range(index.nlevels)] if is_telling(index) else []
        names = ["" if name is None else str(name) for name in (*(label.name for label in labels), *shown.columns)]
        columns = [*labels, *(shown.iloc[:, place] for place in range(shown.shape[1]))]
        rows = [[_shown(value) for value in row] for row in zip(*columns, strict=True)]
        return frame_html(names, rows, len(self))


def is_telling(index: pd.Index[Any]) -> bool:
    """Does the index say what a row is about, as after a pivot? Bare row numbers do not."""
    return index.nlevels > 1 or index.name is not None or not pd.api.types.is_integer_dtype(index.dtype)


def _shown(value: Any) -> Any:
    """Times without seconds; what is missing as nothing."""
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return ""
    return f"{value:%Y-%m-%d %H:%M}" if hasattr(value, "strftime") else value
