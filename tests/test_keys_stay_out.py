"""A key is read from the environment and goes to the endpoint in a header: nowhere else is it ever found."""

from __future__ import annotations

import contextlib
import os
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import psutil
import pytest

from campaign_lab.rehearsal.server.api_request import Ask
from campaign_lab.rehearsal.server.app import Fault, RehearsalServer
from support.paths import BRIEFS, ROOT

pytestmark = pytest.mark.usefixtures("process", "slow")
BRIEF = BRIEFS / "cairnwold-autumn.toml"
KEY = "sk-lab-RECOGNISE-this-9f41c7d2e8b35a60"
TAIL = KEY[-20:]
"""The CLI keeps the last 20 characters of keys that it was allowed to use: they must not stay either."""
LOOPBACK = ("127.0.0.1", "::1")


@dataclass
class Job:
    """A finished command: what it said, the command lines of all its processes, and whom they were connected to."""

    code: int
    out: str
    err: str
    lab: Path
    temporary: Path
    lines: dict[int, list[str]] = field(default_factory=dict)
    remotes: set[str] = field(default_factory=set)

    @property
    def cli_lines(self) -> list[str]:
        """The command lines of the CLI."""
        return [" ".join(line) for line in self.lines.values() if line and Path(line[0]).name == "claude"]


def _run(folder: Path, *arguments: str, phases: str, env: dict[str, str]) -> Job:
    """Runs the main job in a temporary folder of its own, and watches its processes until it ends."""
    temporary, lab = folder / "tmp", folder / "lab.duckdb"
    temporary.mkdir()
    hidden = ("CAMPAIGN_LAB_", "ANTHROPIC_")
    host = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    command = [
        sys.executable,
        "-m",
        "campaign_lab",
        "run",
        str(BRIEF),
        "--lab",
        str(lab),
        "--phases",
        phases,
        *arguments,
    ]
    with (folder / "out").open("w+") as out, (folder / "err").open("w+") as err:
        process = subprocess.Popen(
            command, stdout=out, stderr=err, env={**host, "TMPDIR": str(temporary), **env}, cwd=ROOT
        )
        job = Job(0, "", "", lab, temporary)
        while process.poll() is None:
            _look(process.pid, job)
            time.sleep(0.03)  # looking is work, and the machine is shared
        job.code = process.returncode
        out.seek(0), err.seek(0)
        job.out, job.err = out.read(), err.read()
    return job


def _look(pid: int, job: Job) -> None:
    with contextlib.suppress(psutil.Error):
        whole = psutil.Process(pid)
        for each in (whole, *whole.children(recursive=True)):
            with contextlib.suppress(psutil.Error):
                job.lines.setdefault(each.pid, each.cmdline())
                if Path((job.lines[each.pid] or [""])[0]).name != "claude":
                    job.lines[each.pid] = each.cmdline()  # between fork and exec it is still its parent's
                job.remotes |= {link.raddr.ip for link in each.net_connections("inet") if link.raddr}


@pytest.fixture
def serve() -> Iterator[Callable[..., RehearsalServer]]:
    """Starts servers that know the key and no other."""
    started: list[RehearsalServer] = []

    def start(faults: Callable[[Ask, int], Fault | None] | None = None) -> RehearsalServer:
        server = RehearsalServer(faults=faults)
        server.token = KEY
        server.start()
        started.append(server)
        return server

    yield start
    for server in started:
        server.stop()


def _found_in_tables(lab: Path) -> list[str]:
    """Every column of every table in which the key stands."""
    with duckdb.connect(str(lab), read_only=True) as con:
        columns = con.execute("SELECT table_name, column_name FROM information_schema.columns").fetchall()
        assert {"attempts", "entries", "requests", "sessions"} <= {table for table, _ in columns}
        return [
            f"{table}.{column}"
            for table, column in columns
            for (hits,) in con.execute(
                f'SELECT count(*) FROM "{table}" WHERE contains("{column}"::VARCHAR, ?)', [TAIL]
            ).fetchall()
            if hits
        ]


def _found_in_files(*folders: Path) -> list[str]:
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [str(path) for path in files if TAIL.encode() in path.read_bytes()]


def _assert_nowhere(job: Job) -> None:
    assert TAIL not in job.out + job.err
    assert job.cli_lines, "the CLI was never seen"
    assert not [line for line in job.lines.values() if TAIL in " ".join(line)]
    assert _found_in_tables(job.lab) == []
    assert _found_in_files(job.lab.parent, job.temporary) == []


def test_after_a_job_that_worked_the_key_is_nowhere(serve: Callable[..., RehearsalServer], tmp_path: Path) -> None:
    """Output, lab file, temporary folder and command lines are without it, and yet the endpoint was given it."""
    server = serve()
    url = f"http://127.0.0.1:{server.port}"
    job = _run(tmp_path, "--endpoint", url, "--json", phases="research", env={"CAMPAIGN_LAB_API_KEY": KEY})
    assert job.code == 0, job.err
    assert [booked.status for booked in server.book] == [200] * len(server.book)
    assert server.book
    _assert_nowhere(job)


def test_after_a_job_that_failed_the_key_is_nowhere(serve: Callable[..., RehearsalServer], tmp_path: Path) -> None:
    """Nor does an error about the key carry it, in words or in the lab file."""
    server = serve(lambda _ask, _times: Fault(401))
    url = f"http://127.0.0.1:{server.port}"
    job = _run(tmp_path, "--endpoint", url, phases="research", env={"CAMPAIGN_LAB_API_KEY": KEY})
    assert job.code == 1
    assert "failed" in job.err
    assert "HTTP 401" in " ".join(job.err.split())
    assert {booked.status for booked in server.book} == {401}
    _assert_nowhere(job)


@pytest.mark.parametrize("which", ["", "brand-intelligence-analyst"])
def test_a_key_that_the_endpoint_repeats_is_hidden(
    serve: Callable[..., RehearsalServer], tmp_path: Path, which: str
) -> None:
    """Some gateways quote the key in their error: the words, the stored reason and the transcript say [key]."""
    server = serve(lambda ask, _times: Fault(400, message=f"unknown key {KEY}") if ask.agent == which else None)
    url = f"http://127.0.0.1:{server.port}"
    job = _run(tmp_path, "--endpoint", url, phases="research", env={"CAMPAIGN_LAB_API_KEY": KEY})
    assert job.code == 1
    assert "unknown key [key]" in " ".join(job.err.split())
    _assert_nowhere(job)


class _Recorder(socketserver.ThreadingTCPServer):
    """Takes connections, notes the first bytes and hangs up."""

    daemon_threads = True

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        super().__init__(("127.0.0.1", 0), _Note)


class _Note(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, _Recorder)
        self.server.heard.append(self.request.recv(4096))


def test_a_key_alone_sends_nothing_to_anybody(tmp_path: Path) -> None:
    """With a live key, a live address and a proxy in the environment, but no endpoint asked for, rehearsal answers."""
    with _Recorder() as recorder:
        threading.Thread(target=recorder.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{recorder.server_address[1]}"
        env = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": address, "CAMPAIGN_LAB_API_KEY": KEY}
        env |= dict.fromkeys(
            ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "https_proxy", "http_proxy", "all_proxy"), address
        )
        job = _run(tmp_path, "--json", phases="research", env=env)
        recorder.shutdown()
    assert job.code == 0, job.err
    assert '"endpoint": "rehearsal-' in job.out
    assert recorder.heard == []
    assert not [ip for ip in job.remotes if ip not in LOOPBACK]
    _assert_nowhere(job)
