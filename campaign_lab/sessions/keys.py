"""Keys: two turns are the same turn when their keys are equal."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def root_key(endpoint: str, model: str) -> str:
    """The key of the root checkpoint: who answers, and which model."""
    return _digest(["root", endpoint, model])


def turn_key(parent: str, message: str, fingerprint: dict[str, Any], take: int) -> str:
    """The key of a turn that sends ``message`` after the turn with the key ``parent``."""
    return _digest([parent, message, fingerprint, take])


def _digest(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
