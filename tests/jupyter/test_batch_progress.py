"""A batch in a cell of a real kernel: live while it goes on, and nothing that differs in what is saved."""

from __future__ import annotations

import os
import re
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.kernels import Kernel, environment, kernel, write_notebook
from support.paths import BRIEFS

pytestmark = pytest.mark.usefixtures("slow")
NOTHING = "<!-- progress is shown while the cell runs -->"
CELLS = {
    "parameters": 'brief_path: str = ""\nround: int = 1',
    "work": "from time import sleep\nfrom pathlib import Path\nwhile Path('held').exists():\n    sleep(0.05)\nsleep(1)",
}
BATCH = 'rows = await lab.batch("briefs", "cheap.ipynb", out="out", workers=2, retries=0{more})\nlist(rows["state"])'


class Notebook:
    """A kernel in a folder of its own, and the pictures that its cells show."""

    def __init__(self, running: Kernel, home: Path) -> None:
        self.home = home
        self.pictures: list[str] = []
        self.both = threading.Event()
        """Set when both notebooks are seen in their last cell."""
        self.running = running
        self._process = running._client.process_message
        running._client.process_message = self._hear  # type: ignore[method-assign]

    def _hear(self, message: Any, cell: Any, index: int) -> Any:
        data = message["content"].get("data", {})
        if str(data.get("text/plain", "")) == "Progress(batch)":
            self.pictures.append(data["text/html"])
            if data["text/html"].count("cell work") == 2:
                self.both.set()
        return self._process(message, cell, index)

    def run(self, cell_id: str, more: str = "") -> list[Any]:
        """Runs a cell with a batch."""
        self.pictures.clear()
        self.both.clear()
        return self.running.run(cell_id, BATCH.format(more=more))


@pytest.fixture
def notebook(process: None, tmp_path: Path) -> Iterator[Notebook]:
    """The notebook, with two briefs and a template that takes no lab."""
    shutil.copytree(BRIEFS.parent / "sites", tmp_path / "sites")
    (tmp_path / "briefs").mkdir()
    for name in ("termwick-renewals", "aubrelune-ete"):
        shutil.copy(BRIEFS / f"{name}.toml", tmp_path / "briefs")
    write_notebook(tmp_path / "cheap.ipynb", CELLS)
    with kernel(tmp_path / "a.ipynb", environment(CAMPAIGN_LAB_STORE=tmp_path / "lab.duckdb")) as running:
        running.run(
            "setup", f"import os; os.chdir({str(tmp_path)!r})\nfrom campaign_lab import Lab\nlab = Lab(user='ana')"
        )
        yield Notebook(running, tmp_path)


def words(html: str) -> str:
    """What a person reads."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_a_batch_is_shown_live_and_saved_as_nothing(notebook: Notebook) -> None:
    """Run again, with nothing to do, it saves the very same."""
    outputs = notebook.run("batch")
    first, *live, last = notebook.pictures
    assert first == last == NOTHING
    assert outputs[0]["data"] == {"text/plain": "Progress(batch)", "text/html": NOTHING}
    assert outputs[1]["data"]["text/plain"] == "['finished', 'finished']"
    seen = " ".join(words(html) for html in live)
    assert re.search(r"termwick-renewals cell work, \d of \d \d+ s", seen)
    assert "2 of 2 notebooks ended" in seen
    assert re.search("aubrelune-ete ✓ finished", seen)
    again = notebook.run("batch")
    assert [output["data"] for output in again] == [output["data"] for output in outputs]


def test_an_interrupt_stops_the_batch_and_the_display(notebook: Notebook) -> None:
    """The button signals the process group. The cell comes back without a kernel left; the same cell goes on."""
    (notebook.home / "held").touch()
    pid = int(notebook.running.value("__import__('os').getpid()"))

    def interrupt() -> None:
        notebook.both.wait(60)
        os.killpg(pid, signal.SIGINT)

    stopping = threading.Thread(target=interrupt)
    stopping.start()
    outputs = notebook.run("cut")
    stopping.join()
    assert outputs[0]["data"]["text/html"] == notebook.pictures[-1] == NOTHING
    assert [output["output_type"] for output in outputs] == ["display_data", "error"]
    assert outputs[1]["ename"] in ("CancelledError", "KeyboardInterrupt")
    look = "import psutil; [each.name() for each in psutil.Process().children(recursive=True)]"
    assert notebook.running.value(look) == "[]"
    (notebook.home / "held").unlink()
    again = notebook.run("cut")
    assert again[1]["data"]["text/plain"] == "['finished', 'finished']"


def test_a_listener_of_its_own_is_heard_alone(notebook: Notebook) -> None:
    """Then the cell shows no display."""
    notebook.running.run("listener", "heard = []")
    notebook.run("mine", ", on_event=heard.append")
    assert notebook.pictures == []
    assert (
        notebook.running.value("type(heard[0]).__name__, type(heard[-1]).__name__") == "('BatchStarted', 'BatchEnded')"
    )
