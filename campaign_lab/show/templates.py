"""Our HTML templates: the files in ``show/templates``. Every value is escaped, but for HTML of ours that is marked ``safe``."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from campaign_lab.show import evidence, frame, text

if TYPE_CHECKING:
    from jinja2 import Environment


def render(template: str, /, **values: Any) -> str:
    """The HTML of a template, without its line breaks and indents. Raises UndefinedError for a value that is missing."""
    return _environment().get_template(f"{template}.html").render(values)


@cache
def _environment() -> Environment:
    """Escapes as ``escape_html`` does, which also takes out what a reader cannot see."""
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # here: the package's import shall stay quick
    from markupsafe import Markup

    def ours(html: str) -> Markup:
        return Markup(html)  # noqa: S704  # what functions of ours have escaped

    def escaped(value: object) -> object:
        return value if hasattr(value, "__html__") else ours(text.escape_html(value))

    def html(function: Callable[..., str]) -> Callable[..., Markup]:
        return lambda *args: ours(function(*args))

    made = Environment(
        loader=FunctionLoader(frame.source), autoescape=True, finalize=escaped, undefined=StrictUndefined
    )
    made.filters |= {
        "isolate": html(text.bidi_isolate), "address": html(text.address), "warning": html(frame.warning),
        "upto": html(lambda value, most: text.bidi_isolate(text.shortened(value, most))),
        "words": text.words, "pluralize": text.pluralize,
    }  # fmt: skip
    made.tests |= {"standing": evidence.stands, "overstated": evidence.overstated}
    return made
