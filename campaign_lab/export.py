"""Export: the copy out of the lab, as files for other programs. The only place above the store that writes files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""With these a spreadsheet takes a text for a formula (OWASP, "CSV Injection"); a text of a page or model must not become one."""


def save_csv(frame: pd.DataFrame, path: str | os.PathLike[str]) -> pd.DataFrame:
    """Writes the frame as CSV that spreadsheets open as it is (UTF-8 with a mark), and gives the frame back to be shown.

    Texts that a spreadsheet would take for a formula get an apostrophe before them, as OWASP advises. The file is written
    beside the target first, so that an error leaves an older file whole. Raises ValueError for a folder that is not there.
    """
    target = Path(path)
    if not target.parent.is_dir():
        raise ValueError(f"path: the folder {str(target.parent)!r} does not exist; make it first or choose another one")
    beside = target.with_name(f".{target.name}.part")
    frame.map(_harmless).to_csv(beside, index=False, encoding="utf-8-sig")
    beside.replace(target)
    return frame


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_STARTS) else value
