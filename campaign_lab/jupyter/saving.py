"""Removes what JupyterLab adds to a notebook and a saved one does not need."""

from __future__ import annotations

from typing import Any

FIGURE, PICTURE = "application/vnd.plotly.v1+json", "image/png"


def without_pictures(model: dict[str, Any], **_where: Any) -> None:
    """Takes out the picture that JupyterLab draws of each plotly figure: up to 200 kB beside 6 kB of the figure itself.

    It is a pre-save hook of the server's contents manager. The figure is drawn again from its data, offline.
    """
    if model.get("type") != "notebook" or not isinstance(model.get("content"), dict):
        return
    for cell in model["content"].get("cells", ()):
        for output in cell.get("outputs", ()):
            if FIGURE in output.get("data", ()):
                output["data"].pop(PICTURE, None)
