"""Figures: pure functions, a frame of the lab in, a plotly figure out. The title says what the figure shows.

What is drawn is a function of the stored turns, so saved notebooks compare equal: no age, no user, no state of the cache.
"""

from campaign_lab.figures.costs import cost_waterfall
from campaign_lab.figures.coverage import coverage_map
from campaign_lab.figures.timeline import run_timeline
from campaign_lab.figures.tree import fork_tree

__all__ = ["cost_waterfall", "coverage_map", "fork_tree", "run_timeline"]
