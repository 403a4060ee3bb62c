"""Progress in a cell of a real kernel: live while the run goes on, and nothing that differs in what is saved."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from support.kernels import Kernel, environment, kernel, shown

pytestmark = pytest.mark.usefixtures("process", "slow")
NOTHING = "<!-- progress is shown while the cell runs -->"
FIRST_CELL_S = 1.5
HOSTILE = '<img src=x onerror="alert(1)">'


class Notebook:
    """A kernel on a lab in which ana has researched, and every message that came for its cells."""

    def __init__(self, running: Kernel) -> None:
        self.running = running
        self.messages: list[dict[str, Any]] = []
        self.on_update: Callable[[], object] = lambda: None
        self._process = running._client.process_message
        running._client.process_message = self._hear  # type: ignore[method-assign]

    def _hear(self, message: Any, cell: Any, index: int) -> Any:
        self.messages.append(message)
        if message["msg_type"] == "update_display_data":
            self.on_update()
        return self._process(message, cell, index)

    def run(self, cell_id: str, source: str) -> list[Any]:
        """Runs a cell; its messages are those that are kept."""
        self.messages.clear()
        return self.running.run(cell_id, source)

    def pictures(self) -> list[str]:
        """What the display showed, one after the other, as HTML."""
        shows = ("display_data", "update_display_data")
        return [
            each["content"]["data"]["text/html"]
            for each in self.messages
            if each["msg_type"] in shows and each["content"]["data"]["text/plain"].startswith("Progress(")
        ]

    def updates_at(self) -> list[datetime]:
        """When the kernel sent the updates."""
        return [each["header"]["date"] for each in self.messages if each["msg_type"] == "update_display_data"]


@pytest.fixture(scope="module")
def notebook(researched_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Notebook]:
    """One for all tests here; each runs cells of its own."""
    folder = tmp_path_factory.mktemp("progress")
    store = shutil.copy(researched_file, folder / "lab.duckdb")
    with kernel(folder / "a.ipynb", environment(CAMPAIGN_LAB_STORE=store)) as running:
        made = Notebook(running)
        made.run("setup", "from campaign_lab import Brief, Lab\nlab = Lab(user='ana')")
        made.run("base", "base = lab.open('main'); base.pin(); base")
        yield made


def words(html: str) -> str:
    """What a person reads."""
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def test_a_run_is_shown_live_and_saved_as_nothing(notebook: Notebook) -> None:
    """The first and the last picture are the same constant; between them stand the phase, the agents and how to stop."""
    outputs = notebook.run("copy", "copied = base.fork('Copy')\nawait copied.run('copy')")
    first, *live, last = notebook.pictures()
    assert first == last == NOTHING
    assert [output["data"].get("text/plain") for output in outputs] == [
        "Progress(copy)",
        "Turn(copy: 10 copy variants, rehearsal)",
    ]
    assert outputs[0]["data"]["text/html"] == NOTHING
    seen = " ".join(words(html) for html in live)
    assert "▶ copy running" in seen
    assert re.search(r"main agent waiting - [\d,]+ \d+ s \$0\.\d+", seen)
    assert "copy-creator" in seen
    assert all("Interrupt the kernel (■) to stop; what is finished is kept." in words(html) for html in live)


def test_a_replay_saves_the_same(notebook: Notebook) -> None:
    """Cell by cell, so that nbval finds no difference."""
    source = "again = base.fork('Again', at='research')\nawait again.run('strategy')"
    made, replayed = (notebook.run("twice", source) for _ in range(2))
    assert [output["data"] for output in made] == [output["data"] for output in replayed]
    assert len(made) == 2
    assert notebook.running.value("again.turns()[-1].phase, len(again.turns())") == "('strategy', 2)"


def test_updates_are_neither_many_nor_late(notebook: Notebook) -> None:
    """A tenth of a second lies between two, but for the last; none comes after the cell's end."""
    notebook.run("asked", "await base.ask('What is promised?')")
    *times, _ = notebook.updates_at()
    assert len(times) >= 2
    assert all((after - before).total_seconds() >= 0.095 for before, after in pairwise(times))
    notebook.run("later", "import asyncio\nawait asyncio.sleep(1.5)")
    assert notebook.pictures() == []


def test_a_fan_out_is_one_display_with_a_block_a_session(notebook: Notebook) -> None:
    """Names of sessions are texts."""
    source = f"forks = [base.fork('Calm', at='research'), base.fork({HOSTILE!r}, at='research')]"
    notebook.run("forks", source)
    outputs = notebook.run("all", "await lab.run_all(forks, 'strategy')")
    assert [output["data"].get("text/plain") for output in outputs] == [
        "Progress(strategy)",
        "FanOut(2 sessions, 0 failed)",
    ]
    first, *live, last = notebook.pictures()
    assert first == last == NOTHING
    assert words(live[0]).startswith(
        "Calm ○ strategy waiting &lt;img src=x onerror=&quot;alert(1)&quot;&gt; ○ strategy waiting"
    )
    both = [html for html in live if html.count("▶") == 2]
    assert both
    assert not any("<img" in html for html in live)


def test_a_script_in_a_cell_is_shown_too(notebook: Notebook) -> None:
    """run_sync holds the cell's thread; the display is drawn from the background loop, in the same cell."""
    outputs = notebook.run("sync", "lab.run_sync(base.ask('Who says so?'))")
    first, *live, last = notebook.pictures()
    assert first == last == outputs[0]["data"]["text/html"] == NOTHING
    assert "▶ ask running" in words(live[-1])


def test_an_error_ends_the_display(notebook: Notebook) -> None:
    """The cell's traceback says the rest."""
    outputs = notebook.run("early", "await base.fork('Early', at=0).run('copy')")
    assert [output["output_type"] for output in outputs] == ["display_data", "error"]
    assert outputs[0]["data"]["text/html"] == NOTHING
    assert outputs[1]["ename"] == "PhaseOrderError"


@pytest.mark.parametrize(
    ("phase", "at", "moment", "made"),
    [
        ("strategy", "'research'", "main agent", "Turn(strategy: 5 angles, rehearsal)"),
        ("research", "0", "saving", "Turn(research: "),
    ],
)
def test_an_interrupt_stops_the_run_and_the_display(
    notebook: Notebook, phase: str, at: str, moment: str, made: str
) -> None:
    """The button signals the process group. The cell comes back and says no more; the same cell runs again."""
    heard, pid = threading.Event(), int(notebook.running.value("__import__('os').getpid()"))

    def interrupt() -> None:
        heard.wait(60)
        os.killpg(pid, signal.SIGINT)

    def began() -> None:
        if any(moment in html for html in notebook.pictures()):
            heard.set()

    stopping = threading.Thread(target=interrupt)
    stopping.start()
    notebook.on_update = began
    source = f"cut = base.fork('Cut {phase}', at={at})\nawait cut.run({phase!r})"
    outputs = notebook.run(f"cut-{phase}", source)
    stopping.join()
    notebook.on_update = lambda: None
    assert [output["output_type"] for output in outputs] == ["display_data", "error"]
    assert outputs[0]["data"]["text/html"] == notebook.pictures()[-1] == NOTHING
    assert outputs[1]["ename"] in ("CancelledError", "KeyboardInterrupt")
    look = "import psutil; [each.name() for each in psutil.Process().children(recursive=True)]"
    assert notebook.running.value(look) == "[]"
    assert notebook.run("after", "import asyncio, gc; gc.collect(); await asyncio.sleep(0.5)") == []
    again = notebook.run(f"cut-{phase}", source)
    assert again[-1]["data"]["text/plain"].startswith(made)


def test_a_listener_of_its_own_is_heard_alone(notebook: Notebook) -> None:
    """Then the cell shows no display."""
    notebook.run("mine", "heard = []\n_ = await base.ask('Since when?', on_event=heard.append)")
    assert notebook.pictures() == []
    assert notebook.running.value("len(heard) > 2") == "True"


def test_the_first_cell_is_quick(tmp_path: Path) -> None:
    """Import and Lab() together, in processor time of the kernel, which does not depend on what else runs here."""
    with kernel(tmp_path / "c.ipynb", environment(CAMPAIGN_LAB_STORE=tmp_path / "lab.duckdb")) as running:
        running.run("clock", "import time; began = time.process_time()")
        running.run("setup", "from campaign_lab import Brief, Lab\nlab = Lab(); took = time.process_time() - began")
        assert float(running.value("took")) <= FIRST_CELL_S


def test_heavy_libraries_are_imported_in_the_first_pause(tmp_path: Path) -> None:
    """Neither in the first cell nor between cells that come at once, but soon after."""
    loaded = "import sys; ['claude_agent_sdk' in sys.modules, 'pandas' in sys.modules]"
    with kernel(tmp_path / "d.ipynb", environment(CAMPAIGN_LAB_STORE=tmp_path / "lab.duckdb")) as running:
        running.run("setup", "from campaign_lab import Brief, Lab\nlab = Lab()")
        assert running.value(loaded) == "[False, False]"
        deadline = time.monotonic() + 60
        while running.value(loaded) != "[True, True]":
            assert time.monotonic() < deadline
            time.sleep(1)


def test_what_cannot_be_attached_is_said_and_the_lab_works(tmp_path: Path) -> None:
    """One warning in words, once, and no error."""
    break_it = "import sys\nsys.modules['campaign_lab.jupyter.cell_progress'] = None"
    with kernel(tmp_path / "b.ipynb", environment(CAMPAIGN_LAB_STORE=tmp_path / "lab.duckdb")) as running:
        running.run("break", break_it)
        outputs = running.run("setup", "from campaign_lab import Brief, Lab\nlab = Lab()\nlab")
        assert "campaign_lab shows no live progress in this notebook" in shown(outputs)
        assert "Lab(lab.duckdb, rehearsal-" in shown(outputs)
        assert shown(running.run("setup", "from campaign_lab import Lab")) == ""


def test_outside_of_a_kernel_nothing_of_jupyter_is_imported() -> None:
    """Not even where IPython is running in a terminal."""
    look = (
        "import sys; print([name for name in ('IPython', 'ipywidgets', 'campaign_lab.jupyter') if name in sys.modules])"
    )
    plain = f"from campaign_lab import Brief, Lab; {look}"
    in_terminal = f"import IPython; from campaign_lab import Brief, Lab; {look}"
    said = [
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        for code in (plain, in_terminal)
    ]
    assert said == ["[]", "['IPython']"]
