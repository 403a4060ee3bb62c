"""campaign_lab: research a brand once, then explore creative angles as forks of that research.

Brief says what to advertise; Lab opens the lab file; a Session runs phases as Turns; a Checkpoint is what a fork starts from.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from campaign_lab.slow_imports import put_off_iri_grammar

if TYPE_CHECKING:
    from campaign_lab.brief import Brief
    from campaign_lab.lab import Lab

__all__ = ["Brief", "Lab"]
__version__ = "0.1.0"
put_off_iri_grammar()


def __getattr__(name: str) -> Any:
    """Loads Brief and Lab when they are first asked for: a quarter of a second that ``import campaign_lab`` need not take."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"{__name__}.{name.lower()}"), name)
    if name == "Lab":
        globals()[name] = found  # so that this is done once
        _attach_to_kernel()
    return found


def _attach_to_kernel() -> None:
    """In a notebook's kernel, runs show their progress in their cell. Nothing of Jupyter is imported anywhere else."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if not hasattr(shell, "get_parent"):
        return
    try:
        from campaign_lab.jupyter import attach

        attach(shell)
    except Exception as error:  # whatever is wrong with it, the lab works without
        import warnings

        message = f"campaign_lab shows no live progress in this notebook, and knows no %%angle cell: {error!r}"
        warnings.warn(message, RuntimeWarning, stacklevel=3)
