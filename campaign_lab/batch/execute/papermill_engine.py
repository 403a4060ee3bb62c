"""The papermill engine ``campaign``: cells know their ids, a run can be watched and cancelled, kernels open no port.

Papermill loads it by its entry point while it is itself half imported, so nothing of papermill is imported here at the top.
"""

from __future__ import annotations

from typing import Any

NAME = "campaign"


class CampaignEngine:
    """What papermill asks of an engine; ``papermill --engine campaign``, or ``engine_name="campaign"``."""

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **options: Any) -> Any:
        """Runs the notebook. Beside papermill's own options it takes those of ``CampaignClient``."""
        from campaign_lab.batch.execute.notebook_client import NotebookEngine

        return NotebookEngine.execute_notebook(nb, kernel_name, **options)

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """The kernel's name: the one that was given, else the notebook's."""
        from papermill.utils import nb_kernel_name  # type: ignore[import-untyped]

        return str(nb_kernel_name(nb, name))

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """The language: the one that was given, else the notebook's."""
        from papermill.utils import nb_language

        return str(nb_language(nb, language))


def register() -> None:
    """Makes the engine known to papermill where the package is not installed, so that its entry point is not there."""
    from papermill.engines import papermill_engines  # type: ignore[import-untyped]

    papermill_engines.register(NAME, CampaignEngine)
