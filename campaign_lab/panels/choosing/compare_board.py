"""CompareBoard: forks side by side, angle by angle, and what is thought of each variant, stored at once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import ipywidgets as widgets

from campaign_lab.agents.phases import ORDER
from campaign_lab.figures.tree_costs import rows_of
from campaign_lab.panels.base import Panel, status_html
from campaign_lab.panels.choosing.variant_card import LINES, CardStyle, VariantCard
from campaign_lab.panels.choosing.variant_groups import (
    Row,
    VariantGroup,
    cost_of,
    differences_html,
    groups,
    static_html,
)
from campaign_lab.show import ad_html, framed
from campaign_lab.show.text import bidi_isolate, one_line, pluralize

if TYPE_CHECKING:
    import pandas as pd

    from campaign_lab.lab import Lab
    from campaign_lab.sessions.session import Session

SHOWN = 5
"""Forks that stand in the list without scrolling."""
WRAP = {"flex_flow": "row wrap"}


class CompareBoard(Panel):
    """Forks side by side by angle: pick, reject, rate and note, each stored with user and time as it is changed.

    ``frame`` is the comparison as it is now, ``picks`` the picked rows of it. Raises NotFoundError for a session that is
    not the user's to read, ValueError for none.
    """

    def __init__(self, lab: Lab, sessions: Session | Sequence[Session]) -> None:
        super().__init__()
        several = sessions if isinstance(sessions, Sequence) else [sessions]
        if not several:
            raise ValueError("sessions: none is not allowed; give the sessions to compare")
        self.sessions = list({session.id: session for session in several}.values())
        self.cards: list[VariantCard] = []
        self._lab, self._titles = lab, _titles(self.sessions)
        self._senders: dict[tuple[str, str], tuple[str, str]] = {}
        self._groups: list[VariantGroup] = []
        self._drawing, self._look = False, CardStyle()
        self._read()
        self._make_controls()
        self.redraw()

    # -- what is compared

    @property
    def frame(self) -> pd.DataFrame:
        """``lab.compare`` of all the sessions, as it is now."""
        return self._lab.compare(self.sessions)

    @property
    def picks(self) -> pd.DataFrame:
        """The rows that are picked now."""
        frame = self.frame
        return frame[frame["pick"] == "pick"]

    # -- what can be done

    def redraw(self) -> None:
        """Shows the angles of the chosen forks, the chosen angle first where it is still there."""
        chosen = self._shown()
        found = groups([self._rows[place] for place in chosen])
        if self.only_differences.value:
            found = [group for group in (each.differing() for each in found) if any(group.columns)]
        before = self.angle.label
        titles = [group.title for group in found]
        self._groups, self._drawing = found, True
        try:
            self.angle.options = [(title, number) for number, title in enumerate(titles)]
            if found:
                self.angle.value = titles.index(before) if before in titles else 0
        finally:
            self._drawing = False
        self.notes.value = framed("".join(f"<p>{line}</p>" for line in self._notes(found)))
        self.show_angle()

    def show_angle(self) -> None:
        """Shows the variants of the chosen angle; only their controls are there."""
        group = self._groups[self.angle.value] if self.angle.value is not None else None
        chosen, old = self._shown(), self.grid.children
        self.cards = []
        columns = [self._column(place, group, number) for number, place in enumerate(chosen)] if group else []
        self.grid.layout.grid_template_columns = f"repeat({max(len(columns), 1)}, auto)"
        rows = zip_longest(*columns, fillvalue=None)
        self.grid.children = [widget or widgets.Box(layout=self._look.inside) for row in rows for widget in row]
        for widget in old:
            _close(widget)
        differ = self.only_differences.value and group is not None
        titles = [self._titles[place] for place in chosen]
        self.differences.value = (
            framed(f'<div style="{LINES}">{differences_html(group, titles)}</div>') if differ and group else ""
        )
        last = len(self._groups) - 1
        self.previous_button.disabled = group is None or self.angle.value == 0
        self.next_button.disabled = group is None or self.angle.value == last

    def step(self, by: int) -> None:
        """Goes to the next angle, or to the one before."""
        self.angle.value = min(max(self.angle.value + by, 0), len(self._groups) - 1)

    def refresh(self) -> None:
        """Reads copy and judgements anew."""
        self._read()
        self.redraw()

    # -- saved

    def twin(self) -> str:
        """All forks and angles in one table: texts, own cost, and judgements in words."""
        with_copy = [place for place, rows in enumerate(self._rows) if rows]
        table = static_html([self._rows[place] for place in with_copy], [self._titles[place] for place in with_copy])
        return framed(table + "".join(f"<p>{line}</p>" for line in self._without_copy(range(len(self.sessions)))))

    def line(self) -> str:
        """How many sessions and variants it compares."""
        variants = sum(map(len, self._rows))
        return f"CompareBoard({pluralize(len(self.sessions), 'session')}, {pluralize(variants, 'variant')})"

    # -- inside: data

    def _read(self) -> None:
        """The rows of each session. Where names do not tell the sessions apart, each is asked for alone."""
        rows, names = _plain_rows(self.frame), [session.name for session in self.sessions]
        if len(set(names)) == len(names) and {row["session"] for row in rows} <= set(names):
            self._rows = [[row for row in rows if row["session"] == name] for name in names]
        else:  # two campaigns, or renamed since the handle was made
            self._rows = [_plain_rows(self._lab.compare(session)) for session in self.sessions]

    def _shown(self) -> list[int]:
        """The chosen forks that have copy, by their place among the sessions."""
        return [place for place in self.forks.value if self._rows[place]]

    def _save(self, card: VariantCard, name: str, value: Any) -> None:
        """Stores what was changed on a card; the card shows what is stored, also when that cannot be, or not be read anew."""
        self.problem.clear()
        row, said = card.row, ""
        try:
            self.sessions[card.place].rate(row["id"], **{name: value})
            what = {"pick": value or "undecided", "rating": f"rating {value or 'taken back'}", "note": "note"}[name]
            said = f"saved: {what}, by {self._lab.user} · “{row['headline']}” of {row['session']}"
            row = card.changed(name, value)
            self._read()
            for each in self.cards:  # a record that several forks carry is judged in all of them
                stored = (row for row in self._rows[each.place] if row["id"] == each.row["id"])
                each.show(next(stored, each.row))
        except Exception as error:
            card.show(row)
            self.problem.show(error)
            said += " · the board could not be read anew" if said else ""
        self.status.value = status_html(said)

    def _sender(self, session: Session) -> tuple[str, str]:
        """The brand as the advertisement names it, and its address; forks of one research have the same."""
        brief = session.brief
        key = (brief.campaign, brief.url)
        if key not in self._senders:
            host = urlsplit(brief.url).hostname or ""
            names = [record.label() for record in session.records("brand_profile")]
            self._senders[key] = (names[0] if names else host, host)
        return self._senders[key]

    # -- inside: controls

    def _make_controls(self) -> None:
        labels = {"description_width": "4em"}
        self.forks = widgets.SelectMultiple(
            options=[(title, place) for place, title in enumerate(self._titles)], value=tuple(range(len(self.sessions))),
            rows=min(len(self.sessions), SHOWN), description="Forks", style=labels, layout={"width": "28em"},
            tooltip="The forks to compare: choose two or more, with Ctrl or Shift",
        )  # fmt: skip
        self.only_differences = widgets.Checkbox(
            description="Only differences", indent=False, tooltip="Hides what all chosen forks have in common"
        )
        self.refresh_button = self.button("Refresh", "refresh", "Reads copy and judgements anew", self.refresh)
        self.angle = widgets.Dropdown(
            description="Angle", options=[], tooltip="The angle that is shown", style=labels, layout={"width": "28em"}
        )
        self.previous_button = self.button("Previous", "arrow-left", "The angle before this one", lambda: self.step(-1))
        self.next_button = self.button("Next", "arrow-right", "The angle after this one", lambda: self.step(1))
        self.notes, self.differences, self.status = widgets.HTML(), widgets.HTML(), widgets.HTML()
        self.grid = widgets.GridBox(layout={"overflow": "auto", "grid_gap": "0 16px", "justify_content": "flex-start"})
        for control in (self.forks, self.only_differences):
            control.observe(self.guarded(self.redraw), "value")
        self.angle.observe(self.guarded(lambda: None if self._drawing else self.show_angle()), "value")
        self.children = (
            widgets.HBox([self.forks, self.only_differences, self.refresh_button], layout=WRAP),
            widgets.HBox([self.angle, self.previous_button, self.next_button], layout=WRAP),
            self.status,
            self.problem,
            self.notes,
            self.differences,
            self.grid,
        )

    def _column(self, place: int, group: VariantGroup, number: int) -> list[widgets.Widget]:
        """A fork's name and its variants in the chosen angle, a card each; cards of one row are equally high."""
        rows, user = group.columns[number], self._lab.user
        brand, address = self._sender(self.sessions[place])
        ads = [ad_html(row, brand=brand, address=address) for row in rows]
        cards = [
            VariantCard(row, ad, place=place, user=user, look=self._look, save=self._save)
            for row, ad in zip(rows, ads, strict=True)
        ]
        self.cards += cards
        head = f"<b>{bidi_isolate(self._titles[place])}</b><br><small>own cost {cost_of(self._rows[place])}</small>"
        none = "" if rows else f"<p>{group.lack(rows)}</p>"
        title = widgets.HTML(framed(head + none), style=self._look.html, layout=self._look.inside)
        return [title, *cards]

    def _notes(self, found: Sequence[VariantGroup]) -> list[str]:
        """What there is not to be seen, and why; HTML."""
        notes = self._without_copy(self.forks.value)
        if self.only_differences.value and len(self._shown()) < 2:
            notes.append("Choose two or more forks with copy to see what differs.")
        elif self.only_differences.value and not found:
            notes.append("The chosen forks have the same variants.")
        return notes

    def _without_copy(self, places: Sequence[int]) -> list[str]:
        notes = []
        for place in places:
            if not self._rows[place]:
                reached = {point.phase for point in self.sessions[place].checkpoints()}
                runs = " and then ".join(f'<code>run("{phase}")</code>' for phase in ORDER if phase not in reached)
                todo = f"await its {runs}" if runs else "its copy is not valid: run it again with take=2"
                notes.append(f"{bidi_isolate(self._titles[place])} has no copy yet: {todo}.")
        return notes


def _titles(sessions: Sequence[Session]) -> list[str]:
    """The names of the sessions, with their campaigns where a name alone does not tell them apart."""
    names = [session.name for session in sessions]
    alike = len(set(names)) < len(names)
    return [one_line(session.full_name if alike else session.name) for session in sessions]


def _plain_rows(frame: pd.DataFrame) -> list[Row]:
    """The rows of a frame as mappings, None for what is missing."""
    return list(rows_of(frame.astype(object).where(frame.notna(), None)))


def _close(widget: widgets.Widget) -> None:
    """Lets go of a widget that is shown no more, with those in it; layouts and styles are the board's."""
    for child in getattr(widget, "children", ()):
        _close(child)
    widget.close()
