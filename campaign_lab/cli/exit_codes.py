"""How a command ends: its exit codes."""

FAILED, WRONG_USE, REFUSED = 1, 2, 3
"""The job failed; the command was used wrongly; it costs more than the budget, or nobody agreed to its price."""
BY_SIGNAL = 128
"""Added to the number of the signal that stopped it: 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP, such as a closed terminal."""
STOPPED = "Stopped. What was finished is kept; the same command goes on from there."
"""The message after a signal."""
