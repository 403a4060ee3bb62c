"""Where the CLI runs: nothing of the user's reaches it, and nothing stays behind."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from campaign_lab.agents.process.cli_environment import environment, workplace


@pytest.fixture(autouse=True)
def _own_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders are made below the test's own one."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))


@pytest.mark.parametrize(
    "name",
    [
        "CLAUDE_CODE_USE_BEDROCK",
        "CLAUDE_CODE_SUBAGENT_MODEL",
        "CLAUDE_CODE_EXTRA_BODY",
        "CLAUDE_CODE_OAUTH_TOKEN",
        "ANTHROPIC_CUSTOM_HEADERS",
        "ANTHROPIC_AUTH_TOKEN",
        "ANTHROPIC_MODEL",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "MAX_THINKING_TOKENS",
        "DISABLE_PROMPT_CACHING",
        "BASH_ENV",
        "NODE_OPTIONS",
        "A_VARIABLE_OF_NOBODY",
    ],
)
def test_what_could_steer_the_cli_is_emptied(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK hands the host's environment on, so it is overwritten; what does not concern the CLI is left alone."""
    monkeypatch.setenv(name, "of-the-host")
    passed = {**os.environ, **environment({}, {})}
    assert passed[name] == ("of-the-host" if name.startswith("A_VARIABLE") else "")


def test_what_is_not_set_yet_is_emptied_too() -> None:
    """A variable that appears between two turns changes nothing."""
    assert environment({}, {})["MAX_THINKING_TOKENS"] == ""


def test_our_settings_and_the_endpoint_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host's address and key are replaced by those of the endpoint."""
    for name in ("ANTHROPIC_BASE_URL", "ANTHROPIC_API_KEY", "CLAUDE_CODE_MAX_RETRIES", "CLAUDE_CONFIG_DIR"):
        monkeypatch.setenv(name, "of-the-host")
    passed = environment(
        {"ANTHROPIC_BASE_URL": "http://127.0.0.1:1", "ANTHROPIC_API_KEY": "t"}, {"CLAUDE_CONFIG_DIR": "c"}
    )
    assert passed["ANTHROPIC_BASE_URL"] == "http://127.0.0.1:1"
    assert passed["ANTHROPIC_API_KEY"] == "t"
    assert passed["CLAUDE_CODE_MAX_RETRIES"] == "3"
    assert passed["CLAUDE_CONFIG_DIR"] == "c"
    assert "of-the-host" not in passed.values()


@pytest.mark.parametrize(("endpoint", "kept"), [({"NO_PROXY": "127.0.0.1"}, False), ({}, True)])
def test_a_proxy_is_used_for_the_net_and_not_for_loopback(
    endpoint: dict[str, str], kept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a proxy the live service is reached, and our own server too."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    passed = {**os.environ, **environment(endpoint, {})}
    assert passed["HTTPS_PROXY"] == ("http://proxy.example:3128" if kept else "")


def test_the_runs_own_folders_are_gone_after() -> None:
    """Also what the CLI wrote into them."""
    with workplace("attempt") as (_, folders):
        scratch = Path(folders["CLAUDE_CODE_TMPDIR"])
        config = Path(folders["CLAUDE_CONFIG_DIR"])
        config.mkdir()
        (config / "history.jsonl").write_text("{}")
        assert config.is_relative_to(scratch)
    assert not scratch.exists()


def test_they_are_gone_after_a_failure_too() -> None:
    """Whatever ended the run."""
    seen: list[Path] = []

    def run_and_be_stopped() -> None:
        with workplace("attempt") as (_, folders):
            seen.append(Path(folders["CLAUDE_CODE_TMPDIR"]))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_and_be_stopped()
    assert not seen[0].exists()


def test_only_the_user_may_look_into_the_folders() -> None:
    """Mode 0700: a conversation is nobody else's business on a shared machine."""
    with workplace("attempt") as (here, folders):
        for folder in (here, here.parent, Path(folders["CLAUDE_CODE_TMPDIR"])):
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_all_runs_have_one_working_folder_and_a_config_of_their_own() -> None:
    """The CLI tells the model the working folder, so it stays the same; configs of two runs never meet."""
    with workplace("attempt") as (here, folders), workplace("attempt") as (here_too, other):
        assert here == here_too
        assert folders["CLAUDE_CONFIG_DIR"] != other["CLAUDE_CONFIG_DIR"]


@pytest.mark.parametrize("trap", ["a link", "a file"])
def test_a_folder_that_somebody_put_there_is_not_used(trap: str, tmp_path: Path) -> None:
    """A link or file under the name of ours is refused, and the error says what to do."""
    base = tmp_path / f"campaign-lab-{os.getuid()}"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    if trap == "a link":
        base.symlink_to(elsewhere)
    else:
        base.write_text("")
    with pytest.raises(OSError, match=r"belongs to somebody else|File exists"), workplace("attempt"):
        pass
    assert list(elsewhere.iterdir()) == []
