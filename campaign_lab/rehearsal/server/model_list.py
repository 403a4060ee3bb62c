"""The models that the rehearsal endpoint lists: those whose price is known, in the shape of the Models API.

Their dates of release are not in the price list, so ``created_at`` is the epoch, as the API does for what it does not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anthropic.types import ModelInfo
    from genai_prices.types import ModelInfo as Priced
    from genai_prices.types import Provider

UNKNOWN_DATE = datetime.fromtimestamp(0, UTC)
A_PAGE = 20
MOST_A_PAGE = 1_000


def find(model_id: str) -> ModelInfo | None:
    """The model of this id, dated or not; None when it has no price."""
    priced = _provider().find_model(model_id)
    return None if priced is None else _info(model_id, priced)


def page(query: Mapping[str, str]) -> dict[str, Any]:
    """A page of the list by ``limit``, ``after_id`` and ``before_id``. Raises ValueError that says which one is wrong."""
    known = sorted((_info(priced.id, priced) for priced in _provider().models), key=lambda info: info.id)
    limit = query.get("limit", str(A_PAGE))
    if not limit.isascii() or not limit.isdigit() or not 1 <= int(limit) <= MOST_A_PAGE:
        raise ValueError(f"limit: {limit!r} is not a number from 1 to {MOST_A_PAGE}")
    if before := query.get("before_id"):
        rest = [info for info in known if info.id < before]
        data = rest[-int(limit) :]
    else:
        rest = [info for info in known if info.id > query.get("after_id", "")]
        data = rest[: int(limit)]
    return {
        "data": [info.model_dump(mode="json") for info in data],
        "has_more": len(rest) > len(data),
        "first_id": data[0].id if data else None,
        "last_id": data[-1].id if data else None,
    }


def _info(model_id: str, priced: Priced) -> ModelInfo:
    from anthropic.resources.messages import DEPRECATED_MODELS  # a second of imports that only a list of models needs
    from anthropic.types import ModelInfo

    return ModelInfo(
        id=model_id,
        type="model",
        display_name=priced.name or priced.id,
        created_at=UNKNOWN_DATE,
        lifecycle="deprecated" if priced.deprecated or model_id in DEPRECATED_MODELS else "active",
        max_input_tokens=priced.context_window,
    )


def _provider() -> Provider:
    from genai_prices.data import providers

    return next(provider for provider in providers if provider.id == "anthropic")
