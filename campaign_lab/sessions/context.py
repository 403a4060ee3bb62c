"""What every session of a lab shares: the store, the user, the endpoint and the loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from campaign_lab.agents.endpoints import Endpoint
from campaign_lab.agents.events import Event
from campaign_lab.agents.loop import AgentLoop
from campaign_lab.agents.phases import Phase
from campaign_lab.errors import NotFoundError
from campaign_lab.store.engine import DuckFile


def _unheard(_event: Event) -> None:
    """Progress that nobody listens to."""


@dataclass
class Context:
    """Shared by all handles of one lab. ``on_miss`` is ``run`` or ``refuse``."""

    engine: DuckFile
    user: str
    endpoint: Endpoint
    model: str
    loop: AgentLoop
    phases: dict[str, Phase]
    on_miss: str = "run"
    on_event: Callable[[Event], None] = field(default=_unheard)

    def phase(self, name: str) -> Phase:
        """The phase of that name. Raises NotFoundError that lists the known ones."""
        if name not in self.phases:
            raise NotFoundError("phase", name, tuple(self.phases))
        return self.phases[name]
