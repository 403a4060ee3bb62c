"""JSON-LD: the objects a page states about itself for search engines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from campaign_lab.pages.reading.document_tree import HtmlTree, clean

MAX_OBJECTS = 20
MAX_LETTERS = 4_000
"""Of one object, as JSON."""
_STEPS = ((300, 10), (120, 4), (60, 1))  # letters of a text and items of a list that are kept, ever fewer
_DEEPEST = 40  # objects inside each other
_NAMED = ("Organization", "WebSite", "LocalBusiness", "Corporation", "OnlineStore", "Store", "FinancialService")


def structured_data(tree: HtmlTree) -> tuple[list[dict[str, Any]], int]:
    """The JSON-LD objects of a page, ``@graph`` flattened, and the number of scripts that are not valid JSON."""
    objects: list[dict[str, Any]] = []
    broken = 0
    for position in tree.find(lambda node: node.tag == "script", unseen=True):
        if "ld+json" not in tree.nodes[position].attrs.get("type", "").lower():
            continue
        try:
            objects.extend(
                _flat(_plain(json.loads(_unwrapped(tree.raw(position)), parse_constant=lambda _: None, strict=False)))
            )
        except (ValueError, RecursionError):
            broken += 1
    return objects, broken


def shown(objects: list[dict[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The first MAX_OBJECTS objects, each cut down to MAX_LETTERS."""
    return tuple(_shrunk(item) for item in objects[:MAX_OBJECTS])


def of_type(objects: list[dict[str, Any]], *names: str) -> Iterator[dict[str, Any]]:
    """Every object of one of the types, also inside others, outermost first."""
    queue: list[Any] = list(objects)
    for item in queue:
        if isinstance(item, dict):
            if set(names) & set(types(item)):
                yield item
            queue.extend(item.values())
        elif isinstance(item, list):
            queue.extend(item)


def types(item: dict[str, Any]) -> list[str]:
    """The names of an object's schema.org types."""
    given = item.get("@type", ())
    return [str(name).rsplit("/", 1)[-1] for name in (given if isinstance(given, list) else [given])]


def string(value: Any) -> str:
    """A text, a number, or the name of a thing, as one line."""
    if isinstance(value, list):
        value = value[0] if value else ""
    if isinstance(value, dict):
        value = value.get("name", value.get("@value", ""))
    return clean(str(value)) if isinstance(value, (str, int, float)) and not isinstance(value, bool) else ""


def site_name(objects: list[dict[str, Any]]) -> str:
    """The name of the organisation or website that the objects state."""
    return next((name for item in of_type(objects, *_NAMED) if (name := string(item.get("name")))), "")


def _unwrapped(text: str) -> str:
    """Some publishing systems put the JSON into a comment or a CDATA section."""
    text = text.strip()
    for opening, closing in (("<!--", "-->"), ("//<![CDATA[", "//]]>"), ("<![CDATA[", "]]>")):
        if text.startswith(opening):
            text = text.removeprefix(opening).removesuffix(closing).strip()
    return text.rstrip(";")


def _plain(value: Any, depth: int = 0) -> Any:
    """The same value with every text on one line and no lone surrogate in it. Raises ValueError when it is very deep."""
    if depth > _DEEPEST:
        raise ValueError("nested too deep")
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {clean(key): _plain(item, depth + 1) for key, item in value.items()}
    return value if not isinstance(value, float) or abs(value) != float("inf") else None


def _flat(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, list):
        for item in value:
            yield from _flat(item)
    elif isinstance(value, dict):
        graph = value.get("@graph")
        rest = {key: item for key, item in value.items() if key not in ("@context", "@graph")}
        if rest and (graph is None or set(rest) - {"@id"}):
            yield rest
        yield from _flat(graph)


def _shrunk(item: dict[str, Any]) -> dict[str, Any]:
    if _size(item) <= MAX_LETTERS:
        return item
    for letters, items in _STEPS:
        smaller: dict[str, Any] = _cut(item, letters, items)
        if _size(smaller) <= MAX_LETTERS:
            return smaller
    plain = {key: value for key, value in _cut(item, *_STEPS[-1]).items() if not isinstance(value, (dict, list))}
    while _size(plain) > MAX_LETTERS:
        plain.popitem()
    return plain


def _cut(value: Any, letters: int, items: int) -> Any:
    if isinstance(value, str) and len(value) > letters:
        return value[:letters].rstrip() + "…"
    if isinstance(value, list):
        return [_cut(item, letters, items) for item in value[:items]]
    if isinstance(value, dict):
        return {key: _cut(item, letters, items) for key, item in value.items()}
    return value


def _size(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False))
