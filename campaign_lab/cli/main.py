"""``campaign-lab``: the commands, their arguments, and the exit codes.

0 done, 1 the job failed, 2 wrong use, 3 over the budget or not agreed to; stopped: 130 with Ctrl-C, 143 by SIGTERM, 129 by
SIGHUP. Progress that nobody can see any more changes none of them; a result that could not be printed is 1.
"""

from __future__ import annotations

import argparse
import errno
import os
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias

from campaign_lab import __version__
from campaign_lab.cli.exit_codes import FAILED, STOPPED, WRONG_USE
from campaign_lab.cli.terminal.printing import note, say
from campaign_lab.cli.terminal.signals import ending_signals_stop, exit_code
from campaign_lab.cli.terminal.streams import lenient_streams
from campaign_lab.errors import AmbiguousName, BriefError, EndpointError, LabError, NotFoundError

Commands: TypeAlias = "argparse._SubParsersAction[_Parser]"
Command = Callable[[argparse.Namespace], int]
"""Does what the arguments say and returns the exit code. Its name and its docstring are what the command line shows of it."""
COST_KEYS = ("user", "campaign", "session", "phase", "agent", "day", "model", "batch", "run")
SESSION = "name, campaign/name, host/campaign/name, or id"
JSON = "print JSON on stdout and nothing else there"
USER = "who you are (default: JUPYTERHUB_USER, else CAMPAIGN_LAB_USER, else the login)"
LAB = "the lab file, or the url of a team's server (default: CAMPAIGN_LAB_STORE, else data/lab.duckdb in a checkout, "
LAB += "else your data folder)"
TRACEBACK = "CAMPAIGN_LAB_TRACEBACK"
"""The environment variable that shows, when it is 1, where in the code an error came up."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    with lenient_streams() as out:
        code = _run(arguments)
        out.flush()
        return _unless_lost(code, out.lost)


def _run(arguments: Sequence[str] | None) -> int:
    try:
        args = _parser().parse_args(arguments)
        command: Command = args.command
        with ending_signals_stop():
            return command(args)
    except SystemExit as ended:  # --help, --version, and wrong arguments
        return ended.code if isinstance(ended.code, int) else 0
    except KeyboardInterrupt as stopped:
        return say(STOPPED, exit_code(stopped))
    except Exception as error:
        if os.environ.get(TRACEBACK, "") not in ("", "0"):
            traceback.print_exc()
        if isinstance(error, (AmbiguousName, BriefError, EndpointError, NotFoundError, ValueError)):
            return say(error, WRONG_USE)
        if isinstance(error, LabError):
            return say(error, FAILED)
        unexpected = f"{type(error).__name__}: {error}. This should not have happened; {TRACEBACK}=1 shows where it did"
        return say(unexpected, FAILED)


def _unless_lost(code: int, lost: OSError | None) -> int:
    """The exit code of the command; FAILED where its result could not be printed."""
    if lost is None or code:
        return code
    if lost.errno == errno.EPIPE:  # as after "| head": who was to read them went away, and need not be told
        return FAILED
    kept = "what was done is kept, and the same command shows it again"
    return say(f"the result could not be printed ({lost.strerror}); {kept}", FAILED)


class _Parser(argparse.ArgumentParser):
    """A parser that says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        """Ends the command."""
        note(f"{self.prog}: {message}; {self.prog} --help says how it is used")
        raise SystemExit(WRONG_USE)

    def add(self, written: str, words: str, **options: Any) -> None:
        """Adds an argument with its help. ``written``: its name, and after a space what stands for its value."""
        name, _, value = written.partition(" ")
        if value:
            options["metavar"] = value
        self.add_argument(name, help=words, **options)


def _parser() -> _Parser:
    parser = _Parser(
        prog="campaign-lab",
        description="Research a brand's website, find creative angles, write copy; each step is kept and replays for nothing.",
    )
    parser.add_argument("--version", action="version", version=f"campaign-lab {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for add_command in (_add_run, _add_batch, _add_lab, _add_sessions, _add_housekeeping):
        add_command(commands)
    return parser


def _add_run(commands: Commands) -> None:
    from campaign_lab.cli.run import run

    add = _command(commands, run).add
    add("site BRIEF", "a brief (.toml, .yaml), a web address, or a folder or file of saved pages", nargs="?")
    add("--session NAME", "run on this session, such as a fork, instead of a brief's own")
    add("--endpoint WHO", "rehearsal (default, no key), anthropic, or a url of the Messages API")
    add("--model ID", "full id of the model")
    phases = "phases in order (research,strategy,copy; on a fork those that it does not have yet)"
    add("--phases LIST", f"{phases}; a later one alone goes on from what the session has")
    add("--take N", "answer N of the first phase: it replays when it is stored, and is made when it is not", type=int)
    fresh = "the first phase once more, with its pages fetched anew; the next phases follow on it"
    add("--fresh", fresh, action="store_true")
    add("--yes", "do not ask for the price of --take and --fresh", action="store_true")
    add("--competitor URL", "a rival's site; may be given several times", action="append")
    add("--market CODE", "ISO 3166 code, such as GB or CA-ON (default: what the site's ending or language says)")
    add("--language TAG", "language of the copy, such as en-GB (default: en)")


def _add_batch(commands: Commands) -> None:
    from campaign_lab.cli.batch import batch
    from campaign_lab.cli.key_values import RULE

    add = _command(commands, batch).add
    add("briefs BRIEFS", "a folder of briefs, one brief, or a CSV whose columns are its fields")
    add("--notebook FILE", "the template, which takes the parameter brief_path (default: one campaign)")
    add("--out FOLDER", "where executed notebooks, index.html and summary.parquet go", required=True)
    one = f"a parameter of the template, for all runs; may be given several times ({RULE})"
    add("--set key=value", one, action="append", default=[])
    each = "a run for each of these values, and for each combination where there are several; "
    each += "read as --set reads them, and a text with a comma stands in double quotes"
    add("--matrix key=v1,v2", each, action="extend", nargs="+", default=[])
    add("--workers N", "notebooks at once (default: what cores and memory allow)", type=int)
    add("--timeout TIME", "for a whole notebook, such as 90s, 20m or 1h (default: %(default)s)", default="20m")
    add("--retries N", "for what may pass the next time (default: %(default)s)", type=int, default=2)
    add("--budget USD", "for the whole batch, over all its starts", type=float)
    add("--yes", "do not ask before it starts", action="store_true")
    add("--scheduler URL", "run on a Dask cluster, such as tcp://127.0.0.1:8786")


def _add_lab(commands: Commands) -> None:
    from campaign_lab.cli.lab import lab

    add = _command(commands, lab, json=False).add
    folder = "the folder to work in (default: the checkout that the package runs from, else the current folder)"
    add("folder FOLDER", folder, nargs="?")
    add("--port N", "port on 127.0.0.1 (default: the next free one from 8888)", type=int)
    add("--no-browser", "print the address only", action="store_true")


def _add_sessions(commands: Commands) -> None:
    from campaign_lab.cli import sessions

    _command(commands, sessions.sessions)
    add = _command(commands, sessions.fork).add
    add("session SESSION", SESSION)
    add("purpose PURPOSE", "why you fork; it steers the fork's first turn")
    add("--at CHECKPOINT", "a phase, a turn's number, or cell:ID (default: where the session stands)")
    add = _command(commands, sessions.show).add
    add("session SESSION", "name, campaign/name, host/campaign/name, id, or a saved file")
    add("--agent NAME", "also show what this agent read and said (an empty name: the main agent)")
    add = _command(commands, sessions.share).add
    add("session SESSION", SESSION)
    add("with_user USER", "who gets it")
    permissions = ["read", "fork", "run"]
    add("permission", "fork and run include read", nargs="?", default="read", choices=permissions)
    add("--revoke", "take the share back; forks already made stay", action="store_true")
    add = _command(commands, sessions.costs).add
    add("--by", "what to tell apart (default: %(default)s)", default="session", choices=COST_KEYS)


def _add_housekeeping(commands: Commands) -> None:
    from campaign_lab.cli import sessions
    from campaign_lab.cli.copy import copy

    move = commands.add_parser(
        "copy",
        help="copy a whole lab to another place, such as a team's server",
        description="Copy a whole lab, of all its users, to another file or server, and verify every session there. "
        "Again, it copies what has come since; a judgement that was changed or a share that was taken back since stays "
        "there as it was copied. Nothing is taken away where it came from.",
    )
    move.set_defaults(command=copy)
    move.add("source SOURCE", "the lab file, or the url of a server, to copy from")
    move.add("target TARGET", "where to: postgresql://OWNER@HOST/DATABASE, or a lab file")
    move.add("--json", JSON, action="store_true")
    add = _command(commands, sessions.sweep).add
    add("--grace TIME", "how long after expiry, such as 12h or 7d (default: %(default)s)", default="7d")
    add("--keep", "keep sessions and records, take only the conversations", choices=["records"])
    add("--dry-run", "only say what would be taken", action="store_true")
    add = _command(commands, sessions.save).add
    add("session SESSION", SESSION)
    add("file FILE", "a new file that ends in .duckdb; lab.open and show take it")
    _command(commands, sessions.doctor)


def _command(commands: Commands, command: Command, *, json: bool = True) -> _Parser:
    """A command with the arguments that all have, and ``--json`` where it has a result to print."""
    what = str(command.__doc__)
    made = commands.add_parser(
        command.__name__, help=f"{what[0].lower()}{what[1:].removesuffix('.')}", description=what
    )
    made.set_defaults(command=command)
    made.add("--lab PLACE", LAB)
    made.add("--user NAME", USER)
    if json:
        made.add("--json", JSON, action="store_true")
    return made
