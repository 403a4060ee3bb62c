"""A turn that read nothing is not a finished turn; each agent's part is held by itself; the store's troubles are the turn's."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.agents.events import AgentStarted, Event, PageRead, TurnStarted
from campaign_lab.errors import PhaseOrderError, TurnFailed
from campaign_lab.rehearsal import model
from campaign_lab.rehearsal.model import Step, TextReply, ToolCall
from campaign_lab.rehearsal.server.api_request import Ask
from campaign_lab.sessions.session import Session
from campaign_lab.store.rows import AttemptRow, ClaimRow, PageRow, RequestRow, TurnRow
from support.web.web_site import WebSite, web_site

BRAND, PEOPLE, RIVALS = (
    "brand-intelligence-analyst",
    "customer-psychology-specialist",
    "competitive-intelligence-specialist",
)
SAVE, FETCH = "mcp__lab__save_records", "mcp__lab__fetch_page"
pytestmark = pytest.mark.usefixtures("process", "slow")
AskModel = Callable[[Callable[[Ask, Mapping[str, Any]], Step]], Lab]
STORE_FAILS_WITHIN_S = 20.0
"""Far less than the rest of a turn and the SDK's own tries take together."""


def failed(lab: Lab, session: Session, phase: str = "research", **options: Any) -> TurnFailed:
    with pytest.raises(TurnFailed) as caught:
        lab.run_sync(session.run(phase, **options))
    return caught.value


@pytest.fixture
def site(tmp_path: Path) -> Any:
    """The mortgage site on a web server that is down at first."""
    with web_site() as made:
        yield made


def brief_of(site: WebSite, tmp_path: Path) -> Brief:
    return Brief.load(site.brief(tmp_path / "brief.toml"))


def test_a_site_that_is_down_fails_the_turn_before_anything_is_paid(make_lab, watch, stored, site, tmp_path):
    """Cause site, the page's reason, no request, nothing stored as finished; the site up, the same call makes the turn, once."""
    watched = watch()
    lab = make_lab(own_server=watched.server)
    session = lab.session(brief_of(site, tmp_path))
    error = failed(lab, session)
    assert error.cause == "site"
    assert f"{site.url}: no connection could be made" in str(error)
    assert error.spent_usd == 0.0
    assert watched.asks == []
    assert [(row.state, row.cause) for row in stored(lab, AttemptRow)] == [("failed", "site")]
    assert (stored(lab, TurnRow), stored(lab, RequestRow), stored(lab, ClaimRow)) == ([], [], [])
    assert session.turns() == []

    site.is_itself()
    turn = lab.run_sync(session.run("research"))
    assert turn.replayed is False
    assert [kept.label for kept in turn.kept if kept.kind == "brand_profile"] == ["Termwick"]
    asked = len(watched.asks)
    site.down()
    assert lab.run_sync(lab.session(brief_of(site, tmp_path)).run("research")).replayed
    assert len(watched.asks) == asked


def test_fresh_pages_of_a_site_that_is_down_are_no_pages(make_lab, site, tmp_path):
    """Those that are stored were not asked for: the new turn fails, the old one stays."""
    lab = make_lab()
    site.is_itself()
    session = lab.session(brief_of(site, tmp_path))
    lab.run_sync(session.run("research"))
    site.down()
    again = lab.session(brief_of(site, tmp_path))
    assert failed(lab, again, take=2, fresh_pages=True).cause == "site"
    assert lab.run_sync(lab.session(brief_of(site, tmp_path)).run("research")).replayed


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [("no", 500, "answered 500"), ("<div id=app></div><script>x()</script>", 200, "scripts"), ("", 200, "four words")],
)
def test_a_site_that_answers_without_saying_anything_is_unread_too(
    make_lab, site, tmp_path, body: str, status: int, said: str
):
    """An error, a page that scripts draw, an empty one; and it is asked again the next time."""
    lab = make_lab()
    session = lab.session(brief_of(site, tmp_path))
    site.says(body, status=status)
    error = failed(lab, session)
    assert (error.cause, said in error.reason) == ("site", True)
    site.is_itself()
    assert lab.run_sync(session.run("research")).records


def test_a_way_on_that_leads_nowhere_fails_the_turn_at_its_end(make_lab, stored, site, tmp_path):
    """A start page that says nothing but has links is tried; when nothing behind them can be read it is no finished turn."""
    lab = make_lab()
    session = lab.session(brief_of(site, tmp_path))
    site.says("<h1>Tea</h1><a href='/a.html'>More</a>")
    heard: list[Event] = []
    error = failed(lab, session, on_event=heard.append)
    assert error.cause == "site"
    assert "no sentence of four words" in error.reason
    assert any(isinstance(event, PageRead) for event in heard)
    assert stored(lab, TurnRow) == []
    site.is_itself()
    assert len(lab.run_sync(session.run("research")).records) >= 2


def test_a_profile_with_a_quote_that_stands_is_believed(lab_with: AskModel, stored, site, tmp_path):
    """All that a page says is its description: a model that quotes it has read the site."""
    said = "Nettle tea from our own meadow"
    claim = {"text": said, "evidence": [{"quote": said, "url": site.url}]}
    profile = {"name": "Teasel Tea", "promise": claim, "voice": {"traits": ["plain"]}}

    def reply(ask: Ask, readers: Mapping[str, Any]) -> Step:
        step = model.reply(ask, readers)
        for block in step:
            if isinstance(block, ToolCall) and block.input.get("kind") == "brand_profile":
                block.input["records"] = [profile]
        return step

    site.says(f"<meta name='description' content='{said}'><div id=app></div><script>x()</script>")
    lab = lab_with(reply)
    turn = lab.run_sync(lab.session(brief_of(site, tmp_path)).run("research"))
    assert [kept.label for kept in turn.kept if kept.kind == "brand_profile"] == ["Teasel Tea"]


def test_one_unreadable_rival_excuses_no_missing_profile(lab_with: AskModel, termwick: Brief):
    """The brand's analyst ends with prose: its record is missing, whatever a colleague could not find."""

    def reply(ask: Ask, readers: Mapping[str, Any]) -> Step:
        if ask.agent == BRAND and ask.calls:
            return [TextReply("I have read it all.")]
        step = model.reply(ask, readers)
        for block in step:
            if isinstance(block, ToolCall) and block.input.get("kind") == "competitor_profile":
                block.input["missing"] = ["rival.example could not be read"]
        return step

    lab = lab_with(reply)
    session = lab.session(termwick)
    error = failed(lab, session)
    assert (error.cause, error.reason) == (
        "records",
        "no brand_profile was handed in, and nothing was said to be missing",
    )
    assert session.turns() == []


def test_one_copy_creator_for_five_angles_is_not_enough(lab_with: AskModel, termwick: Brief):
    """The main agent starts one for the first of them: the angles that have no text are named."""
    first = threading.Event()

    def reply(ask: Ask, readers: Mapping[str, Any]) -> Step:
        step = model.reply(ask, readers)
        starts = [block for block in step if isinstance(block, ToolCall) and block.name == "Agent"]
        if ask.prompt.startswith("# Phase: copy") and starts and not first.is_set():
            starts[0].input["prompt"] = starts[0].input["prompt"].splitlines()[0]
        return step

    lab = lab_with(reply)
    session = lab.session(termwick)
    for phase in ("research", "strategy"):
        lab.run_sync(session.run(phase))
    names = [angle.name for angle in session.records("angle")]
    error = failed(lab, session, "copy")
    assert error.cause == "records"
    assert [name for name in names if repr(name) in error.reason] == names[1:]
    one = lab.run_sync(session.run("copy", angles=names[:1]))
    assert {record.angle for record in one.records} == {names[0]}
    first.set()
    assert {record.angle for record in lab.run_sync(session.run("copy")).records} == set(names)


def test_an_angle_whose_writer_found_nothing_to_write_is_said(lab_with: AskModel, termwick: Brief):
    """Its copy-creator hands in nothing but that: the other angles have their texts, and the turn is whole."""

    def reply(ask: Ask, readers: Mapping[str, Any]) -> Step:
        step = model.reply(ask, readers)
        if ask.agent == "copy-creator" and f'"name": "{names[0]}"' in ask.prompts[0]:
            for block in step:
                if isinstance(block, ToolCall):
                    block.input.update(records=[], missing=["nothing that could be quoted"])
        return step

    names: list[str] = [""]
    lab = lab_with(reply)
    session = lab.session(termwick)
    for phase in ("research", "strategy"):
        lab.run_sync(session.run(phase))
    names[:] = [angle.name for angle in session.records("angle")]
    turn = lab.run_sync(session.run("copy", writers="each"))
    assert {record.angle for record in turn.records} == set(names[1:])
    assert "nothing that could be quoted" in turn.missing


def no_rival(lab: Lab, site: WebSite, tmp_path: Path) -> tuple[str, ...]:
    site.is_itself()
    turn = lab.run_sync(lab.session(brief_of(site, tmp_path)).run("research"))
    assert [kept.kind for kept in turn.kept] == ["brand_profile", "customer_insight"]
    return tuple(line for line in turn.missing if "rival" in line)


def test_no_rival_is_a_plain_line(make_lab, site, tmp_path):
    """A brief that names none asks for no profile of one: the turn is whole, and says so in a line."""
    assert no_rival(make_lab(), site, tmp_path) == (
        "competitor profile: the brief names no rival, and none was looked for",
    )


@pytest.mark.parametrize("way", ["says so itself", "leaves the agent out"])
def test_a_model_may_say_that_there_is_no_rival_or_leave_its_agent_out(lab_with: AskModel, site, tmp_path, way: str):
    """What the model says of it stands alone; an agent with nothing to do need not be started."""

    def reply(ask: Ask, readers: Mapping[str, Any]) -> Step:
        step = model.reply(ask, readers)
        if way == "leaves the agent out":
            return [block for block in step if getattr(block, "input", {}).get("subagent_type") != RIVALS]
        for block in step:
            if isinstance(block, ToolCall) and block.input.get("kind") == "competitor_profile":
                block.input["missing"] = ["No rivals were given, and the site names none."]
        return step

    (line,) = no_rival(lab_with(reply), site, tmp_path)
    assert line.startswith("No rivals" if way == "says so itself" else "competitor profile: the brief names no rival")


def test_rivals_that_are_named_are_still_wanted(lab_with: AskModel, termwick: Brief):
    """Nothing handed in and nothing said, although the brief names two: the turn fails."""
    lab = lab_with(lambda ask, readers: [TextReply("Done.")] if ask.agent == RIVALS else model.reply(ask, readers))
    assert "no competitor_profile was handed in" in failed(lab, lab.session(termwick)).reason


def test_pages_that_cannot_be_stored_fail_the_turn_soon(make_lab, watch, stored, termwick):
    """Cause store, while agents are at work; no model reads a word of it; once they can be stored, the next attempt works."""
    watched = watch()
    lab = make_lab(own_server=watched.server)
    engine, session = lab._context.engine, lab.session(termwick)

    def rename(con, old: str, new: str) -> None:
        con.execute(f"ALTER TABLE {old} RENAME TO {new}")

    began: list[float] = []

    def spoil(event: Event) -> None:
        if isinstance(event, AgentStarted) and event.agent == RIVALS:
            began.append(time.monotonic())
            engine.call(lambda con: rename(con, "pages", "pages_away"))

    error = failed(lab, session, on_event=spoil)
    took = time.monotonic() - began[0]
    engine.call(lambda con: rename(con, "pages_away", "pages"))
    assert error.cause == "store"
    assert "could not be stored" in error.reason
    assert "not be fetched again" not in str(error)
    assert took < STORE_FAILS_WITHIN_S
    heard = json.dumps([[block.text for block in ask.blocks] for ask in watched.asks])
    assert "pages_away" not in heard
    assert "Catalog" not in heard
    assert [(row.state, row.cause) for row in stored(lab, AttemptRow)] == [("failed", "store")]
    assert session.turns() == []
    assert lab.run_sync(session.run("research")).records


def test_a_conversation_that_cannot_be_loaded_fails_the_turn(make_lab, watch, stored, termwick):
    """The next phase cannot read what it stands on: cause store, in one line, and nothing is sent."""
    watched = watch()
    lab = make_lab(own_server=watched.server)
    engine, session = lab._context.engine, lab.session(termwick)
    lab.run_sync(session.run("research"))
    asked = len(watched.asks)

    def spoil(event: Event) -> None:
        if isinstance(event, TurnStarted):
            engine.submit(lambda con: con.execute("ALTER TABLE entries RENAME TO entries_away"))

    error = failed(lab, session, "strategy", on_event=spoil)
    engine.call(lambda con: con.execute("ALTER TABLE entries_away RENAME TO entries"))
    assert error.cause == "store"
    assert "\n" not in str(error)
    assert len(watched.asks) == asked
    assert [(row.state, row.cause) for row in stored(lab, AttemptRow, "ORDER BY started_at")][1:] == [
        ("failed", "store")
    ]
    assert lab.run_sync(session.run("strategy")).records


def test_a_lab_file_that_another_program_holds_fails_the_turn(make_lab, watch, stored, termwick):
    """The DuckDB shell has it open for longer than a turn waits: cause store, its path and process reach no model."""
    watched = watch()
    lab = make_lab(own_server=watched.server)
    engine, session = lab._context.engine, lab.session(termwick)
    hold = (
        "import sys, time, duckdb\nwhile True:\n  try: con = duckdb.connect(sys.argv[1]); break\n"
        "  except duckdb.IOException: time.sleep(0.01)\nprint('held', flush=True); sys.stdin.readline()"
    )
    holders: list[subprocess.Popen[str]] = []

    def take(event: Event) -> None:
        if isinstance(event, AgentStarted) and not holders:
            piped, engine._patience = subprocess.PIPE, 2.0
            command = [sys.executable, "-c", hold, engine.display_url]
            holders.append(subprocess.Popen(command, stdin=piped, stdout=piped, text=True))
            assert holders[0].stdout.readline() == "held\n"  # the turn stands still until the other program has it

    error = failed(lab, session, on_event=take)
    (holder,) = holders
    engine._patience = 30.0
    with holder:
        holder.communicate("done\n")
    assert error.cause == "store"
    heard = json.dumps([[block.text for block in ask.blocks] for ask in watched.asks])
    assert engine.display_url not in heard
    assert str(holder.pid) not in heard
    assert stored(lab, TurnRow) == []
    assert lab.run_sync(session.run("research")).records
    assert {row.state for row in stored(lab, AttemptRow)} == {"failed", "finished"}


def test_a_campaign_that_came_to_nothing_says_why(make_lab, tmp_path):
    """Pages without a claim: the phase after says which lines were looked for in vain, and that more pages are wanted."""
    folder = tmp_path / "few"
    folder.mkdir()
    (folder / "index.html").write_text("<title>Few</title><p>Do you like a cup of tea?</p>", encoding="utf-8")
    lab = make_lab()
    session = lab.session(Brief(url=str(folder), market="CA"))
    for phase in ("research", "strategy"):
        lab.run_sync(session.run(phase))
    with pytest.raises(PhaseOrderError, match=r"needs at least one angle, and none could be made: .*brand profile"):
        lab.run_sync(session.run("copy"))


def test_a_page_that_an_attempt_could_read_is_kept(make_lab, stored, site, tmp_path):
    """What failed for another reason has its pages, and fetches them no second time."""
    site.is_itself()
    lab = make_lab()
    session = lab.session(brief_of(site, tmp_path))
    error = failed(lab, session, budget_usd=0.0001)
    assert error.cause == "budget"
    assert [row.url for row in stored(lab, PageRow)][:1] == [site.url]
    asked = site.asked.count("/")
    lab.run_sync(session.run("research"))
    assert site.asked.count("/") == asked
