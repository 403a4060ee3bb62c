"""campaign_lab: research a brand once, then explore creative angles as forks of that research.

Brief says what to advertise; Lab opens the lab file; a Session runs phases as Turns; a Checkpoint is what a fork starts from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from campaign_lab.brief import Brief
    from campaign_lab.lab import Lab

__all__ = ["Brief", "Lab"]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """Loads Brief and Lab when they are first asked for: a quarter of a second that ``import campaign_lab`` need not take."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{name.lower()}"), name)
