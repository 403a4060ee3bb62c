"""Panels: ipywidgets, one file each. Layout, and callbacks that call one method; what they know stands in the lab."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from campaign_lab.panels.batch_panel import BatchPanel
    from campaign_lab.panels.brief_form import BriefForm
    from campaign_lab.panels.compare_board import CompareBoard
    from campaign_lab.panels.cost_meter import CostMeter
    from campaign_lab.panels.run_panel import RunPanel
    from campaign_lab.panels.session_tree import SessionTree

__all__ = ["BatchPanel", "BriefForm", "CompareBoard", "CostMeter", "RunPanel", "SessionTree"]

_HOMES = {
    "BatchPanel": "batch_panel",
    "BriefForm": "brief_form",
    "CompareBoard": "compare_board",
    "CostMeter": "cost_meter",
    "RunPanel": "run_panel",
    "SessionTree": "session_tree",
}


def __getattr__(name: str) -> Any:
    """Loads a panel when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
