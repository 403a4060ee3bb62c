"""``campaign-lab run``: runs the phases of a campaign, shows live progress, and prints the campaign."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from campaign_lab.agents.board import TurnBoard
from campaign_lab.agents.phases import ORDER
from campaign_lab.batch.plan.briefs import BRIEF_FILES
from campaign_lab.brief import Brief
from campaign_lab.cli.exit_codes import FAILED, REFUSED
from campaign_lab.cli.terminal.printing import note, print_json, say
from campaign_lab.cli.terminal.questions import market, refusal
from campaign_lab.errors import MarketUnknown, PhaseOrderError
from campaign_lab.lab import Lab
from campaign_lab.money import NOTHING, price_words, usd
from campaign_lab.records import RECORD_TYPES
from campaign_lab.sessions.history.turns import Turn
from campaign_lab.sessions.session import Session
from campaign_lab.sessions.spending.receipts import joined
from campaign_lab.show.text import and_take

DEFAULT_PHASES = ",".join(ORDER)


def run(args: argparse.Namespace) -> int:
    """Take a website through research, strategy and copy; run again, it replays for nothing."""
    from campaign_lab.cli.terminal.campaign import print_campaign
    from campaign_lab.cli.terminal.progress import TerminalProgress

    if (args.site is None) == (args.session is None):
        raise ValueError("BRIEF: give a brief, a web address or a folder, or else --session NAME")
    phases = DEFAULT_PHASES if args.phases is None else args.phases
    names = [name.strip() for name in phases.split(",") if name.strip()]
    if not names:
        raise ValueError(f"--phases: '' names no phase; expected a list such as {DEFAULT_PHASES}")
    with Lab(args.lab, user=args.user, endpoint=args.endpoint, model=args.model) as lab:
        lab.known_phases(names)
        if args.session is None:
            session = lab.session(_brief(args))
        else:
            session = lab.open(args.session, from_start=True)
            done = {each.phase for each in session.checkpoints()}
            names = names if args.phases else [name for name in names if name not in done]
        if session.notice:
            note(session.notice)
        if names:
            session.go_on_for(names[0])
        if refused := _refusal(session, names, args):
            return say(refused, REFUSED)
        with TerminalProgress(TurnBoard(), quiet=args.json) as progress:
            turns, stopped = _run_phases(lab, session, names, args, progress=progress)
        result = to_json(lab, session, turns)
        if args.json:
            print_json(result)
        else:
            print_campaign(result, turns)
    return say(stopped, FAILED) if stopped else 0


def _brief(args: argparse.Namespace) -> Brief:
    """Returns the brief that the arguments name; asks for its market where nothing tells it. Raises BriefError."""
    codes = {"market": args.market, "language": args.language}
    try:
        return brief_of(args.site, args.competitor, **codes)
    except MarketUnknown:
        return brief_of(args.site, args.competitor, **codes | {"market": market(json=args.json)})


def brief_of(site: str, competitors: Sequence[str] | None, **codes: str | None) -> Brief:
    """Returns the brief of a file, or a new one for a web address or a folder. The other arguments override its fields.

    Raises BriefError.
    """
    rivals = list(competitors) if competitors else None
    if Path(site).suffix.lower() in BRIEF_FILES:
        return Brief.load(site, competitors=rivals, **codes)
    return Brief(url=site, competitors=rivals or [], **codes)


def to_json(lab: Lab, session: Session, turns: Sequence[Turn]) -> dict[str, Any]:
    """Returns the campaign as one JSON object: session, endpoint, user, records by kind, missing, receipt, checkpoints."""
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
    """Returns all turns as one receipt, in US dollars: what this run paid, and what all turns cost when they were made."""
    whole = joined([turn.receipt for turn in turns]).to_json()
    paid = sum((turn.receipt.cost for turn in turns if turn.receipt.paid), NOTHING)
    whole["paid"], whole["paid_unpriced_requests"] = paid.known, paid.unpriced
    whole["replayed"] = [turn.phase for turn in turns if turn.replayed]
    return whole


def _run_phases(
    lab: Lab, session: Session, names: Sequence[str], args: argparse.Namespace, *, progress: Any
) -> tuple[list[Turn], PhaseOrderError | None]:
    """Runs the phases in order and returns their turns. ``--take`` and ``--fresh`` apply to the first phase.

    When an earlier phase made nothing that the next one could use, it ends there and returns the error, too.
    """
    turns: list[Turn] = []
    options: dict[str, Any] = {"take": args.take, "fresh_pages": args.fresh}
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
    how += f"; {turn.older}" if turn.older else ""
    how += "; the session had gone on differently, so a fork was made for it" if turn.forked else ""
    return f"{turn.phase}{and_take(turn.take)}: {how}"


def _refusal(session: Session, names: Sequence[str], args: argparse.Namespace) -> str:
    """Returns why no new answer is made next to the stored ones: nobody agreed to its price. Empty: go on."""
    if args.yes or not (args.fresh or args.take):
        return ""
    expected = session.estimate_all(names, take=args.take, fresh_pages=args.fresh)
    if expected.basis == "replay":
        return ""
    price = price_words(expected.usd, unpaid=session.endpoint.startswith("rehearsal"))
    by_model = ", ".join(f"{usd(cost)} with {model}" for model, cost in session.estimate_by_model(names).items())
    return refusal(f"Run {', '.join(names)} anew, {price}? (The same work costs about {by_model}.)", json=args.json)
