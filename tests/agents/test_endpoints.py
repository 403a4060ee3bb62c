"""Endpoints: who answers, under a name that is safe to store."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab import Lab
from campaign_lab.agents.endpoints import KEY_VARIABLE, URL_KEY_VARIABLE, remote_endpoint
from campaign_lab.errors import EndpointError
from support.web.proxies import proxy_for


def test_the_live_service_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one it refuses to start, and says which variable to set."""
    monkeypatch.delenv(KEY_VARIABLE, raising=False)
    endpoint = remote_endpoint("anthropic")
    with pytest.raises(EndpointError, match=f"{KEY_VARIABLE} holds no key; set it, or use rehearsal"):
        endpoint.start()
    monkeypatch.setenv(KEY_VARIABLE, "sk-of-the-test")
    endpoint.start()
    assert endpoint.env()["ANTHROPIC_API_KEY"] == "sk-of-the-test"


def test_a_key_is_read_when_it_is_used_and_never_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands neither in the endpoint nor in its text."""
    monkeypatch.setenv(KEY_VARIABLE, "sk-of-the-test")
    assert "sk-of-the-test" not in repr(remote_endpoint("anthropic"))


def test_a_key_in_the_environment_alone_asks_no_live_service(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    """Live answers cost money, so they come only when asked for by name."""
    monkeypatch.setenv(KEY_VARIABLE, "sk-of-the-test")
    with Lab(f"{tmp_path}/lab.duckdb") as lab:
        assert lab.endpoint.startswith("rehearsal-")


def test_a_url_of_ones_own_does_not_get_the_live_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway sees the key that was meant for it, or none."""
    monkeypatch.setenv(KEY_VARIABLE, "sk-of-the-test")
    monkeypatch.delenv(URL_KEY_VARIABLE, raising=False)
    assert remote_endpoint("https://gateway.example/v1").env()["ANTHROPIC_API_KEY"] == "none"
    monkeypatch.setenv(URL_KEY_VARIABLE, "of-the-gateway")
    assert remote_endpoint("https://gateway.example/v1").env()["ANTHROPIC_API_KEY"] == "of-the-gateway"


def test_a_url_is_known_by_its_origin() -> None:
    """The path is where to send, the origin is who answers."""
    endpoint = remote_endpoint("HTTP://Gateway.example:8080/llm/")
    assert endpoint.name == "http://gateway.example:8080"
    assert endpoint.base_url == "HTTP://Gateway.example:8080/llm"
    assert not endpoint.rehearsal


@pytest.mark.parametrize(
    ("url", "direct"),
    [("http://127.0.0.1:11434", True), ("http://localhost:8080", True), ("https://gateway.example", False)],
)
def test_loopback_is_reached_without_a_proxy(url: str, direct: bool) -> None:
    """A proxy of the host could not reach a server on this machine."""
    assert ("NO_PROXY" in remote_endpoint(url).env()) is direct


@pytest.mark.parametrize(
    "given_name", ["", "claude", "openai", "ftp://files.example", "https://", "http://[", "http://a.example:99999"]
)
def test_what_is_no_endpoint_is_refused_with_what_is(given_name: str) -> None:
    """The error names the value and the three kinds there are."""
    with pytest.raises(EndpointError, match="give rehearsal, anthropic, or a url") as caught:
        remote_endpoint(given_name)
    assert repr(given_name) in str(caught.value)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    """The name of an endpoint is stored with every turn: no secret may be part of it."""
    with pytest.raises(EndpointError, match=URL_KEY_VARIABLE) as caught:
        remote_endpoint("https://me:hunter2@gateway.example")
    assert "hunter2" not in str(caught.value)


@given(st.text(max_size=30) | st.text("htps:/.@[]ab", max_size=20).map(lambda text: f"http://{text}"))
def test_any_text_is_an_endpoint_or_an_endpoint_error(text: str) -> None:
    """No other error gets out, and a name that is stored holds no password."""
    try:
        name = remote_endpoint(text).name
    except EndpointError:
        name = "none"
    assert "@" not in name


def test_an_endpoint_on_this_machine_is_asked_without_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a proxy calls 127.0.0.1 is another machine: neither the CLI nor the count of tokens goes through it."""
    with proxy_for({}) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        endpoint = remote_endpoint("http://127.0.0.1:9")
        assert endpoint.count_tokens("m", "text") is None
        assert proxy.asked == []
        assert "127.0.0.1" in endpoint.env()["NO_PROXY"]
