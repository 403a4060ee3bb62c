"""How the engine runs a notebook: each request of a cell is stamped with it, and the kernel can be interrupted."""

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
from campaign_lab.sessions.position import cell_header

OnProgress = Callable[[int, int, str], None]
"""Hears of each cell before it runs: its index, how many cells there are, and its id."""

INJECTED = "injected-parameters"
"""Papermill's tag of the cell that it writes the parameters into; here also the cell's id."""
LOOK_S = 0.2
"""How often a run looks whether it was cancelled, in seconds."""
GRACE_S = 3.0
"""How long an interrupted kernel may take to end its cell, in seconds; then it is killed."""
_log = logging.getLogger("campaign_lab.kernel")
_log.addHandler(
    logging.NullHandler()
)  # what nbclient says of a kernel that was stopped, the row of its run says better

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

        What the kernel process itself says, such as that it is being shut down, goes into no notebook: neither into this one
        nor into the one that started it.
        """
        done = threading.Event()
        with (
            scratch(KERNEL) as folder,
            (folder / "kernel.log").open("wb") as said,
        ):
            self._sockets = str(folder / "kernel")
            watch = threading.Thread(target=self._watch, args=(done,), daemon=True)
            watch.start()
            try:
                env = {**os.environ, **self._extra_env}
                return super().execute(env=env, stdout=said, stderr=said, **options)
            finally:
                done.set()
                watch.join()

    def create_kernel_manager(self) -> Any:
        """A kernel manager that talks over sockets in a private folder: two kernels started at once take no other's port."""
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
        """Interrupts the kernel once the run is cancelled, and kills it when it does not listen."""
        while self._cancelled is not None and not done.wait(LOOK_S):
            process = getattr(getattr(self.km, "provisioner", None), "process", None)
            if process is None or not self._cancelled():
                continue
            process.send_signal(signal.SIGINT)
            if not done.wait(GRACE_S) and process.poll() is None:
                process.kill()
            return


def _with_its_error(cell: Any, execute_reply: Any, **_position: int) -> None:
    """Puts an error into the cell's outputs that is only in the kernel's reply, such as that of an unknown magic."""
    said = execute_reply["content"]
    if not any(output.output_type == "error" for output in cell.outputs):
        error = {name: said.get(name, "") for name in ("ename", "evalue")}
        output = new_output("error", **error, traceback=said.get("traceback", []))  # type: ignore[no-untyped-call]
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
        given = merge_kwargs(
            known, timeout=execution_timeout, startup_timeout=start_timeout, kernel_name=kernel_name, log=_log
        )
        return CampaignClient(nb_man, **given).execute()
