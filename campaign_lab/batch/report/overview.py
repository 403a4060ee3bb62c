"""The page of a batch as HTML: totals, what needs a look, a table with a line per run, and the campaigns below it.

Each campaign is shown with its angles, and the best text of each angle. The markup is ``batch_report.html``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import quote

from campaign_lab.batch.board import totals
from campaign_lab.batch.report.summary import Fields, RunResult, best_by_angle
from campaign_lab.batch.rows import SIGNS, Row
from campaign_lab.money import NOTHING
from campaign_lab.show import ad_html
from campaign_lab.show.templates import render
from campaign_lab.show.text import pluralize, shortened

NUMBERS = ("Paid", "Cut", "Replayed", "Minutes", "Records", "Texts", "Claims stand")
"""Columns of figures. Money is US dollars; ``Cut`` was paid for attempts that failed, ``Replayed`` once and not again."""
NONE = "\N{EN DASH}"
GOOD, BAD = ("finished",), ("failed", "over budget", "refused")
MOST_OPEN = 6
"""So many campaigns are shown open; of more each is folded to a line."""
MOST_ADS = 400
"""More advertisements than these are lines of a table: a browser draws the page at once, and it can be sent by mail."""
TEXT, NAME, LINE = 500, 120, 240
"""Characters of a text, a name and a line that are shown; the notebook has the whole."""


@dataclass(frozen=True)
class _ShownRun:
    """A run as the page shows it. ``anchor`` is the name of its place on the page."""

    made: RunResult
    anchor: str

    @property
    def row(self) -> Row:
        return self.made.row

    @property
    def bad(self) -> bool:
        return self.row.state in BAD

    @property
    def kind(self) -> str:
        """The class of its state, for a colour."""
        return "good" if self.row.state in GOOD else "bad" if self.bad else "quiet"

    @property
    def why(self) -> str:
        """How it ended, where, and why, in one line."""
        where = f" in the cell {shortened(self.row.cell, NAME)}" if self.row.cell else ""
        reason = f". {shortened(self.row.error, TEXT)}" if self.row.error else ""
        return f"{self.row.state}{where}{reason}"

    @property
    def below(self) -> list[tuple[str, str]]:
        """What is said below its line: what stopped it, and why it ran again; each in our words and in others'."""
        row = self.row
        said = [("", self.why)] if self.bad else []
        said += [("ran again: ", shortened(row.changed, LINE))] if row.changed else []
        return said + ([(f"{row.attempts} tries", "")] if row.attempts > 1 else [])

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """What sets it apart from other runs of its brief."""
        return [(name, _value(value)) for name, value in self.row.parameters.items()]

    @property
    def figures(self) -> tuple[str, ...]:
        return _figures([self.made])

    @cached_property
    def best(self) -> dict[str, Fields]:
        """By angle, the text to show."""
        return best_by_angle(self.made.variants)


def overview(title: str, made: Sequence[RunResult]) -> str:
    """The body of the page. ``title`` is plain text."""
    runs = [_ShownRun(each, f"run-{number}") for number, each in enumerate(made, 1)]
    several = any(each.row.parameters for each in made)
    groups: dict[tuple[str, str], list[_ShownRun]] = {}
    for run in runs:
        groups.setdefault((run.row.brief, run.row.campaign), []).append(run)
    return render(
        "batch_report",
        title=title,
        runs=runs,
        when=_when([each.row for each in made]),
        rehearsal=any(each.rehearsal for each in made),
        facts=_facts(made, len(groups)),
        stopped=[run for run in runs if run.bad],
        several=several,
        names=["Campaign", *(["Parameters"] if several else []), "State", *NUMBERS, "Notebook"],
        sums=_figures(made),
        campaigns=[_campaign(group) for group in groups.values()],
        campaigns_open=len(groups) <= MOST_OPEN,
        as_ads=sum(len(run.best) for run in runs) <= MOST_ADS,
        ad=_ad,
        SIGNS=SIGNS,
        quote=quote,
        NUMBERS=NUMBERS,
        NAME=NAME,
        LINE=LINE,
    )


def _when(rows: Sequence[Row]) -> str:
    began = min((row.started_at for row in rows if row.started_at), default=None)
    ended = max((row.ended_at for row in rows if row.ended_at), default=None)
    said = [f"{began:%Y-%m-%d %H:%M}"] if began else []
    said += [f"to {ended:%Y-%m-%d %H:%M} UTC"] if ended else []
    return " ".join(said)


def _facts(made: Sequence[RunResult], campaigns: int) -> list[tuple[str, str]]:
    sums = totals(each.row for each in made)
    tiles = [
        (
            ", ".join(f"{sums.states[state]} {state}" for state in SIGNS if state in sums.states),
            pluralize(len(made), "run"),
        ),
        (str(sums.paid), "paid"),
        (str(sums.replayed), "replayed, not paid again"),
        (f"{sum(len(each.variants) for each in made):,}", f"texts for {pluralize(campaigns, 'campaign')}"),
        (_claims_that_stand(made) or "none", "claims stand on their pages"),
    ]
    return tiles if sums.cut == NOTHING else [*tiles, (str(sums.cut), "paid for attempts that were cut")]


def _figures(made: Sequence[RunResult]) -> tuple[str, ...]:
    """The cells of NUMBERS, of one run or of several together."""
    sums = totals(each.row for each in made)
    minutes = [each.row.duration_s / 60 for each in made if each.row.duration_s is not None]
    return (
        str(sums.paid),
        *(NONE if each == NOTHING else str(each) for each in (sums.cut, sums.replayed)),
        f"{sum(minutes):.1f}" if minutes else "",
        f"{sum(each.row.records for each in made):,}",
        f"{sum(len(each.variants) for each in made):,}",
        _claims_that_stand(made),
    )


def _campaign(runs: Sequence[_ShownRun]) -> dict[str, Any]:
    """A campaign with its runs: its name, what is known of it, and the states of its runs, each once."""
    made, row = [run.made for run in runs], runs[0].row
    known = next((each for each in made if each.brand), made[0])
    texts = sum(len(each.variants) for each in made)
    stand = f"{_claims_that_stand(made)} claims stand" if texts else ""
    about = (shortened(known.brand, NAME), known.address, pluralize(texts, "text"), stand)
    return {
        "name": row.campaign or row.brief,
        "about": [part for part in dict.fromkeys(about) if part],
        "good": all(run.row.state in GOOD for run in runs),
        "states": list({run.row.state: run for run in runs}.values()),
        "runs": runs,
    }


def _ad(best: Fields, made: RunResult) -> str:
    texts = {name: shortened(best[name], TEXT) for name in ("headline", "primary_text", "description")}
    return ad_html({**best, **texts}, brand=shortened(made.brand, NAME), address=made.address)


def _claims_that_stand(made: Sequence[RunResult]) -> str:
    """Such as "18 of 20"; nothing where there is no copy."""
    variants = [row for each in made for row in each.variants]
    claims, good = (sum(int(row[name]) for row in variants) for name in ("claims", "claims_supported"))
    return f"{good:,} of {claims:,}" if variants else ""


def _value(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return shortened(text, LINE) or "none"
