"""``campaign-lab lab``: opens the workbench."""

from __future__ import annotations

import argparse
import signal

from campaign_lab.cli.exit_codes import BY_SIGNAL


def lab(given: argparse.Namespace) -> int:
    """Opens JupyterLab and waits until it is stopped. Returns the exit code: Ctrl-C is how it is meant to end."""
    from campaign_lab.jupyter.launcher import launch

    number = launch(given.folder, port=given.port, browser=not given.no_browser, store=given.lab, user=given.user)
    return 0 if number == signal.SIGINT else BY_SIGNAL + number
