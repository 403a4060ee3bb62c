"""What may be read from the network, and how."""

from __future__ import annotations

import gzip
import ipaddress
import pickle
import ssl
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.errors import PageError
from campaign_lab.pages import FetchLimits, Page
from campaign_lab.pages.fetching.network import Network, is_public
from support.web.certificates import certificate_for

Get = Callable[..., Page]

PAGE = "<html lang=en><title>Shop</title><h1>Warm socks for cold feet</h1><p>From $12 a pair.</p>"


def only_first_loopback(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Lets a test serve from 127.0.0.1 while every other address stays refused."""
    return str(address) == "127.0.0.1" or is_public(address)


def test_a_page_is_read_with_its_facts_and_bytes(site: Any, get: Get) -> None:
    """A page on a server comes back with title, text, size, hash and time."""
    page = get(site.put("/", PAGE))
    assert (page.title, page.headings, page.size) == ("Shop", ("Warm socks for cold feet",), len(PAGE))
    assert len(page.sha256) == 64
    assert page.fetched_at.tzinfo is not None


def test_the_request_is_plain(site: Any, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user agent is fixed, no cookie is sent back, and a proxy in the environment is not asked for this machine."""
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    site.put("/", "", status=302, location="/next", set_cookie="id=1; Path=/")
    site.put("/next", PAGE, set_cookie="id=2; Path=/")
    get(site.url + "/")
    get(site.url + "/next")
    assert all(headers["user-agent"] == "campaign_lab" for _, headers in site.asked)
    assert not any("cookie" in headers for _, headers in site.asked)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "0.0.0.0",
        "10.0.0.8",
        "169.254.169.254",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "[fe80::1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "224.0.0.1",
    ],
)
def test_addresses_that_are_not_public_are_refused(site: Any, get: Get, host: str) -> None:
    """However a private address is written, it is refused before a connection is made, and the reason helps."""
    site.put("/", PAGE)
    with pytest.raises(PageError, match=r"not a public address.*allow_private_addresses = true"):
        get(f"http://{host}:{site.port}/", allow_private=False)
    assert site.asked == []


@given(st.ip_addresses(v=4).filter(lambda address: not is_public(address)))
def test_an_ipv6_address_is_as_private_as_the_ipv4_address_in_it(inner: ipaddress.IPv4Address) -> None:
    """Mapped, 6to4 and NAT64 forms of a private IPv4 address are not public."""
    number = int(inner)
    forms = [0xFFFF << 32 | number, 0x2002 << 112 | number << 80, 0x64FF9B << 96 | number]
    assert not any(is_public(ipaddress.IPv6Address(form)) for form in forms)


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34"])
def test_public_addresses_are_allowed(address: str) -> None:
    """The rule does not refuse the web itself."""
    assert is_public(ipaddress.ip_address(address))


def test_the_address_that_was_checked_is_the_one_that_is_connected_to(site: Any, get_by: Get) -> None:
    """A name is looked up once for a request: a second answer, to another address, is never asked for."""
    answers = [["127.0.0.1"], ["10.255.255.1"]]

    async def resolve(host: str, port: int) -> list[str]:
        return answers.pop(0)

    site.put("/", PAGE)
    page = get_by(f"http://shop.example:{site.port}/", Network(allowed=only_first_loopback, resolve=resolve))
    assert page.url == f"http://shop.example:{site.port}/"
    assert site.asked[0][1]["host"] == f"shop.example:{site.port}"
    assert answers == [["10.255.255.1"]]


def test_one_private_address_among_public_ones_is_enough_to_refuse(site: Any, get_by: Get) -> None:
    """A name with two addresses is refused when either of them is private."""

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1", "10.0.0.1"]

    with pytest.raises(PageError, match=r"shop\.example is at 10\.0\.0\.1"):
        get_by(f"http://shop.example:{site.port}/", Network(allowed=only_first_loopback, resolve=resolve))
    assert site.asked == []


def test_a_redirect_to_a_private_address_is_refused(site: Any, get_by: Get) -> None:
    """The rule is applied again after each redirect."""
    site.put("/", "", status=302, location=f"http://127.0.0.2:{site.port}/secret")
    site.put("/secret", PAGE)
    with pytest.raises(PageError, match=r"127\.0\.0\.2"):
        get_by(site.url + "/", Network(allowed=only_first_loopback))
    assert site.paths() == ["/"]


def test_a_private_style_sheet_is_not_read(site: Any, get_by: Get) -> None:
    """The rule holds for style sheets too, and the page is read without them."""
    site.put(
        "/", f"<link rel=stylesheet href=http://127.0.0.2:{site.port}/a.css><link rel=stylesheet href=/b.css>{PAGE}"
    )
    site.put("/b.css", "", status=302, location=f"http://127.0.0.2:{site.port}/a.css")
    page = get_by(site.url + "/", Network(allowed=only_first_loopback))
    assert page.colours == ()
    assert "/a.css" not in site.paths()


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://a.example/",
        "javascript:alert(1)",
        "data:text/html,x",
        "//a.example",
        "rates.html",
        "",
    ],
)
def test_other_schemes_are_refused(get: Get, url: str) -> None:
    """Only http and https are read, and the reason says so."""
    with pytest.raises(PageError, match="give an address that begins with https://"):
        get(url)


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://a.example/", "javascript:alert(1)"])
def test_a_redirect_to_another_scheme_is_refused(site: Any, get: Get, target: str) -> None:
    """A redirect cannot lead out of http and https."""
    with pytest.raises(PageError, match="is not read"):
        get(site.put("/", "", status=302, location=target))


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http://[::1",
        "http://a.example:99999/",
        "http://a b.example/",
        "https://user:secret@a.example/",
        "http://a.example/\ud83d",
    ],
)
def test_broken_addresses_are_refused_with_a_reason(get: Get, url: str) -> None:
    """No address, however broken, raises anything but a PageError that pickles."""
    with pytest.raises(PageError) as caught:
        get(url, allow_private=False)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:99999/", "HTTP://127.0.0.1:65536", "http://[::1]:99999/", "http://0x7f.1:9999999999999999999999/",
        "http://[::1", "http://127.0.0.1:-1/", "http://host:abc/", "http://xn--a/", "http://[v1.x]/", "http:///x", "http://\x1b[2J/",
    ],
)  # fmt: skip
def test_an_odd_redirect_is_refused_with_a_reason(site: Any, get: Get, target: str) -> None:
    """A port that cannot be, half an address, a host that is none: a PageError, and no error of a library."""
    with pytest.raises(PageError):
        get(site.put("/", "", status=302, location=target))


def test_five_redirects_are_followed_and_six_are_not(site: Any, get: Get) -> None:
    """The page's address is the one after the redirects, without fragment."""
    for step in range(6):
        site.put(f"/{step}", "", status=301, location=f"/{step + 1}")
    site.put("/6", PAGE)
    assert get(site.url + "/1#top").url == site.url + "/6"
    with pytest.raises(PageError, match="more than 5 times"):
        get(site.url + "/0")


@pytest.mark.parametrize("status", [401, 404, 429, 500, 503])
def test_error_answers_are_refused(site: Any, get: Get, status: int) -> None:
    """A page that the site itself calls an error is not taken for its text."""
    with pytest.raises(PageError, match=f"answered {status}"):
        get(site.put("/", PAGE, status=status))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"%PDF-1.7 ...", "application/pdf"),
        (b"%PDF-1.7 ...", "text/html"),
        (b"\x89PNG\r\n", "image/png"),
        (b'{"a": 1}', "application/json"),
        (b"just words", "text/plain"),
        (b"\x00\x01\x02", ""),
    ],
)
def test_what_is_not_html_is_refused(site: Any, get: Get, body: bytes, kind: str) -> None:
    """By its declared kind, and by its bytes when the kind says nothing or lies."""
    with pytest.raises(PageError, match="HTML"):
        get(site.put("/", body, content_type=kind))


def test_html_with_a_useless_content_type_is_read(site: Any, get: Get) -> None:
    """A page that is served as bytes is recognised by how it begins."""
    assert get(site.put("/", PAGE, content_type="application/octet-stream")).title == "Shop"


def test_a_body_without_end_is_stopped_at_the_limit(site: Any, get: Get) -> None:
    """Reading stops once the limit is passed; the rest is never asked for."""
    with pytest.raises(PageError, match=r"larger than 0\.05 MB"):
        get(site.url + "/endless", limits=FetchLimits(bytes=50_000))


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate"])
def test_a_small_body_that_unpacks_to_a_huge_one_is_stopped(site: Any, get: Get, encoding: str) -> None:
    """The limit counts bytes after decompression: 20 kB that hold 20 MB are too much."""
    huge = b"<p>" + b"a" * 20_000_000
    packed = {"gzip": gzip.compress(huge), "deflate": zlib.compress(huge), "raw deflate": zlib.compress(huge)[2:-4]}[
        encoding
    ]
    assert len(packed) < 50_000
    with pytest.raises(PageError, match="larger than 5 MB"):
        get(site.put("/", packed, content_encoding=encoding.rsplit(maxsplit=1)[-1]))


def test_unpacking_stops_before_the_memory_is_full(site: Any, get: Get) -> None:
    """A body of 100 kB that holds 100 MB is never unpacked as a whole, not even one chunk of it."""
    get(site.put("/", PAGE))  # what is imported on the way is not counted
    site.put("/bomb", gzip.compress(b"a" * 100_000_000, 6), content_encoding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(PageError, match="larger than 5 MB"):
            get(site.url + "/bomb")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 25_000_000


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "raw deflate"])
def test_compressed_pages_are_read(site: Any, get: Get, encoding: str) -> None:
    """Gzip and both kinds of deflate are unpacked."""
    body = PAGE.encode()
    packed = {"gzip": gzip.compress(body), "deflate": zlib.compress(body), "raw deflate": zlib.compress(body)[2:-4]}[
        encoding
    ]
    page = get(site.put("/", packed, content_encoding=encoding.rsplit(maxsplit=1)[-1]))
    assert (page.title, page.size) == ("Shop", len(body))


def test_a_broken_or_unknown_compression_is_refused(site: Any, get: Get) -> None:
    """A body that cannot be unpacked gives a reason, not a traceback."""
    with pytest.raises(PageError, match="compressed body is broken"):
        get(site.put("/", b"\x1f\x8bnot gzip", content_encoding="gzip"))
    with pytest.raises(PageError, match="'br', which was not asked for"):
        get(site.put("/br", PAGE, content_encoding="br"))


@pytest.mark.timeout(15)
def test_a_site_that_stalls_is_given_up(site: Any, get: Get) -> None:
    """The time limit covers the body too."""
    with pytest.raises(PageError, match=r"longer than 0\.3 s"):
        get(site.url + "/stall", limits=FetchLimits(seconds=0.3))


def test_a_style_sheet_that_stalls_does_not_cost_the_page(site: Any, get: Get) -> None:
    """Style sheets have a limit of their own; the page is kept without them."""
    url = site.put("/", f"<link rel=stylesheet href=/stall>{PAGE}")
    assert get(url, limits=FetchLimits(style_seconds=0.2)).title == "Shop"


def test_nobody_listening_is_a_reason(get: Get) -> None:
    """A refused connection is told in words."""
    with pytest.raises(PageError, match="no connection could be made"):
        get("http://127.0.0.1:1/")


def test_linked_colours_and_fonts_are_read_from_the_same_site_only(site: Any, get: Get) -> None:
    """At most four style sheets, none of another host."""
    links = (
        "".join(f"<link rel=stylesheet href=/{n}.css>" for n in range(6))
        + "<link rel=stylesheet href=http://localhost:1/x.css>"
    )
    for n in range(6):
        site.put(f"/{n}.css", f"p {{ color: #0{n}a050 }} h1 {{ font-family: 'Lora', serif }}", content_type="text/css")
    page = get(site.put("/", links + PAGE))
    assert (page.colours, page.fonts) == (("#00a050", "#01a050", "#02a050", "#03a050"), ("Lora",))
    assert sorted(site.paths()) == ["/", "/0.css", "/1.css", "/2.css", "/3.css"]


def test_https_checks_the_certificate_of_the_name_not_of_the_address(tmp_path: Path, get_by: Get) -> None:
    """The connection goes to the checked address, while SNI, certificate and Host belong to the name."""
    certificate, secret = certificate_for(tmp_path, "shop.example")
    seen: list[str] = []

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
    context.sni_callback = lambda sock, name, ctx: seen.append(str(name))
    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda request, client_address: None  # type: ignore[method-assign]  # a refused handshake
    server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    network = Network(
        allowed=only_first_loopback, resolve=resolve, tls=ssl.create_default_context(cafile=str(certificate))
    )
    try:
        assert get_by(f"https://shop.example:{server.server_port}/", network).title == "Shop"
        with pytest.raises(PageError, match="certificate is not valid"):
            get_by(f"https://other.example:{server.server_port}/", network)
        assert seen == ["shop.example", "other.example"]
    finally:
        server.shutdown()
        server.server_close()
