"""Every turn and fork knows its notebook and cell, and the cell rules hold, whoever runs the notebook."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from campaign_lab import Brief, Lab
from campaign_lab.batch.execute.notebook import run_notebook
from campaign_lab.jupyter.cell_ids import stamped
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server.app import RehearsalServer
from support.kernels import environment, kernel, write_notebook
from support.made import made_once
from support.paths import BRIEFS, ROOT

pytestmark = pytest.mark.usefixtures("slow")
BRIEF = BRIEFS / "termwick-renewals.toml"
QUESTION, EDITED = "What is promised?", "What is denied?"

Runner = Callable[[Path, Path], None]
"""Runs a notebook in a lab."""


@pytest.fixture(scope="module")
def researched_now(process: None, tmp_path_factory: pytest.TempPathFactory, server: RehearsalServer) -> Path:
    """A lab file in which ana has just researched, from a script."""

    def research(path: Path) -> None:
        lab = Lab(path, user="ana", endpoint=RehearsalEndpoint(server))
        lab.run_sync(lab.session(Brief.load(BRIEF)).run("research"))
        lab._context.engine.close()

    return made_once(tmp_path_factory, "researched-now", research)


@pytest.fixture
def store(researched_now: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copy(researched_now, tmp_path / "lab.duckdb"))


@pytest.fixture
def reader(store: Path, server: RehearsalServer) -> Iterator[Callable[[], Lab]]:
    """Opens the lab after a run, to look at it."""
    made: list[Lab] = []

    def opened() -> Lab:
        made.append(Lab(store, user="ana", endpoint=RehearsalEndpoint(server)))
        return made[-1]

    yield opened
    for lab in made:
        lab._context.engine.close()


def _notebook(folder: Path, question: str) -> Path:
    cells = {
        "setup-a": f"from campaign_lab import Brief, Lab\nlab = Lab(user='ana')\nbase = lab.session(Brief.load({str(BRIEF)!r}))",
        "research-a": "await base.run('research')",
        "question-a": f"await base.ask({question!r})",
        "below-a": "await base.ask('Who says so?')",
        "fork-a": "fork = base.fork('From the question', at='cell:question-a')",
    }
    return write_notebook(folder / "anchored é.ipynb", cells)


def _by_papermill(notebook: Path, store: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CAMPAIGN_LAB_STORE", str(store))
        run_notebook(notebook, notebook.parent / "out" / notebook.name)


def _by_nbval(notebook: Path, store: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-p",
        "campaign_lab.jupyter.cell_ids",
        "-p",
        "support.kernel_sockets",
        "-c",
        os.devnull,
        "--nbval",
        "--nbval-current-env",
    ]
    done = subprocess.run(
        [*command, str(notebook)],
        env=environment(CAMPAIGN_LAB_STORE=store, PYTHONPATH=ROOT / "tests"),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    assert "5 passed" in done.stdout


def _by_nbclient(notebook: Path, store: Path) -> None:
    client = NotebookClient(nbformat.read(notebook, as_version=4), timeout=120)
    stamped(client, notebook).execute(env=environment(CAMPAIGN_LAB_STORE=store))


def _as_jupyterlab_does(notebook: Path, store: Path) -> None:
    """The message metadata and the variable that JupyterLab 4.6 was seen to send; a real one is driven in tests/browser."""
    client = NotebookClient(nbformat.read(notebook, as_version=4), timeout=120)

    def stamp(cell: nbformat.NotebookNode, **_position: int) -> None:
        told = {"trusted": True, "deletedCells": [], "recordTiming": False, "cellId": cell.id}
        client.kc.session.metadata = told  # type: ignore[union-attr]

    client.on_cell_execute = stamp
    client.execute(env=environment(CAMPAIGN_LAB_STORE=store, JPY_SESSION_NAME=notebook))


RUNNERS = [_by_papermill, _by_nbval, _by_nbclient, _as_jupyterlab_does]


def test_turns_and_forks_know_their_cell_and_an_edit_forks_from_the_cell_above(
    store: Path, reader: Callable[[], Lab], tmp_path: Path
) -> None:
    """Each runner runs the notebook with one cell edited: anchors, and a branch of its own that the cells below follow."""
    for number, run in enumerate(RUNNERS):
        question, main = f"What is promised in line {number}?", f"main {number + 1}" if number else "main"
        notebook = _notebook(tmp_path, question)
        run(notebook, store)
        lab = reader()
        assert [(step.phase, step.notebook, step.cell_id) for step in lab.open(main).lineage] == [
            ("research", None, None),  # made by a script
            ("ask", notebook.name, "question-a"),
            ("ask", notebook.name, "below-a"),
        ], run.__name__
        asked = [each.text for each in lab.open(main).conversation() if each.role == "user"]
        assert asked[1:] == [question, "Who says so?"]
        fork = lab.open("From the question" if not number else f"From the question {number + 1}")
        assert fork.lineage[-1].cell_id == "question-a"
        tree = lab.tree(fork).set_index("session")
        assert tuple(tree.loc[fork.name, ["notebook", "cell"]]) == (notebook.name, "fork-a")
        assert tree["automatic"].sum() == number
        lab._context.engine.close()


def test_in_one_kernel_a_cell_run_again_stands_where_it_first_did(store: Path, tmp_path: Path) -> None:
    """Edit a cell, run it and the one below, go back to the first text: a branch, then the replay of the first line."""
    notebook = tmp_path / "a.ipynb"
    with kernel(notebook, environment(CAMPAIGN_LAB_STORE=store)) as live:
        live.run("setup-a", "from campaign_lab import Brief, Lab\nlab = Lab(user='ana')\nbase = lab.open('main')")
        for question in (QUESTION, EDITED, QUESTION):
            live.run("question-a", f"turn = await base.ask({question!r})")
            live.run("below-a", "below = await base.ask('Who says so?')")
            assert live.value("len(base.turns())") == "3", question
        assert live.value("(turn.replayed, below.replayed, base.name)") == "(True, True, 'main')"


CELL = "from campaign_lab.sessions.position import current_cell\ncell = current_cell()"


@pytest.mark.usefixtures("process")
def test_without_an_id_the_cell_is_found_by_its_source(tmp_path: Path) -> None:
    """Where only the path is known, the one cell with that source is it; none is, when two have it or none has."""
    notebook = write_notebook(
        tmp_path / "a.ipynb", {"one": CELL, "two": f"# twice\n{CELL}", "three": f"# twice\n{CELL}"}
    )
    with kernel(notebook, environment(JPY_SESSION_NAME=notebook), with_ids=False) as live:
        found = []
        for source in (CELL, f"# twice\n{CELL}", f"# not saved\n{CELL}"):
            live.run("any", source)
            found.append(live.value("(cell.notebook, cell.cell_id)"))
        notebook.write_text("no notebook", encoding="utf-8")
        live.run("any", CELL)
        found.append(live.value("(cell.notebook, cell.cell_id)"))
    assert found == ["('a.ipynb', 'one')", *["('a.ipynb', None)"] * 3]
