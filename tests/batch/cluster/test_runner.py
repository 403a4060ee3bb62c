"""Notebooks on a Dask cluster: the same outcomes, whatever dies in the middle, and nothing runs on that nobody wants."""

from __future__ import annotations

import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import nbformat
import pytest

pytest.importorskip("distributed", reason="the extra campaign_lab[team] is not installed")

from campaign_lab.batch.cluster.client import ClusterError
from campaign_lab.batch.cluster.worker_task import SecretPayload
from campaign_lab.batch.events import MEMORY, CellStarted, RunStarted, Waiting
from campaign_lab.batch.execute.machine import NOTEBOOK_BYTES
from campaign_lab.batch.execute.work import Payload
from support.kernels import environment
from support.workers.dask_cluster import SECRET, Batch, Cluster, Desk, until

pytestmark = pytest.mark.usefixtures("process", "slow")
CLIENT = """
import pickle, sys
from campaign_lab.batch.cluster.runner import DaskRunner
from campaign_lab.batch.execute.work import Cancellation
DaskRunner(sys.argv[1]).run(
    pickle.load(sys.stdin.buffer), retries=2, on_event=lambda event: None, cancelled=Cancellation(),
    settle=lambda outcome: print(outcome.run, outcome.state))
"""


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A scheduler and two workers of one thread, for the tests that leave them alive."""
    cluster = Cluster(tmp_path_factory.mktemp("pair"))
    cluster.start(2)
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(process: None, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster that a test starts, and may break."""
    (tmp_path / "cluster").mkdir()
    cluster = Cluster(tmp_path / "cluster")
    yield cluster
    cluster.stop()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Payloads, and what their notebooks wrote."""
    (tmp_path / "desk").mkdir()
    return Desk(tmp_path / "desk")


def _client(cluster: Cluster, payloads: list[Payload]) -> subprocess.Popen[bytes]:
    """A process that runs the payloads on the cluster."""
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, cluster.address],
        env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    assert client.stdin is not None
    client.stdin.write(pickle.dumps(payloads))
    client.stdin.close()
    client.stdin = None
    return client


def test_every_run_has_its_outcome_with_its_notebook_and_told_each_cell(desk: Desk) -> None:
    """Five runs on three local worker processes: one fails in its cell, the others finish, and three at most run at once."""
    from distributed import LocalCluster

    payloads = [desk.payload(f"r{number}", fail="no luck" if number == 3 else "") for number in range(5)]
    with LocalCluster(
        n_workers=3,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as local:
        batch = Batch(local.scheduler_address)
        outcomes = batch.run(payloads)
    assert {run: outcome.state for run, outcome in outcomes.items()} == {
        "r0": "finished", "r1": "finished", "r2": "finished", "r3": "failed", "r4": "finished",
    }  # fmt: skip
    assert "no luck" in outcomes["r3"].error
    ran = nbformat.reads(outcomes["r4"].notebook.decode(), as_version=4)
    assert [cell.execution_count for cell in ran.cells] == [1, 2, 3, 4, 5]
    told = [event for event in batch.events if isinstance(event, CellStarted) and event.run == "r4"]
    assert [(event.index, event.cell, event.cells, event.name) for event in told[-2:]] == [
        (3, "wait-a", 5, "the run r4"), (4, "end-a", 5, "the run r4"),
    ]  # fmt: skip
    assert desk.at_once() <= 3


def test_a_cancelled_run_ends_alone_and_a_cancelled_batch_leaves_no_kernel(pair: Cluster, desk: Desk) -> None:
    """The cancelled run hands in its notebook as far as it came and another takes its place; then all end, begun or not."""
    batch = Batch(pair.address)
    batch.start([desk.payload(name, until="never") for name in ("a", "b", "c", "d")])
    until(lambda: len(desk.begun()) == 2)
    (first, second) = sorted(desk.begun())
    batch.cancelled.cancel_run(first)
    until(lambda: len(desk.begun()) == 3)
    assert [outcome.run for outcome in batch.settled] == [first]
    assert not desk.processes(first)
    assert desk.processes(second)
    batch.cancelled.set()
    outcomes = batch.end()
    assert {outcome.state for outcome in outcomes.values()} == {"cancelled"}
    assert b"began, here" in outcomes[first].notebook
    assert len(desk.begun()) == 3
    until(lambda: not desk.processes())


def test_a_client_that_is_killed_leaves_no_kernel_and_its_workers_are_free(pair: Cluster, desk: Desk) -> None:
    """Nobody can cancel what it began: the notebooks stop by themselves, and the next batch runs on the same workers."""
    client = _client(pair, [desk.payload(name, until="never") for name in ("a", "b")])
    until(lambda: len(desk.begun()) == 2)
    client.kill()
    client.communicate()
    until(lambda: not desk.processes())
    assert Batch(pair.address).run([desk.payload("c")])["c"].state == "finished"


def test_ctrl_c_cancels_and_is_raised_again(pair: Cluster, desk: Desk) -> None:
    """Each run, begun or not, has its outcome before the client ends, and no kernel is left."""
    client = _client(pair, [desk.payload(name, until="never") for name in ("a", "b", "c")])
    until(lambda: len(desk.begun()) == 2)
    client.send_signal(signal.SIGINT)
    said, errors = client.communicate(timeout=120)
    assert sorted(said.decode().splitlines()) == ["a cancelled", "b cancelled", "c cancelled"]
    assert errors.decode().rstrip().endswith("KeyboardInterrupt")
    until(lambda: not desk.processes())


def test_the_address_of_the_store_is_nowhere_on_the_cluster(pair: Cluster, desk: Desk) -> None:
    """Neither in what a task shows, nor in events, names of tasks and logs."""
    from distributed import Client

    payload = desk.payload("a", fail="no luck")
    Batch(pair.address).run([payload])
    with Client(pair.address, set_as_default=False) as client:
        events = repr(client.get_events())
    assert "notebook-a-" in events
    assert SECRET not in events
    assert "Registered to" in pair.logs()
    assert SECRET not in pair.logs() + repr(SecretPayload(payload))


def test_no_more_notebooks_at_once_than_were_asked_for(pair: Cluster, desk: Desk) -> None:
    """Two workers are free, one notebook at a time was asked for."""
    outcomes = Batch(pair.address, most=1).run([desk.payload(name) for name in ("a", "b", "c")])
    assert {outcome.state for outcome in outcomes.values()} == {"finished"}
    assert desk.at_once() == 1


def test_a_lab_file_of_another_machine_is_refused_there(pair: Cluster, desk: Desk) -> None:
    """A worker elsewhere would make another lab of that name, and pay again: it says so, and nothing is begun or tried again."""
    elsewhere = replace(desk.payload("a"), home="another-machine", env={"CAMPAIGN_LAB_STORE": "/data/lab.duckdb"})
    outcome = Batch(pair.address).run([elsewhere])["a"]
    assert (outcome.state, outcome.retriable) == ("failed", False)
    assert "the lab /data/lab.duckdb is a file of another-machine" in outcome.error
    assert "CAMPAIGN_LAB_STORE" in outcome.error
    assert not desk.begun()


def test_a_lost_worker_costs_one_try_and_its_kernel_ends(cluster: Cluster, desk: Desk) -> None:
    """A worker is killed in the middle: its run begins again on the other one, and the orphan and what it started end."""
    cluster.start(1)
    batch = Batch(cluster.address)
    batch.start([desk.payload("a", until="gate")])
    until(lambda: len(desk.processes("a")) == 2)
    orphans = desk.processes("a")
    cluster.workers[0].kill()
    cluster.add_worker()
    until(lambda: not orphans & desk.processes("a"))
    desk.open("gate")
    assert batch.end()["a"].state == "finished"
    assert [event.attempt for event in batch.events if isinstance(event, RunStarted)] == [1, 2]
    assert desk.times_done("a") == 1


def test_a_run_that_kills_its_workers_fails_and_stops_no_other(desk: Desk) -> None:
    """It has its one retry and then a row that says what happened; the run beside it finishes."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",
        silence_logs=50,
    ) as local:
        outcomes = Batch(local.scheduler_address).run(
            [desk.payload("bad", fail="kill"), desk.payload("good")], retries=1
        )
    assert outcomes["bad"].state == "failed"
    assert "its worker was lost 2 times" in outcomes["bad"].error
    assert outcomes["good"].state == "finished"


def test_a_scheduler_that_comes_back_gets_only_what_is_not_finished(
    cluster: Cluster, desk: Desk, capfd: pytest.CaptureFixture[str]
) -> None:
    """Scheduler killed and started again, workers as their supervisor would: it says it waits, repeats nothing, logs nothing."""
    cluster.start(2)
    batch = Batch(cluster.address)
    batch.start([desk.payload("first"), *(desk.payload(name, until="gate") for name in ("a", "b", "c"))], retries=0)
    until(lambda: batch.settled and len(desk.begun()) == 3)
    assert cluster.scheduler is not None
    cluster.scheduler.kill()
    cluster.scheduler.wait()
    until(lambda: any(isinstance(event, Waiting) for event in batch.events))
    for worker in cluster.workers:
        worker.wait(60)
    until(lambda: not desk.processes())
    desk.open("gate")
    cluster.start_scheduler()
    cluster.add_worker()
    outcomes = batch.end()
    assert {run: outcome.state for run, outcome in outcomes.items()} == dict.fromkeys(
        ("first", "a", "b", "c"), "finished"
    )
    assert [desk.times_done(name) for name in ("first", "a", "b", "c")] == [1, 1, 1, 1]
    reasons = [event.reason for event in batch.events if isinstance(event, Waiting)]
    assert reasons[0] == f"the scheduler at {cluster.address} does not answer; trying again"
    assert capfd.readouterr().err == ""


def test_a_scheduler_that_stays_away_ends_the_batch_with_rows(cluster: Cluster, desk: Desk) -> None:
    """After its patience the runner gives each unfinished run an outcome that names the scheduler."""
    cluster.start(1)
    batch = Batch(cluster.address, patience_s=1.0, connect_s=0.5)
    batch.start([desk.payload("a", until="never")])
    until(desk.begun)
    assert cluster.scheduler is not None
    cluster.scheduler.kill()
    outcome = batch.end()["a"]
    assert (outcome.state, outcome.retriable) == ("failed", True)
    assert f"The scheduler at {cluster.address} does not answer" in outcome.error


def test_a_scheduler_that_never_was_is_an_error_that_says_what_to_do(cluster: Cluster, desk: Desk) -> None:
    """Nothing is begun."""
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1:\d+ does not answer\. Start one with `dask scheduler`"):
        Batch(cluster.address, connect_s=0.5).run([desk.payload("a")])
    assert not desk.begun()


def test_workers_that_cannot_run_the_notebooks_are_named(cluster: Cluster, desk: Desk, tmp_path: Path) -> None:
    """One worker has another version, one lacks the package: the error names both and what each has; nothing is begun."""
    cluster.start_scheduler()
    for metadata in ("Version: 9.9", ""):
        info = tmp_path / f"other{len(metadata)}" / "campaign_lab-9.9.dist-info"
        info.mkdir(parents=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: campaign_lab\n{metadata}\n")
        cluster.add_worker(PYTHONPATH=str(info.parent))
    cluster.wait_for_workers(2)
    with pytest.raises(ClusterError) as raised:
        Batch(cluster.address).run([desk.payload("a")])
    for told in ("with campaign_lab 9.9", "without campaign_lab"):
        assert re.search(rf"the worker tcp://127\.0\.0\.1:\d+ has Python 3\.\d+ {told}", str(raised.value))
    assert not desk.begun()


def test_a_worker_runs_no_more_kernels_than_its_memory_holds(cluster: Cluster, desk: Desk) -> None:
    """Two threads whose share of memory holds one notebook: the second waits and says so. Before, no worker was there at all."""
    cluster.start_scheduler()
    batch = Batch(cluster.address)
    batch.start([desk.payload(name) for name in ("a", "b", "c")])
    until(lambda: any("has no worker" in event.reason for event in batch.events if isinstance(event, Waiting)))
    cluster.add_worker("--nthreads", "2", "--memory-limit", str(2 * NOTEBOOK_BYTES - 1))
    outcomes = batch.end()
    assert {outcome.state for outcome in outcomes.values()} == {"finished"}
    assert Waiting(MEMORY) in batch.events
    assert desk.at_once() == 1
