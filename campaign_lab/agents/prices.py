"""What a request costs, by the price list in the genai-prices package. An unknown price is None, never 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


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


def price_usd(model: str, usage: Usage) -> float | None:
    """US dollars for one request at list price, or None when the model's price is not known."""
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
