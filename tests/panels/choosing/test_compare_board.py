"""CompareBoard: forks side by side, what differs, and judgements that are stored at once and come back in the table."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from campaign_lab import Lab
from campaign_lab.errors import NotFoundError
from campaign_lab.panels import CompareBoard
from campaign_lab.panels.choosing.variant_card import CardStyle, VariantCard
from campaign_lab.panels.choosing.variant_groups import FIELDS, NOTHING_OWN, groups, static_html
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server.app import RehearsalServer
from support.clock import Clock
from support.made import made_once
from support.panel_tools import inside, labels_of

LabOf = Callable[..., Lab]
NAMES = ("main", "Emotional angle", "Third")


@pytest.fixture(scope="module")
def written_file(tmp_path_factory: pytest.TempPathFactory, researched_file: Path, server: RehearsalServer) -> Path:
    """The researched lab of ana's with copy on main and on a fork with angles of its own, and a fork without copy."""

    def write(path: Path) -> None:
        shutil.copy(researched_file, path)
        clock = Clock()
        lab = Lab(path, user="ana", endpoint=RehearsalEndpoint(server, now=clock), now=clock)
        main = lab.open("main")
        lab.run_sync(main.run("copy"))
        emotional = main.fork("Emotional angle", at="research")
        lab.run_sync(emotional.run("strategy"))
        lab.run_sync(emotional.run("copy"))
        main.fork("Third", at="research")
        lab._context.engine.close()

    return made_once(tmp_path_factory, "written", write)


@pytest.fixture
def written(process: None, tmp_path: Path, written_file: Path, server: RehearsalServer) -> Iterator[LabOf]:
    """Opens a copy of the written lab as a user."""
    path = tmp_path / "lab.duckdb"
    shutil.copy(written_file, path)
    clock, made = Clock(), list[Lab]()

    def opened(user: str = "ana") -> Lab:
        made.append(Lab(path, user=user, endpoint=RehearsalEndpoint(server, now=clock), now=clock))
        return made[-1]

    yield opened
    for lab in made:
        lab._context.engine.close()


def board_of(lab: Lab, *names: str) -> CompareBoard:
    return CompareBoard(lab, [lab.open(name) for name in names or NAMES])


def heads(board: CompareBoard) -> list[str]:
    """The forks whose columns are on the screen, in order."""
    return [str(board._titles[place]) for place in dict.fromkeys(card.place for card in board.cards)]


def show(board: CompareBoard, title: str) -> None:
    """Chooses the angle whose title begins so."""
    board.angle.value = next(number for label, number in board.angle.options if label.startswith(title))


# -- side by side


def test_forks_stand_side_by_side_under_the_angle_that_they_share(written: LabOf) -> None:
    """An angle of the same name is one group with the variants of both; each card shows its own headline."""
    board = board_of(written())
    show(board, "The result first")
    assert heads(board) == ["main", "Emotional angle"]
    assert len(board.cards) == 4
    for card in board.cards:
        assert str(card.row["headline"]) in card.ad.value
        assert "Termwick" in card.ad.value
    assert board.grid.layout.grid_template_columns == "repeat(2, auto)"


def test_variants_of_one_row_stand_in_line(written: LabOf) -> None:
    """Row by row: the forks' names, then a card of each; so the next cards begin at one height, however long the texts are."""
    board = board_of(written())
    show(board, "The result first")
    names, *cards = [board.grid.children[start : start + 2] for start in range(0, len(board.grid.children), 2)]
    assert [name in widget.value for name, widget in zip(("main", "Emotional angle"), names, strict=True)] == [
        True,
        True,
    ]
    assert [[card.place for card in row] for row in cards] == [[0, 1], [0, 1]]
    for card in board.cards:
        assert card.ad.layout.flex == "1 1 auto"
    lone = next(title for title, _ in board.angle.options if not title.startswith("The result first"))
    show(board, lone)
    assert len(board.grid.children) % 2 == 0


def test_previous_and_next_walk_all_angles_and_stop_at_the_ends(written: LabOf) -> None:
    """Every variant is met once; at an end the button that leads further is off."""
    board = board_of(written())
    met = []
    assert board.previous_button.disabled
    for _ in board.angle.options:
        met += [(card.place, card.row["id"]) for card in board.cards]
        board.next_button.click()
    assert board.next_button.disabled
    assert len(set(met)) == len(met) == 20
    board.previous_button.click()
    assert board.angle.value == len(board.angle.options) - 2


def test_choosing_fewer_forks_leaves_the_others_out(written: LabOf) -> None:
    """The column is gone, and so are angles that only the other fork has."""
    board = board_of(written())
    every = len(board.angle.options)
    board.forks.value = (1,)
    assert heads(board) == ["Emotional angle"]
    assert len(board.angle.options) == 5 < every


def test_a_fork_without_copy_says_what_to_run(written: LabOf) -> None:
    """On the board and in what is saved."""
    board = board_of(written())
    for shown in (board.notes.value, board.twin()):
        assert "<bdi>Third</bdi> has no copy yet" in shown
        assert "<code>run(&quot;strategy&quot;)" in shown.replace('"', "&quot;")


def test_only_the_shown_angle_has_widgets(written: LabOf) -> None:
    """Those of the angle that was left are let go of, and cards share their layouts and styles."""
    board = board_of(written())
    left = [each for part in board.grid.children for each in inside(part)]
    assert all(each.comm is not None for each in left)
    board.next_button.click()
    assert [each for each in left if each.comm is not None] == []
    assert [each for each in inside(board) if each.comm is None or each.layout.comm is None] == []
    assert len({each.layout.model_id for card in board.cards for each in inside(card)}) == 3


def row(session: str, angle: str, motivation: str, headline: str) -> dict[str, Any]:
    texts = dict.fromkeys(FIELDS, "x") | {"angle": angle, "headline": headline}
    return texts | {"session": session, "motivation": motivation, "pick": "", "rating": None, "note": "", "rated_by": "",
                    "cost_own_usd": 0.5, "own_unpriced_requests": 0}  # fmt: skip


def test_angles_of_other_names_meet_under_their_motivation() -> None:
    """By name where all forks have the same names, else by what moves the reader."""
    a = [row("a", "Fear of rates", "pain", "1"), row("a", "Trust", "social_proof", "2"), row("a", "Odd", "", "3")]
    b = [row("b", "Sleepless", "pain", "4"), row("b", "Trust", "social_proof", "5"), row("b", "Other", "", "6")]
    found = {
        group.title: [[each["headline"] for each in column] for column in group.columns] for group in groups([a, b])
    }
    assert found == {
        "Pain": [["1"], ["4"]], "Trust · Social proof": [["2"], ["5"]], "Odd": [["3"], []], "Other": [[], ["6"]],
    }  # fmt: skip


# -- only differences


def test_only_differences_hides_what_all_chosen_forks_have(written: LabOf) -> None:
    """An angle with the same variants is not offered; of another one only what differs is shown, field by field."""
    lab = written()
    twin = lab.open("main").fork("Copy of main")
    board = CompareBoard(lab, [lab.open("main"), twin])
    board.only_differences.value = True
    assert (board.angle.options, board.cards) == ((), [])
    assert "have the same variants" in board.notes.value
    board = board_of(lab)
    board.only_differences.value = True
    show(board, "The result first")
    mine, theirs = (lab.compare(lab.open(name)) for name in NAMES[:2])
    for frame in (mine, theirs):
        (button,) = set(frame[frame["angle"] == "The result first"]["call_to_action"])
        assert str(button).replace("_", " ").capitalize() in board.differences.value
    assert "Call to action" in board.differences.value
    assert "Language" not in board.differences.value
    board.only_differences.value = False
    assert board.differences.value == ""


def test_one_fork_has_nothing_to_differ_from(written: LabOf) -> None:
    """It is said what to choose."""
    board = board_of(written(), "main")
    board.only_differences.value = True
    assert "Choose two or more forks" in board.notes.value


def test_a_fork_whose_variants_are_all_shared_is_not_said_to_have_none(written: LabOf) -> None:
    """With only differences shown, column and table say that what it has is in every fork."""
    shared, own, more = (row("a", "Trust", "pain", headline) for headline in ("1", "2", "3"))
    group = groups([[shared], [shared, own, more], [shared, own]])[0].differing()
    assert group.differences()[0][2:] == [NOTHING_OWN, "2", "2"]
    assert group.differences()[1][2:] == [NOTHING_OWN, "3", "nothing more of its own"]
    assert groups([[], [own]])[0].differing().differences()[0][2:] == ["No variant here.", "2"]
    lab = written()
    fewer = lab.open("main").fork("Less to read", at="strategy")
    lab.run_sync(fewer.run("copy", variants=1))
    board = CompareBoard(lab, [lab.open("main"), fewer])
    board.only_differences.value = True
    assert heads(board) == ["main"]
    assert NOTHING_OWN in board.grid.children[1].value
    assert NOTHING_OWN in board.differences.value


# -- judging


def test_pick_rating_and_note_are_stored_at_once_and_come_back_in_the_table(written: LabOf) -> None:
    """Each with one change of a control; the status says what and by whom; the board opened anew shows them."""
    lab = written()
    board = board_of(lab)
    card = board.cards[1]
    card.pick.value = "pick"
    assert "saved: pick, by ana" in board.status.value
    card.rating.value = 4
    assert "saved: rating 4, by ana" in board.status.value
    card.note.value = "short & good"
    assert "saved: note, by ana" in board.status.value
    (stored,) = lab.compare(lab.open("main")).query("id == @card.row['id']").to_dict("records")
    assert (stored["pick"], stored["rating"], stored["note"], stored["rated_by"]) == ("pick", 4, "short & good", "ana")
    assert board.picks["id"].tolist() == [stored["id"]]
    assert len(board.frame) == 20
    again = board_of(lab).cards[1]
    assert (again.pick.value, again.rating.value, again.note.value) == ("pick", 4, "short & good")
    again.pick.value = ""
    assert board.picks.empty


def test_opening_and_walking_a_board_stores_nothing(written: LabOf) -> None:
    """Only what a person changes is a judgement."""
    lab = written()
    lab.open("main").rate("in-good-company-v1", pick="reject", note="no")
    before = lab.compare(lab.open("main"))
    ben = written("ben")
    lab.open("main").share("ben", "read")
    board = board_of(ben, "main")
    for _ in board.angle.options:
        board.next_button.click()
    board.refresh_button.click()
    after = lab.compare(lab.open("main"))
    assert after.equals(before)
    assert set(ben.compare(ben.open("main"))["rated_by"]) == {"", "ana"}


def test_a_guest_who_may_read_may_judge_and_sees_whose_judgement_it_is(written: LabOf) -> None:
    """Ana's stands in words above empty controls until ben says something himself, if only the same; hers stays."""
    ana = written("ana")
    ana.open("main").share("ben", "read")
    ana.open("main").rate("in-good-company-v1", pick="pick", rating=5, note="warm")
    board = board_of(written("ben"), "main")
    card = board.cards[0]
    assert "ana: picked, rating 5, note: warm" in card.said.value
    assert (card.pick.value, card.rating.value, card.note.value) == ("", 0, "")
    card.pick.value = "pick"
    assert "saved: pick, by ben" in board.status.value
    assert "ben: picked<" in card.said.value
    card.pick.value = "reject"
    assert "ben: rejected<" in card.said.value
    assert ana.compare(ana.open("main")).set_index("id").loc["in-good-company-v1", "pick"] == "pick"


def test_a_variant_that_two_forks_carry_is_judged_in_both(written: LabOf) -> None:
    """The other column shows it at once."""
    lab = written()
    board = CompareBoard(lab, [lab.open("main"), lab.open("main").fork("Copy of main")])
    first, other = board.cards[0], board.cards[2]
    assert first.row["id"] == other.row["id"]
    first.pick.value = "reject"
    assert other.pick.value == "reject"


def test_what_cannot_be_stored_is_said_and_the_card_shows_what_is(written: LabOf) -> None:
    """A note that is too long; a share that was taken back meanwhile."""
    lab = written()
    board = board_of(lab)
    board.cards[0].note.value = "x" * 1_001
    assert "too many" in board.problem.value
    assert board.cards[0].note.value == ""
    lab.open("main").share("ben", "read")
    guest = board_of(written("ben"), "main")
    lab.open("main").unshare("ben")
    guest.cards[0].pick.value = "pick"
    assert "There is no session" in guest.problem.value
    assert guest.cards[0].pick.value == ""
    assert lab.compare(lab.open("main"))["pick"].eq("").all()


def test_what_is_stored_is_said_though_the_board_cannot_be_read_anew(written: LabOf) -> None:
    """Another fork of the board is shared no more: the judgement is stored, said and on its card, beside the problem."""
    ana, ben = written("ana"), written("ben")
    main = ana.open("main")
    fork = main.fork("Copy of main")
    main.share("ben", "read")
    fork.share("ben", "read")
    main.rate("in-good-company-v1", pick="pick", note="warm")
    board = CompareBoard(ben, [ben.open("main"), ben.open("Copy of main")])
    fork.unshare("ben")
    card = board.cards[0]
    card.rating.value = 4
    assert "There is no session" in board.problem.value
    assert "saved: rating 4, by ben" in board.status.value
    assert "ben: undecided, rating 4<" in card.said.value
    assert ben.compare(ben.open("main")).set_index("id").loc["in-good-company-v1", "rating"] == 4


def test_an_error_while_angles_are_put_in_does_not_deafen_the_board(written: LabOf) -> None:
    """The next choice is heard."""
    board = board_of(written())
    board.angle.observe(lambda _change: board.angle.index / 0, "options")
    board.forks.value = (1,)
    assert "ZeroDivisionError" in board.problem.value
    board.angle.value = 2
    assert heads(board) == ["Emotional angle"]
    assert {card.row["id"] for card in board.cards} == {each["id"] for each in board._groups[2].columns[0]}


def test_a_rating_can_be_changed_and_taken_back() -> None:
    """The list offers one to five and "not rated", whatever is stored; showing what is stored saves nothing."""
    said: list[Any] = []
    card = VariantCard(
        row("a", "A", "pain", "H"),
        "",
        place=0,
        user="ana",
        look=CardStyle(),
        save=lambda _card, name, value: said.append((name, value)),
    )
    assert [value for _, value in card.rating.options] == [0, 1, 2, 3, 4, 5]
    assert card.rating.label == "not rated"
    card.show({**card.row, "rating": 3, "rated_by": "ana"})
    assert said == []
    card.rating.value = 0
    assert said == [("rating", 0)]


# -- whose, and for whom


def test_sessions_of_one_name_in_two_campaigns_are_told_apart(written: LabOf) -> None:
    """Their titles carry the campaign, and each keeps its own copy."""
    lab = written()
    other = lab.session("https://b.example.ca", name="main")
    board = CompareBoard(lab, [lab.open("Spring renewals/main"), other])
    assert board.line() == "CompareBoard(2 sessions, 10 variants)"
    assert [title for title, _ in board.forks.options] == [
        "termwick.example/Spring renewals/main",
        "b.example.ca/b.example.ca/main",
    ]


def test_a_strangers_session_is_not_compared_and_none_is_an_error(written: LabOf) -> None:
    """The errors are those of the same calls in code."""
    main = written("ana").open("main")
    with pytest.raises(NotFoundError):
        CompareBoard(written("ben"), [main])
    with pytest.raises(ValueError, match="none is not allowed"):
        CompareBoard(written("ana"), [])


def test_hostile_texts_are_shown_as_text() -> None:
    """In the table that is saved, and in the tooltip of a control."""
    evil = "<script>alert(1)</script>\x1b[31m$x$"
    each = row(evil, evil, evil, evil) | {"note": evil, "rated_by": evil}
    shown = static_html([[each]], [evil])
    assert "<script>" not in shown
    assert "\x1b" not in shown
    assert "&lt;script&gt;" in shown
    assert "\x1b" not in VariantCard(each, "", place=0, user="ana", look=CardStyle(), save=lambda *_: None).note.tooltip


def test_what_is_saved_is_the_copy_and_what_was_thought_of_it(written: LabOf) -> None:
    """All angles and forks with own cost and judgements in words, equal for equal picks, and one line."""
    lab = written()
    before = board_of(lab)
    assert before.line() == "CompareBoard(3 sessions, 20 variants)"
    assert board_of(lab).twin() == before.twin()
    lab.open("main").rate("in-good-company-v1", pick="pick", rating=4, note="warm")
    after = board_of(lab).twin()
    assert "picked, rating 4, note: warm" in after
    assert "by ana" not in after
    for _, variant in lab.compare(lab.open("main")).iterrows():
        assert str(variant["headline"]) in after
    assert f"own cost ${lab.compare(lab.open('main'))['cost_own_usd'].iloc[0]:.4f}" in after
    assert before._repr_mimebundle_()["text/plain"] == before.line()


def test_every_control_has_a_label_and_a_tooltip_in_the_order_of_the_layout(written: LabOf) -> None:
    """First the board's own, then card by card: choice, rating, note."""
    board = board_of(written())
    found = labels_of(board)
    assert all(label and tooltip for label, tooltip in found)
    own = ["Forks", "Only differences", "Refresh", "Angle", "Previous", "Next"]
    assert [label for label, _ in found] == own + ["Choice", "Rating", "Note"] * len(board.cards)
