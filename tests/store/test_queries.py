"""The tables under many writers: one row where one is meant, names that are free, and lines that hold together."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from campaign_lab.sessions.upkeep.access import page_owners
from campaign_lab.store import queries
from campaign_lab.store.connection import Store
from campaign_lab.store.location import open_store
from campaign_lab.store.postgres.dialect import INSTEAD, ZERO
from campaign_lab.store.rows import TABLES, PageRow, SessionRow, TurnRow
from support.stores import Stores, opened

pytestmark = pytest.mark.both_stores
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SESSION = SessionRow(
    id="s1", owner="ana", campaign="Spring", url="https://a.example/", name="main", endpoint="rehearsal-1", model="m",
    parent_session=None, start_turn=None, tip_turn=None, purpose="", automatic=False, brief="{}", made_at=NOW,
)  # fmt: skip
EXAMPLES = itertools.count()
"""Each example of a property has a lab of its own."""
FORK = replace(SESSION, id="f1", parent_session="s1", start_turn="t1", tip_turn="t1", purpose="Calm", name="Calm")

RACER = """
import json, sys, threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime
from campaign_lab.store import queries
from campaign_lab.store.location import open_store
from campaign_lab.store.rows import SessionRow

path, me, what, data = sys.argv[1], sys.argv[2], sys.argv[3], json.loads(sys.argv[4])
row = SessionRow(**{**data, "made_at": datetime.fromisoformat(data["made_at"])})
file = open_store(path)
barrier = threading.Barrier(4)

def race(n):
    mine = replace(row, id=f"{me}-{n}")
    barrier.wait()
    if what == "session":
        return file.call(lambda con: queries.get_or_create_session(con, mine, lambda _: False)).id
    return file.call(lambda con: queries.get_or_create_fork(con, mine, lambda _row: False)).id

print("ready", flush=True)
sys.stdin.readline()
with ThreadPoolExecutor(4) as pool:
    print(json.dumps(list(pool.map(race, range(4)))), flush=True)
file.close()
"""


@pytest.fixture
def file(stores: Stores) -> Iterator[Store]:
    """A new lab."""
    with opened(stores.place()) as store:
        yield store


def insert(file: Store, *rows: SessionRow | TurnRow | PageRow) -> None:
    for row in rows:
        file.call(lambda con, each=row: queries.insert(con, [each]))  # type: ignore[misc]


def sessions(file: Store) -> list[SessionRow]:
    return file.call(lambda con: queries.select(con, SessionRow, "ORDER BY made_at, id"))


def get_session(file: Store, row: SessionRow, *, expired: bool = False) -> SessionRow:
    return file.call(lambda con: queries.get_or_create_session(con, row, lambda _: expired))


def get_fork(file: Store, row: SessionRow) -> SessionRow:
    return file.call(lambda con: queries.get_or_create_fork(con, row, lambda _row: False))


def turn(name: str, parent: str | None = None, session: str = "s1", **changed: Any) -> TurnRow:
    row = TurnRow(
        id=name, session_id=session, parent_turn=parent, key=f"k-{name}", take=1, phase="copy", message="", steer="",
        fingerprint="{}", brief="{}", endpoint="rehearsal-1", model="m", user_name="ana", started_at=NOW,
        finished_at=NOW, leaf_uuid=None, answer="", missing="[]",
    )  # fmt: skip
    return replace(row, **changed)


def move(file: Store, row: TurnRow) -> SessionRow:
    """Stores the turn and moves the tip, as a finished run does: in one transaction."""

    def work(con: queries.Con) -> SessionRow:
        queries.insert(con, [row])
        return queries.move_tip(con, row)

    return file.call(work)


@pytest.mark.usefixtures("process")
@pytest.mark.parametrize("what", ["session", "fork"])
def test_two_processes_with_threads_that_get_or_create_make_one_row(file: Store, what: str) -> None:
    """Eight callers at once, in two processes with a file each: all get the same row, and there is one."""
    if what == "fork":
        insert(file, SESSION)
    data = json.dumps(vars(FORK if what == "fork" else SESSION), default=str)
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, file.display_url, me, what, data],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for me in ("p1", "p2")
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert racer.stdout.readline() == "ready\n"
    with ThreadPoolExecutor() as pool:
        answers = list(pool.map(lambda racer: racer.communicate("\n", timeout=60)[0], racers))
    ids = {one for answer in answers for one in json.loads(answer)}
    assert len(ids) == 1
    assert [row.id for row in sessions(file) if row.id != "s1"] == list(ids)


def test_two_engines_in_one_process_make_one_row(file: Store, stores: Stores) -> None:
    """Two labs on one store in one kernel, each with threads of its own."""
    other = open_store(stores.place())
    barrier = threading.Barrier(6)

    def race(n: int) -> str:
        barrier.wait()
        return get_session((file, other)[n % 2], replace(SESSION, id=f"s{n}")).id

    with ThreadPoolExecutor(6) as pool:
        ids = set(pool.map(race, range(6)))
    other.close()
    assert len(ids) == len(sessions(file)) == 1


@pytest.mark.parametrize("part", ["owner", "campaign", "url", "name", "endpoint", "model"])
def test_each_part_of_the_identity_makes_another_session(file: Store, part: str) -> None:
    """Owner, campaign, url, name, endpoint and model."""
    assert get_session(file, SESSION).id == "s1"
    assert get_session(file, replace(SESSION, id="s2")).id == "s1"
    other: dict[str, Any] = {part: "other"}
    assert get_session(file, replace(SESSION, id="s3", **other)).id == "s3"


def test_a_changed_brief_keeps_the_session(file: Store) -> None:
    """And the newest one is what it goes on with."""
    get_session(file, SESSION)
    assert get_session(file, replace(SESSION, id="s2", brief='{"market": "US"}')) == replace(
        SESSION, brief='{"market": "US"}'
    )


def test_an_expired_session_is_renewed_by_a_new_one(file: Store) -> None:
    """The old row stays, and the new one says whom it renews."""
    get_session(file, SESSION)
    later = replace(SESSION, id="s2", made_at=NOW + timedelta(days=1))
    assert get_session(file, later, expired=True).renews == "s1"
    assert get_session(file, replace(SESSION, id="s3")).id == "s2"
    assert [row.id for row in sessions(file)] == ["s1", "s2"]


def test_a_fork_is_found_again_by_owner_checkpoint_and_purpose(file: Store) -> None:
    """A cell that is run again makes no second fork; another purpose, checkpoint or owner does."""
    insert(file, SESSION)
    assert get_fork(file, FORK).id == "f1"
    assert get_fork(file, replace(FORK, id="f2")).id == "f1"
    assert get_fork(file, replace(FORK, id="f3", purpose="Bold", name="Bold")).id == "f3"
    assert get_fork(file, replace(FORK, id="f4", start_turn="t2")).id == "f4"
    assert get_fork(file, replace(FORK, id="f5", owner="ben")).id == "f5"


def test_forks_from_the_root_belong_to_their_session(file: Store) -> None:
    """Two sessions have no turn in common there, so the same purpose gives a fork of each."""
    insert(file, SESSION, replace(SESSION, id="s2", name="second"))
    first = get_fork(file, replace(FORK, start_turn=None))
    assert get_fork(file, replace(FORK, id="f2", start_turn=None, parent_session="s2")).id == "f2"
    assert get_fork(file, replace(FORK, id="f3", start_turn=None)).id == first.id


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(purposes=st.lists(st.sampled_from(["main", "Calm", "Calm 2", "Bold"]), min_size=1, max_size=6))
def test_forks_get_names_that_are_free(stores: Stores, purposes: list[str]) -> None:
    """Each fork can be opened by its name: its purpose, with a number behind it where that is taken."""
    with opened(stores.place(str(next(EXAMPLES)))) as file:
        insert(file, SESSION)
        for n, purpose in enumerate(purposes):
            get_fork(file, replace(FORK, id=f"f{n}", start_turn=f"t{n}", purpose=purpose, name=purpose))
        named = sessions(file)
    assert len({row.name for row in named}) == len(named) == len(purposes) + 1
    assert all(row.name == row.purpose or row.name.startswith(f"{row.purpose} ") for row in named if row.id != "s1")


def test_names_are_free_for_each_owner_and_campaign(file: Store) -> None:
    """Somebody else's fork does not change how mine is called."""
    insert(file, SESSION, replace(FORK, owner="ben"), replace(FORK, id="f2", campaign="Autumn", start_turn="t9"))
    assert get_fork(file, replace(FORK, id="f3")).name == "Calm"
    assert get_fork(file, replace(FORK, id="f4", start_turn="t2")).name == "Calm 2"
    assert get_fork(file, replace(FORK, id="f5", start_turn="t3")).name == "Calm 3"


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parents=st.lists(st.integers(0, 100), min_size=1, max_size=12))
def test_a_line_leads_from_the_root_to_the_turn(stores: Stores, parents: list[int]) -> None:
    """For each turn of any tree: its ancestors in order, and nothing of the branches beside it."""
    tree: dict[str, str | None] = {}
    for n, chosen in enumerate(parents):
        tree[f"t{n}"] = None if chosen % (n + 1) == n else f"t{chosen % (n + 1)}"
    with opened(stores.place(str(next(EXAMPLES)))) as file:
        insert(file, *(turn(name, parent) for name, parent in reversed(tree.items())))
        for name in tree:
            line = [name]
            while (parent := tree[line[0]]) is not None:
                line.insert(0, parent)
            assert [row.id for row in file.call(lambda con, at=name: queries.line_of(con, at))] == line  # type: ignore[misc]


def test_the_root_has_no_line(file: Store) -> None:
    """And a turn that is not there has none either."""
    assert file.call(lambda con: queries.line_of(con, None)) == []
    assert file.call(lambda con: queries.line_of(con, "gone")) == []


def test_a_finished_turn_moves_its_session_on(file: Store) -> None:
    """From the root, and then from turn to turn; when it was last paid for is noted."""
    insert(file, SESSION)
    assert move(file, turn("t1")).tip_turn == "t1"
    moved = move(file, replace(turn("t2", "t1"), finished_at=NOW + timedelta(minutes=5)))
    assert (moved.id, moved.tip_turn, moved.last_paid_at) == ("s1", "t2", NOW + timedelta(minutes=5))
    assert len(sessions(file)) == 1


def test_a_turn_whose_place_was_taken_gets_a_fork(file: Store) -> None:
    """The session went on otherwise meanwhile: its tip stays, and the turn stands in a fork of its own."""
    insert(file, SESSION)
    move(file, turn("t1"))
    move(file, turn("t2", "t1"))
    fork = move(file, turn("t3", "t1", steer="bolder"))
    assert (fork.automatic, fork.parent_session, fork.start_turn, fork.tip_turn) == (True, "s1", "t1", "t3")
    assert (fork.name, fork.purpose, fork.owner, fork.brief) == ("main 2", "bolder", "ana", SESSION.brief)
    assert {row.id: row.tip_turn for row in sessions(file)} == {"s1": "t2", fork.id: "t3"}
    stored = file.call(lambda con: queries.select(con, TurnRow, "ORDER BY id"))
    assert {row.id: row.session_id for row in stored} == {"t1": "s1", "t2": "s1", "t3": fork.id}


def test_of_turns_that_end_at_once_one_stays_in_line(file: Store) -> None:
    """The others get a fork each, under names of their own."""
    insert(file, SESSION)
    with ThreadPoolExecutor(4) as pool:
        stood = list(pool.map(lambda n: move(file, turn(f"t{n}")), range(4)))
    assert [row.id for row in stood].count("s1") == 1
    assert len({row.id for row in stood}) == len({row.name for row in sessions(file)}) == 4


def test_automatic_forks_are_family_and_named_ones_are_not(file: Store) -> None:
    """A run looks for its turn in its own line and in the forks that runs made, never in a fork that a person made."""
    insert(file, SESSION)
    move(file, turn("t1"))
    move(file, turn("t2", "t1"))
    first = move(file, turn("t3", "t1"))
    second = move(file, turn("t4", "t1", session=first.id))
    named = get_fork(file, FORK)
    families = {
        row.id: file.call(lambda con, of=row: queries.family_of(con, of))  # type: ignore[misc]
        for row in sessions(file)
    }
    kin = {"s1", first.id, second.id}
    assert families == {**dict.fromkeys(kin, kin), named.id: {named.id}}
    after = file.call(lambda con: queries.turns_after(con, "t1"))
    assert after == {"t2": "s1", "t3": first.id, "t4": second.id}


@given(st.builds(dict, name=st.text(), purpose=st.text(), brief=st.text(), campaign=st.text()))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_rows_come_back_as_they_were(file: Store, store_kind: str, texts: dict[str, Any]) -> None:
    """Quotes, semicolons and line breaks in a text are text, never part of a statement. A server has no U+0000."""
    file.call(lambda con: con.execute("DELETE FROM sessions"))
    row = replace(SESSION, **texts)
    insert(file, row)
    kept = {name: text.replace(ZERO, INSTEAD) for name, text in texts.items()} if store_kind == "server" else texts
    assert sessions(file) == [replace(row, **kept)]


def test_each_row_class_has_the_columns_of_its_table(file: Store) -> None:
    """A field that is added to one and not to the other is noticed here."""
    sql = "SELECT column_name FROM information_schema.columns WHERE table_name = ?"
    for row, table in TABLES.items():
        columns = {name for (name,) in file.call(lambda con, of=table: con.execute(sql, [of]).fetchall())}  # type: ignore[misc]
        assert columns == {field.name for field in fields(row)}


def test_the_newest_version_of_a_page_is_the_one_that_counts(file: Store) -> None:
    """Without its bytes; refusals and other campaigns' pages are left out."""
    page = PageRow("ana", "Spring", "https://a.example/", "https://a.example/", page="{}", body=b"old", fetched_at=NOW)
    newer = replace(page, sha256="new", fetched_at=NOW + timedelta(hours=1))
    refused = replace(
        page, requested_url="https://a.example/x", error="it is not there", fetched_at=NOW - timedelta(hours=1)
    )
    insert(file, newer, page, refused, replace(page, campaign="Autumn", fetched_at=NOW - timedelta(hours=2)))
    assert file.call(lambda con: queries.pages_of(con, ["ana"], "Spring")) == [replace(newer, body=None)]
    assert file.call(lambda con: queries.oldest_page(con, ["ana"], "Spring")) == NOW
    assert file.call(lambda con: queries.oldest_page(con, ["ben"], "Spring")) is None


@pytest.mark.parametrize("circle", [{"parent_session": "s1", "automatic": True}, {"renews": "s1"}])
def test_a_family_that_goes_round_in_a_circle_ends(file: Store, circle: dict[str, Any]) -> None:
    """A session that was forked from itself, or renews itself, has a family all the same."""
    row = replace(SESSION, **circle)
    file.call(lambda con: queries.insert(con, [row]))
    assert file.call(lambda con: queries.family_of(con, row)) == {"s1"}
    assert file.call(lambda con: page_owners(con, row)) == ("ana",)
