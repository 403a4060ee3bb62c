"""The documents are true: commands, options, examples and layers in them are those of the program."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from campaign_lab import Brief
from campaign_lab.agents.phases import builtin_phases
from campaign_lab.cli import main
from support.paths import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")


def _help(*command: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "campaign_lab", *command, "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout


@pytest.mark.usefixtures("process", "slow")
def test_every_command_and_option_is_in_the_readme() -> None:
    """Each command of the program is named in the README with each of its options, and has help text."""
    commands = re.findall(r"^\s{4}(\w+)\s{2,}\S", _help(), re.MULTILINE)
    assert "run" in commands
    for command in commands:
        assert f"campaign-lab {command}" in README
        for option in re.findall(r"--[a-z][\w-]*", _help(command)):
            assert option in README or option == "--help", f"{command} {option}"


def test_the_briefs_in_the_readme_are_briefs(tmp_path: Path) -> None:
    """Each TOML block of the README loads as a brief."""
    blocks = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        (tmp_path / "brief.toml").write_text(block, encoding="utf-8")
        assert Brief.load(tmp_path / "brief.toml").url


def test_python_in_the_readme_is_python() -> None:
    """Each Python block compiles; awaits stand at the top level, as in a notebook cell."""
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert blocks
    for block in blocks:
        compile(block, "README.md", "exec", flags=0x2000)  # ast.PyCF_ALLOW_TOP_LEVEL_AWAIT


def test_the_architecture_names_every_module() -> None:
    """Each module and package of campaign_lab stands in the table of layers."""
    names = [
        path.name
        for path in (ROOT / "campaign_lab").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").exists()
    ]
    for name in names:
        assert name.startswith("__") or f"`{name.removesuffix('.py')}" in ARCHITECTURE, name


def test_links_between_the_documents_lead_somewhere() -> None:
    """Each relative link of a Markdown file points at a file that exists."""
    for document in [*ROOT.glob("*.md"), *(ROOT / "data").glob("*.md"), *(ROOT / "bench").glob("*.md")]:
        for target in re.findall(r"\]\((?!https?:)([^)#]+)", document.read_text(encoding="utf-8")):
            assert (document.parent / target).exists(), f"{document.name}: {target}"


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


def _commands(heading: str) -> list[list[str]]:
    """The program's commands in the first shell block under a heading, without comments and where output goes."""
    block = re.search(rf"^## {heading}$.*?```sh\n(.*?)```", README, re.DOTALL | re.MULTILINE)
    assert block
    lines = [line.rpartition("&& .venv/bin/")[2].partition(" > ")[0] for line in block[1].splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("campaign-lab")]


@pytest.mark.usefixtures("process", "slow")
@pytest.mark.timeout(600)
def test_the_readmes_commands_work_in_the_order_in_which_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With three brands in one lab each name means one session; where one does not, it is asked for with its age."""
    (tmp_path / "data").symlink_to(ROOT / "data")
    for name in ("your-brand", "a-rival", "path/to/saved/pages"):
        (tmp_path / name).mkdir(parents=True)
        page = (
            f"<title>{name}</title><h1>We mend boots in three days</h1><p>{name} mends boots by hand in three days.</p>"
        )
        (tmp_path / name / "index.html").write_text(page, encoding="utf-8")
    (block,) = [each for each in re.findall(r"```toml\n(.*?)```", README, re.DOTALL) if "your-brand" in each]
    web = re.compile(r"https://(your-brand|a-rival)\.example")  # a folder of that name stands for the same address
    (tmp_path / "my-brief.toml").write_text(web.sub(r"\1", block), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CAMPAIGN_LAB_STORE", str(tmp_path / "lab.duckdb"))
    for command in [*_commands("Try it"), *_commands("Your own site"), *_commands("Sessions and forks")]:
        phases = ["--phases", "strategy" if "--session" in command else "research"] if command[0] == "run" else []
        assert main([web.sub(r"\1", word) for word in command] + phases) == 0, (command, capsys.readouterr().err)
    assert main(["fork", "main", "Price first"]) == 2
    assert "termwick.example/Spring renewals/main (last used " in capsys.readouterr().err
