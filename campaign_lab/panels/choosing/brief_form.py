"""BriefForm: a brief as a form. It is checked while you type; each message stands by its field."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import ipywidgets as widgets

from campaign_lab.brief import FILLED_IN, Brief, SpecialAdCategory, site_beside
from campaign_lab.errors import BriefError
from campaign_lab.panels.base import Panel
from campaign_lab.panels.choosing.brief_fields import (
    CATEGORIES,
    LABELLED,
    LINES,
    UNDER_FIELDS,
    WIDE,
    amount,
    category,
    control,
    label,
    said,
)
from campaign_lab.panels.choosing.brief_toml import fields_of, site_in, toml
from campaign_lab.show import framed
from campaign_lab.show.templates import render
from campaign_lab.show.text import escape_html, one_line


class BriefForm(Panel):
    """All fields of a brief, with ``brief`` as what they say. Relative folders are meant from the brief file's folder.

    ``brief`` fills the form; so does ``path``, a TOML or YAML file, when no brief is given.
    """

    def __init__(self, brief: Brief | None = None, path: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        self.fields = {name: control(name) for name in Brief.model_fields if name not in (*FILLED_IN, CATEGORIES)}
        self.categories = {name: category(name) for name in get_args(SpecialAdCategory)}
        self.notes = {name: widgets.HTML(layout={"margin": UNDER_FIELDS, "display": "none"}) for name in self._names}
        self.status = widgets.HTML(layout={"margin": UNDER_FIELDS})
        self.file = widgets.Text(
            description="Brief file", placeholder="briefs/my-campaign.toml", style=LABELLED, layout=WIDE,
            tooltip="A .toml file to load the brief from, or to save it to",
        )  # fmt: skip
        self.load_button = self.button(
            "Load", "folder-open", "Fill the form from the file", lambda: self.load(self.file.value.strip())
        )
        self.save_button = self.button("Save", "save", "Write the form to the file", self._save_clicked)
        self.said = widgets.HTML()
        self._folder, self._verdict = Path(), ""
        self._filling = False
        self.children = self._laid_out()
        self._connect()
        if brief is not None:
            self._fill(brief, Path() if path is None else Path(path).parent)
            self.file.value = "" if path is None else str(path)
        elif path is not None:
            self.load(path)
        self._check()

    @property
    def brief(self) -> Brief:
        """What the form says. Raises BriefError that names each field that cannot be used."""
        return Brief(**self._given())

    def load(self, path: str | os.PathLike[str]) -> None:
        """Fills the form from a TOML or YAML file. Raises BriefError, and then leaves the form as it is."""
        self._fill(Brief.load(path), Path(path).parent)
        self.file.value = str(path)
        self.said.value = framed(f"Loaded from {escape_html(Path(path).name)}.")

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Writes the brief to a TOML file, folders relative to it; comments in a file that is replaced stay.

        Raises BriefError, FileExistsError unless ``overwrite``, and ValueError for a file that cannot be written.
        """
        file, brief = Path(path), self.brief
        if file.suffix.lower() != ".toml":
            raise ValueError(f"file: {str(path)!r} is not allowed; give a name that ends in .toml")
        if file.exists() and not overwrite:
            raise FileExistsError(f"{file.name} exists already; save(path, overwrite=True) replaces it")
        try:
            older = file.read_text(encoding="utf-8") if file.exists() else ""
            file.write_text(toml(fields_of(brief, file.parent), older), encoding="utf-8")
        except (OSError, UnicodeError) as error:
            raise ValueError(f"file: {str(path)!r} cannot be written: {error}") from error
        self._fill(brief, file.parent)
        self.file.value = str(path)
        self.said.value = framed(f"Saved to {escape_html(file.name)}.")

    def twin(self) -> str:
        """The fields of the brief as a table, or what still needs a look."""
        try:
            shown: Mapping[str, Any] = self.brief.model_dump(mode="json")
        except BriefError:
            shown = self._typed()
        rows = [(label(name), said(value)) for name, value in shown.items() if value not in (None, "", [], False)]
        return framed(render("brief_table", rows=rows, verdict=self._verdict))

    def line(self) -> str:
        """The panel and its campaign."""
        campaign = one_line(self.fields["campaign"].value)
        return f"BriefForm({campaign or 'no campaign yet'})"

    # -- inside

    @property
    def _names(self) -> list[str]:
        return [name for name in Brief.model_fields if name not in FILLED_IN]

    def _laid_out(self) -> list[widgets.Widget]:
        boxes = widgets.VBox(list(self.categories.values()), layout={"margin": UNDER_FIELDS})
        rows = [
            widgets.VBox([boxes if name == CATEGORIES else self.fields[name], self.notes[name]]) for name in self._names
        ]
        buttons = widgets.HBox([self.load_button, self.save_button, self.said], layout={"margin": UNDER_FIELDS})
        return [*rows, self.status, self.file, buttons, self.problem]

    def _connect(self) -> None:
        for each in (*self.fields.values(), *self.categories.values()):
            each.observe(self.guarded(self._check), "value")
        self.file.observe(self.guarded(self._forget_file), "value")

    def _save_clicked(self) -> None:
        """Saves; a file that is there already is replaced by a second click only."""
        asked = self.save_button.description == "Overwrite"
        try:
            self.save(self.file.value.strip(), overwrite=asked)
        except FileExistsError:
            self._ask_before_overwriting(True)
            name = escape_html(Path(self.file.value).name)
            self.said.value = framed(f"{name} exists already. Click Overwrite to replace it.")

    def _ask_before_overwriting(self, asks: bool) -> None:
        wording, icon = ("Overwrite", "exclamation-triangle") if asks else ("Save", "save")
        self.save_button.description, self.save_button.icon = wording, icon

    def _forget_file(self) -> None:
        """What was said of the file is about another file, or about what the form said before."""
        self.said.value = ""
        self._ask_before_overwriting(False)

    def _typed(self) -> dict[str, Any]:
        """The fields as they were typed; those that were left empty are out."""
        values: dict[str, Any] = {name: field.value for name, field in self.fields.items()}
        values |= {name: [line for line in values[name].split("\n") if line.strip()] for name in LINES}
        values[CATEGORIES] = [name for name, box in self.categories.items() if box.value]
        return {name: values[name] for name in self._names if name in LINES or values[name] not in ("", [])}

    def _given(self) -> dict[str, Any]:
        """What was typed, as ``Brief`` takes it."""
        values = self._typed()
        sites = {"url": self._site(values["url"])} if "url" in values else {}
        return {**values, **sites, "competitors": [self._site(site) for site in values["competitors"]]}

    def _site(self, typed: str) -> str:
        return site_beside(typed.strip(), self._folder)

    def _check(self) -> None:
        """Puts each message by its field, and says how many fields need a look."""
        if self._filling:
            return
        self._forget_file()
        problems: dict[str, list[str]] = {}
        notice = ""
        try:
            notice = self.brief.notice
        except BriefError as error:
            for each in error.problems:
                name, _colon, message = each.partition(": ")
                problems.setdefault(name, []).append(self._as_typed(message))
        for name, note in self.notes.items():
            problem = escape_html("; ".join(problems.get(name, ())))
            said = f"⚠ {problem}" if problem else escape_html(notice) if name == "market" else ""
            note.value = framed(f'<span role="status">{said}</span>') if said else ""
            note.layout.display = None if said else "none"
        count = len(problems)
        wrong = f"⚠ {count} field{' needs' if count == 1 else 's need'} a look"
        self._verdict = wrong if count else "✓ This brief can be used"
        self.status.value = framed(f'<p role="status"><b>{self._verdict}</b></p>')

    def _as_typed(self, message: str) -> str:
        """A message with the sites as they were typed, without the folder that was put before them."""
        typed = self._typed()
        for site in (typed.get("url", ""), *typed["competitors"]):
            message = message.replace(repr(self._site(site)), repr(site))
        return message

    def _fill(self, brief: Brief, folder: Path) -> None:
        values = brief.model_dump(mode="json")
        values["url"] = site_in(brief, brief.url, folder)
        values["competitors"] = [site_in(brief, url, folder) for url in brief.competitors]
        values["budget"] = "" if brief.budget is None else amount(brief.budget)
        values["market"] = "" if brief.market_from else brief.market
        values["advertiser_role"] = brief.advertiser_role or ""
        self._folder, self._filling = folder, True
        try:
            for name, field in self.fields.items():
                field.value = "\n".join(values[name]) if name in LINES else values[name]
            for name, box in self.categories.items():
                box.value = name in brief.special_ad_categories
        finally:
            self._filling = False
        self._check()
