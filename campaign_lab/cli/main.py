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
from typing import NoReturn, TypeAlias

from campaign_lab import __version__
from campaign_lab.cli.exit_codes import FAILED, STOPPED, WRONG_USE
from campaign_lab.cli.terminal.printing import note, say
from campaign_lab.cli.terminal.signals import ending_signals_stop, exit_code
from campaign_lab.cli.terminal.streams import lenient_streams
from campaign_lab.errors import AmbiguousName, BriefError, EndpointError, LabError, NotFoundError

Commands: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
Command = Callable[[argparse.Namespace], int]
"""Does what the arguments say and returns the exit code."""
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
    """Runs the command. Whatever it raises ends as one line on stderr."""
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


def _parser() -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = _Parser(
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

    what = "take a website through research, strategy and copy; run again, it replays for nothing"
    add = _command(commands, "run", run, what).add_argument
    brief = "a brief (.toml, .yaml), a web address, or a folder or file of saved pages"
    add("site", metavar="BRIEF", nargs="?", help=brief)
    add("--session", metavar="NAME", help="run on this session, such as a fork, instead of a brief's own")
    add("--endpoint", metavar="WHO", help="rehearsal (default, no key), anthropic, or a url of the Messages API")
    add("--model", metavar="ID", help="full id of the model")
    phases = "phases in order (research,strategy,copy; on a fork those that it does not have yet)"
    add("--phases", metavar="LIST", help=f"{phases}; a later one alone goes on from what the session has")
    take = "answer N of the first phase: it replays when it is stored, and is made when it is not"
    add("--take", metavar="N", type=int, help=take)
    fresh = "the first phase once more, with its pages fetched anew; the next phases follow on it"
    add("--fresh", action="store_true", help=fresh)
    add("--yes", action="store_true", help="do not ask for the price of --take and --fresh")
    add("--competitor", metavar="URL", action="append", help="a rival's site; may be given several times")
    market = "ISO 3166 code, such as GB or CA-ON (default: what the site's ending or language says)"
    add("--market", metavar="CODE", help=market)
    add("--language", metavar="TAG", help="language of the copy, such as en-GB (default: en)")


def _add_batch(commands: Commands) -> None:
    from campaign_lab.cli.batch import batch
    from campaign_lab.cli.key_values import RULE

    what = "run a notebook for each of several briefs; again, it does only what is missing or changed"
    add = _command(commands, "batch", batch, what).add_argument
    add("briefs", metavar="BRIEFS", help="a folder of briefs, one brief, or a CSV whose columns are its fields")
    template = "the template, which takes the parameter brief_path (default: one campaign)"
    add("--notebook", metavar="FILE", help=template)
    out = "where executed notebooks, index.html and summary.parquet go"
    add("--out", metavar="FOLDER", required=True, help=out)
    one = f"a parameter of the template, for all runs; may be given several times ({RULE})"
    add("--set", metavar="key=value", action="append", default=[], help=one)
    each = "a run for each of these values, and for each combination where there are several; "
    each += "read as --set reads them, and a text with a comma stands in double quotes"
    add("--matrix", metavar="key=v1,v2", action="extend", nargs="+", default=[], help=each)
    add("--workers", metavar="N", type=int, help="notebooks at once (default: what cores and memory allow)")
    timeout = "for a whole notebook, such as 90s, 20m or 1h (default: %(default)s)"
    add("--timeout", metavar="TIME", default="20m", help=timeout)
    retries = "for what may pass the next time (default: %(default)s)"
    add("--retries", metavar="N", type=int, default=2, help=retries)
    add("--budget", metavar="USD", type=float, help="for the whole batch, over all its starts")
    add("--yes", action="store_true", help="do not ask before it starts")
    add("--scheduler", metavar="URL", help="run on a Dask cluster, such as tcp://127.0.0.1:8786")


def _add_lab(commands: Commands) -> None:
    from campaign_lab.cli.lab import lab

    what = "open the workbench: JupyterLab in the project's folder"
    add = _command(commands, "lab", lab, what, json=False).add_argument
    folder = "the folder to work in (default: the checkout that the package runs from, else the current folder)"
    add("folder", metavar="FOLDER", nargs="?", help=folder)
    add("--port", metavar="N", type=int, help="port on 127.0.0.1 (default: the next free one from 8888)")
    add("--no-browser", action="store_true", help="print the address only")


def _add_sessions(commands: Commands) -> None:
    from campaign_lab.cli import sessions

    _command(commands, "sessions", sessions.sessions, "list your sessions, and those shared with you")
    what = "fork a session at a checkpoint; nothing is copied or sent"
    add = _command(commands, "fork", sessions.fork, what).add_argument
    add("session", metavar="SESSION", help=SESSION)
    add("purpose", metavar="PURPOSE", help="why you fork; it steers the fork's first turn")
    checkpoint = "a phase, a turn's number, or cell:ID (default: where the session stands)"
    add("--at", metavar="CHECKPOINT", help=checkpoint)
    add = _command(commands, "show", sessions.show, "show a session's lineage and receipts").add_argument
    add("session", metavar="SESSION", help="name, campaign/name, host/campaign/name, id, or a saved file")
    agent = "also show what this agent read and said (an empty name: the main agent)"
    add("--agent", metavar="NAME", help=agent)
    what = "let another user read, fork or run a session"
    add = _command(commands, "share", sessions.share, what).add_argument
    add("session", metavar="SESSION", help=SESSION)
    add("with_user", metavar="USER", help="who gets it")
    permissions = ["read", "fork", "run"]
    add("permission", nargs="?", default="read", choices=permissions, help="fork and run include read")
    add("--revoke", action="store_true", help="take the share back; forks already made stay")
    add = _command(commands, "costs", sessions.costs, "show what was spent").add_argument
    add("--by", default="session", choices=COST_KEYS, help="what to tell apart (default: %(default)s)")


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
    move.add_argument("source", metavar="SOURCE", help="the lab file, or the url of a server, to copy from")
    move.add_argument("target", metavar="TARGET", help="where to: postgresql://OWNER@HOST/DATABASE, or a lab file")
    move.add_argument("--json", action="store_true", help=JSON)
    what = "take what has been expired for longer than a grace"
    add = _command(commands, "sweep", sessions.sweep, what).add_argument
    grace = "how long after expiry, such as 12h or 7d (default: %(default)s)"
    add("--grace", metavar="TIME", default="7d", help=grace)
    add("--keep", choices=["records"], help="keep sessions and records, take only the conversations")
    add("--dry-run", action="store_true", help="only say what would be taken")
    add = _command(commands, "save", sessions.save, "write a session to one file for another lab").add_argument
    add("session", metavar="SESSION", help=SESSION)
    add("file", metavar="FILE", help="a new file that ends in .duckdb; lab.open and show take it")
    what = "prove every session, and look at versions, disk and claims"
    _command(commands, "doctor", sessions.doctor, what)


def _command(commands: Commands, name: str, run: Command, what: str, *, json: bool = True) -> argparse.ArgumentParser:
    """A command with the arguments that all have, and ``--json`` where it has a result to print."""
    command = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    command.set_defaults(command=run)
    command.add_argument("--lab", metavar="PLACE", help=LAB)
    command.add_argument("--user", metavar="NAME", help=USER)
    if json:
        command.add_argument("--json", action="store_true", help=JSON)
    return command
