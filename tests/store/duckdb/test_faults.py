"""Lab files that cannot be used: each says why and what to do, and nothing that was there is touched."""

from __future__ import annotations

import os
import resource
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from campaign_lab.errors import StoreError
from campaign_lab.store.duckdb.engine import DuckFile, open_file
from campaign_lab.store.location import default_location, open_store
from support.workers.store_writers import in_child


def refusal(path: str | Path, patience: float = 30.0) -> StoreError:
    with pytest.raises(StoreError) as caught:
        open_file(path, patience=patience)
    assert caught.value.path == os.path.realpath(path)
    assert caught.value.advice.endswith(".")
    return caught.value


def put(file: DuckFile, key: str) -> None:
    file.call(lambda con: con.execute("INSERT INTO claims (key, attempt_id) VALUES (?, 'a')", [key]) and None)


def count(file: DuckFile) -> int:
    (number,) = file.call(lambda con: con.execute("SELECT count(*) FROM claims").fetchone()) or (-1,)
    return int(number)


def from_newer_duckdb(path: Path) -> None:
    """Forge the header of a DuckDB that is not out yet: version 9999, and the checksum that goes with it."""
    duckdb.connect(path).close()
    data = bytearray(path.read_bytes())
    data[12:20] = struct.pack("<Q", 9999)
    checksum = 5381
    for (word,) in struct.iter_unpack("<Q", data[8:4096]):
        checksum ^= (word * 0xBF58476D1CE4E5B9) % 2**64
    data[:8] = struct.pack("<Q", checksum)
    path.write_bytes(data)


def from_newer_lab(path: Path) -> None:
    open_file(path).close()
    with duckdb.connect(path) as con:
        con.execute("INSERT INTO schema_version VALUES (999, now())")


def of_another_program(path: Path) -> None:
    with duckdb.connect(path) as con:
        con.execute("CREATE TABLE invoices (id INTEGER)")


def damaged(path: Path) -> None:
    open_file(path).close()
    data = path.read_bytes()
    path.write_bytes(data[:4096] + b"\x11" * 8192 + data[12288:])


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: path.write_text("Dear diary, " * 500), "is not a DuckDB file"),
        (from_newer_duckdb, "was written by a newer DuckDB"),
        (from_newer_lab, "was written by a newer campaign_lab (schema 999; this one knows"),
        (of_another_program, "is a DuckDB file of another program (it has the tables invoices"),
        (damaged, "is damaged: Corrupt database file"),
    ],
    ids=["a text file", "newer DuckDB", "newer campaign_lab", "another program", "damaged"],
)
def test_a_file_that_is_not_ours_to_use_is_refused_and_left_as_it_is(
    make: Callable[[Path], Any], reason: str, tmp_path: Path
) -> None:
    """The reason is named, and not a byte of the file changes."""
    path = tmp_path / "lab.duckdb"
    make(path)
    before = path.read_bytes()
    assert reason in str(refusal(path))
    assert path.read_bytes() == before


def test_a_folder_is_refused_with_a_name_to_use_instead(tmp_path: Path) -> None:
    """Who names a folder is told which file to name."""
    error = refusal(tmp_path)
    assert error.reason == "is a folder"
    assert str(tmp_path / "lab.duckdb") in error.advice


def test_a_path_through_a_file_is_refused(tmp_path: Path) -> None:
    """A parent that is a file can hold no lab file."""
    (tmp_path / "notes.txt").write_text("x")
    assert "its folder is not a folder" in refusal(tmp_path / "notes.txt" / "lab.duckdb").reason
    assert "its folder is not a folder" in refusal(tmp_path / "notes.txt" / "b" / "lab.duckdb").reason


def test_a_device_is_refused() -> None:
    """Nothing that is not a regular file is opened."""
    assert refusal("/dev/null").reason == "is not a regular file"


def test_a_journal_without_its_lab_file_is_not_thrown_away(path: str) -> None:
    """A lost file may come back, and then its journal is needed."""
    Path(path + ".wal").write_bytes(b"journal")
    assert "its journal" in refusal(path).reason
    assert Path(path + ".wal").read_bytes() == b"journal"
    assert not os.path.exists(path)


@pytest.mark.usefixtures("process")
@pytest.mark.parametrize("what", ["the folder", "the file"])
def test_without_permission_the_reader_is_told_so(what: str) -> None:
    """Neither a new file in a folder of others nor a file of others can be used."""
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path: pytest's folders are shut to all others
        path = Path(folder) / "lab.duckdb"
        if what == "the file":
            open_file(path).close()
            path.chmod(0)
            for lock in path.parent.glob("*.lock.*"):
                lock.chmod(0o666)
        path.parent.chmod(0o555 if what == "the folder" else 0o777)

        def refused() -> bool:
            if os.geteuid() == 0:
                os.seteuid(65534)  # root may do anything: become nobody
            return "you may not read and write it" in refusal(path).reason

        assert in_child(refused) == 0
        path.parent.chmod(0o700)


@pytest.mark.usefixtures("process")
def test_a_file_that_another_program_holds_open_is_named_with_the_holder(file: DuckFile) -> None:
    """The DuckDB shell does not know our gate: say which process it is, and wait for it a little only."""
    file.close()
    script = "import duckdb, sys; con = duckdb.connect(sys.argv[1]); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", script, file.path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as shell:
        assert shell.stdout is not None
        assert shell.stdout.readline() == "open\n"
        error = refusal(file.path, patience=0.3)
        waiting = DuckFile(file.path)
        answer = waiting.submit(lambda con: con.execute("SELECT 1").fetchone())
        shell.communicate()
        assert answer.result(timeout=10) == (1,)
        waiting.close()
    assert "held open by another program" in error.reason
    assert f"process {shell.pid})" in error.reason


def test_a_connection_of_ones_own_in_the_same_process_is_told_apart(file: DuckFile) -> None:
    """A notebook that opened the file itself is told to close its connection."""
    file.close()
    with duckdb.connect(file.path):
        assert "of this very process" in refusal(file.path).reason
    open_file(file.path).close()


FULL = """if True:
    import resource, signal, sys
    from campaign_lab.errors import StoreError
    from campaign_lab.store.duckdb.engine import open_file
    def put(con):
        con.execute("INSERT INTO claims (key, attempt_id) SELECT hash(i) || '-' || uuid(), 'a' FROM range(2000) t(i)")
    file = open_file(sys.argv[1])
    done = 0
    {limit}
    reasons = []
    while done < 1000 and len(reasons) < 5:
        try:
            file.call(put)
            done += 1
        except StoreError as error:
            reasons.append(error.reason)
    print(done, *sorted(set(reasons)))
    {lift}
    print(file.call(lambda con: con.execute("SELECT count(*) FROM claims").fetchone())[0])
    file.call(put)
    file.close()
"""


def assert_full_disk_lost_nothing(path: str, limit: str, lift: str) -> None:
    script = FULL.format(limit=limit, lift=lift)
    ended = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    first, stored = ended.stdout.splitlines()
    done, reason = first.split(" ", 1)
    assert int(done) > 0
    assert reason == "could not be written: the disk is full"
    assert int(stored) == 2000 * int(done)
    file = open_file(path)
    assert count(file) == 2000 * (int(done) + 1)
    file.close()


@pytest.mark.usefixtures("process")
def test_a_file_that_may_not_grow_keeps_what_was_acknowledged(path: str) -> None:
    """Writing fails with a clear error; with room again it goes on, and every acknowledged row is there."""
    infinity = "resource.RLIM_INFINITY"
    assert_full_disk_lost_nothing(
        path,
        limit="signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f" resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, {infinity}))",
        lift=f"resource.setrlimit(resource.RLIMIT_FSIZE, ({infinity}, {infinity}))",
    )


@pytest.fixture
def small_disk(process: None, tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_keeps_what_was_acknowledged(small_disk: Path) -> None:
    """The same on a real disk that is full, until something else is deleted."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 3_000_000)
    assert_full_disk_lost_nothing(
        str(small_disk / "lab.duckdb"), limit="", lift=f"import os; os.unlink({str(ballast)!r})"
    )


@pytest.mark.usefixtures("process")
def test_a_lab_file_that_cannot_even_be_made_on_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    """There is either a whole lab file or none."""
    path = tmp_path / "lab.duckdb"

    def refused() -> bool:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
        return "the disk is full" in refusal(path).reason

    assert in_child(refused) == 0
    assert not path.exists()
    file = open_file(path)
    put(file, "k")
    assert count(file) == 1
    file.close()


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In CAMPAIGN_LAB_STORE and in ``Lab(…)``, where no shell expands it; one of nobody is refused."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAMPAIGN_LAB_STORE", "~/x.duckdb")
    assert default_location() == str(tmp_path / "x.duckdb")
    store = open_store("~/y.duckdb")
    store.close()
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".duckdb"] == ["y.duckdb"]
    assert not (tmp_path / "~").exists()
    with pytest.raises(StoreError, match="Nobody of that name"):
        open_store("~nobody-of-that-name/x.duckdb")


def test_a_lab_in_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file of that name is made."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAMPAIGN_LAB_STORE", ":memory:")
    for opened in (default_location, lambda: open_store(":memory:"), lambda: open_store(":memory:named")):
        with pytest.raises(StoreError, match="in memory only"):
            opened()
    assert not list(tmp_path.iterdir())
