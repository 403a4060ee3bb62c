"""A real web server on loopback, and short ways to read a page."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from campaign_lab.pages import FetchLimits, Page
from campaign_lab.pages.fetching.fetch import fetch
from campaign_lab.pages.fetching.network import Network
from campaign_lab.pages.reading.page_facts import document, facts


@dataclass
class Site:
    """What a test serves, and what it was asked for."""

    port: int = 0
    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    stalled: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """Its origin."""
        return f"http://127.0.0.1:{self.port}"

    def put(self, path: str, body: str | bytes, *, status: int = 200, **headers: str) -> str:
        """Serves a body; ``content_type`` and other headers with underscores for dashes."""
        named = {"content-type": "text/html; charset=utf-8"} | {k.replace("_", "-"): v for k, v in headers.items()}
        self.pages[path] = (status, named, body.encode() if isinstance(body, str) else body)
        return self.url + path

    def paths(self) -> list[str]:
        """The paths that were asked for, in order."""
        return [path for path, _ in self.asked]


@pytest.fixture
def site() -> Iterator[Site]:
    """A server that answers what the test put there. ``/stall`` sends headers and then nothing; ``/endless`` never ends."""
    served = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append((self.path, {k.lower(): v for k, v in self.headers.items()}))
            if self.path in ("/stall", "/endless"):
                self.send_response(200)
                self.send_header("content-type", "text/html")
                self.end_headers()
                self._never_end()
                return
            status, headers, body = served.pages.get(self.path.split("?")[0], (404, {}, b"nothing here"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _never_end(self) -> None:
            if self.path == "/stall":
                served.stalled.wait()
            try:
                while self.path == "/endless" and not served.stalled.is_set():
                    self.wfile.write(b"<p>more</p>" * 10_000)
            except OSError:
                pass  # the reader hung up, as it should

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    served.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield served
    served.stalled.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def get() -> Callable[..., Page]:
    """``fetch`` from a test that is not asynchronous, private addresses allowed unless said otherwise."""

    def get(url: str, **options: object) -> Page:
        options.setdefault("allow_private", True)
        return asyncio.run(fetch(url, **options))[0]  # type: ignore[arg-type]

    return get


@pytest.fixture
def get_by() -> Callable[..., Page]:
    """A page read by the network rules of the test."""

    def get_by(url: str, network: Network, limits: FetchLimits | None = None) -> Page:
        return asyncio.run(fetch(url, network=network, limits=limits or FetchLimits()))[0]

    return get_by


@pytest.fixture(scope="session")
def page_of() -> Callable[..., Page]:
    """The page that a piece of HTML makes, without any server."""

    def page_of(html: str | bytes, content_type: str = "", url: str = "https://site.example/") -> Page:
        body = html if isinstance(html, bytes) else html.encode("utf-8", "surrogatepass")
        found = facts(document(body, content_type), url)
        return Page(
            url=url, requested_url=url, fetched_at=datetime(2026, 1, 2, tzinfo=UTC), sha256="", size=len(body), **found
        )

    return page_of
