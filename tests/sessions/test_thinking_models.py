"""The whole job with the models that think whatever they are told: as with those that do not, and nothing of it is shown."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.agents.phases import ORDER
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.sessions.history.turns import Turn
from campaign_lab.sessions.session import Session
from campaign_lab.store import queries
from campaign_lab.store.rows import RequestRow, TurnRow
from support.paths import BRIEFS
from support.web.thinking_api import THOUGHT, ThinkingServer, thinks
from support.web.wire import assert_carries, text_of

pytestmark = pytest.mark.usefixtures("process", "slow")
BRIEF = BRIEFS / "termwick-renewals.toml"
PLAIN = "claude-sonnet-4-6"
"""A model that does not think when it is told not to."""
PRICES = {
    "claude-sonnet-5-5": (2.0, 10.0, 0.10, 2.5, 4.0),
    "claude-opus-5-5": (4.0, 20.0, 0.20, 5.0, 8.0),
    "claude-haiku-5-5": (0.1, 0.5, 0.01, 0.125, 0.2),
}
"""List prices: input, output, read, written for 5 minutes and for an hour; written down here, not taken from the code."""

TOKENS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_5m_tokens", "cache_write_1h_tokens")


@dataclass
class Campaign:
    """Research, strategy and copy with one model, a fork that went on from the research, and what was sent."""

    lab: Lab
    session: Session
    fork: Session
    turns: list[Turn]
    forked: Turn
    server: ThinkingServer

    def stored(self, table: type, rest: str = "") -> list[Any]:
        """Rows of the lab."""
        return self.lab._context.engine.call(lambda con: queries.select(con, table, rest))


def campaign(folder: Any, model: str) -> Iterator[Campaign]:
    server = ThinkingServer()
    server.start()
    with Lab(folder / "lab.duckdb", user="ana", endpoint=RehearsalEndpoint(server), model=model) as lab:
        session = lab.session(Brief.load(BRIEF))
        turns = [lab.run_sync(session.run(phase)) for phase in ORDER]
        fork = session.fork("Calm and plain words", at="research")
        yield Campaign(lab, session, fork, turns, lab.run_sync(fork.run("strategy")), server)
    server.stop()


@pytest.fixture(scope="module", params=PRICES)
def thinking(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    """The campaign with each model that thinks."""
    yield from campaign(tmp_path_factory.mktemp("thinking"), request.param)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Turn]]:
    """The turns of the same campaign with a model that does not think."""
    for each in campaign(tmp_path_factory.mktemp("plain"), PLAIN):
        assert not any(thinks(body) for bodies in each.server.wire.values() for body in bodies)
        yield [*each.turns, each.forked]


def in_order(turn: Turn) -> list[str]:
    """The records of a turn; agents that work in parallel hand theirs in as they come."""
    return sorted(kept.body for kept in turn.kept)


def test_records_and_answers_are_those_of_a_model_that_does_not_think(thinking: Campaign, plain: list[Turn]) -> None:
    """Each turn keeps the same records, misses the same, and ends with the same words."""

    made = [*thinking.turns, thinking.forked]
    assert [turn.answer for turn in made] == [turn.answer for turn in plain]
    assert [turn.missing for turn in made] == [turn.missing for turn in plain]
    assert [in_order(turn) for turn in made] == [in_order(turn) for turn in plain]


def test_every_thought_goes_back_as_it_was_signed(thinking: Campaign) -> None:
    """Each thought stands, byte for byte, in every later request of its conversation; none was refused."""
    assert {booked.status for booked in thinking.server.book} == {200}
    assert all(thinks(body) for bodies in thinking.server.wire.values() for body in bodies)
    for requests in thinking.server.wire.values():
        thoughts = [
            block
            for message in requests[-1]["messages"]
            if message["role"] == "assistant"
            for block in message["content"]
            if block["type"] == "thinking"
        ]
        assert len(thoughts) >= len(requests) - 1
        assert all(thought in thinking.server.signed for thought in thoughts)


def test_a_thought_is_never_shown(thinking: Campaign) -> None:
    """It is in no answer, record, table or conversation; only in what the model gets back."""
    assert any(THOUGHT in text_of(request) for requests in thinking.server.wire.values() for request in requests)
    shown = [turn._repr_html_() + turn.answer for turn in (*thinking.turns, thinking.forked)]
    for agent in ("", "brand-intelligence-analyst", "copy-creator"):
        said = thinking.session.conversation(agent)
        assert all(message.text for message in said)
        shown += [message.text for message in said]
    shown += [str(row) for row in thinking.stored(TurnRow)]
    shown += [thinking.lab.compare(thinking.session).to_json(), thinking.lab.timeline(thinking.session).to_json()]
    assert not [text for text in shown if THOUGHT in text]


def test_it_replays_for_nothing_and_is_sound(thinking: Campaign) -> None:
    """From the root again, and on the fork: no request is sent, and all that is stored is whole."""
    before = len(thinking.server.book)
    session = thinking.lab.session(Brief.load(BRIEF))
    again = [thinking.lab.run_sync(session.run(phase, on_miss="refuse")) for phase in ORDER]
    fork = thinking.lab.open(thinking.fork.name, from_start=True)
    again.append(thinking.lab.run_sync(fork.run("strategy", on_miss="refuse")))
    assert [turn.replayed for turn in again] == [True] * 4
    assert [turn.kept for turn in again] == [turn.kept for turn in (*thinking.turns, thinking.forked)]
    assert len(thinking.server.book) == before
    assert [*session.verify(), *fork.verify()] == []


def test_a_fork_and_the_next_phase_carry_the_same_bytes(thinking: Campaign) -> None:
    """The first request of each begins with all that the research said and thought, and reads it from the cache."""
    research, strategy, _ = (each.turn_id or "" for each in thinking.session.checkpoints()[1:])
    fork = thinking.fork.checkpoint().turn_id or ""
    wire, book = thinking.server.wire, thinking.server.book
    usages = {
        turn: [b.usage for b in book if (b.session_id, b.agent) == (turn, "")] for turn in (research, strategy, fork)
    }
    written = usages[research][-1]
    for turn in (strategy, fork):
        assert_carries(wire[turn, ""][0], wire[research, ""][-1])
        read = usages[turn][0]["cache_read_input_tokens"]
        assert read == written["cache_read_input_tokens"] + written["cache_creation_input_tokens"] > 0


def test_every_request_is_booked_at_list_price(thinking: Campaign) -> None:
    """One row per request that was served, to the token, thoughts included; and each turn's receipt is their sum."""
    rows, book = thinking.stored(RequestRow), thinking.server.book
    prices = PRICES[rows[0].model]

    def charged(usage: dict[str, Any]) -> tuple[int, ...]:
        written = usage["cache_creation"]
        return (
            usage["input_tokens"], usage["output_tokens"], usage["cache_read_input_tokens"],
            written["ephemeral_5m_input_tokens"], written["ephemeral_1h_input_tokens"],
        )  # fmt: skip

    booked = {row.message_id: tuple(getattr(row, name) for name in TOKENS) for row in rows}
    assert booked == {each.message_id: charged(each.usage) for each in book}
    assert len(rows) == len(book)
    for row in rows:
        usd = sum(price * tokens for price, tokens in zip(prices, booked[row.message_id], strict=True)) / 1e6
        assert row.cost_usd == pytest.approx(usd, abs=1e-9)
    whole = sum(turn.receipt.cost_usd or 0.0 for turn in (*thinking.turns, thinking.forked))
    assert whole == pytest.approx(sum(row.cost_usd for row in rows), abs=1e-6)


def test_it_is_estimated_by_what_it_cost(thinking: Campaign) -> None:
    """Another take of the copy is expected to cost what the first one did."""
    expected = thinking.session.estimate("copy", take=2)
    assert (expected.basis, expected.usd) == ("recorded", pytest.approx(thinking.turns[2].receipt.cost_usd))


def test_what_it_costs_with_another_model_is_estimated_by_its_tokens(thinking: Campaign) -> None:
    """The research's tokens at the other's price, whatever model they were recorded with."""
    research = thinking.session.checkpoints()[1].turn_id
    rows = thinking.stored(RequestRow, f"WHERE attempt_id = '{research}'")
    prices = PRICES["claude-sonnet-5-5"]
    usd = sum(price * getattr(row, name) for row in rows for price, name in zip(prices, TOKENS, strict=True)) / 1e6
    expected = thinking.session.estimate_by_model(["research"])
    assert expected["claude-sonnet-5-5"] == pytest.approx(usd)
    assert expected[PLAIN] > usd
