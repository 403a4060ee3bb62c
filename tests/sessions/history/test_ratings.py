"""Judgements: what people say of a variant is kept with it, by user, and goes where the record goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from campaign_lab import Lab
from campaign_lab.errors import NotFoundError, StoreError
from campaign_lab.sessions.transfer.session_file import load, save
from campaign_lab.sessions.upkeep.doctor import examine
from campaign_lab.sessions.upkeep.sweep import sweep
from campaign_lab.sessions.upkeep.verify import verify
from campaign_lab.store import queries
from campaign_lab.store.connection import Store
from campaign_lab.store.duckdb.engine import open_file
from campaign_lab.store.rows import JudgementRow, SessionRow
from support.clock import Clock
from support.copy_rows import angle, said, turn, variant
from support.lab_rows import NOW, add, dump, fork, orphans, session, share
from support.labs import MakeLab
from support.stores import Stores, by_hand, opened

JUDGED = ["pick", "rating", "note", "rated_by"]
NOTHING = ["", None, "", ""]


def one_session(con: queries.Con) -> SessionRow:
    """Ana's session with two variants, which ben may read."""
    row = turn(con, add(con, session()), "t1", variant("First"), variant("Second"))
    share(con, row, "ben")
    return row


def judged(lab: Lab, name: str = "main") -> list[list[Any]]:
    table = lab.compare(lab.open(name))[JUDGED]
    return [[None if pd.isna(value) else value for value in row] for row in table.values.tolist()]


def stored(con: queries.Con) -> list[JudgementRow]:
    return queries.select(con, JudgementRow, "ORDER BY turn_id, n, user_name")


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    """Ana's lab with one session."""
    made = make_lab()
    by_hand(made, one_session)
    return made


@pytest.fixture
def other(stores: Stores) -> Iterator[Store]:
    """Another lab, empty."""
    with opened(stores.place("elsewhere.duckdb")) as store:
        yield store


# -- saying it


def test_what_was_said_stands_beside_the_variant(lab: Lab) -> None:
    """By id or by headline, and only there."""
    main = lab.open("main")
    main.rate("first", pick="pick", rating=4, note=" Warm, and true. ")
    main.rate("Second", pick="reject")
    assert judged(lab) == [["pick", 4, "Warm, and true.", "ana"], ["reject", None, "", "ana"]]


@pytest.mark.both_stores
def test_what_is_not_said_stays(lab: Lab) -> None:
    """One row a user and variant, changed bit by bit; an empty word takes back, and what was taken back is not shown."""
    main = lab.open("main")
    for said_now, row in (
        ({"rating": 2}, ["", 2, "", "ana"]),
        ({"pick": "pick"}, ["pick", 2, "", "ana"]),
        ({"note": "hm"}, ["pick", 2, "hm", "ana"]),
        ({"rating": np.int64(5), "pick": ""}, ["", 5, "hm", "ana"]),
        ({"note": ""}, ["", 5, "", "ana"]),
        ({"rating": 0, "pick": "reject"}, ["reject", None, "", "ana"]),
    ):
        main.rate("first", **said_now)  # type: ignore[arg-type]
        assert judged(lab) == [row, NOTHING]
    assert len(by_hand(lab, stored)) == 1
    assert repr(main.rate("second", pick="pick", rating=3)) == "'Second': pick, 3 of 5"
    assert repr(main.rate("second", pick="", rating=0)) == "'Second': nothing said"
    assert judged(lab)[1] == NOTHING
    assert len(by_hand(lab, stored)) == 2


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({}, "give pick, rating or note"),
        ({"pick": "maybe"}, "pick: 'maybe' is not allowed; expected pick, reject"),
        ({"rating": -1}, "rating: -1 is not allowed; expected a whole number from 1 to 5, or 0 to take it back"),
        ({"rating": 6}, "rating: 6"),
        ({"rating": 3.5}, r"rating: 3\.5"),
        ({"rating": True}, "rating: True"),
        ({"rating": "3"}, "rating: '3'"),
        ({"note": "x" * 1001}, "note: 1001 characters are too many; at most 1000"),
        ({"note": "half \ud83d"}, "half of a character"),
    ],
)
def test_what_cannot_be_kept_is_refused(wrong: dict[str, Any], words: str, lab: Lab) -> None:
    """With the value and what is allowed; nothing is stored, not even what would have been right."""
    with pytest.raises(ValueError, match=words):
        lab.open("main").rate("first", **{"note": "right", **wrong} if wrong else {})
    assert by_hand(lab, stored) == []


def test_a_note_of_any_text_comes_back_as_it_is(lab: Lab) -> None:
    """Quotes, markup and emoji, a thousand characters of them."""
    note = ("';--<b>$5</b> 👍🏽\n" * 60)[:1000].strip()
    lab.open("main").rate("first", note=note)
    assert judged(lab)[0][2] == note


def test_an_unknown_variant_is_answered_with_the_known_ids(lab: Lab) -> None:
    """And so is one of a turn after the place where the handle stands."""
    with pytest.raises(NotFoundError, match=r"third.*first.*second"):
        lab.open("main").rate("third", rating=1)
    with pytest.raises(NotFoundError, match="first"):
        lab.open("main", from_start=True).rate("first", rating=1)


def test_a_headline_that_two_variants_have_needs_the_id(make_lab: MakeLab) -> None:
    """The error lists the two; by id each can be told."""
    lab = make_lab()
    twins = [replace(variant("Same", angle=name), record_id=f"{name}-v1") for name in ("Calm", "Bold")]
    by_hand(lab, lambda con: turn(con, add(con, session()), "t1", *twins))
    with pytest.raises(NotFoundError, match=r"Calm-v1.*Bold-v1"):
        lab.open("main").rate("Same", rating=1)
    lab.open("main").rate("Bold-v1", rating=5)
    assert [row[1] for row in judged(lab)] == [None, 5]


def test_only_copy_is_judged(make_lab: MakeLab) -> None:
    """An angle, or a variant that could not be read, is no variant."""
    lab = make_lab()
    broken = replace(variant("Broken"), degraded=True)
    by_hand(lab, lambda con: turn(con, add(con, session()), "t1", angle("Calm"), broken))
    for name in ("Calm", "Broken"):
        with pytest.raises(NotFoundError, match="copy variant"):
            lab.open("main").rate(name, rating=1)


# -- who says it


@pytest.mark.both_stores
def test_readers_may_judge_and_each_sees_their_own(lab: Lab, make_lab: MakeLab, clock: Clock) -> None:
    """Else the newest of anybody's, with whose it is."""
    bens = make_lab(user="ben", now=clock)
    clock.now = NOW
    bens.open("main").rate("first", rating=1)
    bens.open("main").rate("second", rating=2)
    lab.open("main").rate("first", rating=5)
    assert judged(lab) == [["", 5, "", "ana"], ["", 2, "", "ben"]]
    assert judged(bens) == [["", 1, "", "ben"], ["", 2, "", "ben"]]
    times = {(row.n, row.user_name): row.rated_at for row in by_hand(lab, stored)}
    assert times[0, "ben"] == NOW
    assert times[0, "ana"] != NOW


@pytest.mark.both_stores
def test_of_others_the_newest_counts(lab: Lab) -> None:
    """Whatever order they are stored in."""
    rows = [said("t1", user=user, rating=rating, at=NOW + timedelta(hours=hour)) for user, rating, hour in
            (("cleo", 1, 1), ("dan", 2, 3), ("eve", 3, 2))]  # fmt: skip
    by_hand(lab, lambda con: queries.insert(con, rows))
    assert judged(lab)[0] == ["", 2, "", "dan"]


@pytest.mark.both_stores
def test_strangers_judge_nothing(lab: Lab, make_lab: MakeLab) -> None:
    """For them the session is not there."""
    eves = make_lab(user="eve")
    handle = type(lab.open("main"))(eves._context, lab.open("main")._row, "t1")
    with pytest.raises(NotFoundError, match="session"):
        handle.rate("first", rating=1)
    assert by_hand(lab, stored) == []


def forked_and_unshared(lab: Lab, make_lab: MakeLab) -> Lab:
    """Ben's lab: he forked ana's session while it was shared, and both have judged since."""
    main, bens = lab.open("main"), make_lab(user="ben")
    main.share("ben", "fork")
    bens.open("main").fork("mine").rate("second", rating=2)
    main.unshare("ben")
    main.rate("first", pick="reject", note="for us only")
    return bens


@pytest.mark.both_stores
def test_others_judgements_end_where_reading_ends(lab: Lab, make_lab: MakeLab) -> None:
    """Who forked and may not read the session any more sees what he said himself; the owner sees both."""
    bens = forked_and_unshared(lab, make_lab)
    assert judged(bens, "mine") == [NOTHING, ["", 2, "", "ben"]]
    assert judged(lab) == [["reject", None, "for us only", "ana"], ["", 2, "", "ben"]]


@pytest.mark.both_stores
def test_others_judgements_that_one_may_not_see_stay_out_of_ones_file(
    lab: Lab, make_lab: MakeLab, tmp_path: Path, other: Store
) -> None:
    """Whoever takes the file in owns what is in it."""
    bens = forked_and_unshared(lab, make_lab)
    bens.open("mine").save(tmp_path / "s.duckdb")
    load(other, tmp_path / "s.duckdb", owner="ben")
    assert [(row.user_name, row.rating) for row in other.call(stored)] == [("ben", 2)]


def test_a_variant_is_judged_once_for_all_forks_that_carry_it(lab: Lab) -> None:
    """Said in a fork, seen in the session that made it."""
    lab.open("main").fork("Second look").rate("first", pick="pick")
    assert judged(lab) == judged(lab, "Second look") == [["pick", None, "", "ana"], NOTHING]


# -- where it goes


def saved(lab: Lab, path: Path) -> Path:
    row = lab.open("main")._row
    save(lab._context.engine, row, path)
    return path


def test_judgements_go_along_in_a_saved_session(lab: Lab, tmp_path: Path, other: Store) -> None:
    """Everybody's, and taking the file in twice stores them once."""
    lab.open("main").rate("first", pick="pick", note="good")
    by_hand(lab, lambda con: queries.insert(con, [said("t1", 1, "ben", rating=2)]))
    path = saved(lab, tmp_path / "s.duckdb")
    for _ in range(2):
        load(other, path, owner="cleo")
        assert other.call(stored) == by_hand(lab, stored)
    assert other.call(orphans) == []


def test_a_newer_file_brings_ones_own_newer_judgement_and_an_older_one_does_not(
    lab: Lab, tmp_path: Path, other: Store
) -> None:
    """Who went on judging elsewhere takes it home."""
    lab.open("main").rate("first", rating=1)
    early = saved(lab, tmp_path / "early.duckdb")
    lab.open("main").rate("first", rating=5)
    late = saved(lab, tmp_path / "late.duckdb")
    for path, rating in ((early, 1), (late, 5), (early, 5)):
        load(other, path, owner="ana")
        assert [row.rating for row in other.call(stored)] == [rating]


def test_an_older_file_does_not_bring_back_what_was_taken_back(lab: Lab, make_lab: MakeLab, tmp_path: Path) -> None:
    """Nothing is said of the variant, before and after."""
    lab.open("main").rate("first", pick="pick", note="good")
    early = saved(lab, tmp_path / "early.duckdb")
    lab.open("main").rate("first", pick="", note="")
    for _ in range(2):
        assert judged(lab)[0] == NOTHING
        lab.open(early)


def test_a_file_does_not_change_what_others_here_think(lab: Lab, tmp_path: Path, other: Store) -> None:
    """Neither what they said nor that they said nothing, although the file says so in their name and is newer."""
    path = saved(lab, tmp_path / "before.duckdb")
    load(other, path, owner="ben")
    other.call(lambda con: queries.insert(con, [said("t1", 0, "ana", rating=5)]))
    later = NOW + timedelta(days=1)
    made_up = [said("t1", n, "ana", rating=1, at=later) for n in (0, 1)]
    by_hand(lab, lambda con: queries.insert(con, [*made_up, said("t1", 0, "ben", rating=2, at=later)]))
    load(other, saved(lab, tmp_path / "after.duckdb"), owner="ben")
    assert [(row.n, row.user_name, row.rating) for row in other.call(stored)] == [(0, "ana", 5), (0, "ben", 2)]


@pytest.mark.both_stores
def test_a_sweep_takes_judgements_with_their_turns(make_lab: MakeLab) -> None:
    """And only those; where records are kept they stay, and the lab is well."""
    lab = make_lab()
    later = NOW + timedelta(days=30)

    def make(con: queries.Con) -> None:
        one_session(con)
        turn(con, add(con, session(id="stays", name="stays", pinned=True)), "t2", variant("Kept"))
        queries.insert(con, [said("t1", rating=1), said("t2", rating=2)])
        sweep(con, now=later, grace_s=0, keep_records=True, dry_run=False)
        assert [row.turn_id for row in stored(con)] == ["t1", "t2"]
        sweep(con, now=later, grace_s=0, keep_records=False, dry_run=False)
        assert [row.turn_id for row in stored(con)] == ["t2"]
        assert orphans(con) == []

    by_hand(lab, make)
    assert [each for each in lab.doctor() if each.level == "fail"] == []


WRONG: dict[str, tuple[JudgementRow, str]] = {
    "of no record": (said("t1", 7, rating=1), "is of no record"),
    "twice": (said("t1", 0, "twin", rating=1), "is stored twice"),
    "another word": (said("t1", pick="perhaps"), "none of what can be said"),
    "another rating": (said("t1", rating=11), "none of what can be said"),
    "a long note": (said("t1", note="x" * 1001), "none of what can be said"),
    "no note": (said("t1", note=None), "none of what can be said"),
}


@pytest.mark.both_stores
@pytest.mark.parametrize("kind", WRONG)
def test_judgements_that_cannot_be_are_a_fault(
    kind: str, store_kind: str, lab_file: Store, other: Store, tmp_path: Path
) -> None:
    """The turn is named, and a saved file with one is not taken in."""
    if kind == "twice" and store_kind == "server":
        pytest.skip("a unique index of the server refuses it")
    row, words = WRONG[kind]
    main = lab_file.call(one_session)
    assert lab_file.call(lambda con: verify(con, main)) == []
    save(lab_file, main, tmp_path / "s.duckdb")
    file = open_file(tmp_path / "s.duckdb")
    for changed in (lab_file, file):
        changed.call(lambda con: queries.insert(con, [row, row] if kind == "twice" else [row]))
    file.close()
    (problem,) = lab_file.call(lambda con: verify(con, main))
    assert words in problem.what
    assert problem.turn_id == "t1"
    with pytest.raises(StoreError, match=f"is damaged: .*{words}"):
        load(other, tmp_path / "s.duckdb", owner="ben")
    assert not any(other.call(dump).values())


@pytest.mark.both_stores
def test_the_doctor_finds_judgements_of_no_record(lab_file: Store) -> None:
    """Counted with what else belongs to nothing."""
    lab_file.call(one_session)
    lab_file.call(lambda con: queries.insert(con, [said("t1", rating=1), said("t1", 5), said("gone")]))
    found = [each.text for each in examine(lab_file, low_disk_bytes=0) if each.subject == "tables"]
    assert [text for text in found if text.startswith("2 judgements of no record")]


def test_a_fork_of_the_root_has_nothing_to_judge(lab: Lab) -> None:
    """The variants are not before it."""
    by_hand(lab, lambda con: add(con, fork(session(), "empty")))
    with pytest.raises(NotFoundError, match="copy variant"):
        lab.open("empty").rate("first", rating=1)
