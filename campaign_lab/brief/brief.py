"""The brief: what to advertise, for whom. Frozen, and checked as a whole before anything is sent.

A site may be a web address, a folder of saved pages or one saved page. A folder becomes a made-up address
(``https://<folder name>.example/``, reserved by RFC 2606), so that prompts, keys and records never hold a path.
"""

from __future__ import annotations

import difflib
import json
import os
from pathlib import Path
from typing import Annotated, Any, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator, model_validator

from campaign_lab.brief.allowed import (
    EXPECTED,
    FILLED_IN,
    REGULATED_MARKETS,
    AdvertiserRole,
    Objective,
    SpecialAdCategory,
)
from campaign_lab.brief.card import brief_html
from campaign_lab.brief.fields import resolved
from campaign_lab.brief.files import as_fields, read_fields
from campaign_lab.brief.sites import origin_of
from campaign_lab.errors import BriefError, MarketUnknown

Short = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]
Long = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1_000)]


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
        self._fill(resolved(fields, problems), problems)

    def _fill(self, fields: dict[str, Any], problems: list[str]) -> None:
        """Checks the fields' types and takes them. Raises BriefError with these problems and the ones before."""
        wrong: list[Any] = []
        try:
            super().__init__(**fields)
        except ValidationError as error:
            wrong = error.errors()
        if found := (*problems, *map(_problem, wrong)):
            kind = MarketUnknown if not problems and all(map(_asks_for_market, wrong)) else BriefError
            raise kind(tuple(dict.fromkeys(found)))

    @classmethod
    def load(cls, path: str | os.PathLike[str], **overrides: Any) -> Self:
        """The brief in a TOML or YAML file. Folders in it are relative to the file; ``overrides`` replace its fields."""
        file = Path(path)
        fields = read_fields(file)
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
        return brief_html(shown)

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
        brief._fill(as_fields(fields), [])
        return brief


def _asks_for_market(item: Any) -> bool:
    """Is it the error of a market that was not given and could not be guessed?"""
    return item["loc"] == ("market",) and item["input"] is None


def _problem(item: Any) -> str:
    """One line of a pydantic error: field, value, what is allowed."""
    field = str(item["loc"][0]) if item["loc"] else ""
    if _asks_for_market(item):
        return (
            "market: missing, and neither the site's address nor the language names a country; "
            'give one, such as market="CA" or "GB" (--market CA on the command line)'
        )
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
