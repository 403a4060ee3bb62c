"""What a request costs, by a table of your own or the list in the genai-prices package. An unknown price is None, never 0.

The environment variable CAMPAIGN_LAB_PRICES names a table of your own, a TOML file. It counts before the list, for the
models in it and for no others. Prices are US dollars per million tokens, and say where they are from and of what day:

    ["claude-sonnet-4-5-20250929"]
    input = 3.0
    output = 15.0
    cache_read = 0.3
    cache_write_5m = 3.75
    cache_write_1h = 6.0
    source = "contract of March"
    checked_on = 2026-11-20

A model that costs nothing, such as one of your own machine's, is a table of zeros. What was booked stays as it was booked.
"""

from __future__ import annotations

import math
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

VARIABLE = "CAMPAIGN_LAB_PRICES"

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Usage:
    """Tokens of one request. Input tokens are those that were neither read from nor written to the cache."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_5m_tokens: int = 0
    cache_write_1h_tokens: int = 0

    @classmethod
    def from_api(cls, usage: dict[str, Any]) -> Usage:
        """The usage object of a Messages API response. Writes without a split count as 5-minute ones, as the API prices them."""
        split = usage.get("cache_creation") or {}
        written = usage.get("cache_creation_input_tokens") or 0
        hour = split.get("ephemeral_1h_input_tokens") or 0
        return cls(
            input_tokens=usage.get("input_tokens") or 0,
            output_tokens=usage.get("output_tokens") or 0,
            cache_read_tokens=usage.get("cache_read_input_tokens") or 0,
            cache_write_5m_tokens=written - hour,
            cache_write_1h_tokens=hour,
        )

    @property
    def total_tokens(self) -> int:
        """All tokens that went in or came out."""
        return (
            self.input_tokens + self.output_tokens + self.cache_read_tokens
            + self.cache_write_5m_tokens + self.cache_write_1h_tokens
        )  # fmt: skip


class Price(BaseModel):
    """What one model costs by a table of your own: US dollars per million tokens, from where, and of what day."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    input: Dollars
    output: Dollars
    cache_read: Dollars
    cache_write_5m: Dollars
    cache_write_1h: Dollars
    source: Annotated[str, Field(min_length=1)]
    checked_on: date

    def of(self, usage: Usage) -> float:
        """US dollars for one request."""
        return (
            self.input * usage.input_tokens + self.output * usage.output_tokens + self.cache_read * usage.cache_read_tokens
            + self.cache_write_5m * usage.cache_write_5m_tokens + self.cache_write_1h * usage.cache_write_1h_tokens
        ) / 1e6  # fmt: skip


Prices = Mapping[str, Price]


def own_prices(path: str | os.PathLike[str] | None = None) -> Prices:
    """The table in a file (else in the one that CAMPAIGN_LAB_PRICES names), by model id; empty when none is named.

    Raises ValueError that names the file, the model and the field. Call it before anything is sent: a wrong table found
    while a turn runs would be found after the money was spent.
    """
    named = os.fspath(path) if path is not None else os.environ.get(VARIABLE, "")
    if not named:
        return {}
    try:
        seen = Path(named).stat()
    except OSError as error:
        raise _unusable(named, f"it cannot be read ({error.strerror})") from None
    return _read(named, (seen.st_mtime_ns, seen.st_size))


@lru_cache(maxsize=8)
def _read(path: str, _version: tuple[int, int]) -> Prices:
    try:
        given = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        return TypeAdapter(dict[str, Price]).validate_python(given)
    except OSError as error:
        raise _unusable(path, f"it cannot be read ({error.strerror})") from None
    except ValidationError as error:
        wrong = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:8])
        raise _unusable(path, wrong) from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise _unusable(path, f"it is no TOML file ({error})") from None


def _unusable(path: str, why: str) -> ValueError:
    fields = ", ".join(Price.model_fields)
    return ValueError(
        f"The price table {path!r} cannot be used: {why}. Expected is one table a model, its id in quotes, with {fields} "
        f"(US dollars per million tokens); unset {VARIABLE} to use the built-in list"
    )


def known_sum(costs: Iterable[float | None]) -> float | None:
    """The sum in US dollars, the same in whatever order they come; None when one of the costs is not known."""
    listed = list(costs)
    known = [cost for cost in listed if cost is not None]
    return math.fsum(known) if len(known) == len(listed) else None


def price_usd(model: str, usage: Usage, own: Prices | None = None) -> float | None:
    """US dollars for one request, or None when the model's price is not known.

    A price in ``own`` (else in the table that CAMPAIGN_LAB_PRICES names) counts before the list price. It never raises: a
    table that went bad while a turn runs makes the price unknown, and stops no booking.
    """
    try:
        table = own_prices() if own is None else own
    except ValueError:
        return None
    return table[model].of(usage) if model in table else _list_price_usd(model, usage)


def _list_price_usd(model: str, usage: Usage) -> float | None:
    from genai_prices import Usage as PricedUsage  # costs 230 ms, so only where something is priced
    from genai_prices import calc_price

    written = usage.cache_write_5m_tokens + usage.cache_write_1h_tokens
    try:
        price = calc_price(
            PricedUsage(
                input_tokens=usage.input_tokens + usage.cache_read_tokens + written,
                output_tokens=usage.output_tokens,
                cache_read_tokens=usage.cache_read_tokens,
                cache_write_tokens=written,
                cache_write_1h_tokens=usage.cache_write_1h_tokens,
            ),
            model_ref=model,
            provider_id="anthropic",
        )
    except LookupError:
        return None
    return float(price.total_price)
