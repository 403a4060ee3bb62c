"""CostMeter: what the fork tree of a session paid, what forking and replaying avoided, and what may still be spent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from campaign_lab.figures.tree_costs import avoided, cost, paid, rows_of
from campaign_lab.money import NOTHING, Sum, usd
from campaign_lab.panels.base import Panel
from campaign_lab.sessions.spending.limits import Limit, user_limits
from campaign_lab.show import framed
from campaign_lab.show.templates import render
from campaign_lab.store.queries import family_of

if TYPE_CHECKING:
    from campaign_lab.lab import Lab
    from campaign_lab.sessions.session import Session

NO_BUDGET = "no budget set"


class CostMeter(Panel):
    """Four figures for the tree that ``session`` belongs to, in US dollars; ``refresh()`` reads them anew.

    Only what was paid and what forking avoided is saved with a notebook: the other two are of this moment.
    """

    def __init__(self, lab: Lab, session: Session) -> None:
        super().__init__()
        self._lab, self._session = lab, session
        self.paid, self.avoided, self.replayed, self.left = (widgets.HTML() for _ in range(4))
        self.refresh_button = self.button("Refresh", "refresh", "Read the costs from the lab again", self.refresh)
        layout = {"flex_flow": "row wrap", "grid_gap": "0 2.5em"}
        tiles = widgets.HBox([self.paid, self.avoided, self.replayed, self.left], layout=layout)
        self.children = [tiles, self.refresh_button, self.problem]
        self._paid = self._avoided = NOTHING
        self.refresh()

    def refresh(self) -> None:
        """Reads the four figures from the lab."""
        rows = rows_of(self._lab.tree(self._session))
        self._paid, self._avoided = paid(rows), avoided(rows)
        self.paid.value = _tile("Paid", str(self._paid), self._prices)
        self.avoided.value = _tile("Avoided by forking", str(self._avoided), "carried by forks, not paid again")
        self.replayed.value = _tile("Avoided by replay", str(self._replays(rows)), "since the lab was opened here")
        self.left.value = _tile("Budget left", *self._budget(rows))

    def twin(self) -> str:
        """What is a function of the stored turns: paid, and avoided by forking."""
        rows = (("Paid", self._paid, self._prices), ("Avoided by forking", self._avoided, "not paid again"))
        return framed(render("cost_table", rows=rows))

    def line(self) -> str:
        """The two sums that are saved."""
        return f"CostMeter(paid {self._paid}, avoided {self._avoided})"

    # -- inside

    @property
    def _prices(self) -> str:
        if self._session.endpoint.startswith("rehearsal"):
            return "list prices; rehearsal itself costs nothing"
        return "when the turns were made"

    def _replays(self, rows: list[dict[str, Any]]) -> Sum:
        """What the turns of this tree cost that were replayed in this process, once each time."""
        ids = {row["id"] for row in rows}
        return sum((once for session, once in self._lab._context.replays if session in ids), NOTHING)

    def _budget(self, rows: list[dict[str, Any]]) -> tuple[str, str]:
        """What may still be spent under the budget that leaves least, and what each budget leaves."""
        left = [(name, limit, spent) for name, limit, spent in self._limits(rows) if limit is not None]
        if not left:
            return NO_BUDGET, ""
        notes = [f"{name}: {_rest(limit, spent)} of {usd(limit)}" for name, limit, spent in left]
        _, limit, spent = min(left, key=lambda each: each[1] - each[2].usd)
        return _rest(limit, spent), "; ".join(notes)

    def _limits(self, rows: list[dict[str, Any]]) -> list[Limit]:
        """Each budget of the lab, by the name that is shown."""
        context, row = self._lab._context, self._session._row
        family, (by_user, by_day) = context.engine.call(
            lambda con: (family_of(con, row, renewed=False), user_limits(con, context))
        )
        session = sum((cost(row) for row in rows if row["id"] in family), NOTHING)
        return [
            Limit("a turn", context.budgets.turn_usd),
            Limit("this session", context.budgets.session_usd, session),
            by_user._replace(scope=context.user),
            by_day._replace(scope=f"{context.user} today (UTC)"),
        ]


def _rest(limit: float, spent: Sum) -> str:
    """What is left of a budget; what was asked without a price may be more than all of it."""
    rest = limit - spent.usd
    known = usd(rest) if rest >= 0 else f"nothing ({usd(-rest)} over)"
    return f"{known}, less {Sum(unpriced=spent.unpriced)}" if spent.unpriced else known


def _tile(name: str, amount: str, note: str) -> str:
    return framed(render("cost_tile", name=name, amount=amount, note=note))
