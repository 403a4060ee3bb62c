"""RunPanel in a real kernel: clicks come as the browser's messages, and what they run belongs to the panel's cell."""

from __future__ import annotations

import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.kernels import Kernel, environment, kernel, shown

pytestmark = pytest.mark.usefixtures("slow")
PATIENCE_S = 120.0


@pytest.fixture
def running(researched_file: Path, tmp_path: Path) -> Iterator[Kernel]:
    """A kernel on a lab in which ana has researched, with a handle that stands at the session's start."""
    store = shutil.copy(researched_file, tmp_path / "lab.duckdb")
    with kernel(tmp_path / "a.ipynb", environment(CAMPAIGN_LAB_STORE=store)) as made:
        made.run(
            "setup",
            "from campaign_lab import Brief, Lab\nfrom campaign_lab.panels import RunPanel\nlab = Lab(user='ana')",
        )
        made.run("base", "lab.open('main').pin(); base = lab.open('main', from_start=True)")
        yield made


def click(running: Kernel, button: str) -> None:
    """What the browser sends when the button is clicked."""
    press(running, running.value(f"panel.{button}.model_id").strip("'"))


def press(running: Kernel, model_id: str) -> None:
    """The message itself."""
    kernel_client = running._client.kc
    data = {"method": "custom", "content": {"event": "click"}}
    kernel_client.shell_channel.send(kernel_client.session.msg("comm_msg", {"comm_id": model_id, "data": data}))


def finished(running: Kernel) -> None:
    """Waits until the run of the panel has ended."""
    deadline = time.monotonic() + PATIENCE_S
    while running.value("panel._job is not None and panel._job.ended.is_set()") != "True":
        assert time.monotonic() < deadline
        time.sleep(0.2)


def data_of(outputs: list[Any]) -> dict[str, Any]:
    """The bundle of the only output."""
    (output,) = outputs
    return dict(output["data"])


def test_what_a_click_runs_belongs_to_the_panels_cell(running: Kernel) -> None:
    """The turn is found by the cell, though a click has none; what is saved of the panel is plain and the same after it."""
    source = "panel = RunPanel(base.fork('Calm', at='research'), 'strategy')\npanel"
    running.run("first-a", "await base.run('research')")
    before = data_of(running.run("panel-a", source))
    assert before["text/plain"] == "RunPanel(strategy)"
    assert "<table>" in before["text/html"]
    click(running, "run_button")
    finished(running)
    assert running.value("panel._session.checkpoints()[-1].cell_id, panel.turns[0].replayed") == "('panel-a', False)"
    assert running.value("panel._session.fork('On', at='cell:panel-a').checkpoint().phase") == "'strategy'"

    again = data_of(running.run("panel-a", source))
    click(running, "run_button")
    finished(running)
    assert running.value("panel.turns[0].replayed, len(panel._session.turns())") == "(True, 2)"
    assert {mime: again[mime] for mime in ("text/plain", "text/html")} == {
        mime: before[mime] for mime in ("text/plain", "text/html")
    }


def test_cells_below_follow_the_panel(running: Kernel) -> None:
    """The panel's cell run again and clicked again stands where it first did, and so do the cells below."""
    for _ in range(2):
        running.run("panel-b", "panel = RunPanel(base, 'research', 'strategy')\npanel")
        click(running, "run_button")
        finished(running)
        assert running.value("[turn.phase for turn in base.turns()]") == "['research', 'strategy']"
        running.run("below-b", "_ = await base.ask('What is promised?')")
        assert running.value("[turn.phase for turn in base.turns()]") == "['research', 'strategy', 'ask']"
    assert running.value("len(lab.sessions())") == "1"  # nothing had to be forked


def test_a_panel_a_cell_and_a_script_pay_once(running: Kernel) -> None:
    """Research by a click, by another cell, three times in a row, and by a process of its own: one attempt, one turn."""
    brief = "base.brief, name='paid once'"
    running.run("new-g", f"new = lab.session({brief}); panel = RunPanel(new, 'research')\npanel")
    click(running, "run_button")
    finished(running)
    running.run("cell-g", "turn = await new.run('research')")
    running.run("three-g", "turns = [await new.run('research') for _ in range(3)]")
    assert running.value("[each.replayed for each in (*panel.turns, turn, *turns)]") == str([False] + 4 * [True])
    assert running.value("[each.phase for each in new.turns()], len(lab.sessions())") == "(['research'], 2)"
    script = "import sys; from campaign_lab import Lab; lab = Lab(user='ana', on_miss='refuse'); "
    script += "print([lab.run_sync(lab.open('paid once').run('research')).replayed for _ in range(3)])"
    out = f"__import__('subprocess').run([__import__('sys').executable, '-c', {script!r}], capture_output=True, text=True)"
    assert running.value(f"{out}.stdout.strip()") == "'[True, True, True]'"
    count = 'lab._context.engine.call(lambda con: con.execute("SELECT count(*) FROM attempts WHERE session_id = ?", [new.id])'
    assert running.value(f"{count}.fetchone())") == "(1,)"


def test_a_panel_and_a_run_in_one_cell_do_not_mix(running: Kernel) -> None:
    """The panel stands behind what its cell has run."""
    running.run("both-c", "await base.run('research')\npanel = RunPanel(base, 'strategy')\npanel")
    click(running, "run_button")
    finished(running)
    assert running.value("[turn.replayed for turn in panel.turns], len(base.turns())") == "([True], 2)"


def test_awaited_in_a_cell_it_shows_the_last_turn(running: Kernel) -> None:
    """The headless way: no click, no display of its own beside the panel."""
    running.run("panel-d", "panel = RunPanel(base, 'research', 'strategy')\npanel")
    outputs = running.run("wait-d", "await panel.run()")
    assert data_of(outputs)["text/plain"] == "Turn(strategy: 5 angles, rehearsal)"


def test_an_interrupted_cell_leaves_the_panels_run_alone(running: Kernel) -> None:
    """JupyterLab's button signals the kernel's whole process group; the run goes on in the background."""
    pid = int(running.value("__import__('os').getpid()"))
    running.run("panel-f", "panel = RunPanel(base, 'research', 'strategy', 'copy')\npanel")
    click(running, "run_button")
    process, pressed = running._client.process_message, []

    def hear(message: Any, cell: Any, index: int) -> Any:
        if not pressed and message["msg_type"] == "stream":
            pressed.append(time.monotonic())
            os.killpg(pid, signal.SIGINT)
        return process(message, cell, index)

    running._client.process_message = hear  # type: ignore[method-assign]
    busy = (
        "import psutil, time\nwhile not psutil.Process().children(): time.sleep(0.01)\nprint('it runs')\ntime.sleep(60)"
    )
    said = shown(running.run("busy-f", busy))
    assert pressed
    assert "KeyboardInterrupt" in said
    finished(running)
    assert running.value("panel.problem.value, [turn.replayed for turn in panel.turns]") == "('', [True, True, False])"


def test_cancel_is_heard_while_a_cell_awaits(running: Kernel) -> None:
    """The cell ends with an error in words, no process is left, and the next run goes on."""
    running.run("panel-e", "panel = RunPanel(base, 'research', 'strategy', 'copy')\npanel")
    model_id = running.value("panel.cancel_button.model_id").strip("'")
    process, pressed = running._client.process_message, []

    def hear(message: Any, cell: Any, index: int) -> Any:
        if not pressed and message["msg_type"] == "comm_msg" and "copy-creator" in str(message["content"]["data"]):
            pressed.append(time.monotonic())
            press(running, model_id)
        return process(message, cell, index)

    running._client.process_message = hear  # type: ignore[method-assign]
    said = shown(running.run("wait-e", "await panel.run()"))
    assert pressed
    assert "The phase 'copy' failed: it was cancelled. Phases that were finished are kept." in said
    assert running.value("__import__('psutil').Process().children(recursive=True)") == "[]"
    assert running.value("[turn.phase for turn in panel.turns]") == "['research', 'strategy']"
    outputs = running.run("wait-e", "await panel.run()")
    assert data_of(outputs)["text/plain"] == "Turn(copy: 10 copy variants, rehearsal)"
