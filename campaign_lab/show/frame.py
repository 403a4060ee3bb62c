"""The frame of our HTML: the box that MathJax leaves alone, the style sheet, and cards.

The tags alone must read well: GitHub keeps nothing else, and JupyterLab removes the style sheet of a notebook that it does
not trust. Borders and widths are therefore written inline; the sheet adds the rest, under our own class only.
"""

from __future__ import annotations

from campaign_lab.show.text import escape_html

CARD = "border:1px solid gray;border-radius:6px;padding:8px 14px;margin:8px 0;max-width:64em"

SHEET = (
    "<style>"
    ".campaign-lab .cl-card,.campaign-lab .cl-ad{border-color:var(--jp-border-color2,#9e9e9e)!important;overflow:hidden}"
    ".campaign-lab p{margin:4px 0}"
    ".campaign-lab .cl-title{font-size:1.15em;margin:0}"
    ".campaign-lab .cl-lead{font-size:1.05em;margin:4px 0 8px}"
    ".campaign-lab small{opacity:.85;font-size:.88em}"
    ".campaign-lab ul{margin:2px 0 8px;padding-left:1.3em}"
    ".campaign-lab li{margin:0 0 5px}"
    ".campaign-lab summary{cursor:pointer;opacity:.9}"
    ".campaign-lab .cl-pre{white-space:pre-line}"
    ".campaign-lab .cl-warn{font-weight:600;color:var(--jp-error-color1,#c62828)}"
    ".campaign-lab table.cl-t{border-collapse:collapse;margin:4px 0;white-space:normal;table-layout:auto}"
    ".campaign-lab .cl-t th,.campaign-lab .cl-t td{text-align:left;vertical-align:top;padding:3px 14px 3px 6px;"
    "border-bottom:1px solid var(--jp-border-color2,#9e9e9e66);max-width:none}"
    ".campaign-lab .cl-t tr,.campaign-lab .cl-t tr:hover{background:none!important}"
    ".campaign-lab .cl-t .n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    ".campaign-lab .cl-stay .cl-t th:first-child,.campaign-lab .cl-stay .cl-t td:first-child{position:sticky;left:0;z-index:1;"
    "color:var(--jp-content-font-color1,#222);background:var(--jp-layout-color0,#fff)}"
    ".campaign-lab .cl-ad summary{list-style:none}"
    ".campaign-lab .cl-pic{margin:8px -12px 0}"
    ".campaign-lab .cl-mono{float:left;width:2.4em;height:2.4em;line-height:2.4em;margin-right:8px;border-radius:50%;"
    "text-align:center;font-weight:700;background:#8884}"
    ".campaign-lab .cl-mono::before{content:attr(title)}"
    ".campaign-lab .cl-foot{background:#8881;margin:0 -12px -10px;padding:8px 12px}"
    "</style>"
)
"""Every rule starts at our class. Colours are JupyterLab's, or greys that read on light and on dark."""


def framed(html: str) -> str:
    """The HTML in a box in which "$5 and $10" is not read as LaTeX, and long words are broken.

    MathJax skips these class names, in JupyterLab and in pages of nbconvert. The style sheet is added where the HTML uses
    it: texts are escaped, so only a tag of ours can hold ``class="cl-``.
    """
    sheet = SHEET if 'class="cl-' in html else ""
    return f'<div class="campaign-lab tex2jax_ignore mathjax_ignore" style="overflow-wrap:anywhere">{sheet}{html}</div>'


def card(title: str, body_html: str, note: str = "") -> str:
    """A box with a title and a smaller note beside it (both plain text), and HTML of ours below."""
    beside = f" <small>{escape_html(note)}</small>" if note else ""
    return (
        f'<section class="cl-card" style="{CARD}"><p class="cl-title"><b><bdi>{escape_html(title)}</bdi></b>{beside}</p>'
        f"{body_html}</section>"
    )


def columns(parts: list[str]) -> str:
    """The blocks of HTML side by side, where there is room for it."""
    blocks = "".join(f"<div>{part}</div>" for part in parts if part)
    grid = "display:grid;grid-template-columns:repeat(auto-fit,minmax(20em,1fr));gap:4px 32px"
    return f'<div style="{grid}">{blocks}</div>' if blocks else ""


def folded(summary_html: str, body_html: str) -> str:
    """The summary; a click or a key opens the body below it."""
    return f"<details><summary>{summary_html}</summary>{body_html}</details>"


def warning(text: str) -> str:
    """The words as a warning, with a sign before them: colour alone does not reach every reader."""
    return f'<b class="cl-warn">⚠ {escape_html(text)}</b>'


def bullets(items: list[str]) -> str:
    """The pieces of HTML as a list; "" when there are none."""
    return f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>" if items else ""
