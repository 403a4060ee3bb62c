"""The ledger: what each request of an attempt used and cost, read from the entries that the SDK mirrored to the store.

One row per (subpath, message id). Live messages carry provisional counts and are never billed from; the mirrored entries
carry the final ones (measured). A request whose response was cut is a row of its own, not complete and without a cost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from campaign_lab.agents.prices import Usage, known_sum, price_usd

TOOLS_STOPPED = "[Request interrupted by user for tool use]"
"""The CLI's own note when an interrupt stopped tools: then no response was under way."""


@dataclass(frozen=True)
class Request:
    """One request of an attempt. ``agent`` is empty for the main agent; ``cost_usd`` is None when the price is unknown."""

    subpath: str
    message_id: str
    agent: str
    model: str
    usage: Usage
    cost_usd: float | None
    complete: bool = True


class Ledger:
    """Reads entries as they arrive and keeps the requests of one attempt. ``calls`` maps a subpath to its Agent call."""

    def __init__(self) -> None:
        self.calls: dict[str, str] = {}
        self._agents: dict[str, str] = {}
        self._requests: dict[tuple[str, str], Request] = {}
        self._waiting: dict[str, bool] = {}
        self._broken: dict[str, str] = {}

    def read(self, subpath: str, entries: Iterable[Mapping[str, Any]]) -> list[Request]:
        """Takes in entries of one conversation; returns the requests that are new."""
        new = []
        for entry in entries:
            kind = entry.get("type")
            if kind == "agent_metadata":
                self._agents[subpath] = str(entry.get("agentType", ""))
                self.calls[subpath] = str(entry.get("toolUseId", ""))
            elif kind in ("user", "assistant"):
                self._waiting[subpath] = kind == "user" and TOOLS_STOPPED not in str(entry.get("message"))
            elif kind == "system" and _broke_off(entry):
                self._broken[str(entry.get("uuid"))] = subpath  # by uuid: the SDK may hand in a batch twice
            if kind == "assistant" and (request := self._request(subpath, entry)):
                key = (subpath, request.message_id)
                new += [request] if key not in self._requests else []
                self._requests[key] = request
        return new

    def requests(self) -> list[Request]:
        """All requests whose response ended."""
        return [
            Request(r.subpath, r.message_id, self._agents.get(r.subpath, r.agent), r.model, r.usage, r.cost_usd)
            for r in self._requests.values()
        ]

    def cut(self, model: str, *, stopped: bool) -> list[Request]:
        """Requests whose response was cut.

        Those that were asked again after the connection broke and, for an attempt that was ``stopped``, one for each
        conversation that was still waiting for a response.
        """
        waiting = [subpath for subpath, waits in self._waiting.items() if stopped and waits]
        return [
            Request(subpath, message_id, self._agents.get(subpath, ""), model, Usage(), None, complete=False)
            for message_id, subpath in (*self._broken.items(), *(("cut", subpath) for subpath in waiting))
        ]

    @property
    def cost_usd(self) -> float | None:
        """US dollars of all responses that ended; None when the price of one is unknown."""
        return total_cost(self.requests())

    def _request(self, subpath: str, entry: Mapping[str, Any]) -> Request | None:
        message = entry.get("message") or {}
        usage, model = message.get("usage"), str(message.get("model", ""))
        if not usage or not message.get("id") or model == "<synthetic>":  # the CLI's own error notes
            return None
        used = Usage.from_api(usage)
        agent = self._agents.get(subpath, "")
        return Request(subpath, str(message["id"]), agent, model, used, price_usd(model, used))


def _broke_off(entry: Mapping[str, Any]) -> bool:
    """Does this note say that the connection broke after the request had been sent?"""
    error: Mapping[str, Any] = entry.get("error") or {}
    connection: Mapping[str, Any] = error.get("connection") or {}
    return entry.get("subtype") == "api_error" and connection.get("code") not in (None, "ECONNREFUSED")


def total_cost(requests: Sequence[Request]) -> float | None:
    """US dollars of the complete requests; None when the price of one is unknown."""
    return known_sum(request.cost_usd for request in requests if request.complete)
