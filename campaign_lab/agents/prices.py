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

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

VARIABLE = "CAMPAIGN_LAB_PRICES"

BALANCED = ("claude-sonnet-5-5", "claude-sonnet-4-6")
"""The ids between the strongest and the cheapest models with which the whole job is tested, newest first."""

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]


MOST_TOKENS = 100_000_000
"""More than any request can have, read or write: a count above it is none."""


@dataclass(frozen=True)
class TokenUsage:
    """Tokens of one request; None for a count that is not known.

    Input tokens are those that were neither read from nor written to the cache.
    """

    input_tokens: int | None = 0
    output_tokens: int | None = 0
    cache_read_tokens: int | None = 0
    cache_write_5m_tokens: int | None = 0
    cache_write_1h_tokens: int | None = 0

    @classmethod
    def from_api(cls, usage: object) -> TokenUsage:
        """The usage object of a Messages API response; what is no count of tokens in it is not known.

        Writes without a split count as 5-minute ones, as the API prices them. A response to nothing does not exist: where
        the whole prompt has no tokens, its size was not said.
        """
        said = usage if isinstance(usage, Mapping) else {}
        split = said.get("cache_creation")
        written = _tokens(said, "cache_creation_input_tokens")
        hour = _tokens(split, "ephemeral_1h_input_tokens") if isinstance(split, Mapping) else 0
        if written is None or hour is None or hour > written:
            five, hour = None, None
        else:
            five = written - hour
        found = cls(
            input_tokens=_tokens(said, "input_tokens"),
            output_tokens=_tokens(said, "output_tokens", absent=None),
            cache_read_tokens=_tokens(said, "cache_read_input_tokens"),
            cache_write_5m_tokens=five,
            cache_write_1h_tokens=hour,
        )
        return replace(UNKNOWN, output_tokens=found.output_tokens or None) if found.prompt_tokens == 0 else found

    @property
    def prompt_tokens(self) -> int | None:
        """All tokens that went in; None when a count is not known."""
        return _whole(self.input_tokens, self.cache_read_tokens, self.cache_write_5m_tokens, self.cache_write_1h_tokens)

    @property
    def total_tokens(self) -> int:
        """All tokens that went in or came out, as far as they are known."""
        return sum(count or 0 for count in vars(self).values())


UNKNOWN = TokenUsage(None, None, None, None, None)
"""Of a request that was served, and of which nothing usable was said."""


def _tokens(said: Mapping[str, Any], name: str, *, absent: int | None = 0) -> int | None:
    """A count of tokens; None for what cannot be one."""
    count = said.get(name)
    if count is None:
        return absent
    fits = isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= MOST_TOKENS
    return count if fits else None


def _whole(*counts: int | None) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


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

    def of(self, usage: TokenUsage) -> float | None:
        """US dollars for one request; None when a count that costs something is not known."""
        parts = (
            (self.input, usage.input_tokens), (self.output, usage.output_tokens), (self.cache_read, usage.cache_read_tokens),
            (self.cache_write_5m, usage.cache_write_5m_tokens), (self.cache_write_1h, usage.cache_write_1h_tokens),
        )  # fmt: skip
        if any(rate and count is None for rate, count in parts):
            return None
        return sum(rate * (count or 0) for rate, count in parts) / 1e6


Prices = Mapping[str, Price]


def own_prices() -> Prices:
    """The table in the file that CAMPAIGN_LAB_PRICES names, by model id; empty when none is named.

    Raises ValueError that names the file, the model and the field. Call it before anything is sent: a wrong table found
    while a turn runs would be found after the money was spent.
    """
    path = os.environ.get(VARIABLE, "")
    if not path:
        return {}
    try:
        seen = Path(path).stat()
    except OSError as error:
        raise _unusable(path, f"it cannot be read ({error.strerror})") from None
    return _read(path, (seen.st_mtime_ns, seen.st_size))


@lru_cache(maxsize=8)  # each response of a turn is priced
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
        f"The price table {path!r} cannot be used: {why}. Expected is one table per model, its id in quotes, with {fields} "
        f"(US dollars per million tokens); unset {VARIABLE} to use the built-in list"
    )


def price_usd(model: str, usage: TokenUsage) -> float | None:
    """US dollars for one request, or None when the model's price or a count of its tokens is not known.

    A price in the table that CAMPAIGN_LAB_PRICES names counts before the list price. It never raises: a table that went
    bad while a turn runs makes the price unknown, and stops no booking.
    """
    try:
        table = own_prices()
    except ValueError:
        return None
    return table[model].of(usage) if model in table else _list_price_usd(model, usage)


def _list_price_usd(model: str, usage: TokenUsage) -> float | None:
    from genai_prices import Usage as PricedUsage  # costs 230 ms, so only where something is priced
    from genai_prices import calc_price

    prompt, output, hour = usage.prompt_tokens, usage.output_tokens, usage.cache_write_1h_tokens or 0
    if prompt is None or output is None:
        return None
    try:
        price = calc_price(
            PricedUsage(
                input_tokens=prompt,
                output_tokens=output,
                cache_read_tokens=usage.cache_read_tokens or 0,
                cache_write_tokens=(usage.cache_write_5m_tokens or 0) + hour,
                cache_write_1h_tokens=hour,
            ),
            model_ref=model,
            provider_id="anthropic",
        )
    except LookupError:
        return None
    return float(price.total_price)
