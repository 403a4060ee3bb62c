"""One advertisement with what is thought of it: pick or reject, a rating and a note, each stored when it is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import ipywidgets as widgets

from campaign_lab.panels.choosing.variant_groups import judged
from campaign_lab.show import framed
from campaign_lab.show.text import escape_html, plain

Row = Mapping[str, Any]
Save = Callable[["VariantCard", str, Any], None]
"""Is told the card, what was changed (pick, rating or note), and its new value."""

PICKS = (("Pick", "pick"), ("Reject", "reject"), ("Undecided", ""))
RATINGS = (("not rated", 0), *((str(number), number) for number in range(1, 6)))
NOTHING: Row = {"pick": "", "rating": None, "note": ""}
"""Who has said nothing yet."""
LABEL_WIDTH = "5.5em"
LINES = "line-height:1.4"
"""Widgets set texts as far apart as the fields beside them are high."""


class CardStyle:
    """Layouts and styles that all cards of a board share; each card's own would be ten more models in the page."""

    def __init__(self) -> None:
        self.card = widgets.Layout(width="24em", margin="0 0 24px 0")
        self.inside = widgets.Layout()
        self.ad = widgets.Layout(flex="1 1 auto")
        """The advertisement takes what room there is, so that the controls below stand in line."""
        self.html = widgets.HTML.style.klass()
        self.buttons = widgets.ToggleButtons.style.klass(button_width="auto", description_width=LABEL_WIDTH)
        self.choice = widgets.Dropdown.style.klass(description_width=LABEL_WIDTH)
        self.text = widgets.Text.style.klass(description_width=LABEL_WIDTH)


class VariantCard(widgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """The card of one variant. ``save`` hears what the user changes; ``show`` puts in what is stored, unheard.

    ``place`` is that of its fork among those that are compared. The controls hold what ``user`` has said, and stand empty
    below the judgement of somebody else: so a change of one of them takes over nothing, and any of it can be confirmed.
    """

    def __init__(self, row: Row, ad: str, *, place: int, user: str, look: CardStyle, save: Save) -> None:
        super().__init__(layout=look.card)
        self.row, self.place, self._user = row, place, user
        self._save, self._listening = save, False
        of = f"“{plain(row['headline'])}” of {plain(row['session'])}"
        self.ad = widgets.HTML(framed(f'<div style="{LINES}">{ad}</div>'), style=look.html, layout=look.ad)
        self.pick = widgets.ToggleButtons(
            options=PICKS, description="Choice", tooltips=[f"{label}: {of}" for label, _ in PICKS],
            style=look.buttons, layout=look.inside,
        )  # fmt: skip
        self.rating = widgets.Dropdown(
            options=RATINGS, description="Rating", tooltip=f"Rating from 1 to 5: {of}",
            style=look.choice, layout=look.inside,
        )  # fmt: skip
        self.note = widgets.Text(
            description="Note", tooltip=f"Note: {of}", placeholder="Enter stores it",
            continuous_update=False, style=look.text, layout=look.inside,
        )  # fmt: skip
        self.said = widgets.HTML(style=look.html, layout=look.inside)  # which button is darker tells not everybody
        self.children = (self.ad, self.pick, self.rating, self.note, self.said)
        self.show(row)
        for name in ("pick", "rating", "note"):
            getattr(self, name).observe(self._heard(name), "value")

    def show(self, row: Row) -> None:
        """Shows what is stored."""
        self.row, self._listening = row, False
        own = row if row["rated_by"] == self._user else NOTHING
        try:
            self.pick.value, self.rating.value, self.note.value = own["pick"], own["rating"] or 0, own["note"]
        finally:
            self._listening = True
        by = f"{row['rated_by']}: " if row["rated_by"] else ""
        self.said.value = framed(f"<small>{escape_html(by + judged(row))}</small>")

    def changed(self, name: str, value: Any) -> Row:
        """The row as it is stored once the user has changed this: what somebody else said is no part of it."""
        own = {} if self.row["rated_by"] == self._user else NOTHING
        return {**self.row, **own, name: value or NOTHING[name], "rated_by": self._user}

    def _heard(self, name: str) -> Callable[[Any], None]:
        def changed(change: Any) -> None:
            if self._listening:
                self._save(self, name, change["new"])

        return changed
