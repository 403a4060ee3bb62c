"""A lab file that others take away while it is open: cloud sync, a copy put back, somebody who tidies up."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from campaign_lab.errors import StoreError
from campaign_lab.store.duckdb.engine import IDLE, DuckFile, open_file
from campaign_lab.store.duckdb.file_identity import Identity
from campaign_lab.store.duckdb.gate import Gate

PUT = "INSERT INTO claims (key, attempt_id) VALUES (?, 'a')"
KEEPER = f"""
import sys
from campaign_lab.store.duckdb.engine import open_file
file = open_file(sys.argv[1])
for line in sys.stdin:
    what, _, key = line.strip().partition(" ")
    try:
        if what == "compact":
            file.compact()
        else:
            file.call(lambda con: con.execute({PUT!r}, [key]) and None)
        print("done", flush=True)
    except Exception as error:
        print(error, flush=True)
"""


def put(file: DuckFile, key: str) -> None:
    file.call(lambda con: con.execute(PUT, [key]) and None)


def keys(file: DuckFile) -> list[str]:
    return [key for (key,) in file.call(lambda con: con.execute("SELECT key FROM claims ORDER BY key").fetchall())]


def beside(path: str) -> set[str]:
    """What lies in the lab file's folder, the locks of the gate left out."""
    return {name for name in os.listdir(os.path.dirname(path)) if ".lock." not in name}


@pytest.fixture
def other(tmp_path: Path) -> str:
    """Another lab file, closed, with a row of its own."""
    path = str(tmp_path / "elsewhere" / "other.duckdb")
    made = open_file(path)
    put(made, "of the other")
    made.close()
    return path


class Keeper:
    """A process of its own that keeps the lab file open."""

    def __init__(self, path: str) -> None:
        command = [sys.executable, "-c", KEEPER, path]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, line: str) -> str:
        """Does what the line says, and tells how it went."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        """Waits for its end."""
        self._process.communicate(timeout=60)


@pytest.fixture
def keeper(process: None, file: DuckFile) -> Keeper:
    """Another process with the same lab file."""
    made = Keeper(file.path)
    assert made.ask("put first") == "done"
    return made


@pytest.mark.parametrize("pause", [0.0, IDLE * 3])
def test_a_file_put_in_its_place_is_refused_and_not_written_into(
    file: DuckFile, path: str, other: str, pause: float
) -> None:
    """While it is in use, and after a quiet moment in which it was closed: not one byte of the other file changes."""
    put(file, "k")
    time.sleep(pause)
    foreign = Path(other).read_bytes()
    os.replace(other, path)
    for _ in range(2):
        with pytest.raises(StoreError, match="was replaced by another file while it was in use"):
            put(file, "lost")
    file.close()
    assert Path(path).read_bytes() == foreign
    assert beside(path) <= {"lab.duckdb", "elsewhere"}
    again = open_file(path)
    assert keys(again) == ["of the other"]
    again.close()


def test_what_was_under_way_is_not_said_to_be_stored(file: DuckFile, path: str, other: str) -> None:
    """The file goes away between the write and its commit: the caller hears of it."""

    def written(con: object) -> None:
        con.execute(PUT, ["under way"])  # type: ignore[attr-defined]
        os.replace(other, path)

    with pytest.raises(StoreError, match="was replaced"):
        file.call(written)


@pytest.mark.parametrize("pause", [0.0, IDLE * 3])
def test_a_removed_file_is_not_made_anew(file: DuckFile, path: str, pause: float) -> None:
    """An empty lab in its place would look as if all were lost; put back, it goes on."""
    put(file, "k")
    time.sleep(pause)
    os.rename(path, f"{path}.away")
    with pytest.raises(StoreError, match="was removed while it was in use"):
        put(file, "lost")
    assert not os.path.exists(path)
    os.rename(f"{path}.away", path)
    put(file, "later")
    assert keys(file) == ["k", "later"]


def test_an_emptied_file_is_not_made_anew(file: DuckFile, path: str) -> None:
    """Nothing is left in it: that is said, and no new lab is begun."""
    put(file, "k")
    time.sleep(IDLE * 3)
    os.truncate(path, 0)
    with pytest.raises(StoreError, match="was emptied while it was in use"):
        put(file, "lost")
    assert os.path.getsize(path) == 0


def test_compacting_is_no_replacement(file: DuckFile, keeper: Keeper, path: str, other: str) -> None:
    """Whoever had the file open goes on after one and after two compactions; a foreign file is still refused after them."""
    put(file, "a")
    assert keeper.ask("compact") == "done"
    put(file, "b")
    for _ in range(2):
        file.compact()
    assert keeper.ask("put c") == "done"
    file.compact()
    assert keys(file) == ["a", "b", "c", "first"]
    time.sleep(IDLE * 3)
    os.replace(other, path)
    for refused in (lambda: put(file, "lost"), file.compact):
        with pytest.raises(StoreError, match="was replaced"):
            refused()
    assert "was replaced" in keeper.ask("put lost")
    keeper.end()


def test_who_was_killed_before_the_file_changed_places_stops_nobody(file: DuckFile, path: str) -> None:
    """A compaction that was announced and never done is none; one that was done and not said is one."""
    put(file, "a")
    time.sleep(IDLE * 3)
    draft, gate = f"{path}.draft", Gate(path)
    gate.acquire(10)
    identity = Identity(path, gate)
    identity.meet()
    shutil.copyfile(path, draft)
    identity.announce(draft)
    gate.release()
    put(file, "b")
    time.sleep(IDLE * 3)
    gate.acquire(10)
    shutil.copyfile(path, draft)
    identity.announce(draft)
    os.replace(draft, path)
    gate.release()
    gate.close()
    put(file, "c")
    assert keys(file) == ["a", "b", "c"]


def gone(path: str) -> None:
    os.unlink(path)


def swapped(path: str) -> None:
    Path(f"{path}.new").touch()
    os.replace(f"{path}.new", path)


@pytest.mark.parametrize("harm", [gone, swapped])
def test_lock_files_that_are_taken_away_let_no_two_in_at_once(
    file: DuckFile, keeper: Keeper, path: str, harm: Callable[[str], None]
) -> None:
    """Both processes meet at the new lock files; no row is lost and nobody waits for ever."""
    for n, lock in enumerate((".lock.own", ".lock.wait", ".lock.own")):
        put(file, f"held {n}")
        harm(path + lock)
        assert keeper.ask(f"put other {n}") == "done"
        put(file, f"then {n}")
    expected = {"first", *(f"{what} {n}" for what in ("held", "other", "then") for n in range(3))}
    assert set(keys(file)) == expected
    keeper.end()


def test_a_gate_whose_lock_file_was_taken_away_is_no_gate(path: str) -> None:
    """Who holds it is told so, and whoever comes next does not stand at a lock that nobody else sees."""
    first, second = Gate(path), Gate(path)
    first.acquire(1)
    os.unlink(f"{path}.lock.own")
    assert not first.sound()
    second.acquire(1)
    assert second.sound()
    first.release()
    with pytest.raises(Exception, match=str(os.getpid())):
        first.acquire(0.05)
    second.release()
    first.acquire(1)
    first.release()
    for gate in (first, second):
        gate.close()
