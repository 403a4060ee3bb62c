"""A live kernel that runs cells in any order, as a person does, and notebooks made from sources."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from campaign_lab.jupyter.cell_ids import stamped

CLEAN = (
    "CAMPAIGN_LAB_STORE",
    "CAMPAIGN_LAB_USER",
    "CAMPAIGN_LAB_ENDPOINT",
    "CAMPAIGN_LAB_ON_MISS",
    "CAMPAIGN_LAB_PRICES",
    "JPY_SESSION_NAME",
    "JUPYTERHUB_USER",
)


def environment(**more: object) -> dict[str, str]:
    """The environment of the tests without settings of the person who runs them."""
    return {name: value for name, value in os.environ.items() if name not in CLEAN} | {
        name: str(value) for name, value in more.items()
    }


def write_notebook(path: Path, cells: Mapping[str, str]) -> Path:
    """A notebook of code cells, by id, that was never run. A cell called ``parameters`` has papermill's tag."""
    made = [nbformat.v4.new_code_cell(source, id=name) for name, source in cells.items()]
    for cell in made:
        if cell.id == "parameters":
            cell.metadata["tags"] = ["parameters"]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=made, metadata=kernel), path)
    return path


class Kernel:
    """Runs cells in one kernel, stamped as those of one notebook."""

    def __init__(self, client: NotebookClient) -> None:
        self._client = client
        self._place: dict[str, int] = {}

    def run(self, cell_id: str, source: str) -> list[Any]:
        """Runs a cell, or the cell of that id again with another source. Returns its outputs."""
        cells = self._client.nb.cells
        cell = nbformat.v4.new_code_cell(source, id=cell_id)
        if cell_id in self._place:
            cells[self._place[cell_id]] = cell
        else:
            self._place[cell_id] = len(cells)
            cells.append(cell)
        self._client.execute_cell(cell, self._place[cell_id])
        return list(cell.outputs)

    def value(self, expression: str) -> str:
        """The text of an expression's value."""
        (output,) = self.run("look", expression)
        return str(output["data"]["text/plain"])


@contextmanager
def kernel(notebook: Path, env: Mapping[str, str], *, with_ids: bool = True, by_hand: bool = False) -> Iterator[Kernel]:
    """A kernel whose cells are those of ``notebook``. Without ids it is a plain nbclient. Errors come as outputs.

    ``by_hand``: its requests are those of JupyterLab, in which a person runs the cells.
    """
    client = NotebookClient(nbformat.v4.new_notebook(), timeout=120, allow_errors=True, kernel_name="python3")
    if by_hand:

        def name(cell: Any, **_position: int) -> None:
            assert client.kc is not None
            client.kc.session.metadata = {"cellId": cell.get("id"), "deletedCells": [], "recordTiming": False}

        client.on_cell_execute = name
    elif with_ids:
        stamped(client, notebook)
    with client.setup_kernel(env=dict(env)):
        yield Kernel(client)


def shown(outputs: list[Any]) -> str:
    """All text of a cell's outputs: streams, plain text of results, error lines."""
    parts = []
    for output in outputs:
        parts += [output.get("text", ""), output.get("data", {}).get("text/plain", ""), *output.get("traceback", ())]
    return "\n".join(parts)
