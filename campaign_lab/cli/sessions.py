"""The commands on sessions and on the lab: each opens the lab, calls one method, and prints the result."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import wraps
from typing import TYPE_CHECKING, Any

from campaign_lab.cli.exit_codes import FAILED
from campaign_lab.cli.terminal.printing import cell, print_json, print_rows, print_text
from campaign_lab.lab import Lab
from campaign_lab.money import NOTHING, Sum
from campaign_lab.show.text import pluralize

if TYPE_CHECKING:
    import pandas as pd


def opened(command: Callable[[Lab, argparse.Namespace], Any]) -> Callable[[argparse.Namespace], int]:
    """Gives the command the lab of --lab and --user. With --json, prints what the command returns as JSON."""

    @wraps(command)
    def run(args: argparse.Namespace) -> int:
        with Lab(args.lab, user=args.user) as lab:
            result = command(lab, args)
        if args.json:
            print_json(result)
        return 0

    return run


@opened
def sessions(lab: Lab, args: argparse.Namespace) -> Any:
    """List your sessions, and those shared with you."""
    frame = lab.sessions()
    columns = ("session", "campaign", "url", "owner", "purpose", "phase", "turns", "cost_usd", "state", "expires_at")
    return _shown(args, "sessions", frame, columns=columns, cost=_sum)


@opened
def fork(lab: Lab, args: argparse.Namespace) -> Any:
    """Fork a session at a checkpoint; nothing is copied or sent."""
    base = lab.open(args.session)
    at = int(args.at) if args.at and args.at.isdigit() else args.at
    made = base.fork(args.purpose, at=at)
    if not args.json:
        print_text(
            f"{made.name}: forked from {base.full_name} at {made.checkpoint()}. It carries all before it; nothing was sent."
        )
        place = lab._context.engine.display_url if args.lab else ""  # not as it was given: a url may hold a password
        options = [f"--{name} {shlex.quote(value)}" for name, value in (("lab", place), ("user", args.user)) if value]
        print_text(" ".join(["Go on with: campaign-lab run --session", shlex.quote(made.known_as), *options]))
    return {"session": made.name, "id": made.id, "parent": base.name, "checkpoint": made.checkpoint().number}


@opened
def show(lab: Lab, args: argparse.Namespace) -> Any:
    """Show a session's lineage and receipts."""
    session = lab.open(args.session)
    lines = [
        {
            "number": step.number, "phase": step.phase, "session": step.session, "purpose": step.purpose,
            "by": step.user, "when": f"{step.made_at:%Y-%m-%d %H:%M}", "cell": step.cell_id or "",
        }
        for step in session.lineage
    ]  # fmt: skip
    turns = session.turns()
    receipts = [
        {
            "phase": turn.phase,
            "records": len(turn.kept),
            "cost": str(turn.receipt.cost),
            "carried": str(turn.receipt.avoided),
            "cache": turn.receipt.cache.state if turn.receipt.cache else "first turn",
            "why": turn.receipt.cache.reason if turn.receipt.cache else "",
        }
        for turn in turns
    ]
    messages = [] if args.agent is None else [asdict(message) for message in session.conversation(args.agent)]
    if not args.json:
        print_text(f"{session.name} · {session.brief.campaign} · {session.brief.url} · owner {session.owner}")
        if session.notice:
            print_text(session.notice)
        print_rows("lineage", lines)
        print_rows("receipts", receipts)
        for message in messages:
            print_text(
                f"\n{message['phase']} · {message['agent'] or 'main agent'} · {message['role']}\n{message['text']}"
            )
    return {"session": session.name, "id": session.id, "lineage": lines, "receipts": receipts, "conversation": messages}


@opened
def share(lab: Lab, args: argparse.Namespace) -> Any:
    """Let another user read, fork or run a session."""
    session = lab.open(args.session)
    if args.revoke:
        session.unshare(args.with_user)
    else:
        session.share(args.with_user, args.permission)
    what = "no longer shared with" if args.revoke else f"shared ({args.permission}) with"
    if not args.json:
        print_text(f"{session.name} is {what} {args.with_user}.")
    return {"session": session.name, "user": args.with_user, "permission": "" if args.revoke else args.permission}


@opened
def costs(lab: Lab, args: argparse.Namespace) -> Any:
    """Show what was spent."""
    frame = lab.costs(by=args.by)
    result = _shown(args, f"costs by {args.by}", frame, columns=tuple(frame.columns))
    if not args.json:
        whole = sum((_sum(row) for row in result), NOTHING)
        cut = sum(row["cut_requests"] for row in result)
        lost = f" {pluralize(cut, 'request')} cut; what that cost is not known." if cut else ""
        print_text(f"Sum: {whole.words(' at list price')}.{lost}")
    return result


@opened
def sweep(lab: Lab, args: argparse.Namespace) -> Any:
    """Take what has been expired for longer than a grace."""
    report = lab.sweep(grace=args.grace, keep=args.keep or "", dry_run=args.dry_run)
    if not args.json:
        print_text(str(report))
    return asdict(report)


@opened
def save(lab: Lab, args: argparse.Namespace) -> Any:
    """Write a session to one file for another lab."""
    report = lab.open(args.session).save(args.file)
    if not args.json:
        print_text(str(report))
    return {"file": args.file, "report": str(report)}


def doctor(args: argparse.Namespace) -> int:
    """Prove every session, and look at versions, disk and claims."""
    with Lab(args.lab, user=args.user) as lab:
        findings = [asdict(finding) for finding in lab.doctor()]
    if args.json:
        print_json(findings)
    else:
        print_rows("doctor", findings)
    return FAILED if any(finding["level"] == "fail" for finding in findings) else 0


def _sum(row: Mapping[str, Any]) -> Sum:
    return Sum.stored(row["cost_usd"], row["unpriced_requests"])


def _shown(
    args: argparse.Namespace,
    title: str,
    frame: pd.DataFrame,
    *,
    columns: Sequence[str],
    cost: Callable[[Mapping[str, Any]], Sum] | None = None,
) -> Any:
    """Prints a frame as a table, unless with --json, and returns its rows for JSON. ``cost`` makes the text of cost_usd."""
    rows = json.loads(frame.to_json(orient="records", date_format="iso"))
    if not args.json:
        seen = [row | ({"cost_usd": cell(cost(row))} if cost else {}) for row in rows]
        print_rows(title, [{name: row[name] for name in columns} for row in seen])
    return rows
