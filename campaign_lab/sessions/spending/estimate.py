"""Estimates: about what a turn will cost, before it is run. Never a promise. All amounts are US dollars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from campaign_lab.agents.phases import FETCH_PAGE, Agent, Phase
from campaign_lab.agents.prices import TokenUsage, price_usd
from campaign_lab.money import Sum
from campaign_lab.sessions.run.turn_spec import TurnSpec
from campaign_lab.store import queries
from campaign_lab.store.connection import Con

CHARACTERS_PER_TOKEN = 4
TOKENS_READ_PER_AGENT = 18_000
TOKENS_OF_AN_ORDER = 6_000
TOKENS_WRITTEN = 1_500
"""Typical sizes, for an estimate before anything like it was run: a page is about 2,500 tokens, an agent reads up to six."""

CONVERSATION_TOKENS = 8_000
"""The typical number of tokens sent to the main agent of a phase, including the conversation before it."""


@dataclass(frozen=True)
class Estimate:
    """About what a turn will cost, in US dollars; None when the model has no known price.

    ``basis`` is ``recorded`` (the mean of stored turns like it), ``counted`` (the endpoint counted its message, the rest is
    typical), ``sizes`` (all sizes are typical) or ``replay`` (a stored turn answers).
    """

    usd: float | None
    basis: Literal["recorded", "counted", "sizes", "replay"]


def estimate(con: Con, spec: TurnSpec, message_tokens: int | None = None) -> Estimate:
    """The mean cost of finished turns of the same phase and model; where there are none, the price of typical sizes.

    ``message_tokens`` is the size of the message, where the endpoint has counted it.
    """
    recorded = mean_cost(con, spec.phase.name, spec.model)
    if recorded is not None:
        return Estimate(recorded, "recorded")
    message = len(spec.message) // CHARACTERS_PER_TOKEN if message_tokens is None else message_tokens
    main = _conversation_tokens(con, spec.ancestors) + message
    usd = typical_usd(spec.model, main, spec.phase.agents)
    return Estimate(usd, "sizes" if message_tokens is None else "counted")


def typical_usd(model: str, main_tokens: int, agents: Sequence[Agent]) -> float | None:
    """The US dollars of a turn whose main agent is sent ``main_tokens`` and starts these agents; None without a known price."""
    read = sum(TOKENS_READ_PER_AGENT if FETCH_PAGE in agent.tools else TOKENS_OF_AN_ORDER for agent in agents)
    written = len(agents) * TOKENS_WRITTEN
    uses = (
        TokenUsage(input_tokens=main_tokens, output_tokens=TOKENS_WRITTEN),
        TokenUsage(input_tokens=read, output_tokens=written),
    )
    return Sum.of(price_usd(model, use) for use in uses).whole


def mean_cost(con: Con, phase: str, model: str) -> float | None:
    """The mean US dollars of the stored turns of a phase and model; None when there is none with a known price.

    Also None when the model has no price any more: its earlier costs do not tell the next one.
    """
    if price_usd(model, TokenUsage()) is None:
        return None
    sql = (
        "SELECT avg(attempts.cost_usd) FROM attempts JOIN turns ON turns.id = attempts.id "
        "WHERE turns.phase = ? AND turns.model = ? AND attempts.cost_usd IS NOT NULL"
    )
    row = con.execute(sql, [phase, model]).fetchone()
    return None if row is None or row[0] is None else float(row[0])


def phases_usd(con: Con, phases: Sequence[Phase], model: str) -> float | None:
    """The US dollars of one turn of each phase with the model; None without a known price.

    A turn has the mean tokens of the stored turns of its phase, whatever model made them, so that models can be compared; where
    there are none, typical ones.
    """
    return Sum.of(_phase_usd(con, phase, model) for phase in phases).whole


def _phase_usd(con: Con, phase: Phase, model: str) -> float | None:
    sums = ", ".join(f"sum(requests.{name})" for name in vars(TokenUsage()))
    sql = (
        f"SELECT count(DISTINCT attempts.id), {sums} FROM requests JOIN attempts ON attempts.id = requests.attempt_id "
        "JOIN turns ON turns.id = attempts.id WHERE turns.phase = ? AND attempts.cost_usd IS NOT NULL"
    )
    turns, *tokens = con.execute(sql, [phase.name]).fetchone() or (0,)
    if not turns:
        return typical_usd(model, CONVERSATION_TOKENS, phase.agents)
    return price_usd(model, TokenUsage(*(int(each or 0) // turns for each in tokens)))


def _conversation_tokens(con: Con, line: Sequence[str]) -> int:
    """The tokens of the main conversation of the turns with these ids, by the size of what is stored of it."""
    if not line:
        return 0
    sql = f"SELECT coalesce(sum(length(entry)), 0) FROM entries WHERE subpath = '' AND session_id {queries.IN_LIST}"
    row = con.execute(sql, [list(line)]).fetchone()
    return int(row[0]) // CHARACTERS_PER_TOKEN if row else 0
