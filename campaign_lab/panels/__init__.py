"""Panels: ipywidgets, one file each. Layout, and callbacks that call one method; what they know stands in the lab."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from campaign_lab.panels.choosing.brief_form import BriefForm
    from campaign_lab.panels.choosing.compare_board import CompareBoard
    from campaign_lab.panels.choosing.session_tree import SessionTree
    from campaign_lab.panels.cost_meter import CostMeter
    from campaign_lab.panels.running.batch_panel import BatchPanel
    from campaign_lab.panels.running.run_panel import RunPanel

__all__ = ["BatchPanel", "BriefForm", "CompareBoard", "CostMeter", "RunPanel", "SessionTree"]

_HOMES = {
    "BatchPanel": "running.batch_panel",
    "BriefForm": "choosing.brief_form",
    "CompareBoard": "choosing.compare_board",
    "CostMeter": "cost_meter",
    "RunPanel": "running.run_panel",
    "SessionTree": "choosing.session_tree",
}


def __getattr__(name: str) -> Any:
    """Loads a panel when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
