"""What is killed in the middle of a turn, the processes that it leaves, and whether the ledger says what the endpoint says.

The endpoint is a process of its own (``messages_api``), so it goes on serving whoever still asks. Each target is started as a
person starts it; ``victim`` is the process that gets the signal, and ``finish`` does the job again until it is done.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
import urllib.request
import uuid
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import psutil

from campaign_lab.agents.ledger import UNLISTED
from campaign_lab.store import queries
from campaign_lab.store.duckdb.engine import open_file
from campaign_lab.store.rows import AttemptRow, RequestRow
from support.kernels import environment
from support.paths import BRIEFS
from support.web.messages_api import Api

COMMAND = Path(sys.executable).with_name("campaign-lab")
BRIEF = BRIEFS / "cairnwold-autumn.toml"
MARK = "CAMPAIGN_LAB_TEST_ORPHANS"
"""An environment variable that a target and all that it starts have."""
CLI = "_bundled/claude"
GONE_S = 3.0
"""Within so many seconds after the signal no CLI may be alive."""
END_S = 20.0
"""How long the victim itself may take to end, in seconds."""
PHASES = ("research", "strategy", "copy")


class Target(Protocol):
    """Something that runs turns and is killed."""

    def start(self) -> None:
        """Begins the job."""

    @property
    def victim(self) -> psutil.Process:
        """The process that gets the signal."""

    def finish(self) -> None:
        """Does the job to its end, as a person would who finds that it was cut off."""

    def close(self) -> None:
        """Ends what is left of it."""


@dataclass
class Ground:
    """A lab in a folder of its own, and the endpoint that its turns ask."""

    folder: Path
    api: Api
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.tmp.mkdir(exist_ok=True)

    @property
    def lab(self) -> Path:
        """The lab file."""
        return self.folder / "lab.duckdb"

    @property
    def tmp(self) -> Path:
        """The folder for temporary files."""
        return self.folder / "t"

    @property
    def env(self) -> dict[str, str]:
        """What a target is started with."""
        return environment(**self.api.env, **{MARK: self.mark, "TMPDIR": self.tmp, "CAMPAIGN_LAB_STORE": self.lab})

    def clis(self) -> list[psutil.Process]:
        """The CLIs of this ground that are alive."""
        return [each for each in psutil.process_iter() if self._is_cli(each)]

    def _is_cli(self, process: psutil.Process) -> bool:
        try:
            ours = CLI in " ".join(process.cmdline()) and process.environ().get(MARK) == self.mark
            return ours and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):
            return False

    def folders(self) -> list[str]:
        """Throw-away folders of runs, notebooks, kernels and conversations that are there."""
        places = [*self.tmp.glob("campaign-lab-*/*-*"), *self.tmp.glob("claude-resume-*")]
        return sorted(path.name for path in places)

    def attempts(self) -> list[AttemptRow]:
        """All attempts that the lab knows."""
        return self._select(AttemptRow)

    def requests(self) -> list[RequestRow]:
        """The ledger."""
        return self._select(RequestRow)

    def _select(self, table: type) -> list[Any]:
        file = open_file(self.lab)
        try:
            return file.call(lambda con: queries.select(con, table))
        finally:
            file.close()


class Command:
    """``campaign-lab run``, or with ``arguments`` another command."""

    def __init__(self, ground: Ground, *arguments: object) -> None:
        self.ground = ground
        self.process: subprocess.Popen[str] | None = None
        self.arguments = [str(each) for each in arguments or ("run", BRIEF)]
        self.said = ""

    def start(self) -> None:
        """Begins the job."""
        line = [str(COMMAND), *self.arguments, "--lab", str(self.ground.lab), "--user", "ana"]
        self.process = subprocess.Popen(
            line, env=self.ground.env, stdout=subprocess.DEVNULL, stderr=self._log().open("w"), text=True
        )

    def _log(self) -> Path:
        return self.ground.folder / "said.txt"

    @property
    def victim(self) -> psutil.Process:
        """The command itself."""
        assert self.process is not None
        return psutil.Process(self.process.pid)

    def wait(self, seconds: float = 240.0) -> int:
        """Its exit code; what it said on stderr is then ``said``."""
        assert self.process is not None
        code = self.process.wait(seconds)
        self.said = self._log().read_text()
        return code

    def finish(self) -> None:
        """The same command again."""
        self.start()
        assert self.wait() == 0, self.said

    def close(self) -> None:
        """Ends it."""
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Batch(Command):
    """``campaign-lab batch`` of two briefs, two notebooks at once."""

    def __init__(self, ground: Ground, *more: str) -> None:
        briefs = ground.folder / "briefs"
        briefs.mkdir(exist_ok=True)
        for name in ("cairnwold-autumn", "duewren-trial"):
            text = (BRIEFS / f"{name}.toml").read_text().replace('"../', f'"{BRIEFS.parent}/')
            (briefs / f"{name}.toml").write_text(text)
        super().__init__(
            ground, "batch", briefs, "--out", ground.folder / "out", "--yes", "--workers", "2", "--retries", "2", *more
        )


class JupyterKernel:
    """A kernel of ``campaign-lab lab``, in which a cell runs a campaign."""

    CODE = (
        "from campaign_lab import Brief, Lab\nlab = Lab()\n"
        f"base = lab.session(Brief.load({str(BRIEF)!r}))\n"
        f"for phase in {PHASES!r}:\n    await base.run(phase)\n"
    )

    def __init__(self, ground: Ground) -> None:
        self.ground = ground
        env = ground.env | {"HOME": str(ground.folder / "home"), "CAMPAIGN_LAB_USER": "ana"}
        (ground.folder / "home").mkdir(exist_ok=True)
        with (ground.folder / "jupyter.txt").open("w") as log:
            self._server = subprocess.Popen(
                [str(COMMAND), "lab", "--no-browser", "--lab", str(ground.lab), "--user", "ana", str(ground.folder)],
                env=env, stdout=log, stderr=log,
            )  # fmt: skip
        self._kernel = ""
        self._client: Any = None
        self._info = self._reached()

    def _reached(self) -> dict[str, Any]:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            assert self._server.poll() is None, (self.ground.folder / "jupyter.txt").read_text()
            for path in self.ground.tmp.glob("*/*/jpserver-*.json"):
                with contextlib.suppress(OSError, ValueError):
                    info: dict[str, Any] = json.loads(path.read_text())
                    urllib.request.urlopen(f"{info['url']}api/status?token={info['token']}", timeout=2).read()
                    return info
            time.sleep(0.05)
        raise AssertionError("JupyterLab did not come up")

    def api(self, method: str, path: str) -> Any:
        """One request to the server's REST interface."""
        request = urllib.request.Request(
            f"{self._info['url']}api/{path}", method=method, headers={"Authorization": f"token {self._info['token']}"},
            data=b"{}" if method == "POST" else None,
        )  # fmt: skip
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.loads(answer.read() or b"null")

    def start(self) -> None:
        """A new kernel, and the cell in it."""
        from jupyter_client import BlockingKernelClient

        self._kernel = self.api("POST", "kernels")["id"]
        (file,) = self.ground.tmp.glob(f"*/*/kernel-{self._kernel}.json")
        self._client = BlockingKernelClient(connection_file=str(file))
        self._client.load_connection_file()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)
        self._client.execute(self.CODE)

    @property
    def victim(self) -> psutil.Process:
        """The kernel's process."""
        for each in psutil.Process(self._server.pid).children(recursive=True):
            if f"kernel-{self._kernel}.json" in " ".join(each.cmdline()):
                return each
        raise AssertionError("the kernel is not there")

    def restart(self) -> None:
        """As the button in JupyterLab."""
        self.api("POST", f"kernels/{self._kernel}/restart")

    def shut_down(self) -> None:
        """As the menu in JupyterLab."""
        self.api("DELETE", f"kernels/{self._kernel}")

    def finish(self) -> None:
        """The cell again, in a new kernel."""
        self._client.stop_channels()
        with contextlib.suppress(OSError):
            self.shut_down()
        self.start()
        end = time.monotonic() + 240
        while time.monotonic() < end:
            message = self._client.get_shell_msg(timeout=240)
            if message["msg_type"] == "execute_reply":
                assert message["content"]["status"] == "ok", message["content"]
                return
        raise AssertionError("the cell did not end")

    def close(self) -> None:
        """Ends the server and its kernels."""
        if self._client is not None:
            self._client.stop_channels()
        self._server.terminate()
        try:
            self._server.wait(END_S)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()


class DaskWorker(Batch):
    """The only worker of a cluster on which a batch runs."""

    def __init__(self, ground: Ground) -> None:
        from support.workers.dask_cluster import Cluster

        folder = ground.folder / "dask"
        folder.mkdir(exist_ok=True)
        self.cluster = Cluster(folder)
        super().__init__(ground, "--scheduler", self.cluster.address)
        self.cluster.start_scheduler()
        self._worker()

    def _worker(self) -> None:
        key = {"CAMPAIGN_LAB_API_KEY": self.ground.api.token}
        self.cluster.add_worker("--nthreads", "2", **{MARK: self.ground.mark, "TMPDIR": str(self.ground.tmp)}, **key)
        self.cluster.wait_for_workers(1)

    @property
    def victim(self) -> psutil.Process:
        """The worker."""
        return psutil.Process(self.cluster.workers[-1].pid)

    def finish(self) -> None:
        """A new worker; the batch goes on by itself, or is started again."""
        self.cluster.workers[-1].wait(END_S)
        self._worker()
        if self.wait() != 0:
            super().finish()

    def close(self) -> None:
        """Ends batch and cluster."""
        super().close()
        self.cluster.stop()


@dataclass(frozen=True)
class Kill:
    """What came of a signal. ``last_cli_s``: when the last CLI was gone, in seconds after the signal; None: one is alive."""

    last_cli_s: float | None
    ended_s: float | None
    asked_before: int
    asked_after: int


def kill(ground: Ground, target: Target, number: int, *, look_s: float = GONE_S) -> Kill:
    """Sends the signal, and watches for so many seconds, and until the victim has ended."""
    victim, before = target.victim, ground.api.book()["asked"]
    began = time.monotonic()
    victim.send_signal(number)
    gone = ended = None
    while (now := time.monotonic() - began) < END_S and (now < look_s or ended is None or gone is None):
        if ended is None and (not victim.is_running() or victim.status() == psutil.STATUS_ZOMBIE):
            ended = now
        alive = ground.clis()
        gone = None if alive else now if gone is None else gone
        time.sleep(0.05)
    return Kill(gone, ended, before, ground.api.book()["asked"])


@dataclass(frozen=True)
class Books:
    """The ledger beside the endpoint's book. ``wrong`` is what one has and the other has not, and no cut request explains."""

    served: int
    booked: int
    cut: int
    wrong: list[str]


def compare_books(ground: Ground) -> Books:
    """Each request that the endpoint served to its end is in the ledger with its tokens, or is among the cut ones there."""
    ledger = ground.requests()
    listed = [
        row for row in ledger if row.complete and row.message_id != UNLISTED
    ]  # else: the CLI's own count of a cut one
    booked = {(row.attempt_id, row.message_id): row for row in listed}
    cut = Counter(row.attempt_id for row in ledger if not row.complete)
    served = [each for each in ground.api.book()["served"] if each["status"] == 200]
    whole = {(each["session_id"], each["message_id"]): each for each in served if each["complete"]}
    known = {(each["session_id"], each["message_id"]) for each in served}
    wrong = [f"{key} is in the ledger alone" for key in booked if key not in known]
    for key, row in booked.items():
        usage = known and next(
            (each["usage"] for each in served if (each["session_id"], each["message_id"]) == key), None
        )
        if usage and row.output_tokens != usage["output_tokens"]:
            wrong.append(f"{key}: {row.output_tokens} tokens written, the endpoint says {usage['output_tokens']}")
    unheard = Counter(attempt for attempt, message in whole if (attempt, message) not in booked)
    wrong += [f"{attempt}: {n} served, {cut[attempt]} cut" for attempt, n in unheard.items() if n > cut[attempt]]
    return Books(len(whole), len(booked), sum(cut.values()), wrong)


@contextlib.contextmanager
def closing(target: Any) -> Iterator[Any]:
    """The target; it is ended at the end."""
    try:
        yield target
    finally:
        target.close()


def names(rows: Sequence[AttemptRow]) -> list[tuple[str, str, str | None]]:
    """Phase, state and cause of attempts, in the order of their start."""
    return [(row.phase, row.state, row.cause) for row in sorted(rows, key=lambda row: row.started_at)]
