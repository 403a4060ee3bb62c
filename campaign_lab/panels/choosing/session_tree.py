"""SessionTree: the fork tree of a campaign as one list, and what can be done with the session or checkpoint that is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from campaign_lab.agents.phases import ORDER
from campaign_lab.errors import NotFoundError
from campaign_lab.panels.base import Panel, status_html
from campaign_lab.panels.choosing.tree_text import Choice, checkpoint_html, details, options, session_html
from campaign_lab.panels.code_line import handle_for, open_line, run_line
from campaign_lab.sessions.position import current_cell, running_for
from campaign_lab.show import framed, tree_html
from campaign_lab.show.text import one_line, pluralize, words
from campaign_lab.tables.tree import tree_rows

if TYPE_CHECKING:
    from campaign_lab.lab import Lab
    from campaign_lab.sessions.session import Session

Row = Mapping[str, Any]

SHOWN = 16
"""Lines of the list that stand on the screen; the others are scrolled to."""
PERMISSIONS = (("read it", "read"), ("read and fork it", "fork"), ("read and run it", "run"))
WIDE = {"width": "auto"}


class SessionTree(Panel):
    """The tree of sessions and checkpoints around a session: look, fork, rename, pin, share, open.

    ``tree`` is the list, ``detail`` what is known of its chosen line, ``code`` the line to copy into a cell. Forks that are
    made by clicking carry the cell in which the panel was made. Raises NotFoundError for a session that is not the user's to
    read.
    """

    def __init__(self, lab: Lab, session: Session) -> None:
        super().__init__()
        lab._context.require(session._row, "read")
        self._lab, self._row = lab, session._row
        self._cell = current_cell()  # in a callback there is no cell to ask for
        self._steers: dict[str, str] = {}
        self._drawing = False
        self.rows: list[dict[str, Any]] = []
        self._make_controls()
        self._lay_out()
        self.refresh()

    # -- what is chosen

    @property
    def chosen(self) -> tuple[Row, Row | None]:
        """The chosen session, and its checkpoint where one is chosen. Raises NotFoundError when nothing is left to choose."""
        if self.tree.value is None:
            raise NotFoundError("session", self._row.name)
        session_id, number = self.tree.value
        row = next(row for row in self.rows if row["id"] == session_id)
        return row, next((point for point in row["checkpoints"] if point["number"] == number), None)

    def choose(self, session: str, checkpoint: int | None = None) -> None:
        """Chooses the line of a session by its name or id, or of one of its checkpoints. Raises ValueError."""
        ids = [row["id"] for row in self.rows if session in (row["id"], row["session"])]
        choices: list[Choice] = [choice for _, choice in self.tree.options]
        fitting = [choice for choice in choices if choice[0] in ids and choice[1] == checkpoint]
        if not fitting:
            raise ValueError(f"session and checkpoint: {session!r}, {checkpoint!r} are not in this tree")
        self.tree.value = fitting[0]

    # -- what can be done

    def refresh(self, choice: Choice | None = None) -> None:
        """Reads the tree anew; what was chosen stays chosen, unless another line is named."""
        context, wanted = self._lab._context, choice or self.tree.value
        now = context.now()
        self.rows = context.engine.call(lambda con: tree_rows(con, context.user, self._row, now))
        lines = options(self.rows, context.user, now)
        choices = [place for _, place in lines]
        self._drawing = True
        try:
            with self.tree.hold_sync():
                self.tree.options, self.tree.rows = lines, min(max(len(lines), 4), SHOWN)
                self.tree.value = next(
                    (each for each in (wanted, (self._row.id, None), *choices) if each in choices), None
                )
        finally:
            self._drawing = False
        forks = sum(bool(row["parent"]) for row in self.rows)
        points = sum(len(row["checkpoints"]) for row in self.rows)
        counts = ((len(self.rows), "session"), (forks, "fork"), (points, "checkpoint"))
        said = ", ".join(pluralize(*each) for each in counts)
        self.summary.value = framed(f"<b>Fork tree</b>: {said}")
        self._show_chosen()

    def fork(self) -> Session:
        """Makes the fork that the fields describe, chooses it, and shows the code that runs it. Nothing is run."""
        row, point = self.chosen
        purpose, steer = self.purpose.value.strip(), self.steer.value.strip()
        with running_for(self._cell):
            fork = self._session(row).fork(purpose, at=point["number"] if point else None)
        old = fork.id in {each["id"] for each in self.rows}
        if steer:
            self._steers[fork.id] = steer
        self.refresh((fork.id, None))
        self.code.value = run_line(handle_for(fork), fork.known_as, _first_phase(self.chosen[0]), steer=steer)
        made = "was there already" if old else "is forked"
        self._say(f"“{fork.name}” {made}. Nothing was run: copy the code into a cell.")
        self.purpose.value = self.steer.value = ""
        return fork

    def open_chosen(self) -> None:
        """Shows the code that opens the chosen session, and what the session holds."""
        row, _ = self.chosen
        session = self._session(row)
        name, handle, found_as = session.name, handle_for(session), session.known_as
        line = open_line(handle, found_as)
        if session.stands_at_its_start:
            line = run_line(handle, found_as, _first_phase(row), steer=self._steers.get(session.id, ""))
        self.code.value = line
        self.detail.value = framed(details(("Session", name), *_holdings(session)))
        self._say(f"“{name}”: copy the code into a cell to open it.")

    def rename(self) -> None:
        """Gives the chosen session the name in the field."""
        session = self._session(self.chosen[0])
        session.rename(self.new_name.value)
        self.refresh()
        self._say(f"The session is called “{session.name}” now.")

    def pin(self) -> None:
        """Pins the chosen session, so that it does not expire, or takes the pin out."""
        row, _ = self.chosen
        pinned = row["state"] != "pinned"
        self._session(row).pin(pinned)
        self.refresh()
        self._say(f"“{row['session']}” {'is pinned: it does not expire' if pinned else 'expires again as others do'}.")

    def share(self) -> None:
        """Shares the chosen session with the user in the field."""
        row, _ = self.chosen
        user = self.share_with.value.strip()
        if not user:
            raise ValueError("user: '' is not allowed; name the user to share with")
        self._session(row).share(user, self.permission.value)
        self._say(f"“{row['session']}” is shared: {user} may {self.permission.label} now.")
        self.share_with.value = ""

    # -- saved

    def twin(self) -> str:
        """The tree as a table: sessions, purposes, phases and costs; no ages, no times."""
        own = [
            row | {"phases": [point["phase"] for point in row["checkpoints"] if point["number"]]} for row in self.rows
        ]
        return framed(tree_html(own))

    def line(self) -> str:
        """How many sessions it shows."""
        return f"SessionTree({pluralize(len(self.rows), 'session')})"

    # -- inside

    def _make_controls(self) -> None:
        self.summary = widgets.HTML()
        self.tree = widgets.Select(
            options=[], rows=SHOWN, description="Tree", layout=WIDE,
            tooltip="Sessions and their checkpoints: choose one to see more and to fork from it",
        )  # fmt: skip
        self.tree.observe(self.guarded(self._show_chosen), "value")
        self.detail = widgets.HTML()
        self.purpose = _field(
            "Purpose", "Why you fork, in a few words", ": it names the fork and steers its first turn"
        )
        self.steer = _field("Steer", "A wish for its first turn", ", instead of the purpose; may stay empty")
        self.fork_button = self.button(
            "Fork from here", "code-fork", "Forks at the chosen checkpoint; nothing is run", self.fork
        )
        self.new_name = _field("New name", "Another name for the chosen session")
        self.rename_button = self.button("Rename", "pencil", "Gives the chosen session the new name", self.rename)
        self.pin_button = self.button("Pin", "thumb-tack", "A pinned session does not expire", self.pin)
        self.share_with = _field("Share with", "The user who may see the chosen session")
        self.permission = widgets.Dropdown(
            options=PERMISSIONS, description="who may", tooltip="What the user may do with the session",
            style={"description_width": "initial"}, layout={"width": "max-content"},
        )  # fmt: skip
        self.share_button = self.button("Share", "share", "Shares the chosen session with the user", self.share)
        self.open_button = self.button(
            "Open", "folder-open", "Shows what the session holds, and the code that opens it", self.open_chosen
        )
        self.refresh_button = self.button("Refresh", "refresh", "Reads the tree anew", self.refresh)
        self.status = widgets.HTML()
        self.code = widgets.Textarea(
            rows=2, description="Code", tooltip="One line to copy into a cell", placeholder="Fork or open a session first",
            layout=WIDE,
        )  # fmt: skip

    def _lay_out(self) -> None:
        self.children = (
            widgets.HBox([self.summary, self.refresh_button]),
            self.tree,
            self.detail,
            widgets.HBox([self.purpose, self.steer, self.fork_button], layout={"flex_flow": "row wrap"}),
            widgets.HBox(
                [self.new_name, self.rename_button, self.pin_button, self.open_button], layout={"flex_flow": "row wrap"}
            ),
            widgets.HBox([self.share_with, self.permission, self.share_button], layout={"flex_flow": "row wrap"}),
            self.status,
            self.problem,
            self.code,
        )

    def _show_chosen(self) -> None:
        """What is known of the chosen line, and what the controls say of it."""
        if self._drawing:
            return
        if self.tree.value is None:
            self.detail.value = self.new_name.value = self.code.value = ""
            self._say(
                f"There is nothing left to choose: “{self._row.name}” is gone, or it is not shared with you any more."
            )
            return
        row, point = self.chosen
        now = self._lab._context.now()
        unrun = len(_phases(row)) == row["checkpoint"]
        steer = self._steers.get(row["id"], "") if unrun else ""
        self.detail.value = framed(checkpoint_html(row, point) if point else session_html(row, now, steer))
        self.new_name.value = row["session"]
        self.pin_button.description = "Unpin" if row["state"] == "pinned" else "Pin"
        self.status.value = self.code.value = ""

    def _say(self, message: str) -> None:
        self.status.value = status_html(one_line(message))

    def _session(self, row: Row) -> Session:
        return self._lab.open(row["id"])


def _first_phase(row: Row) -> str:
    """What a campaign usually runs first on a fork that starts where this one does."""
    done = _phases(row)[: row["checkpoint"]]
    return next((phase for phase in ORDER if phase not in done), ORDER[-1])


def _phases(row: Row) -> list[str]:
    return [phase for phase in row["phases"].split(", ") if phase]


def _holdings(session: Session) -> list[tuple[str, str]]:
    held: dict[str, list[str]] = {}
    for each in session.kept():
        held.setdefault(words(each.kind), []).append(words(each.kind) if each.label == each.kind else each.label)
    named = [(kind, f"{len(labels)}: {'; '.join(labels)}") for kind, labels in held.items()]
    return named or [("Holds", "nothing yet")]


def _field(label: str, hint: str, rest: str = "") -> widgets.Text:
    """A text field. The hint stands in it while it is empty; the tooltip says the rest too."""
    return widgets.Text(description=label, tooltip=hint + rest, placeholder=hint, layout={"width": "28em"})
