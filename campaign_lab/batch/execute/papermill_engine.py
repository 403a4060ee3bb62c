"""The papermill engine ``campaign``: cells have their ids, a run can be watched and cancelled, kernels open no port.

Papermill loads it by its entry point during its own import, so nothing of papermill is imported here at the top.
"""

from __future__ import annotations

from typing import Any

NAME = "campaign"


class CampaignEngine:
    """The engine's interface for papermill: ``papermill --engine campaign``, or ``engine_name="campaign"``."""

    @classmethod
    def execute_notebook(cls, nb: Any, kernel_name: str, **options: Any) -> Any:
        """Runs the notebook. It takes papermill's own options and those of ``CampaignClient``."""
        from campaign_lab.batch.execute.notebook_client import NotebookEngine

        return NotebookEngine.execute_notebook(nb, kernel_name, **options)

    @classmethod
    def nb_kernel_name(cls, nb: Any, name: str | None = None) -> str:
        """Returns ``name``, else the kernel's name in the notebook."""
        from papermill.utils import nb_kernel_name  # type: ignore[import-untyped]

        return str(nb_kernel_name(nb, name))

    @classmethod
    def nb_language(cls, nb: Any, language: str | None = None) -> str:
        """Returns ``language``, else the notebook's language."""
        from papermill.utils import nb_language

        return str(nb_language(nb, language))


def register() -> None:
    """Registers the engine with papermill where the package is not installed and has no entry point."""
    from papermill.engines import papermill_engines  # type: ignore[import-untyped]

    papermill_engines.register(NAME, CampaignEngine)
