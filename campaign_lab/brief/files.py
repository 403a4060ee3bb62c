"""Briefs in files: TOML or YAML, with folders relative to the file."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from campaign_lab.brief.sites import site_beside
from campaign_lab.errors import BriefError


def read_fields(file: Path) -> dict[str, Any]:
    """The fields in a TOML or YAML file, folders of sites as paths from here. Raises BriefError."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BriefError((f"the file cannot be read ({error}); give a .toml or .yaml file",), str(file)) from None
    kind = "YAML" if file.suffix.lower() in (".yaml", ".yml") else "TOML"
    try:
        if kind == "YAML":
            import yaml  # costs 20 ms that a run from Python does not need

            fields = yaml.safe_load(text)
        else:
            fields = tomllib.loads(text)
    except (
        Exception
    ) as error:  # yaml.YAMLError, without importing yaml for TOML; and ValueError for a date such as 2026-13-01
        raise BriefError((f"not valid {kind}: {error}",), str(file)) from None
    found = as_fields(fields, str(file))
    return {name: _beside(file, value) if name in ("url", "competitors") else value for name, value in found.items()}


def as_fields(found: Any, where: str = "") -> dict[str, Any]:
    """What was found in a text as fields by name. Raises BriefError when it is no such thing."""
    if not isinstance(found, dict):
        raise BriefError((f'expected fields such as url = "https://…", found {type(found).__name__}',), where)
    return {str(name): value for name, value in found.items()}


def _beside(file: Path, value: Any) -> Any:
    if isinstance(value, list):
        return [_beside(file, item) for item in value]
    return site_beside(value, file.parent) if isinstance(value, str) and value.strip() else value
