"""Where the CLI runs: temporary folders of ours, and an environment that holds nothing of the user's own settings."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from campaign_lab.agents.process.scratch_folders import base, own_folder, scratch

HOST_PREFIXES = ("CLAUDE", "ANTHROPIC_", "OTEL_", "VERTEX_", "AWS_BEARER_TOKEN_BEDROCK")
HOST_NAMES = (
    "MAX_THINKING_TOKENS", "MAX_MCP_OUTPUT_TOKENS", "MAX_STRUCTURED_OUTPUT_RETRIES", "DISABLE_PROMPT_CACHING",
    "DISABLE_PROMPT_CACHING_HAIKU", "DISABLE_PROMPT_CACHING_SONNET", "DISABLE_PROMPT_CACHING_OPUS",
    "ENABLE_PROMPT_CACHING_1H", "API_TIMEOUT_MS", "MCP_TIMEOUT", "MCP_TOOL_TIMEOUT", "BASH_ENV", "NODE_OPTIONS",
    "BUN_OPTIONS", "BUN_INSPECT", "USE_BUILTIN_RIPGREP", "DISABLE_COMPACT",
)  # fmt: skip
PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")

OURS = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",  # also stops a billed title request
    "CLAUDE_CODE_DISABLE_BACKGROUND_TASKS": "1",  # subagents answer as tool results
    "CLAUDE_AGENT_SDK_DISABLE_BUILTIN_AGENTS": "1",
    "CLAUDE_CODE_FORK_SUBAGENT": "0",
    "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",  # it varies with the first prompt, and would break the cached prefix
    "CLAUDE_CODE_PROMPT_CACHE_TTL": "1h",
    "DISABLE_AUTO_COMPACT": "1",  # a summary drops the quotes, and its own request is booked nowhere (measured)
    "CLAUDE_CODE_MAX_RETRIES": "3",
    "CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS": "60000",
    "API_TIMEOUT_MS": "300000",
}

FOLDERS = {
    "CLAUDE_CONFIG_DIR": "config",
    "CLAUDE_CODE_TMPDIR": "",
    "HOME": "home",  # it keeps logs of its tool servers in the cache folder of the home
    "XDG_CACHE_HOME": "cache",
    "XDG_CONFIG_HOME": "xdg-config",
    "XDG_DATA_HOME": "xdg-data",
    "XDG_STATE_HOME": "xdg-state",
}
"""The CLI's variables for folders, and where each lies in the folder of its run."""


RUN = "run"
"""Kind of the folder of one run of the CLI; the id of its attempt follows in the name."""


@contextmanager
def workplace(attempt_id: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yields the working folder and the folder variables for one run of the CLI; the run's own folder is removed after.

    The working folder is the same for all runs of a user, because the CLI tells the model its path: another path would
    add a reminder to the conversation.
    """
    here = own_folder(base() / "work")
    with scratch(f"{RUN}-{attempt_id}") as folder:
        yield here, {name: str(folder / place) for name, place in FOLDERS.items()}


def environment(endpoint: Mapping[str, str], folders: Mapping[str, str]) -> dict[str, str]:
    """The variables for the CLI. Everything of the host that could steer it is emptied, then ours are set."""
    emptied = {
        name: ""
        for name in (*os.environ, *HOST_NAMES)
        if name.startswith(HOST_PREFIXES) or name in HOST_NAMES or (name in PROXIES and "NO_PROXY" in endpoint)
    }
    return {**emptied, **OURS, **folders, **endpoint}
