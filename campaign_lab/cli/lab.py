"""``campaign-lab lab``: opens the workbench."""

from __future__ import annotations

import argparse
import signal

from campaign_lab.cli.exit_codes import BY_SIGNAL


def lab(args: argparse.Namespace) -> int:
    """Opens JupyterLab and waits for its end. Returns the exit code, which is 0 after Ctrl-C."""
    from campaign_lab.jupyter.launcher import launch

    number = launch(args.folder, port=args.port, browser=not args.no_browser, store=args.lab, user=args.user)
    return 0 if number == signal.SIGINT else BY_SIGNAL + number
