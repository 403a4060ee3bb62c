"""Lines of code that are shown to be copied into a cell. Names come from people, so they are quoted with care."""

from __future__ import annotations

import builtins
import keyword
import re
import sys
import unicodedata
from collections.abc import Callable, Mapping
from itertools import chain, count
from typing import Any

from campaign_lab.sessions.session import Session
from campaign_lab.sessions.session_names import full_name
from campaign_lab.sessions.upkeep.access import named_session
from campaign_lab.store.rows import SessionRow

TAKEN = frozenset({"lab", *keyword.kwlist, *keyword.softkwlist, *dir(builtins)})
"""Names that a line must not give to a session: the lab itself, and what Python means by them."""


def literal(text: str) -> str:
    """The text as a Python string in double quotes, on one line. What cannot be seen, or turns the direction, is an escape."""
    return '"' + "".join(_sign(sign) for sign in text) + '"'


def variable(name: str, is_taken: Callable[[str], bool] = TAKEN.__contains__) -> str:
    """A variable for a session of that name: lower case ASCII words, such as ``emotional_angle``, that are not taken."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().casefold()
    words = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")[:40].rstrip("_") or "fork"
    made = f"fork_{words}" if words[0].isdigit() else words
    other = made if made.startswith("fork") else f"fork_{made}"
    tries = chain((made, other), (f"{other}_{number}" for number in count(2)))
    return next(each for each in tries if each not in TAKEN and not is_taken(each))


def handle_for(session: Session, namespace: Mapping[str, Any] | None = None) -> str:
    """A variable for the session that hides nothing of the user's but an earlier handle of the very same session.

    ``namespace`` is what the user's variables hold: those of the running kernel, when nothing is given.
    """
    held = _users_variables() if namespace is None else namespace
    return variable(named_by_user(session).name, lambda name: name in held and not _is_same(held[name], session))


def open_line(handle: str, known_as: str) -> str:
    """Opens the session that ``lab.open`` finds under ``known_as``."""
    return f"{handle} = lab.open({literal(known_as)})"


def run_line(handle: str, known_as: str, phase: str, *, steer: str = "") -> str:
    """Opens a fork where it starts, so that the cell replays when it runs again, and runs a phase.

    Without a steer the fork's purpose steers.
    """
    wish = f", steer={literal(steer)}" if steer else ""
    return f"{handle} = lab.open({literal(known_as)}, from_start=True); await {handle}.run({literal(phase)}{wish})"


def _is_same(held: object, session: Session) -> bool:
    url = session._context.engine.display_url
    if not isinstance(held, Session) or held._context.engine.display_url != url:
        return False
    mine, theirs = named_by_user(session), named_by_user(held)
    return (mine.owner, full_name(mine)) == (theirs.owner, full_name(theirs))


def named_by_user(session: Session) -> SessionRow:
    """The session that the user made, also where the handle stands in a fork that a run made of it."""
    return session._context.engine.call(lambda con: named_session(con, session._row))


def _users_variables() -> Mapping[str, Any]:
    """What stands in the cells of the kernel that this runs in; nothing in a script."""
    module = sys.modules.get("IPython.core.getipython")
    shell = module.get_ipython() if module else None
    return shell.user_ns if shell else {}


def _sign(sign: str) -> str:
    return {'"': '\\"', "'": "'"}.get(sign) or repr(sign)[1:-1]
