"""Colours and fonts of a page, from its style sheets and style attributes, by how often they are used."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

import tinycss2
from tinycss2 import color4

from campaign_lab.pages.reading.document_tree import HtmlTree, clean

MAX_COLOURS = 8
MAX_FONTS = 5
_MAX_LETTERS = 1_000_000  # of all style sheets together
_MAX_TOKENS = 200  # of one value
_DEEPEST = 20  # custom properties that refer to one another
_MAX_ATTRIBUTES = 2_000
_PAINTED = re.compile(r"^(?:color|fill|stroke|accent-color|(?:background|border|outline|text-decoration)(?:-.+)?)$")
_CONDITIONAL = frozenset((
    "media", "supports", "layer", "container", "scope", "starting-style",
))  # fmt: skip
_GENERIC = frozenset((
    "serif", "sans-serif", "monospace", "cursive", "fantasy", "system-ui", "ui-serif", "ui-sans-serif",
    "ui-monospace", "ui-rounded", "math", "emoji", "fangsong", "-apple-system", "blinkmacsystemfont", "inherit",
    "initial", "unset", "revert", "revert-layer", "none", "normal",
))  # fmt: skip
_ICONS = re.compile(
    r"icon|awesome|glyph|symbol|emoji|dashicons|slick|swiper|eicons|^fa[- ]|^etmodules$|^revicons$", re.IGNORECASE
)
_XYZ_TO_LINEAR = (  # CSS Color 4, section 18: XYZ (D65) to linear-light sRGB
    (3.2409699419, -1.5373831776, -0.4986107603),
    (-0.9692436363, 1.8759675015, 0.0415550574),
    (0.0556300797, -0.2039769589, 1.0569715142),
)


def colours_and_fonts(tree: HtmlTree, sheets: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Colours as ``#rrggbb``, near-white, near-black and greys last; font families without generic ones."""
    usage = _StyleUse(tree)
    budget = _MAX_LETTERS
    rules: list[tuple[str, list[Any]]] = []
    own = (tree.raw(at) for at in tree.find(lambda node: node.tag == "style", unseen=True))
    for sheet in (*own, *sheets):
        rules.extend(usage.rules(tinycss2.parse_stylesheet(sheet[:budget], skip_comments=True, skip_whitespace=True)))
        budget -= min(budget, len(sheet))
    styled = [node.attrs["style"] for node in tree.nodes if node.attrs.get("style")][:_MAX_ATTRIBUTES]
    rules.extend(rule for style in styled for rule in usage.declarations(style))
    for name, value in rules:  # a later rule may use a custom property that an even later one defines
        usage.count(name, value)
    usage.count_markup()
    neutral_last = sorted(usage.colours.items(), key=lambda item: (_is_neutral(item[0]), -item[1]))
    fonts = [font for font, _ in usage.fonts.most_common(MAX_FONTS)]
    return tuple(colour for colour, _ in neutral_last[:MAX_COLOURS]), tuple(fonts)


class _StyleUse:
    """Counts colours and fonts of the rules that apply to the page, not of rules for elements that it lacks."""

    def __init__(self, tree: HtmlTree) -> None:
        self.tree = tree
        self.present = {f".{name}" for node in tree.nodes for name in node.attrs.get("class", "").split()}
        self.present |= {f"#{node.attrs['id']}" for node in tree.nodes if "id" in node.attrs}
        self.variables: dict[str, list[Any]] = {}
        self.known: dict[str, list[Any]] = {}  # resolved values of variables
        self.colours: Counter[str] = Counter()
        self.fonts: Counter[str] = Counter()

    def rules(self, parsed: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
        """Name and value of each declaration that applies to the page."""
        queue = list(parsed)
        for rule in queue:
            if rule.type == "qualified-rule" and self._applies(rule.prelude):
                inner = tinycss2.parse_blocks_contents(rule.content, skip_comments=True, skip_whitespace=True)
                queue.extend(part for part in inner if part.type in ("qualified-rule", "at-rule"))
                yield from self._named(inner)
            elif rule.type == "at-rule" and rule.content is not None and rule.lower_at_keyword in _CONDITIONAL:
                printed = "print" in tinycss2.serialize(rule.prelude)
                queue.extend([] if printed else tinycss2.parse_rule_list(rule.content, skip_comments=True))

    def declarations(self, style: str) -> Iterator[tuple[str, list[Any]]]:
        """Those of a style attribute."""
        return self._named(tinycss2.parse_blocks_contents(style[:2_000], skip_comments=True, skip_whitespace=True))

    def _named(self, parts: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
        for part in parts:
            if part.type == "declaration":
                if part.name.startswith("--"):
                    self.variables.setdefault(part.name, part.value)
                else:
                    yield part.lower_name, part.value

    def _applies(self, prelude: Sequence[Any]) -> bool:
        """Does one of the selectors name only classes and ids that the page has?"""
        missing = after_dot = False
        for token in prelude:
            if token.type == "literal" and token.value == ",":
                if not missing:
                    return True
                missing = False
            elif token.type == "hash":
                missing |= f"#{token.value}" not in self.present
            elif token.type == "ident" and after_dot:
                missing |= f".{token.value}" not in self.present
            after_dot = token.type == "literal" and token.value == "."
        return not missing

    def count(self, name: str, value: list[Any]) -> None:
        """Adds the colours or the font of one declaration."""
        if _PAINTED.match(name):
            self.colours.update(self._colours(value))
        elif name in ("font-family", "font"):
            self._count_font(name, self._resolved(value))

    def count_markup(self) -> None:
        """Adds what stands outside style sheets: theme colour, bgcolor, font elements, linked font families."""
        for node in self.tree.nodes:
            attrs = node.attrs
            if node.tag == "meta" and attrs.get("name", "").lower() == "theme-color":
                self.colours.update(self._of_text(attrs.get("content", "")) * 3)
            for name in ("bgcolor", "color") if node.tag in ("body", "table", "tr", "td", "font") else ():
                self.colours.update(self._of_text(attrs.get(name, "")))
            if node.tag == "font" and attrs.get("face"):
                self._add_font(attrs["face"].split(",")[0])
            if node.tag == "link" and "fonts.googleapis.com" in attrs.get("href", ""):
                self._count_linked(attrs["href"])

    def _count_linked(self, href: str) -> None:
        try:
            query = parse_qs(urlsplit(href).query)
        except ValueError:
            return
        for family in query.get("family", []):
            for name in family.split("|"):
                self._add_font(name.split(":")[0])

    def _of_text(self, text: str) -> list[str]:
        return list(self._colours(tinycss2.parse_component_value_list(text[:100])))

    def _colours(self, value: list[Any]) -> Iterator[str]:
        queue = self._resolved(value)
        for token in queue:
            hexadecimal = _hexadecimal(token) if token.type in ("hash", "ident", "function") else None
            if hexadecimal:
                yield hexadecimal
            elif token.type == "function" and token.lower_name != "url":
                queue.extend(self._resolved(token.arguments))

    def _resolved(self, value: Sequence[Any], depth: int = 0) -> list[Any]:
        """The value with ``var(--x, fallback)`` replaced. Each property is resolved once, however often it is used."""
        resolved: list[Any] = []
        for token in value[:_MAX_TOKENS]:
            if token.type != "function" or token.lower_name != "var":
                resolved.append(token)
                continue
            name = next((part.value for part in token.arguments if part.type == "ident"), "")
            if name in self.variables and name not in self.known:
                self.known[name] = []  # a property that is defined by itself is nothing
                self.known[name] = self._resolved(self.variables[name], depth + 1) if depth < _DEEPEST else []
            comma = next((i for i, part in enumerate(token.arguments) if part == ","), None)
            fallback = token.arguments[comma + 1 :] if comma is not None and name not in self.known else []
            resolved.extend(self.known.get(name) or (self._resolved(fallback, depth + 1) if depth < _DEEPEST else []))
        return resolved[:_MAX_TOKENS]

    def _count_font(self, name: str, value: list[Any]) -> None:
        """The first family of a list; the others are only fallbacks."""
        first: list[str] = []
        for token in value:
            if token.type == "literal" and token.value == ",":
                break
            if token.type == "string":
                first = [token.value]
                break
            if token.type == "ident":
                first.append(token.value)
            elif token.type in ("dimension", "percentage", "number") or (
                token.type == "literal" and token.value == "/"
            ):
                first = []  # the size in the short form: what stood before it is style and weight
        sized = any(token.type in ("dimension", "percentage", "string") for token in value)
        if first and (name == "font-family" or sized):
            self._add_font(" ".join(first))

    def _add_font(self, family: str) -> None:
        family = clean(family.strip("\"' "))[:80]
        if family and family.lower() not in _GENERIC and not _ICONS.search(family):
            self.fonts[family] += 1


def _hexadecimal(token: Any) -> str | None:
    """A colour as ``#rrggbb``; None for what is no colour, or nearly transparent."""
    try:
        colour = color4.parse_color(token)
        if colour is None or isinstance(colour, str) or (colour.alpha is not None and colour.alpha < 0.1):
            return None
        if colour.space in ("oklab", "oklch"):
            channels = _from_xyz(colour.to("xyz-d65").coordinates)
        else:
            channels = list(colour.to("srgb").coordinates)
        return "#" + "".join(f"{round(255 * min(1.0, max(0.0, channel))):02x}" for channel in channels[:3])
    except (NotImplementedError, ValueError, TypeError, ArithmeticError, AttributeError):
        return None


def _from_xyz(xyz: Sequence[float]) -> list[float]:
    linear = [sum(factor * part for factor, part in zip(row, xyz, strict=True)) for row in _XYZ_TO_LINEAR]
    return [12.92 * part if part <= 0.0031308 else 1.055 * part ** (1 / 2.4) - 0.055 for part in linear]


def _is_neutral(colour: str) -> bool:
    """Near-white, near-black or grey."""
    channels = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return min(channels) >= 236 or max(channels) <= 40 or max(channels) - min(channels) <= 18
