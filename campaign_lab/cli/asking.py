"""The question before something is paid for: one way to ask, and never where nobody can answer."""

from __future__ import annotations

import sys

NOBODY = "there is no terminal to ask on; give --yes to run it unasked"
JSON_ONLY = "with --json nothing is asked; give --yes to run it"


def refusal(question: str, *, json: bool) -> str:
    """Why it is not done: nobody was there to ask, or the answer was no. Empty: it was agreed to."""
    if json or not sys.stdin.isatty():
        return f"Nothing was started: {JSON_ONLY if json else NOBODY}."
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    return "" if sys.stdin.readline().strip().lower() in ("y", "yes") else "Nothing was started."
