"""A complete HTML file: no script, nothing loaded from elsewhere, light or dark as the reader's system is set."""

from __future__ import annotations

from campaign_lab.show.frame import framed
from campaign_lab.show.text import escape_html

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Should markup get past the escaping, the browser runs no script and loads nothing for it."""

LIGHT = (
    "--jp-layout-color0:#fff;--jp-content-font-color1:#1d1f23;--jp-border-color2:#c6cad1;--jp-error-color1:#b3261e;"
    "--cl-good:#17672f;--cl-link:#1a56b0;--cl-quiet:#565b64;--cl-raised:#f4f5f7"
)
DARK = (
    "--jp-layout-color0:#16181c;--jp-content-font-color1:#e7e9ec;--jp-border-color2:#454a53;--jp-error-color1:#ff8a80;"
    "--cl-good:#7ed39a;--cl-link:#8ab8ff;--cl-quiet:#aab0ba;--cl-raised:#1f2228"
)
SHEET = (
    f":root{{color-scheme:light dark;{LIGHT}}}"
    f"@media(prefers-color-scheme:dark){{:root{{{DARK}}}}}"
    "body{margin:0;padding:20px 24px 60px;background:var(--jp-layout-color0);color:var(--jp-content-font-color1);"
    "font:15px/1.45 system-ui,-apple-system,'Segoe UI',Roboto,'Liberation Sans',sans-serif}"
    "main{max-width:1320px;margin:0 auto}h1{font-size:1.5em;margin:0 0 4px}h2{font-size:1.2em;margin:28px 0 8px}"
    "h3{font-size:1em;margin:14px 0 4px}a{color:var(--cl-link)}"
    "a:focus-visible,summary:focus-visible{outline:2px solid var(--cl-link);outline-offset:2px}"
)


def document(title: str, body_html: str, sheet: str = "") -> str:
    """The file as text. ``title`` is plain text, ``body_html`` HTML of ours, ``sheet`` CSS of ours for the body."""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><meta name="referrer" content="no-referrer">'
        f'<link rel="icon" href="data:,"><title>{escape_html(title)}</title><style>{SHEET}{sheet}</style></head>'
        f"<body><main>{framed(body_html)}</main></body></html>\n"
    )
