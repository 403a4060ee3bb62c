"""What a batch is going to do: new, kept, again, changed, refused; names of runs; estimates and budgets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.agents.phases import builtin_phases
from campaign_lab.batch.folder import RowFiles
from campaign_lab.batch.plan.estimate import CONVERSATION_TOKENS, estimated
from campaign_lab.batch.plan.jobs import BatchPlan, PlannedRun
from campaign_lab.batch.plan.template import default_template, read_before
from campaign_lab.batch.rows import Row
from campaign_lab.errors import BudgetExceeded, NotFoundError
from campaign_lab.lab import DEFAULT_MODEL
from campaign_lab.money import Sum
from campaign_lab.sessions.budgets import Budgets
from campaign_lab.sessions.spending.batch_budget import RunCost
from campaign_lab.sessions.spending.estimate import typical_usd
from support.batches import brief_of, cheap_template
from support.kernels import write_notebook
from support.labs import MakeLab

ONE, TWO = brief_of("One"), brief_of("Two")


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    """A lab that nothing was run in."""
    return make_lab()


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A template whose kernels are cheap."""
    return cheap_template(tmp_path / "templates")


def _finish(out: Path, job: PlannedRun, **fields: Any) -> None:
    """Writes what a finished run of the job leaves behind."""
    files = RowFiles(out)
    files.begin("cheap.ipynb")
    row = Row(job.run, job.source.name, parameters=job.parameters, state="finished", inputs=job.inputs)
    files.save(f"{job.run}.ipynb", b"{}")
    files.write(replace(row, notebook=f"{job.run}.ipynb", **fields))


def _states(plan: BatchPlan) -> dict[str, tuple[str, str]]:
    return {job.run: (job.status, job.reason) for job in plan.jobs}


def test_planning_writes_nothing(lab: Lab, template: Path, tmp_path: Path) -> None:
    """No folder, no kernel, no turn: only what would be done."""
    plan = lab.plan_batch([ONE, TWO], template, out=tmp_path / "out")
    assert repr(plan) == "BatchPlan(2 runs: 2 new; about $0.0000)"
    assert plan.basis == "the template names no phase"
    assert not (tmp_path / "out").exists()


def test_a_matrix_has_a_run_for_each_combination(lab: Lab, template: Path, tmp_path: Path) -> None:
    """Named by the brief and the values; hostile values choose no path, and values that look alike are told apart."""
    matrix = {"angle": ["emotional", "../Emotional"], "n": [1, 2]}
    plan = lab.plan_batch([ONE], template, out=tmp_path / "out", matrix=matrix)
    runs = [job.run for job in plan.jobs]
    assert runs[:2] == ["one--angle-emotional--n-1", "one--angle-emotional--n-2"]
    assert [len({*runs}), len(runs)] == [4, 4]
    assert not any("/" in run or ".." in run for run in runs)
    assert plan.jobs[3].parameters == {"angle": "../Emotional", "n": 2}
    assert plan.jobs[0].name == "One, angle: emotional, n: 1"


def test_two_briefs_of_one_name_are_two_runs_every_time(lab: Lab, template: Path, tmp_path: Path) -> None:
    """The second is marked by what it is."""
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "spring.toml").write_text(f'url = "https://{name}.example.ca"\n', encoding="utf-8")
    briefs = [tmp_path / name / "spring.toml" for name in ("a", "b")]
    first, again = (lab.plan_batch(briefs, template, out=tmp_path / "out") for _ in range(2))
    assert first.jobs[0].run == "spring"
    assert first.jobs[1].run.startswith("spring-")
    assert [job.run for job in first.jobs] == [job.run for job in again.jobs]


def test_an_unknown_parameter_lists_the_templates(lab: Lab, template: Path, tmp_path: Path) -> None:
    """Also one of the matrix; and the brief's own parameter is the batch's to set."""
    for options in ({"parameters": {"angel": 1}}, {"matrix": {"angel": [1]}}, {"parameters": {"brief_path": "x"}}):
        with pytest.raises(NotFoundError, match=r"Known: angle, n\.$"):
            lab.plan_batch([ONE], template, out=tmp_path / "out", **options)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"workers": 0}, "workers: 0"),
        ({"retries": -1}, "retries: -1"),
        ({"timeout": 0}, "timeout: 0"),
        ({"budget_usd": -1.0}, "budget_usd: -1"),
        ({"matrix": {"angle": []}}, "matrix: angle=\\[\\]"),
        ({"matrix": {"angle": "abc"}}, "matrix: angle='abc'"),
        ({"matrix": {"angle": ["a"]}, "parameters": {"angle": "b"}}, "give it once"),
        ({"parameters": {"angle": object()}}, "cannot be written into a notebook"),
    ],
)
def test_options_that_cannot_be_are_said(
    options: dict[str, Any], problem: str, lab: Lab, template: Path, tmp_path: Path
) -> None:
    """With the value and what is expected."""
    with pytest.raises(ValueError, match=problem):
        lab.plan_batch([ONE], template, out=tmp_path / "out", **options)


def test_what_is_no_template_is_said(lab: Lab, tmp_path: Path) -> None:
    """No file, no notebook, no parameter for the brief."""
    with pytest.raises(NotFoundError, match="notebook"):
        lab.plan_batch([ONE], tmp_path / "no.ipynb", out=tmp_path / "out")
    (tmp_path / "rubbish.ipynb").write_text("not JSON", encoding="utf-8")
    with pytest.raises(ValueError, match="cannot be read as a notebook"):
        lab.plan_batch([ONE], tmp_path / "rubbish.ipynb", out=tmp_path / "out")
    plain = write_notebook(tmp_path / "plain.ipynb", {"parameters": "angle = 1"})
    with pytest.raises(ValueError, match=r"takes no brief_path.*angle"):
        lab.plan_batch([ONE], plain, out=tmp_path / "out")


@pytest.mark.usefixtures("process")
def test_an_installation_of_another_version_is_said(tmp_path: Path) -> None:
    """An entry point that names a module of before the update: not the notebook is at fault, and the line says what to do."""
    older = tmp_path / "older-1.0.dist-info"
    older.mkdir()
    (older / "METADATA").write_text("Metadata-Version: 2.1\nName: older\nVersion: 1.0\n", encoding="utf-8")
    (older / "entry_points.txt").write_text("[papermill.engine]\nolder = campaign_lab.gone:Engine\n", encoding="utf-8")
    script = "from campaign_lab.batch.plan.template import default_template, read_template; read_template(default_template())"
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stderr.splitlines()[-1] == (
        "ValueError: papermill cannot be loaded (No module named 'campaign_lab.gone'); install campaign_lab again, "
        "in a checkout with pip install -c constraints.txt -e ."
    )


def test_what_is_finished_and_unchanged_is_kept(lab: Lab, template: Path, tmp_path: Path) -> None:
    """More briefs, or another value of the matrix, add only their own runs."""
    out = tmp_path / "out"
    first = lab.plan_batch([ONE], template, out=out, matrix={"angle": ["a"]})
    _finish(out, first.jobs[0])
    more = lab.plan_batch([ONE, TWO], template, out=out, matrix={"angle": ["a", "b"]})
    assert {run: status for run, (status, _) in _states(more).items()} == {
        "one--angle-a": "kept", "one--angle-b": "new", "two--angle-a": "new", "two--angle-b": "new",
    }  # fmt: skip
    assert [job.run for job in more.kept] == ["one--angle-a"]


def test_what_has_changed_is_named(make_lab: MakeLab, lab: Lab, template: Path, tmp_path: Path) -> None:
    """Fields of the brief, cells of the template, parameters, the store and who answers; nothing else counts."""
    out = tmp_path / "out"
    _finish(out, lab.plan_batch([ONE], template, out=out, parameters={"n": 1}).jobs[0])

    def why(brief: Brief = ONE, lab: Lab = lab, **parameters: Any) -> tuple[str, str]:
        return _states(lab.plan_batch([brief], template, out=out, parameters={"n": 1, **parameters}))["one"]

    assert why() == ("kept", "")
    changed = Brief(**{**ONE.model_dump(), "objective": "OUTCOME_LEADS", "audience": "all"})
    assert why(changed) == ("changed", "brief: objective, audience")
    assert why(n=2, angle="x") == ("changed", "parameters: n, angle")
    assert why(lab=make_lab("other.duckdb")) == ("changed", "store")
    assert why(lab=Lab(tmp_path / "lab.duckdb", user="ana", endpoint="http://127.0.0.1:9")) == ("changed", "endpoint")
    notebook = json.loads(template.read_text(encoding="utf-8"))
    notebook["cells"].insert(0, {"cell_type": "markdown", "id": "words", "metadata": {}, "source": "New words."})
    template.write_text(json.dumps(notebook), encoding="utf-8")
    assert why() == ("kept", "")
    cheap_template(template.parent, act="print('other')", more="1")
    assert why() == ("changed", "notebook: cell act, cell more")


def test_what_did_not_finish_is_run_again(lab: Lab, template: Path, tmp_path: Path) -> None:
    """A run that was cut off, failed, cancelled or over budget, with its reason; and one whose notebook is gone."""
    out = tmp_path / "out"
    briefs = [brief_of(name) for name in ("a", "b", "c", "d", "e")]
    jobs = lab.plan_batch(briefs, template, out=out).jobs
    _finish(out, jobs[0], state="running")
    _finish(out, jobs[1], state="failed", error="ValueError: no")
    _finish(out, jobs[2], state="cancelled")
    _finish(out, jobs[3], state="over budget")
    _finish(out, jobs[4])
    (out / "e.ipynb").unlink()
    assert _states(lab.plan_batch(briefs, template, out=out)) == {
        "a": ("again", "it was cut off"), "b": ("again", "it failed: ValueError: no"), "c": ("again", "it was cancelled"),
        "d": ("again", "it was over budget"), "e": ("again", "its notebook is gone"),
    }  # fmt: skip


def test_a_brief_that_cannot_be_used_is_refused_alone(lab: Lab, template: Path, tmp_path: Path) -> None:
    """With its problem as the reason; nothing is estimated for it."""
    (tmp_path / "bad.toml").write_text('url = "ftp://no.example"\n', encoding="utf-8")
    plan = lab.plan_batch([tmp_path / "bad.toml", ONE], template, out=tmp_path / "out", matrix={"n": [1, 2]})
    assert [(job.run, job.status) for job in plan.jobs] == [
        ("bad", "refused"),
        ("one--n-1", "new"),
        ("one--n-2", "new"),
    ]
    assert "'ftp://no.example' is not allowed" in next(job.reason for job in plan.jobs if job.status == "refused")


def test_phases_are_read_from_code() -> None:
    """By the calls that run them; magics are passed over, and what is no Python names none."""
    cells = ['%time\nawait base.run("research")', "f(", 'await lab.run_all(forks, "strategy", "copy")', 's.ask("Why?")']
    assert tuple(read_before([*cells, 'lab.open("copy").run(phase)', 'subprocess.run(["ls"])'])) == (
        "research", "strategy", "copy", "ask",
    )  # fmt: skip
    assert {"research", "strategy", "copy"} <= {*builtin_phases()}


def test_the_packaged_template_is_estimated_by_its_phases(lab: Lab, tmp_path: Path) -> None:
    """Nothing like it was run, so sizes are typical; a budget below that is refused before anything starts."""
    plan = lab.plan_batch([ONE, TWO], out=tmp_path / "out")
    assert plan.basis == "typical sizes for research, strategy, copy"
    assert plan.estimate_usd == pytest.approx(2 * (plan.jobs[0].estimate_usd or 0.0))
    assert plan.jobs[0].estimate_usd
    with pytest.raises(BudgetExceeded) as refused:
        lab.plan_batch([ONE, TWO], out=tmp_path / "out", budget_usd=plan.estimate_usd * 0.99)
    assert (refused.value.scope, refused.value.spent_usd) == ("batch", 0.0)
    assert lab.plan_batch([ONE, TWO], out=tmp_path / "out", budget_usd=plan.estimate_usd * 1.01).limit_usd


def test_what_was_paid_counts_off_only_where_it_replays(lab: Lab, tmp_path: Path) -> None:
    """A run that was cut off has the rest before it; one whose brief has changed pays for all of it again."""
    plan = lab.plan_batch([ONE, TWO], out=tmp_path / "out")
    paid = {job.run: RunCost(Sum(0.05)) for job in plan.jobs}
    jobs = [replace(plan.jobs[0], status="again"), replace(plan.jobs[1], status="changed")]
    whole = plan.jobs[0].estimate_usd
    assert whole is not None
    found, _ = estimated(lab._context, plan.template, jobs, {}, paid)
    assert found == [pytest.approx(whole - 0.05), pytest.approx(whole)]


def test_what_forks_carry_is_estimated_once(lab: Lab, tmp_path: Path) -> None:
    """Three directions of a brief pay its research once, another brief its own; what is read before it makes each pay."""
    (alone,) = lab.plan_batch([ONE], out=tmp_path / "out").jobs
    research = typical_usd(lab._context.model, CONVERSATION_TOKENS, lab._context.phase("research").agents)
    assert alone.estimate_usd is not None
    assert research is not None
    whole, carried = pytest.approx(alone.estimate_usd), pytest.approx(alone.estimate_usd - research)
    angles = {"angle": ["Calm", "Bold", "Kind"]}
    plan = lab.plan_batch([ONE, TWO], out=tmp_path / "out", matrix=angles)
    assert [job.estimate_usd for job in plan.jobs] == [whole, carried, carried, whole, carried, carried]
    assert plan.estimate_usd == pytest.approx(sum(job.estimate_usd or 0.0 for job in plan.jobs))
    names = lab.plan_batch([ONE], out=tmp_path / "out", matrix={"session_name": ["a", "b"]})
    assert [job.estimate_usd for job in names.jobs] == [whole, whole]


def test_what_is_read_before_a_phase_is_what_its_cell_may_know() -> None:
    """Names that are read up to the cell that runs it; nobody can tell behind what is no Python."""
    cells = [
        'brief = Brief.load(path)\nawait base.run("research")',
        'x = base.steered(angle)\nawait x.run("copy")',
        "f(",
        'y.ask("?")',
    ]
    assert read_before(cells) == {
        "research": frozenset({"Brief", "path", "base"}),
        "copy": frozenset({"Brief", "path", "base", "angle", "x"}),
        "ask": None,
    }


def test_a_run_is_estimated_for_the_model_that_it_names(lab: Lab, tmp_path: Path) -> None:
    """The parameter of that name, else the template's default; an unknown model has no price, and is no free one."""
    models = [DEFAULT_MODEL, "claude-opus-4-6", "mine"]
    sonnet, opus, mine = lab.plan_batch([ONE], out=tmp_path / "out", matrix={"model": models}).jobs
    assert sonnet.estimate_usd == lab.plan_batch([ONE], out=tmp_path / "out").jobs[0].estimate_usd
    assert sonnet.estimate_usd is not None
    assert opus.estimate_usd is not None
    assert opus.estimate_usd > sonnet.estimate_usd
    assert mine.estimate_usd is None


def test_a_run_without_a_model_gets_the_labs(make_lab: MakeLab, tmp_path: Path) -> None:
    """Where somebody asked for one, so that it is priced as it runs; a template's own model stays."""
    lab = make_lab(model="claude-opus-4-6")
    (run,) = lab.plan_batch([ONE], out=tmp_path / "out").jobs
    assert run.parameters["model"] == "claude-opus-4-6"
    empty, named = lab.plan_batch([ONE], out=tmp_path / "out", matrix={"model": ["", DEFAULT_MODEL]}).jobs
    assert [job.parameters["model"] for job in (empty, named)] == ["claude-opus-4-6", DEFAULT_MODEL]
    own = write_notebook(tmp_path / "own.ipynb", {"parameters": 'brief_path = ""\nmodel = "mine"'})
    assert [dict(job.parameters) for job in lab.plan_batch([ONE], own, out=tmp_path / "own").jobs] == [{}]


def test_a_run_without_a_model_is_priced_as_its_session(make_lab: MakeLab, tmp_path: Path) -> None:
    """A lab that was given none leaves a session its model; the session is the one that the template names."""
    dear, lab = make_lab(model="claude-opus-4-6"), make_lab()
    (new,) = lab.plan_batch([ONE], out=tmp_path / "out").jobs
    (opus,) = dear.plan_batch([ONE], out=tmp_path / "out").jobs
    dear.session(ONE, name="batch")
    dear.session(TWO, name="another")
    one, two = lab.plan_batch([ONE, TWO], out=tmp_path / "out").jobs
    assert opus.estimate_usd != new.estimate_usd
    assert (one.estimate_usd, two.estimate_usd) == (opus.estimate_usd, new.estimate_usd)
    assert dict(one.parameters) == {}


def test_a_changed_run_that_had_failed_is_a_changed_one(lab: Lab, template: Path, tmp_path: Path) -> None:
    """With both reasons."""
    out = tmp_path / "out"
    (job,) = lab.plan_batch([ONE], template, out=out).jobs
    _finish(out, job)
    RowFiles(out).write(replace(RowFiles(out).rows()["one"], state="failed", error="no luck"))
    changed = Brief.from_json(json.dumps({**json.loads(ONE.to_json()), "language": "fr"}))
    assert _states(lab.plan_batch([changed], template, out=out)) == {
        "one": ("changed", "it failed: no luck; brief: language")
    }


@pytest.mark.parametrize("name", ["one.ipynb", "index.html", "summary.parquet"])
def test_files_that_no_batch_has_made_are_not_written_over(name: str, lab: Lab, template: Path, tmp_path: Path) -> None:
    """The template beside its results, or a page of the user's: the error names the file, and it stays as it was."""
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match=rf"out: .*{name}' is there, and no batch has made it; move it away"):
        lab.plan_batch([ONE], template, out=tmp_path)
    assert (tmp_path / name).read_text() == "mine"


def test_a_budget_is_a_finite_sum(lab: Lab, tmp_path: Path) -> None:
    """Infinity is refused before a kernel trips over it."""
    with pytest.raises(ValueError, match="budget_usd: inf is not allowed"):
        lab.plan_batch([ONE], out=tmp_path / "out", budget_usd=float("inf"))


def test_finished_runs_of_the_batch_are_the_better_estimate(lab: Lab, tmp_path: Path) -> None:
    """Their mean, with what they replayed; runs that are kept cost nothing more."""
    out = tmp_path / "out"
    one, two = lab.plan_batch([ONE, TWO], out=out).jobs
    _finish(out, one, cost_usd=0.25, replayed_usd=0.25)
    _finish(out, two, cost_usd=0.3, replayed_usd=0.0)
    plan = lab.plan_batch([ONE, TWO, brief_of("Three")], out=out)
    assert plan.basis == "the mean of 2 finished runs of this batch"
    assert [job.estimate_usd for job in plan.jobs] == [0.0, 0.0, pytest.approx(0.4)]
    assert "1 run to do, about $0.4000" in plan._repr_html_()
    assert "Nothing is left to run; $0.0000 spent so far." in lab.plan_batch([ONE, TWO], out=out)._repr_html_()


def test_the_users_own_budgets_hold_too(make_lab: MakeLab, tmp_path: Path) -> None:
    """The kernels do not know them, so they are part of the batch's limit."""
    plan = make_lab(budgets=Budgets(day_usd=100.0)).plan_batch([ONE], out=tmp_path / "out", budget_usd=200.0)
    assert plan.limit_usd == 100.0
    with pytest.raises(BudgetExceeded, match="day"):
        make_lab(budgets=Budgets(day_usd=0.01)).plan_batch([ONE], out=tmp_path / "out")


def test_a_model_without_a_price_is_no_free_model(lab: Lab, tmp_path: Path) -> None:
    """Its estimate is not known; with a budget that is refused."""
    given: dict[str, Any] = {"out": tmp_path / "out", "parameters": {"model": "some-model-of-mine"}}
    assert lab.plan_batch([ONE], **given).estimate_usd is None
    with pytest.raises(BudgetExceeded, match="not known"):
        lab.plan_batch([ONE], **given, budget_usd=5.0)


def test_a_plan_shows_texts_as_texts(lab: Lab, template: Path, tmp_path: Path) -> None:
    """Names of briefs are hostile: they mark nothing up."""
    html = lab.plan_batch([brief_of("<b>One</b>")], template, out=tmp_path / "out")._repr_html_()
    assert "&lt;b&gt;One" in html
    assert "<b>One" not in html


def test_the_default_template_is_there() -> None:
    """In a checkout it is the one in notebooks/templates."""
    assert default_template().name == "campaign.ipynb"
    assert default_template().is_file()
