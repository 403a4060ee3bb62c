"""``campaign-lab``: the commands, their arguments, and the exit codes (0 done, 1 the job failed, 2 wrong use)."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from campaign_lab import __version__
from campaign_lab.errors import BriefError, EndpointError, LabError, NotFoundError

DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    given = _parser().parse_args(arguments)
    try:
        return int(given.command(given))
    except (BriefError, EndpointError, NotFoundError, ValueError) as error:
        return _say(error, WRONG_USE)
    except LabError as error:
        return _say(error, FAILED)
    except KeyboardInterrupt:
        return _say("Stopped. What was finished is kept; the same command goes on from there.", INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output went away: nothing to tell it
        return FAILED


def _say(text: object, code: int) -> int:
    print(f"campaign-lab: {text}", file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="campaign-lab",
        description="Research a brand's website, find creative angles, write the copy; each step is kept and replays for nothing.",
    )
    parser.add_argument("--version", action="version", version=f"campaign-lab {__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(commands)
    return parser


def _add_run(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    from campaign_lab.cli.run import run

    command = commands.add_parser(
        "run",
        help="take a website through research, strategy and copy",
        description="Take a website through research, strategy and copy. Run again, it replays for nothing.",
    )
    command.set_defaults(command=run)
    command.add_argument(
        "site", metavar="BRIEF", help="a brief (.toml, .yaml), a web address, or a folder or file of saved pages"
    )
    command.add_argument(
        "--lab", metavar="FILE", help="the lab file (default: data/lab.duckdb in a checkout, else your data folder)"
    )
    command.add_argument(
        "--user", metavar="NAME", help="who owns the session (default: JUPYTERHUB_USER, else the login)"
    )
    command.add_argument(
        "--endpoint",
        metavar="WHO",
        help="rehearsal (default, no key), anthropic, or a url that speaks the Messages API",
    )
    command.add_argument("--model", metavar="ID", help="full id of the model")
    command.add_argument(
        "--phases",
        metavar="LIST",
        default="research,strategy,copy",
        help="phases to run, in order (default: %(default)s)",
    )
    command.add_argument(
        "--competitor", metavar="URL", action="append", help="a rival's site; may be given several times"
    )
    command.add_argument("--json", action="store_true", help="print one JSON object on stdout and nothing else there")
