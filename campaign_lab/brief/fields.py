"""What a person gives for a brief, as its fields: addresses for folders, codes for market and language."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from campaign_lab.brief.allowed import EXPECTED, REGULATED_MARKETS
from campaign_lab.brief.sites import site_address
from campaign_lab.markets import guessed_market, language_of, market_of

CHECKS: dict[str, Callable[[str], str]] = {
    "language": language_of,
    "market": partial(market_of, likely=REGULATED_MARKETS),
}
"""How the fields that are codes are read."""


def resolved(fields: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """The fields with made-up addresses for folders and files, campaign and market. Notes what is no site and no code."""
    sources: dict[str, str] = {}
    refused: set[str] = set()

    def site(given: Any, field: str) -> Any:
        try:
            return site_address(given, field, sources) if isinstance(given, str) else given
        except ValueError as error:
            problems.append(str(error))
            refused.add(field)
            return given

    try:
        sources |= dict(fields.get("sources", ()))
    except (TypeError, ValueError):
        problems.append(f"sources: {fields['sources']!r} is not allowed; leave it out, it is filled in")
    found = {**fields, "url": site(fields["url"], "url")} if "url" in fields else dict(fields)
    if isinstance(rivals := fields.get("competitors"), (list, tuple)):
        found["competitors"] = tuple(site(rival, "competitors") for rival in rivals)
    if isinstance(found.get("url"), str) and not fields.get("campaign") and not problems:
        found["campaign"] = urlsplit(found["url"]).hostname or ""
    others = {name: value for name, value in found.items() if name not in CHECKS}
    return {**others, **_codes(found, problems, refused), "sources": tuple(sources.items())}


def _codes(fields: dict[str, Any], problems: list[str], refused: set[str]) -> dict[str, Any]:
    """Market and language as codes, and from what the market was guessed. Notes what is none.

    The market is None where it must be asked for. ``refused``: fields with a problem; no market is guessed from one of them.
    """
    found: dict[str, Any] = {"language": "en", "market_from": ""}
    found |= {name: fields[name] for name in CHECKS if fields.get(name) is not None}
    for name, check in CHECKS.items():
        if isinstance(given := found.get(name), str):
            try:
                found[name] = check(given)
            except ValueError as error:
                problems.append(f"{name}: {given!r} is not allowed; {str(error) or f'expected {EXPECTED[name]}'}")
                refused.add(name)
    if "market" in found or refused & {"url", "language"}:
        return found
    if isinstance(fields.get("url"), str) and isinstance(found["language"], str):
        market, found["market_from"] = guessed_market(urlsplit(fields["url"]).hostname or "", found["language"])
        found["market"] = market or None
    return found
