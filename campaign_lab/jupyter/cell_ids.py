"""Cell ids under nbval and nbclient: they send none, so each request of a cell is stamped with it before it goes out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from campaign_lab.sessions.position import cell_header

if TYPE_CHECKING:
    from nbclient import NotebookClient


def stamped(client: NotebookClient, path: str | os.PathLike[str]) -> NotebookClient:
    """The client, which now tells the kernel the notebook (at ``path``) and the cell of everything it runs."""
    notebook = os.fspath(path)

    def stamp(cell: Any, **_position: int) -> None:
        assert client.kc is not None  # a cell runs, so there is a kernel
        client.kc.session.metadata = cell_header(notebook, cell.get("id"))

    client.on_cell_execute = stamp
    return client


def pytest_runtest_call(item: Any) -> None:
    """The same for nbval, as a hook of pytest: this module is the plugin, ``pytest -p campaign_lab.jupyter.cell_ids``."""
    if type(item).__name__ == "IPyNbCell":
        item.parent.kernel.kc.session.metadata = cell_header(str(item.path), item.cell.get("id"))
