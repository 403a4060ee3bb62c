"""One run as a piece of work: the same on any machine, and nothing that goes wrong in it is raised."""

from __future__ import annotations

import json
import pickle
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import nbformat
import psycopg
import pytest

from campaign_lab.batch.execute.work import Outcome, Payload, read_journal, run_payload
from campaign_lab.batch.plan.briefs import as_toml
from campaign_lab.errors import PASSING_CODES, StoreError
from campaign_lab.store.postgres.errors import explained
from campaign_lab.store.postgres.server import PostgresStore
from support.batches import CHEAP, brief_of, cells_of
from support.kernels import write_notebook

pytestmark = pytest.mark.usefixtures("process", "slow")


@pytest.fixture
def payload(tmp_path: Path) -> Payload:
    """A cheap run, as if it came from another machine: neither its folder nor its brief's copy is here."""
    template = write_notebook(tmp_path / "cheap.ipynb", CHEAP).read_bytes()
    brief = as_toml(brief_of("One", "print(os.getcwd())"))
    return Payload(
        "one", "One", "cheap.ipynb", template, brief, {"angle": "a"}, {"SECRET_PLACE": "hush"}, 60.0, "/nowhere/here",
        "/nowhere/one.toml",
    )  # fmt: skip


def _do(payload: Payload) -> Outcome:
    return run_payload(payload, on_cell=lambda *_: None, cancelled=lambda: False)


def test_it_runs_where_its_folder_is_not(payload: Payload, tmp_path: Path) -> None:
    """Template and brief come along; the kernel works in a temporary folder that is gone afterwards."""
    outcome = _do(pickle.loads(pickle.dumps(payload)))
    assert (outcome.state, outcome.error) == ("finished", "")
    done = tmp_path / "done.ipynb"
    done.write_bytes(outcome.notebook)
    place = Path(cells_of(done)["act"]["outputs"][0]["text"].strip())
    assert place.name.startswith("notebook-")
    assert not place.exists()
    assert pickle.loads(pickle.dumps(outcome)) == outcome


def test_secrets_are_not_shown(payload: Payload) -> None:
    """The environment may hold a password: it stands in no log that shows a payload."""
    assert "hush" not in repr(payload)


def test_a_kernel_that_cannot_be_started_leaves_a_notebook_that_says_so(payload: Payload) -> None:
    """Without the outputs that the template was saved with; it may go well the next time."""
    notebook = json.loads(payload.template)
    notebook["cells"][0]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": "old"}]
    broken = replace(
        payload, template=json.dumps(notebook).encode(), env={"PYTHONHOME": "/nowhere", "PYTHONPATH": "/nowhere"}
    )
    outcome = _do(broken)
    assert (outcome.state, outcome.retriable, outcome.cell) == ("failed", True, "")
    saved = nbformat.reads(outcome.notebook.decode(), as_version=4)
    nbformat.validate(saved)
    assert "stopped before its first cell" in saved.cells[0].source
    assert "old" not in outcome.notebook.decode()


@pytest.mark.parametrize("state", ["55P03", "40P01", None], ids=["lock", "deadlock", "commit"])
def test_a_server_that_had_no_time_for_us_may_have_it_later(state: str | None) -> None:
    """Whether it was busy for too long or did not answer while it was committing: the notebook is run again."""
    nobody = "postgresql://ana@127.0.0.1:1/lab"
    if state:
        told = explained(nobody, psycopg.errors.lookup(state)("in the way"))
    else:
        with (
            closing(PostgresStore(nobody)) as store,
            pytest.raises(StoreError, match="while it was committing") as lost,
        ):
            store._was_committed("3", 0.0)
        told = lost.value
    assert isinstance(told, StoreError)
    assert told.code in PASSING_CODES


RAISES = """
from campaign_lab import Lab
from campaign_lab.errors import REFUSED, UNAVAILABLE, StoreError, TurnFailed
raise {}
"""


@pytest.mark.parametrize(
    ("error", "code", "retriable"),
    [
        ("StoreError('lab', 'is away', 'Wait.', UNAVAILABLE)", "store_unavailable", True),
        ("TurnFailed('copy', 'api', 'the connection was busy (HTTP 401)', code=REFUSED)", "turn_refused", False),
    ],
)
def test_whether_a_run_is_tried_again_depends_on_the_code_and_not_on_the_words(
    error: str, code: str, retriable: bool, payload: Payload
) -> None:
    """The kernel writes the code of the error that stopped its cell into the journal."""
    outcome = _do(replace(payload, brief_toml=as_toml(brief_of("One", RAISES.format(error)))))
    assert (outcome.state, outcome.error.partition(":")[0]) == ("failed", error.partition("(")[0])
    assert (outcome.code, outcome.retriable) == (code, retriable)


def test_what_is_wrong_with_a_template_fails_its_run(payload: Payload) -> None:
    """Rubbish in a template is no reason to end a batch."""
    outcome = _do(replace(payload, template=b'{"cells": [3], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}'))
    assert outcome.state == "failed"
    assert not outcome.retriable
    assert outcome.error


def test_a_journal_that_was_cut_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    """Lines that are not whole, or no objects, are left out."""
    (tmp_path / "journal").write_bytes(b'{"turn": "a"}\n[1]\n\xff\n{"turn": "b"}\n{"tur')
    assert read_journal(tmp_path / "journal") == ({"turn": "a"}, {"turn": "b"})
    assert read_journal(tmp_path / "missing") == ()
