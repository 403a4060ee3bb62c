"""What other processes do with a shared lab file, in the tests here and in bench/processes.py."""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from typing import Any

from campaign_lab import Brief, Lab
from campaign_lab.agents.phases import builtin_phases
from campaign_lab.errors import LabError
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.sessions.keys import root_key, turn_key
from campaign_lab.sessions.run.claims import look_or_claim
from campaign_lab.sessions.session import Session
from campaign_lab.store import queries
from campaign_lab.store.rows import AttemptRow, SessionRow, TurnRow
from campaign_lab.store.transcripts import PROJECT, TurnTranscripts

PRELOAD = ["pytest", "duckdb", "campaign_lab.store.transcripts"]
"""What the server that these processes are forked from has loaded; the same as in the tests of the store."""
BRIEF = Brief(url="https://a-brand.example", market="CA", campaign="Shared")
ASK = builtin_phases()["ask"]
ONE_QUESTION = "What do customers fear most when their term ends?"
FORKS = 0.3
"""Which share of the rounds is a fork."""

Tell = Callable[[str, str, float], None]
"""Hears kind and id of each row that is stored for good, and the milliseconds that it took."""


def talk(path: str, told: Connection, name: str, rounds: int) -> None:
    """With the real CLI: asks what all others ask at the same time, then asks its own in forks of its own."""
    noon = datetime(2026, 3, 7, 13, 0, tzinfo=UTC)  # an hour after the researched file was made
    with Lab(path, user="ana", endpoint=RehearsalEndpoint(now=lambda: noon), now=lambda: noon) as lab:
        told.recv()
        shared = lab.run_sync(lab.open("main").ask(ONE_QUESTION))
        told.send(("shared", shared.key, shared.replayed))
        for n in range(rounds):
            fork = lab.open("main").fork(f"{name}, fork {n}", at="strategy")
            for m in range(2):
                lab.run_sync(fork.ask(f"{name} asks {n}.{m}: what is the promise?"))
            told.send(("fork", fork.id, [checkpoint.turn_id for checkpoint in fork.checkpoints()[-2:]]))
        told.send(None)


def write_until(path: str, told: Connection, seed: int, seconds: float) -> None:
    """Without a CLI: turns and forks in the session that all share, until the time is over or somebody kills us."""
    writer = Writer(path, lambda kind, row, ms: told.send((kind, row, ms)))
    chance, end = random.Random(seed), time.monotonic() + seconds
    n = 0
    while time.monotonic() < end:
        n += 1
        writer.round(f"{seed}.{n}", forked=chance.random() < FORKS)
    writer.lab.close()
    told.send(None)


def read_until(path: str, told: Connection, _seed: int, seconds: float) -> None:
    """Reads the session that all share, over and over; an error is told as ``refused``."""
    end = time.monotonic() + seconds
    with Lab(path, user="ana", endpoint="rehearsal") as lab:
        while time.monotonic() < end:
            began = time.perf_counter()
            try:
                said = lab.open("main").conversation()
                told.send(("read", str(len(said)), _ms(began)))
            except LabError as error:
                told.send(("refused", str(error), _ms(began)))
            time.sleep(0.2)
    told.send(None)


class Writer:
    """Turns and forks as the session layer writes them down, with the conversation made up."""

    def __init__(self, path: str, tell: Tell) -> None:
        self.lab = Lab(path, user="ana", endpoint="rehearsal", session_ttl="1w")
        self.lab.session(BRIEF)
        self._file, self._tell, self._loop = self.lab._context.engine, tell, asyncio.new_event_loop()

    def round(self, name: str, *, forked: bool) -> None:
        """A turn at the tip of the shared session; or a fork of it, and a turn there."""
        session = self.lab.open("main")
        if forked:
            began = time.perf_counter()
            session = session.fork(f"Fork {name}")
            self._tell("session", session.id, _ms(began))
        began = time.perf_counter()
        self._tell("turn", self._turn(session, f"Question {name}"), _ms(began))

    def _turn(self, session: Session, question: str) -> str:
        (row,) = self._file.call(lambda con: queries.select(con, SessionRow, "WHERE id = ?", [session.id]))
        line = self._file.call(lambda con: queries.line_of(con, row.tip_turn))
        began, parent = datetime.now(UTC), line[-1] if line else None
        message = ASK.message(BRIEF, arguments={"question": question})
        key = turn_key(parent.key if parent else root_key(row.endpoint, row.model), message, ASK.fingerprint(), 1)
        attempt = AttemptRow(
            id=str(uuid.uuid4()), session_id=row.id, parent_turn=row.tip_turn, key=key, phase=ASK.name, user_name="ana",
            state="running", cause=None, reason=None, started_at=began, ended_at=None, cost_usd=None, versions="{}",
        )  # fmt: skip
        found = self._file.call(lambda con: look_or_claim(con, row, attempt))
        assert found.turn is None
        assert found.busy is None
        leaf = self._converse(attempt.id, [turn.id for turn in line], question)
        turn = TurnRow(
            id=attempt.id, session_id=row.id, parent_turn=row.tip_turn, key=key, take=1, phase=ASK.name, message=message,
            steer="", fingerprint=json.dumps(ASK.fingerprint(), sort_keys=True), brief=BRIEF.to_json(),
            endpoint=row.endpoint, model=row.model, user_name="ana", started_at=began, finished_at=datetime.now(UTC),
            leaf_uuid=leaf, answer=f"The answer to {question}", missing="[]",
        )  # fmt: skip
        self._file.call(lambda con: _finish(con, turn, attempt))
        return turn.id

    def _converse(self, attempt: str, line: list[str], question: str) -> str:
        """Resumes as the CLI does, and appends two entries, one after the other; the uuid of the last."""
        store: Any = TurnTranscripts(self._file, attempt, line)
        key = {"project_key": PROJECT, "session_id": attempt}
        if line:
            assert len(self._loop.run_until_complete(store.load(key))) == 2 * len(line)
        uuids = [str(uuid.uuid4()) for _ in range(2)]
        for role, uid, text in zip(("user", "system"), uuids, (question, "word " * 300), strict=True):
            entry = {"type": role, "uuid": uid, "sessionId": attempt, "message": {"role": role, "content": text}}
            began = time.perf_counter()
            self._loop.run_until_complete(store.append(key, [entry]))
            self._tell("append", uid, _ms(began))
        return uuids[-1]


def _finish(con: queries.Con, turn: TurnRow, attempt: AttemptRow) -> None:
    ended = AttemptRow(**{**vars(attempt), "state": "finished", "ended_at": turn.finished_at, "cost_usd": 0.0})
    queries.insert(con, [turn])
    queries.end_attempt(con, ended)
    queries.move_tip(con, turn)


def _ms(began: float) -> float:
    return (time.perf_counter() - began) * 1000
