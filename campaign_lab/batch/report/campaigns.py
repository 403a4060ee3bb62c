"""The campaigns of a batch as HTML: each with its angles, and the best text of each angle."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from campaign_lab.batch.report.summary import Fields, RunResult, best_by_angle
from campaign_lab.batch.rows import SIGNS, Row
from campaign_lab.show import ad_html
from campaign_lab.show.frame import bullets
from campaign_lab.show.text import bidi_isolate, escape_html, plain, pluralize, words

Anchors = Mapping[int, str]
"""The HTML id of each RunResult, by ``id()`` of the object."""

GOOD, BAD = ("finished",), ("failed", "over budget", "refused")
MOST_OPEN = 6
"""Up to so many campaigns are shown open; if there are more, each is folded to a line."""
MOST_ADS = 400
"""If there are more advertisements, they are lines of a table: the page stays small and fast."""
TEXT, NAME, LINE = 500, 120, 240
"""The most characters that are shown of a text, a name and a line; the notebook has the whole."""


def campaigns_html(made: Sequence[RunResult], anchors: Anchors) -> str:
    """Returns each campaign with its runs as HTML; folded where there are many."""
    groups: dict[tuple[str, str], list[RunResult]] = {}
    for each in made:
        groups.setdefault((each.row.brief, each.row.campaign), []).append(each)
    shown = sum(len(best_by_angle(each.variants)) for each in made)
    draw = _ads if shown <= MOST_ADS else _texts
    is_open = " open" if len(groups) <= MOST_OPEN else ""
    return "".join(_campaign(group, anchors, draw, is_open) for group in groups.values())


def why_html(row: Row) -> str:
    """Returns in one line of HTML how a run ended, in which cell, and why."""
    where = f" in the cell {shortened(row.cell, NAME)}" if row.cell else ""
    reason = f". {shortened(row.error, TEXT)}" if row.error else ""
    return bidi_isolate(f"{row.state}{where}{reason}")


def state_html(row: Row) -> str:
    """Returns the state as HTML: a sign and a word in a colour."""
    kind = "good" if row.state in GOOD else "bad" if row.state in BAD else "quiet"
    return f'<span class="state {kind}">{SIGNS.get(row.state, "?")} {escape_html(row.state)}</span>'


def parameters_html(row: Row) -> str:
    """Returns the run's parameters as HTML."""
    return "<br>".join(f"{escape_html(name)}: {bidi_isolate(_value(value))}" for name, value in row.parameters.items())


def claims_that_stand(made: Sequence[RunResult]) -> str:
    """Returns how many claims are supported, such as "18 of 20"; empty where there is no copy."""
    variants = [row for each in made for row in each.variants]
    claims, good = (sum(int(row[name]) for row in variants) for name in ("claims", "claims_supported"))
    return f"{good:,} of {claims:,}" if variants else ""


def shortened(value: object, most: int) -> str:
    """Returns the value as text that is safe to show, cut after ``most`` characters."""
    seen = plain(value)
    return seen if len(seen) <= most else f"{seen[: most - 1]}…"


def _campaign(group: Sequence[RunResult], anchors: Anchors, draw: Callable[[RunResult], str], is_open: str) -> str:
    row = group[0].row
    known = next((each for each in group if each.brand), group[0])
    texts = sum(len(each.variants) for each in group)
    about = [
        shortened(known.brand, NAME),
        known.address,
        pluralize(texts, "text"),
        f"{claims_that_stand(group)} claims stand" if texts else "",
    ]
    line = " · ".join(bidi_isolate(part) for part in dict.fromkeys(about) if part)
    body = "".join(_run(each, anchors[id(each)], draw, len(group) > 1) for each in group)
    return (
        f'<details class="brand"{is_open}><summary><b>{bidi_isolate(shortened(row.campaign or row.brief, NAME))}</b> '
        f'<span class="quiet">{line}</span> {"" if all(each.row.state in GOOD for each in group) else _states(group)}'
        f"</summary>{body}</details>"
    )


def _run(each: RunResult, anchor: str, draw: Callable[[RunResult], str], several: bool) -> str:
    row = each.row
    title = f"{parameters_html(row) or bidi_isolate(shortened(row.run, NAME))} {state_html(row)}" if several else ""
    if each.variants:
        body = draw(each)
    elif each.angles:
        body = "<p>Its angles, without copy yet:</p>" + bullets([_angle(*angle) for angle in each.angles.items()])
    else:
        body = f"<p>{bidi_isolate(f'It has found: {each.kinds}.') if each.kinds else 'Nothing was found yet.'}</p>"
    stopped = f"<p>{why_html(row)}</p>" if row.state in BAD else ""
    return f'<div class="anchor" id="{anchor}">{f"<h3>{title}</h3>" if title else ""}{stopped}{body}</div>'


def _angle(name: str, idea: str) -> str:
    return f"<b>{bidi_isolate(shortened(name, NAME))}</b> {bidi_isolate(shortened(idea, LINE))}"


def _ads(each: RunResult) -> str:
    """Returns the best text of each angle as an advertisement in HTML."""
    ads = []
    for name, best in best_by_angle(each.variants).items():
        row = {**best, **{field: shortened(best[field], TEXT) for field in ("headline", "primary_text", "description")}}
        ads.append(
            f"<div><div><h4>{bidi_isolate(shortened(name, NAME))} "
            f"<small>{escape_html(words(best['motivation']).lower())}</small></h4>"
            f"<small>{bidi_isolate(shortened(each.angles.get(name, ''), LINE))}</small></div>"
            f"{ad_html(row, brand=shortened(each.brand, NAME), address=each.address)}{_judged(best)}</div>"
        )
    return f'<div class="ads">{"".join(ads)}</div>'


def _texts(each: RunResult) -> str:
    """Returns the best text of each angle as a line of an HTML table."""
    lines = "".join(
        f"<tr><td><b>{bidi_isolate(shortened(name, NAME))}</b>"
        f"<br><small>{escape_html(words(best['motivation']).lower())}</small></td>"
        f"<td><b>{bidi_isolate(shortened(best['headline'], NAME))}</b>"
        f"<br>{bidi_isolate(shortened(best['primary_text'], LINE))}</td>"
        f'<td class="n">{best["claims_supported"]} of {best["claims"]}{_judged(best)}</td></tr>'
        for name, best in best_by_angle(each.variants).items()
    )
    head = '<th scope="col">Angle</th><th scope="col">Text</th><th scope="col" class="n">Claims stand</th>'
    return f'<div class="wide"><table class="cl-t"><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></div>'


def _judged(row: Fields) -> str:
    judgement = [
        {"pick": "✓ picked", "reject": "✗ rejected"}.get(row["pick"], ""),
        f"rating {row['rating']}" if row["rating"] else "",
    ]
    shown = " · ".join(part for part in judgement if part)
    return f"<p><b>{shown}</b></p>" if shown else ""


def _states(group: Sequence[RunResult]) -> str:
    return " ".join(dict.fromkeys(state_html(each.row) for each in group))


def _value(value: Any) -> str:
    return (
        shortened(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str), LINE)
        or "none"
    )
