"""Real campaigns in a batch that is killed: its kernels end by themselves, and the next start does what is missing."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from campaign_lab import Lab
from campaign_lab.errors import BudgetExceeded
from campaign_lab.sessions.spending.batch_budget import batch_costs
from support.kernels import environment, write_notebook
from support.paths import BRIEFS, ROOT

pytestmark = pytest.mark.usefixtures("process", "slow")
RESEARCH = {
    "parameters": 'brief_path: str = ""\nangle: str = ""',
    "setup": "from campaign_lab import Brief, Lab\nlab = Lab()\nbase = lab.session(Brief.load(brief_path), 'batch')",
    "research": 'await base.run("research")',
}
ANGLE = RESEARCH | {
    "strategy": 'fork = base.fork(angle, at="research") if angle else base\nawait fork.run("strategy")',
}
TWO = [str(BRIEFS / f"{name}.toml") for name in ("cairnwold-autumn", "duewren-trial")]
END_S = 30.0
"""How long a test waits for what must end by itself, in seconds; ipykernel looks for its parent once a second."""

Rows = list[list[Any]]


class Folder:
    """A lab, a template and a batch's folder, and the process that works there."""

    def __init__(self, home: Path, cells: Mapping[str, str]) -> None:
        home.mkdir()
        self.home, self.out, self.place = home, home / "out", home / "lab.duckdb"
        self.template = write_notebook(home / "template.ipynb", cells)
        self.started: list[subprocess.Popen[str]] = []

    def start(self, briefs: list[str] = TWO) -> subprocess.Popen[str]:
        """Begins the batch in a process group of its own."""
        worker = ROOT / "tests" / "support" / "workers" / "batch_process.py"
        command = [sys.executable, worker, self.place, self.template, self.out, "2", *briefs]
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            text=True,
            env=environment(),
            start_new_session=True,
        )
        self.started.append(process)
        return process

    def finish(self) -> Rows:
        """Runs the batch to its end, and gives its rows."""
        said, _ = self.start().communicate(timeout=250)
        rows: Rows = json.loads(said.splitlines()[-1])
        return rows

    def kill_at(self, event: str) -> list[psutil.Process]:
        """Begins the batch, kills it with -9 at the first event of that kind, and gives the processes that it had started."""
        with self.start() as process:
            assert process.stdout is not None
            assert any(line.startswith(event) for line in process.stdout)
            time.sleep(0.2)  # a request is under way now
            below = psutil.Process(process.pid).children(recursive=True)
            os.kill(process.pid, signal.SIGKILL)
        return below

    def charged(self) -> float:
        """What the ledger says that finished turns cost."""
        with Lab(self.place, user="ana") as lab:
            found = lab._context.engine.call(
                lambda con: con.execute("SELECT sum(cost_usd) FROM attempts WHERE state = 'finished'").fetchone()
            )
        return float(found[0])


@pytest.fixture
def make_folder(tmp_path: Path) -> Iterator[Any]:
    """Makes folders, and ends what was started in them."""
    made: list[Folder] = []

    def make(name: str, cells: Mapping[str, str] = RESEARCH) -> Folder:
        made.append(Folder(tmp_path / name, cells))
        return made[-1]

    yield make
    for folder in made:
        for process in folder.started:
            if process.poll() is None:
                process.kill()
                process.wait()


def test_a_killed_batch_leaves_no_process_and_goes_on_as_if_it_had_not_been(make_folder: Any) -> None:
    """Killed while a turn runs and after a first run ended: each brief is done once, and all of it costs as much as it should."""
    clean = make_folder("clean").finish()
    folder = make_folder("killed")
    below = folder.kill_at("CellStarted cairnwold-autumn research")
    assert any("ipykernel" in " ".join(each.cmdline()) for each in below if each.is_running())
    assert psutil.wait_procs(below, timeout=END_S)[1] == []
    below = folder.kill_at("RunEnded")
    assert psutil.wait_procs(below, timeout=END_S)[1] == []
    rows = folder.finish()
    assert [row[:2] for row in rows] == [row[:2] for row in clean]
    assert {row[1] for row in rows} == {"finished"}
    assert [row[4] for row in rows] == [row[4] for row in clean]
    assert [round(row[2], 6) for row in rows] == [round(row[2], 6) for row in clean]
    assert round(folder.charged(), 6) == round(math.fsum(row[2] for row in clean), 6)
    for row in rows:
        notebook = json.loads((folder.out / f"{row[0]}.ipynb").read_text(encoding="utf-8"))
        assert notebook["metadata"]["papermill"]["exception"] is None


def test_a_second_process_is_refused_and_disturbs_nothing(make_folder: Any) -> None:
    """While the first works in the folder."""
    folder = make_folder("shared")
    with folder.start(TWO[:1]) as first:
        assert first.stdout is not None
        assert first.stdout.readline().startswith("BatchStarted")
        second = subprocess.run(
            [*map(str, first.args)], capture_output=True, text=True, check=False, env=environment(), timeout=120
        )  # type: ignore[call-overload]
        assert second.returncode == 1
        assert f"process {first.pid} of " in second.stderr
        rows = json.loads(first.stdout.read().splitlines()[-1])
    assert [row[1] for row in rows] == ["finished"]


def test_another_angle_replays_the_research_and_pays_its_own(make_folder: Any) -> None:
    """A value more in the matrix adds its runs; the budget of the whole batch is held against what is spent and estimated."""
    folder = make_folder("angles", ANGLE)
    with Lab(folder.place, user="ana") as lab:

        def run(*angles: str, **options: Any) -> Any:
            matrix = {"angle": list(angles)}
            return lab.run_sync(lab.batch(TWO[:1], folder.template, out=folder.out, matrix=matrix, **options))

        first = run("Warm")
        assert first["state"].tolist() == ["finished"]
        assert first["replayed_usd"].tolist() == [0.0]
        table = run("Warm", "Cool")
        assert table["run"].tolist() == ["cairnwold-autumn--angle-warm", "cairnwold-autumn--angle-cool"]
        warm, cool = table.to_dict("records")
        assert cool["replayed_usd"] + cool["cost_usd"] == pytest.approx(warm["cost_usd"], rel=0.05)
        assert cool["replayed_usd"] > cool["cost_usd"] > 0.0
        batch = json.loads((folder.out / ".batch" / "batch.json").read_text(encoding="utf-8"))["id"]
        costs = lab._context.engine.call(lambda con: batch_costs(con, batch))
        assert {run: cost.paid.usd for run, cost in costs.items()} == {
            row["run"]: row["cost_usd"] for row in (warm, cool)
        }
        angles = {"angle": ["Warm", "Cool", "Dry"]}
        plan = lab.plan_batch(TWO[:1], folder.template, out=folder.out, matrix=angles)
        assert plan.estimate_usd == pytest.approx(cool["cost_usd"], rel=0.05)
        spent = warm["cost_usd"] + cool["cost_usd"]
        with pytest.raises(BudgetExceeded) as refused:
            run("Warm", "Cool", "Dry", budget_usd=spent + 0.001)
        assert refused.value.spent_usd == pytest.approx(spent)
        assert sorted(path.name for path in folder.out.glob("*.ipynb")) == [f"{run}.ipynb" for run in sorted(costs)]
