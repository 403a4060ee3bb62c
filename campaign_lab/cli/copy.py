"""``campaign-lab copy``: copies a lab to another store, and reports what arrived."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from campaign_lab.cli.exit_codes import FAILED
from campaign_lab.cli.terminal.printing import print_json, print_text
from campaign_lab.show.text import pluralize

if TYPE_CHECKING:
    from campaign_lab.sessions.transfer.lab_copy import CopyReport


def copy(args: argparse.Namespace) -> int:
    """``campaign-lab copy SOURCE TARGET``. Returns the exit code: FAILED when a session did not arrive whole."""
    from rich.console import Console

    from campaign_lab.sessions.transfer.lab_copy import copy_lab

    with Console(stderr=True).status("Copying …") as status:
        report = copy_lab(
            args.source, args.target, on_progress=lambda table, rows: status.update(f"Copying {table}: {rows:,} rows")
        )
    if args.json:
        print_json(asdict(report))
    else:
        _print_report(report)
    return FAILED if report.problems else 0


def _print_report(report: CopyReport) -> None:
    print_text(f"From {report.source} to {report.target}: {pluralize(report.rows, 'row')} added.")
    for table, rows in report.added.items():
        print_text(f"  {table:<16} {rows:>9,}")
    if report.moved_on:
        print_text(f"Gone on since they were copied last: {', '.join(report.moved_on)}.")
    if report.differing:
        names = ", ".join(report.differing)
        print_text(f"Left as they are there, because they went on differently on both sides: {names}.")
    if report.strangers:
        print_text(f"The server has no role yet for {', '.join(report.strangers)}: CREATE ROLE … LOGIN makes one.")
    for problem in report.problems:
        print_text(f"Not whole: {problem}")
    if not report.problems:
        print_text(
            f"Verified there: {pluralize(report.sessions, 'session')}, each with an unbroken line and a ledger that adds up."
        )
    if report.rows:
        print_text("Work on there: set CAMPAIGN_LAB_STORE to the new place, or name it with --lab.")
