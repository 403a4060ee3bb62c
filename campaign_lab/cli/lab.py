"""``campaign-lab lab``: opens the workbench."""

from __future__ import annotations

import argparse
import signal

from campaign_lab.cli.exit_codes import BY_SIGNAL


def lab(args: argparse.Namespace) -> int:
    """Open the workbench: JupyterLab in the project's folder."""
    from campaign_lab.jupyter.launcher import launch

    number = launch(args.folder, port=args.port, browser=not args.no_browser, store=args.lab, user=args.user)
    # Ctrl-C is how it is meant to end
    return 0 if number == signal.SIGINT else BY_SIGNAL + number
