"""A web proxy on loopback that knows names of its own, as one in a company does."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass
class KnownProxy:
    """What it knows (a port on 127.0.0.1 for each host), what it was asked for, and how it refuses."""

    ports: dict[str, int]
    port: int = 0
    refuses: int = 0
    password: str = ""
    asked: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address, without a password."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def proxy_for(ports: dict[str, int]) -> Iterator[KnownProxy]:
    """The proxy, while it runs."""
    known = KnownProxy(ports)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self._let_in(self.path):
                parts = urlsplit(self.path)
                there = HTTPConnection("127.0.0.1", known.ports[str(parts.hostname)], timeout=10)
                there.request("GET", parts.path or "/", headers={"host": parts.netloc})
                answer = there.getresponse()
                body = answer.read()
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

        def do_CONNECT(self) -> None:
            if self._let_in(self.path):
                with socket.create_connection(("127.0.0.1", known.ports[self.path.rpartition(":")[0]])) as there:
                    self.send_response(200, "Connected")
                    self.end_headers()
                    back = threading.Thread(target=_pump, args=(there, self.connection), daemon=True)
                    back.start()
                    _pump(self.connection, there)
                    back.join(5)

        def _let_in(self, what: str) -> bool:
            known.asked.append(what)
            wanted = f"Basic {base64.b64encode(known.password.encode()).decode()}"
            locked = known.password and self.headers.get("proxy-authorization") != wanted
            refusal = 407 if locked else known.refuses
            if refusal:
                self.send_response(refusal, "call evil.example now")
                self.send_header("content-length", "0")
                self.end_headers()
            return not refusal

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    known.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield known
    finally:
        server.shutdown()
        server.server_close()


def _pump(source: socket.socket, target: socket.socket) -> None:
    """Carries bytes until one of the two hangs up."""
    try:
        while data := source.recv(65_536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass
