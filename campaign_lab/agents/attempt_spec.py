"""What an attempt at a turn sends. Light to import: the SDK is loaded only when something is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from campaign_lab.agents.phases import Phase
from campaign_lab.records import BrandProfile


@dataclass(frozen=True, kw_only=True)
class AttemptSpec:
    """What each attempt at a turn sends, and what the turn must bring.

    ``ancestors`` are the ids of the turns before it, root first. ``wanted_angles`` are the angles that copy is to be written
    for. ``task`` is what agents are told of the turn. ``optional_kinds`` are the kinds of records that may be missing, each
    with the line that is stored where it is.
    """

    phase: Phase
    message: str
    model: str
    ancestors: tuple[str, ...] = ()
    budget_usd: float | None = None
    wanted_angles: tuple[str, ...] = ()
    task: Mapping[str, Any] = field(default_factory=dict)
    optional_kinds: Mapping[str, str] = field(default_factory=dict)

    @property
    def reads_the_brand(self) -> bool:
        """Must it say what the brand's own site says?"""
        return self.phase.record_type(BrandProfile.kind) is not None
