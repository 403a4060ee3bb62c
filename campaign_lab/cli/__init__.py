"""The command line. Arguments only: each command calls the lab and shows what came back."""

from campaign_lab.cli.main import main

__all__ = ["main"]
