"""``%%angle NAME``: a cell whose text is the steer of a fork. Run again unchanged it replays; edited, it makes a second take."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from campaign_lab.agents.phases import ORDER
from campaign_lab.errors import NotFoundError
from campaign_lab.panels.code_line import handle_for, named_by_user, open_line
from campaign_lab.sessions.session import Session

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

MAGIC = "%%angle"
USE = "%%angle NAME [--at CHECKPOINT] [--session VARIABLE] [--phases LIST]"
OPTIONS = ("at", "session", "phases")
OPTION = re.compile(r"(?:^|\s)--(?=[A-Za-z])")


class AngleError(ValueError):
    """Wrong use of the magic."""


@dataclass(frozen=True)
class AngleLine:
    """The magic's first line, read."""

    name: str
    at: str | int = "research"
    session: str = ""
    phases: tuple[str, ...] = ()


def register(shell: InteractiveShell) -> None:
    """Makes the magic known to a kernel; once, however often it is called."""
    if angle_cell not in shell.input_transformers_cleanup:
        shell.input_transformers_cleanup.insert(0, angle_cell)  # first, so that no other one edits the text


def angle_cell(lines: list[str]) -> list[str]:
    """The input transformer: a cell that begins with the magic becomes one awaited call. Texts go in as literals only."""
    first, _, text = "".join(lines).lstrip().partition("\n")
    if first.split(maxsplit=1)[:1] != [MAGIC]:
        return lines
    line = first.removeprefix(MAGIC).strip()
    return [f"await __import__({__name__!r}, fromlist=['_']).run_angle({line!a}, {text!a})\n"]


async def run_angle(line: str, text: str) -> None:
    """Forks, runs the next phase with the text as steer, shows its turn, and says how to go on. Raises AngleError."""
    from IPython.core.getipython import get_ipython
    from IPython.display import display

    shell = get_ipython()
    assert shell is not None  # a cell is running
    wish, steer = read_line(line), text.strip()
    if not steer:
        raise AngleError("the cell has no text; write below the first line what the angle should be")
    base = _base(shell.user_ns, wish.session)
    for phase in wish.phases:
        base._context.phase(phase)  # an unknown one is said before anything is made
    fork = _forked(base, wish)
    for number, phase in enumerate(wish.phases or (_next_phase(fork),)):
        display(await fork.run(phase, steer=None if number else steer))  # type: ignore[no-untyped-call]
    variable = handle_for(fork, shell.user_ns)
    shell.user_ns[variable] = fork
    print(f"Go on with {variable} in another cell; in another notebook: {open_line(variable, fork.known_as)}")


def read_line(line: str) -> AngleLine:
    """Name and options. Raises AngleError that names what is wrong."""
    name, *given = OPTION.split(line)
    options: dict[str, str] = {}
    for each in given:
        option, value = (*re.split(r"\s*=\s*|\s+", each, maxsplit=1), "")[:2]
        if option not in OPTIONS or option in options:
            why = "is given twice" if option in options else "is unknown"
            raise AngleError(f"the option --{option} {why}; use: {USE}")
        if not value.strip():
            raise AngleError(f"the option --{option} has no value; use: {USE}")
        options[option] = value.strip()
    if not name.strip():
        raise AngleError(f"the angle has no name; use: {USE}")
    at = options.get("at", "research")
    phases = tuple(phase.strip() for phase in options.get("phases", "").split(",") if phase.strip())
    return AngleLine(name.strip(), int(at) if at.isdecimal() else at, options.get("session", ""), phases)


def _base(namespace: Mapping[str, Any], variable: str) -> Session:
    """The session to fork: the named variable's, else the one session of the notebook that is no fork."""
    if variable:
        if not isinstance(found := namespace.get(variable), Session):
            raise AngleError(f"--session {variable}: there is no session of that name in this notebook")
        return found
    sessions = {name: each for name, each in namespace.items() if isinstance(each, Session) and name[0] != "_"}
    named = {name: named_by_user(each) for name, each in sessions.items()}
    roots = {row.id: name for name, row in named.items() if row.parent_session is None}
    if len(roots) == 1:
        return sessions[next(iter(roots.values()))]
    if roots:
        raise AngleError(f"several sessions are here; say which one: --session {' or '.join(sorted(roots.values()))}")
    if sessions:
        raise AngleError(f"only forks are here; say which one to fork: --session {' or '.join(sorted(sessions))}")
    raise AngleError("there is no session yet; make one in a cell above: base = lab.session(brief)")


def _forked(base: Session, wish: AngleLine) -> Session:
    try:
        return base.fork(wish.name, at=wish.at)
    except NotFoundError as error:
        if wish.at != "research" or error.what != "checkpoint":
            raise
        hint = 'run "research" on it in a cell above first, or name another place with --at'
        raise AngleError(f"the session {base.name!r} has no research yet; {hint}") from None


def _next_phase(fork: Session) -> str:
    """What comes after the checkpoint of the fork; questions and phases of one's own are stepped over."""
    done = [each.phase for each in fork.checkpoints()]
    last = next((phase for phase in reversed(done) if phase in ORDER), None)
    if last == ORDER[-1]:
        raise AngleError(f"nothing comes after {last} by itself; name the phases with --phases")
    return ORDER[0] if last is None else ORDER[ORDER.index(last) + 1]
