"""Angles from research, and copy variants from angles. Every fact in them is a claim of the research.

Pure and deterministic: where there is a choice of phrases, a checksum of brand and angle makes it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from campaign_lab.checks import breaches
from campaign_lab.records import MOTIVATIONS
from campaign_lab.rehearsal.analyst.profiles import LABEL
from campaign_lab.rehearsal.analyst.sentences import cues, language_of, site_table
from campaign_lab.rehearsal.writer.ad_texts import calmed, fill, lowered, whole
from campaign_lab.rehearsal.writer.angle_plans import AnglePlan, Steer, plans, read_steer, usable_claims
from campaign_lab.rehearsal.writer.phrasebook import phrases
from campaign_lab.rehearsal.writer.typography import in_marks, is_speech, out_of_marks, typeset
from campaign_lab.rehearsal.writer.variant_writer import VariantWriter, foreign
from campaign_lab.show.text import pluralize

Record = dict[str, Any]


def angles(
    research: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    steer: str,
    count: int,
    language: str,
    task: Mapping[str, Any],
) -> tuple[list[Record], list[str]]:
    """Up to ``count`` Angles in JSON, of different motivations, and what is missing in plain words.

    ``research`` holds records by kind, ``task`` the brief's fields. ``steer`` says what the strategist wants first.
    """
    profile = next(iter(research.get("brand_profile", ())), None)
    if profile is None:
        return [], ["angles: the research holds no brand profile, so there is no claim to build on"]
    claims = usable_claims(research)
    texts = [claim["text"] for claim, _ in claims]
    topic = _topic(research, language)
    wanted = read_steer(steer, _names(profile["name"], topic, language), language)
    made = plans(claims, steer=wanted, count=count)
    shared = {
        "profile": profile, "research": research, "steer": wanted, "topic": topic, "words": phrases(language),
        "spoken": language_of("\n".join(texts)), "task": task,
    }  # fmt: skip
    records = [_angle(plan, place, shared) for place, plan in enumerate(made)]
    return records, [*_gaps(len(records), count, len(claims)), *_language_note(language, texts), *_steer_note(wanted)]


def variants(
    angle: Mapping[str, Any], *, brand: str, traits: Sequence[str], evidence: Sequence[Mapping[str, Any]],
    language: str, count: int,
) -> tuple[list[Record], list[str]]:  # fmt: skip
    """``count`` CopyVariants in JSON for one angle, and what is missing. ``evidence``: the only claims it may make."""
    words = phrases(language)
    tag = language if language[:2].lower() == words["language"] else words["language"]
    slots = {"brand": brand, "topic": _topic_in(angle["name"], words)}
    desk = VariantWriter(angle, slots, words, evidence, traits)
    made = [draft for draft in (desk.write(place, count) for place in range(count)) if draft]
    records = [
        {**draft, "angle": angle["name"], "call_to_action": angle["call_to_action"], "language": tag} for draft in made
    ]
    short = count - len(records)
    missing = [f"copy: {short} of {count} texts could not be written without repeating another"] if short else []
    return records, missing


def _angle(plan: AnglePlan, place: int, shared: Mapping[str, Any]) -> Record:
    """One angle out of its plan: fields from phrases around its claims."""
    words, steer, task = shared["words"], shared["steer"], shared["task"]
    own, profile = words[plan.motivation], shared["profile"]
    segments = _segments(shared)
    segment = segments[0] if steer.persona else segments[place % len(segments)]
    slots = {"brand": profile["name"], "topic": shared["topic"], "quote": _short_quote(plan, words), "segment": segment}
    filled = {name: fill(own[name], slots) for name in ("core", "persona", "stop")}
    anchor = plan.claims[0]
    url = anchor["evidence"][0]["url"]
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
        "mechanism": _mechanism(plan, slots["quote"], shared),
        "proofs": [{"claim": claim, "tier": _tier(claim["text"], shared["spoken"])} for claim in plan.claims],
        "objections": _objections(shared["research"], place),
        "hook_hypothesis": _hypothesis(segment, filled["stop"], own["reason"], words),
        "tone": f"{steer.tone}, {own['tone']}" if steer.tone and steer.tone not in own["tone"] else own["tone"],
        "format": own["format"],
        "placements": list(task.get("placements") or ["facebook feed", "instagram stream"])[:6],
        "call_to_action": _call_to_action(task, place),
        "landing_url": url,
        "risk_flags": _risks(plan, task, words["flags"]),
        "success_criterion": own["success"],
        "novelty": own["novelty"],
    }
    sold = (text for claim in plan.claims if (text := claim["text"]) in offers and _sells(text, shared["spoken"]))
    offer = next(sold, None)
    return {**record, "offer": offer} if offer else record


def _sells(text: str, spoken: str) -> bool:
    """Does the text name something that can be had, with or without a price?"""
    return bool(cues(language_of(text, spoken)).tables["fields"]["offers"].search(text))


def _mechanism(plan: AnglePlan, quote: str, shared: Mapping[str, Any]) -> str:
    """Why the angle works, and a second claim that bears it out."""
    words = shared["words"]
    how, quoted = words[plan.motivation]["mechanism"], out_of_marks(quote)
    others = (typeset(claim["text"], words["language"]) for claim in plan.claims[1:] if not is_speech(claim["text"]))
    fact = next((whole(text) for text in others if not calmed(text).startswith(quoted)), "")
    if not fact:
        return f"{how}."
    own = language_of(fact, shared["spoken"]) == words["language"]
    fact = lowered(fact, words) if own else in_marks(fact, words["language"])
    return str(words["angle"]["mechanism"].format(how=how, fact=fact))


def _hypothesis(segment: str, stop: str, reason: str, words: Mapping[str, Any]) -> str:
    whom = segment if segment[:2].isupper() or not segment[:1].isupper() else segment[0].lower() + segment[1:]
    return str(words["angle"]["hypothesis"].format(whom=whom, segment=segment, stop=stop, reason=reason))


def _short_quote(plan: AnglePlan, words: Mapping[str, Any]) -> str:
    """The shortest claim of the plan that is no mere figure, in quotation marks."""
    text = typeset(min((str(claim["text"]) for claim in plan.claims[:2]), key=len), words["language"])
    if is_speech(text):
        return re.sub(r"\.(?=\s?[\u201d\u00bb])", "", text)
    inner = calmed(text)
    return in_marks(inner if re.search(r"[ap][.]m[.]$", inner) else inner.rstrip("."), words["language"])


def _segments(shared: Mapping[str, Any]) -> list[str]:
    if shared["steer"].persona:
        text = shared["steer"].persona
        return [text[0].upper() + text[1:]]
    found = [segment for record in shared["research"].get("customer_insight", ()) for segment in record["segments"]]
    visitors = shared["words"]["reader"]["visitors"].format(brand=shared["profile"]["name"])
    return found or [str(shared["task"].get("audience") or "") or visitors]


def _objections(research: Mapping[str, Sequence[Mapping[str, Any]]], place: int) -> list[dict[str, str]]:
    """The place-th question of the pages with its answer, so that each angle answers another one."""
    known = [claim for record in research.get("customer_insight", ()) for claim in record.get("objections", ())]
    answered = [claim for claim in known if len(claim["evidence"]) > 1][place : place + 1]
    return [{"objection": claim["text"], "rebuttal": claim["evidence"][1]["quote"]} for claim in answered]


def _tier(text: str, spoken: str) -> int:
    """How strong a claim is, 1 (measured figure) to 6 (own statement)."""
    if is_speech(text):
        return 3
    known = cues(language_of(text, spoken)).tables["tier"]
    return next((int(tier) for tier, cue in known.items() if cue.search(text)), 6)


def _risks(plan: AnglePlan, task: Mapping[str, Any], said: Mapping[str, str]) -> list[str]:
    """Policy matters that a person must look at."""
    flags = [said["category"].format(name=name) for name in task.get("special_ad_categories") or ()]
    rated = any(rule.id == "quoted_rate" for claim in plan.claims for rule, _ in breaches(claim["text"]))
    flags += [said["rate"]] if rated else []
    if flags and task.get("advertiser_role") in ("brokerage", "agent", "lender", "insurer"):
        flags.append(said["licence"].format(role=task["advertiser_role"]))
    risk = said.get(plan.motivation)
    return [*flags, *([risk] if risk else [])][:8]


def _call_to_action(task: Mapping[str, Any], place: int) -> str:
    table = site_table("call_to_action")
    choices = table.get(str(task.get("objective")), table["OUTCOME_TRAFFIC"])
    return str(choices[place % len(choices)])


def _topic(research: Mapping[str, Sequence[Mapping[str, Any]]], language: str) -> str:
    """The topic that the reader of the pages found, in the language of the copy."""
    before = phrases(language)["reader"]["looking_for"].removesuffix("{topic}")
    found = [segment for record in research.get("customer_insight", ()) for segment in record["segments"]]
    return next((str(name).removeprefix(before) for name in found if name.startswith(before)), "")


def _names(brand: str, topic: str, language: str) -> dict[str, str]:
    """Every name that an angle could bear, with its motivation."""
    words = phrases(language)
    slots = {"brand": brand, "topic": topic}
    names = {fill(template, slots): motivation for motivation in MOTIVATIONS for template in words[motivation]["names"]}
    return {name: motivation for name, motivation in names.items() if name}


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
    why = f"the site states only {pluralize(claims, 'usable claim')}" if claims else "no usable claim was found"
    if made < count and claims > made:
        why = f"there are {len(MOTIVATIONS)} motivations, and each serves one angle"
    names = (ordinals[place] if place < len(ordinals) else f"{place + 1}th" for place in range(made, count))
    return [f"{name} angle: {why}" for name in names]


def _language_note(language: str, texts: Sequence[str]) -> list[str]:
    """What could not be said in the brief's language, in one line. The texts that follow are tagged with theirs."""
    written = phrases(language)["language"]
    notes = []
    if language[:2].lower() != written:
        notes.append(f"rehearsal has no phrases in {language}, so the copy is written in {written}")
    if foreign(texts, written):
        notes.append(f"the pages are not in {written}; quotes stay in their own language, in quotation marks")
    return [f"language: {'; '.join(notes)}"] if notes else []


def _steer_note(steer: Steer) -> list[str]:
    if not steer.text or steer.motivations or steer.persona:
        return []
    return [f"steer: {steer.text!r} names no motivation that rehearsal knows; it only prefers claims with its words"]
