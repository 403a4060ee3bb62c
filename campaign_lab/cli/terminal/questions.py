"""The question before something is paid for: one way to ask, and never where nobody can answer."""

from __future__ import annotations

import sys

from campaign_lab.cli.terminal.printing import note

NOBODY = "there is no terminal to ask on; give --yes to run it unasked"
ASSUMED = "CA"
"""The market of a campaign for which nothing tells one, and nobody can be asked."""
JSON_ONLY = "with --json nothing is asked; give --yes to run it"


def refusal(question: str, *, json: bool) -> str:
    """Why it is not done: nobody was there to ask, or the answer was no. Empty: it was agreed to."""
    if json or not sys.stdin.isatty():
        return f"Nothing was started: {JSON_ONLY if json else NOBODY}."
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return "" if _answer().strip().lower() in ("y", "yes") else "Nothing was started."


def market(*, json: bool) -> str:
    """The market of a site whose address and language name none: asked for, and where nobody can answer assumed and said."""
    why = "neither the site's address nor the language names a country"
    if not json and sys.stdin.isatty():
        note(f"Which market is it for? ({why}) An ISO 3166 code, such as GB or CA-ON [{ASSUMED}]:")
        return _answer().strip() or ASSUMED
    note(f"market {ASSUMED}, assumed: {why}; give --market, or market in the brief, to change it")
    return ASSUMED


def _answer() -> str:
    """What was typed; nothing where the terminal is gone."""
    try:
        return sys.stdin.readline()
    except OSError:
        return ""
