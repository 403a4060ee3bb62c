"""The rehearsal copywriter's own phrases, by language: data in ``phrases/``, set as the language is printed."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from campaign_lab.rehearsal.writer.typography import typeset

_PATTERNS = ("steer", "persona", "lowered")
"""Keys that hold regular expressions rather than phrases."""


@cache
def phrases(language: str) -> dict[str, Any]:
    """The phrases of a language, those of English where there is no file for it. Key ``language`` says which."""
    folder = files("campaign_lab.rehearsal").joinpath("phrases")
    names = [name for name in (f"{language[:2].lower()}.toml", "en.toml") if folder.joinpath(name).is_file()]
    data = tomllib.loads(folder.joinpath(names[0]).read_text(encoding="utf-8"))
    return {key: value if key in _PATTERNS else _set(value, data["language"]) for key, value in data.items()}


def _set(value: Any, language: str) -> Any:
    if isinstance(value, dict):
        return {key: _set(item, language) for key, item in value.items()}
    if isinstance(value, list):
        return [_set(item, language) for item in value]
    return typeset(value, language) if isinstance(value, str) else value
