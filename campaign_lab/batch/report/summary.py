"""Reads from the lab what the runs of a batch made: copy, angles and brands; and makes a table of all copy variants."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from campaign_lab.batch.rows import UNPRICED, Row
from campaign_lab.records import Angle, BrandProfile
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.history.path_loader import HandlePosition, Phases, all_steps, latest, line_to, stored
from campaign_lab.sessions.upkeep import access
from campaign_lab.show.text import counts_by_kind, host
from campaign_lab.tables.columns import COPY_COLUMNS, Column, frame
from campaign_lab.tables.copy_variants import copy_rows
from campaign_lab.tables.records import record_rows

if TYPE_CHECKING:
    import pandas as pd

    from campaign_lab.store.connection import Con

Fields = Mapping[str, Any]

PREFIX = "param_"
"""The prefix of a parameter's column: a parameter may be called ``angle``, as a column of the copy is."""
DTYPES: dict[type, str] = {bool: "boolean", int: "Int64", float: "Float64", str: "str"}
LARGEST = 2**63
"""Whole numbers from here on fit no column type, and are text."""
PICKS = {"pick": 0, "": 1, "reject": 2}
UNRATED = 3


@dataclass(frozen=True)
class RunResult:
    """What one run made before it ended."""

    row: Row
    variants: tuple[Fields, ...] = ()
    """Its copy: rows of COPY_COLUMNS, None for what is missing."""
    angles: Mapping[str, str] = field(default_factory=dict)
    """Its angles by name, each with its idea."""
    kinds: str = ""
    """Where it has no copy, its records in words, such as "1 brand profile, 2 competitor profiles"."""
    brand: str = ""
    address: str = ""
    rehearsal: bool = False


def made_by(context: Context, rows: Sequence[Row]) -> list[RunResult]:
    """Returns what each run made, in the order of the rows, without sessions that are gone or that the user may not read."""
    visible = context.engine.call(lambda con: {row.id: row for row in access.visible(con, context.user)})
    made = []
    for row in rows:
        positions = [HandlePosition(visible[session], turn) for session, turn in row.tips.items() if session in visible]
        made.append(_made(context, row, positions))
    return made


def summary(made: Sequence[RunResult]) -> pd.DataFrame:
    """Returns a table with one row per copy variant of all runs.

    ``run``, ``brief`` and ``state``; each parameter as ``param_NAME``, typed where its values are of one type, else JSON; what
    the run ``paid_usd``, ``cut_usd`` and ``replayed_usd``, the same in each of its rows; then COPY_COLUMNS, and how many of
    the run's requests have no price.
    """
    names = dict.fromkeys(name for each in made for name in each.row.parameters)
    columns = (
        *(_of_run(name, "str") for name in ("run", "brief", "state")),
        *(_parameter(name, [each.row for each in made]) for name in names),
        _of_run("cost_usd", "float64", "paid_usd"),
        *(_of_run(name, "float64") for name in ("cut_usd", "replayed_usd")),
        *COPY_COLUMNS,
        *(_of_run(name, "int64") for name in UNPRICED),
    )
    return frame([{**variant, "of": each.row} for each in made for variant in each.variants], columns)


def best_by_angle(variants: Sequence[Fields]) -> dict[str, Fields]:
    """Returns by angle the best variant: by pick, rating, supported claims, length, and own wording, in this order."""
    best: dict[str, Fields] = {}
    for row in sorted(variants, key=_rank):
        best.setdefault(row["angle"], row)
    return {angle: best[angle] for angle in dict.fromkeys(row["angle"] for row in variants)}


def _rank(row: Fields) -> tuple[Any, ...]:
    """Returns a sort key that is smallest for the best variant."""
    weak = (row["claims_supported"] < row["claims"], bool(row["over_limit"]), bool(row["near_duplicate"]))
    return PICKS.get(row["pick"], 1), -(row["rating"] or UNRATED), weak


def _made(context: Context, row: Row, positions: Sequence[HandlePosition]) -> RunResult:
    """Returns what a run made, as plain rows: a frame per run took ten times as long for sixty runs."""
    if not positions:
        return RunResult(row)

    def read(con: Con) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]], str]:
        known = (con, context.user, context.phases, positions)
        angles, brands = (record_rows(*known, kind=kind) for kind in (Angle.kind, BrandProfile.kind))
        variants = copy_rows(*known)
        return variants, angles, brands, "" if variants else _kinds(con, context.phases, positions)

    variants, angles, brands, kinds = context.engine.call(read)
    last = positions[-1]
    address = host(last.session.url)
    return RunResult(
        row,
        tuple({column.name: column.value(each) for column in COPY_COLUMNS} for each in variants),
        {each["label"]: each["fields"].get("core_angle", "") for each in angles},
        kinds,
        brands[-1]["label"] if brands else address,
        address,
        any(position.session.endpoint.startswith("rehearsal") for position in positions),
    )


def _kinds(con: Con, phases: Phases, positions: Sequence[HandlePosition]) -> str:
    steps = all_steps(con)
    turns = dict.fromkeys(step for position in positions for step in latest(line_to(steps, position.turn)))
    return counts_by_kind(record.kind for record in stored(con, list(turns), phases))


def _of_run(name: str, dtype: str, column: str = "") -> Column:
    return Column(column or name, dtype, lambda row: getattr(row["of"], name))


def _parameter(name: str, rows: Sequence[Row]) -> Column:
    values = [row.parameters[name] for row in rows if row.parameters.get(name) is not None]
    kinds = {type(value) for value in values}
    dtype = DTYPES.get(kinds.pop(), "") if len(kinds) == 1 else ""
    if dtype == "Int64" and any(abs(each) >= LARGEST for each in values):
        dtype = ""

    def value(row: Fields) -> Any:
        found = row["of"].parameters.get(name)
        return found if found is None or dtype else json.dumps(found, ensure_ascii=False)

    return Column(f"{PREFIX}{name}", dtype or "str", value)
