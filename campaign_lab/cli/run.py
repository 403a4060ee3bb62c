"""``campaign-lab run``: the main job, with live progress, and the campaign at its end."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from campaign_lab.agents.board import TurnBoard
from campaign_lab.agents.phases import ORDER
from campaign_lab.brief import Brief
from campaign_lab.cli.exit_codes import FAILED, REFUSED
from campaign_lab.cli.terminal.printing import note, print_json, say
from campaign_lab.cli.terminal.questions import market, refusal
from campaign_lab.errors import MarketUnknown, PhaseOrderError
from campaign_lab.lab import DEFAULT_MODEL, Lab
from campaign_lab.money import NOTHING
from campaign_lab.records import RECORD_TYPES
from campaign_lab.sessions.history.turns import Turn
from campaign_lab.sessions.session import Session
from campaign_lab.sessions.spending.receipts import joined
from campaign_lab.show import price_words
from campaign_lab.show.text import and_take

DEFAULT_PHASES = ",".join(ORDER)
BRIEF_FILES = (".toml", ".yaml", ".yml")


def run(given: argparse.Namespace) -> int:
    """Runs the phases and prints the campaign. Returns the exit code."""
    from campaign_lab.cli.terminal.campaign import print_campaign
    from campaign_lab.cli.terminal.progress import TerminalProgress

    if (given.site is None) == (given.session is None):
        raise ValueError("BRIEF: give a brief, a web address or a folder, or else --session NAME")
    names = [
        name.strip() for name in (DEFAULT_PHASES if given.phases is None else given.phases).split(",") if name.strip()
    ]
    if not names:
        raise ValueError(f"--phases: '' names no phase; expected a list such as {DEFAULT_PHASES}")
    with Lab(given.lab, user=given.user, endpoint=given.endpoint, model=given.model or DEFAULT_MODEL) as lab:
        lab.known_phases(names)
        if given.session is None:
            session = lab.session(_brief(given))
        else:
            session = lab.open(given.session, from_start=True)
            done = {each.phase for each in session.checkpoints()}
            names = names if given.phases else [name for name in names if name not in done]
        if session.notice:
            note(session.notice)
        if names:
            session.go_on_for(names[0])
        if refused := _refusal(session, names, given):
            return say(refused, REFUSED)
        with TerminalProgress(TurnBoard(), quiet=given.json) as progress:
            turns, stopped = _run_phases(lab, session, names, given, progress=progress)
        result = to_json(lab, session, turns)
        if given.json:
            print_json(result)
        else:
            print_campaign(result, turns)
    return say(stopped, FAILED) if stopped else 0


def _brief(given: argparse.Namespace) -> Brief:
    """The brief that the arguments mean; its market is asked for where nothing tells it. Raises BriefError."""
    codes = {"market": given.market, "language": given.language}
    try:
        return brief_of(given.site, given.competitor, **codes)
    except MarketUnknown:
        return brief_of(given.site, given.competitor, **codes | {"market": market(json=given.json)})


def brief_of(site: str, competitors: Sequence[str] | None, **codes: str | None) -> Brief:
    """The brief in a file, or one made for a web address or a folder; what is given beside replaces it. Raises BriefError."""
    rivals = list(competitors) if competitors else None
    if Path(site).suffix.lower() in BRIEF_FILES:
        return Brief.load(site, competitors=rivals, **codes)
    return Brief(url=site, competitors=rivals or [], **codes)


def to_json(lab: Lab, session: Session, turns: Sequence[Turn]) -> dict[str, Any]:
    """The campaign as one JSON object: session, endpoint, user, records by kind, what is missing, receipt, checkpoints."""
    records: dict[str, list[dict[str, Any]]] = {record.kind: [] for record in RECORD_TYPES}
    for turn in turns:
        for kept in turn.kept:
            records.setdefault(kept.kind, []).append(kept.to_json())
    return {
        "session": {"name": session.name, "campaign": session.brief.campaign, "url": session.brief.url},
        "endpoint": session.endpoint,
        "user": lab.user,
        "records": records,
        "missing": [line for turn in turns for line in turn.missing],
        "receipt": _receipt(turns),
        "checkpoints": [
            {"number": each.number, "phase": each.phase, "key": each.key, "turn": each.turn_id}
            for each in session.checkpoints()
        ],
    }


def _receipt(turns: Sequence[Turn]) -> dict[str, Any]:
    """All turns as one receipt: what was paid this time, and what all of it once cost."""
    whole = joined([turn.receipt for turn in turns]).to_json()
    paid = sum((turn.receipt.cost for turn in turns if turn.receipt.paid), NOTHING)
    whole["paid"], whole["paid_unpriced_requests"] = paid.known, paid.unpriced
    whole["replayed"] = [turn.phase for turn in turns if turn.replayed]
    return whole


def _run_phases(
    lab: Lab, session: Session, names: Sequence[str], given: argparse.Namespace, *, progress: Any
) -> tuple[list[Turn], PhaseOrderError | None]:
    """The phases in order. When those before it made nothing for one to work on, the turns so far and the error that says why.

    A take, and fresh pages, are asked of the first phase; the others follow it.
    """
    turns: list[Turn] = []
    options: dict[str, Any] = {"take": given.take, "fresh_pages": given.fresh}
    for name in names:
        try:
            turns.append(lab.run_sync(session.run(name, on_event=progress.on_event, **options)))
        except PhaseOrderError as error:
            if not turns:
                raise
            return turns, error
        progress.done(_done_words(turns[-1], progress.elapsed_s))
        options = {}
    return turns, None


def _done_words(turn: Turn, elapsed_s: float) -> str:
    how = "replayed, nothing paid" if turn.replayed else f"done in {elapsed_s:.1f} s"
    how += "; the session had gone on differently, so a fork was made for it" if turn.forked else ""
    return f"{turn.phase}{and_take(turn.take)}: {how}"


def _refusal(session: Session, names: Sequence[str], given: argparse.Namespace) -> str:
    """Why an answer beside those that are stored is not made: nobody agreed to its price. Empty: go on."""
    if given.yes or not (given.fresh or given.take):
        return ""
    expected = session.estimate_all(names, take=given.take, fresh_pages=given.fresh)
    if expected.basis == "replay":
        return ""
    price = price_words(expected.usd, unpaid=session.endpoint.startswith("rehearsal"))
    return refusal(f"Run {', '.join(names)} anew, {price}?", json=given.json)
