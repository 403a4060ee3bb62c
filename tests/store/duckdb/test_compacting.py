"""Compacting: the space of deleted rows goes back to the disk, and whatever happens there is one whole file."""

from __future__ import annotations

import os
import random
import resource
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from campaign_lab.errors import StoreError
from campaign_lab.store.duckdb import compacting
from campaign_lab.store.duckdb.engine import DuckFile, open_file
from support.workers.store_writers import in_child

FILL = (
    "INSERT INTO entries SELECT 'p', 's' || n % 50, '', n, NULL, 'user', repeat(md5(n::VARCHAR), 60), now()"
    " FROM range({}) AS r(n)"
)
PUT = "INSERT INTO claims (key, attempt_id) VALUES (?, 'a')"
COMPACTOR = """
import sys
from campaign_lab.store.duckdb.engine import open_file

file = open_file(sys.argv[1])
print("ready", flush=True)
while True:
    file.compact()
"""


def fill(file: DuckFile, rows: int = 5000) -> None:
    """About 2 kB a row, of which nine in ten are then deleted."""
    file.call(lambda con: con.execute(FILL.format(rows)) and None)
    file.call(lambda con: con.execute("DELETE FROM entries WHERE seq % 10 <> 0") and None)


def content(file: DuckFile) -> list[tuple[Any, ...]]:
    return file.call(lambda con: con.execute("SELECT * FROM entries ORDER BY seq").fetchall())


def beside(path: str) -> set[str]:
    """What lies in the lab file's folder, the locks of the gate left out."""
    return {name for name in os.listdir(os.path.dirname(path)) if ".lock." not in name}


def test_compacting_gives_space_back_and_changes_no_row(file: DuckFile, path: str) -> None:
    """A file of which nine tenths were deleted shrinks, and holds the same rows, constraints and schema."""
    fill(file)
    rows = content(file)
    schema = file.call(lambda con: con.execute("SELECT sql FROM duckdb_tables() ORDER BY table_name").fetchall())
    before, after = file.compact()
    assert after == os.path.getsize(path)
    assert after < before / 2
    assert content(file) == rows
    assert (
        file.call(lambda con: con.execute("SELECT sql FROM duckdb_tables() ORDER BY table_name").fetchall()) == schema
    )
    assert beside(path) <= {"lab.duckdb", "lab.duckdb.wal"}


def test_the_file_format_stays_readable_for_the_older_duckdb(file: DuckFile) -> None:
    """The fresh file is written in the format of the old one, not in the newest."""

    def version(con: duckdb.DuckDBPyConnection) -> str:
        row = con.execute("SELECT tags['storage_version'] FROM duckdb_databases() WHERE NOT internal").fetchone()
        assert row is not None
        return str(row[0])

    before = file.call(version)
    file.compact()
    assert file.call(version) == before
    assert before.startswith("v1.5")


def test_a_compacted_file_is_compacted_again_and_written_to(file: DuckFile) -> None:
    """Nothing of the first time is in the way of the second, and what is written after it stays."""
    fill(file, 500)
    for n in range(3):
        file.compact()
        file.call(lambda con, n=n: con.execute(PUT, [str(n)]) and None)
    assert file.call(lambda con: con.execute("SELECT key FROM claims ORDER BY key").fetchall()) == [
        ("0",),
        ("1",),
        ("2",),
    ]


@pytest.mark.usefixtures("process", "slow")
def test_another_process_goes_on_with_the_new_file(file: DuckFile, path: str) -> None:
    """It had the old file open before; what it writes afterwards is in the new one."""
    fill(file, 500)
    script = (
        "import sys\nfrom campaign_lab.store.duckdb.engine import open_file\nfile = open_file(sys.argv[1])\n"
        f"def put(key):\n    file.call(lambda con: con.execute({PUT!r}, [key]) and None)\n"
        "put('before')\nprint('ready', flush=True)\nsys.stdin.readline()\nput('after')\n"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", script, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "ready\n"
    file.compact()
    other.communicate("go\n", timeout=60)
    assert other.returncode == 0
    assert file.call(lambda con: con.execute("SELECT key FROM claims ORDER BY key").fetchall()) == [
        ("after",),
        ("before",),
    ]


def test_work_that_was_submitted_meanwhile_is_done_after_it(file: DuckFile) -> None:
    """A function that waits behind a compaction sees the new file."""
    fill(file, 500)
    rows = content(file)
    waiting = [file.submit(lambda con: con.execute("SELECT count(*) FROM entries").fetchone()) for _ in range(3)]
    file.compact()
    late = file.submit(lambda con: con.execute("SELECT count(*) FROM entries").fetchone())
    assert [each.result() for each in (*waiting, late)] == [(len(rows),)] * 4


@pytest.mark.usefixtures("process", "slow")
def test_killed_at_any_moment_it_leaves_a_whole_file(file: DuckFile, path: str) -> None:
    """Kill -9 while it compacts over and over: old file or new, every row is there, and leftovers disturb nobody."""
    fill(file)
    rows = content(file)
    file.close()
    chance = random.Random(20261122)
    left = 0
    for _ in range(8):
        victim = subprocess.Popen([sys.executable, "-c", COMPACTOR, path], stdout=subprocess.PIPE, text=True)
        assert victim.stdout is not None
        assert victim.stdout.readline() == "ready\n"
        time.sleep(chance.uniform(0, 0.4))  # the moment of death; nothing is waited for
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        left += bool(compacting.leftovers(os.path.realpath(path)))
        survivor = open_file(path)
        assert content(survivor) == rows
        survivor.close()
    assert left, "no kill came in the middle of the work"
    last = open_file(path)
    last.compact()
    assert content(last) == rows
    last.close()
    assert beside(path) == {"lab.duckdb"}


@pytest.mark.usefixtures("process", "slow")
def test_a_full_disk_leaves_the_file_as_it_was(path: str) -> None:
    """The copy does not fit: a StoreError says so, the lab file is whole and goes on being used."""
    file = open_file(path)
    file.call(lambda con: con.execute(FILL.format(3000)) and None)
    rows = content(file)
    file.close()

    def check() -> bool:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
        again = DuckFile(path)
        try:
            again.compact()
        except StoreError as error:
            said = error.reason == "could not be written: the disk is full"
        else:
            said = False
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        whole = content(again) == rows
        again.close()
        return said and whole

    assert in_child(check) == 0
    assert beside(path) == {"lab.duckdb"}


def test_who_may_read_the_file_stays_the_same(path: str) -> None:
    """A private lab file stays private, and a shared one shared."""
    for mode in (0o600, 0o664):
        file = open_file(path)
        fill(file, 50)
        os.chmod(path, mode)
        file.compact()
        assert stat.S_IMODE(os.stat(path).st_mode) == mode
        file.close()


def test_a_file_with_quotes_in_its_name_is_compacted(tmp_path: Path) -> None:
    """Names are data, not SQL."""
    file = open_file(tmp_path / 'it\'s "my" lab; DROP TABLE x.duckdb')
    fill(file, 50)
    rows = content(file)
    file.compact()
    assert content(file) == rows
    file.close()


def test_compacting_inside_a_function_of_the_store_is_refused(file: DuckFile) -> None:
    """It would wait for itself."""
    with pytest.raises(RuntimeError, match="when the function is done"):
        file.call(lambda _: file.compact())
    file.close()
    with pytest.raises(StoreError, match="closed"):
        file.compact()
