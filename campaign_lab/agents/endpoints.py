"""Endpoints: the live service, or any url that speaks the Messages API. The rehearsal endpoint has the same interface."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlsplit

from campaign_lab.agents.phases import Phase
from campaign_lab.agents.prices import own_prices
from campaign_lab.brief import origin_of
from campaign_lab.errors import EndpointError
from campaign_lab.store.rows import CacheRow

KEY_VARIABLE = "ANTHROPIC_API_KEY"
URL_KEY_VARIABLE = "CAMPAIGN_LAB_API_KEY"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
SHORTEST_KEY = 16
"""Characters. What is shorter is a word that a server wants to hear, such as ``ollama``, and may stand in any text."""

NO_TEXT = re.compile("[\ud800-\udfff\x00]")


class Endpoint(Protocol):
    """What a turn needs of the service that answers it."""

    @property
    def name(self) -> str:
        """Its name in keys: ``rehearsal-N``, ``anthropic``, or a url's origin."""

    @property
    def rehearsal(self) -> bool:
        """Does it answer without a model?"""

    @property
    def setting(self) -> str:
        """The value of CAMPAIGN_LAB_ENDPOINT with which another process opens it."""

    def start(self) -> None:
        """Makes it ready to answer; called before every attempt, does nothing the second time. Raises EndpointError."""

    def learn(self, phase: Phase) -> None:
        """A phase was added; rehearsal learns how to answer for it."""

    def begin(self, attempt_id: str, cached: Sequence[CacheRow]) -> None:
        """An attempt is about to start; ``cached`` is what the turns before it wrote to the rehearsal cache."""

    def env(self) -> Mapping[str, str]:
        """The CLI's variables that lead to it."""

    def count_tokens(self, model: str, text: str) -> int | None:
        """How many tokens the text has for the model, by the endpoint's own count; None where it cannot say."""

    def end(self, attempt_id: str) -> Sequence[CacheRow]:
        """The attempt is over: what it wrote to the rehearsal cache."""

    def close(self) -> None:
        """Gives back what it holds."""


@dataclass(frozen=True)
class RemoteEndpoint:
    """The live service, or a url. Its key is read from the environment when a turn starts, and never stored."""

    name: str
    base_url: str
    key_variable: str
    key_needed: bool
    rehearsal: bool = False

    @property
    def setting(self) -> str:
        """Its name, or its whole url."""
        return self.name if self.key_needed else self.base_url

    def start(self) -> None:
        """Raises EndpointError when the key is needed and missing, ValueError when the table of own prices is wrong."""
        own_prices()
        if self.key_needed and not os.environ.get(self.key_variable):
            raise EndpointError(
                self.name, f"the environment variable {self.key_variable} holds no key; set it, or use rehearsal"
            )

    @property
    def _is_here(self) -> bool:
        """Is it on this machine? What a proxy calls loopback is another one."""
        return urlsplit(self.base_url).hostname in LOOPBACK

    def learn(self, phase: Phase) -> None:
        """Nothing to learn: a model reads the prompt."""

    def begin(self, attempt_id: str, cached: Sequence[CacheRow]) -> None:
        """Nothing to prepare: the service keeps its own cache."""

    def env(self) -> Mapping[str, str]:
        """Address and key. A proxy of the host is not used for loopback."""
        key = os.environ.get(self.key_variable) or "none"
        local = {"NO_PROXY": ",".join(LOOPBACK)} if self._is_here else {}
        return {"ANTHROPIC_BASE_URL": self.base_url, "ANTHROPIC_API_KEY": key, **local}

    def count_tokens(self, model: str, text: str) -> int | None:
        """Asks the endpoint, which costs nothing. None when it does not know the call, or gives no number.

        A redirect is not followed: the key would go along, to wherever it leads.
        """
        import anthropic  # a second of imports that only an estimate needs

        try:
            self.start()
            client = anthropic.Anthropic(
                api_key=os.environ.get(self.key_variable) or "none", base_url=self.base_url, max_retries=0, timeout=10.0,
                http_client=anthropic.DefaultHttpxClient(trust_env=not self._is_here, follow_redirects=False),
            )  # fmt: skip
            with client:
                counted = client.messages.count_tokens(model=model, messages=[{"role": "user", "content": text}])
        except (anthropic.AnthropicError, EndpointError, ValueError):
            return None
        tokens = getattr(counted, "input_tokens", None)  # the client believes any JSON, and any text
        return tokens if isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0 else None

    def end(self, attempt_id: str) -> Sequence[CacheRow]:
        """Nothing was kept here."""
        return ()

    def close(self) -> None:
        """Nothing is held."""


def without_key(text: str, env: Mapping[str, str]) -> str:
    """The text without the endpoint's key: some gateways repeat it in their error messages."""
    key = env.get(KEY_VARIABLE, "")
    return text.replace(key, "[key]") if len(key) >= SHORTEST_KEY else text


def cleaned(value: Any, env: Mapping[str, str]) -> Any:
    """What a model said, as JSON has it, without the endpoint's key and without what no text can hold (half an emoji, NUL)."""
    match value:
        case str():
            return without_key(NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", value), env)
        case dict():
            return {cleaned(name, env): cleaned(each, env) for name, each in value.items()}
        case list():
            return [cleaned(each, env) for each in value]
        case _:
            return value


def remote_endpoint(given: str) -> RemoteEndpoint:
    """The endpoint for ``anthropic`` or a url. Raises EndpointError for anything else."""
    if given == "anthropic":
        return RemoteEndpoint("anthropic", "https://api.anthropic.com", KEY_VARIABLE, key_needed=True)
    try:
        parts = urlsplit(given)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        known = False
    if not known:
        raise EndpointError(given, "it is unknown; give rehearsal, anthropic, or a url that speaks the Messages API")
    if "@" in parts.netloc:  # the name is stored and shown
        raise EndpointError(
            f"{parts.scheme}://{parts.hostname}", f"its url holds a password; set {URL_KEY_VARIABLE} instead"
        )
    return RemoteEndpoint(origin_of(given), given.rstrip("/"), URL_KEY_VARIABLE, key_needed=False)
