"""The lab file within one process: transactions, groups, closing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from campaign_lab.store.duckdb.engine import DuckFile, open_file


def put(con: duckdb.DuckDBPyConnection, key: str) -> str:
    con.execute("INSERT INTO claims (key, attempt_id) VALUES (?, 'a')", [key])
    return key


def putting(key: str) -> Callable[[duckdb.DuckDBPyConnection], str]:
    return lambda con: put(con, key)


def keys(file: DuckFile) -> list[str]:
    return [key for (key,) in file.call(lambda con: con.execute("SELECT key FROM claims ORDER BY rowid").fetchall())]


class Busy:
    """Keeps the worker busy, so that what is submitted meanwhile queues up."""

    def __init__(self, file: DuckFile) -> None:
        self.go_on, started = threading.Event(), threading.Event()

        def wait(con: duckdb.DuckDBPyConnection) -> None:
            started.set()
            self.go_on.wait(10)

        file.submit(wait)
        assert started.wait(10)


def test_a_lab_file_is_made_with_its_folders_in_the_format_that_older_duckdb_reads(tmp_path: Path) -> None:
    """A new file lies where it was asked for, and DuckDB 1.5 can read it."""
    file = open_file(tmp_path / "a" / "b" / "lab.duckdb")
    (tags,) = file.call(
        lambda con: con.execute("SELECT tags FROM duckdb_databases() WHERE database_name = 'lab'").fetchone()
    ) or ({},)
    file.close()
    assert tags["storage_version"].startswith("v1.5.0")
    assert (tmp_path / "a" / "b" / "lab.duckdb").stat().st_size > 0


def test_what_is_stored_is_there_for_the_next_one_who_opens_the_file(file: DuckFile) -> None:
    """A closed file keeps its rows, and its times are in UTC whatever the machine's zone is."""
    file.call(putting("k"))
    file.close()
    with duckdb.connect(file.path) as con:
        assert con.execute("SELECT key FROM claims").fetchall() == [("k",)]
    again = open_file(file.path)
    assert again.call(lambda con: con.execute("SELECT current_setting('TimeZone')").fetchone()) == ("UTC",)
    again.close()


def test_functions_run_in_the_order_in_which_they_were_submitted(file: DuckFile) -> None:
    """Grouped or not, the queue is one."""
    busy = Busy(file)
    wanted = [f"k{n}" for n in range(200)]
    futures = [file.submit(putting(k), scope="entries" if n % 7 else "") for n, k in enumerate(wanted)]
    busy.go_on.set()
    assert [future.result() for future in futures] == wanted
    assert keys(file) == wanted


def test_a_group_shares_one_transaction(file: DuckFile) -> None:
    """Small writes that wait together are committed together."""
    busy = Busy(file)
    number = "SELECT txid_current()"
    futures = [file.submit(lambda con: con.execute(number).fetchone(), scope="entries") for _ in range(20)]
    alone = file.submit(lambda con: con.execute(number).fetchone())
    busy.go_on.set()
    transactions = {future.result() for future in futures}
    assert len(transactions) == 1
    assert alone.result() not in transactions


def test_one_bad_member_of_a_group_does_not_fail_its_neighbours(file: DuckFile) -> None:
    """The others are stored, once each."""
    busy = Busy(file)

    def bad(con: duckdb.DuckDBPyConnection) -> str:
        put(con, "bad")
        raise KeyError("bad")

    works = [putting(f"k{n}") for n in range(10)]
    works.insert(5, bad)
    futures = [file.submit(work, scope="entries") for work in works]
    busy.go_on.set()
    assert [isinstance(future.exception(), KeyError) for future in futures] == [n == 5 for n in range(11)]
    assert keys(file) == [f"k{n}" for n in range(10)]


def test_two_handles_of_one_file_take_turns(file: DuckFile, tmp_path: Path) -> None:
    """Also by another name of the file: a link has the same gate."""
    link = tmp_path / "link.duckdb"
    link.symlink_to(file.path)
    other = open_file(link)
    assert other.path == file.path
    for n in range(6):
        (file, other)[n % 2].call(putting(f"k{n}"))
    assert keys(other) == keys(file) == [f"k{n}" for n in range(6)]
    other.close()


@pytest.mark.usefixtures("process")
def test_an_idle_file_is_let_go(file: DuckFile) -> None:
    """After a quiet moment another program can open the file, though this process goes on."""
    file.call(putting("k"))
    script = """if True:
        import duckdb, sys, time
        end = time.monotonic() + 10
        while True:
            try:
                print(duckdb.connect(sys.argv[1]).execute("SELECT key FROM claims").fetchall())
                break
            except duckdb.IOException:
                if time.monotonic() > end:
                    raise
    """
    told = subprocess.run([sys.executable, "-c", script, file.path], capture_output=True, text=True, check=True)
    assert told.stdout == "[('k',)]\n"
    assert keys(file) == ["k"]


@pytest.mark.usefixtures("process")
def test_importing_the_store_loads_neither_duckdb_nor_the_sdk() -> None:
    """`from campaign_lab import Lab` stays quick."""
    script = """if True:
        import sys, campaign_lab.store, campaign_lab.store.duckdb.engine, campaign_lab.store.schema
        print(sorted({"duckdb", "claude_agent_sdk"} & set(sys.modules)))
    """
    assert subprocess.check_output([sys.executable, "-c", script], text=True) == "[]\n"


@pytest.mark.usefixtures("process")
def test_a_program_that_forgets_to_close_ends_quietly_with_everything_stored(path: str) -> None:
    """No complaint of the database on stderr at exit, nothing lost."""
    script = """if True:
        import sys
        from campaign_lab.store.duckdb.engine import open_file
        file = open_file(sys.argv[1])
        file.submit(lambda con: con.execute("INSERT INTO claims (key, attempt_id) VALUES ('k', 'a')") and None)
    """
    ended = subprocess.run([sys.executable, "-c", script, path], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    file = open_file(path)
    assert keys(file) == ["k"]
    file.close()
    assert not os.path.exists(path + ".wal")
