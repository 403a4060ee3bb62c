"""Batches of cheap notebooks in real kernels: what fails stays alone, what is finished stays, cancel and Ctrl-C keep it all."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest

from campaign_lab import Lab
from campaign_lab.batch.events import (
    MEMORY,
    BatchEnded,
    BatchEvent,
    BatchStarted,
    CellStarted,
    RunEnded,
    RunStarted,
    Waiting,
)
from campaign_lab.batch.execute import machine, runner
from campaign_lab.batch.execute.work import Cancellation
from campaign_lab.batch.folder import FolderInUse
from campaign_lab.batch.rows import Row
from campaign_lab.sessions.budgets import Budgets
from support.batches import brief_of, cells_of, cheap_template, names, run_cheap, said
from support.labs import MakeLab
from support.processes import at_work

pytestmark = pytest.mark.usefixtures("process", "slow")
STUCK = "while True:\n    time.sleep(0.05)"
DEAF = "while True:\n    try:\n        time.sleep(0.05)\n    except KeyboardInterrupt:\n        print('no')"


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    """A lab that nothing was run in."""
    return make_lab()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second try does not wait long here."""
    monkeypatch.setattr(runner, "FIRST_PAUSE_S", 0.05)


def _states(rows: list[Row]) -> dict[str, str]:
    return {row.run: row.state for row in rows}


def test_what_goes_wrong_in_one_run_stops_no_other(lab: Lab, tmp_path: Path) -> None:
    """An error, a dead kernel, a notebook over its time, a bad brief: each has its row and its notebook, the rest is done."""
    (tmp_path / "bad.toml").write_text('url = "ftp://no.example"\n', encoding="utf-8")
    briefs: list[Any] = [
        brief_of("Fails", "raise KeyError('a\\nb \\x1b[31m<b>')"), brief_of("Dies", "os._exit(7)"),
        brief_of("Hangs", DEAF), tmp_path / "bad.toml", brief_of("Paniers d'été", language="fr-CA"),
    ]  # fmt: skip
    rows = run_cheap(lab, briefs, tmp_path, workers=4, timeout_s=20.0, retries=0, parameters={"n": 3})
    assert _states(rows) == {
        "fails": "failed", "dies": "failed", "hangs": "failed", "bad": "refused", "paniers-d-ete": "finished",
    }  # fmt: skip
    by_run = {row.run: row for row in rows}
    assert (by_run["fails"].cell, by_run["fails"].error) == ("act", "KeyError: 'a\\nb \\x1b[31m<b>'")
    assert (by_run["dies"].cell, by_run["dies"].error) == ("act", "Kernel died")
    assert (by_run["hangs"].cell, by_run["hangs"].error) == ("act", "it took longer than 20 s")
    assert "'ftp://no.example' is not allowed" in by_run["bad"].error
    assert by_run["bad"].notebook == ""
    out = tmp_path / "out"
    assert said(out / "paniers-d-ete.ipynb", "last") == "done calm 3\n"
    for run in ("fails", "dies", "hangs"):
        notebook = nbformat.read(out / f"{run}.ipynb", as_version=4)
        nbformat.validate(notebook)
        assert said(out / f"{run}.ipynb", "load") == "began\n"
        marked = [
            n for n, cell in enumerate(notebook.cells) if "papermill-error-cell-tag" in cell.metadata.get("tags", ())
        ]
        assert notebook.cells[marked[-1] + 1].id == "act"
    assert at_work() == []


def test_the_same_batch_again_does_only_what_is_missing(lab: Lab, tmp_path: Path) -> None:
    """What is finished is not touched; a failed run is tried again and says why; a new brief is added."""
    flag = tmp_path / "flag"
    waits = brief_of("Later", f"assert os.path.exists({str(flag)!r}), 'not yet'")
    first = run_cheap(lab, [brief_of("One"), waits], tmp_path, retries=0)
    assert _states(first) == {"one": "finished", "later": "failed"}
    before = (tmp_path / "out" / "one.ipynb").stat().st_mtime_ns
    flag.touch()
    events: list[BatchEvent] = []
    rows = run_cheap(lab, [brief_of("One"), waits, brief_of("New")], tmp_path, on_event=events.append)
    assert {row.run: row.error or row.state for row in rows} == {
        "one": "finished",
        "later": "finished",
        "new": "finished",
    }
    assert (tmp_path / "out" / "one.ipynb").stat().st_mtime_ns == before
    assert (rows[1].attempts, rows[1].changed) == (2, "it failed: AssertionError: not yet")
    assert isinstance(events[0], BatchStarted)
    assert (events[0].total, events[0].todo, events[0].kept) == (3, 2, 1)
    assert {event.run for event in events if isinstance(event, RunStarted)} == {"later", "new"}
    again: list[BatchEvent] = []
    assert run_cheap(lab, [brief_of("One"), waits, brief_of("New")], tmp_path, on_event=again.append) == rows
    assert names(again) == ["BatchStarted", "BatchEnded"]


def test_a_run_is_tried_again_where_that_may_help(lab: Lab, tmp_path: Path) -> None:
    """A kernel that died is; an error in the code is not. Each try is told, and counted in the row."""
    counter = tmp_path / "tries"
    counter.touch()
    dies_twice = f"p = {str(counter)!r}\nopen(p, 'a').write('x')\nif len(open(p).read()) < 3:\n    os._exit(1)"
    events: list[BatchEvent] = []
    rows = run_cheap(
        lab, [brief_of("Shaky", dies_twice), brief_of("Wrong", "nonsense")], tmp_path, retries=2, on_event=events.append
    )
    assert _states(rows) == {"shaky": "finished", "wrong": "failed"}
    assert [row.attempts for row in rows] == [3, 1]
    tries = [event.attempt for event in events if isinstance(event, RunStarted) and event.run == "shaky"]
    assert tries == [1, 2, 3]


def test_progress_is_told_cell_by_cell(lab: Lab, tmp_path: Path) -> None:
    """In order: the batch, the run, its cells with their places, the row as it is written, the end with all rows."""
    events: list[BatchEvent] = []
    rows = run_cheap(lab, [brief_of("One")], tmp_path, on_event=events.append)
    assert names(events) == ["BatchStarted", "RunStarted", *["CellStarted"] * 5, "RunEnded", "BatchEnded"]
    cells = [(event.index, event.cells, event.cell) for event in events if isinstance(event, CellStarted)]
    assert cells == [
        (n, 5, name) for n, name in enumerate(("parameters", "injected-parameters", "load", "act", "last"))
    ]
    ended = next(event for event in events if isinstance(event, RunEnded))
    assert ended.row == rows[0]
    assert events[-1] == BatchEnded(tuple(rows))


@pytest.mark.parametrize("kind", [RuntimeError, SystemExit])
def test_a_listener_that_breaks_stops_nothing(
    kind: type[BaseException], lab: Lab, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged, whatever it raises."""

    def broken(_event: BatchEvent) -> None:
        raise kind("no screen")

    assert _states(run_cheap(lab, [brief_of("One")], tmp_path, on_event=broken)) == {"one": "finished"}
    assert "no screen" in caplog.text


def test_cancelled_what_runs_is_interrupted_and_the_same_batch_goes_on(lab: Lab, tmp_path: Path) -> None:
    """What is finished stays, what ran is kept as far as it came, what waited is not begun; and no kernel is left."""
    flag = tmp_path / "flag"
    stuck = f"while not os.path.exists({str(flag)!r}):\n    time.sleep(0.05)"
    briefs = [brief_of("One"), brief_of("Stuck", stuck), brief_of("Waits")]
    stop = Cancellation()

    def hear(event: BatchEvent) -> None:
        if isinstance(event, CellStarted) and event.run == "stuck" and event.cell == "act":
            threading.Timer(0.3, stop.set).start()

    rows = run_cheap(lab, briefs, tmp_path, workers=1, on_event=hear, cancelled=stop)
    assert _states(rows) == {"one": "finished", "stuck": "cancelled", "waits": "cancelled"}
    assert at_work() == []
    assert said(tmp_path / "out" / "stuck.ipynb", "load") == "began\n"
    assert (rows[1].cell, rows[1].attempts, rows[2].attempts) == ("act", 1, 0)
    assert not (tmp_path / "out" / "waits.ipynb").exists()
    flag.touch()
    assert {*_states(run_cheap(lab, briefs, tmp_path)).values()} == {"finished"}


def test_one_run_is_cancelled_alone(lab: Lab, tmp_path: Path) -> None:
    """The others go on."""
    stop = Cancellation()

    def hear(event: BatchEvent) -> None:
        if isinstance(event, CellStarted) and event.run == "stuck" and event.cell == "act":
            stop.cancel_run("stuck")

    rows = run_cheap(lab, [brief_of("Stuck", STUCK), brief_of("One")], tmp_path, on_event=hear, cancelled=stop)
    assert _states(rows) == {"stuck": "cancelled", "one": "finished"}


def test_ctrl_c_ends_the_kernels_writes_the_rows_and_is_raised(lab: Lab, tmp_path: Path) -> None:
    """As in a script: a signal to this process."""

    def hear(event: BatchEvent) -> None:
        if isinstance(event, CellStarted) and event.cell == "act":
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_cheap(lab, [brief_of("Stuck", STUCK)], tmp_path, on_event=hear)
    assert at_work() == []
    row = json.loads((tmp_path / "out" / ".batch" / "rows" / "stuck.json").read_text(encoding="utf-8"))
    assert row["state"] == "cancelled"


def test_what_stops_waiting_for_a_batch_cancels_it(lab: Lab, tmp_path: Path) -> None:
    """``await lab.batch(…)`` leaves the loop free, and an interrupt of it ends the kernels before it is over."""
    template = cheap_template(tmp_path / "templates")
    running = threading.Event()

    def hear(event: BatchEvent) -> None:
        if isinstance(event, CellStarted) and event.cell == "act":
            running.set()

    work = lab.batch([brief_of("Stuck", STUCK)], template, out=tmp_path / "out", on_event=hear)
    job = lab._context.loop.submit(work)
    assert running.wait(60)
    job.cancel()
    assert job.ended.is_set()
    assert at_work() == []
    assert (
        json.loads((tmp_path / "out" / ".batch" / "rows" / "stuck.json").read_text(encoding="utf-8"))["state"]
        == "cancelled"
    )


def test_lab_batch_gives_a_table(lab: Lab, tmp_path: Path) -> None:
    """One row a run, with the columns of BATCH_COLUMNS; a relative folder is the caller's."""
    template = cheap_template(tmp_path / "templates")
    briefs = [brief_of("One"), brief_of("Two", "1/0")]
    table = lab.run_sync(lab.batch(briefs, template, out=os.path.relpath(tmp_path / "out"), matrix={"angle": ["b"]}))
    assert table["run"].tolist() == ["one--angle-b", "two--angle-b"]
    assert table["state"].tolist() == ["finished", "failed"]
    assert table["parameters"].tolist() == ["angle: b"] * 2
    assert (tmp_path / "out" / "one--angle-b.ipynb").is_file()


def test_a_batch_is_a_notebooks_too(lab: Lab, tmp_path: Path) -> None:
    """No temporary path, no password of the store: the saved notebook names its template, itself, and a brief that stays."""
    run_cheap(lab, [brief_of("One")], tmp_path)
    text = (tmp_path / "out" / "one.ipynb").read_text(encoding="utf-8")
    about = json.loads(text)["metadata"]["papermill"]
    assert (about["input_path"], about["output_path"]) == ("cheap.ipynb", "one.ipynb")
    assert about["parameters"]["brief_path"] == str(tmp_path / "out" / ".batch" / "briefs" / "one.toml")
    assert Path(about["parameters"]["brief_path"]).is_file()
    assert f"campaign-lab-{os.getuid()}" not in text
    assert str(lab._context.engine.location) not in text


def test_a_kernel_knows_its_lab_and_its_batch(lab: Lab, tmp_path: Path) -> None:
    """By its environment, and this process's own stays as it was; it works in the template's folder."""
    before = dict(os.environ)
    keys = ("STORE", "USER", "ENDPOINT", "BATCH", "RUN", "BATCH_USD")
    code = f"print(os.getcwd(), *(os.environ.get('CAMPAIGN_LAB_' + key) for key in {keys}))"
    run_cheap(lab, [brief_of("One", code)], tmp_path, budget_usd=1.5)
    batch = json.loads((tmp_path / "out" / ".batch" / "batch.json").read_text(encoding="utf-8"))["id"]
    expected = [tmp_path / "templates", tmp_path / "lab.duckdb", "ana", "rehearsal", batch, "one", 1.5]
    assert said(tmp_path / "out" / "one.ipynb", "act").split() == [str(each) for each in expected]
    assert dict(os.environ) == before


def test_a_notebook_that_cannot_be_saved_fails_alone(lab: Lab, tmp_path: Path) -> None:
    """The rest goes on, and once there is room the same batch does it again."""
    in_the_way = tmp_path / "out" / "one.ipynb" / "in the way"
    briefs = [brief_of("One", f"os.makedirs({str(in_the_way)!r}, exist_ok=True)"), brief_of("Two")]
    rows = run_cheap(lab, briefs, tmp_path)
    assert _states(rows) == {"one": "failed", "two": "finished"}
    assert "could not be saved" in rows[0].error
    in_the_way.rmdir()
    in_the_way.parent.rmdir()
    assert {*_states(run_cheap(lab, [brief_of("One"), briefs[1]], tmp_path)).values()} == {"finished"}


def test_the_limits_of_a_turn_and_a_session_reach_the_notebooks(make_lab: MakeLab, tmp_path: Path) -> None:
    """A lab in a kernel of the batch has the budgets of the lab that began it."""
    lab = make_lab(budgets=Budgets(turn_usd=0.25, session_usd=1.5))
    act = "from campaign_lab import Lab\nprint(Lab()._context.budgets)"
    (row,) = run_cheap(lab, [brief_of("One", act)], tmp_path)
    assert "turn_usd=0.25, session_usd=1.5" in said(tmp_path / "out" / row.notebook, "act")


def test_a_try_without_a_notebook_keeps_what_was_there_unless_its_inputs_changed(lab: Lab, tmp_path: Path) -> None:
    """A lost cluster takes no results from a row; those of an earlier brief are no longer its own."""
    from campaign_lab.batch.execute.booking import Booking
    from campaign_lab.batch.execute.work import Outcome
    from campaign_lab.batch.folder import RowFiles
    from campaign_lab.batch.plan.jobs import BatchOptions
    from campaign_lab.batch.plan.planner import plan_batch

    run_cheap(lab, [brief_of("One")], tmp_path)
    files = RowFiles(tmp_path / "out")
    files.write(replace(files.rows()["one"], records=3, tips={"s": "t"}))
    options = BatchOptions(out=files.folder, notebook=tmp_path / "templates" / "cheap.ipynb")
    (job,) = plan_batch(lab._context, [brief_of("One")], options).jobs
    for status, kept in (("again", ("one.ipynb", 3, {"s": "t"})), ("changed", ("", 0, {}))):
        jobs = {"one": replace(job, status=status)}
        booking = Booking(lab._context, files, files.batch_id(), jobs=jobs, on_event=lambda _event: None)
        booking.on_event(RunStarted("one", "One", 1, "here"))
        booking.settle(Outcome("one", "failed", b"", error="its worker was lost"))
        row = files.rows()["one"]
        assert (row.state, row.notebook, row.records, row.tips) == ("failed", *kept)


def test_never_more_kernels_than_memory_allows(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for one, one runs at a time, however many workers were asked for; and it is said what is waited for."""
    monkeypatch.setattr(machine, "NOTEBOOK_BYTES", 2**50)
    events: list[BatchEvent] = []
    most = [0]

    def hear(event: BatchEvent) -> None:
        events.append(event)
        most[0] = max(most[0], len(at_work()))

    rows = run_cheap(lab, [brief_of(name) for name in ("a", "b", "c")], tmp_path, workers=3, on_event=hear)
    assert {*_states(rows).values()} == {"finished"}
    assert most[0] == 1
    assert Waiting(MEMORY) in events


def test_two_batches_do_not_work_in_one_folder(lab: Lab, tmp_path: Path) -> None:
    """The second is refused while the first works, and told who that is."""
    refused: list[FolderInUse] = []

    def hear(event: BatchEvent) -> None:
        if isinstance(event, RunStarted) and not refused:
            with pytest.raises(FolderInUse, match=str(os.getpid())) as error:
                run_cheap(lab, [brief_of("One")], tmp_path)
            refused.append(error.value)

    assert _states(run_cheap(lab, [brief_of("One")], tmp_path, on_event=hear)) == {"one": "finished"}
    assert refused


def test_a_brief_may_be_edited_while_the_batch_runs(lab: Lab, tmp_path: Path) -> None:
    """Each run uses brief and template as they were when it began; the change is seen the next time, and named."""
    template = cheap_template(tmp_path / "templates")
    brief = tmp_path / "one.toml"
    brief.write_text('url = "https://a.example.ca"\naudience = "print(1)"\n', encoding="utf-8")

    def hear(event: BatchEvent) -> None:
        if isinstance(event, RunStarted):
            brief.write_text('url = "https://a.example.ca"\naudience = "print(2)"\n', encoding="utf-8")
            cheap_template(tmp_path / "templates", last="print('other')")

    run_cheap(lab, [brief], tmp_path, on_event=hear, notebook=template)  # type: ignore[list-item]
    assert said(tmp_path / "out" / "one.ipynb", "act") == "1\n"
    assert cells_of(tmp_path / "out" / "one.ipynb")["last"]["source"] == 'print("done", angle, n)'
    (row,) = run_cheap(lab, [brief], tmp_path, notebook=template)  # type: ignore[list-item]
    assert (row.changed, row.state) == ("brief: audience; notebook: cell last", "finished")
    assert said(tmp_path / "out" / "one.ipynb", "act") == "2\n"


def test_an_empty_batch_is_an_empty_table(lab: Lab, tmp_path: Path) -> None:
    """Nothing is started for it."""
    template = cheap_template(tmp_path / "templates")
    assert lab.run_sync(lab.batch([], template, out=tmp_path / "out")).empty


def test_time_is_what_a_run_took(lab: Lab, tmp_path: Path) -> None:
    """In seconds of this machine's clock, within the batch's own."""
    began = time.monotonic()
    (row,) = run_cheap(lab, [brief_of("One", "time.sleep(0.5)")], tmp_path)
    assert 0.5 < (row.duration_s or 0.0) < time.monotonic() - began
    assert row.started_at is not None
    assert row.ended_at is not None
    assert row.started_at < row.ended_at
