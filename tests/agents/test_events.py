"""The board: events folded into one line an agent, in whatever order they come."""

from __future__ import annotations

from functools import reduce

from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.agents.board import AgentLine, TurnBoard
from campaign_lab.agents.events import (
    AgentEnded,
    AgentStarted,
    DeadTurnBooked,
    Event,
    PageAsked,
    PageRead,
    RecordsHandedIn,
    Retrying,
    TokensBooked,
    TurnEnded,
    TurnStarted,
)
from campaign_lab.batch.board import BatchBoard
from campaign_lab.batch.events import BatchStarted
from campaign_lab.money import Sum
from campaign_lab.progress.html import progress_html
from campaign_lab.progress.live import LiveProgress

CALLS = st.sampled_from(["", "c1", "c2", "c3"])
TOKENS = st.integers(0, 10_000)
COSTS = st.none() | st.floats(0, 1)
WITHIN: st.SearchStrategy[Event] = st.one_of(
    st.builds(AgentStarted, CALLS, st.sampled_from(["reader", "writer"]), st.just("job")),
    st.builds(PageAsked, CALLS, st.just("https://a.example/")),
    st.builds(PageRead, CALLS, st.booleans()),
    st.builds(RecordsHandedIn, CALLS, st.just("angle")),
    st.builds(TokensBooked, CALLS, TOKENS, COSTS),
    st.builds(AgentEnded, CALLS, st.booleans(), st.just("gave up")),
    st.builds(Retrying, st.just(1), st.just(3), st.just(2.0), st.just("busy")),
)
BEGIN = TurnStarted("research", ("reader", "writer"))


def folded(*events: Event, board: TurnBoard | None = None) -> TurnBoard:
    return reduce(lambda board, event: board.after(event), events, board or TurnBoard())


def test_a_turn_as_it_goes_well() -> None:
    """Waiting, thinking, reading, saving, done: each agent's line says where it is."""
    board = folded(BEGIN)
    assert [line.words() for line in board.lines.values()] == ["waiting", "waiting"]
    board = folded(AgentStarted("c1", "reader", "the brand"), board=board)
    assert [(line.agent, line.label, line.words()) for line in board.lines.values()] == [
        ("writer", "", "waiting"),
        ("reader", "the brand", "thinking"),
    ]
    board = folded(PageAsked("c1", "u"), PageAsked("c1", "v"), PageRead("c1", True), board=board)
    assert board.lines["c1"].words() == "reading page 2 of 2"
    board = folded(PageRead("c1", False), board=board)
    assert board.lines["c1"].words() == "thinking"
    board = folded(RecordsHandedIn("c1", "angle"), board=board)
    assert board.lines["c1"].words() == "saving"
    board = folded(AgentEnded("c1", True), TurnEnded(True), board=board)
    assert board.lines["c1"].words() == "done, 1 pages read"
    assert board.ended


def test_two_agents_of_one_name_have_a_line_each() -> None:
    """Copy is written by several agents of the same kind: the call tells them apart."""
    board = folded(
        TurnStarted("copy", ("writer",)), AgentStarted("c1", "writer", "Proof"), AgentStarted("c2", "writer", "Calm")
    )
    board = folded(AgentEnded("c2", False, "no answer"), board=board)
    assert {call: line.words() for call, line in board.lines.items()} == {"c1": "thinking", "c2": "failed: no answer"}


def test_a_retry_is_noted_until_something_happens() -> None:
    """Who waits sees why, and for how long."""
    board = folded(BEGIN, Retrying(1, 3, 2.0, "the endpoint answered 529"))
    assert board.note == "the endpoint answered 529; asking again in 2 s (1 of 3)"
    assert folded(TokensBooked("", 5, None), board=board).note == ""


def test_the_cost_of_a_turn_says_what_is_not_known() -> None:
    """An unknown price is no price of 0."""
    started = folded(BEGIN, AgentStarted("c1", "reader", ""))
    assert str(started.cost) == "$0.0000"
    assert str(folded(TokensBooked("c1", 5, None), board=started).cost) == "1 request without a price"
    assert (
        str(folded(TokensBooked("c1", 5, None), TokensBooked("", 5, 0.5), board=started).cost)
        == "$0.5000 and 1 request without a price"
    )


def test_a_turn_that_failed_says_why() -> None:
    """The reason stays on the board."""
    board = folded(BEGIN, TurnEnded(False, "the budget is used up"))
    assert (board.ended, board.note) == (True, "the budget is used up")


def test_a_new_turn_clears_the_board() -> None:
    """Counts of the turn before do not show in the next one."""
    board = folded(BEGIN, AgentStarted("c1", "reader", ""), TokensBooked("c1", 7, 0.1), TurnEnded(True), BEGIN)
    assert board == folded(BEGIN)


@given(st.lists(WITHIN, max_size=40))
def test_counts_never_go_below_zero_or_out_of_step(events: list[Event]) -> None:
    """Whatever comes in whatever order, no count is negative and no page is refused that was not read."""
    board = folded(BEGIN, *events)
    for line in board.lines.values():
        assert 0 <= line.pages_refused <= line.pages_read
        assert min(line.pages_asked, line.tokens, line.cost.usd, board.tokens, board.cost.usd) >= 0
        assert line.words()


@given(st.lists(WITHIN, max_size=40))
def test_tokens_of_agents_that_have_started_all_count(events: list[Event]) -> None:
    """The sum is that of the booked responses, of the main agent and of every agent on the board."""
    started: set[str] = set()
    expected = 0
    for event in events:
        match event:
            case AgentStarted(call) if call in started:
                return  # a call id is never used twice
            case AgentStarted(call):
                started.add(call)
            case TokensBooked(call, tokens) if call == "" or call in started:
                expected += tokens
    assert folded(BEGIN, *events).tokens == expected


@given(st.lists(WITHIN.filter(lambda event: not isinstance(event, AgentStarted)), max_size=20), st.booleans())
def test_an_agent_that_ended_stays_ended(late: list[Event], ok: bool) -> None:
    """A message that comes late does not bring it back; only what it cost is still added."""
    board = folded(BEGIN, AgentStarted("c1", "reader", ""), AgentEnded("c1", ok, "" if ok else "gave up"))
    after = folded(*late, board=board).lines["c1"]
    assert after.state == ("done" if ok else "failed")
    assert after.words() == board.lines["c1"].words()
    assert after.tokens == sum(event.tokens for event in late if isinstance(event, TokensBooked) and event.call == "c1")


@given(st.lists(WITHIN, max_size=20), st.booleans())
def test_a_turn_that_ended_stays_ended(late: list[Event], ok: bool) -> None:
    """Until the next one starts."""
    assert folded(BEGIN, TurnEnded(ok), *late).ended
    assert not folded(BEGIN, TurnEnded(ok), *late, BEGIN).ended


@given(WITHIN)
def test_a_board_is_never_changed_in_place(event: Event) -> None:
    """A panel may keep an earlier board while the next one is made."""
    board = folded(BEGIN, AgentStarted("c1", "reader", ""))
    folded(event, board=board)
    assert board == TurnBoard("research", {"?writer": AgentLine("writer"), "c1": AgentLine("reader", "", "thinking")})


def test_an_event_of_an_agent_that_nobody_knows_is_passed_over() -> None:
    """The board stays as it is."""
    board = folded(BEGIN)
    assert folded(PageAsked("c9", "u"), AgentEnded("c9", True), board=board) == board


def test_what_was_booked_of_a_dead_turn_is_said_to_the_end() -> None:
    """It is told before the turn starts, and stays on the board of the turn, and of the batch, that runs after it."""
    dead = DeadTurnBooked("research", "ana", Sum(0.25), 2, 3)
    words = (
        "An earlier run of research by ana was cut off when its process ended: 2 answered requests booked ($0.2500), "
    )
    assert dead.words == f"{words}3 requests cut: the endpoint may bill that too."
    assert folded(dead, BEGIN, TurnEnded(True)).notices == (dead.words,)
    begun = BatchStarted(total=2, todo=2, kept=0, workers=1, estimate_usd=None)
    assert reduce(lambda board, event: board.after(event), (dead, begun), BatchBoard()).notices == (dead.words,)
    live = LiveProgress(TurnBoard())
    for event in (dead, BEGIN):
        live.on_event(event)
    assert "3 requests cut" in progress_html(live.view())
