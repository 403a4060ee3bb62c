"""A real JupyterLab in a process of its own, with folders of its own: what the browser tests talk to."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from support.paths import ROOT

COMMAND = Path(sys.executable).with_name("campaign-lab")
START_S, STOP_S = 60.0, 10.0
KEPT = ("PATH", "LANG")
USER = "ana"


class Jupyter:
    """One JupyterLab on a copy of the notebooks and the data, as a user would start it. ``lab`` puts one into that folder."""

    def __init__(self, folder: Path, lab: Callable[[Path], Path] | None = None) -> None:
        self.root, self.home, self.tmp = folder / "work", folder / "home", folder / "tmp"
        self.home.mkdir()
        self.tmp.mkdir()
        for name in ("notebooks", "data"):
            shutil.copytree(ROOT / name, self.root / name, ignore=shutil.ignore_patterns("*.duckdb*", "kernel-*", ".*"))
        self.log = folder / "jupyter.log"
        self.store = lab(self.root) if lab else folder / "lab.duckdb"
        with self.log.open("w") as log:
            self._process = subprocess.Popen(
                [COMMAND, "lab", "--no-browser", "--lab", self.store, "--user", USER, self.root], cwd=self.root,
                env=self._environment(), stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        try:
            self.url, self.token = self._reached()
        except BaseException:
            self.stop()
            raise

    def _environment(self) -> dict[str, str]:
        """A home of its own, and nothing of the person's. Kernels find the hostile site beside the tests."""
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return {**kept, "HOME": str(self.home), "TMPDIR": str(self.tmp), "PYTHONPATH": str(ROOT / "tests")}

    def _reached(self) -> tuple[str, str]:
        """Address and token, from the file that the server writes about itself, once it answers."""
        end = time.monotonic() + START_S
        while time.monotonic() < end and self._process.poll() is None:
            for path in self.tmp.glob("*/*/jpserver-*.json"):
                with contextlib.suppress(OSError, ValueError):  # half written, or not listening yet
                    said = json.loads(path.read_text())
                    url = said["url"].rstrip("/")
                    urllib.request.urlopen(f"{url}/api/status?token={said['token']}", timeout=2).read()
                    return url, said["token"]
            time.sleep(0.05)
        raise RuntimeError(f"JupyterLab did not come up. {self.log}:\n{self.log.read_text()[-4000:]}")

    def api(self, path: str, method: str = "GET") -> Any:
        """One request to the server's REST interface."""
        request = urllib.request.Request(
            f"{self.url}/api/{path}", method=method, headers={"Authorization": f"token {self.token}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.loads(answer.read() or b"null")

    def stop_kernels(self) -> None:
        """Shuts down what notebooks have left running."""
        for session in self.api("sessions"):
            self.api(f"sessions/{session['id']}", "DELETE")

    def write(self, name: str, **cells: str) -> str:
        """Writes a notebook of these code cells beside the others. Gives its path below the root.

        Cells are named by their id, with an underscore for a hyphen.
        """
        made = [new_code_cell(source, id=place.replace("_", "-")) for place, source in cells.items()]
        notebook = new_notebook(
            cells=[new_markdown_cell(f"# {name}", id="title"), *made],
            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
        )
        nbformat.write(notebook, self.root / "notebooks" / f"{name}.ipynb")
        return f"notebooks/{name}.ipynb"

    def copy(self, notebook: str, name: str) -> str:
        """Copies one of the notebooks, to be changed. Its path below the root."""
        folder = self.root / "notebooks"
        shutil.copy(folder / f"{notebook}.ipynb", folder / f"{name}.ipynb")
        return f"notebooks/{name}.ipynb"

    def stop(self) -> None:
        """Ends the server and what it started."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(STOP_S)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(STOP_S)
