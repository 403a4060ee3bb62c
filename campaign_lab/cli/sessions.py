"""The session commands: each opens the lab, calls one method, and prints what came back."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from campaign_lab.cli.terminal.printing import cell, print_json, print_rows, print_text
from campaign_lab.lab import Lab
from campaign_lab.money import NOTHING, Sum
from campaign_lab.show.text import pluralize

if TYPE_CHECKING:
    import pandas as pd

Command = Callable[[Lab, argparse.Namespace], Any]


def opened(command: Command) -> Callable[[argparse.Namespace], int]:
    """The command with the lab that its --lab and --user name. What it returns is printed as JSON with --json."""

    def run(given: argparse.Namespace) -> int:
        with Lab(given.lab, user=given.user) as lab:
            result = command(lab, given)
        if given.json:
            print_json(result)
        return 0

    return run


def sessions(lab: Lab, given: argparse.Namespace) -> Any:
    """``campaign-lab sessions``"""
    frame = lab.sessions()
    columns = ("session", "campaign", "url", "owner", "purpose", "phase", "turns", "cost_usd", "state", "expires_at")
    return _shown(given, "sessions", frame, columns=columns, cost=_sum)


def fork(lab: Lab, given: argparse.Namespace) -> Any:
    """``campaign-lab fork SESSION PURPOSE``"""
    base = lab.open(given.session)
    at = int(given.at) if given.at and given.at.isdigit() else given.at
    made = base.fork(given.purpose, at=at)
    if not given.json:
        print_text(
            f"{made.name}: forked from {base.full_name} at {made.checkpoint()}. It carries all before it; nothing was sent."
        )
        place = (
            lab._context.engine.display_url if given.lab else ""
        )  # and not as it was given: a url may hold a password
        options = [f"--{name} {shlex.quote(value)}" for name, value in (("lab", place), ("user", given.user)) if value]
        print_text(" ".join(["Go on with: campaign-lab run --session", shlex.quote(made.known_as), *options]))
    return {"session": made.name, "id": made.id, "parent": base.name, "checkpoint": made.checkpoint().number}


def show(lab: Lab, given: argparse.Namespace) -> Any:
    """``campaign-lab show SESSION``"""
    session = lab.open(given.session)
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
    said = [asdict(message) for message in session.conversation(given.agent)] if given.agent is not None else []
    if not given.json:
        print_text(f"{session.name} · {session.brief.campaign} · {session.brief.url} · owner {session.owner}")
        if session.notice:
            print_text(session.notice)
        print_rows("lineage", lines)
        print_rows("receipts", receipts)
        for message in said:
            print_text(
                f"\n{message['phase']} · {message['agent'] or 'main agent'} · {message['role']}\n{message['text']}"
            )
    return {"session": session.name, "id": session.id, "lineage": lines, "receipts": receipts, "conversation": said}


def share(lab: Lab, given: argparse.Namespace) -> Any:
    """``campaign-lab share SESSION USER [PERMISSION]``"""
    session = lab.open(given.session)
    if given.revoke:
        session.unshare(given.with_user)
    else:
        session.share(given.with_user, given.permission)
    what = "no longer shared with" if given.revoke else f"shared ({given.permission}) with"
    if not given.json:
        print_text(f"{session.name} is {what} {given.with_user}.")
    return {"session": session.name, "user": given.with_user, "permission": "" if given.revoke else given.permission}


def costs(lab: Lab, given: argparse.Namespace) -> Any:
    """``campaign-lab costs --by KEY``"""
    frame = lab.costs(by=given.by)
    result = _shown(given, f"costs by {given.by}", frame, columns=tuple(frame.columns))
    if not given.json:
        whole = sum((_sum(row) for row in result), NOTHING)
        cut = sum(row["cut_requests"] for row in result)
        lost = f" {pluralize(cut, 'request')} cut; what that cost is not known." if cut else ""
        print_text(f"Sum: {whole.words(' at list price')}.{lost}")
    return result


def sweep(lab: Lab, given: argparse.Namespace) -> Any:
    """``campaign-lab sweep``"""
    report = lab.sweep(grace=given.grace, keep=given.keep or "", dry_run=given.dry_run)
    if not given.json:
        print_text(str(report))
    return report.to_json()


def save(lab: Lab, given: argparse.Namespace) -> Any:
    """``campaign-lab save SESSION FILE``"""
    report = lab.open(given.session).save(given.file)
    if not given.json:
        print_text(str(report))
    return {"file": given.file, "report": str(report)}


def doctor(lab: Lab, given: argparse.Namespace) -> Any:
    """``campaign-lab doctor``"""
    findings = [asdict(finding) for finding in lab.doctor()]
    if not given.json:
        print_rows("doctor", findings)
    if any(finding["level"] == "fail" for finding in findings):
        raise SystemExit(_failed(findings, given))
    return findings


def _failed(findings: Sequence[dict[str, Any]], given: argparse.Namespace) -> int:
    if given.json:
        print_json(findings)
    return 1


def _sum(row: Mapping[str, Any]) -> Sum:
    return Sum.stored(row["cost_usd"], row["unpriced_requests"])


def _shown(
    given: argparse.Namespace,
    title: str,
    frame: pd.DataFrame,
    *,
    columns: Sequence[str],
    cost: Callable[[Mapping[str, Any]], Sum] | None = None,
) -> Any:
    """A frame as a table, and as JSON-ready rows. ``cost``: what its one column of money says, where none counts beside it."""
    rows = json.loads(frame.to_json(orient="records", date_format="iso"))
    if not given.json:
        seen = [row | ({"cost_usd": cell(cost(row))} if cost else {}) for row in rows]
        print_rows(title, [{name: row[name] for name in columns} for row in seen])
    return rows
