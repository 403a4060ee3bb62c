"""Doing a batch: runs as notebooks in kernels of this machine, their rows, and what the ledger says they cost."""
