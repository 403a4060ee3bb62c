"""The ledger: what each request of an attempt used and cost, read from the entries that the SDK mirrored to the store.

One row a response, told apart within its conversation by message and request id, or else by where its first entry stands:
some gateways give all messages one id. Live messages carry provisional counts and are never billed from; the mirrored
entries carry the final ones (measured). A request whose response was cut is a row of its own, not complete and without a
cost. What an endpoint says is hostile: a count that cannot be one is unknown, and nothing that it says stops the booking.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from campaign_lab.agents.prices import TokenUsage, price_usd
from campaign_lab.money import Sum

TOOLS_STOPPED = "[Request interrupted by user for tool use]"
"""The CLI's own note when an interrupt stopped tools: then no response was under way."""
SYNTHETIC = "<synthetic>"
"""The model of the CLI's own notes."""
UNLISTED = "unlisted"
"""Agent and id of what the CLI counted and wrote down nowhere: empty answers, refusals, streams that broke off."""


@dataclass(frozen=True)
class Request:
    """One request of an attempt. ``agent`` is empty for the main agent; ``cost_usd`` is None when the price is unknown."""

    subpath: str
    message_id: str
    agent: str
    model: str
    usage: TokenUsage
    cost_usd: float | None
    complete: bool = True


class Ledger:
    """Reads entries as they arrive and keeps the requests of one attempt.

    ``calls`` maps a subpath to its Agent call, ``models`` an agent's subpath to the model that the CLI gave it. ``reported``
    is the CLI's own total by model, once it has told it.
    """

    def __init__(self) -> None:
        self.calls: dict[str, str] = {}
        self.models: dict[str, str] = {}
        self.reported: Mapping[str, Any] = {}
        self._agents: dict[str, str] = {}
        self._requests: dict[tuple[str, ...], Request] = {}
        self._response_of: dict[tuple[str, str], tuple[str, ...]] = {}
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
                self.models[subpath] = str(entry.get("model") or "")
            elif kind in ("user", "assistant"):
                asked = kind == "user" and TOOLS_STOPPED not in str(entry.get("message"))
                self._waiting[subpath] = asked or _unusable(entry)
            elif kind == "system" and _broke_off(entry):
                self._broken[str(entry.get("uuid"))] = subpath  # by uuid: the SDK may hand in a batch twice
            if kind == "assistant" and (request := self._request(subpath, entry)):
                key = self._key(request, entry)
                new += [request] if key not in self._requests else []
                self._requests[key] = request
        return new

    def strangers(self, ordered: str, own: Mapping[str, str]) -> list[str]:
        """A sentence per agent to which the CLI gave another model than ours. ``own``: by agent, where it is to have its own."""
        main = {ordered, *(each.model for each in self._requests.values() if not each.subpath)}
        found = []
        for subpath, model in self.models.items():
            agent = self._agents[subpath]
            fits = model in main if agent not in own else own[agent] in (model, *model.split("-"))  # it may be an alias
            if model and not fits:
                found.append(f"{agent} with {model}")
        return found

    def requests(self) -> list[Request]:
        """All requests whose response ended."""
        return [replace(each, agent=self._agents.get(each.subpath, each.agent)) for each in self._requests.values()]

    def cut(self, model: str, *, stopped: bool) -> list[Request]:
        """Requests whose response was cut.

        Those that were asked again after the connection broke and, for an attempt that was ``stopped``, one for each
        conversation that was still waiting for a response.
        """
        waiting = [subpath for subpath, waits in self._waiting.items() if stopped and waits]
        return [
            Request(subpath, message_id, self._agents.get(subpath, ""), model, TokenUsage(), None, complete=False)
            for message_id, subpath in (*self._broken.items(), *(("cut", subpath) for subpath in waiting))
        ]

    def unlisted(self, model: str) -> list[Request]:
        """What the CLI counted beyond the responses that it wrote down, as one row; none where all is there, or nobody can tell.

        It names models as they were asked for, and a gateway as it likes: so all models are compared together.
        """
        told = [TokenUsage.from_api(_as_api(each)) for each in self.reported.values() if isinstance(each, Mapping)]
        rest = {}
        for name in (field.name for field in fields(TokenUsage)):
            counts = [getattr(usage, name) for usage in (*told, *(each.usage for each in self._requests.values()))]
            if None in counts:
                return []
            rest[name] = max(0, sum(counts[: len(told)]) - sum(counts[len(told) :]))
        usage = TokenUsage(**rest)
        named = model if len(self.reported) == 1 else ""
        row = Request(UNLISTED, UNLISTED, UNLISTED, named, usage, price_usd(named, usage))
        return [row] if usage.total_tokens else []

    @property
    def cost(self) -> Sum:
        """US dollars of all responses that ended."""
        return cost_of(self.requests())

    def _request(self, subpath: str, entry: Mapping[str, Any]) -> Request | None:
        message = _mapping(entry.get("message"))
        model = str(message.get("model") or "")
        if model == SYNTHETIC:
            return None
        used = TokenUsage.from_api(message.get("usage"))
        agent = self._agents.get(subpath, "")
        return Request(subpath, str(message.get("id") or ""), agent, model, used, price_usd(model, used))

    def _key(self, request: Request, entry: Mapping[str, Any]) -> tuple[str, ...]:
        """What the response is known by. The CLI writes an entry a content block, each below the one before it."""
        uuid, parent, asked = (str(entry.get(name) or "") for name in ("uuid", "parentUuid", "requestId"))
        before = self._response_of.get((request.subpath, uuid)) or self._response_of.get((request.subpath, parent))
        same = before is not None and before[:3] == (request.subpath, request.message_id, asked)
        first = "" if asked else uuid
        key = before if before is not None and same else (request.subpath, request.message_id, asked, first)
        if uuid:
            self._response_of[request.subpath, uuid] = key
        return key


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _unusable(entry: Mapping[str, Any]) -> bool:
    """Is this the CLI's note that a response came which is no message? What that one cost nobody has said."""
    known = "apiErrorStatus" in entry or "apiError" in entry  # refused by the endpoint, or never sent
    return bool(entry.get("isApiErrorMessage")) and entry.get("error") == "unknown" and not known


def _broke_off(entry: Mapping[str, Any]) -> bool:
    """Does this note say that the connection broke after the request had been sent?"""
    connection = _mapping(_mapping(entry.get("error")).get("connection"))
    return entry.get("subtype") == "api_error" and connection.get("code") not in (None, "ECONNREFUSED")


def _as_api(total: Mapping[str, Any]) -> dict[str, Any]:
    """The CLI's total for a model, by the names of the Messages API; one that does not tell its writes apart is not known."""
    return {
        "input_tokens": total.get("inputTokens"),
        "output_tokens": total.get("outputTokens"),
        "cache_read_input_tokens": total.get("cacheReadInputTokens"),
        "cache_creation_input_tokens": total.get("cacheCreationInputTokens"),
        "cache_creation": {"ephemeral_1h_input_tokens": total.get("cacheCreationEphemeral1hInputTokens", -1)},
    }


def cost_of(requests: Sequence[Request]) -> Sum:
    """US dollars of the complete requests."""
    return Sum.of(request.cost_usd for request in requests if request.complete)
