"""A brief as HTML, for notebooks."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any, get_args

from campaign_lab.brief.allowed import Objective, SpecialAdCategory

CODES = frozenset((*get_args(Objective), *get_args(SpecialAdCategory)))
"""Values that are Meta's codes; a person reads them as words."""


def brief_html(fields: Mapping[str, Any]) -> str:
    """The fields that say something, as a table."""
    rows = [(name, value) for name, value in fields.items() if value not in (None, "", [], False)]
    cells = "".join(
        f'<tr><th scope="row" style="text-align:left">{escape(name.replace("_", " "))}</th>'
        f'<td style="text-align:left;white-space:normal;overflow-wrap:anywhere"><bdi>{_shown(value)}</bdi></td></tr>'
        for name, value in rows
    )
    # the class names are those that LaTeX typesetting passes over: "$5 and $10" is money
    return f'<div class="campaign-lab tex2jax_ignore mathjax_ignore"><table>{cells}</table></div>'


def _worded(value: str) -> str:
    return value.removeprefix("OUTCOME_").replace("_", " ").capitalize() if value in CODES else value


def _shown(value: Any) -> str:
    """A field's value as HTML text. What cannot be printed (control characters, overrides of the direction) is left out."""
    if isinstance(value, float):
        text = f"{value:,.2f}".removesuffix(".00")
    else:
        text = ", ".join(map(_worded, value)) if isinstance(value, list) else _worded(str(value))
    return escape("".join(sign if sign.isprintable() else " " * sign.isspace() for sign in text))
