"""The session store beside its neighbours: LangGraph's SqliteSaver, plain and with a delta channel, and the SDK's JSONL files.

The same work in each: 200 turns of two messages of 2 KB, then 50 forks at turn 100 with one turn each. The stores take turns
with every single turn, so that a busy moment of the machine meets all of them. No model and no CLI anywhere. "Conversation" is
the time in the store's own calls that write a turn's messages; "a turn" is all that a turn does in the store:

- ours: read the line and the conversation, claim the key, append the messages, write the turn and move the session's tip: three
  transactions on the disk, the first so that two processes never pay for one turn, which the others do not offer;
- LangGraph: one ``graph.invoke`` in its default durability, which reads the state and puts checkpoints and channel writes;
- JSONL: read the transcript, append two lines; ``fork_session`` for a fork. Nothing waits for the disk.

Needs the extra ``bench``; without it this says so and ends well.
"""

import asyncio
import importlib.util
import json
import os
import random
import sqlite3
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import chain
from operator import methodcaller
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any, TypedDict
from unittest.mock import patch

from campaign_lab.agents.phases import builtin_phases
from campaign_lab.brief import Brief
from campaign_lab.sessions.run.claims import look_or_claim
from campaign_lab.store import queries
from campaign_lab.store.duckdb.engine import open_file
from campaign_lab.store.rows import AttemptRow, SessionRow, TurnRow
from campaign_lab.store.transcripts import PROJECT, TurnTranscripts

TURNS, FORKS, FORK_AT, LOADS = 200, 50, 100, 30
MESSAGE_CHARACTERS = 2_000
COLUMNS = ("conversation", "turn", "load", "fork", "disk")
BARS = {"conversation": 1.0, "turn": 1.2, "load": 1.2, "fork": 1.5, "disk": 1.0}
"""How many times SqliteSaver's figure ours may be. A statement takes DuckDB half a millisecond, most of it for the plan."""
WORDS = ("angle", "rate", "renewal", "owner", "proof", "claim", "worry", "saving", "lender", "month", "quiet", "plain", "reader",
         "switch", "letter", "promise", "kettle", "repair", "winter", "price", "garden", "shelf", "answer", "ticket")  # fmt: skip
PHASE = builtin_phases()["ask"]
BRIEF = Brief(url="https://a-brand.example", market="CA", campaign="Neighbours")


class _Stopwatch:
    """Adds up what is spent inside of it, in seconds."""

    def __init__(self) -> None:
        self.spent = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        self.spent += time.perf_counter() - self._began


class _Ours:
    """The lab file."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._loop, self.writing = folder, asyncio.new_event_loop(), _Stopwatch()
        self._file = open_file(folder / "lab.duckdb")
        self._base = SessionRow(
            id="base", owner="ana", campaign="Neighbours", url=BRIEF.url, name="main", endpoint="rehearsal-1", model="m",
            parent_session=None, start_turn=None, tip_turn=None, purpose="", automatic=False, brief=BRIEF.to_json(),
            made_at=datetime.now(UTC),
        )  # fmt: skip
        self._file.call(lambda con: queries.insert(con, [self._base]))
        self._turns: list[str] = []

    def turn(self, asked: str, answered: str) -> None:
        tip = self._turns[-1] if self._turns else None
        self._turns.append(self._run(self._base, tip, (asked, answered)))

    def load(self) -> int:
        return self._messages(self._turns[-1])

    def fork(self, n: int, asked: str, answered: str) -> int:
        at = self._turns[FORK_AT - 1]
        row = SessionRow(**{
            **vars(self._base), "id": str(uuid.uuid4()), "name": f"Angle {n}", "purpose": f"Angle {n}",
            "parent_session": "base", "start_turn": at, "tip_turn": at,
        })  # fmt: skip
        fork = self._file.call(lambda con: queries.get_or_create_fork(con, row, lambda _row: False))
        return self._messages(self._run(fork, at, (asked, answered)))

    def close(self) -> None:
        self._file.close()

    def statements_of(self, work: Callable[[], Any]) -> list[int]:
        """The statements in each transaction of a piece of work."""
        counts: list[int] = []
        submit = self._file.submit

        def counted(f: Callable[[Any], Any], *, scope: str = "") -> Any:
            def count(con: Any) -> Any:
                place = len(counts)
                counts.append(0)

                def execute(*given: Any) -> Any:
                    counts[place] += 1
                    return con.execute(*given)

                return f(SimpleNamespace(execute=execute))

            return submit(count, scope=scope)

        with patch.object(self._file, "submit", counted):
            work()
        return counts

    def _messages(self, turn: str) -> int:
        line = self._file.call(lambda con: queries.ancestry(con, turn))[::-1]
        return len(self._resume(str(uuid.uuid4()), line)[1])

    def _resume(self, attempt: str, line: list[str]) -> tuple[TurnTranscripts, list[Any]]:
        store = TurnTranscripts(self._file, attempt, line)
        found = self._wait(store.load({"project_key": PROJECT, "session_id": attempt})) if line else []
        return store, found or []

    def _run(self, session: SessionRow, parent: str | None, texts: tuple[str, str]) -> str:
        """One turn, with all that the workbench writes for it."""
        now, turn = datetime.now(UTC), str(uuid.uuid4())
        attempt = AttemptRow(
            turn, session.id, parent, turn, PHASE.name, "ana", "running", None, None, now, None, None, "{}"
        )

        def begin(con: Any) -> list[str]:
            line = [before.id for before in queries.short_line_of(con, parent)]
            assert look_or_claim(con, session, attempt).turn is None
            return line

        store, _ = self._resume(turn, self._file.call(begin))
        entries: list[Any] = [_entry(turn, role, text) for role, text in zip(("user", "assistant"), texts, strict=True)]
        with self.writing:
            self._wait(store.append({"project_key": PROJECT, "session_id": turn}, entries))
        row = TurnRow(
            id=turn, session_id=session.id, parent_turn=parent, key=turn, take=1, phase=PHASE.name, message=texts[0], steer="",
            fingerprint=json.dumps(PHASE.fingerprint(), sort_keys=True), brief=BRIEF.to_json(), endpoint="rehearsal-1", model="m",
            user_name="ana", started_at=now, finished_at=now, leaf_uuid=entries[-1]["uuid"], answer=texts[1], missing="[]",
        )  # fmt: skip

        def finish(con: Any) -> None:
            queries.insert(con, [row])
            queries.end_attempt(
                con, AttemptRow(**{**vars(attempt), "state": "finished", "ended_at": now, "cost_usd": 0.0})
            )
            queries.move_tip(con, row)

        self._file.call(finish)
        return turn

    def _wait(self, work: Any) -> Any:
        return self._loop.run_until_complete(work)


class _LangGraph:
    """A graph of one node that answers, checkpointed by SqliteSaver."""

    def __init__(self, folder: Path, *, delta: bool) -> None:
        from langchain_core.messages import AIMessage, HumanMessage
        from langgraph.channels.delta import DeltaChannel
        from langgraph.checkpoint.sqlite import SqliteSaver
        from langgraph.graph import START, MessagesState, StateGraph

        def joined(state: list[Any], writes: Any) -> list[Any]:
            return [*state, *chain.from_iterable(write if isinstance(write, list) else [write] for write in writes)]

        self.writing = writing = _Stopwatch()

        class Timed(SqliteSaver):
            def put(self, *given: Any) -> Any:
                with writing:
                    return super().put(*given)

            def put_writes(self, *given: Any) -> None:
                with writing:
                    super().put_writes(*given)

        class DeltaState(TypedDict):
            messages: Annotated[list, DeltaChannel(joined)]

        self.folder, self._human, self._answer = folder, HumanMessage, ""
        self._connection = sqlite3.connect(folder / "checkpoints.sqlite", check_same_thread=False)
        builder = StateGraph(DeltaState if delta else MessagesState)
        builder.add_node("answer", lambda _state: {"messages": [AIMessage(self._answer, id=str(uuid.uuid4()))]})
        builder.add_edge(START, "answer")
        self._graph = builder.compile(checkpointer=Timed(self._connection))
        self._config: Any = {"configurable": {"thread_id": "base"}}
        self._checkpoints: list[Any] = []

    def turn(self, asked: str, answered: str) -> None:
        self._invoke(self._config, asked, answered)

    def mark(self) -> None:
        """Notes where a fork may start. Not part of a turn."""
        self._checkpoints.append(self._graph.get_state(self._config).config)

    def load(self) -> int:
        return len(self._graph.get_state(self._config).values["messages"])

    def fork(self, n: int, asked: str, answered: str) -> int:
        self._invoke(self._checkpoints[FORK_AT - 1], asked, answered)
        return len(self._graph.get_state(self._config).values["messages"])

    def close(self) -> None:
        self._connection.close()

    def _invoke(self, config: Any, asked: str, answered: str) -> None:
        self._answer = answered
        self._graph.invoke({"messages": [self._human(asked, id=str(uuid.uuid4()))]}, config)


class _Jsonl:
    """The SDK's own files and functions."""

    def __init__(self, folder: Path) -> None:
        from claude_agent_sdk import project_key_for_directory

        self.writing = _Stopwatch()
        os.environ["CLAUDE_CONFIG_DIR"] = str(folder)
        self.folder, self._work = folder, folder / "work"
        self._work.mkdir()
        self._files = folder / "projects" / project_key_for_directory(self._work)
        self._files.mkdir(parents=True)
        self._id, self._leaf, self._leaves = str(uuid.uuid4()), None, []

    def turn(self, asked: str, answered: str) -> None:
        if self._leaf:
            self._messages(self._id)
        self._leaf = self._append(self._id, self._leaf, (asked, answered))
        self._leaves.append(self._leaf)

    def load(self) -> int:
        return self._messages(self._id)

    def fork(self, n: int, asked: str, answered: str) -> int:
        from claude_agent_sdk import fork_session

        made = fork_session(self._id, str(self._work), self._leaves[FORK_AT - 1], f"Angle {n}").session_id
        path = self._files / f"{made}.jsonl"
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        leaf = [line["uuid"] for line in lines if line["type"] in ("user", "assistant")][-1]
        self._append(made, leaf, (asked, answered))
        return self._messages(made)

    def close(self) -> None:
        pass

    def _messages(self, session: str) -> int:
        from claude_agent_sdk import get_session_messages

        return len(get_session_messages(session, str(self._work)))

    def _append(self, session: str, leaf: str | None, texts: tuple[str, str]) -> str:
        with self.writing, (self._files / f"{session}.jsonl").open("a") as file:
            for role, text in zip(("user", "assistant"), texts, strict=True):
                entry = {
                    **_entry(session, role, text),
                    "parentUuid": leaf,
                    "cwd": str(self._work),
                    "isSidechain": False,
                }
                file.write(json.dumps(entry) + "\n")
                leaf = entry["uuid"]
        assert leaf is not None
        return leaf


def main() -> int:
    """Prints the table and the ratios; 1 when one is over its bar."""
    if not all(importlib.util.find_spec(name) for name in ("langgraph", "langgraph.checkpoint.sqlite")):
        print("neighbours: not measured, langgraph is not installed (pip install -e '.[bench]')")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        makers: dict[str, Callable[[Path], Any]] = {
            "ours": _Ours,
            "SqliteSaver": lambda path: _LangGraph(path, delta=False),
            "SqliteSaver, delta channel": lambda path: _LangGraph(path, delta=True),
            "SDK JSONL + fork_session": _Jsonl,
        }
        stores = {}
        for name, make in makers.items():
            (path := Path(folder) / str(len(stores))).mkdir()
            stores[name] = make(path)
        figures = _measure(stores)
    _print_table(figures)
    return _ahead(figures)


def _measure(stores: dict[str, Any]) -> dict[str, dict[str, float]]:
    chance = random.Random(20261122)
    figures: dict[str, dict[str, float]] = {name: {} for name in stores}
    _repeat(stores, figures, "turn", [methodcaller("turn", *_texts(chance)) for _ in range(TURNS)])
    loaded = _repeat(stores, figures, "load", [methodcaller("load")] * LOADS)
    assert set(loaded) == {2 * TURNS}, loaded
    forked = _repeat(stores, figures, "fork", [methodcaller("fork", n, *_texts(chance)) for n in range(FORKS)])
    assert set(forked) == {2 * FORK_AT + 2}, forked
    ours, texts = stores["ours"], _texts(chance)
    works = {"turn": partial(ours.turn, *texts), "load": ours.load, "fork": partial(ours.fork, FORKS, *texts)}
    for what, work in works.items():
        each = ours.statements_of(work)
        print(f"ours, {what}: {sum(each)} statements in {len(each)} transactions ({', '.join(map(str, each))})")
    for name, store in stores.items():
        figures[name]["disk"] = _closed(store) / 1e6
    return figures


def _repeat(stores: dict[str, Any], figures: dict[str, dict[str, float]], what: str, works: list[Any]) -> list[Any]:
    """Does each piece of work in every store; the median in milliseconds goes into the figures."""
    taken: dict[str, list[float]] = {name: [] for name in stores}
    written: dict[str, list[float]] = {name: [] for name in stores}
    results = []
    order = list(stores)
    for place, work in enumerate(works):
        for name in order[place % len(order) :] + order[: place % len(order)]:
            began, before = time.perf_counter(), stores[name].writing.spent
            results.append(work(stores[name]))
            taken[name].append((time.perf_counter() - began) * 1000)
            written[name].append((stores[name].writing.spent - before) * 1000)
            if what == "turn" and isinstance(stores[name], _LangGraph):
                stores[name].mark()
    for name, each in taken.items():
        figures[name][what] = statistics.median(each)
        if what == "turn":
            figures[name]["conversation"] = statistics.median(written[name])
    return results


def _print_table(figures: dict[str, dict[str, float]]) -> None:
    print(
        f"{TURNS} turns of two messages of 2 KB, then {FORKS} forks at turn {FORK_AT}, each with a turn and read again"
    )
    print("  " + " " * 34 + "".join(f"{what + (', MB' if what == 'disk' else ', ms'):>18}" for what in COLUMNS))
    for name, row in figures.items():
        print(f"  {name:34}" + "".join(f"{row[what]:>18.2f}" for what in COLUMNS))
    ours = figures["ours"]
    for name in list(figures)[1:]:
        print(f"  {name + ' / ours':34}" + "".join(f"{figures[name][what] / ours[what]:>18.2f}" for what in COLUMNS))
    for what in COLUMNS:
        ahead = [name for name, row in figures.items() if row[what] < ours[what]]
        print(f"  {what}: {'we lose to ' + ' and to '.join(ahead) if ahead else 'we are ahead of all'}")


def _ahead(figures: dict[str, dict[str, float]]) -> int:
    over = False
    for what, bar in BARS.items():
        ratio = figures["ours"][what] / figures["SqliteSaver"][what]
        print(f"neighbours, {what}: {ratio:.2f} x LangGraph's SqliteSaver (bar {bar:.2f})")
        over |= ratio > bar
    return int(over)


def _entry(session: str, role: str, text: str) -> dict[str, Any]:
    """A message as the CLI writes it down."""
    at = datetime.now(UTC).isoformat()
    content = text if role == "user" else [{"type": "text", "text": text}]
    message = {"role": role, "content": content}
    return {"type": role, "uuid": str(uuid.uuid4()), "sessionId": session, "timestamp": at, "message": message}


def _texts(chance: random.Random) -> tuple[str, str]:
    first, second = (" ".join(chance.choices(WORDS, k=400))[:MESSAGE_CHARACTERS] for _ in range(2))
    return first, second


def _closed(store: Any) -> int:
    """Lets go of the store's files; their bytes."""
    store.close()
    return sum(path.stat().st_size for path in store.folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
