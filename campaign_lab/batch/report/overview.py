"""The page of a batch as HTML: totals, runs that need a look, a table with one line per run, and the campaigns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import quote

from campaign_lab.batch.report.campaigns import (
    BAD,
    LINE,
    NAME,
    Anchors,
    campaigns_html,
    claims_that_stand,
    parameters_html,
    shortened,
    state_html,
    why_html,
)
from campaign_lab.batch.report.summary import RunResult
from campaign_lab.batch.rows import SIGNS, Row
from campaign_lab.money import NOTHING, Sum
from campaign_lab.show.frame import bullets, warning
from campaign_lab.show.text import bidi_isolate, escape_html, pluralize

SHEET = (
    ".facts{display:flex;flex-wrap:wrap;gap:8px 12px;margin:14px 0}"
    ".facts>div{background:var(--cl-raised);border:1px solid var(--jp-border-color2);border-radius:8px;padding:8px 14px}"
    ".facts b{display:block;font-size:1.3em;font-variant-numeric:tabular-nums}"
    ".quiet{color:var(--cl-quiet)}.good{color:var(--cl-good);font-weight:600}"
    ".bad{color:var(--jp-error-color1);font-weight:600}.state{white-space:nowrap}"
    ".tag{border:1px solid var(--jp-border-color2);border-radius:99px;padding:0 8px;font-size:.85em;white-space:nowrap}"
    ".wide{overflow-x:auto;max-width:100%}"
    ".campaign-lab .runs{width:100%;overflow-wrap:break-word;font-size:.92em}"
    ".campaign-lab .runs td:first-child{min-width:11em;max-width:18em}"
    ".campaign-lab .runs th,.campaign-lab .runs td{padding-right:10px}"
    ".campaign-lab .runs .name{min-width:8em;max-width:18em}"
    ".campaign-lab .runs tfoot td{font-weight:600;border-bottom:0}.campaign-lab .runs .why td{padding-top:0}"
    ".campaign-lab .runs .told>td{border-bottom:0;padding-bottom:0}"
    ".brand{border:1px solid var(--jp-border-color2);border-radius:8px;padding:10px 16px;margin:10px 0}"
    ".campaign-lab .brand>summary{opacity:1;font-size:1.05em}.anchor{scroll-margin-top:4em}"
    ".ads{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,14.5em),1fr));gap:18px 16px;font-size:.9em;"
    "margin:10px 0 16px}"
    ".ads>div{min-width:0;display:grid;grid-template:subgrid/minmax(0,1fr);grid-row:span 4;gap:4px;align-items:start}"
    ".ads figure{box-sizing:border-box}.ads h4{margin:0 0 4px;font-size:1.05em}"
)

NUMBERS = ("Paid", "Cut", "Replayed", "Minutes", "Records", "Texts", "Claims stand")
"""Columns of figures. Money is US dollars; ``Cut`` was paid for attempts that failed, ``Replayed`` by an earlier run."""
RIGHT = ' class="n"'
NONE = "\N{EN DASH}"


def overview(title: str, made: Sequence[RunResult]) -> str:
    """Returns the body of the page as HTML. ``title`` is plain text."""
    if not made:
        return f"<h1>{escape_html(title)}</h1><p>No run is in this batch yet.</p>"
    anchors = {id(each): f"run-{number}" for number, each in enumerate(made, 1)}
    return (
        f"<h1>{escape_html(title)}</h1>{_when(made)}{_facts(made)}{_attention(made, anchors)}"
        f"<h2>Runs</h2>{_table(made, anchors)}<h2>Campaigns</h2>{campaigns_html(made, anchors)}"
    )


def _when(made: Sequence[RunResult]) -> str:
    rows = [each.row for each in made]
    began = min((row.started_at for row in rows if row.started_at), default=None)
    ended = max((row.ended_at for row in rows if row.ended_at), default=None)
    times = [f"{began:%Y-%m-%d %H:%M}"] if began else []
    times += [f"to {ended:%Y-%m-%d %H:%M} UTC"] if ended else []
    tags = ""
    if any(each.rehearsal for each in made):
        tags = ' <span class="tag">rehearsal</span> at list price; rehearsal costs nothing'
    return f'<p class="quiet">{escape_html(" ".join(times))}{tags}</p>'


def _facts(made: Sequence[RunResult]) -> str:
    """Returns the figures of the whole batch as HTML."""
    states = [each.row.state for each in made]
    count = ", ".join(f"{states.count(state)} {state}" for state in SIGNS if state in states)
    texts = sum(len(each.variants) for each in made)
    brands = {(each.row.brief, each.row.campaign) for each in made}
    tiles = [
        (count, pluralize(len(made), "run")),
        (str(_sum(each.row.paid for each in made)), "paid"),
        (str(_sum(each.row.replayed for each in made)), "replayed, not paid again"),
        (f"{texts:,}", f"texts for {pluralize(len(brands), 'campaign')}"),
        (claims_that_stand(made) or "none", "claims stand on their pages"),
    ]
    if (cut := _sum(each.row.cut for each in made)) != NOTHING:
        tiles.append((str(cut), "paid for attempts that were cut"))
    shown = "".join(f"<div><b>{escape_html(big)}</b>{escape_html(small)}</div>" for big, small in tiles)
    return f'<div class="facts">{shown}</div>'


def _attention(made: Sequence[RunResult], anchors: Anchors) -> str:
    """Returns the runs that somebody must look at, each with what stopped it, as HTML."""
    stopped = [each for each in made if each.row.state in BAD]
    items = [
        f'<a href="#{anchors[id(each)]}">{bidi_isolate(shortened(each.row.name, NAME))}</a>: {why_html(each.row)}'
        for each in stopped
    ]
    return f"<p>{warning('Needs a look')}</p>{bullets(items)}" if items else ""


def _table(made: Sequence[RunResult], anchors: Anchors) -> str:
    """Returns one line per run as HTML, and below it what stopped it or why it ran again."""
    several = any(each.row.parameters for each in made)
    names = ["Campaign", *(["Parameters"] if several else []), "State", *NUMBERS, "Notebook"]
    head = "".join(f'<th scope="col"{RIGHT if name in NUMBERS else ""}>{name}</th>' for name in names)
    lines = "".join(_line(each, anchors[id(each)], several, len(names)) for each in made)
    sums = f"<td>{pluralize(len(made), 'run')}</td>{'<td></td>' if several else ''}<td></td>{_figures(made)}<td></td>"
    return (
        f'<div class="wide cl-stay"><table class="cl-t runs"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody>'
        f"<tfoot><tr>{sums}</tr></tfoot></table></div>"
    )


def _line(each: RunResult, anchor: str, several: bool, width: int) -> str:
    row = each.row
    below = [why_html(row)] if row.state in BAD else []
    below += [f"ran again: {bidi_isolate(shortened(row.changed, LINE))}"] if row.changed else []
    below += [f"{row.attempts} tries"] if row.attempts > 1 else []
    name = f'<a href="#{anchor}">{bidi_isolate(shortened(row.campaign or row.brief, NAME))}</a>'
    own = f'<td class="name">{parameters_html(row)}</td>' if several else ""
    cells = (
        f"<td>{name}<br><small>{bidi_isolate(shortened(row.brief, NAME))}</small></td>{own}<td>{state_html(row)}{_tag(each)}</td>"
        f'{_figures([each])}<td class="name">{_notebook(row)}</td>'
    )
    if not below:
        return f"<tr>{cells}</tr>"
    notes = f'<tr class="why"><td></td><td colspan="{width - 1}"><small>{" · ".join(below)}</small></td></tr>'
    return f'<tr class="told">{cells}</tr>{notes}'


def _figures(made: Sequence[RunResult]) -> str:
    """Returns the cells of numbers as HTML, for one run or the sum of several."""
    cut, replayed = _sum(each.row.cut for each in made), _sum(each.row.replayed for each in made)
    minutes = [each.row.duration_s / 60 for each in made if each.row.duration_s is not None]
    cells = (
        str(_sum(each.row.paid for each in made)),
        *(NONE if each == NOTHING else str(each) for each in (cut, replayed)),
        f"{sum(minutes):.1f}" if minutes else "",
        f"{sum(each.row.records for each in made):,}",
        f"{sum(len(each.variants) for each in made):,}",
        claims_that_stand(made),
    )
    return "".join(f'<td class="n">{escape_html(cell)}</td>' for cell in cells)


def _tag(each: RunResult) -> str:
    return ' <span class="tag">rehearsal</span>' if each.rehearsal else ""


def _notebook(row: Row) -> str:
    if not row.notebook:
        return ""
    return f'<a href="{quote(row.notebook, safe="")}">{bidi_isolate(shortened(row.notebook, NAME))}</a>'


def _sum(sums: Iterable[Sum]) -> Sum:
    return sum(sums, NOTHING)
