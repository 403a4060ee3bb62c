"""The documents are true: commands, options, examples, names, links and layers in them are those of the program."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from campaign_lab import Brief, Lab, figures, panels
from campaign_lab.agents.phases import builtin_phases
from campaign_lab.agents.prices import own_prices
from campaign_lab.cli import main
from campaign_lab.sessions.session import Session
from support.paths import ROOT

README, DOCS = ROOT / "README.md", ROOT / "docs"
CLI, GUIDE = DOCS / "cli.md", DOCS / "guide.md"
READER = [README, *sorted(DOCS.glob("*.md"))]
"""The pages for users."""
PAGES = [
    *READER,
    ROOT / "ARCHITECTURE.md",
    ROOT / "CHANGELOG.md",
    ROOT / "data" / "README.md",
    ROOT / "bench" / "README.md",
]
MOST_LINES, MOST_PICTURE_BYTES = 150, 150_000
KERNEL = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
WEB = re.compile(r"https://(your-brand|a-rival)\.example")
"""Sites of the examples: a folder of that name stands for the same address."""

reader_pages = pytest.mark.parametrize("page", READER, ids=lambda page: page.stem)
all_pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: f"{page.parent.name}/{page.stem}")


def _text(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def _blocks(page: Path, language: str) -> list[str]:
    """The page's code blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", _text(page), re.DOTALL | re.MULTILINE)


def _programs(page: Path) -> list[list[str]]:
    """The commands in the page's shell blocks, as words: without the program, comments and where output goes."""
    lines = [line.partition(" > ")[0] for block in _blocks(page, "sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("campaign-lab ")]


@cache
def _help(*command: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as shown:
        assert main([*command, "--help"]) == 0
    return shown.getvalue()


@cache
def _options(command: str) -> set[str]:
    return set(re.findall(r"--[a-z][\w-]*", _help(command))) - {"--help"}


@cache
def _known_commands() -> list[str]:
    return re.findall(r"^\s{4}(\w+)\s{2,}\S", _help(), re.MULTILINE)


# -- commands and options


def test_every_command_and_option_is_in_the_page_of_the_command_line() -> None:
    """Each command of the program is named in docs/cli.md with each of its options, as code, and has help text."""
    assert "run" in _known_commands()
    for command in _known_commands():
        assert f"`campaign-lab {command}" in _text(CLI), command
        for option in _options(command):
            assert re.search(rf"`{option}\b", _text(CLI)), f"{command} {option}"


@reader_pages
def test_every_command_in_a_page_is_one_of_the_program(page: Path) -> None:
    """Each command line in a block names a command, and options that the command has."""
    for command, *words in _programs(page):
        assert command in _known_commands(), command
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        assert options <= _options(command), (command, words)


def test_every_option_in_the_tables_is_one_of_the_program() -> None:
    """docs/cli.md names no option that no command has."""
    known = {"--help", "--version"}.union(*(_options(command) for command in _known_commands()))
    assert set(re.findall(r"`(--[a-z][\w-]*)", _text(CLI))) - {"--cwd"} <= known


@reader_pages
def test_every_environment_variable_of_ours_is_read_by_the_program(page: Path) -> None:
    """A page names no variable that neither the program nor the tests read."""
    homes = ((ROOT / "campaign_lab").rglob("*.py"), [ROOT / "tests" / "support" / "marks.py"])
    code = "".join(path.read_text(encoding="utf-8") for home in homes for path in home)
    assert not [name for name in set(re.findall(r"CAMPAIGN_LAB_[A-Z_]+", _text(page))) if name not in code]


# -- code blocks


@reader_pages
def test_toml_in_a_page_can_be_loaded(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each TOML block loads as a brief, or as a table of prices."""
    for block in _blocks(page, "toml"):
        file = tmp_path / "example.toml"
        file.write_text(block, encoding="utf-8")
        if "cache_read" in block:
            monkeypatch.setenv("CAMPAIGN_LAB_PRICES", str(file))
            assert own_prices()
        else:
            assert Brief.load(file).url


@reader_pages
def test_python_in_a_page_is_python_and_imports_what_exists(page: Path) -> None:
    """Each Python block compiles, awaits standing at the top level as in a cell; each name that it imports from us is there."""
    for block in _blocks(page, "python"):
        compile(block, page.name, "exec", flags=0x2000)  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        for module, names in re.findall(r"^from (campaign_lab[\w.]*) import (.+)$", block, re.MULTILINE):
            for name in names.split(", "):
                assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


@reader_pages
def test_methods_named_in_a_page_exist(page: Path) -> None:
    """``lab.…`` and ``session.…`` with a parenthesis are methods, in blocks and in the text."""
    for owner, name in re.findall(r"\b(lab|base|session|emotional|fork)\.(\w+)\(", _text(page)):
        assert hasattr(Lab if owner == "lab" else Session, name), f"{owner}.{name}"


def test_every_public_name_is_in_a_page() -> None:
    """Each panel and figure is in a page for users."""
    text = "".join(_text(page) for page in READER)
    for name in (*panels.__all__, *figures.__all__, "Brief", "Lab", "Phase", "Budgets", "save_csv"):
        assert re.search(rf"\b{name}\b", text), name


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the project's data and notebooks and the files that the examples name, as the current one."""
    for name in ("data", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.duckdb*", ".*"))
    for name in ("a-rival", "path/to/saved/pages"):
        (tmp_path / name).mkdir(parents=True)
        page = (
            f"<title>{name}</title><h1>We mend boots in three days</h1><p>{name} mends boots by hand in three days.</p>"
        )
        (tmp_path / name / "index.html").write_text(page, encoding="utf-8")
    shutil.copytree(tmp_path / "data" / "sites" / "termwick", tmp_path / "your-brand")
    (brief,) = (block for block in _blocks(CLI, "toml") if "your-brand" in block)
    (tmp_path / "my-brief.toml").write_text(WEB.sub(r"\1", brief), encoding="utf-8")
    (objections,) = re.findall(r"^````markdown\n(.*?)^````$", _text(GUIDE), re.DOTALL | re.MULTILINE)
    (tmp_path / "objections.md").write_text(objections, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAMPAIGN_LAB_STORE", str(tmp_path / "data" / "lab.duckdb"))
    return tmp_path


@pytest.mark.usefixtures("process", "slow")
@pytest.mark.timeout(600)
def test_commands_work_in_the_order_in_which_they_are_read(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """README, then docs/cli.md, in one lab with several brands: each name means one session. Later phases are left out."""
    commands = [each for page in (README, CLI) for each in _programs(page) if each[0] not in ("lab", "batch")]
    assert len(commands) > len(_known_commands())
    for command in commands:
        plain = command[0] == "run" and "--session" not in command
        phases = ["--phases", "research" if plain else "strategy"] if command[0] == "run" else []
        assert main([WEB.sub(r"\1", word) for word in command] + phases) == 0, (command, capsys.readouterr().err)
    assert main(["fork", "main", "Price first"]) == 2
    assert "termwick.example/Spring renewals/main (last used " in capsys.readouterr().err


def _run_as_notebook(page: Path) -> None:
    """Runs the page's Python blocks and ``%%angle`` cells in a kernel, in order. Raises CellExecutionError."""
    sources = re.findall(r"^```(?:python)?\n((?:%%angle|\w|#).*?)^```$", _text(page), re.DOTALL | re.MULTILINE)
    cells = [nbformat.v4.new_code_cell(WEB.sub(r"\1", source)) for source in sources]
    assert cells
    NotebookClient(nbformat.v4.new_notebook(cells=cells), timeout=300, kernel_name="python3").execute()


@pytest.mark.usefixtures("process", "slow")
@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", [README, GUIDE], ids=lambda page: page.stem)
def test_code_works_in_a_notebook_in_the_order_in_which_it_is_read(page: Path, checkout: Path) -> None:
    """Each cell finds what the cells above it have made."""
    _run_as_notebook(page)
    assert page != GUIDE or (checkout / "picks.csv").stat().st_size > 100


@pytest.mark.usefixtures("process", "slow")
@pytest.mark.timeout(600)
def test_a_batch_works_as_it_is_described(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The commands of docs/batch.md, with one brief and a template that says what it is given, and then its code."""
    for brief in (checkout / "data" / "briefs").glob("*.toml"):
        if brief.stem != "termwick-renewals":
            brief.unlink()
    (checkout / "briefs.csv").write_text("url,market\nyour-brand,CA\n", encoding="utf-8")
    parameters = nbformat.v4.new_code_cell(
        'brief_path = ""\nangle = ""\nmodel = ""\ntone = ""', metadata={"tags": ["parameters"]}
    )
    nbformat.write(nbformat.v4.new_notebook(cells=[parameters], metadata=KERNEL), checkout / "my.ipynb")
    for command in _programs(DOCS / "batch.md"):
        assert main([*command, "--yes"]) == 0, (command, capsys.readouterr().err)
    _run_as_notebook(DOCS / "batch.md")


@pytest.mark.usefixtures("process", "slow")
@pytest.mark.timeout(600)
def test_notebooks_run_as_the_guide_says(checkout: Path) -> None:
    """The guide's lines for papermill, and those for nbval with one small notebook, from the folder of the checkout."""
    papermill, nbval = (block for block in _blocks(GUIDE, "sh") if "papermill" in block or "--nbval" in block)
    _run_in_shell(papermill)
    assert (checkout / "runs" / "campaign.ipynb").is_file()
    shutil.rmtree(checkout / "notebooks")
    (checkout / "notebooks").mkdir()
    output = nbformat.v4.new_output("stream", text="1\n")
    cell = nbformat.v4.new_code_cell("print(1)", execution_count=1, outputs=[output])
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=KERNEL), checkout / "notebooks" / "small.ipynb")
    assert "1 passed" in _run_in_shell(nbval)


def _run_in_shell(lines: str) -> str:
    """What the lines print, in a shell where the environment of the tests is activated. Fails with what they say."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", lines], env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False, timeout=580
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


# -- form


def test_the_readme_is_short_and_has_two_small_pictures() -> None:
    """150 lines; each picture of docs/pictures is in the README, has a text for those who do not see it, and is small."""
    assert len(_text(README).splitlines()) <= MOST_LINES
    shown = dict(re.findall(r"!\[(.+?)\]\((docs/pictures/.+?)\)", _text(README)))
    pictures = sorted(path.relative_to(ROOT).as_posix() for path in (DOCS / "pictures").iterdir())
    assert len(pictures) == 2
    assert sorted(shown.values()) == pictures
    assert all((ROOT / path).stat().st_size <= MOST_PICTURE_BYTES for path in pictures)


@reader_pages
def test_the_readme_leads_to_every_page(page: Path) -> None:
    """No page for users is found only by looking into the folder."""
    assert page == README or f"](docs/{page.name})" in _text(README)


def _anchors(page: Path) -> set[str]:
    """What a link can lead to in a page: its headings, as GitHub names them."""
    headings = re.findall(
        r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", _text(page), flags=re.DOTALL | re.MULTILINE), re.MULTILINE
    )
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@all_pages
def test_links_between_the_documents_lead_somewhere(page: Path) -> None:
    """Each relative link points at a file that exists, and where it names a heading of a page, at one that is there."""
    for link in re.findall(r"\]\((?!https?:)([^)]+)\)", _text(page)):
        target, _, anchor = link.partition("#")
        file = page.parent / target if target else page
        assert file.exists(), link
        assert not anchor or anchor in _anchors(file), link


def test_the_architecture_names_every_module() -> None:
    """Each module and package of campaign_lab stands in the table of layers."""
    names = [
        path.name
        for path in (ROOT / "campaign_lab").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    ]
    for name in names:
        assert name.startswith("__") or f"`{name.removesuffix('.py')}" in _text(ROOT / "ARCHITECTURE.md"), name


def test_dependencies_are_pinned_in_the_constraints() -> None:
    """Every declared dependency has its tested version in constraints.txt, by name and version only."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!]+", line) for line in lines)
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    wanted = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    names = {re.split(r"[<>=\[;]", each)[0].lower().replace("_", "-") for each in wanted}
    assert names - {"campaign-lab"} <= pinned  # an extra may ask for another one of our own


@pytest.mark.parametrize("phase", builtin_phases().values(), ids=lambda phase: phase.name)
def test_prompts_have_no_placeholder_left(phase: object) -> None:
    """Every $name in a prompt file is filled in."""
    message = phase.message(Brief(url="https://a.example", market="CA"))  # type: ignore[attr-defined]
    texts = [message, *(agent.prompt for agent in phase.agents)]  # type: ignore[attr-defined]
    assert not [text for text in texts if re.search(r"\$(task|schema|pages)\b", text)]
