"""``campaign-lab lab``: opens the workbench."""

from __future__ import annotations

import argparse


def lab(given: argparse.Namespace) -> int:
    """Opens JupyterLab and waits until it is stopped. Returns the exit code."""
    from campaign_lab.jupyter.launcher import launch

    return launch(given.folder, port=given.port, browser=not given.no_browser, store=given.lab, user=given.user)
