"""What the rehearsal model answers: it reads the conversation and takes the next step, as a careful model would.

Pure: the same conversation gets the same answer. Specialists fetch pages, read them and hand in records; the main agent
starts the specialists that the prompt names, reads their reports, and hands in angles.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urldefrag, urlsplit

from campaign_lab.rehearsal.analyst import profiles
from campaign_lab.rehearsal.server.api_request import Ask, Call, json_in, task_of
from campaign_lab.rehearsal.server.tool_results import page_facts, short_claims, whole_claims, without_references
from campaign_lab.rehearsal.writer import angles_and_variants
from campaign_lab.rehearsal.writer.answers import answer_question

FETCH_PAGE = "mcp__lab__fetch_page"
SAVE_RECORDS = "mcp__lab__save_records"
SHORT_PROMPT = 80
_SITE_READERS = {
    "brand-intelligence-analyst": "brand_profile",
    "customer-psychology-specialist": "customer_insight",
    "competitive-intelligence-specialist": "competitor_profile",
}
"""The agents that read sites, and the kind of record that each makes."""
LINKS_A_SITE = 5
"""How many further pages a specialist reads of a site, after its home page."""


@dataclass(frozen=True)
class TextReply:
    """A text block."""

    text: str


@dataclass(frozen=True)
class ToolCall:
    """A tool call. ``id`` follows from the conversation, so that a replayed one is the same."""

    id: str
    name: str
    input: dict[str, Any]


Step = list[TextReply | ToolCall]
Findings = tuple[list[dict[str, Any]], list[str]]


Reader = Callable[[Mapping[str, list[dict[str, Any]]], Mapping[str, Any]], Findings]
"""Answers for a user's own phase: the conversation's records by kind and the task in, records and what is missing out."""


def reply(ask: Ask, readers: Mapping[str, Reader] | None = None) -> Step:
    """The next step in the conversation: texts and tool calls. ``readers`` answer for kinds of record that are not ours."""
    step = _specialist(ask, readers or {}) if ask.agent else _main(ask, readers or {})
    seed = ask.digest()
    return [
        ToolCall(_id(seed, place), block.name, block.input) if isinstance(block, ToolCall) else block
        for place, block in enumerate(step)
    ]


def _main(ask: Ask, readers: Mapping[str, Reader]) -> Step:
    task = task_of(ask.prompt)
    if ask.prompt.startswith("# Phase: strategy"):
        return _strategy(ask, task)
    if task.get("agents"):
        return _delegation(ask, task)
    if task.get("records"):
        return _own_phase(ask, task, readers)
    if len(ask.prompt) < SHORT_PROMPT and "ready" in ask.prompt:
        return [TextReply("Ready.")]
    return [TextReply(answer_question(ask.prompt, reports(ask.calls)))]


def _own_phase(ask: Ask, task: Mapping[str, Any], readers: Mapping[str, Reader]) -> Step:
    """A phase of the user's: its records come from its own reader, one kind after the other; without one it says so."""
    handed = [call.input for call in ask.calls_now if call.name == SAVE_RECORDS]
    done = [given.get("kind") for given in handed]
    kind = next((kind for kind in task["records"] if kind not in done), None)
    if kind is None:
        return [TextReply(json.dumps(handed[-1], ensure_ascii=False))]
    none: Findings = [], [f"{kind}: rehearsal has no reader for it; give the phase one (rehearse=…)"]
    known = {kind: without_references(records) for kind, records in reports(ask.calls).items()}
    records, missing = readers[kind](known, {**task, "kind": kind}) if kind in readers else none
    return [ToolCall("", SAVE_RECORDS, {"kind": kind, "records": records, "missing": missing})]


def _delegation(ask: Ask, task: Mapping[str, Any]) -> Step:
    """Starts the agents that the task names, all at once; when they have reported, sums up."""
    if not ask.calls_now:
        return [TextReply("The agents work in parallel."), *_starts(task)]
    found = reports(ask.calls_now)
    counts = ", ".join(f"{len(records)} {kind.replace('_', ' ')}" for kind, records in found.items())
    return [TextReply(f"The agents have reported: {counts or 'nothing usable'}. Their reports stand above.")]


def _starts(task: Mapping[str, Any]) -> list[ToolCall]:
    """A call for each agent, and for each angle of a copy-creator's. Code writes the orders of ours; others get the task."""
    calls = []
    for agent in task["agents"]:
        facts = {name: value for name, value in task.items() if name != "agents"}
        told = f"Your part of the task.\n\n```json\n{json.dumps(facts, ensure_ascii=False, indent=1)}\n```"
        prompts = [agent] if agent in _SITE_READERS else [told]
        if agent == "copy-creator":
            angles = [str(name) for name in task["angles"]]
            prompts = ["\n".join(angles)] if task.get("writers") == "one" else angles
        calls += [
            ToolCall("", "Agent", {"description": _label(agent), "subagent_type": agent, "prompt": p}) for p in prompts
        ]
    return calls


def _label(agent: str) -> str:
    return agent.replace("-", " ")


def _strategy(ask: Ask, task: Mapping[str, Any]) -> Step:
    steer = "".join(ask.prompt.partition("## Steer")[2].split("\n\n", 2)[2:]).strip()  # behind a line that explains it
    records, missing = angles_and_variants.angles(
        reports(ask.calls), steer=steer, count=int(task.get("count", 5)), language=str(task.get("language", "en")),
        task=dict(task),
    )  # fmt: skip
    pending = _hand_in(ask, "angle", records, missing)
    if pending:
        return [pending]
    names = [f"{record['name']}: {record['core_angle']}" for record in records]
    return [TextReply("\n".join(names) or f"No angle could be made. {' '.join(missing)}")]


def _specialist(ask: Ask, own: Mapping[str, Reader]) -> Step:
    """Reads what has to be read, hands in, reports."""
    task = task_of(ask.prompt)
    if ask.agent not in ("copy-creator", *_SITE_READERS):
        return _own_phase(ask, task, own) if task.get("records") else [TextReply(answer_question(ask.prompt, {}))]
    kind = _SITE_READERS.get(ask.agent, "copy_variant")
    rivals = task.get("competitors", []) if kind == "competitor_profile" else []
    home = [str(task["url"])] if task.get("url") and kind != "copy_variant" else []
    if unread := _next_pages(ask.calls, [*rivals, *home]):
        return [ToolCall("", FETCH_PAGE, {"url": url}) for url in unread]
    records, missing = _findings(kind, ask, task)
    return [_hand_in(ask, kind, records, missing) or TextReply("Handed in.")]


def _findings(kind: str, ask: Ask, task: Mapping[str, Any]) -> Findings:
    """What the pages that were read, or the brief of a copy-creator, say for this kind of record."""
    home, language = str(task.get("url", "")), str(task.get("language", "en"))
    if kind == "copy_variant":
        return _texts(task, language)
    pages = _pages_of(ask.calls, home)
    if kind == "competitor_profile":
        rivals = {url: _pages_of(ask.calls, url) for url in task.get("competitors", [])}
        return profiles.competitor_profiles(rivals, pages, language=language)
    if kind == "brand_profile":
        record, missing = profiles.brand_profile(pages, home=home, language=language)
    else:
        record, missing = profiles.customer_insight(pages, str(task.get("audience", "")), home=home, language=language)
    return [record] if record else [], missing


def _texts(order: Mapping[str, Any], language: str) -> Findings:
    """The texts for each angle of an order, and what is missing; where there are several angles each line names its own."""
    records: list[dict[str, Any]] = []
    missing: list[str] = []
    angles = order.get("angles", [])
    for angle in angles:
        made, lacks = angles_and_variants.variants(
            angle, brand=str(order.get("brand", "")), traits=order.get("voice", []), evidence=whole_claims(angle["claims"]),
            language=language, count=int(order.get("variants", 2)),
        )  # fmt: skip
        records += made
        missing += lacks if len(angles) == 1 else [f"{angle['name']}: {line}" for line in lacks]
    if order.get("wish"):
        missing.append(f"steer: rehearsal's texts do not follow {order['wish']!r}; it only chooses among angles")
    return records, missing


def _hand_in(ask: Ask, kind: str, records: Sequence[Mapping[str, Any]], missing: list[str]) -> ToolCall | None:
    """The next save_records call, or None when all is kept. What was found faulty is handed in once more, then left."""
    tries = [call for call in ask.calls_now if call.name == SAVE_RECORDS]
    if not tries:
        return ToolCall("", SAVE_RECORDS, {"kind": kind, "records": short_claims(list(records)), "missing": missing})
    answer = json_in(tries[-1].result or "") or {}
    faulty = {problem.get("record") for problem in answer.get("problems", []) if "record" in problem}
    again = [record for place, record in enumerate(tries[-1].input.get("records", [])) if place in faulty]
    return ToolCall("", SAVE_RECORDS, {"kind": kind, "records": again}) if again and len(tries) <= 2 else None


def _next_pages(calls: Sequence[Call], homes: Sequence[str]) -> list[str]:
    """Home pages first, then the best links of each site, each once."""
    asked = {call.input.get("url") for call in calls if call.name == FETCH_PAGE}
    if unread := [url for url in homes if url not in asked]:
        return unread
    links = [
        link
        for home in homes
        for page in _pages_of(calls, home)[:1]
        for link in profiles.links_to_read(page, limit=LINKS_A_SITE if home == homes[0] or len(homes) > 1 else 0)
    ]
    first_round = len([call for call in calls if call.name == FETCH_PAGE]) <= len(homes)
    return list(dict.fromkeys(link for link in links if link not in asked)) if first_round else []


def _pages_of(calls: Sequence[Call], home: str) -> list[dict[str, Any]]:
    """The pages read of one site, home page first, also where the home page led to another host. Refusals are left out."""
    asked = urldefrag(home)[0]
    answers = [(call.input.get("url"), json_in(call.result or "")) for call in calls if call.name == FETCH_PAGE]
    pages = [(url, page_facts(page)) for url, page in answers if page and "url" in page]
    first = {asked, *(page["url"] for url, page in pages if url == home)}
    hosts = {urlsplit(url).netloc.lower() for url in first}
    found = {page["url"]: page for _, page in pages if urlsplit(page["url"]).netloc.lower() in hosts}
    return sorted(found.values(), key=lambda page: page["url"] not in first)


def reports(calls: Sequence[Call]) -> dict[str, list[dict[str, Any]]]:
    """The records in the reports of agents, by kind. A later report of the same kind and name replaces the earlier."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for call in calls:
        report = json_in(call.result or "") if call.name == "Agent" else None
        if isinstance(report, dict) and isinstance(report.get("records"), list):
            for record in report["records"]:
                name = str(record.get("headline") or record.get("name") or report.get("kind"))
                found.setdefault(str(report.get("kind")), {})[name] = whole_claims(record)
    return {kind: list(records.values()) for kind, records in found.items()}


def _id(seed: str, place: int) -> str:
    return "toolu_" + hashlib.sha256(f"{seed}/{place}".encode()).hexdigest()[:24]
