"""A Messages API in a process of its own, which outlives whoever asks it: as a live endpoint does, and rehearsal does not.

    python messages_api.py FOLDER LATENCY_S

It answers as rehearsal does. ``FOLDER/port`` and ``FOLDER/token`` say where; while ``FOLDER/hold`` exists no answer is begun.
``FOLDER/book.json`` is its own book: each request that it was sent, and what it served.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from campaign_lab.rehearsal.server.app import RehearsalServer

LOOK_S = 0.02


class HeldServer(RehearsalServer):
    """Counts what it is asked, and waits with each answer while it is told to."""

    def __init__(self, folder: Path, latency_s: float) -> None:
        super().__init__(latency_s)
        self.asked = 0
        self._hold = folder / "hold"

    async def _messages(self, request: Any) -> Any:
        self.asked += 1
        while self._hold.exists():  # noqa: ASYNC110  # another process ends it
            await asyncio.sleep(LOOK_S)
        return await super()._messages(request)


def main() -> None:
    """Serves until it is ended."""
    folder, latency_s = Path(sys.argv[1]), float(sys.argv[2])
    server = HeldServer(folder, latency_s)
    server.start()
    (folder / "token").write_text(server.token)
    _write(folder / "port", str(server.port))
    said = ""
    while True:
        book = json.dumps({"asked": server.asked, "served": [asdict(each) for each in server.book]})
        if book != said:
            _write(folder / "book.json", book)
            said = book
        time.sleep(LOOK_S)


def _write(path: Path, text: str) -> None:
    """All of it or nothing, for whoever reads at the same time."""
    beside = path.with_suffix(".new")
    beside.write_text(text)
    os.replace(beside, path)


class Api:
    """The process as a test sees it."""

    def __init__(self, folder: Path, process: subprocess.Popen[bytes]) -> None:
        self.folder = folder
        self.process = process
        self.url = f"http://127.0.0.1:{(folder / 'port').read_text()}"
        self.token = (folder / "token").read_text()

    @property
    def env(self) -> dict[str, str]:
        """What a command is told, to use it."""
        return {"CAMPAIGN_LAB_ENDPOINT": self.url, "CAMPAIGN_LAB_API_KEY": self.token}

    def hold(self) -> None:
        """From here on no answer is begun."""
        (self.folder / "hold").touch()

    def go_on(self) -> None:
        """Answers again."""
        (self.folder / "hold").unlink(missing_ok=True)

    def book(self) -> dict[str, Any]:
        """How many requests were ``asked``, and those that were ``served``."""
        try:
            return json.loads((self.folder / "book.json").read_text())
        except FileNotFoundError:
            return {"asked": 0, "served": []}

    def wait_for(self, asked: int, *, served: int = 0, seconds: float = 60.0) -> None:
        """Waits until so many requests were sent to it, and so many were served to their end."""
        end = time.monotonic() + seconds
        while (book := self.book())["asked"] < asked or sum(each["complete"] for each in book["served"]) < served:
            assert time.monotonic() < end, f"{book['asked']} of {asked} requests came within {seconds} s"
            time.sleep(LOOK_S)


@contextmanager
def messages_api(folder: Path, latency_s: float = 0.0) -> Iterator[Api]:
    """The endpoint, in a new process."""
    folder.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        [sys.executable, __file__, str(folder), str(latency_s)], cwd=Path(__file__).parent, start_new_session=True
    ) as process:
        try:
            while not (folder / "port").exists():
                assert process.poll() is None, "the endpoint did not start"
                time.sleep(LOOK_S)
            yield Api(folder, process)
        finally:
            process.kill()


if __name__ == "__main__":
    main()
