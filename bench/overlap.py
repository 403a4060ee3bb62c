"""How well the three researchers overlap: the wall time of a research turn over that of its slowest agent.

The sites are served from data/sites on loopback, and every page takes a while to come, as pages do. A ratio within one
run does not depend on how fast the machine is. Prints the parts of the turn beside it.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from campaign_lab import Brief, Lab
from campaign_lab.agents.events import AgentEnded, AgentStarted, Event

BAR = 1.3
PAGE_S = 1.0
SITES = Path(__file__).resolve().parent.parent / "data" / "sites"


class SlowPages(SimpleHTTPRequestHandler):
    """Files of a folder, each after a while."""

    def do_GET(self) -> None:
        """Waits, then answers."""
        time.sleep(PAGE_S)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def main() -> int:
    """Prints the ratio; 1 when it is over the bar."""
    brief = Brief(
        url=_serve("cairnwold"),
        competitors=[_serve("summitslash"), _serve("aurevick")],
        campaign="Overlap",
        market="GB",
        allow_private_addresses=True,
    )
    heard: list[tuple[float, Event]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Lab(Path(folder) / "lab.duckdb", endpoint="rehearsal", user="bench") as lab,
    ):
        lab.run_sync(lab.session(brief, "warm").run("research"))
        session = lab.session(brief, "measured")
        began = time.perf_counter()
        lab.run_sync(
            session.run("research", fresh_pages=True, on_event=lambda event: heard.append((time.perf_counter(), event)))
        )
        wall = time.perf_counter() - began
    starts = {event.call: at for at, event in heard if isinstance(event, AgentStarted)}
    spans = {event.call: (starts[event.call], at) for at, event in heard if isinstance(event, AgentEnded)}
    lengths = [end - start for start, end in spans.values()]
    slowest = max(lengths)
    ratio = wall / slowest
    before, after = min(starts.values()) - began, began + wall - max(end for _, end in spans.values())
    print(f"overlap: research took {ratio:.2f} x its slowest agent (bar {BAR:.2f})")
    print(
        f"  turn {wall:.2f} s: {before:.2f} s before the first agent, {slowest:.2f} s the slowest agent, "
        f"{after:.2f} s after the last; all agents one after the other {sum(lengths):.2f} s"
    )
    return 0 if ratio <= BAR else 1


def _serve(site: str) -> str:
    """Starts serving a folder; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SlowPages, directory=str(SITES / site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}/"


if __name__ == "__main__":
    sys.exit(main())
