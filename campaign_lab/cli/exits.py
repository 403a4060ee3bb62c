"""How a command ends: its exit codes."""

FAILED, WRONG_USE, REFUSED, INTERRUPTED = 1, 2, 3, 130
"""The job failed; wrong use; over the budget or not agreed to; stopped with Ctrl-C."""
STOPPED = "Stopped. What was finished is kept; the same command goes on from there."
"""What is said after Ctrl-C."""
