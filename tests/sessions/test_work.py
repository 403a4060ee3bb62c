"""Working with sessions: free questions, phases of one's own, fan-outs, budgets, costs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.agents.phases import Agent, Phase, builtin_phases
from campaign_lab.errors import BudgetExceeded, EndpointError, NotFoundError, PhaseOrderError, ReplayMiss
from campaign_lab.lab import DEFAULT_MODEL
from campaign_lab.records import Claim, Record, Text
from campaign_lab.rehearsal.server.app import RehearsalServer
from campaign_lab.sessions.budgets import Budgets
from support.stores import Stores

LabOf = Callable[..., Lab]


class Slogan(Record):
    """A line to remember, for the tests' own phase."""

    kind: ClassVar[str] = "slogan"

    name: Text
    """The line."""
    claim: Claim
    """What carries it."""


def _slogans(
    research: Mapping[str, list[dict[str, Any]]], task: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    promise = research["brand_profile"][0]["promise"]
    return [{"name": f"{task['tone']}: {promise['text']}", "claim": promise}], []


SLOGANS = Phase(
    name="slogans",
    prompt="Make slogans from the reports, one record each.\n\n```json\n$task\n```\n\n$schema\n",
    makes=(Slogan,),
    needs=("brand_profile",),
    arguments={"tone": "plain"},
    rehearse=_slogans,
)


# -- free questions


@pytest.mark.usefixtures("slow")
@pytest.mark.both_stores
def test_a_question_is_a_turn_that_replays_and_forks(lab_of: LabOf, server: RehearsalServer) -> None:
    """ask() answers from the conversation, moves the session on, replays for nothing, and can be forked from."""
    lab = lab_of()
    session = lab.open("main")
    turn = lab.run_sync(session.ask("What do clients say about the switch and its costs?"))
    assert "https://termwick.example/" in turn.answer
    assert session.checkpoint().phase == "ask"
    booked = len(server.book)
    again = lab.open("main").fork("again", at="strategy")
    assert lab.run_sync(
        session.fork("from the answer").run("copy", angles=[session.records("angle")[0].label()])
    ).records
    assert len(server.book) > booked
    assert again.checkpoint().phase == "strategy"
    replay = lab.open("main", from_start=True)
    for phase in ("research", "strategy"):
        lab.run_sync(replay.run(phase))
    assert (
        lab.run_sync(replay.ask("What do clients say about the switch and its costs?", on_miss="refuse")).answer
        == turn.answer
    )


@pytest.mark.usefixtures("slow")
def test_a_question_needs_a_turn_before_it(lab_of: LabOf) -> None:
    """At the root there is nothing to ask about, and an empty question is refused."""
    lab = lab_of()
    session = lab.session(Brief(url="https://b.example", market="CA"))
    with pytest.raises(PhaseOrderError):
        lab.run_sync(session.ask("Why?"))
    with pytest.raises(ValueError, match="question"):
        lab.run_sync(session.ask("  "))


# -- why a turn was not replayed


def _changed(brief: Brief, **fields: object) -> Brief:
    known = {name: getattr(brief, name) for name in Brief.model_fields}
    return Brief(**{**known, **fields})


def _with_agent_prompt(phase: Phase) -> Phase:
    agents = (replace(phase.agents[0], prompt=phase.agents[0].prompt + " Be brief."), *phase.agents[1:])
    return replace(phase, agents=agents)


def _with_order(phase: Phase) -> Phase:
    return replace(phase, agents=(replace(phase.agents[0], brief="Read it: $order"), *phase.agents[1:]))


def _revised(phase: Phase) -> Phase:
    first = phase.makes[0]
    return replace(
        phase, makes=(type(first.__name__, (first,), {"revision": 2, "__module__": __name__}), *phase.makes[1:])
    )


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(
    ("changes", "brief", "options", "reason"),
    [
        (None, {"audience": "Landlords with three flats"}, {}, "the brief's audience has changed"),
        (None, {"market": "CA-BC", "language": "fr-CA"}, {}, "the brief's market and language have changed"),
        (None, {}, {"steer": "Price first"}, "the steer has changed"),
        (None, {}, {"take": 2}, "take 2 was asked for, take 1 is stored"),
        (
            lambda phase: replace(phase, prompt=phase.prompt + "More."),
            {},
            {},
            "the phase's prompt has changed",
        ),
        (_with_agent_prompt, {}, {}, "the prompt of brand-intelligence-analyst has changed"),
        (_with_order, {}, {}, "the order of brand-intelligence-analyst has changed"),
        (_revised, {}, {}, "a record type has another revision"),
    ],
)
def test_a_miss_names_what_has_changed(
    changes: Any, brief: dict[str, Any], options: dict[str, Any], reason: str, lab_of: LabOf, termwick: Brief
) -> None:
    """Refused before anything is sent, with the reason in words and what a new turn would cost."""
    lab = lab_of()
    if changes:
        lab.add_phase(changes(builtin_phases()["research"]))
    with pytest.raises(ReplayMiss, match=reason) as miss:
        lab.run_sync(lab.session(_changed(termwick, **brief)).run("research", on_miss="refuse", **options))
    assert miss.value.estimate_usd is not None


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"variants": 3}, "the phase's variants has changed"),
        ({"variants": 3, "writers": "each"}, "the phase's variants and writers have changed"),
        ({"steer": "Numbers first"}, "the steer has changed"),
    ],
)
def test_a_miss_of_copy_names_what_its_writers_are_told(options: dict[str, Any], reason: str, lab_of: LabOf) -> None:
    """What the order of a copy-creator takes from arguments and steer is in the key."""
    lab = lab_of()
    main = lab.open("main")
    lab.run_sync(main.fork("Copy", at="strategy").run("copy", steer=""))
    with pytest.raises(ReplayMiss, match=reason):
        lab.run_sync(lab.open("Copy", from_start=True).run("copy", on_miss="refuse", **{"steer": "", **options}))


@pytest.mark.both_stores
@pytest.mark.usefixtures("slow")
def test_a_miss_names_another_model_and_another_endpoint(lab_of: LabOf, termwick: Brief) -> None:
    """The turns of another model are another conversation: the miss says for which model they are stored."""
    lab = lab_of(model="claude-opus-5")
    with pytest.raises(ReplayMiss, match=rf"stored for rehearsal-\d+ with {DEFAULT_MODEL}, not for .* claude-opus-5"):
        lab.run_sync(lab.session(termwick).run("research", on_miss="refuse"))


@pytest.mark.usefixtures("slow")
def test_a_session_keeps_its_model_and_its_endpoint_whoever_opens_it(
    lab_of: LabOf, server: RehearsalServer, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opened in a lab with another model it runs on with its own; with another endpoint it only replays."""
    turn = lab_of().run_sync(lab_of(model="claude-opus-5").open("main").run("copy"))
    assert turn.records
    assert {booked.model for booked in server.book[-5:]} == {DEFAULT_MODEL}
    monkeypatch.setenv("CAMPAIGN_LAB_API_KEY", server.token)
    with Lab(stores.place(user="ana"), user="ana", endpoint=f"http://127.0.0.1:{server.port}") as other:
        session = other.open("main", from_start=True)
        assert other.run_sync(session.run("research")).replayed
        with pytest.raises(EndpointError, match="is one of rehearsal"):
            other.run_sync(session.run("strategy", steer="Price first"))


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("kind", [RuntimeError, SystemExit])
def test_a_listener_that_breaks_ends_no_turn(
    kind: type[BaseException], lab_of: LabOf, caplog: pytest.LogCaptureFixture
) -> None:
    """What a display raises, also SystemExit on a closed pipe, is logged; the turn is finished and kept."""

    def broken(_event: object) -> None:
        raise kind("the display fell over")

    lab = lab_of()
    assert lab.run_sync(lab.open("main").run("copy", on_event=broken)).records
    assert "the display fell over" in caplog.text


# -- phases of one's own


@pytest.mark.usefixtures("slow")
def test_a_phase_of_ones_own_runs_replays_forks_and_costs_like_any_other(lab_of: LabOf) -> None:
    """Prompt, record class and arguments of the user's: records are validated, evidence is checked, the turn replays."""
    lab = lab_of(phases=[SLOGANS])
    session = lab.open("main")
    turn = lab.run_sync(session.run("slogans", tone="warm"))
    (slogan,) = turn.records
    assert isinstance(slogan, Slogan)
    assert slogan.name.startswith("warm: ")
    assert all(each.supported for each in slogan.evidence_in())
    assert session.records("slogan") == [slogan]
    assert "slogans" in set(lab.costs(by="phase")["phase"])
    replay = lab.open("main", from_start=True)
    for phase in ("research", "strategy"):
        lab.run_sync(replay.run(phase))
    assert lab.run_sync(replay.run("slogans", tone="warm", on_miss="refuse")).kept == turn.kept


@pytest.mark.usefixtures("slow")
def test_a_prompt_may_be_a_file_and_the_phase_may_have_agents(lab_of: LabOf, tmp_path: Path) -> None:
    """A prompt file, an agent of the user's own that is told the task, and its report in the conversation."""
    file = tmp_path / "slogans.md"
    file.write_text("Start all agents named in `agents`.\n\n```json\n$task\n```\n", encoding="utf-8")
    poet = Agent("poet", "Writes slogans", "# poet\n\nWrite slogans.", ("mcp__lab__save_records",))

    def given(_research: Mapping[str, Any], task: Mapping[str, Any]) -> tuple[list[dict[str, Any]], list[str]]:
        claim = {
            "text": "A rate hold lasts 120 days.",
            "evidence": [{"quote": "A rate hold lasts 120 days.", "url": task["page"]}],
        }
        return [{"name": "Hold it for 120 days", "claim": claim}], []

    phase = Phase(
        name="poems",
        prompt=file,
        makes=(Slogan,),
        agents=(poet,),
        arguments={"page": "https://termwick.example/"},
        rehearse=given,
    )
    lab = lab_of()
    lab.add_phase(phase)
    session = lab.open("main")
    turn = lab.run_sync(session.run("poems"))
    assert [kept.label for kept in turn.kept] == ["Hold it for 120 days"]
    assert "poet" in {line.agent for line in turn.receipt.lines}
    assert any("Hold it for 120 days" in message.text for message in session.conversation("poet"))


@pytest.mark.usefixtures("slow")
def test_a_phase_without_a_reader_says_so_in_rehearsal(lab_of: LabOf) -> None:
    """No record is made up: the turn ends with the kind listed as missing."""
    lab = lab_of()
    lab.add_phase(
        Phase(name="mute", prompt="Do it.\n\n```json\n$task\n```", makes=(type("Thing", (Slogan,), {"kind": "thing"}),))
    )
    turn = lab.run_sync(lab.open("main").run("mute"))
    assert not turn.kept
    assert "rehearsal has no reader" in turn.missing[0]


# -- fan-outs


@pytest.mark.usefixtures("slow")
@pytest.mark.both_stores
def test_run_all_gives_each_fork_its_own_turn_and_one_failure_stops_no_other(lab_of: LabOf) -> None:
    """One fork an angle: each writes for its own angle; a fork whose phase cannot run carries its error."""
    lab = lab_of()
    base = lab.open("main")
    forks = [base.fork(angle.label()) for angle in base.records("angle")[:3]]
    broken = base.fork("Too early", at=0)
    done = lab.run_sync(lab.run_all([*forks, broken], "copy"))
    assert [result.session.name for result in done.results] == [*(fork.name for fork in forks), "Too early"]
    for fork, result in zip(forks, done.results, strict=False):
        assert result.error is None
        assert {record.angle for record in result.turns[0].records} == {fork.name}
    assert isinstance(done.results[3].error, PhaseOrderError)
    assert [result.session.name for result in done.failed] == ["Too early"]
    frame = lab.compare(forks)
    assert list(frame["session"].unique()) == [fork.name for fork in forks]


@pytest.mark.usefixtures("slow")
def test_run_all_takes_a_steer_for_each_session(lab_of: LabOf) -> None:
    """The steer of a session's name goes into its first turn."""
    lab = lab_of()
    base = lab.open("main")
    forks = [base.fork(name, at="research") for name in ("one", "two")]
    done = lab.run_sync(lab.run_all(forks, "strategy", steer={"one": "Price first", "two": "Emotional angle"}))
    one, two = (result.turns[0].kept[0].label for result in done.results)
    assert one != two


@pytest.mark.usefixtures("slow")
def test_cold_forks_are_warmed_by_a_common_anchor_and_replay_after_it(
    lab_of: LabOf, clock: Any, server: RehearsalServer
) -> None:
    """Two hours later the forks first share a short turn; run again, all of it replays for nothing."""
    lab = lab_of()
    base = lab.open("main")
    clock.move(hours=2)
    names = [f"fork {number}" for number in range(4)]
    done = lab.run_sync(lab.run_all([base.fork(name, at="research") for name in names], "strategy"))
    assert not done.failed
    assert len(done.notes) == 1
    assert "warmed" in done.notes[0]
    anchors = {result.session.lineage[1].turn for result in done.results}
    assert len(anchors) == 1
    assert all(
        result.turns[0].receipt.cache.state == "warm" for result in done.results if result.turns[0].receipt.cache
    )
    booked = len(server.book)
    again = lab.run_sync(lab.run_all([base.fork(name, at="research") for name in names], "strategy"))
    assert all(turn.replayed for result in again.results for turn in result.turns)
    assert len(server.book) == booked
    assert again.notes == done.notes
    assert again._repr_html_() == done._repr_html_()


@pytest.mark.usefixtures("slow")
def test_a_fan_out_shows_what_failed_and_why(lab_of: LabOf) -> None:
    """A row a session: what is done and, escaped, the error that stopped it; run again it shows the same."""
    lab = lab_of()
    base = lab.open("main")
    forks = [base.fork("<b>well</b>", at="research"), base.fork("ill", at="research")]
    done = lab.run_sync(lab.run_all(forks, "strategy", "<none>"))
    shown = done._repr_html_()
    assert repr(done) == "FanOut(2 sessions, 2 failed)"
    assert "&lt;b&gt;well&lt;/b&gt;" in shown
    assert "&lt;none&gt;" in shown
    assert shown.count("<bdi>failed</bdi>") == 2
    assert shown.count("<bdi>strategy</bdi>") == 2
    assert lab.run_sync(lab.run_all(forks, "strategy", "<none>"))._repr_html_() == shown


# -- budgets and costs


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("scope", ["turn", "session", "user", "day"])
def test_a_budget_refuses_with_its_numbers_before_anything_is_sent(
    scope: str, lab_of: LabOf, server: RehearsalServer
) -> None:
    """What was spent, what is estimated and the limit are in the error; nothing was sent, and replays still work."""
    lab = lab_of(budgets=Budgets(**{f"{scope}_usd": 0.0001}))
    session = lab.open("main")
    booked = len(server.book)
    with pytest.raises(BudgetExceeded, match=rf"\$0\.0001 for this {scope}.*estimated at") as refused:
        lab.run_sync(session.run("copy"))
    assert refused.value.estimate_usd > 0
    assert len(server.book) == booked
    assert lab.run_sync(lab.open("main", from_start=True).run("research")).replayed


@pytest.mark.usefixtures("slow")
def test_a_fan_out_is_held_against_the_budget_as_a_whole(lab_of: LabOf, server: RehearsalServer) -> None:
    """Each fork alone would fit; five together do not, and none of them is started."""
    lab = lab_of()
    base = lab.open("main")
    one = base.fork("probe", at="research").estimate("strategy").usd
    assert one is not None
    spent = float(lab.costs(by="user")["cost_usd"].sum())
    lab = lab_of(budgets=Budgets(user_usd=spent + 2.5 * one))
    base = lab.open("main")
    booked = len(server.book)
    with pytest.raises(BudgetExceeded):
        lab.run_sync(lab.run_all([base.fork(f"f{n}", at="research") for n in range(5)], "strategy"))
    assert len(server.book) == booked


def test_an_estimate_says_what_it_stands_on(lab_of: LabOf) -> None:
    """Nothing for a replay, recorded turns where there are some, typical sizes where there are none."""
    lab = lab_of()
    start = lab.open("main", from_start=True)
    assert start.estimate("research").usd == 0.0
    assert start.estimate("research").basis == "replay"
    session = lab.open("main")
    assert session.fork("x", at="research").estimate("strategy").basis == "recorded"
    sizes = session.estimate("copy")
    assert sizes.basis == "sizes"
    assert sizes.usd is not None
    assert sizes.usd > 0


def test_an_estimate_for_another_endpoint_counts_the_message_there(
    stores: Stores, server: RehearsalServer, termwick: Brief, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A url's own count_tokens is asked, with the key of the environment; nothing is paid and nothing else is sent."""
    monkeypatch.setenv("CAMPAIGN_LAB_API_KEY", server.token)
    booked = len(server.book)
    with Lab(stores.place(user="ana"), user="ana", endpoint=f"http://127.0.0.1:{server.port}") as lab:
        estimated = lab.session(termwick).estimate("research")
    assert estimated.basis == "counted"
    assert estimated.usd is not None
    assert estimated.usd > 0
    with Lab(stores.place(user="ana"), user="ana", endpoint="http://127.0.0.1:9") as lab:
        assert lab.session(termwick).estimate("research").basis == "sizes"
    assert len(server.book) == booked


@pytest.mark.both_stores
@pytest.mark.parametrize("by", ["user", "campaign", "session", "phase", "agent", "day", "model", "batch", "run"])
def test_the_parts_are_the_whole(by: str, lab_of: LabOf) -> None:
    """By whatever key, costs and tokens add up to the ledger."""
    lab = lab_of()
    frame = lab.costs(by=by)
    row = lab._context.engine.call(
        lambda con: con.execute(
            "SELECT sum(cost_usd), sum(output_tokens), count(*) FROM requests WHERE complete"
        ).fetchone()
    )
    assert row is not None
    assert frame["cost_usd"].sum() == pytest.approx(row[0])
    assert frame["output_tokens"].sum() == row[1]
    assert frame["requests"].sum() == row[2]
    with pytest.raises(ValueError, match="'mood' is not allowed"):
        lab.costs(by="mood")


@pytest.mark.usefixtures("slow")
def test_a_receipt_says_warm_or_cold_why_and_what_was_carried(lab_of: LabOf, clock: Any) -> None:
    """A fork in time is warm; two hours later it is cold for the age of the checkpoint; both carry the research."""
    lab = lab_of()
    base = lab.open("main")
    research = base.turns()[0].receipt.cost_usd
    warm = lab.run_sync(base.fork("warm", at="research").run("strategy")).receipt
    clock.move(hours=2)
    cold = lab.run_sync(base.fork("cold", at="research").run("strategy")).receipt
    assert warm.cache is not None
    assert warm.cache.state == "warm"
    assert cold.cache is not None
    assert cold.cache.state == "cold"
    assert "2 h old" in cold.cache.reason
    assert warm.avoided_usd == cold.avoided_usd == pytest.approx(research)


# -- names


@pytest.mark.both_stores
def test_sessions_can_be_renamed_listed_deleted_and_carry_metadata(lab_of: LabOf) -> None:
    """Names are unique in a campaign; what was given at birth is kept; a deleted session is out of sight."""
    lab = lab_of()
    session = lab.session(Brief(url="https://b.example", market="CA", campaign="B"), client="B Ltd", wave=2)
    assert session.metadata == {"client": "B Ltd", "wave": 2}
    session.rename("first wave")
    assert lab.open("B/first wave").id == session.id
    other = lab.session(Brief(url="https://b.example", market="CA", campaign="B"), name="second")
    with pytest.raises(ValueError, match="taken"):
        other.rename("first wave")
    assert {"first wave", "second", "main"} <= set(lab.sessions()["session"])
    other.delete()
    assert "second" not in set(lab.sessions()["session"])
    with pytest.raises(NotFoundError):
        lab.open("second")


@pytest.mark.both_stores
def test_the_tree_shows_who_forked_what_where_and_why(lab_of: LabOf) -> None:
    """One row a session with its parent, checkpoint, purpose and maker."""
    lab = lab_of()
    base = lab.open("main")
    child = base.fork("Price first", at="research")
    child.fork("Price, but warm")
    tree = lab.tree(base).set_index("session")
    assert tree.loc["Price first", "parent"] == "main"
    assert tree.loc["Price first", "checkpoint"] == 1
    assert tree.loc["Price, but warm", "parent"] == "Price first"
    assert set(tree["made_by"]) == {"ana"}
    assert json.loads(tree.reset_index().to_json(orient="records", date_format="iso"))
