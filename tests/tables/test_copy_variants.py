"""Comparing: each row says what is true of its variant and its session, however many are asked for at once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest

from campaign_lab import Lab
from campaign_lab.agents.phases import Phase, builtin_phases
from campaign_lab.agents.tools.record_intake import MENDS, RecordIntake
from campaign_lab.errors import NotFoundError
from campaign_lab.findings import SentenceCounts, dump_findings
from campaign_lab.records import CopyVariant
from campaign_lab.sessions.history.path_loader import HandlePosition
from campaign_lab.store import queries
from campaign_lab.store.rows import AuditRow, SessionRow
from campaign_lab.tables.copy_variants import copy_rows
from campaign_lab.tables.coverage import coverage_rows
from campaign_lab.tables.sessions import session_rows
from support.copy_rows import HOME, angle, claim, quote, turn, variant
from support.counting import Counting
from support.lab_rows import NOW, add, fork, grow, session, share, try_in_vain
from support.labs import MakeLab
from support.stores import by_hand

COPY = builtin_phases()["copy"]


def write(lab: Lab, work: Callable[[queries.Con], Any]) -> Any:
    return by_hand(lab, work)


def one_session(lab: Lab, *records: Any, phase: str = "copy") -> None:
    write(lab, lambda con: turn(con, add(con, session()), "t1", *records, phase=phase))


def compared(lab: Lab, *names: str, **options: Any) -> pd.DataFrame:
    return lab.compare([lab.open(name, **options) for name in names or ("main",)])


# -- what a row says


@pytest.mark.both_stores
def test_a_row_tells_of_its_session_its_angle_and_its_text(make_lab: MakeLab) -> None:
    """A fork's variant: where the fork comes from, why it was made, and what its angle is."""
    lab = make_lab()

    def make(con: queries.Con) -> None:
        base = turn(con, add(con, session()), "t1", angle("Calm", "pain", "solution"), phase="strategy")
        child = add(con, fork(base, "Bolder"))
        turn(con, child, "t2", variant("Sleep well", language="fr-CA", description="x" * 40))

    write(lab, make)
    (row,) = compared(lab, "Bolder").to_dict("records")
    assert (row["session"], row["lineage"], row["purpose"]) == ("Bolder", "main > Bolder", "Bolder")
    assert (row["angle"], row["motivation"], row["awareness_stage"]) == ("Calm", "pain", "solution")
    assert (row["headline"], row["primary_text"], row["call_to_action"]) == ("Sleep well", "One question.", "SHOP_NOW")
    assert (row["language"], row["over_limit"], row["endpoint"]) == ("fr-CA", "description", "rehearsal-1")
    assert (row["near_duplicate"], row["pick"], row["note"], row["rated_by"]) == ("", "", "", "")
    assert pd.isna(row["rating"])
    assert row["id"] == "sleep well"


def test_a_variant_without_an_angle_of_its_name_is_there_all_the_same(make_lab: MakeLab) -> None:
    """Motivation and stage are empty."""
    lab = make_lab()
    one_session(lab, variant("Alone", angle="Gone"))
    assert compared(lab)[["angle", "motivation", "awareness_stage"]].values.tolist() == [["Gone", "", ""]]


def test_a_handle_is_read_up_to_where_it_stands(make_lab: MakeLab) -> None:
    """A second turn of the phase replaces the first, but not for a handle that stands before it; a root has no copy."""
    lab = make_lab()

    def make(con: queries.Con) -> None:
        row = turn(con, add(con, session()), "t1", variant("First"))
        turn(con, row, "t2", variant("Second"))

    write(lab, make)
    tip = lab.open("main")
    before = tip.fork("before", at=1)
    assert lab.compare([before, tip])["headline"].tolist() == ["First", "Second"]
    assert lab.compare(tip)["headline"].tolist() == ["Second"]
    assert compared(lab, "main", from_start=True).empty
    assert lab.compare([]).empty


@pytest.mark.parametrize(
    "changed", [{"degraded": True, "body": '"text"'}, {"revision": 99}], ids=["degraded", "of another revision"]
)
def test_a_variant_that_its_class_cannot_read_is_left_out(changed: dict[str, Any], make_lab: MakeLab) -> None:
    """As session.records leaves it out."""
    lab = make_lab()
    one_session(lab, variant("Good"), replace(variant("Bad"), **changed))
    assert compared(lab)["headline"].tolist() == ["Good"]


def test_a_variant_of_a_phase_that_is_not_known_here_is_left_out(make_lab: MakeLab) -> None:
    """Until the phase is added: then it is known what its records are."""
    lab = make_lab()
    one_session(lab, variant("Mine"), phase="own copy")
    assert compared(lab).empty
    lab.add_phase(Phase(name="own copy", prompt="$task", makes=(CopyVariant,)))
    assert compared(lab)["headline"].tolist() == ["Mine"]


@pytest.mark.usefixtures("slow")
def test_counts_are_those_of_the_records_themselves(lab_of: MakeLab) -> None:
    """A real campaign's copy: claims and quotes as the classes count them, and all of them stand."""
    lab = lab_of()
    main = lab.open("main")
    lab.run_sync(main.run("copy"))
    kept = main.records("copy_variant")
    table = lab.compare(main)
    assert table["claims"].tolist() == [len(each.claims_in()) for each in kept]
    assert table["quotes"].tolist() == [len(each.evidence_in()) for each in kept]
    assert table["claims"].sum() > 0
    assert table["claims_supported"].equals(table["claims"])
    assert table["quotes_supported"].equals(table["quotes"])
    assert table["id"].tolist() == [each.id for each in main.kept("copy_variant")]
    assert set(table["motivation"]) == {each.motivation for each in main.records("angle")}  # type: ignore[attr-defined]


def test_only_what_stands_counts_as_supported(make_lab: MakeLab) -> None:
    """A quote that was refuted, or never looked at, carries no claim; the same quote twice is one."""
    lab = make_lab()
    claims = [
        claim("Stands.", quote("It stands here", True), quote("This one does not", False)),
        claim("Falls.", quote("This one does not", False)),
        claim("Nobody looked.", quote("Not looked at", None)),
    ]
    one_session(lab, variant("Some", claims=claims))
    (row,) = compared(lab).to_dict("records")
    assert (row["claims"], row["claims_supported"], row["quotes"], row["quotes_supported"]) == (3, 1, 3, 1)


def test_a_claim_that_says_more_than_its_quotes_is_not_supported(make_lab: MakeLab) -> None:
    """The turn's checks said so three times and the model did not mend it: the quote stands, the claim does not."""
    page = "We tested forty jackets for one hundred days in the rain."
    intake = RecordIntake(COPY, lambda: {HOME: page})
    given = json.loads(variant("Tested", claims=[claim("All 900 jackets last.", quote(page, None))]).body)
    for _ in range(MENDS + 1):
        intake.hand_in("copy_variant", [given])
    (kept,) = intake.results()
    assert kept.problems
    lab = make_lab()
    one_session(lab, replace(variant("Tested"), body=kept.body, problems=dump_findings(kept.findings)))
    (row,) = compared(lab).to_dict("records")
    assert (row["claims"], row["claims_supported"], row["quotes_supported"]) == (1, 0, 1)


def test_a_text_that_says_more_than_its_claims_is_never_fully_supported(make_lab: MakeLab) -> None:
    """A sentence without a claim counts as a claim that nothing supports, with or without others beside it."""
    lab = make_lab()
    promise = claim("We compare 31 lenders.", quote("We compare 31 lenders before you renew."))
    one_session(
        lab,
        variant("Compare 31 lenders", claims=[promise]),
        variant("Most lenders expect you to ask.", claims=[promise]),
        variant("Ontario's best mortgage broker"),
    )
    rows = compared(lab).to_dict("records")
    assert [(row["claims"], row["claims_supported"]) for row in rows] == [(1, 1), (2, 1), (1, 0)]
    sentences = ("sentences_carried", "sentences_plain", "sentences_to_check")
    assert [tuple(row[name] for name in sentences) for row in rows] == [(1, 2, 0), (0, 2, 1), (0, 2, 1)]


def test_counts_that_were_stored_are_not_made_again(make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand forks are read without a look at their words; only what an older version stored is counted when shown."""
    lab = make_lab()
    counted = replace(variant("Ontario's best broker"), problems=dump_findings([SentenceCounts(1, 2, 3).finding()]))
    one_session(lab, counted)
    monkeypatch.setattr("campaign_lab.checks.counts_of", lambda *_: pytest.fail("counted again"))
    (row,) = compared(lab).to_dict("records")
    assert (row["sentences_carried"], row["sentences_plain"], row["sentences_to_check"]) == (1, 2, 3)


# -- money and cache


@pytest.mark.both_stores
def test_own_cost_and_avoided_cost_are_told_apart(make_lab: MakeLab) -> None:
    """A fork's own turns are its cost, those that it carries were avoided; together the own costs are the ledger's sum."""
    lab = make_lab()

    def make(con: queries.Con) -> float:
        base = grow(con, add(con, session()), "t1")
        child = add(con, fork(base, "child"))
        turn(con, turn(con, child, "t2", phase="strategy"), "t3", variant("One"), variant("Two"))
        turn(con, base, "t4", variant("Three"))
        return float(con.execute("SELECT sum(cost_usd) FROM requests").fetchone()[0])  # type: ignore[index]

    total = write(lab, make)
    table = compared(lab, "main", "child").set_index("headline")
    costs = table[["cost_own_usd", "cost_avoided_usd"]]
    assert costs.loc["One"].equals(costs.loc["Two"])
    assert costs.loc["One"].tolist() == pytest.approx([total / 2, total / 4])
    assert costs.loc["Three"].tolist() == pytest.approx([total / 2, 0])


def test_what_has_no_price_is_counted_beside_the_cost(make_lab: MakeLab) -> None:
    """Of the session that has it, and of nothing else; where nothing is known the cost is missing, never 0."""
    lab = make_lab()

    def make(con: queries.Con) -> None:
        base = grow(con, add(con, session()), "t1")
        turn(con, add(con, fork(base, "child")), "t2", variant("One"))
        con.execute("UPDATE requests SET cost_usd = NULL WHERE attempt_id = 't2'")
        con.execute("UPDATE requests SET cost_usd = NULL WHERE attempt_id = 't1' AND subpath = ''")

    write(lab, make)
    (row,) = compared(lab, "child").to_dict("records")
    assert pd.isna(row["cost_own_usd"])
    assert row["cost_avoided_usd"] > 0
    assert (row["own_unpriced_requests"], row["avoided_unpriced_requests"]) == (4, 2)


def test_a_try_that_failed_counts_on_the_board_as_in_the_tree_and_the_tables(make_lab: MakeLab) -> None:
    """The own cost of a session is one sum in compare, sessions, tree and costs."""
    lab = make_lab()

    def make(con: queries.Con) -> None:
        base = grow(con, add(con, session()), "t1")
        child = turn(con, add(con, fork(base, "child")), "t2", variant("One"))
        try_in_vain(con, child, "cancelled")
        con.execute("UPDATE requests SET cost_usd = NULL WHERE attempt_id = 'cancelled' AND subpath = ''")

    write(lab, make)
    child = lab.open("child")
    own = {"board": lab.compare(child).iloc[0][["cost_own_usd", "own_unpriced_requests"]].tolist()}
    for name, table in (("sessions", lab.sessions()), ("tree", lab.tree(child)), ("costs", lab.costs(by="session"))):
        own[name] = table.set_index("session").loc["child", ["cost_usd", "unpriced_requests"]].tolist()
    assert own["board"][1] == 2
    assert own == dict.fromkeys(own, own["board"])


@pytest.mark.parametrize(
    ("read", "state"), [(1000, "warm"), (950, "warm"), (949, "partial"), (500, "partial"), (499, "cold"), (0, "cold")]
)
def test_the_cache_is_judged_by_what_the_turn_read(read: int, state: str, make_lab: MakeLab) -> None:
    """Its first request against the last prompt before it: 95 % is warm, below half is cold."""
    lab = make_lab()

    def make(con: queries.Con) -> None:
        turn(con, grow(con, add(con, session()), "t1"), "t2", variant("One"))
        con.execute("UPDATE requests SET n = CASE WHEN message_id LIKE '%_1' THEN 0 ELSE 1 END")
        main = "subpath = '' AND"
        con.execute(f"UPDATE requests SET cache_read_tokens = 900 WHERE {main} attempt_id = 't1' AND n = 1")
        con.execute(f"UPDATE requests SET cache_read_tokens = {read} WHERE {main} attempt_id = 't2' AND n = 0")

    write(lab, make)
    assert compared(lab)["cache"].tolist() == [state]


def test_a_first_turn_has_no_cache_and_an_unknown_one_is_not_guessed(make_lab: MakeLab) -> None:
    """Copy right after the root, and copy after a turn whose requests are not in the ledger."""
    lab = make_lab()

    def make(con: queries.Con) -> None:
        first = turn(con, add(con, session()), "t1", variant("First"))
        turn(con, add(con, fork(first, "child")), "t2", variant("Then"))
        con.execute("DELETE FROM requests WHERE attempt_id = 't1'")

    write(lab, make)
    assert compared(lab, "main", "child")["cache"].tolist() == ["first turn", ""]


@pytest.mark.usefixtures("slow")
def test_the_cache_is_what_the_receipt_says(lab_of: MakeLab) -> None:
    """The same verdict for a real turn, in the table and in its receipt."""
    lab = lab_of()
    main = lab.open("main")
    turn_ = lab.run_sync(main.run("copy", angles=[main.records("angle")[0].label()]))
    assert turn_.receipt.cache is not None
    assert set(lab.compare(main)["cache"]) == {turn_.receipt.cache.state}


# -- whose sessions


@pytest.mark.both_stores
def test_what_was_not_shared_is_not_found_and_nothing_is_told(make_lab: MakeLab) -> None:
    """One refused session among the user's own refuses the table; the refusal is written down, as for one session."""
    lab = make_lab(user="ben")

    def make(con: queries.Con) -> None:
        turn(con, add(con, session(id="his", name="his", owner="ben")), "t1", variant("His"))
        turn(con, add(con, session(id="hers", name="hers")), "t2", variant("Hers"))

    write(lab, make)
    his = lab.open("his")
    hers = type(his)(lab._context, write(lab, lambda con: _row(con, "hers")), "t2")
    with pytest.raises(NotFoundError, match="hers"):
        lab.compare([his, hers])
    (audit,) = write(lab, lambda con: queries.select(con, AuditRow))
    assert (audit.user_name, audit.verb, audit.session_id, audit.allowed) == ("ben", "read", "hers", False)
    write(lab, lambda con: share(con, _row(con, "hers"), "ben"))
    assert lab.compare([his, hers])["headline"].tolist() == ["His", "Hers"]


@pytest.mark.both_stores
def test_a_shared_session_shares_the_forks_that_runs_made_of_it(make_lab: MakeLab) -> None:
    """And of sessions that were not shared, the way to it says nothing."""
    lab = make_lab(user="ben")

    def make(con: queries.Con) -> None:
        base = add(con, session())
        named = add(con, fork(base, "Given"))
        automatic = add(con, fork(named, "Given 2", automatic=True))
        turn(con, automatic, "t1", variant("Told"))
        share(con, named, "ben")

    write(lab, make)
    (row,) = compared(lab, "Given 2").to_dict("records")
    assert (row["headline"], row["lineage"]) == ("Told", "Given > Given 2")


def test_a_session_of_another_lab_file_is_refused(make_lab: MakeLab) -> None:
    """Instead of an empty table."""
    lab, other = make_lab(), make_lab("other.duckdb")
    one_session(other, variant("There"))
    place = re.escape(other._context.engine.display_url)
    with pytest.raises(ValueError, match=f"main' is of another lab file, {place}"):
        lab.compare(other.open("main"))


# -- many at once


@pytest.mark.both_stores
def test_more_forks_take_no_more_statements(make_lab: MakeLab) -> None:
    """A dozen forks are read in as many statements as two, and each has its own rows."""
    lab = make_lab()

    def make(con: queries.Con) -> list[HandlePosition]:
        base = turn(con, add(con, session()), "t0", angle("Calm"), phase="strategy")
        children = [add(con, fork(base, f"f{n}")) for n in range(12)]
        return [
            HandlePosition(row, row.tip_turn)
            for row in (turn(con, row, f"t-{row.id}", variant(row.id)) for row in children)
        ]

    def count(con: queries.Con, places: list[HandlePosition]) -> int:
        counting = Counting(con)
        rows = copy_rows(counting, "ana", lab._context.phases, places)  # type: ignore[arg-type]
        assert [row["headline"] for row in rows] == [place.session.id for place in places]
        return counting.statements

    places = write(lab, make)
    few, many = (write(lab, lambda con, some=some: count(con, some)) for some in (places[:2], places))
    assert few == many


def test_more_sessions_take_no_more_statements(make_lab: MakeLab) -> None:
    """A dozen forks are listed, and their coverage told, in as many statements as one session."""
    lab = make_lab()

    def count(con: queries.Con, places: list[HandlePosition]) -> tuple[int, int]:
        listing, covering = Counting(con), Counting(con)
        assert [row["turns"] for row in session_rows(listing, "ana", NOW)] == [2] * (len(places) - 1) + [1]  # type: ignore[arg-type]
        assert len(coverage_rows(covering, lab._context.phases, places)) == 5 * len(places)  # type: ignore[arg-type]
        return listing.statements, covering.statements

    def grown(con: queries.Con) -> tuple[tuple[int, int], tuple[int, int]]:
        base = turn(con, add(con, session()), "t0", angle("Calm", anchor="Rest"), phase="strategy")
        few = count(con, [HandlePosition(base, "t0")])
        later = NOW + timedelta(seconds=1)
        forks = [turn(con, add(con, fork(base, f"f{n}", made_at=later)), f"t-{n}") for n in range(12)]
        return few, count(con, [HandlePosition(row, row.tip_turn) for row in (base, *forks)])

    few, many = write(lab, grown)
    assert few == many


def _row(con: queries.Con, name: str) -> SessionRow:
    (row,) = queries.select(con, SessionRow, "WHERE name = ?", [name])
    return row
