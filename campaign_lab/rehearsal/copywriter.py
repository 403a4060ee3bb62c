"""The rehearsal writer: angles out of research, advertisement texts out of angles. Every fact in them is a claim of the research.

Pure and deterministic: where there is a choice of phrases, a checksum of brand and angle makes it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from campaign_lab.checks import breaches, graphemes, limit_of, near_duplicates, sentences_in
from campaign_lab.records import MOTIVATIONS
from campaign_lab.rehearsal.analyst import LOOKING_FOR, site_table
from campaign_lab.rehearsal.planning import Plan, Steer, is_speech, phrases, plans, read_steer, usable_claims
from campaign_lab.rehearsal.sentences import cues, language_of
from campaign_lab.rehearsal.texts import Line, calmed, figures, fill, headlines, quotable, whole

Record = dict[str, Any]
LABEL = 80
_TONES = ("warm", "direct", "personal")
"""Traits of a voice that a closing phrase can share."""


def angles(
    research: Mapping[str, Sequence[Mapping[str, Any]]], *, steer: str, count: int, language: str, task: Mapping[str, Any]
) -> tuple[list[Record], list[str]]:
    """Up to ``count`` Angles in JSON, of different motivations, and what is missing in plain words.

    ``research`` holds records by kind, ``task`` the brief's fields. ``steer`` says what the strategist wants first.
    """
    profile = next(iter(research.get("brand_profile", ())), None)
    if profile is None:
        return [], ["angles: the research holds no brand profile, so there is no claim to build on"]
    claims = usable_claims(research)
    topic = _topic(research)
    wanted = read_steer(steer, _names(topic, language), language)
    made = plans(claims, steer=wanted, count=count)
    shared = {"profile": profile, "research": research, "steer": wanted, "topic": topic, "language": language, "task": task}
    records = [_angle(plan, place, shared) for place, plan in enumerate(made)]
    return records, [*_gaps(len(records), count, len(claims)), *_language_note(language, claims), *_steer_note(wanted)]


def variants(
    angle: Mapping[str, Any], *, brand: str, voice: Mapping[str, Any], evidence: Sequence[Mapping[str, Any]],
    language: str, count: int,
) -> tuple[list[Record], list[str]]:  # fmt: skip
    """``count`` CopyVariants in JSON for one angle, and what is missing. ``evidence`` are the only claims they may make."""
    words = phrases(language)
    tag = language if language[:2].lower() == words["language"] else words["language"]
    slots = {"brand": calmed(brand), "topic": _topic_in(angle["name"], words)}
    desk = _Desk(angle, slots, words, evidence, voice)
    made = [draft for draft in (desk.write(place, count) for place in range(count)) if draft]
    records = [
        {**draft, "angle": angle["name"], "call_to_action": angle["call_to_action"], "language": tag} for draft in made
    ]
    short = count - len(records)
    missing = [f"copy: {short} of {count} texts could not be written without repeating another"] if short else []
    return records, missing + _language_note(language, [(claim, "") for claim in evidence])


class _Desk:
    """Where the texts of one angle are written, one after the other, none like one before."""

    def __init__(
        self, angle: Mapping[str, Any], slots: Mapping[str, str], words: Mapping[str, Any],
        evidence: Sequence[Mapping[str, Any]], voice: Mapping[str, Any],
    ) -> None:  # fmt: skip
        self.slots, self.words, self.set = slots, words, words[angle["motivation"]]
        self.evidence = evidence
        self.seed = zlib.crc32(f"{slots['brand']}|{angle['name']}|{angle['core_angle']}".encode())
        self.traits = [cue for trait, cue in cues("en").voice.items() if trait in voice.get("traits", ()) and trait in _TONES]
        self.bodies = quotable(evidence, limit_of("primary_text"))
        self.heads = headlines(evidence)
        self.foreign = _foreign([claim["text"] for claim in evidence], words["language"])
        self.used: set[int] = set()
        self.said: set[str] = set()
        self.made: list[Record] = []

    def write(self, place: int, count: int) -> Record | None:
        """The next text, or None when nothing is left to say."""
        primary = self._first("primary_text", self._primaries(place))
        if primary is None:
            return None
        self._note(primary)
        spare = count - place - 1
        headline = self._first("headline", self._headlines(place, primary, spare))
        if headline is None:
            return None
        self._note(headline)
        description = self._first("description", self._phrases("descriptions", place))
        if description is None:
            return None
        self._note(description)
        claims = [dict(self.evidence[at]) for at in dict.fromkeys((*primary.claims, *headline.claims))]
        texts = {"headline": headline.text, "primary_text": primary.text, "description": description.text}
        self.made.append({**texts, "claims": claims})
        return self.made[-1]

    def _first(self, name: str, candidates: Iterator[Line]) -> Line | None:
        """The first candidate that fits, is clean, repeats no sentence and is not like a text before."""
        before = [record[name] for record in self.made]
        for line in candidates:
            fits = line.text and graphemes(line.text) <= limit_of(name)
            if not fits or self.said & _keys(line.text) or any(r.id != "quoted_rate" for r, _ in breaches(line.text)):
                continue
            alike = near_duplicates([*before, line.text]) if name != "description" else []
            if not any(right == len(before) for _, right, _ in alike):
                return line
        return None

    def _note(self, line: Line) -> None:
        self.used |= set(line.claims)
        self.said |= _keys(line.text)

    def _primaries(self, place: int) -> Iterator[Line]:
        """A fresh claim with a word of ours before or after it; then a claim again in another frame; then our words alone."""
        hooks, closers = list(self._phrases("hooks", place)), list(self._phrases("closers", place))
        fresh = [body for body in self.bodies if not set(body.claims) & self.used]
        fresh.sort(key=lambda body: len(body.text) < 45 or body.claims[0] in {h.claims[0] for h in self.heads})
        for body in fresh:
            yield from self._around(body, hooks, closers, place)
        frames = [*self._phrases("frames", place, {"claim": "{claim}"})]
        for frame in frames:
            for body in self.bodies:
                text = frame.text.replace("{claim}", self._framed(body))
                yield from (Line(f"{text} {closer.text}", body.claims) for closer in closers if not is_speech(body.text))
                yield Line(text, body.claims)
        for hook in hooks:
            yield from (Line(f"{hook.text} {closer.text}") for closer in closers)

    def _around(self, body: Line, hooks: list[Line], closers: list[Line], place: int) -> Iterator[Line]:
        if body.claims[0] in self.foreign and not is_speech(body.text):
            for frame in _rotated(self.words["foreign"], self.seed + place):
                text = frame.format(claim=self._framed(body))
                yield from (Line(f"{text} {closer.text}", body.claims) for closer in closers)
                yield Line(text, body.claims)
            return
        after = [Line(f"{body.text} {closer.text}", body.claims) for closer in closers]
        before = [Line(f"{hook.text} {body.text}", body.claims) for hook in hooks]
        if len(body.text) < 60 and not is_speech(body.text):
            yield from (Line(f"{hook.text} {line.text}", body.claims) for hook, line in zip(hooks, after, strict=False))
        if is_speech(body.text):
            yield from before
        else:
            yield from before + after if (place + self.seed) % 2 else after + before
        yield body

    def _framed(self, body: Line) -> str:
        return f"\u201c{body.text}\u201d" if body.claims[0] in self.foreign and not is_speech(body.text) else body.text

    def _headlines(self, place: int, primary: Line, spare: int) -> Iterator[Line]:
        """A short claim that no text needs; then a figure; then a phrase."""
        free = [head for head in self.heads if not set(head.claims) & self.used]
        left = [body for body in self.bodies if not set(body.claims) & self.used]
        if len(left) > spare:
            yield from (self._quoted(head) for head in free)
        own = [line for line in figures(self.evidence) if line.claims != primary.claims]
        yield from (line for line in own if not set(line.claims) & self.used)
        yield from self._phrases("headlines", place)

    def _quoted(self, head: Line) -> Line:
        foreign = head.claims[0] in self.foreign and not is_speech(head.text)
        return Line(f"\u201c{head.text}\u201d", head.claims) if foreign else head

    def _phrases(self, name: str, place: int, extra: Mapping[str, str] | None = None) -> Iterator[Line]:
        """The phrases of the motivation, in an order of this brand's own, those in the brand's tone first."""
        filled = [fill(template, {**self.slots, **(extra or {})}) for template in self.set[name]]
        ordered = _rotated([text for text in filled if text], self.seed + place)
        if name == "closers":
            ordered.sort(key=lambda text: not any(cue.search(text) for cue in self.traits))
        yield from (Line(text) for text in ordered)


def _angle(plan: Plan, place: int, shared: Mapping[str, Any]) -> Record:
    """One angle out of its plan: fields from phrases around its claims."""
    words, steer, task = phrases(shared["language"]), shared["steer"], shared["task"]
    own, profile = words[plan.motivation], shared["profile"]
    segments = _segments(shared)
    segment = segments[0] if steer.persona else segments[place % len(segments)]
    slots = {"brand": profile["name"], "topic": shared["topic"], "quote": _short_quote(plan), "segment": segment}
    filled = {name: fill(own[name], slots) for name in ("core", "persona", "stop")}
    anchor = plan.claims[0]
    url = anchor["evidence"][0]["url"]
    quoted = slots["quote"].strip("\u201c\u201d")
    others = (claim["text"] for claim in plan.claims[1:] if not is_speech(claim["text"]))
    mechanism = next((whole(text) for text in others if not calmed(text).startswith(quoted)), "")
    offers = [claim["text"] for claim in profile["offers"]]
    record = {
        "name": next(name for template in own["names"] if (name := fill(template, slots)))[:LABEL],
        "motivation": plan.motivation,
        "core_angle": filled["core"],
        "persona": filled["persona"],
        "anchor": own["anchor"],
        "deepest_desire": own["desire"],
        "awareness_stage": own["stage"],
        "job": own["job"],
        "promise": anchor["text"],
        "mechanism": f"{own['mechanism']}{f': {mechanism}' if mechanism else '.'}",
        "proofs": [{"claim": claim, "tier": _tier(claim["text"])} for claim in plan.claims],
        "objections": _objections(shared["research"], place),
        "hook_hypothesis": f"We believe {_lower_first(segment)} will stop when {filled['stop']}, because {own['reason']}.",
        "tone": f"{steer.tone}, {own['tone']}" if steer.tone and steer.tone not in own["tone"] else own["tone"],
        "format": own["format"],
        "placements": list(task.get("placements") or ["facebook feed", "instagram stream"])[:6],
        "call_to_action": _call_to_action(task, place),
        "landing_url": url,
        "risk_flags": _risks(plan, task),
        "success_criterion": own["success"],
        "novelty": own["novelty"],
    }
    offer = next((claim["text"] for claim in plan.claims if claim["text"] in offers), None)
    return {**record, "offer": offer} if offer else record


def _short_quote(plan: Plan) -> str:
    """The shortest claim of the plan that is no mere figure, in quotation marks."""
    text = min((claim["text"] for claim in plan.claims[:2]), key=len)
    if is_speech(text):
        return text.replace(".\u201d", "\u201d")
    inner = calmed(text).replace("\u201c", "\u2018").replace("\u201d", "\u2019")
    return f"\u201c{inner if re.search(r'[ap][.]m[.]$', inner) else inner.rstrip('.')}\u201d"


def _segments(shared: Mapping[str, Any]) -> list[str]:
    if shared["steer"].persona:
        text = shared["steer"].persona
        return [text[0].upper() + text[1:]]
    found = [segment for record in shared["research"].get("customer_insight", ()) for segment in record["segments"]]
    return found or [shared["task"].get("audience") or f"Visitors of {shared['profile']['name']}"]


def _objections(research: Mapping[str, Sequence[Mapping[str, Any]]], place: int) -> list[dict[str, str]]:
    """The place-th question of the pages with its answer, so that each angle answers another one."""
    known = [claim for record in research.get("customer_insight", ()) for claim in record.get("objections", ())]
    answered = [claim for claim in known if len(claim["evidence"]) > 1]
    return [
        {"objection": claim["text"], "rebuttal": claim["evidence"][1]["quote"]} for claim in answered[place : place + 1]
    ]


def _tier(text: str) -> int:
    """How strong a claim is, 1 (measured figure) to 6 (own statement)."""
    if is_speech(text):
        return 3
    return next((int(tier) for tier, cue in cues(language_of(text)).tier.items() if cue.search(text)), 6)


def _risks(plan: Plan, task: Mapping[str, Any]) -> list[str]:
    """Policy matters that a person must look at."""
    flags = [f"special ad category: {name}" for name in task.get("special_ad_categories") or ()]
    rated = any(rule.id == "quoted_rate" for claim in plan.claims for rule, _ in breaches(claim["text"]))
    flags += ["quoted rate needs APR and term"] if rated else []
    if flags and task.get("advertiser_role") in ("brokerage", "agent", "lender", "insurer"):
        flags.append(f"licence line of the {task['advertiser_role']} must be shown")
    risk = site_table("risk").get(plan.motivation)
    return [*flags, *([risk] if risk else [])][:8]


def _call_to_action(task: Mapping[str, Any], place: int) -> str:
    table = site_table("call_to_action")
    choices = table.get(str(task.get("objective")), table["OUTCOME_TRAFFIC"])
    return str(choices[place % len(choices)])


def _topic(research: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The topic that the reader of the pages found."""
    found = [segment for record in research.get("customer_insight", ()) for segment in record["segments"]]
    return next((segment.removeprefix(LOOKING_FOR) for segment in found if segment.startswith(LOOKING_FOR)), "")


def _names(topic: str, language: str) -> dict[str, str]:
    """Every name that an angle could bear, with its motivation."""
    words = phrases(language)
    names = ((fill(template, {"topic": topic}), m) for m in MOTIVATIONS for template in words[m]["names"])
    return {name: motivation for name, motivation in names if name}


def _topic_in(name: str, words: Mapping[str, Any]) -> str:
    """The topic that an angle's name was made with."""
    for motivation in MOTIVATIONS:
        for template in words[motivation]["names"]:
            match = re.fullmatch(re.escape(template).replace(r"\{topic\}", "(?P<topic>.+)"), name)
            if match and "topic" in match.groupdict():
                return str(match["topic"])
    return ""


def _gaps(made: int, count: int, claims: int) -> list[str]:
    ordinals = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
    why = f"the site states only {claims} usable claim{'' if claims == 1 else 's'}" if claims else "the site states no usable claim"
    if made < count and claims > made:
        why = f"there are {len(MOTIVATIONS)} motivations, and each serves one angle"
    return [f"{ordinals[place] if place < len(ordinals) else f'{place + 1}th'} angle: {why}" for place in range(made, count)]


def _language_note(language: str, claims: Sequence[tuple[Mapping[str, Any], str]]) -> list[str]:
    """What could not be said in the brief's language."""
    written = phrases(language)["language"]
    notes = []
    if language[:2].lower() != written:
        notes.append(f"language: rehearsal has no phrases in {language}, so the copy is written in {written}")
    if _foreign([claim["text"] for claim, _ in claims], written):
        notes.append(f"language: the pages are not in {written}; quotes stay in their own language, in quotation marks")
    return notes


def _steer_note(steer: Steer) -> list[str]:
    plain = steer.text and not (steer.motivations or steer.persona)
    return [f"steer: {steer.text!r} names no motivation that rehearsal knows; it only prefers claims with its words"] if plain else []


def _foreign(texts: Sequence[str], language: str) -> set[int]:
    """Which of the texts are in another language. One too short to tell is in that of the others."""
    common = language_of("\n".join(texts))
    return {at for at, text in enumerate(texts) if language_of(text, common) != language}


def _rotated(items: Sequence[str], by: int) -> list[str]:
    start = by % len(items) if items else 0
    return [*items[start:], *items[:start]]


def _keys(text: str) -> set[str]:
    """The sentences of a text, as they are compared."""
    return {" ".join(re.findall(r"\w+", sentence.casefold())) for sentence in sentences_in(text)}


def _lower_first(text: str) -> str:
    return text if text[:2].isupper() or not text[:1].isupper() else text[0].lower() + text[1:]


__all__ = ["Line", "angles", "variants", "whole"]
