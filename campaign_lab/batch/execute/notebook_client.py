"""Runs a notebook for the papermill engine: each request names its cell, and the kernel can be interrupted."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Mapping
from typing import Any

from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient  # type: ignore[import-untyped]
from papermill.engines import NBClientEngine  # type: ignore[import-untyped]
from papermill.utils import merge_kwargs, remove_args  # type: ignore[import-untyped]

from campaign_lab.agents.process.scratch_folders import KERNEL, scratch
from campaign_lab.batch.execute.machine import LOOK_S
from campaign_lab.sessions.position import cell_header

OnProgress = Callable[[int, int, str], None]
"""Called before each cell runs, with its index from 0, the number of cells, and its id."""

INJECTED = "injected-parameters"
"""Papermill's tag of the cell that it writes the parameters into; here also the cell's id."""
GRACE_S = 3.0
"""How long an interrupted kernel may take to end its cell, in seconds; then it is killed."""
_log = logging.getLogger("campaign_lab.kernel")
_log.addHandler(logging.NullHandler())  # nbclient logs kernels that were stopped; the row of the run says it better

LONGEST_SOCKET = 90
"""Characters. A path of a Unix socket may have 104 to 108, by system; the port's number comes behind it."""


class CampaignClient(PapermillNotebookClient):  # type: ignore[misc]  # papermill has no types
    """Runs one notebook. ``cancelled`` is asked while it runs; ``extra_env`` is added to the kernel's environment."""

    def __init__(
        self,
        nb_man: Any,
        *,
        on_progress: OnProgress | None = None,
        cancelled: Callable[[], bool] | None = None,
        extra_env: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(nb_man, **options)
        self._on_progress = on_progress
        self._cancelled = cancelled
        self._extra_env = dict(extra_env or {})
        self._sockets: str | None = None
        self.on_cell_execute = self._stamp
        self.on_cell_error = _with_its_error

    def execute(self, **options: Any) -> Any:
        """Runs all cells. A cancelled run ends as if its cell had been interrupted.

        What the kernel process prints itself, such as that it shuts down, is in no notebook: not in this one, and not in the
        one that started it.
        """
        done = threading.Event()
        with (
            scratch(KERNEL) as folder,
            (folder / "kernel.log").open("wb") as output,
        ):
            self._sockets = str(folder / "kernel")
            watch = threading.Thread(target=self._watch, args=(done,), daemon=True)
            watch.start()
            try:
                env = {**os.environ, **self._extra_env}
                return super().execute(env=env, stdout=output, stderr=output, **options)
            finally:
                done.set()
                watch.join()

    def create_kernel_manager(self) -> Any:
        """Returns a kernel manager that uses sockets in a private folder: kernels that start together cannot share a port."""
        manager = super().create_kernel_manager()
        if self._sockets and len(self._sockets) <= LONGEST_SOCKET:
            manager.transport = "ipc"
            manager.connection_file = f"{self._sockets}.json"
            manager.ip = self._sockets
        return manager

    def _stamp(self, cell: Any, cell_index: int) -> None:
        self.kc.session.metadata = cell_header(self.nb_man.output_path or "", cell.get("id"))
        if self._on_progress:
            self._on_progress(cell_index, len(self.nb.cells), cell.get("id", ""))

    def _watch(self, done: threading.Event) -> None:
        """Interrupts the kernel once the run is cancelled, and kills it if it goes on."""
        while self._cancelled is not None and not done.wait(LOOK_S):
            process = getattr(getattr(self.km, "provisioner", None), "process", None)
            if process is None or not self._cancelled():
                continue
            process.send_signal(signal.SIGINT)
            if not done.wait(GRACE_S) and process.poll() is None:
                process.kill()
            return


def _with_its_error(cell: Any, execute_reply: Any, **_position: int) -> None:
    """Adds to the outputs of a cell an error that is only in the kernel's reply, such as that of an unknown magic."""
    reply = execute_reply["content"]
    if not any(output.output_type == "error" for output in cell.outputs):
        error = {name: reply.get(name, "") for name in ("ename", "evalue")}
        output = new_output("error", **error, traceback=reply.get("traceback", []))  # type: ignore[no-untyped-call]
        cell.outputs.append(output)


class NotebookEngine(NBClientEngine):  # type: ignore[misc]
    """Papermill's own engine with our client."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        start_timeout: int = 60,
        execution_timeout: int | None = None,
        **options: Any,
    ) -> Any:
        """Runs the notebook. Options are those of ``CampaignClient`` and of papermill's own engine; timeouts in seconds."""
        for cell in nb_man.nb.cells:
            if INJECTED in cell.metadata.get("tags", ()):
                cell["id"] = INJECTED
        known = remove_args(["input_path", "timeout", "startup_timeout"], **options)
        chosen = merge_kwargs(
            known, timeout=execution_timeout, startup_timeout=start_timeout, kernel_name=kernel_name, log=_log
        )
        return CampaignClient(nb_man, **chosen).execute()
