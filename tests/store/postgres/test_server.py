"""A lab on a PostgreSQL server: functions run as if alone, outages are waited out, and every refusal is told in plain words."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.errors import StoreError
from campaign_lab.store.connection import Con
from campaign_lab.store.postgres import connections
from campaign_lab.store.postgres import server as store_server
from campaign_lab.store.postgres.dialect import translated
from campaign_lab.store.postgres.server import PostgresStore, open_server
from campaign_lab.store.postgres.url import shown
from campaign_lab.store.schema import MIGRATIONS
from support.paths import ROOT
from support.postgres import ADMIN, HOST, OWNER, PostgresServer, running

DATABASE = "one_lab"


@pytest.fixture
def url(postgres_server: PostgresServer) -> Iterator[str]:
    """An empty database, as its owner."""
    postgres_server.add_database(DATABASE)
    yield postgres_server.url(OWNER, DATABASE)
    postgres_server.drop_database(DATABASE)


@pytest.fixture
def lab(url: str) -> Iterator[PostgresStore]:
    """A lab in it."""
    store = open_server(url)
    yield store
    store.close()


def put(key: str, *, n: int = 0) -> Callable[[Con], None]:
    """Writes a row that is easy to count."""
    return lambda con: (
        con.execute(
            "INSERT INTO audit (user_name, verb, session_id, allowed, happened_at) VALUES (?, ?, ?, true, now())",
            [key, "read", str(n)],
        )
        and None
    )


def count(con: Con, key: str = "ana") -> int:
    return int(con.execute("SELECT count(*) FROM audit WHERE user_name = ?", [key]).fetchone()[0])


def in_processes(script: str, url: str, *, processes: int) -> list[str]:
    """Runs the script as so many processes, which begin together; what each printed."""
    begun = [
        subprocess.Popen(
            [sys.executable, "-c", script, url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=ROOT / "tests", stdin=subprocess.PIPE,
        )
        for _ in range(processes)
    ]  # fmt: skip
    outputs = []
    for process in begun:
        out, err = process.communicate("go\n", timeout=120)
        assert process.returncode == 0, err
        outputs.append(out.strip())
    return outputs


# -- what it is called, and what it cannot use


def test_its_name_tells_no_password(postgres_server: PostgresServer, lab: PostgresStore) -> None:
    """Neither the store's name nor an error about it holds the password."""
    secret = psycopg.conninfo.conninfo_to_dict(lab.location)["password"]
    assert lab.display_url == f"postgresql://{OWNER}@{HOST}:{postgres_server.port}/{DATABASE}"
    with pytest.raises(StoreError) as refused:
        open_server(lab.location.replace(DATABASE, "elsewhere"))
    assert str(secret) not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda url: url.replace(f"/{DATABASE}", "/nothing"), r'database "nothing" does not exist'),
        (lambda url: url.replace(f"//{OWNER}:", "//nobody_here:"), "password"),
        (lambda url: url.replace("//lab_owner:", "//lab_owner:wrong"), "refused the password"),
        (lambda url: f"postgresql://{OWNER}@{HOST}:1/{DATABASE}", "cannot be reached"),
        (lambda url: "postgresql://[nonsense", "is no url that can be read"),
    ],
    ids=["database", "role", "password", "port", "nonsense"],
)
def test_what_cannot_be_opened_is_told_at_once(url: str, change: Callable[[str], str], reason: str) -> None:
    """A wrong part of the url is named with what to do, and not after a long wait."""
    with pytest.raises(StoreError, match=reason) as refused:
        open_server(change(url))
    assert str(refused.value).startswith("The lab postgresql://")
    assert len(refused.value.advice) > 20


CUT_WRONGLY = (
    "ana:sec/ret@host:5432/db",
    "ana:sec@ret@host/db",
    "ana:sec@re/t@host/db",
    "ana:12/secret@host:5432/db",
    "ana:12/sec?ret=x@host/db",
    "ana:sec%zzret@host/db",
    "ana:sec?ret/x@host/db",
    "ana:secret",
    "ana%3Asecret%40x@host/db",
    "ana@host:secret/db",
)


@pytest.mark.parametrize("rest", CUT_WRONGLY)
def test_a_password_with_signs_of_urls_in_it_is_never_shown(rest: str) -> None:
    """A url that is cut where the password has a sign of its own is refused, with how to write it and no part of it."""
    with pytest.raises(StoreError, match="percent-encode") as refused:
        open_server(f"postgresql://{rest}")
    assert not [part for part in ("sec", "ret@", "t@host", "zz") if part in str(refused.value)]
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_a_percent_encoded_password_is_read_whole(password: str) -> None:
    """Whatever signs it has, nothing of it stands in the store's name, and the rest of the url does."""
    url = f"postgresql://ana%40corp:{quote(password, safe='')}@db.example:5433/lab"
    assert shown(url) == "postgresql://ana%40corp@db.example:5433/lab"


def test_a_newer_lab_is_left_alone(lab: PostgresStore) -> None:
    """A database that a newer version wrote is refused, and stays as it is."""
    lab.call(
        lambda con: con.execute("INSERT INTO schema_version VALUES (?, now())", [MIGRATIONS[-1].version + 1]) and None
    )
    with pytest.raises(StoreError, match="newer campaign_lab"):
        open_server(lab.location)


def test_the_tables_of_another_program_are_left_alone(url: str) -> None:
    """A database with tables of our names that are not ours is refused before anything is made."""
    with psycopg.connect(url, autocommit=True) as raw:
        raw.execute("CREATE TABLE sessions (id integer)")
        with pytest.raises(StoreError, match=r"another program \(sessions\)"):
            open_server(url)
        assert raw.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (1,)


def test_who_may_make_nothing_is_told_who_may(postgres_server: PostgresServer, url: str) -> None:
    """A member who comes before the owner learns that the owner has to open the lab once."""
    postgres_server.add_role("ana")
    with pytest.raises(StoreError, match="has no lab in it yet, and the role ana may not change that"):
        open_server(postgres_server.url("ana", DATABASE))


def test_processes_that_begin_at_once_make_one_lab(url: str) -> None:
    """Four processes open an empty database together: each can use it, and every step was taken once."""
    script = "import sys; sys.stdin.readline()\n"
    script += "from campaign_lab.store.postgres.server import open_server\nopen_server(sys.argv[1]).close()"
    in_processes(script, url, processes=4)
    with psycopg.connect(url) as raw:
        taken = raw.execute("SELECT version FROM schema_version ORDER BY 1").fetchall()
    assert taken == [(step.version,) for step in MIGRATIONS]


def test_a_changed_access_table_arrives(postgres_server: PostgresServer, lab: PostgresStore) -> None:
    """Policies of another version are brought up to date when the owner opens the lab, and by nobody else."""
    policies = "SELECT count(*) FROM pg_policies WHERE tablename = 'turns'"
    with psycopg.connect(lab.location, autocommit=True) as raw:
        made = raw.execute(policies).fetchone()
        for (name,) in raw.execute("SELECT policyname FROM pg_policies WHERE tablename = 'turns'").fetchall():
            raw.execute(f'DROP POLICY "{name}" ON turns')
        raw.execute("COMMENT ON TABLE schema_version IS 'policies of another version'")
        postgres_server.add_role("ana")
        open_server(postgres_server.url("ana", DATABASE)).close()
        assert raw.execute(policies).fetchone() == (0,)
        open_server(lab.location).close()
        assert raw.execute(policies).fetchone() == made


class Starting:
    """A server on loopback that refuses so many connections as PostgreSQL does while it starts, and then passes them on."""

    def __init__(self, port: int, refusals: float) -> None:
        self._to, self.refusals, self.refused = port, refusals, 0
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            if self.refused < self.refusals:
                self.refused += 1
                client.recv(65536)
                fields = b"SFATAL\0VFATAL\0C57P03\0Mthe database system is starting up\0\0"
                client.sendall(b"E" + (len(fields) + 4).to_bytes(4, "big") + fields)
                return
            with socket.create_connection((HOST, self._to)) as server:
                threading.Thread(target=Lossy._pass, args=(server, client), daemon=True).start()
                while sent := client.recv(65536):
                    server.sendall(sent)

    def url(self, url: str) -> str:
        """The url by way of this."""
        return url.replace(f":{self._to}/", f":{self.port}/") + "?sslmode=disable"

    def close(self) -> None:
        """Take no more."""
        self._listener.close()


@pytest.mark.parametrize("refusals", [3, math.inf])
def test_a_server_that_is_starting_up_is_waited_for(postgres_server: PostgresServer, url: str, refusals: float) -> None:
    """Opening a lab tries again until the server is up, but not for ever."""
    starting = Starting(postgres_server.port, refusals)
    try:
        if refusals == math.inf:
            with pytest.raises(StoreError, match="cannot be reached: the database system is starting up"):
                open_server(starting.url(url), patience=0.5)
            assert starting.refused > 1
        else:
            open_server(starting.url(url)).close()
            assert starting.refused == refusals
    finally:
        starting.close()


# -- functions run as if alone


def test_no_update_is_lost(url: str) -> None:
    """Four processes that each read a number and write the next one a hundred times come to four hundred."""
    with open_lab(url) as lab:
        lab.call(put("counter"))
    script = (
        "import sys; sys.stdin.readline()\n"
        "from campaign_lab.store.postgres.server import open_server\n"
        "store = open_server(sys.argv[1])\n"
        "def step(con):\n"
        "    (n,) = con.execute('SELECT session_id FROM audit').fetchone()\n"
        "    con.execute('UPDATE audit SET session_id = ?', [str(int(n) + 1)])\n"
        "for _ in range(100): store.call(step)\n"
        "store.close()\n"
    )
    in_processes(script, url, processes=4)
    with open_lab(url) as lab:
        assert lab.call(lambda con: con.execute("SELECT session_id FROM audit").fetchone()) == ("400",)


def test_what_is_looked_for_and_then_made_is_made_once(url: str) -> None:
    """Four processes that look for a row and make it when it is missing make one."""
    script = (
        "import sys; sys.stdin.readline()\n"
        "from campaign_lab.store.postgres.server import open_server\n"
        "store = open_server(sys.argv[1])\n"
        "def make(con, key):\n"
        "    if con.execute('SELECT count(*) FROM audit WHERE user_name = ?', [key]).fetchone()[0] == 0:\n"
        "        con.execute('INSERT INTO audit (user_name) VALUES (?)', [key])\n"
        "for n in range(50): store.call(lambda con: make(con, f'key {n}'))\n"
        "store.close()\n"
    )
    in_processes(script, url, processes=4)
    with open_lab(url) as lab:
        assert lab.call(lambda con: con.execute("SELECT count(*) FROM audit").fetchone()) == (50,)


def test_who_only_reads_waits_for_nobody(lab: PostgresStore) -> None:
    """A function that reads is done while another one is in the middle of writing."""
    begun, go_on = threading.Event(), threading.Event()

    def slow(con: Con) -> None:
        put("ana")(con)
        begun.set()
        assert go_on.wait(20)

    lab.call(put("ben"))
    writing = lab.submit(slow)
    assert begun.wait(20)
    assert lab.submit(count).result(10) == 0
    go_on.set()
    writing.result(20)
    assert lab.call(count) == 1


def test_a_reader_sees_one_moment(lab: PostgresStore) -> None:
    """What others commit between two queries of one function is not seen by the second."""

    def twice(con: Con) -> tuple[int, int]:
        first = count(con)
        lab.submit(put("ana")).result(20)  # from another thread and connection, as if another process did
        return first, count(con)

    assert lab.submit(twice).result(20) == (0, 0)
    assert lab.call(count) == 1


def test_a_lock_that_is_held_too_long_is_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for a process that hangs is told so, and nothing of it was stored."""
    monkeypatch.setitem(connections.SETTINGS, "lock_timeout", "300ms")
    with open_lab(url) as one, open_lab(url) as other:
        one.call(put("ben"))
        other.call(put("ben"))
        begun, go_on = threading.Event(), threading.Event()

        def hang(con: Con) -> None:
            put("ana")(con)
            begun.set()
            assert go_on.wait(20)

        hanging = one.submit(hang)
        assert begun.wait(20)
        with pytest.raises(StoreError, match="was busy for too long"):
            other.call(put("ana"))
        go_on.set()
        hanging.result(20)
        assert other.call(count) == 1


@pytest.mark.parametrize("state", ["40001", "40P01"])
def test_transactions_that_stand_in_each_others_way_for_long_are_told_as_busy(url: str, state: str) -> None:
    """Tried again until the patience is over; the server can be reached, so nobody is sent to look at its address."""
    tries: list[str] = []

    def collide(con: Con) -> None:
        tries.append(state)
        con.execute(f"DO $$ BEGIN RAISE EXCEPTION 'in the way' USING ERRCODE = '{state}'; END $$")

    with open_lab(url, patience=0.5) as lab, pytest.raises(StoreError, match="was busy for too long"):
        lab.call(collide)
    assert len(tries) > 1


def test_closing_leaves_no_connection_behind(postgres_server: PostgresServer, url: str) -> None:
    """Also when functions were still waiting for their turn as it began: they are done, and then all are closed."""
    lab = open_server(url)
    lab.call(put("ben"))
    go_on = threading.Event()
    held = [lab.submit(lambda con: count(con) + int(go_on.wait(20))) for _ in range(connections.CONNECTIONS)]
    waiting = [lab.submit(count) for _ in range(8)]
    with ThreadPoolExecutor(1) as threads:
        closing = threads.submit(lab.close)
        while not lab._closed:
            time.sleep(0.001)
        time.sleep(0.1)  # it now waits for its threads
        go_on.set()
        closing.result(20)
    assert [each.result(0) for each in (*held, *waiting)] == [1] * len(held) + [0] * len(waiting)
    sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'campaign_lab' AND datname = %s"
    deadline = time.monotonic() + 5  # the server sees a connection end a moment later
    with psycopg.connect(postgres_server.url(ADMIN), autocommit=True) as raw:
        while raw.execute(sql, [DATABASE]).fetchone() != (0,):
            assert time.monotonic() < deadline
            time.sleep(0.05)


# -- outages


def test_a_restart_in_the_middle_loses_and_doubles_nothing(postgres: None) -> None:
    """Two threads go on writing while the server is stopped, killed and started: every row is there once."""
    with running(fast=False) as server:
        server.add_database(DATABASE)
        with open_lab(server.url(OWNER, DATABASE)) as lab, ThreadPoolExecutor(2) as threads:
            lab.call(put("ben"))
            stop = threading.Event()

            def write(key: str) -> int:
                n = 0
                while not stop.is_set():
                    lab.call(put(key, n=n))
                    n += 1
                return n

            written = {key: threads.submit(write, key) for key in ("ana", "cyd")}
            for end in (server.stop, server.kill):
                time.sleep(0.3)
                end()
                time.sleep(0.3)
                server.start()
            time.sleep(0.3)
            stop.set()
            sql = "SELECT count(*), count(DISTINCT session_id) FROM audit WHERE user_name = ?"
            for key, done in written.items():
                n = done.result(60)
                assert n > 10
                assert lab.call(lambda con, key=key: con.execute(sql, [key]).fetchone()) == (n, n)


class Lossy:
    """A proxy on loopback that swallows the server's answer to the next COMMIT, and cuts that connection."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self.lose_next = False
        self.lost = 0
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, socket.create_connection((HOST, self._to)) as server:
            answers = threading.Thread(target=self._pass, args=(server, client), daemon=True)
            answers.start()
            while sent := client.recv(65536):
                if self.lose_next and b"COMMIT" in sent:
                    self.lose_next, self.lost = False, self.lost + 1
                    client.shutdown(socket.SHUT_WR)  # nothing more comes back to the client
                    server.sendall(sent)
                    time.sleep(0.3)  # the server commits meanwhile
                    return
                server.sendall(sent)

    @staticmethod
    def _pass(server: socket.socket, client: socket.socket) -> None:
        try:
            while answer := server.recv(65536):
                client.sendall(answer)
        except OSError:
            return

    def close(self) -> None:
        """Take no more."""
        self._listener.close()


def test_a_commit_whose_answer_is_lost_is_not_made_twice(postgres_server: PostgresServer, url: str) -> None:
    """When the connection breaks while it commits, the server is asked what became of it, and the row is there once."""
    proxy = Lossy(postgres_server.port)
    lossy = url.replace(f":{postgres_server.port}/", f":{proxy.port}/") + "?sslmode=disable"
    try:
        with open_lab(lossy) as lab:
            lab.call(put("ben"))
            proxy.lose_next = True
            lab.call(put("ana"))
            assert proxy.lost == 1
            assert lab.call(count) == 1
    finally:
        proxy.close()


def test_a_forked_process_talks_over_connections_of_its_own(lab: PostgresStore) -> None:
    """Parent and child both go on with the store after a fork."""
    lab.call(put("ana"))
    child = os.fork()
    if child == 0:
        try:
            for _ in range(20):
                lab.call(put("ana"))
            os._exit(0)
        except BaseException:
            os._exit(1)
    for _ in range(20):
        lab.call(put("ana"))
    assert os.waitpid(child, 0)[1] == 0
    assert lab.call(count) == 41


# -- values


def test_text_that_postgresql_does_not_take_is_kept_without_its_zero(lab: PostgresStore) -> None:
    """U+0000 becomes the replacement character; all else of the text stays."""
    lab.call(put("a\x00na"))
    assert lab.call(lambda con: count(con, "a\ufffdna")) == 1


parts = st.lists(st.sampled_from(["?", "'is it?'", "'it''s'", "%", "a LIKE '%x'", " , "]), max_size=8)


@given(parts)
def test_each_mark_outside_of_quotes_becomes_one_of_psycopgs(words: list[str]) -> None:
    """As many marks as there were, and with them bound the statement says what it said."""
    query = " ".join(words)
    made = translated(query)
    bound = made % tuple("?" for _ in range(words.count("?")))
    assert bound == query


def open_lab(url: str, *, patience: float = store_server.PATIENCE) -> Any:
    """A store that is closed at the end of a ``with``."""
    from contextlib import closing

    return closing(open_server(url, patience=patience))


def test_the_administrator_sees_whose_connections_these_are(
    postgres_server: PostgresServer, lab: PostgresStore
) -> None:
    """Connections carry the program's name, and idle ones do not pile up beyond the bound."""
    for _ in range(50):
        lab.call(count)
    with psycopg.connect(postgres_server.url(ADMIN)) as raw:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'campaign_lab' AND datname = %s"
        row = raw.execute(sql, [DATABASE]).fetchone()
    assert row is not None
    assert 1 <= row[0] <= 2 * connections.CONNECTIONS
