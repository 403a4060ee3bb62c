"""The brief: what to advertise, for whom. Frozen, and checked as a whole before anything is sent.

A site may be a web address, a folder of saved pages or one saved page. A folder becomes a made-up address
(``https://<folder name>.example/``, reserved by RFC 2606), so that prompts, keys and records never hold a path.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Callable
from functools import partial
from html import escape
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from campaign_lab.errors import BriefError, MarketUnknown
from campaign_lab.markets import guessed_market, language_of, market_of

Objective = Literal[
    "OUTCOME_AWARENESS", "OUTCOME_TRAFFIC", "OUTCOME_ENGAGEMENT", "OUTCOME_LEADS", "OUTCOME_APP_PROMOTION",
    "OUTCOME_SALES",
]  # fmt: skip
SpecialAdCategory = Literal[
    "HOUSING", "EMPLOYMENT", "CREDIT", "FINANCIAL_PRODUCTS_SERVICES", "ISSUES_ELECTIONS_POLITICS",
    "ONLINE_GAMBLING_AND_GAMING",
]  # fmt: skip
AdvertiserRole = Literal["brokerage", "agent", "lender", "insurer", "publisher", "employer", "operator", "candidate"]

REGULATED_MARKETS = {
    "CA": {"CREDIT", "FINANCIAL_PRODUCTS_SERVICES", "HOUSING", "ISSUES_ELECTIONS_POLITICS"},
    "US": set(get_args(SpecialAdCategory)),
    "GB": {"CREDIT", "FINANCIAL_PRODUCTS_SERVICES", "ISSUES_ELECTIONS_POLITICS", "ONLINE_GAMBLING_AND_GAMING"},
    "AU": {"CREDIT", "FINANCIAL_PRODUCTS_SERVICES", "ISSUES_ELECTIONS_POLITICS", "ONLINE_GAMBLING_AND_GAMING"},
}
"""Where the law asks who speaks (licence lines, disclosures), by ISO 3166 country: Meta special ad categories."""

Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
Long = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1_000)]

PAGE_ENDINGS = (".html", ".htm", ".xhtml")
"""Files that may stand for a site."""

EXPECTED = {
    "url": "a web address (https://…), or a folder or .html file that exists",
    "competitors": "a list of at most 10 web addresses, folders or .html files",
    "objective": "one of " + ", ".join(get_args(Objective)),
    "market": "an ISO 3166 code such as CA or CA-ON",
    "language": "a BCP 47 tag such as en or fr-CA",
    "special_ad_categories": "a list of " + ", ".join(get_args(SpecialAdCategory)),
    "advertiser_role": "one of " + ", ".join(get_args(AdvertiserRole)),
    "budget": "an amount of at least 0 in the account's currency",
    "placements": "a list of placement names",
    "campaign": "a name of 1 to 120 characters",
    "audience": "a text of at most 1000 characters",
    "allow_private_addresses": "true or false",
}


class Brief(BaseModel):
    """What to advertise, for whom. ``Brief(url="https://…", campaign="…")``, ``Brief.load("brief.toml")``.

    Raises BriefError that names each wrong field, its value and what is allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, defer_build=True)

    url: str
    """The brand's site: a web address, a folder of saved pages, or one saved page."""
    campaign: Short = ""
    """The campaign's name; the site's host when not given."""
    objective: Objective = "OUTCOME_TRAFFIC"
    """Meta's outcome-driven objective (ODAX)."""
    market: Short = ""
    """Country, or country and subdivision, as an ISO 3166 code; else guessed from the site's ending or the language's region."""
    language: Short = "en"
    """Language of the copy, as a BCP 47 tag."""
    audience: Long = ""
    """Whom to reach, in the strategist's words."""
    competitors: Annotated[tuple[str, ...], Field(max_length=10)] = ()
    """The rivals' sites, written like ``url``."""
    special_ad_categories: tuple[SpecialAdCategory, ...] = ()
    """Meta's special ad categories that apply."""
    advertiser_role: AdvertiserRole | None = None
    """Who speaks in the advertisement. Needed where the market regulates the category."""
    budget: Annotated[float, Field(ge=0)] | None = None
    """Money for media, in the account's currency. No prompt shows it."""
    placements: tuple[Short, ...] = ("facebook feed", "instagram stream")
    """Where the advertisements may run."""
    allow_private_addresses: bool = False
    """May pages on private, loopback and link-local addresses be read?"""
    sources: tuple[tuple[str, str], ...] = Field(default=(), exclude=True, repr=False)
    """Made-up origin and folder or file, for each site that is not on the web. Filled in, never given."""
    market_from: str = Field(default="", exclude=True, repr=False)
    """What the market was guessed from, such as .co.uk; empty when it was given. Filled in, never given."""

    def __init__(self, **fields: Any) -> None:
        problems: list[str] = []
        self._fill(_resolved(fields, problems), problems)

    def _fill(self, fields: dict[str, Any], problems: list[str]) -> None:
        """Checks the fields' types and takes them. Raises BriefError with these problems and the ones before."""
        try:
            super().__init__(**fields)
        except ValidationError as error:
            problems += [_problem(item) for item in error.errors()]
        if problems:
            kind = MarketUnknown if problems == [ASK_FOR_MARKET] else BriefError
            raise kind(tuple(dict.fromkeys(problems)))

    @classmethod
    def load(cls, path: str | os.PathLike[str], **overrides: Any) -> Self:
        """The brief in a TOML or YAML file. Folders in it are relative to the file; ``overrides`` replace its fields."""
        file = Path(path)
        fields = _read(file)
        for name in ("url", "competitors"):
            if name in fields:
                fields[name] = _beside(file, fields[name])
        try:
            return cls(**{**fields, **{name: value for name, value in overrides.items() if value is not None}})
        except BriefError as error:
            raise type(error)(error.problems, file.name) from None

    @field_validator("placements", "special_ad_categories", mode="before")
    @classmethod
    def _as_tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _role_where_regulated(self) -> Self:
        country = self.market[:2]
        regulated = sorted(REGULATED_MARKETS.get(country, set()) & set(self.special_ad_categories))
        if regulated and self.advertiser_role is None:
            roles = ", ".join(get_args(AdvertiserRole))
            raise ValueError(
                f"advertiser_role: missing; {country} regulates {', '.join(regulated)}: give one of {roles}"
            )
        return self

    def given(self) -> dict[str, Any]:
        """The fields as JSON-ready data, for a file: without a market that was only guessed, and is guessed again."""
        return self.model_dump(mode="json", exclude={"market"} if self.market_from else None)

    @property
    def notice(self) -> str:
        """What a person should know about it: from what the market was guessed. Empty when it was given."""
        guess = f"market {self.market}, guessed from {self.market_from}; set market to change it"
        return guess if self.market_from else ""

    def _repr_html_(self) -> str:
        shown = self.model_dump(mode="json")
        if self.notice:
            shown["market"] = self.notice.removeprefix("market ")
        rows = [(name, value) for name, value in shown.items() if value not in (None, "", [], False)]
        cells = "".join(
            f'<tr><th scope="row" style="text-align:left">{escape(name.replace("_", " "))}</th>'
            f'<td style="text-align:left;white-space:normal;overflow-wrap:anywhere"><bdi>{_shown(value)}</bdi></td></tr>'
            for name, value in rows
        )
        # the class names are those that LaTeX typesetting passes over: "$5 and $10" is money
        return f'<div class="campaign-lab tex2jax_ignore mathjax_ignore"><table>{cells}</table></div>'

    def folder_of(self, url: str) -> Path | None:
        """The folder or file that stands for the url's site, if it is a saved one."""
        origin = origin_of(url)
        return next((Path(path) for known, path in self.sources if known == origin), None)

    def to_json(self) -> str:
        """The brief as stored, with what was filled in, for ``Brief.from_json``."""
        filled_in = {name: value for name in FILLED_IN if (value := getattr(self, name)) or name == "sources"}
        return json.dumps({**self.model_dump(mode="json"), **filled_in}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The brief that ``to_json`` wrote, as it was: its folders need not exist any more, nor its codes be known ones.

        Raises BriefError for any other text.
        """
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BriefError((f"not valid JSON: {error}",)) from None
        brief = cls.__new__(cls)
        brief._fill(_fields(fields), [])
        return brief


CHECKS: dict[str, Callable[[str], str]] = {
    "language": language_of,
    "market": partial(market_of, likely=REGULATED_MARKETS),
}
"""How the fields that are codes are read."""
ASK_FOR_MARKET = (
    "market: missing, and neither the site's address nor the language names a country; "
    'give one, such as market="CA" or "GB" (--market CA on the command line)'
)
FILLED_IN = ("sources", "market_from")
"""Fields that nobody gives."""
CODES = frozenset((*get_args(Objective), *get_args(SpecialAdCategory)))
"""Values that are Meta's codes; a person reads them as words."""


def _worded(value: str) -> str:
    return value.removeprefix("OUTCOME_").replace("_", " ").capitalize() if value in CODES else value


def _shown(value: Any) -> str:
    """A field's value as HTML text. What cannot be printed (control characters, overrides of the direction) is left out."""
    if isinstance(value, float):
        text = f"{value:,.2f}".removesuffix(".00")
    else:
        text = ", ".join(map(_worded, value)) if isinstance(value, list) else _worded(str(value))
    return escape("".join(sign if sign.isprintable() else " " * sign.isspace() for sign in text))


def origin_of(url: str) -> str:
    """Scheme, host and port of a url, lower case: what two pages of one site share."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _resolved(fields: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """The fields with made-up addresses for folders and files, campaign and market. Notes what is no site and no code."""
    sources: dict[str, str] = {}

    def site(given: Any, field: str) -> Any:
        try:
            return _site(given, field, sources) if isinstance(given, str) else given
        except ValueError as error:
            problems.append(str(error))
            return given

    try:
        sources |= dict(fields.get("sources", ()))
    except (TypeError, ValueError):
        problems.append(f"sources: {fields['sources']!r} is not allowed; leave it out, it is filled in")
    resolved = {**fields, "url": site(fields["url"], "url")} if "url" in fields else dict(fields)
    if isinstance(rivals := fields.get("competitors"), (list, tuple)):
        resolved["competitors"] = tuple(site(rival, "competitors") for rival in rivals)
    if isinstance(resolved.get("url"), str) and not fields.get("campaign") and not problems:
        resolved["campaign"] = urlsplit(resolved["url"]).hostname or ""
    others = {name: value for name, value in resolved.items() if name not in CHECKS}
    return {**others, **_codes(resolved, problems), "sources": tuple(sources.items())}


def _codes(fields: dict[str, Any], problems: list[str]) -> dict[str, Any]:
    """Market and language as codes, and from what the market was guessed. Notes what is none, and a market to ask for."""
    found = {"language": "en", "market_from": ""}
    found |= {name: fields[name] for name in CHECKS if fields.get(name) is not None}
    for name, check in CHECKS.items():
        if isinstance(given := found.get(name), str):
            try:
                found[name] = check(given)
            except ValueError as error:
                problems.append(f"{name}: {given!r} is not allowed; {str(error) or f'expected {EXPECTED[name]}'}")
    if "market" in found or any(each.startswith(("url: ", "language: ")) for each in problems):
        return found
    if isinstance(fields.get("url"), str) and isinstance(found["language"], str):
        market, found["market_from"] = guessed_market(urlsplit(fields["url"]).hostname or "", found["language"])
        if market:
            return {**found, "market": market}
        problems.append(ASK_FOR_MARKET)
    return found


def _site(given: str, field: str, sources: dict[str, str]) -> str:
    """The address that stands for a site in prompts and records; a folder is noted in ``sources``."""
    text = given.strip()
    if re.match(r"^[A-Za-z][A-Za-z0-9+.-]*://", text):
        if not _is_address(text):
            raise ValueError(f"{field}: {given!r} is not allowed; expected {EXPECTED[field]}")
        parts = urlsplit(text)
        return f"{origin_of(text)}{parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")
    path = _saved(text)
    if path is None:
        raise ValueError(f"{field}: {given!r} is no saved site; expected {EXPECTED[field]}{_https_hint(text)}")
    name = re.sub(r"[^a-z0-9]+", "-", (path.name if path.is_dir() else path.stem).lower()).strip("-") or "site"
    origin = f"https://{name}.example"
    if sources.setdefault(origin, str(path)) != str(path):
        raise ValueError(f"{field}: {given!r} has the same name as {sources[origin]!r}; rename one of the two folders")
    return f"{origin}/"


def _https_hint(text: str) -> str:
    """Says how a bare host is written as a web address; one in a file comes as a path in that file's folder."""
    there = next((folder for folder in Path(text).parents if folder.is_dir()), Path())
    rest = text.removeprefix(f"{there}/")
    bare = re.match(r"^[\w-]+(\.[\w-]+)*\.[a-z]{2,}(/|$)", rest) and not rest.lower().endswith(PAGE_ENDINGS)
    return f"; for a web address write https://{rest}" if bare else ""


def _is_address(text: str) -> bool:
    """Is it a whole web address? One with a password in it is not: prompts and records would show it."""
    try:
        parts = urlsplit(text)
        _ = parts.port  # raises ValueError for a port that cannot be
    except ValueError:
        return False
    return parts.scheme.lower() in ("http", "https") and bool(parts.hostname) and "@" not in parts.netloc


def _saved(text: str) -> Path | None:
    """The folder or .html file of that name, if there is one."""
    try:
        path = Path(text).expanduser()
        good = path.is_dir() or (path.suffix.lower() in PAGE_ENDINGS and path.is_file())
    except (OSError, RuntimeError, ValueError):  # too long a name, a home folder that nobody has, a zero byte
        return None
    return path.resolve() if text and good else None


def _read(file: Path) -> dict[str, Any]:
    """The fields in a TOML or YAML file."""
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
    return _fields(fields, str(file))


def _fields(found: Any, where: str = "") -> dict[str, Any]:
    """What was found in a text as fields by name. Raises BriefError when it is no such thing."""
    if not isinstance(found, dict):
        raise BriefError((f'expected fields such as url = "https://…", found {type(found).__name__}',), where)
    return {str(name): value for name, value in found.items()}


def _beside(file: Path, value: Any) -> Any:
    """Relative folders in a brief file are meant from the file's own folder."""
    if isinstance(value, list):
        return [_beside(file, item) for item in value]
    if not isinstance(value, str) or not value.strip() or "://" in value or value.startswith(("/", "~")):
        return value
    return str(file.parent / value)


def _problem(item: Any) -> str:
    """One line of a pydantic error: field, value, what is allowed."""
    field = str(item["loc"][0]) if item["loc"] else ""
    if item["type"] == "value_error":
        return str(item["ctx"]["error"])
    if item["type"] == "extra_forbidden":
        close = difflib.get_close_matches(field, Brief.model_fields, n=1)
        hint = (
            f"did you mean {close[0]}?"
            if close
            else f"known: {', '.join(n for n in Brief.model_fields if n not in FILLED_IN)}"
        )
        return f"{field}: there is no such field; {hint}"
    if item["type"] == "missing" and field in EXPECTED:
        return f"{field}: missing; expected {EXPECTED[field]}"
    return f"{field}: {item['input']!r} is not allowed; expected {EXPECTED.get(field, item['msg'])}"
