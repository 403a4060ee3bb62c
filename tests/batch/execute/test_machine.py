"""How many notebooks at once: by cores and by the memory that is free, control groups included."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from campaign_lab.batch.execute import machine


def _group(folder: Path, **files: object) -> None:
    folder.mkdir(parents=True)
    for name, value in files.items():
        (folder / name.replace("memory_", "memory.")).write_text(f"{value}\n")


def test_a_group_of_version_2_bounds_memory_with_those_around_it(tmp_path: Path) -> None:
    """Its own limit and its parent's; page cache that nobody uses counts as free; ``max`` is no limit."""
    _group(tmp_path / "a", memory_max=1000, memory_current=700, memory_stat="anon 500\ninactive_file 150")
    _group(tmp_path / "a" / "b", memory_max="max", memory_current=300, memory_stat="inactive_file 0")
    _group(tmp_path / "a" / "b" / "c", memory_max=200, memory_current=300, memory_stat="inactive_file 0")
    (tmp_path / "cgroup").write_text("0::/a/b/c\n")
    assert sorted(machine._left_in_cgroups(tmp_path / "cgroup", tmp_path)) == [0, 450]


def test_a_group_of_version_1_bounds_memory_where_the_path_is_the_hosts(tmp_path: Path) -> None:
    """In a container only the root of the mount is there; what stands for no limit bounds nothing."""
    _group(
        tmp_path / "memory",
        memory_limit_in_bytes=5000, memory_usage_in_bytes=1000, memory_stat="total_inactive_file 250",
    )  # fmt: skip
    (tmp_path / "cgroup").write_text("11:cpu,cpuacct:/x\n4:memory:/docker/abc\n")
    assert machine._left_in_cgroups(tmp_path / "cgroup", tmp_path) == [4250]
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text(f"{2**63 - 4096}\n")
    assert machine._left_in_cgroups(tmp_path / "cgroup", tmp_path) == []
    assert machine._left_in_cgroups(tmp_path / "missing", tmp_path) == []


def test_free_memory_is_never_more_than_the_machine_has() -> None:
    """Whatever control groups say."""
    assert 0 < machine.free_memory() <= psutil.virtual_memory().total


def test_workers_are_bounded_and_at_least_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what is to do, by twice the cores, by memory; a number that was asked for is taken, up to what is to do."""
    assert machine.workers(1) == 1
    assert machine.workers(0) == 1
    assert machine.workers(50, 7) == 7
    assert machine.workers(3, 7) == 3
    monkeypatch.setattr(machine, "NOTEBOOK_BYTES", 1)
    assert machine.workers(10_000) == 2 * len(machine.os.sched_getaffinity(0))
    monkeypatch.setattr(machine, "NOTEBOOK_BYTES", 2**60)
    assert machine.workers(10_000) == 1


def test_room_is_kept_for_what_runs_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """A notebook that has just begun will grow: memory that is free now is not free for another. The first always may."""
    share = machine.free_memory() // 3
    monkeypatch.setattr(machine, "NOTEBOOK_BYTES", share)
    assert machine.room_for_one(0)
    assert machine.room_for_one(1)
    assert not machine.room_for_one(4)
    monkeypatch.setattr(machine, "NOTEBOOK_BYTES", 2**50)
    assert machine.room_for_one(0)
    assert not machine.room_for_one(1)


@pytest.mark.usefixtures("process", "slow")
def test_memory_of_started_processes_is_counted() -> None:
    """So that what a running notebook holds already is not kept for it a second time."""
    before = machine._used_below()
    code = "import sys\nheld = bytearray(b'x') * 50_000_000\nprint('ready', flush=True)\nsys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert machine._used_below() - before > 45_000_000
        child.communicate()
