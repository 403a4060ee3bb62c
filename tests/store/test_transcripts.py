"""The SDK's store: its contract, what comes back, and what a turn is resumed from."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar, cast

import pytest
from claude_agent_sdk import SessionKey, get_session_messages_from_store
from claude_agent_sdk.testing import run_session_store_conformance
from hypothesis import given, settings
from hypothesis import strategies as st

from campaign_lab.errors import LabError, NotFoundError
from campaign_lab.store.connection import Store
from campaign_lab.store.location import open_store
from campaign_lab.store.transcripts import NOT_CARRIED, Transcripts, TurnTranscripts, dumps
from support.stores import Stores, opened, stores_of
from support.workers.store_writers import Entry, entry

T = TypeVar("T")
ANY_FOLDER = "-home-somebody"


pytestmark = pytest.mark.both_stores


@pytest.fixture(scope="module")
def shared(
    store_kind: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Store]:
    """One lab for tests that use keys of their own."""
    with stores_of(store_kind, tmp_path_factory.mktemp("lab"), request) as stores, opened(stores.place()) as store:
        yield store


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def fresh() -> SessionKey:
    return {"project_key": "p", "session_id": str(uuid.uuid4())}


def test_the_sdk_finds_its_contract_kept(stores: Stores) -> None:
    """The promises of the SDK's own conformance suite for what resuming a turn asks of a store, each on a lab of its own."""
    made: list[Store] = []

    def make() -> Transcripts:
        made.append(open_store(stores.place(f"{len(made)}.duckdb")))
        return Transcripts(made[-1])

    run(run_session_store_conformance(make))
    for store in made:
        store.close()
    assert len(made) > 8


# JSON as the CLI may write it: any Unicode, half emojis and U+0000 among it, numbers of any size
texts = st.text(st.characters(exclude_categories=()), max_size=8)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
names = (texts | st.sampled_from(["type", "timestamp", "sessionId", "customTitle"])).filter(lambda name: name != "uuid")
batches = st.lists(st.dictionaries(names, values, max_size=5), min_size=1, max_size=5)


@settings(max_examples=50)
@given(written=batches, with_uuids=st.booleans())
def test_whatever_the_cli_writes_comes_back_equal(
    shared: Store, written: list[dict[str, Any]], with_uuids: bool
) -> None:
    """Any JSON object survives: lone surrogates, U+0000, integers beyond 64 bits."""
    batch = json.loads(json.dumps(written))  # two halves of an emoji side by side are one emoji in JSON
    if with_uuids:
        batch = [{**one, "uuid": str(uuid.uuid4())} for one in batch]
    store, key = Transcripts(shared), fresh()
    run(store.append(key, batch))
    assert run(store.load(key)) == batch


@given(value=values)
def test_stored_json_is_text_that_any_database_takes(value: object) -> None:
    """It encodes as UTF-8, holds no U+0000, and reads back as what it was."""
    text = dumps(value)
    assert b"\0" not in text.encode()
    assert json.loads(text) == json.loads(json.dumps(value))


def test_an_entry_is_stored_once_however_often_it_arrives(shared: Store) -> None:
    """By its uuid: within a batch, and when the SDK repeats a batch that had landed."""
    store, key = Transcripts(shared), fresh()
    a, b, c = entry(n=1), entry(n=2), entry(n=3)
    changed: Any = {**a, "n": 99}
    run(store.append(key, [a, b, a]))
    run(store.append(key, [a, b]))
    run(store.append(key, [b, c, changed]))
    assert run(store.load(key)) == [a, b, c]


def test_an_entry_without_a_usable_uuid_is_always_stored(shared: Store) -> None:
    """Markers have none; one that is no text, or half an emoji, is none either."""
    store, key = Transcripts(shared), fresh()
    batch: Any = [{"type": "mode"}, {"type": "mode", "uuid": 7}, {"type": "\ud83d", "uuid": "\ud83d"}]
    run(store.append(key, batch))
    run(store.append(key, batch))
    assert run(store.load(key)) == batch * 2


def test_the_same_uuid_may_stand_in_two_transcripts(shared: Store) -> None:
    """A copy of a conversation keeps its uuids."""
    store, one = Transcripts(shared), fresh()
    agent: SessionKey = {**one, "subpath": "subagents/agent-1"}
    batch = [entry(), entry()]
    for key in (one, agent, fresh()):
        run(store.append(key, batch))
        assert run(store.load(key)) == batch


def test_appends_that_wait_together_keep_their_order(shared: Store) -> None:
    """Eager flush means many small appends: they share a transaction, and stand in the order of the calls."""
    store, key = Transcripts(shared), fresh()
    wanted = [entry(n=n) for n in range(100)]

    async def main() -> None:
        await asyncio.gather(*(store.append(key, [one]) for one in wanted))

    run(main())
    assert run(store.load(key)) == wanted


# -- the store of one attempt


class Tree:
    """Turns of one conversation, each written by an attempt of its own."""

    def __init__(self, file: Store) -> None:
        self.file = file
        self.previous: str | None = None  # uuid of the entry written last

    def attempt(self, *ancestors: str) -> tuple[str, TurnTranscripts]:
        """A new attempt after those turns, and its store."""
        name = str(uuid.uuid4())
        return name, TurnTranscripts(self.file, name, ancestors)

    def message(self, session: str, text: str, role: str = "user") -> Entry:
        """One message as the CLI writes it, said after the one before."""
        said = entry(sessionId=session, parentUuid=self.previous, type=role, isSidechain=False)
        said["message"] = {"role": role, "content": [{"type": "text", "text": text}]}
        self.previous = said["uuid"]
        return said

    def turn(self, text: str, *ancestors: str) -> tuple[str, list[Any]]:
        """A finished turn: its id, and the messages that later turns inherit."""
        name, store = self.attempt(*ancestors)
        said = [self.message(name, text), self.message(name, f"re: {text}", "assistant")]
        kept_back: list[Any] = [{"type": kind, "sessionId": name, "value": text} for kind in sorted(NOT_CARRIED)]
        run(store.append({"project_key": ANY_FOLDER, "session_id": name}, [kept_back[0], *said, *kept_back[1:]]))
        return name, said


@pytest.fixture
def tree(shared: Store) -> Tree:
    return Tree(shared)


def own(attempt: str, **more: str) -> SessionKey:
    return cast("SessionKey", {"project_key": ANY_FOLDER, "session_id": attempt, **more})


def test_a_turn_is_resumed_from_all_its_ancestors_as_if_they_were_its_own(tree: Tree) -> None:
    """Root first, sessionId rewritten, uuids kept, and without costs and prompts that are not its own."""
    ancestors: list[str] = []
    said: list[Entry] = []
    for phase in ("research", "strategy", "copy", "question", "copy", "question"):
        turn, messages = tree.turn(phase, *ancestors)
        ancestors.append(turn)
        said += messages
    attempt, store = tree.attempt(*ancestors)
    assert run(store.load(own(attempt))) == [{**one, "sessionId": attempt} for one in said]


def test_forks_of_one_turn_do_not_see_each_other(tree: Tree) -> None:
    """What a sibling wrote, finished or failed, is in no other line."""
    research, said = tree.turn("research")
    tree.turn("emotional angle", research)
    fork, store = tree.attempt(research)
    assert run(store.load(own(fork))) == [{**one, "sessionId": fork} for one in said]


def test_what_the_attempt_wrote_itself_follows_its_ancestors_whole(tree: Tree) -> None:
    """An attempt that goes on after a pause finds all of it, its own costs too."""
    research, said = tree.turn("research")
    attempt, store = tree.attempt(research)
    mine: Any = [{"type": "queue-operation", "sessionId": attempt}, tree.message(attempt, "go"), {"type": "cost-state"}]
    run(store.append(own(attempt), mine))
    assert run(store.load(own(attempt))) == [*({**one, "sessionId": attempt} for one in said), *mine]


def test_the_first_turn_has_nothing_to_resume_from(tree: Tree) -> None:
    """The SDK starts a new session without asking; if asked, the answer is None."""
    attempt, store = tree.attempt()
    assert run(store.load(own(attempt))) is None
    assert run(store.list_subkeys(own(attempt))) == []


def test_another_session_is_refused_instead_of_answered_with_nothing(tree: Tree) -> None:
    """With None the CLI would go on from a stale file of its own, without a word."""
    research, _ = tree.turn("research")
    attempt, store = tree.attempt(research)
    for wrong in (research, str(uuid.uuid4())):
        with pytest.raises(NotFoundError, match=wrong):
            run(store.load(own(wrong)))
        with pytest.raises(LabError, match=wrong):
            run(store.append(own(wrong), [entry()]))
        with pytest.raises(LabError, match=wrong):
            run(store.load(own(wrong, subpath="subagents/agent-1")))
    assert run(store.load(own(attempt))) is not None


def test_an_ancestor_that_is_gone_is_an_error_and_not_a_shorter_conversation(tree: Tree) -> None:
    """A turn never goes on without a part of what was said before it."""
    research, _ = tree.turn("research")
    strategy, _ = tree.turn("strategy", research)
    tree.file.call(lambda con: con.execute("DELETE FROM entries WHERE session_id = ?", [strategy]))
    attempt, store = tree.attempt(research, strategy)
    with pytest.raises(NotFoundError, match=strategy):
        run(store.load(own(attempt)))


def test_agents_are_kept_with_the_turn_that_ran_them(tree: Tree) -> None:
    """Their transcripts are read back by that turn, and not by the next one."""
    attempt, store = tree.attempt()
    step = tree.message(attempt, "read the page")
    run(store.append(own(attempt), [tree.message(attempt, "go")]))
    run(store.append(own(attempt, subpath="subagents/agent-1"), [step]))
    assert run(store.load(own(attempt, subpath="subagents/agent-1"))) == [step]
    assert run(store.list_subkeys(own(attempt))) == ["subagents/agent-1"]
    following, later = tree.attempt(attempt)
    assert run(later.list_subkeys(own(following))) == []
    assert run(later.load(own(following, subpath="subagents/agent-1"))) is None


def test_the_working_folder_makes_no_difference(tree: Tree) -> None:
    """The SDK derives the project from the folder; a turn is found from any."""
    attempt, store = tree.attempt()
    said = tree.message(attempt, "go")
    run(store.append({"project_key": "-tmp-a", "session_id": attempt}, [said]))
    assert run(store.load({"project_key": "-tmp-b", "session_id": attempt})) == [said]


def test_the_ledger_hears_of_an_entry_after_it_is_stored(shared: Store) -> None:
    """on_append gets each batch with its agent, and can already read it."""
    heard: list[tuple[str, list[Any], int]] = []
    attempt = str(uuid.uuid4())

    def on_append(subpath: str, batch: list[dict[str, Any]]) -> None:
        count = "SELECT count(*) FROM entries WHERE session_id = ? AND subpath = ?"
        (stored,) = shared.call(lambda con: con.execute(count, [attempt, subpath]).fetchone()) or (0,)
        heard.append((subpath, batch, stored))

    store = TurnTranscripts(shared, attempt, (), on_append)
    first, second = [entry()], [entry(), entry()]
    run(store.append(own(attempt), first))
    run(store.append(own(attempt, subpath="subagents/agent-1"), second))
    run(store.append(own(attempt), []))
    assert heard == [("", first, 1), ("subagents/agent-1", second, 2)]


def test_the_sdk_reads_the_whole_line_of_a_turn(tree: Tree) -> None:
    """Its own reader finds every message of the ancestors in the order in which it was said."""
    ancestors: list[str] = []
    for text in ("research", "strategy", "copy"):
        ancestors.append(tree.turn(text, *ancestors)[0])
    attempt, store = tree.attempt(*ancestors)
    messages = run(get_session_messages_from_store(store, attempt))
    said = [message.message["content"][0]["text"] for message in messages]
    assert said == ["research", "re: research", "strategy", "re: strategy", "copy", "re: copy"]
    assert {message.session_id for message in messages} == {attempt}
