"""A complete HTML file: no script, nothing loaded from elsewhere, light or dark as the reader's system is set."""

from __future__ import annotations

from campaign_lab.show.frame import framed, source
from campaign_lab.show.templates import render

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""Should markup get past the escaping, the browser runs no script and loads nothing for it."""


def document(title: str, body_html: str, sheet: str = "") -> str:
    """The file with this title (plain text) and body (HTML of ours). ``sheet`` is CSS of ours for what is in the body."""
    css = source("document.css") + sheet
    return f"{render('document', title=title, policy=POLICY, css=css, body=framed(body_html))}\n"
