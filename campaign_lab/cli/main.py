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
from typing import NoReturn

from campaign_lab import __version__
from campaign_lab.cli.exit_codes import FAILED, STOPPED, WRONG_USE
from campaign_lab.cli.terminal.printing import note, say
from campaign_lab.cli.terminal.signals import ending_signals_stop, exit_code
from campaign_lab.cli.terminal.streams import lenient_streams
from campaign_lab.errors import AmbiguousName, BriefError, EndpointError, LabError, NotFoundError

Commands = argparse._SubParsersAction  # argparse names its own return type with an underscore
COST_KEYS = ("user", "campaign", "session", "phase", "agent", "day", "model", "batch", "run")


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
        given = _parser().parse_args(arguments)
        with ending_signals_stop():
            return int(given.command(given))
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
    """The code of a command whose results were printed; of one whose results were not, that it failed."""
    if lost is None or code:
        return code
    if lost.errno == errno.EPIPE:  # as after "| head": who was to read them went away, and need not be told
        return FAILED
    reason = (
        f"the result could not be printed ({lost.strerror}); what was done is kept, and the same command shows it again"
    )
    return say(reason, FAILED)


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
    _add_run(commands)
    _add_batch(commands)
    _add_lab(commands)
    _add_sessions(commands)
    _add_housekeeping(commands)
    return parser


def _add_run(commands: Commands[argparse.ArgumentParser]) -> None:
    from campaign_lab.cli.run import run

    command = _command(
        commands, "run", run, "take a website through research, strategy and copy; run again, it replays for nothing"
    )
    command.add_argument(
        "site",
        metavar="BRIEF",
        nargs="?",
        help="a brief (.toml, .yaml), a web address, or a folder or file of saved pages",
    )
    command.add_argument(
        "--session", metavar="NAME", help="run on this session, such as a fork, instead of a brief's own"
    )
    command.add_argument(
        "--endpoint", metavar="WHO", help="rehearsal (default, no key), anthropic, or a url of the Messages API"
    )
    command.add_argument("--model", metavar="ID", help="full id of the model")
    command.add_argument(
        "--phases",
        metavar="LIST",
        help="phases in order (research,strategy,copy; on a fork those that it does not have yet); a later one alone goes on "
        "from what the session has",
    )
    command.add_argument(
        "--take",
        metavar="N",
        type=int,
        help="answer N of the first phase: it replays when it is stored, and is made when it is not",
    )
    command.add_argument(
        "--fresh",
        action="store_true",
        help="the first phase once more, with its pages fetched anew; the next phases follow on it",
    )
    command.add_argument("--yes", action="store_true", help="do not ask for the price of --take and --fresh")
    command.add_argument(
        "--competitor", metavar="URL", action="append", help="a rival's site; may be given several times"
    )
    command.add_argument(
        "--market",
        metavar="CODE",
        help="ISO 3166 code, such as GB or CA-ON (default: what the site's ending or language says)",
    )
    command.add_argument("--language", metavar="TAG", help="language of the copy, such as en-GB (default: en)")


def _add_batch(commands: Commands[argparse.ArgumentParser]) -> None:
    from campaign_lab.cli.batch import batch
    from campaign_lab.cli.key_values import RULE

    command = _command(
        commands,
        "batch",
        batch,
        "run a notebook for each of several briefs; again, it does only what is missing or changed",
    )
    command.add_argument(
        "briefs", metavar="BRIEFS", help="a folder of briefs, one brief, or a CSV whose columns are its fields"
    )
    command.add_argument(
        "--notebook", metavar="FILE", help="the template, which takes the parameter brief_path (default: one campaign)"
    )
    command.add_argument(
        "--out", metavar="FOLDER", required=True, help="where executed notebooks, index.html and summary.parquet go"
    )
    command.add_argument(
        "--set", metavar="key=value", action="append", default=[],
        help=f"a parameter of the template, for all runs; may be given several times ({RULE})",
    )  # fmt: skip
    command.add_argument(
        "--matrix", metavar="key=v1,v2", action="extend", nargs="+", default=[],
        help="a run for each of these values, and for each combination where there are several; "
        "read as --set reads them, and a text with a comma stands in double quotes",
    )  # fmt: skip
    command.add_argument(
        "--workers", metavar="N", type=int, help="notebooks at once (default: what cores and memory allow)"
    )
    command.add_argument(
        "--timeout",
        metavar="TIME",
        default="20m",
        help="for a whole notebook, such as 90s, 20m or 1h (default: %(default)s)",
    )
    command.add_argument(
        "--retries", metavar="N", type=int, default=2, help="for what may pass the next time (default: %(default)s)"
    )
    command.add_argument("--budget", metavar="USD", type=float, help="for the whole batch, over all its starts")
    command.add_argument("--yes", action="store_true", help="do not ask before it starts")
    command.add_argument("--scheduler", metavar="URL", help="run on a Dask cluster, such as tcp://127.0.0.1:8786")


def _add_lab(commands: Commands[argparse.ArgumentParser]) -> None:
    from campaign_lab.cli.lab import lab

    command = _command(commands, "lab", lab, "open the workbench: JupyterLab in the project's folder", json=False)
    command.add_argument(
        "folder",
        metavar="FOLDER",
        nargs="?",
        help="the folder to work in (default: the checkout that the package runs from, else the current folder)",
    )
    command.add_argument(
        "--port", metavar="N", type=int, help="port on 127.0.0.1 (default: the next free one from 8888)"
    )
    command.add_argument("--no-browser", action="store_true", help="print the address only")


def _add_sessions(commands: Commands[argparse.ArgumentParser]) -> None:
    from campaign_lab.cli import sessions

    _command(commands, "sessions", sessions.opened(sessions.sessions), "list your sessions, and those shared with you")
    fork = _command(
        commands, "fork", sessions.opened(sessions.fork), "fork a session at a checkpoint; nothing is copied or sent"
    )
    fork.add_argument("session", metavar="SESSION", help="name, campaign/name, host/campaign/name, or id")
    fork.add_argument("purpose", metavar="PURPOSE", help="why you fork; it steers the fork's first turn")
    fork.add_argument(
        "--at", metavar="CHECKPOINT", help="a phase, a turn's number, or cell:ID (default: where the session stands)"
    )
    show = _command(commands, "show", sessions.opened(sessions.show), "show a session's lineage and receipts")
    show.add_argument("session", metavar="SESSION", help="name, campaign/name, host/campaign/name, id, or a saved file")
    show.add_argument(
        "--agent", metavar="NAME", help="also show what this agent read and said (an empty name: the main agent)"
    )
    share = _command(commands, "share", sessions.opened(sessions.share), "let another user read, fork or run a session")
    share.add_argument("session", metavar="SESSION", help="name, campaign/name, host/campaign/name, or id")
    share.add_argument("with_user", metavar="USER", help="who gets it")
    share.add_argument(
        "permission", nargs="?", default="read", choices=["read", "fork", "run"], help="fork and run include read"
    )
    share.add_argument("--revoke", action="store_true", help="take the share back; forks already made stay")
    costs = _command(commands, "costs", sessions.opened(sessions.costs), "show what was spent")
    costs.add_argument("--by", default="session", choices=COST_KEYS, help="what to tell apart (default: %(default)s)")


def _add_housekeeping(commands: Commands[argparse.ArgumentParser]) -> None:
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
    move.add_argument("--json", action="store_true", help="print JSON on stdout and nothing else there")
    sweep = _command(
        commands, "sweep", sessions.opened(sessions.sweep), "take what has been expired for longer than a grace"
    )
    sweep.add_argument(
        "--grace", metavar="TIME", default="7d", help="how long after expiry, such as 12h or 7d (default: %(default)s)"
    )
    sweep.add_argument("--keep", choices=["records"], help="keep sessions and records, take only the conversations")
    sweep.add_argument("--dry-run", action="store_true", help="only say what would be taken")
    save = _command(commands, "save", sessions.opened(sessions.save), "write a session to one file for another lab")
    save.add_argument("session", metavar="SESSION", help="name, campaign/name, host/campaign/name, or id")
    save.add_argument("file", metavar="FILE", help="a new file that ends in .duckdb; lab.open and show take it")
    _command(
        commands,
        "doctor",
        sessions.opened(sessions.doctor),
        "prove every session, and look at versions, disk and claims",
    )


def _command(
    commands: Commands[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    what: str,
    *,
    json: bool = True,
) -> argparse.ArgumentParser:
    """A command with the arguments that all have, and ``--json`` where it has a result to print."""
    command = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    command.set_defaults(command=run)
    command.add_argument(
        "--lab",
        metavar="PLACE",
        help="the lab file, or the url of a team's server (default: CAMPAIGN_LAB_STORE, else data/lab.duckdb in a checkout, "
        "else your data folder)",
    )
    command.add_argument(
        "--user", metavar="NAME", help="who you are (default: JUPYTERHUB_USER, else CAMPAIGN_LAB_USER, else the login)"
    )
    if json:
        command.add_argument("--json", action="store_true", help="print JSON on stdout and nothing else there")
    return command
