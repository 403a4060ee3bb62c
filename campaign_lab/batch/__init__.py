"""Notebooks as jobs: a template is run for each of several briefs, by papermill, with cell ids."""

from campaign_lab.batch.runs import BATCH_COLUMNS, NotebookFailed, run_briefs, run_notebook

__all__ = ["BATCH_COLUMNS", "NotebookFailed", "run_briefs", "run_notebook"]
