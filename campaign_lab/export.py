"""Export: the copy out of the lab, as files for other programs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaign_lab.show.text import plain
from campaign_lab.store.whole_file import whole_file

if TYPE_CHECKING:
    import pandas as pd

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""With these a spreadsheet takes a text for a formula (OWASP, "CSV Injection"); a text of a page or model must not become one."""


def save_csv(frame: pd.DataFrame, path: str | os.PathLike[str]) -> pd.DataFrame:
    """Writes the frame as CSV that spreadsheets open as it is (UTF-8 with a mark), and gives the frame back to be shown.

    An index is written when it says what a row is about, as after a pivot. Texts that a spreadsheet would take for a formula
    get an apostrophe before them, as OWASP advises, in headings too; what steers a terminal or reorders text is left out.
    An error leaves an older file whole. Raises ValueError for a folder that is not there.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise ValueError(f"path: the folder {str(target.parent)!r} does not exist; make it first or choose another one")
    from campaign_lab.tables.readable_frame import is_telling  # brings pandas

    safe = frame.map(_harmless).rename(index=_harmless, columns=_harmless)
    safe = safe.rename_axis(index=_harmless, columns=_harmless)
    with whole_file(target) as draft:
        safe.to_csv(draft, index=is_telling(frame.index), encoding="utf-8-sig")
    return frame


def _harmless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    written = plain(value)
    return f"'{written}" if written.startswith(FORMULA_STARTS) else written
