"""Reads the briefs of a batch from a table, a folder, files, or Brief objects. A bad brief stops no other."""

from __future__ import annotations

import csv
import io
import os
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from campaign_lab.brief import FILLED_IN, Brief, origin_of, site_beside
from campaign_lab.errors import BriefError
from campaign_lab.show.text import one_line, plain

if TYPE_CHECKING:
    import pandas as pd

OneBrief: TypeAlias = str | os.PathLike[str] | Brief
Briefs: TypeAlias = "OneBrief | pd.DataFrame | Sequence[OneBrief]"

BRIEF_FILES = (".toml", ".yaml", ".yml")
TABLE_FILES = (".csv", ".tsv")
ABOVE = re.compile(r"(?:[^\S\n]*\n)*(?:sep=.\r?\n)?(?:[^\S\n]*\n)*", re.IGNORECASE)
"""Lines that may come before a table: empty ones, and Excel's line that names the delimiter."""
LISTS = ("competitors", "placements", "special_ad_categories")
"""Fields of a brief that are lists: in a table their items share one cell, with ; or | between them."""
FIELDS = tuple(name for name in Brief.model_fields if name not in FILLED_IN)


@dataclass(frozen=True)
class BriefSource:
    """A brief, or in one line what is wrong with it. ``name`` is for people; ``toml`` is the brief as a file of its own.

    ``identity`` distinguishes sources with the same name, and stays the same when they are read again.
    """

    name: str
    brief: Brief | None
    problem: str = ""
    toml: str = field(default="", repr=False)
    identity: str = field(default="", repr=False)


def read_briefs(source: Briefs) -> list[BriefSource]:
    """Returns the briefs of a table (CSV, TSV or a frame, with fields of Brief as columns), a folder, a file, or a list.

    A list holds files, web addresses and Brief objects. Folders of saved pages are relative to the file that names them.
    Raises BriefError when the source as a whole cannot be read.
    """
    frame = getattr(sys.modules.get("pandas"), "DataFrame", None)  # another thread may be about to import it
    if frame is not None and isinstance(source, frame):
        return _of_frame(cast("pd.DataFrame", source))
    if isinstance(source, Brief) or (isinstance(source, str) and "://" in source):
        return [_of_one(source)]
    if isinstance(source, str | os.PathLike):
        return _of_path(Path(source))
    return [_of_one(one) for one in cast("Sequence[OneBrief]", source)]


def _of_path(path: Path) -> list[BriefSource]:
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.suffix.lower() in BRIEF_FILES and one.is_file())
        if not files:
            raise BriefError((f"there is no brief in it; expected {', '.join(BRIEF_FILES)} files",), str(path))
        return [_of_file(file, identity=file.name) for file in files]
    if path.suffix.lower() in TABLE_FILES:
        return _of_csv(path)
    if not path.is_file():
        expected = "a CSV file, a folder of briefs, or a brief"
        raise BriefError((f"there is no such file or folder; expected {expected}",), str(path))
    return [_of_file(path, identity=path.name)]


def _of_one(one: OneBrief) -> BriefSource:
    if isinstance(one, Brief):
        return _known(one.campaign, one, one.to_json())
    if isinstance(one, str) and "://" in one:
        return _source(lambda: Brief(url=one), one, name=lambda brief: brief.campaign, identity=one)
    return _of_file(Path(one), identity=os.path.abspath(one))


def _of_file(path: Path, *, identity: str) -> BriefSource:
    return _source(lambda: Brief.load(path), path.stem, name=lambda _: path.stem, identity=identity)


def _source(read: Callable[[], Brief], otherwise: str, *, name: Callable[[Brief], str], identity: str) -> BriefSource:
    """Returns the brief; if it cannot be read, the problem, under the name ``otherwise``."""
    try:
        brief = read()
    except BriefError as error:
        return BriefSource(plain(otherwise), None, one_line("; ".join(error.problems)), identity=identity)
    return _known(name(brief), brief, identity)


def _known(name: str, brief: Brief, identity: str) -> BriefSource:
    return BriefSource(plain(name), brief, "", as_toml(brief), identity)


# -- tables


def _of_frame(table: pd.DataFrame) -> list[BriefSource]:
    """Returns the briefs of a frame. Its cells may hold lists; missing cells are left out."""
    names = [str(name).strip().lower() for name in table.columns]
    cells = table.astype(object).where(table.notna(), None)
    rows = [dict(zip(names, row, strict=True)) for row in cells.itertuples(index=False, name=None)]
    columns = _columns(names, rows, "the frame")
    return [_of_row(row, columns, place=f"row {n}", folder=Path()) for n, row in enumerate(rows, 1)]


def _of_csv(path: Path) -> list[BriefSource]:
    """Returns the briefs of a table. Its first line names the fields; the delimiter is a comma, a semicolon or a tab.

    Empty lines before it, and Excel's ``sep=;``, are skipped.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        above = ABOVE.match(text)
        assert above is not None  # it matches nothing, too
        skipped, text = above[0], text[above.end() :]
        heads = next(iter(text.splitlines()), "")
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(heads), strict=True)
        lines = [(reader.line_num + skipped.count("\n"), cells) for cells in reader]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BriefError((f"the table cannot be read ({error}); save it as CSV in UTF-8",), str(path)) from None
    names = [name.strip().lower() for name in lines[0][1]] if lines else []
    filled = [(n, cells) for n, cells in lines[1:] if any(cell.strip() for cell in cells)]
    rows = [dict(zip(names, cells, strict=False)) for _, cells in filled]
    columns = _columns(names, rows, str(path))
    if not rows:
        raise BriefError(("the table has no rows; expected one a brief, below the names of the fields",), str(path))
    return [
        _of_row(row, columns, place=f"line {n}", folder=path.parent, surplus=len(cells) - len(names))
        for row, (n, cells) in zip(rows, filled, strict=True)
    ]


def _delimiter(heads: str) -> str:
    """Returns the delimiter: the character that separates the most fields of a brief in the first line."""
    return max(",;\t", key=lambda sign: sum(cell.strip(' "').lower() in FIELDS for cell in heads.split(sign)))


def _columns(names: Sequence[str], rows: Sequence[Mapping[str, Any]], where: str) -> list[str]:
    """Returns the columns that are fields, without empty columns that have no name. Raises BriefError for any other."""
    filled = [name for name in names if name or any(not _empty(row.get(name)) for row in rows)]
    unknown = [name for name in filled if name not in FIELDS]
    twice = {name for name in filled if filled.count(name) > 1}
    problems = [f"{plain(name)[:80]!r}: there is no such field" for name in unknown]
    problems += [f"{name}: the column is there more than once" for name in sorted(twice - set(unknown))]
    if "url" not in filled:
        problems.append("url: the column is missing")
    if problems:
        raise BriefError((*problems[:8], f"known fields: {', '.join(FIELDS)}"), where)
    return filled


def _of_row(
    row: Mapping[str, Any], columns: Sequence[str], *, place: str, folder: Path, surplus: int = 0
) -> BriefSource:
    fields = {name: _cell(name, row[name], folder) for name in columns if not _empty(row.get(name))}
    named = str(fields.get("campaign") or fields.get("url") or place)
    identity = f"{fields.get('url')} {fields.get('campaign')}"
    if surplus > 0:
        return BriefSource(
            plain(named), None, f"{place}: more cells than columns; quote cells with commas", "", identity
        )
    found = _source(lambda: Brief(**fields), named, name=lambda brief: brief.campaign, identity=identity)
    return found if found.brief else BriefSource(found.name, None, f"{place}: {found.problem}", "", identity)


def _cell(name: str, value: Any, folder: Path) -> Any:
    if name in LISTS:
        parts = value.replace("|", ";").split(";") if isinstance(value, str) else list(value)
        texts = [str(part).strip() for part in parts if str(part).strip()]
        return [site_beside(text, folder) for text in texts] if name == "competitors" else texts
    if name == "url":
        return site_beside(str(value).strip(), folder)
    return value.strip() if isinstance(value, str) else value


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, str | list | tuple) and not str(value).strip("[]() \t\r\n"))


def as_toml(brief: Brief) -> str:
    """Returns the brief as TOML that means the same in every folder: folders of saved pages are absolute paths."""
    import tomlkit

    fields = {name: value for name, value in brief.given().items() if value is not None}
    fields["url"] = _site(brief, brief.url)
    fields["competitors"] = [_site(brief, url) for url in brief.competitors]
    return tomlkit.dumps(fields)


def _site(brief: Brief, url: str) -> str:
    saved = brief.folder_of(url)
    return str(saved) if saved is not None and url == f"{origin_of(url)}/" else url
