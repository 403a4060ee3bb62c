"""A site of saved pages on a real web server, which can be down, refuse, or say something else for a while."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from support.paths import SITES


class WebSite:
    """A folder of pages on loopback. ``body`` and ``status``, when set, are the answer to everything."""

    def __init__(self, folder: Path = SITES / "termwick") -> None:
        with socket.socket() as free:  # a port of its own for as long as the test runs, also while nobody listens there
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder = folder
        self.body: bytes | None = None
        self.status = 200
        self.asked: list[str] = []
        self._server: ThreadingHTTPServer | None = None

    @property
    def url(self) -> str:
        """Its home page."""
        return f"http://127.0.0.1:{self.port}/"

    def up(self) -> None:
        """Listens, if it does not."""
        if self._server is None:
            self._server = ThreadingHTTPServer(("127.0.0.1", self.port), self._handler())
            self._server.daemon_threads = True
            threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def down(self) -> None:
        """Refuses connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def says(self, body: str, *, status: int = 200) -> None:
        """Answers with this whatever is asked for."""
        self.body, self.status = body.encode(), status
        self.up()

    def is_itself(self) -> None:
        """Serves its folder again."""
        self.body, self.status = None, 200
        self.up()

    def brief(self, path: Path, campaign: str = "Spring", **fields: str) -> Path:
        """Writes a brief for it, which may read private addresses."""
        lines = {"url": self.url, "market": "CA", "campaign": campaign, **fields}
        text = "".join(f'{name} = "{value}"\n' for name, value in lines.items())
        path.write_text(f"{text}allow_private_addresses = true\n", encoding="utf-8")
        return path

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                site.asked.append(self.path)
                name = self.path.split("?")[0].lstrip("/") or "index.html"
                file = site.folder / name
                status, body = site.status, site.body
                if body is None:
                    status, body = (200, file.read_bytes()) if file.is_file() else (404, b"nothing here")
                self.send_response(status)
                self.send_header("content-type", "text/css" if name.endswith(".css") else "text/html; charset=utf-8")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        return Handler


@contextmanager
def web_site(folder: Path = SITES / "termwick") -> Iterator[WebSite]:
    """A site that is down at first, and is stopped at the end."""
    site = WebSite(folder)
    try:
        yield site
    finally:
        site.down()
