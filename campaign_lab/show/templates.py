"""Our HTML templates: the files in ``show/templates``. Every value is escaped, but for HTML of ours that is marked ``safe``."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from campaign_lab.money import usd
from campaign_lab.show import text

if TYPE_CHECKING:
    from jinja2 import Environment


def render(name: str, **values: Any) -> str:
    """The HTML of a template, without its line breaks and indents. Raises UndefinedError for a value that is missing."""
    return _environment().get_template(f"{name}.html").render(values)


@cache
def _environment() -> Environment:
    """Escapes as ``escape_html`` does, which also takes out what a reader cannot see."""
    from jinja2 import (  # here: it would double the time of the package's import
        Environment,
        FunctionLoader,
        StrictUndefined,
    )
    from markupsafe import Markup

    def ours(html: str) -> Markup:
        return Markup(html)  # noqa: S704  # what the functions of show.text have escaped

    def escaped(value: object) -> object:
        return value if hasattr(value, "__html__") else ours(text.escape_html(value))

    made = Environment(loader=FunctionLoader(_source), autoescape=True, finalize=escaped, undefined=StrictUndefined)
    made.filters |= {
        "isolate": lambda value: ours(text.bidi_isolate(value)),
        "address": lambda url: ours(text.address(url)),
        "words": text.words,
        "usd": usd,
        "pluralize": text.pluralize,
    }
    return made


def _source(name: str) -> str:
    source = files("campaign_lab.show").joinpath("templates", name).read_text(encoding="utf-8")
    return re.sub(r"\s*\n\s*", "", source)
