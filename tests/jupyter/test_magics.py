"""The %%angle cell: its text reaches the fork as it was written, it replays, a second take is kept, errors are one line."""

from __future__ import annotations

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.inputtransformer2 import TransformerManager

from campaign_lab import Brief, Lab
from campaign_lab.jupyter.magics import OPTION, AngleError, AngleLine, angle_cell, read_line
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.rehearsal.server.app import RehearsalServer
from support.kernels import Kernel, environment, kernel, shown
from support.paths import BRIEFS

pytestmark = pytest.mark.usefixtures("slow")
BRIEF = BRIEFS / "termwick-renewals.toml"
HARD = "A \"quoted\" '''triple''' {brace} \\n back\\slash $x «é» 漢 😀 !ls ?help %magic >>> 1"


def _arguments(cell: str) -> list[str]:
    """What the transformed cell hands to run_angle, read as Python after all of IPython's own transformers."""
    manager = TransformerManager()
    manager.cleanup_transforms.insert(0, angle_cell)
    (statement,) = ast.parse(manager.transform_cell(cell), mode="exec").body
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Await)
    assert isinstance(statement.value.value, ast.Call)
    return [ast.literal_eval(each) for each in statement.value.value.args]


@given(line=st.text().filter(lambda text: "\n" not in text), text=st.text())
def test_whatever_is_written_survives_the_transformer(line: str, text: str) -> None:
    """Any first line and any text come out of the transformers letter by letter, as literals of one awaited call."""
    assert _arguments(f"%%angle {line}\n{text}") in ([line.strip(), text], [line.strip(), f"{text}\n"])


@pytest.mark.parametrize("cell", ["%%angles x\ny\n", "x = 1\n%%angle y\n", "# %%angle x\ny\n", "%angle x\n", "", "\n"])
def test_other_cells_are_left_alone(cell: str) -> None:
    """Only a cell that begins with the magic is changed."""
    lines = cell.splitlines(keepends=True)
    assert angle_cell(lines) is lines


@given(name=st.text(min_size=1).filter(lambda text: text.strip() and not OPTION.search(text)))
def test_a_name_may_hold_anything_but_an_option(name: str) -> None:
    """Spaces, dashes and quotes belong to the name; options come after it, with a space or an equals sign."""
    expected = AngleLine(name.strip(), "cell:a-01", "base", ("strategy", "copy"))
    assert read_line(f"{name} --at cell:a-01 --phases strategy, copy --session=base") == expected
    assert read_line(name) == AngleLine(name.strip())


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("", "has no name"),
        ("--at research", "has no name"),
        ("x --when now", "--when is unknown"),
        ("x --at", "--at has no value"),
        ("x --at 1 --at 2", "--at is given twice"),
    ],
)
def test_a_wrong_line_is_named(line: str, says: str) -> None:
    """The error names the option and shows how the magic is used."""
    with pytest.raises(AngleError, match=says) as error:
        read_line(line)
    assert "%%angle NAME" in str(error.value)


def test_a_checkpoint_may_be_a_number() -> None:
    """``--at 2`` is a turn's number, as in session.fork."""
    assert read_line("x --at 2").at == 2


@pytest.fixture(scope="module")
def store(process: None, tmp_path_factory: pytest.TempPathFactory, server: RehearsalServer) -> Path:
    """A lab in which ana has just researched, and one with a session that nothing was run on."""
    path = tmp_path_factory.mktemp("magics") / "lab.duckdb"
    lab = Lab(path, user="ana", endpoint=RehearsalEndpoint(server))
    lab.run_sync(lab.session(Brief.load(BRIEF)).run("research"))
    lab.session(Brief.load(BRIEF), name="untouched")
    lab._context.engine.close()
    return path


@pytest.fixture
def live(store: Path, tmp_path: Path) -> Iterator[Kernel]:
    """A kernel on a copy of that lab, with ``lab`` and ``base`` in it."""
    copy = shutil.copy(store, tmp_path / "lab.duckdb")
    with kernel(tmp_path / "angles.ipynb", environment(CAMPAIGN_LAB_STORE=copy, CAMPAIGN_LAB_USER="ana")) as live:
        live.run("setup-a", "from campaign_lab import Brief, Lab\nlab = Lab()\nbase = lab.open('main')")
        yield live


def test_a_cell_forks_runs_and_says_how_to_go_on(live: Kernel, tmp_path: Path) -> None:
    """The text is the steer, the turn knows its cell; unchanged the cell replays, edited it makes a second take."""
    first = live.run("angle-a", f"%%angle Émotional «angle»\n{HARD}\n\nSecond line.\n")
    assert "Turn(strategy: 5 angles" in shown(first)
    assert 'emotional_angle = lab.open("Spring renewals/Émotional «angle»")' in shown(first)
    steer = f"{HARD}\n\nSecond line."
    assert live.value("[(s.phase, s.notebook, s.cell_id) for s in emotional_angle.lineage][1:]") == (
        "[('strategy', 'angles.ipynb', 'angle-a')]"
    )
    assert live.value(f"any({steer!r} in m.text for m in emotional_angle.conversation() if m.role == 'user')") == "True"
    live.run("count-a", "before = len(lab.costs(by='session'))")

    again = live.run("angle-a", f"%%angle Émotional «angle»\n{HARD}\n\nSecond line.\n")
    assert shown(again) == shown(first)
    assert live.value("len(lab.costs(by='session')) - before") == "0"

    edited = live.run("angle-a", "%%angle Émotional «angle»\nAnother wish.\n")
    assert 'emotional_angle = lab.open("Spring renewals/Émotional «angle» 2")' in shown(edited)
    assert live.value("lab.tree(base)['automatic'].sum()") == "np.int64(1)"
    assert live.value("[s.phase for s in emotional_angle.lineage]") == "['research', 'strategy']"


def test_wrong_use_is_one_clear_line(live: Kernel) -> None:
    """Each mistake is one line that says what to do, and nothing was forked."""
    live.run("more-a", "untouched = lab.session(base.brief, name='untouched')")
    mistakes = {
        "%%angle Empty\n  \n": "the cell has no text",
        "%%angle Two\ntext": "several sessions are here; say which one: --session base or untouched",
        "%%angle Early --session untouched\ntext": "'untouched' has no research yet",
        "%%angle Nobody --session nobody\ntext": "there is no session of that name",
        "%%angle Odd --session base --foo 1\ntext": "--foo is unknown",
    }
    for cell, says in mistakes.items():
        (output,) = live.run("angle-a", cell)
        assert output["output_type"] == "error"
        assert says in output["evalue"]
        assert "\n" not in output["evalue"]
    live.run("none-a", "held = base, untouched\ndel base, untouched")
    (output,) = live.run("angle-a", "%%angle None\ntext")
    assert "there is no session yet" in output["evalue"]
    assert live.value("len(lab.tree(held[0])) + len(lab.tree(held[1]))") == "2"


def test_the_variable_hides_nothing_and_the_line_opens_the_very_fork(live: Kernel) -> None:
    """A name that is a variable, and one that lab.open takes for a file: the line that is printed opens the fork all the same."""
    live.run("angle-a", "%%angle base --session base\ntext")
    assert live.value("base.name, fork_base.name") == "('main', 'base')"
    said = shown(live.run("angle-b", "%%angle x.duckdb --session base\ntext"))
    line = said[said.index("in another notebook: ") :].removeprefix("in another notebook: ").splitlines()[0]
    assert live.value("x_duckdb.name") == "'x.duckdb'"
    live.run("open-a", line.replace("x_duckdb =", "opened ="))
    assert live.value("opened.id == x_duckdb.id") == "True"


def test_the_tree_hides_no_variable_of_the_user(live: Kernel) -> None:
    """The line to paste after forking by clicking goes to a variable that was free."""
    live.run(
        "tree-a",
        "from campaign_lab.panels import SessionTree\ntree = SessionTree(lab, base)\ntree.purpose.value = 'base'",
    )
    live.run("fork-a", "tree.fork_button.click()")
    assert live.value("tree.code.value.partition(' = ')[0]") == "'fork_base'"
