"""A Dask cluster of real processes, started with the commands that people type, and notebooks that show what became of them."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from campaign_lab.batch.cluster.runner import DaskRunner
from campaign_lab.batch.events import BatchEvent
from campaign_lab.batch.execute.work import Cancellation, Outcome, Payload
from support.kernels import environment, write_notebook

DASK = Path(sys.executable).with_name("dask")
SECRET = "postgresql://ana:tr0ub4dor@127.0.0.1/lab"
LONG_S = 120.0
"""How long a test waits for what must come."""

TEMPLATE = {
    "parameters": "brief_path = ''\nfolder = ''\nname = ''\nuntil = ''\nfail = ''",
    "begin-a": "import os, pathlib, signal, subprocess, sys, time\nbegan, here = time.time(), pathlib.Path(folder)\n"
    "cli = subprocess.Popen([sys.executable, '-c', 'import sys; sys.stdin.read()'], stdin=subprocess.PIPE)\n"
    "(here / f'{name}-{os.getpid()}.pid').touch()\n(here / f'{name}-{cli.pid}.pid').touch()",
    "wait-a": "while until and not (here / until).exists():\n    time.sleep(0.05)",
    "end-a": "if fail == 'kill':\n    os.kill(os.getppid(), signal.SIGKILL)\n    time.sleep(60)\n"
    "if fail:\n    raise ValueError(fail)\nassert os.environ['CAMPAIGN_LAB_STORE']\n"
    "with (here / f'{name}.spans').open('a') as spans:\n    print(began, time.time(), file=spans)",
}


class Cluster:
    """A scheduler on a port of its own, and workers without a nanny: the process is the worker. Logs go to files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port: int = probe.getsockname()[1]
        self.address = f"tcp://127.0.0.1:{self.port}"
        self.scheduler: subprocess.Popen[bytes] | None = None
        self.workers: list[subprocess.Popen[bytes]] = []

    def start(self, workers: int) -> None:
        """Starts the scheduler and its workers, and waits until all of them are there."""
        self.start_scheduler()
        for _ in range(workers):
            self.add_worker()
        self.wait_for_workers(workers)

    def start_scheduler(self) -> None:
        """Starts the scheduler, on the same port as before when there was one."""
        self.scheduler = self._start("scheduler", "--host", "127.0.0.1", "--port", str(self.port))

    def add_worker(self, *options: str, **env: str) -> subprocess.Popen[bytes]:
        """Starts a worker of one thread, or with other options."""
        given = options or ("--nthreads", "1")
        local = ("--local-directory", str(self.folder), "--host", "127.0.0.1")
        worker = self._start("worker", self.address, "--no-nanny", *local, *given, **env)
        self.workers.append(worker)
        return worker

    def wait_for_workers(self, count: int) -> None:
        """Waits until so many workers are registered."""
        from distributed import Client

        with Client(self.address, timeout=LONG_S, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=LONG_S)

    def logs(self) -> str:
        """All that the cluster's processes wrote."""
        return "\n".join(path.read_text() for path in self.folder.glob("*.log"))

    def stop(self) -> None:
        """Ends all processes of the cluster."""
        for process in filter(None, [*self.workers, self.scheduler]):
            process.kill()
            process.wait()

    def _start(self, *arguments: str, **env: str) -> subprocess.Popen[bytes]:
        with (self.folder / f"{time.monotonic_ns()}.log").open("wb") as log:
            return subprocess.Popen(
                [DASK, arguments[0], *arguments[1:], "--no-dashboard"],
                cwd=self.folder, env=environment(**env), stdout=log, stderr=log, stdin=subprocess.DEVNULL,
            )  # fmt: skip


class Desk:
    """Where a test makes payloads and sees their notebooks run: each writes its process ids, and its times when it has ended."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._template = write_notebook(folder / "template.ipynb", TEMPLATE).read_bytes()

    def payload(self, name: str, *, until: str = "", fail: str = "") -> Payload:
        """A run of the template. It waits for the gate ``until``; ``fail`` raises at its end, ``kill`` kills its worker."""
        parameters = {"folder": str(self.folder), "name": name, "until": until, "fail": fail}
        return Payload(
            run=name, name=f"the run {name}", template_name="template.ipynb", template=self._template,
            brief_toml="", parameters=parameters, env={"CAMPAIGN_LAB_STORE": SECRET},
            timeout_s=LONG_S, folder=None,
        )  # fmt: skip

    def open(self, gate: str) -> None:
        """Lets the notebooks that wait there go on."""
        (self.folder / gate).touch()

    def begun(self, name: str = "*") -> set[str]:
        """The runs of which a kernel has begun."""
        return {path.name.rsplit("-", 1)[0] for path in self.folder.glob(f"{name}-*.pid")}

    def processes(self, name: str = "*") -> set[int]:
        """The kernels, and what they started, that live."""
        return {pid for path in self.folder.glob(f"{name}-*.pid") if _lives(pid := int(path.stem.rsplit("-", 1)[1]))}

    def times_done(self, name: str) -> int:
        """How often the notebook came to its end."""
        path = self.folder / f"{name}.spans"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def at_once(self) -> int:
        """How many notebooks ran at the same time, at most."""
        spans = [[float(at) for at in line.split()] for path in self.folder.glob("*.spans") for line in path.open()]
        return max(sum(begin <= at < end for begin, end in spans) for at, _ in spans)


class Batch:
    """A start of a runner in a thread, with what it said."""

    def __init__(
        self, scheduler: str, *, most: int | None = None, patience_s: float = LONG_S, connect_s: float = 5.0
    ) -> None:
        self.cancelled = Cancellation()
        self.events: list[BatchEvent] = []
        self.settled: list[Outcome] = []
        self._runner = DaskRunner(scheduler, most=most, patience_s=patience_s, connect_s=connect_s)
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def run(self, payloads: Sequence[Payload], *, retries: int = 2) -> dict[str, Outcome]:
        """Runs them and returns the outcomes by run."""
        self.start(payloads, retries=retries)
        return self.end()

    def start(self, payloads: Sequence[Payload], *, retries: int = 2) -> None:
        """Begins to run them."""

        def work() -> None:
            try:
                self._runner.run(
                    payloads, retries=retries, on_event=self.events.append, cancelled=self.cancelled,
                    settle=self.settled.append,
                )  # fmt: skip
            except BaseException as error:
                self._error = error

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()

    def end(self) -> dict[str, Outcome]:
        """Waits for the end, and returns the outcomes by run: one each. Raises what the runner raised."""
        assert self._thread is not None
        self._thread.join(2 * LONG_S)
        assert not self._thread.is_alive(), (self.events, self.settled)
        if self._error is not None:
            raise self._error
        by_run = {outcome.run: outcome for outcome in self.settled}
        assert len(by_run) == len(self.settled)
        return by_run


def until(true: Callable[[], object]) -> None:
    """Waits for it."""
    deadline = time.monotonic() + LONG_S
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


def _lives(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    return False
