"""What a person sees who makes a mistake in a cell: one line, with the traceback folded away; a run nobody awaited says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.kernels import Kernel, environment, kernel, shown
from support.paths import BRIEFS

pytestmark = pytest.mark.usefixtures("slow")
START = f"""
from campaign_lab import Brief, Lab
lab = Lab()
base = lab.session(Brief.load({str(BRIEFS / "termwick-renewals.toml")!r}))
"""
MISTAKES = {
    'await base.run("reserch")': ("NotFoundError", "There is no phase 'reserch' here. Known: research"),
    'await base.run("copy")': ("PhaseOrderError", "needs angle before it"),
    'base.fork("Relief", at="strategy")': ("NotFoundError", "There is no checkpoint 'strategy' here"),
    'base.rate("nobody", rating=9)': ("ValueError", "rating"),
    'Brief.load("nowhere.toml")': ("BriefError", "nowhere.toml"),
    'Brief(url="ftp://x", market="Canada", language="English")': ("BriefError", "market: 'Canada' is not allowed"),
    'lab.open("nowhere.duckdb")': ("StoreError", "nowhere.duckdb"),
    'lab.costs(by="moon")': ("ValueError", "moon"),
    'lab.plan_batch([], "nowhere.ipynb", out="x")': ("NotFoundError", "nowhere.ipynb"),
    'lab.sweep(grace="soon")': ("ValueError", "soon"),
    "%%angle Empty\n": ("AngleError", "the cell has no text"),
}


@pytest.fixture(scope="module")
def by_hand(process: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """A kernel whose cells a person runs in JupyterLab."""
    folder = tmp_path_factory.mktemp("mistakes")
    env = environment(CAMPAIGN_LAB_STORE=folder / "lab.duckdb", CAMPAIGN_LAB_USER="ana")
    with kernel(folder / "mistakes.ipynb", env, by_hand=True) as running:
        assert not running.run("start", START)
        yield running


@pytest.mark.parametrize("source", MISTAKES)
def test_a_mistake_is_one_line(source: str, by_hand: Kernel) -> None:
    """Its kind, what is wrong and what to do; the whole traceback is one %tb away."""
    kind, says = MISTAKES[source]
    output = by_hand.run("wrong", source)[-1]
    assert output["ename"] == kind
    (line,) = output["traceback"]
    assert line.startswith(f"{kind}: ")
    assert says in line
    assert "\n" not in line
    whole = "\n".join(by_hand.run("unfolded", "%tb")[-1]["traceback"])
    assert "campaign_lab" in whole
    assert kind in whole


def test_an_error_of_the_users_own_code_keeps_its_traceback(by_hand: Kernel) -> None:
    """Only what we raise on purpose is folded: a ValueError of other code shows where it came up."""
    for source in ("int('seven')", "{}['key']"):
        (output,) = by_hand.run("own", source)
        assert "Traceback" in "\n".join(output["traceback"])


@pytest.mark.usefixtures("process")
def test_a_run_without_a_person_keeps_the_whole_traceback(tmp_path: Path) -> None:
    """Under nbclient, papermill and our own runner the error output says kind, words and every frame."""
    env = environment(CAMPAIGN_LAB_STORE=tmp_path / "lab.duckdb", CAMPAIGN_LAB_USER="ana")
    for with_ids in (True, False):
        with kernel(tmp_path / "runner.ipynb", env, with_ids=with_ids) as running:
            running.run("start", START)
            (output,) = running.run("wrong", 'base.fork("Relief", at="strategy")')
        assert output["ename"] == "NotFoundError"
        assert "There is no checkpoint" in output["evalue"]
        assert "checkpoints.py" in "\n".join(output["traceback"])


def test_a_run_that_nobody_awaited_says_so(by_hand: Kernel) -> None:
    """As the cell's value it says "await"; elsewhere one line on stderr does, and nothing of coroutines."""
    said = shown(by_hand.run("value", 'base.run("research")'))
    assert 'run(…) has not begun: write "await" before it' in said
    lost = by_hand.run("lost", 'base.run("research")\nlab.batch([], out="x")\nlab.run_all([base], "copy"); 1')
    lines = "".join(each["text"] for each in lost if each.get("name") == "stderr").splitlines()
    assert [line.partition("(")[0] for line in lines] == ["run", "batch", "run_all"]
    assert by_hand.value("len(base.turns())") == "0"


def test_a_run_can_be_gathered_and_waited_for(by_hand: Kernel) -> None:
    """The event loop takes it for the coroutine that it was: gather, wait_for, tasks, and lab.run_sync."""
    by_hand.run("gather", "import asyncio\nturns = await asyncio.gather(base.run('research'), base.run('research'))")
    by_hand.run("task", "turns.append(await asyncio.create_task(base.run('strategy')))")
    by_hand.run("wait", "turns.append(await asyncio.wait_for(base.ask('Who says so?'), 60))")
    by_hand.run("sync", "turns.append(lab.run_sync(base.ask('And who else?')))")
    assert by_hand.value("[turn.phase for turn in turns]") == "['research', 'research', 'strategy', 'ask', 'ask']"
