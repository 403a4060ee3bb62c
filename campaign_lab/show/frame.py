"""The frame of our HTML: the box that MathJax leaves alone, the style sheet, and what cards are made of.

The tags alone must read well: GitHub keeps nothing else, and JupyterLab removes the style sheet of a notebook that it does
not trust. Borders and widths are therefore written inline; the sheet adds the rest, under our own class only.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from campaign_lab.show.text import escape_html


def source(name: str) -> str:
    """The text of a file of ``show/templates``, without its line breaks and indents."""
    text = (Path(__file__).parent / "templates" / name).read_text(encoding="utf-8")
    return re.sub(r"\s*\n\s*", "", text)


@cache
def sheet() -> str:
    """The style sheet as one line. Every rule starts at our class; colours are JupyterLab's, or read on light and dark."""
    return f"<style>{source('frame.css')}</style>"


def framed(html: str) -> str:
    """The HTML in a box in which "$5 and $10" is not read as LaTeX, and long words are broken.

    MathJax skips these class names, in JupyterLab and in pages of nbconvert. The style sheet is added where the HTML uses
    it: texts are escaped, so only a tag of ours can hold ``class="cl-``.
    """
    style = sheet() if 'class="cl-' in html else ""
    return f'<div class="campaign-lab tex2jax_ignore mathjax_ignore" style="overflow-wrap:anywhere">{style}{html}</div>'


def warning(text: str) -> str:
    """The words as a warning, with a sign before them: colour alone does not reach every reader."""
    return f'<b class="cl-warn">⚠ {escape_html(text)}</b>'


def bullets(items: list[str]) -> str:
    """The pieces of HTML as a list; "" when there are none."""
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>" if items else ""
