"""The campaign that an older version ran, call by call: run again in a lab of that version, all of it replays.

It uses only what all versions since 68e4478 have.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from campaign_lab import Brief, Lab
from campaign_lab.agents.phases import Phase
from campaign_lab.errors import LabError
from campaign_lab.records import CopyVariant

if TYPE_CHECKING:
    from campaign_lab.sessions.history.turns import Turn

USERS = ("ana", "ben")
UNPRICED_MODEL = "house-model-1"
"""A model whose price nobody knows."""


def _boasts(
    research: Mapping[str, list[dict[str, Any]]], task: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Texts with faults: too long, unquoted, badly worded, and one that is no text at all; and one line of what is missing."""
    promise = research["brand_profile"][0]["promise"]
    invented = {
        "text": "It has 9,999 lenders.",
        "evidence": [{"quote": "We have 9,999 lenders today", "url": "https://termwick.example/none.html"}],
    }
    plain = {
        "angle": task["angle"], "headline": "Compare first", "primary_text": "Compare before you sign.", "description": "See all",
        "call_to_action": "LEARN_MORE", "language": "en-CA", "claims": [promise],
    }  # fmt: skip
    return [
        plain,
        plain | {"headline": "A headline that goes on for so long that nobody will ever read it to its end"},
        plain
        | {"headline": "Guaranteed approval", "primary_text": "Bad credit? Act now, [name]: 1.2% on every mortgage!!!"},
        plain | {"headline": "9,999 lenders", "claims": [invented]},
        plain | {"headline": "No such button", "call_to_action": "CLICK_HERE"},
    ], ["boasts: nobody was found to boast about"]


BOAST = Phase(
    name="boast", prompt="Boast.\n\n```json\n$task\n```\n", makes=(CopyVariant,), needs=("brand_profile",), shows=("language",),
    arguments={"angle": ""}, rehearse=_boasts,
)  # fmt: skip
"""A phase of the user's own, whose records have findings of every kind."""


def campaign(open_lab: Callable[..., Lab], briefs: Path) -> list[Turn]:
    """Ana's campaign with forks, a question, a purpose and judgements, which Ben sees and judges. Returns all turns of it.

    ``open_lab(user, …)`` opens the lab; it is closed here.
    """
    with open_lab("ana", phases=[BOAST]) as lab:
        turns = _by_ana(lab, Brief.load(briefs / "termwick-renewals.toml"))
    with open_lab("ben") as lab:
        main = lab.open("main")
        turns.append(lab.run_sync(main.fork("Ben's doubts", at="strategy").ask("Which claim is the weakest?")))
        main.rate(main.kept("copy_variant")[1].id, pick="reject", rating=2, note="Dull")
    with open_lab("ana", model=UNPRICED_MODEL) as lab:
        cheap = lab.session(Brief.load(briefs / "termwick-renewals.toml"), name="cheap")
        turns.append(lab.run_sync(cheap.run("research")))
    return turns


def _by_ana(lab: Lab, brief: Brief) -> list[Turn]:
    main = lab.session(brief, asked_by="the board")
    turns = [lab.run_sync(main.run("research")), lab.run_sync(main.run("strategy"))]
    angles = [kept.label for kept in main.kept("angle")]
    turns += [
        lab.run_sync(main.run("copy", angles=angles[:2])),
        lab.run_sync(main.ask("What do they say about rates?")),
    ]
    first = main.kept("copy_variant")[0]
    main.rate(first.id, pick="pick", rating=5, note="It says <b>what</b> it is & for whom.")
    main.share("ben", "fork")

    calm = main.fork("Calm and plain", at="research")
    turns.append(lab.run_sync(calm.run("strategy")))
    turns.append(lab.run_sync(calm.run("copy", angles=[calm.kept("angle")[0].label], variants=3)))
    turns.append(lab.run_sync(calm.run("boast", angle=calm.kept("angle")[0].label)))

    steered = main.fork("Numbers first", at="research")
    turns.append(
        lab.run_sync(steered.run("strategy", steer="Begin with a number that can be checked.", count=3, take=1))
    )
    turns.append(lab.run_sync(steered.run("copy", steer="One figure in each text.", variants=1)))
    again = main.fork("A second answer", at="research")
    turns += [lab.run_sync(again.run("strategy", take=take)) for take in (1, 2)]
    return turns


def in_vain(lab: Lab, briefs: Path) -> None:
    """A turn that is stopped by its budget: it is booked, and nothing else of it stays."""
    session = lab.session(Brief.load(briefs / "termwick-renewals.toml"), name="in vain")
    with contextlib.suppress(LabError):
        lab.run_sync(session.run("research", budget_usd=0.0001))
