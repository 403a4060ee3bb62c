"""SessionTree: what its lines say, and that each of its actions does in the lab what its label promises."""

from __future__ import annotations

import ast
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab import Lab
from campaign_lab.errors import NotFoundError
from campaign_lab.panels import SessionTree
from campaign_lab.panels.choosing.tree_text import left
from campaign_lab.panels.code_line import handle_for, literal, open_line, run_line, variable
from campaign_lab.sessions.position import CellRef, running_for
from support.clock import START, Clock
from support.lab_rows import add, fork, grow, session
from support.panel_tools import inside, labels_of

LabOf = Callable[..., Lab]


def tree_of(lab: Lab) -> SessionTree:
    return SessionTree(lab, lab.open("main"))


def line_of(tree: SessionTree, session: str, checkpoint: int | None = None) -> str:
    tree.choose(session, checkpoint)
    return str(tree.tree.label)


# -- what it shows


def test_each_session_has_a_line_and_below_it_a_line_for_each_own_checkpoint(lab_of: LabOf) -> None:
    """Parents first, forks indented; a fork's line names what it was forked at, and not what it carries."""
    lab = lab_of()
    child = lab.open("main").fork("Price first", at="research")
    child.fork("Price, but warm")
    lines = [label for label, _ in tree_of(lab).tree.options]
    assert [line.split(" · ")[0] for line in lines] == [
        "main",
        "    checkpoint 0 root, before anything ran",
        "    checkpoint 1 research",
        "    checkpoint 2 strategy",
        "    Price first",
        "        Price, but warm",
    ]
    assert " · forked at 1 research · reached research · " in lines[4]


def test_a_line_tells_cost_warmth_and_the_time_that_is_left(lab_of: LabOf, clock: Clock) -> None:
    """The prompt is warm within the hour and cold after it; the age counts down, and an expired session says so."""
    lab = lab_of()
    clock.move(minutes=20)
    tree = tree_of(lab)
    cost = lab.tree(lab.open("main"))["cost_usd"].sum()
    assert line_of(tree, "main") == f"main · reached strategy · ${cost:.4f} · warm · 7 h 40 min left"
    clock.move(hours=1)
    tree.refresh_button.click()
    assert line_of(tree, "main").endswith("cold · 6 h 40 min left")
    clock.move(hours=8)
    tree.refresh_button.click()
    assert line_of(tree, "main").endswith("cold · expired")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (59, "less than 1 min left"),
        (60, "1 min left"),
        (7_200, "2 h left"),
        (90_000, "1 d 1 h left"),
        (-5, "less than 1 min left"),
    ],
)
def test_the_time_that_is_left_is_said_in_two_units_at_most(seconds: float, words: str) -> None:
    """As a person would say it."""
    assert left({"state": "living", "expires_at": START + timedelta(seconds=seconds)}, START) == words


@pytest.mark.usefixtures("slow")
def test_a_fork_that_a_run_made_says_so(lab_of: LabOf) -> None:
    """In words, with its steer as the purpose."""
    lab = lab_of()
    main = lab.open("main", from_start=True)
    lab.run_sync(main.run("research"))
    lab.run_sync(main.run("strategy", steer="shorter", count=2))
    line = line_of(tree_of(lab), "main 2")
    assert " · made by a run · “shorter” · " in line


def test_the_detail_tells_the_cell_that_a_checkpoint_was_made_in(lab_of: LabOf, researched_file: Path) -> None:
    """Notebook and cell of a turn and of a fork; where there was none it is said."""
    lab = lab_of()
    with running_for(CellRef("02_angles.ipynb", "angles-01", None, "1")):
        lab.open("main").fork("From a cell")
    tree = tree_of(lab)
    tree.choose("From a cell")
    assert "in cell angles-01 of 02_angles.ipynb" in tree.detail.value
    tree.choose("main", 1)
    assert "in no notebook cell" in tree.detail.value


def test_a_hostile_name_is_text_everywhere(lab_of: LabOf) -> None:
    """Markup does not reach the page as markup, and neither colour codes nor overrides reach the list."""
    lab = lab_of()
    lab.open("main").fork("<img src=x onerror=alert(1)>\x1b[31m\u202e", at=1)
    tree = tree_of(lab)
    (line,) = [label for label, _ in tree.tree.options if "<img" in label]
    assert line.strip().split(" · ")[0] == "<img src=x onerror=alert(1)>"
    tree.tree.value = next(value for label, value in tree.tree.options if "<img" in label)
    tree.open_button.click()
    for shown in (tree.detail.value, tree.status.value, tree.twin()):
        assert "<img" not in shown
        assert "&lt;img" in shown
        assert "\x1b" not in shown
        assert "\u202e" not in shown + tree.code.value


def test_a_stranger_has_no_tree_and_a_guest_sees_only_what_was_shared(lab_of: LabOf) -> None:
    """Forks that were not shared are not in the list; the research that a shared fork carries can be forked from it."""
    ana, ben = lab_of("ana"), lab_of("ben")
    main = ana.open("main")
    with pytest.raises(NotFoundError):
        SessionTree(ben, main)
    main.fork("Hidden", at=1)
    main.fork("Shown", at=1).share("ben", "fork")
    tree = SessionTree(ben, ben.open("Shown"))
    assert [label.split(" · ")[0] for label, _ in tree.tree.options] == [
        "Shown",
        "    checkpoint 0 root, before anything ran",
        "    checkpoint 1 research",
    ]
    assert "of ana" in line_of(tree, "Shown")


# -- what it does


@pytest.mark.parametrize(("number", "carried"), [(0, []), (1, ["research"]), (2, ["research", "strategy"])])
def test_fork_from_here_forks_at_the_chosen_checkpoint_and_runs_nothing(
    lab_of: LabOf, number: int, carried: list[str]
) -> None:
    """The fork carries the turns up to the checkpoint, is chosen in the list, and no request is sent."""
    lab = lab_of()
    requests = lab.costs()["requests"].sum()
    tree = tree_of(lab)
    tree.choose("main", number)
    tree.purpose.value = "Emotional angle"
    tree.fork_button.click()
    assert tree.problem.value == ""
    assert [turn.phase for turn in lab.open("Emotional angle").turns()] == carried
    assert tree.chosen[0]["session"] == "Emotional angle"
    assert "Nothing was run" in tree.status.value
    assert lab.costs()["requests"].sum() == requests


@pytest.mark.usefixtures("slow")
def test_the_code_after_forking_runs_the_fork_with_its_steer_and_replays(lab_of: LabOf) -> None:
    """Pasted into a cell it is a run of that very fork; run a second time it costs nothing."""
    lab = lab_of()
    tree = tree_of(lab)
    tree.choose("main", 1)
    tree.purpose.value, tree.steer.value = 'The "slow" renewal', 'say "calm"\nand be short'
    tree.fork_button.click()
    assert tree.code.value == (
        'the_slow_renewal = lab.open("Spring renewals/The \\"slow\\" renewal", from_start=True); '
        'await the_slow_renewal.run("strategy", steer="say \\"calm\\"\\nand be short")'
    )
    assert "say &quot;calm&quot;" in tree.detail.value
    code = compile(tree.code.value, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    sent = []
    for _ in range(2):
        lab.run_sync(eval(code, {"lab": lab}))
        sent.append(lab.costs()["requests"].sum())
    assert sent[0] == sent[1]
    assert [turn.phase for turn in lab.open('The "slow" renewal').turns()] == ["research", "strategy"]
    tree.refresh()
    tree.choose('The "slow" renewal', 2)
    assert "say &quot;calm&quot;\nand be short" in tree.detail.value


def test_forking_again_gives_the_same_fork_and_says_so(lab_of: LabOf) -> None:
    """Get-or-create, as in code."""
    tree = tree_of(lab_of())
    for words in ("is forked", "was there already"):
        tree.choose("main", 1)
        tree.purpose.value = "Twice"
        tree.fork_button.click()
        assert words in tree.status.value
    assert sum("Twice" in label for label, _ in tree.tree.options) == 1


@pytest.mark.usefixtures("slow")
def test_the_code_for_a_fork_that_has_gone_on_replays_its_first_turn(lab_of: LabOf) -> None:
    """It names the phase after the checkpoint, not the one after the fork's tip."""
    lab = lab_of()
    lab.run_sync(lab.open("main").fork("Twice", at=1).run("strategy"))
    tree = tree_of(lab)
    tree.choose("main", 1)
    tree.purpose.value = "Twice"
    tree.fork_button.click()
    requests = lab.costs()["requests"].sum()
    code = compile(tree.code.value, "cell", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    lab.run_sync(eval(code, {"lab": lab}))
    assert lab.costs()["requests"].sum() == requests


def test_a_session_that_is_deleted_meanwhile_leaves_the_tree(lab_of: LabOf) -> None:
    """Also the very one that the panel was made for."""
    lab = lab_of()
    fork = lab.open("main").fork("Gone", at=1)
    tree = SessionTree(lab, fork)
    fork.delete()
    tree.refresh_button.click()
    assert tree.problem.value == ""
    assert (tree.line(), tree.chosen[0]["session"]) == ("SessionTree(1 session)", "main")


def test_a_tree_whose_share_was_taken_back_says_so(lab_of: LabOf) -> None:
    """Refreshed it keeps nothing of what was chosen, and each action answers in words that there is no such session."""
    ana, ben = lab_of("ana"), lab_of("ben")
    ana.open("main").share("ben", "run")
    tree = SessionTree(ben, ben.open("main"))
    tree.open_button.click()
    ana.open("main").unshare("ben")
    tree.refresh_button.click()
    assert tree.problem.value == ""
    assert (tree.detail.value, tree.new_name.value, tree.code.value) == ("", "", "")
    assert "nothing left to choose" in tree.status.value
    for button in (tree.fork_button, tree.rename_button, tree.pin_button, tree.open_button):
        button.click()
        assert "<b>⚠ There is no session &#x27;main&#x27; here." in tree.problem.value
    with pytest.raises(NotFoundError):
        _ = tree.chosen


def test_an_error_while_lines_are_put_in_does_not_deafen_the_tree(lab_of: LabOf) -> None:
    """The next choice is heard."""
    lab = lab_of()
    tree = tree_of(lab)
    lab.open("main").fork("Later", at=1)
    tree.tree.observe(lambda _change: tree.tree.rows / 0, "options")
    tree.refresh_button.click()
    assert "ZeroDivisionError" in tree.problem.value
    tree.choose("main", 1)
    assert "the end of research" in tree.detail.value


def test_the_table_tells_what_a_fork_carries_and_how_long_its_prompt_stays(lab_of: LabOf, clock: Clock) -> None:
    """lab.tree: cost carried is that of the turns before the start; an empty campaign has neither cache nor cost."""
    lab = lab_of()
    main = lab.open("main")
    main.fork("From research", at=1)
    main.fork("From nothing", at=0)
    tree = lab.tree(main).set_index("session")
    research = main.turns()[0].receipt.cost_usd
    assert tree["carried_usd"].to_dict() == pytest.approx({"main": 0, "From research": research, "From nothing": 0})
    assert tree["cache"].to_dict() == {"main": "warm", "From research": "warm", "From nothing": ""}
    assert set(tree["state"]) == {"living"}
    assert tree.loc["main", "expires_at"] == main.expires_at
    clock.move(minutes=61)
    main.pin()
    tree = lab.tree(main).set_index("session")
    assert (tree.loc["main", "cache"], tree.loc["main", "state"]) == ("cold", "pinned")


def test_a_fork_made_by_clicking_carries_the_cell_of_the_panel(lab_of: LabOf) -> None:
    """Wherever the click comes from."""
    lab = lab_of()
    with running_for(CellRef("02_angles.ipynb", "tree-01", None, "1")):
        tree = tree_of(lab)
    tree.purpose.value = "Clicked"
    tree.fork_button.click()
    row = lab.tree(lab.open("main")).set_index("session").loc["Clicked"]
    assert (row["notebook"], row["cell"]) == ("02_angles.ipynb", "tree-01")


def test_rename_pin_share_and_open_work_on_the_chosen_session(lab_of: LabOf) -> None:
    """Each does what the same call in code does, and the list shows it."""
    lab = lab_of("ana")
    lab.open("main").fork("Price first", at=1)
    tree = tree_of(lab)
    tree.choose("Price first")
    tree.new_name.value = "Price last"
    tree.rename_button.click()
    assert lab.open("Price last").purpose == "Price first"
    tree.pin_button.click()
    assert lab.open("Price last").expires_at is None
    assert "pinned" in str(tree.tree.label)
    assert tree.pin_button.description == "Unpin"
    tree.pin_button.click()
    assert lab.open("Price last").expires_at is not None
    tree.share_with.value, tree.permission.value = "ben", "fork"
    tree.share_button.click()
    assert lab_of("ben").open("Price last").fork("Ben's").owner == "ben"
    tree.open_button.click()
    assert tree.code.value.startswith('price_last = lab.open("Spring renewals/Price last", from_start=True)')
    assert "Termwick" in tree.detail.value


def test_what_the_user_may_not_do_is_said_plainly_and_changes_nothing(lab_of: LabOf) -> None:
    """Renaming somebody else's session, forking without a purpose, sharing with nobody."""
    ana, ben = lab_of("ana"), lab_of("ben")
    ana.open("main").share("ben", "fork")
    tree = SessionTree(ben, ben.open("main"))
    tree.new_name.value = "mine"
    tree.rename_button.click()
    assert "There is no session &#x27;main&#x27; here" in tree.problem.value
    assert ana.open("main").name == "main"
    tree.fork_button.click()
    assert "say in a few words why you fork" in tree.problem.value
    tree.share_button.click()
    assert "name the user to share with" in tree.problem.value
    assert len(tree.rows) == 1


def test_a_name_that_means_another_session_or_a_file_is_opened_by_id(lab_of: LabOf) -> None:
    """The line of code opens the session that was chosen, whatever it is called."""
    lab = lab_of()
    fork = lab.open("main").fork("saved.duckdb", at=1)
    tree = tree_of(lab)
    tree.choose(fork.id)
    tree.open_button.click()
    assert literal(fork.id) in tree.code.value


# -- saved, and for every reader


def test_what_is_saved_tells_no_time(lab_of: LabOf, clock: Clock) -> None:
    """The same HTML and the same line an hour later, with the prompt gone cold."""
    lab = lab_of()
    lab.open("main").fork("Price first", at=1)
    before = tree_of(lab)
    clock.move(hours=1, minutes=1)
    after = tree_of(lab)
    assert before.tree.options != after.tree.options
    assert (after.twin(), after.line()) == (before.twin(), "SessionTree(2 sessions)")
    assert "Price first" in after.twin()
    bundle = after._repr_mimebundle_()
    assert (bundle["text/plain"], bundle["text/html"]) == (after.line(), after.twin())


def test_every_control_has_a_label_and_a_tooltip(lab_of: LabOf) -> None:
    """For a screen reader and for who hovers; tab order is the order of the layout."""
    tree = tree_of(lab_of())
    found = labels_of(tree)
    assert all(label and tooltip for label, tooltip in found)
    assert [label for label, _ in found] == [
        "Refresh", "Tree", "Purpose", "Steer", "Fork from here", "New name", "Rename", "Pin", "Open", "Share with", "who may",
        "Share", "Code",
    ]  # fmt: skip


def test_two_hundred_forks_are_a_few_widgets(lab_of: LabOf) -> None:
    """One list, whatever is in it."""
    lab = lab_of()

    def rows(con: object) -> None:
        base = grow(con, add(con, session("base")), "t1")  # type: ignore[arg-type]
        for number in range(200):
            row = add(con, fork(base, f"fork {number}"))  # type: ignore[arg-type]
            if number % 2:
                grow(con, row, f"t1-{number}", phase="strategy")  # type: ignore[arg-type]

    lab._context.engine.call(rows)
    tree = SessionTree(lab, lab.open("base"))
    assert tree.line() == "SessionTree(201 sessions)"
    assert len(tree.tree.options) == 201 + 2 + 100
    assert len(list(inside(tree))) < 30


# -- code for a cell


@given(st.text(max_size=40))
def test_a_literal_is_one_visible_line_that_means_the_text(text: str) -> None:
    """Python reads back the same text, and nothing in the line hides or breaks it."""
    line = literal(text)
    assert ast.literal_eval(line) == text
    assert line.isprintable()
    assert line.startswith('"')


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_run_line_calls_open_and_run_and_nothing_else(name: str, steer: str) -> None:
    """Whatever a session is called: two statements, to a variable that hides neither the lab nor Python's own names."""
    assert variable(name).isidentifier()
    assert variable(name) not in ("lab", "print", "await", "max")
    tree = ast.parse(run_line(variable(name), name, "strategy", steer=steer))
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert calls == [f"{variable(name)}.run", "lab.open"] or calls == ["lab.open", f"{variable(name)}.run"]
    assert len(tree.body) == 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Emotional angle", "emotional_angle"),
        ("Été 2026", "ete_2026"),
        ("Émotional angle", "emotional_angle"),
        ("24 h", "fork_24_h"),
        ("2nd", "fork_2nd"),
        ("lab", "fork_lab"),
        ("熊", "fork"),
    ],
)
def test_variables_are_plain_words(name: str, expected: str) -> None:
    """ASCII words, so that no look-alike letter hides in them."""
    assert variable(name) == expected


def test_a_variable_hides_only_an_earlier_handle_of_the_same_session(lab_of: LabOf) -> None:
    """A fork called like a variable of the user's gets another one; after it was pasted, the same one again."""
    lab = lab_of()
    main = lab.open("main")
    fork, other = main.fork("base", at=1), main.fork("Fork base", at=1)
    mine = {"base": main, "fork_base_2": 1}
    assert handle_for(fork, mine) == "fork_base"
    assert handle_for(fork, mine | {"fork_base": lab.open("base")}) == "fork_base"
    assert handle_for(other, mine | {"fork_base": fork}) == "fork_base_3"
    assert open_line(handle_for(fork, mine), "base") == 'fork_base = lab.open("base")'
