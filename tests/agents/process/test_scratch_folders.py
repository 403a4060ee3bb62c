"""Throw-away folders: the kernel knows who still works in one."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from campaign_lab.agents.process.scratch_folders import base, dead_folders, remove_dead, scratch

HOLDER = """
import sys, tempfile
tempfile.tempdir = sys.argv[1]
from campaign_lab.agents.process.scratch_folders import scratch
with scratch("run-a") as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders are made below the test's own one."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.usefixtures("process")
def test_a_folder_belongs_to_its_process_until_that_ends(tmp_path: Path) -> None:
    """While the process lives its folder is not dead and is not removed; killed with -9 it is, and then it is removed."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    assert dead_folders("run") == []
    remove_dead(folder)
    assert folder.is_dir()
    process.kill()
    process.communicate()
    assert dead_folders("run") == [folder]
    remove_dead(folder)
    assert not folder.exists()


def test_ones_own_folders_are_not_dead() -> None:
    """Another thread of this process may work in them. At the end they are gone."""
    with scratch("run-a") as folder:
        assert dead_folders("run") == []
        assert folder.stat().st_mode & 0o777 == 0o700
    assert not folder.exists()


def test_what_is_no_folder_is_left_alone(tmp_path: Path) -> None:
    """Files and links of that name are none of ours."""
    (tmp_path / "elsewhere").mkdir()
    (base() / "run-file").touch()
    (base() / "run-link").symlink_to(tmp_path / "elsewhere")
    assert dead_folders("run") == []
    remove_dead(base() / "run-link")
    assert (tmp_path / "elsewhere").is_dir()
