"""A brief as the fields of a TOML file: folders relative to the file, comments of an older version kept."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from campaign_lab.brief import Brief, origin_of

Fields = dict[str, Any]


def fields_of(brief: Brief, folder: Path) -> Fields:
    """The brief's fields as they are written in a file in ``folder``; what is empty and empty by default is left out."""
    fields = brief.given()
    fields["url"] = site_in(brief, brief.url, folder)
    fields["competitors"] = [site_in(brief, url, folder) for url in brief.competitors]
    defaults = {name: field.default for name, field in Brief.model_fields.items()}
    return {name: value for name, value in fields.items() if value or value != _listed(defaults[name])}


def site_in(brief: Brief, url: str, folder: Path) -> str:
    """A site as a person writes it: an address of the web, or the folder that stands for it, relative to ``folder``."""
    saved = brief.folder_of(url)
    if saved is None or url != f"{origin_of(url)}/":
        return url
    try:
        path = Path(os.path.relpath(saved, folder.resolve())).as_posix()
    except ValueError:  # another drive of a Windows machine
        return str(saved)
    return f"./{path}" if path.startswith("~") else path


def toml(fields: Mapping[str, Any], older: str = "") -> str:
    """The fields as TOML. Comments and order of an ``older`` version of the file are kept where its fields still are."""
    document = _parsed(older)
    for name in [name for name in document if name not in fields]:
        del document[name]
    for name, value in fields.items():
        if name not in document or document[name].unwrap() != value:
            document[name] = value
    return tomlkit.dumps(document)


def _parsed(text: str) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(text)
    except TOMLKitError:
        return tomlkit.document()


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
