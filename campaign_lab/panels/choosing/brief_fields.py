"""The fields of the brief form: the control that fits each, its label, and its value in words."""

from __future__ import annotations

from typing import Any, get_args

import ipywidgets as widgets

from campaign_lab.brief import REGULATED_MARKETS, AdvertiserRole, Brief, Objective, SpecialAdCategory
from campaign_lab.show.text import words

WIDE = {"width": "46em", "max_width": "100%"}
LABELLED = {"description_width": "13em"}
UNDER_FIELDS = "0 0 0 calc(13em + 10px)"
"""The margin that puts something below the fields, and not below their labels."""
LANGUAGES = ("de", "en-AU", "en-CA", "en-GB", "en-US", "es", "fr-CA", "fr-FR")
"""Suggestions; any BCP 47 tag is allowed."""
LINES = ("competitors", "placements")
"""Fields with one entry a line."""
HINTS = {
    "url": "https://… or a folder of saved pages",
    "campaign": "the site's host when left empty",
    "market": "guessed from the site's ending or the language's region when left empty",
    "audience": "Whom do you want to reach?",
    "competitors": "one web address or folder a line",
    "budget": "none",
    "placements": "one placement a line",
}
LABELS = {"url": "Site", "allow_private_addresses": "Private addresses"}
CATEGORIES = "special_ad_categories"


def control(name: str) -> widgets.Widget:
    """The control that fits a field."""
    field = Brief.model_fields[name]
    shared: dict[str, Any] = {"description": label(name), "tooltip": field.description}
    shared |= {"style": LABELLED, "layout": WIDE}
    hint = HINTS.get(name, "")
    match name:
        case "objective":
            objectives = [(choice(value), value) for value in get_args(Objective)]
            return widgets.Dropdown(options=objectives, value=field.default, **shared)
        case "advertiser_role":
            roles = [("none", ""), *((choice(value), value) for value in get_args(AdvertiserRole))]
            return widgets.Dropdown(options=roles, **shared)
        case "market" | "language":
            options = sorted(REGULATED_MARKETS) if name == "market" else list(LANGUAGES)
            return widgets.Combobox(options=options, value=field.default, placeholder=hint, **shared)
        case "audience" | "competitors" | "placements":
            default = "\n".join(field.default) if name in LINES else field.default
            return widgets.Textarea(value=default, placeholder=hint, rows=3, **shared)
        case "allow_private_addresses":
            return checkbox(
                "Pages on private and local addresses may be read",
                name,
                layout={"margin": UNDER_FIELDS, "width": "33em"},
            )
        case _:
            default = field.default if isinstance(field.default, str) else ""
            return widgets.Text(value=default, placeholder=hint, **shared)


def checkbox(description: str, name: str, **options: Any) -> widgets.Checkbox:
    """A box to tick for the field ``name``, or for one of its values."""
    tooltip = Brief.model_fields[name].description
    return widgets.Checkbox(description=description, tooltip=tooltip, indent=False, **options)


def category(name: str) -> widgets.Checkbox:
    """The box for a special ad category. Boxes are read out one by one, so each names the group itself."""
    return checkbox(f"Special ad category: {choice(name)}", CATEGORIES, layout={"width": "33em"})


def said(value: Any) -> str:
    """A field's value on one line, with the names of the stored choices in words."""
    if isinstance(value, list):
        return ", ".join(map(said, value))
    if isinstance(value, float):
        return amount(value)
    choices = (*get_args(Objective), *get_args(SpecialAdCategory), *get_args(AdvertiserRole))
    return choice(value) if value in choices else "yes" if value is True else str(value)


def amount(value: float) -> str:
    """The number as a person writes it; reading it gives the very same number."""
    return repr(value).removesuffix(".0")


def choice(value: str) -> str:
    """One of Meta's names in words."""
    return words(value.removeprefix("OUTCOME_"))


def label(name: str) -> str:
    """What a field is called on the form."""
    return LABELS.get(name) or words(name)
