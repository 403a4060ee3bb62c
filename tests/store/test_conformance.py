"""What every kind of store promises, on each of them: one function is one transaction, one after another, in words of ours."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest

from campaign_lab.errors import StoreError
from campaign_lab.store.connection import Con, Store
from support.stores import Stores, opened

pytestmark = pytest.mark.both_stores
SCOPE = "entries"
"""Functions of one scope stand in line, on a server too."""


@pytest.fixture
def store(stores: Stores) -> Iterator[Store]:
    """A lab with nothing in it, open."""
    with opened(stores.place()) as store:
        yield store


def putting(*keys: str) -> Callable[[Con], tuple[str, ...]]:
    """Stores rows that are easy to tell apart."""

    def put(con: Con) -> tuple[str, ...]:
        for key in keys:
            con.execute("INSERT INTO claims (key, attempt_id) VALUES (?, ?)", [key, f"of {key}"])
        return keys

    return put


def keys(con: Con) -> list[str]:
    return [key for (key,) in con.execute("SELECT key FROM claims ORDER BY key").fetchall()]


@pytest.fixture
def busy(store: Store) -> Iterator[threading.Event]:
    """Keeps the store at work until it is set, so that what is submitted meanwhile waits in line."""
    started, go_on = threading.Event(), threading.Event()

    def wait(con: Con) -> None:
        con.execute("INSERT INTO claims (key, attempt_id) VALUES ('busy', 'a')")
        started.set()
        go_on.wait(10)

    store.submit(wait, scope=SCOPE)
    assert started.wait(10)
    yield go_on
    go_on.set()


def test_what_is_stored_is_seen_by_the_next_one_who_opens_it(stores: Stores, store: Store) -> None:
    """While the first still has it open, and after that."""
    assert store.call(putting("one", "two")) == ("one", "two")
    with opened(stores.place()) as other:
        assert other.call(keys) == ["one", "two"]
        other.call(putting("three"))
    assert store.call(keys) == ["one", "three", "two"]


def test_what_raises_leaves_nothing(store: Store) -> None:
    """The error of a function is its caller's, and what the function wrote is rolled back."""

    def broken(con: Con) -> None:
        putting("never")(con)
        raise KeyError("on purpose")

    with pytest.raises(KeyError, match="on purpose"):
        store.call(broken)
    assert store.call(keys) == []


def test_no_update_is_lost(store: Store, busy: threading.Event) -> None:
    """Functions of a scope run as if alone: each that counts rows and writes the next one finds what those before it wrote."""

    def next_one(con: Con) -> int:
        found = len(keys(con))
        putting(f"k{found:02}")(con)
        return found

    futures = [store.submit(next_one, scope=SCOPE) for _ in range(20)]
    busy.set()
    assert sorted(future.result(20) for future in futures) == list(range(1, 21))


def test_what_was_cancelled_in_time_is_not_run(store: Store, busy: threading.Event) -> None:
    """A task that is cancelled takes its write back while it waits in line."""
    future = store.submit(putting("cancelled"), scope=SCOPE)
    assert future.cancel()
    busy.set()
    with pytest.raises(CancelledError):
        future.result(10)
    assert store.call(keys) == ["busy"]


def test_awaiting_does_not_block_the_event_loop(store: Store, busy: threading.Event) -> None:
    """While one task waits for the store, another one runs."""

    async def main() -> tuple[str, ...]:
        waiting = asyncio.create_task(store.run(putting("k")))
        await asyncio.sleep(0)
        assert not waiting.done()
        busy.set()
        return await waiting

    assert asyncio.run(main()) == ("k",)


def test_closing_finishes_what_was_submitted_and_may_be_repeated(stores: Stores, store: Store) -> None:
    """Nothing that was accepted is dropped; a closed store says that it is closed."""
    futures = [store.submit(putting(f"k{n:02}")) for n in range(50)]
    store.close()
    store.close()
    assert all(future.done() and future.exception() is None for future in futures)
    with pytest.raises(StoreError, match="was closed"):
        store.call(keys)
    with opened(stores.place()) as again:
        assert len(again.call(keys)) == 50


def test_a_call_inside_a_function_is_refused(store: Store) -> None:
    """It would wait for itself for ever."""
    with pytest.raises(RuntimeError, match="connection"):
        store.call(lambda con: store.call(keys))


def test_sums_are_numbers(store: Store) -> None:
    """Sums and means come back as int and float, and not as Decimal."""
    sql = "SELECT sum(n), avg(n), sum(n / 8.0::DOUBLE PRECISION) FROM (SELECT unnest(?::BIGINT[]) AS n) AS numbers"
    found: Any = store.call(lambda con: con.execute(sql, [[1, 2, 3, 4]]).fetchone())
    assert found == (10, 2.5, 1.25)
    assert [type(each) for each in found] == [int, float, float]


@pytest.mark.parametrize(
    "text", ["", 'it\'s "quoted"', "100 % ?", "emoji 👩‍👩‍👧, \u202ebidi\u202c\n\ttab", "$1 :name {}"]
)
def test_text_comes_back_as_it_was(store: Store, text: str) -> None:
    """Whatever it holds that means something to a database."""
    store.call(lambda con: con.execute("INSERT INTO claims (key, attempt_id) VALUES (?, 'a')", [text]) and None)
    assert store.call(keys) == [text]


def test_giving_space_back_keeps_every_row(store: Store) -> None:
    """It tells the sizes in bytes before and after."""
    store.call(putting(*(f"k{n:03}" for n in range(100))))
    before, after = store.compact()
    assert before > 0
    assert after > 0
    assert len(store.call(keys)) == 100
