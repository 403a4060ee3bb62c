"""Pages in a company's network: by way of its proxy, and with its certificates."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from campaign_lab.errors import PageError
from campaign_lab.pages import Page
from campaign_lab.pages.fetching.network import Network
from support.web.certificates import certificate_for
from support.web.proxies import KnownProxy, proxy_for

Get = Callable[..., Page]
PAGE = "<html lang=en><title>Shop</title><h1>Warm socks for cold feet</h1><p>From $12 a pair.</p>"


async def known_to_nobody(host: str, port: int) -> list[str]:
    """As inside a company: only the proxy knows the names of the web."""
    raise socket.gaierror(host)


async def public(host: str, port: int) -> list[str]:
    return ["93.184.216.34"]


async def private(host: str, port: int) -> list[str]:
    return ["10.0.0.8"]


OUTSIDE = Network(resolve=known_to_nobody)


@pytest.fixture
def proxy(site: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[KnownProxy]:
    """A proxy that knows shop.example, and is set for http and https."""
    site.put("/", PAGE)
    with proxy_for({"shop.example": site.port}) as known:
        monkeypatch.setenv("HTTP_PROXY", known.url)
        monkeypatch.setenv("https_proxy", known.url)
        yield known


@pytest.fixture
def secure(tmp_path: Path, proxy: KnownProxy) -> Iterator[Path]:
    """shop.example answers https, behind the proxy; the certificate that it must be trusted by."""
    certificate, secret = certificate_for(tmp_path, "shop.example")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(PAGE.encode())

        def log_message(self, *args: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, secret)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]  # a refused handshake
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    proxy.ports["shop.example"] = server.server_port
    yield certificate
    server.shutdown()
    server.server_close()


def test_a_page_comes_by_way_of_the_proxy(proxy: KnownProxy, get_by: Get) -> None:
    """Its name need not be known here, and the proxy's own address may be private."""
    assert get_by("http://shop.example/", OUTSIDE).title == "Shop"
    assert get_by("http://shop.example/", Network(resolve=public)).url == "http://shop.example/"
    assert proxy.asked == ["http://shop.example/"] * 2


def test_all_proxy_and_a_bare_address_will_do(proxy: KnownProxy, get_by: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    """ALL_PROXY is for what has none of its own; a proxy without a scheme is an http one."""
    monkeypatch.delenv("HTTP_PROXY")
    monkeypatch.setenv("ALL_PROXY", f"127.0.0.1:{proxy.port}")
    assert get_by("http://shop.example/", OUTSIDE).title == "Shop"


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"])
def test_https_goes_through_the_proxy_with_the_companys_certificates(
    name: str, secure: Path, proxy: KnownProxy, get_by: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without them the error names the variable for them, and not the site's owner alone."""
    with pytest.raises(PageError, match=r"certificate is not valid \(self-signed certificate\);.*SSL_CERT_FILE"):
        get_by("https://shop.example/", OUTSIDE)
    monkeypatch.setenv(name, str(secure))
    assert get_by("https://shop.example/", OUTSIDE).title == "Shop"
    assert proxy.asked == ["shop.example:443"] * 2


def test_certificates_that_cannot_be_read_are_named_by_their_variable(
    tmp_path: Path, get: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not by their path, which is nobody's business."""
    (tmp_path / "empty.pem").write_text("")
    for path in (tmp_path / "empty.pem", tmp_path / "missing.pem"):
        monkeypatch.setenv("SSL_CERT_FILE", str(path))
        with pytest.raises(PageError, match="SSL_CERT_FILE names a file without usable certificates") as caught:
            get("http://127.0.0.1:9/")
        assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "network"),
    [
        ("http://10.0.0.8/", OUTSIDE), ("http://[fd00::1]/", OUTSIDE), ("http://0x0a.8/", OUTSIDE),
        ("https://10.0.0.8/", Network()), ("http://shop.example/", Network(resolve=private)),
        ("https://shop.example/", Network(resolve=private)),
    ],
)  # fmt: skip
def test_what_is_private_from_here_the_proxy_is_not_asked_for(
    url: str, network: Network, proxy: KnownProxy, get_by: Get
) -> None:
    """Neither a private address, however it is written, nor a name that has one here."""
    with pytest.raises(PageError, match="not a public"):
        get_by(url, network)
    assert proxy.asked == []


def test_a_redirect_to_a_private_address_is_refused_behind_a_proxy(site: Any, proxy: KnownProxy, get_by: Get) -> None:
    """Each step is looked at."""
    site.put("/away", "", status=302, location="http://10.0.0.8/")
    with pytest.raises(PageError, match="not a public"):
        get_by("http://shop.example/away", OUTSIDE)
    assert proxy.asked == ["http://shop.example/away"]


def test_no_proxy_and_this_machine_are_read_directly(
    site: Any, proxy: KnownProxy, get: Get, get_by: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What 127.0.0.1 is for the proxy is another machine; hosts in NO_PROXY, and below them, have none."""
    assert get(f"{site.url}/").title == "Shop"
    assert get(f"http://localhost:{site.port}/").title == "Shop"
    monkeypatch.setenv("NO_PROXY", "other.example, .example")

    async def here(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    assert get_by(f"http://shop.example:{site.port}/", Network(allowed=None, resolve=here)).title == "Shop"
    assert proxy.asked == []


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_wants_a_password_gets_it_and_nobody_else(
    scheme: str, secure: Path, proxy: KnownProxy, get_by: Get, monkeypatch: pytest.MonkeyPatch, site: Any
) -> None:
    """A refusal names the proxy, without its password and without the words that it sends."""
    if scheme == "http":
        proxy.ports["shop.example"] = site.port
    proxy.password = "ana:s3cret!"
    monkeypatch.setenv("SSL_CERT_FILE", str(secure))
    with pytest.raises(PageError, match=rf"the proxy {proxy.url} refused it with 407 \(Proxy Auth"):
        get_by(f"{scheme}://shop.example/", OUTSIDE)
    for given, good in (("ana:wr0ng", False), ("ana:s3cret%21", True)):
        for name in ("HTTP_PROXY", "https_proxy"):
            monkeypatch.setenv(name, proxy.url.replace("//", f"//{given}@"))
        if good:
            assert get_by(f"{scheme}://shop.example/", OUTSIDE).title == "Shop"
            continue
        with pytest.raises(PageError) as caught:
            get_by(f"{scheme}://shop.example/", OUTSIDE)
        assert "wr0ng" not in str(caught.value)
        assert "evil" not in str(caught.value)


def test_a_proxy_that_refuses_does_not_answer_or_is_none_is_named(
    proxy: KnownProxy, get_by: Get, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what helps: NO_PROXY, another setting."""
    proxy.refuses = 403
    with pytest.raises(PageError, match=rf"the proxy {proxy.url} refused it with 403 \(Forbidden\).*NO_PROXY"):
        get_by("https://shop.example/", OUTSIDE)
    for given, said in (
        ("http://me:pw@127.0.0.1:1", r"the proxy http://127\.0\.0\.1:1 does not answer; mend HTTP_PROXY"),
        ("ftp://127.0.0.1", r"the proxy ftp://127\.0\.0\.1 is of a kind that is not used"),
        ("http://", "the proxy that is set for http is no address; mend HTTP_PROXY"),
        ("http://x:abc", "the proxy that is set for http is no address; mend HTTP_PROXY"),
    ):
        monkeypatch.setenv("HTTP_PROXY", given)
        with pytest.raises(PageError, match=said):
            get_by("http://shop.example/", OUTSIDE)
