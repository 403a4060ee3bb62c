"""Lines of code that a panel shows to be copied into a cell. Names come from people, so they are quoted with care."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata

TAKEN = frozenset({"lab", *keyword.kwlist, *keyword.softkwlist, *dir(builtins)})
"""Names that a line must not give to a session: the lab itself, and what Python means by them."""


def literal(text: str) -> str:
    """The text as a Python string in double quotes, on one line. What cannot be seen, or turns the direction, is an escape."""
    return '"' + "".join(_sign(sign) for sign in text) + '"'


def variable(name: str) -> str:
    """A variable for a session of that name: lower case ASCII words, such as ``emotional_angle``."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold()
    words = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:40].rstrip("_") or "fork"
    return f"fork_{words}" if words[0].isdigit() or words in TAKEN else words


def open_line(name: str, known_as: str) -> str:
    """Opens the session that ``lab.open`` finds under ``known_as``."""
    return f"{variable(name)} = lab.open({literal(known_as)})"


def run_line(name: str, known_as: str, phase: str, *, steer: str = "") -> str:
    """Opens a fork where it starts, so that the cell replays when it runs again, and runs a phase.

    Without a steer the fork's purpose steers.
    """
    wish = f", steer={literal(steer)}" if steer else ""
    handle = variable(name)
    return f"{handle} = lab.open({literal(known_as)}, from_start=True); await {handle}.run({literal(phase)}{wish})"


def _sign(sign: str) -> str:
    return {'"': '\\"', "'": "'"}.get(sign) or repr(sign)[1:-1]
