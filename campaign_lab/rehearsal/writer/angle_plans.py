"""Plans of angles: claims of the research, spread over motivations so that no two angles share a claim."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from campaign_lab.checks import breaches, likeness
from campaign_lab.checks.evidence import fold
from campaign_lab.records import MOTIVATIONS
from campaign_lab.rehearsal.analyst.selection import SHORT, score
from campaign_lab.rehearsal.analyst.sentences import Passage, cues, language_of
from campaign_lab.rehearsal.writer.phrasebook import phrases
from campaign_lab.rehearsal.writer.typography import is_speech

PROOFS = 4
"""An angle leans on at most so many claims."""
BODY = 112
"""A claim up to this length leaves room for a word of our own in a primary text."""
ALIKE = 75.0
"""Two angles must not lean on claims that are more alike than this (token_set_ratio, 0 to 100)."""

_FIELD_SUITS = {
    "words": ("social_proof", 3.0), "pains": ("pain", 1.5), "desires": ("outcome", 1.0), "triggers": ("urgency", 1.5),
    "audience": ("identity", 2.0), "differentiators": ("contrarian", 1.5), "promise": ("outcome", 1.0),
}  # fmt: skip
_WEIGHTS = {
    "contrarian": 2.0, "social_proof": 2.0, "identity": 1.8, "pain": 1.6, "outcome": 1.5, "urgency": 1.3,
    "curiosity": 1.3, "comparison": 1.3,
}  # fmt: skip
"""What one cue word is worth: those of some motivations are rarer and say more."""
_WITHOUT_CUE = {"pain": 40.0, "comparison": 60.0, "contrarian": 70.0, "urgency": 90.0, "social_proof": 120.0}
"""Motivations that are a pretence without a claim that speaks of them: taken last, in this order."""


FieldClaim = tuple[dict[str, Any], str]
"""A claim of the research, and the field of the record that it stands in."""


@dataclass(frozen=True, slots=True)
class Steer:
    """What a strategist's steer asks for."""

    text: str = ""
    motivations: tuple[str, ...] = ()
    tone: str = ""
    persona: str = ""
    claims: tuple[re.Pattern[str], ...] = ()


@dataclass(slots=True)
class AnglePlan:
    """A planned angle: its motivation and its claims, the main claim first."""

    motivation: str
    claims: list[dict[str, Any]] = field(default_factory=list)


def read_steer(steer: str, names: Mapping[str, str], language: str) -> Steer:
    """What the words of a steer ask for. ``names`` maps possible names of angles to their motivation."""
    text = " ".join(steer.split())
    rows = [row for row in phrases(language)["steer"] if re.search(row["words"], text, re.IGNORECASE)]
    wanted = [motivation for name, motivation in names.items() if " ".join(name.split()).casefold() in text.casefold()]
    wanted += [m for m in MOTIVATIONS if re.search(rf"\b{m.replace('_', '[ _-]')}\b", text, re.IGNORECASE)]
    wanted += [motivation for row in rows for motivation in row["motivations"]]
    persona = re.search(phrases(language)["persona"], text)
    patterns = tuple(re.compile(row["claims"], re.IGNORECASE) for row in rows)
    tone = rows[0]["tone"] if rows else ""
    return Steer(text, tuple(dict.fromkeys(wanted)), tone, persona.group(1).strip() if persona else "", patterns)


def usable_claims(research: Mapping[str, Sequence[Mapping[str, Any]]]) -> list[FieldClaim]:
    """The brand's claims in the research, each once with its field; none that an advertisement must not make."""
    found: dict[str, FieldClaim] = {}
    records = [*research.get("brand_profile", ()), *research.get("customer_insight", ())]
    for record in records:
        for name, value in record.items():
            for claim in [value] if name == "promise" else value if isinstance(value, list) else []:
                if not isinstance(claim, dict) or "text" not in claim or name == "objections":
                    continue
                broken = (rule for rule, _ in breaches(claim["text"]))
                blocked = any(rule.severity == "block" or rule.id == "orders" for rule in broken)
                if not blocked and not claim["text"].endswith("?"):
                    found.setdefault(fold(claim["text"]).rstrip(".").casefold(), (claim, name))
    return list(found.values())


def plans(claims: Sequence[FieldClaim], *, steer: Steer, count: int) -> list[AnglePlan]:
    """At most ``count`` angles of different motivations, each with an anchor of its own and up to three more claims."""
    common = language_of("\n".join(claim["text"] for claim, _ in claims))
    values = {
        (at, motivation): _value(claim, name, motivation, steer=steer, common=common) - at / 60
        for at, (claim, name) in enumerate(claims)
        for motivation in MOTIVATIONS
    }
    order = [motivation for motivation in steer.motivations if motivation in MOTIVATIONS]
    chosen: dict[str, int] = {}
    for alike in (ALIKE, 100.1):
        for motivation in order:
            _anchor(chosen, values, claims, motivations=[motivation], alike=alike)
        while len(chosen) < count and _anchor(chosen, values, claims, motivations=MOTIVATIONS, alike=alike):
            pass
    made = [AnglePlan(motivation, [claims[at][0]]) for motivation, at in list(chosen.items())[:count]]
    _fill(made, values, claims)
    return made


Values = Mapping[tuple[int, str], float]
"""The value of each claim, by its place, for each motivation."""


def _anchor(
    chosen: dict[str, int], values: Values, claims: Sequence[FieldClaim], *, motivations: Sequence[str], alike: float
) -> bool:
    """Adds the best pair of a free motivation and a free claim. False when there is none."""
    taken = [claims[at][0]["text"] for at in chosen.values()]
    left = [motivation for motivation in motivations if motivation not in chosen]
    unlike = (at for at, (claim, _) in enumerate(claims) if not _like(claim["text"], taken, alike))
    pairs = [(at, motivation) for at in unlike if at not in chosen.values() for motivation in left]
    fitting = [pair for pair in pairs if values[pair] > -30 or alike > ALIKE]
    if fitting:
        at, motivation = max(fitting, key=lambda pair: (values[pair], -pair[0], -MOTIVATIONS.index(pair[1])))
        chosen[motivation] = at
    return bool(fitting)


def _fill(made: Sequence[AnglePlan], values: Values, claims: Sequence[FieldClaim]) -> None:
    """Gives each plan more claims in turn, of the length it lacks: short for headlines, middling for texts."""
    used = {id(plan.claims[0]) for plan in made}
    for _ in range(PROOFS - 1):
        for plan in made:
            others = [claim["text"] for other in made for claim in other.claims]
            free = [
                (values[at, plan.motivation] + _lack(plan, claim), -at)
                for at, (claim, _) in enumerate(claims)
                if id(claim) not in used and not _like(claim["text"], others, ALIKE)
            ]
            best = max(free, default=(-99.0, 0))
            if best[0] > -30:
                plan.claims.append(claims[-best[1]][0])
                used.add(id(claims[-best[1]][0]))


def _like(text: str, others: Sequence[str], threshold: float) -> bool:
    return any(likeness(text, other) >= threshold for other in others)


def _lack(plan: AnglePlan, claim: Mapping[str, Any]) -> float:
    short = sum(len(own["text"]) <= SHORT for own in plan.claims)
    body = sum(SHORT < len(own["text"]) <= BODY for own in plan.claims)
    length = len(claim["text"])
    if length <= SHORT and short < 2:
        return 4.0 + (_WITHOUT_CUE.get(plan.motivation, 0.0) if body > 1 else 0.0)
    return 2.0 if SHORT < length <= BODY and body < 2 else 0.0


def _value(claim: Mapping[str, Any], name: str, motivation: str, *, steer: Steer, common: str) -> float:
    """How well a claim carries a motivation. ``common`` is the language of most claims."""
    text = claim["text"]
    language = language_of(text, common)
    known = cues(language)
    hits = len({match.group().lower() for match in known.tables["motivation"][motivation].finditer(text)})
    speech = is_speech(text)
    if motivation == "social_proof" and speech:
        hits += 2
    suits, weight = _FIELD_SUITS.get(name, ("", 0.0))
    points = _WEIGHTS[motivation] * min(hits, 3) - (0 if hits else 1.5) + (weight if suits == motivation else 0.0)
    points += sum(bool(cue.search(text)) for cue in steer.claims) if hits else 0
    points += 0.5 * len(set(re.findall(r"\w{4,}", steer.text.lower())) & set(re.findall(r"\w{4,}", text.lower())))
    dangling = bool(known.patterns["dangling"].match(text))
    points += 0.5 * score(Passage(text, (), claim["evidence"][0]["url"], "", language, 0, dangling))
    points -= 2.0 if speech and motivation != "social_proof" else 0.0
    return points - (0.0 if hits else _WITHOUT_CUE.get(motivation, 0.0))
