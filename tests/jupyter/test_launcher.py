"""``campaign-lab lab``: a real JupyterLab, started by the real command, asked by its own interface, stopped by a signal."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psutil
import pytest
from jupyter_client import BlockingKernelClient

from campaign_lab.jupyter.launcher import LabFolder, _environment, _tell
from support.kernels import environment

pytestmark = pytest.mark.usefixtures("process")
OWN_TOKEN = "a-token-of-my-own-5c1e"
START_S = 60


@dataclass
class Server:
    """A JupyterLab that the command started."""

    process: subprocess.Popen[str]
    url: str
    token: str
    said: list[str]

    def api(self, path: str, body: object = None, *, method: str | None = None) -> Any:
        """The answer of the server's interface; with a body it is a POST unless another method is named."""
        data = json.dumps(body).encode() if body else None
        head = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(f"{self.url}{path}", data=data, headers=head, method=method)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.loads(answer.read() or b"null")

    def settings(self, plugin: str) -> dict[str, Any]:
        """The settings of a plugin as a fresh JupyterLab shows them: defaults with our overrides, nothing of a user's."""
        told = self.api(f"/lab/api/settings/{plugin}")
        assert told["raw"] == "{}"
        return {name: each.get("default") for name, each in told["schema"]["properties"].items()}


def _start(folder: Path, env: dict[str, str], *options: str, stdin: int = subprocess.DEVNULL) -> Server:
    """Starts the command and reads what it says until it is up."""
    process = subprocess.Popen(
        [sys.executable, "-m", "campaign_lab", "lab", str(folder), "--no-browser", *options],
        env=env, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    said: list[str] = []
    for line in process.stdout:
        said.append(line)
        if line.strip().startswith("Stop "):
            break
    found = re.search(r"http://\S+", "".join(said))
    assert found, said
    address = urlsplit(found[0])
    server = Server(process, f"http://{address.netloc}", parse_qs(address.query).get("token", [OWN_TOKEN])[0], said)
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        with suppress(OSError):
            server.api("/api/status")
            return server
        time.sleep(0.05)
    raise AssertionError("the server did not answer")


def _end(process: subprocess.Popen[str]) -> None:
    """Leaves nothing behind, whatever a test did."""
    for each in (*psutil.Process(process.pid).children(recursive=True), process) if process.poll() is None else ():
        with suppress(psutil.NoSuchProcess):
            each.kill()


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose owner has settings of his own: another theme, a password, a kernel that is broken."""
    home = tmp_path_factory.mktemp("home")
    theirs = home / ".jupyter" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    theirs.mkdir(parents=True)
    (theirs / "themes.jupyterlab-settings").write_text('{"theme": "Mine"}', encoding="utf-8")
    config = {"ServerApp": {"ip": "0.0.0.0", "port": 9}, "IdentityProvider": {"token": "theirs"}}
    (home / ".jupyter" / "jupyter_server_config.json").write_text(json.dumps(config), encoding="utf-8")
    kernel = home / ".local" / "share" / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    broken = {"argv": ["/no/such/python", "{connection_file}"], "display_name": "Broken", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(broken), encoding="utf-8")
    return home


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project's folder with a tour."""
    project = tmp_path_factory.mktemp("project é")
    (project / "notebooks").mkdir()
    tour = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
    (project / "notebooks" / "00_tour.ipynb").write_text(json.dumps(tour), encoding="utf-8")
    return project


@pytest.fixture(scope="module")
def server(process: None, project: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A JupyterLab on the project, with a token from the environment, a lab file and a user."""
    store = tmp_path_factory.mktemp("store") / "lab.duckdb"
    env = environment(HOME=home, JUPYTER_TOKEN=OWN_TOKEN)
    server = _start(project, env, "--lab", str(store), "--user", "ana")
    yield server
    _end(server.process)


@pytest.mark.usefixtures("slow")
def test_says_where_it_is_and_how_to_stop_it(server: Server, project: Path, home: Path) -> None:
    """The address is on loopback and leads to the tour; no token that was given, no warning; no other tool leaves a trace."""
    words = "".join(server.said)
    assert "Warning" not in words
    assert {path.name for path in home.iterdir()} <= {".jupyter", ".local", ".ipython"}
    assert re.search(r"Open +http://127\.0\.0\.1:\d+/lab/tree/notebooks/00_tour\.ipynb", words)
    assert str(project) in words
    assert "Ctrl-C" in words
    assert OWN_TOKEN not in words
    listening = {
        each.laddr.ip for each in psutil.Process(server.process.pid).net_connections("tcp") if each.status == "LISTEN"
    }
    assert listening == {"127.0.0.1"}


@pytest.mark.usefixtures("slow")
def test_is_tidy_and_asks_nobody_outside(server: Server) -> None:
    """No news, no update check, no extension installer; panels live on the main thread; no theme is forced."""
    assert server.settings("@jupyterlab/apputils-extension:notification")["fetchNews"] == "false"
    assert server.settings("@jupyterlab/apputils-extension:notification")["checkForUpdates"] is False
    assert server.settings("@jupyterlab/apputils-extension:kernels-settings")["commsOverSubshells"] == "disabled"
    assert server.settings("@jupyterlab/notebook-extension:tracker")["autoStartDefaultKernel"] is True
    assert server.settings("@jupyter-widgets/jupyterlab-manager:plugin")["saveState"] is True
    assert server.settings("@jupyterlab/apputils-extension:themes")["theme"] == "JupyterLab Light"
    assert server.api("/lab/api/news") == {"news": []}
    assert server.api("/lab/api/update") == {"notification": None}
    request = urllib.request.Request(f"{server.url}/lab/tree/notebooks/00_tour.ipynb?token={OWN_TOKEN}")
    with urllib.request.urlopen(request, timeout=20) as page:
        config = json.loads(
            re.search(r'id="jupyter-config-data"[^>]*>(.*?)</script>', page.read().decode(), re.DOTALL)[1]
        )  # type: ignore[index]
    assert config["extensionManager"]["can_install"] is False


@pytest.fixture(scope="module")
def asked(server: Server, home: Path) -> dict[str, Any]:
    """What a kernel, started as JupyterLab starts one, says of itself."""
    body = {
        "path": "notebooks/00_tour.ipynb",
        "name": "00_tour.ipynb",
        "type": "notebook",
        "kernel": {"name": "python3"},
    }
    started = server.api("/api/sessions", body)["kernel"]["id"]
    runtime = next(Path(each) for each in _open_folders(server) if (Path(each) / f"kernel-{started}.json").exists())
    client = BlockingKernelClient(connection_file=str(runtime / f"kernel-{started}.json"))
    client.load_connection_file()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    heard: list[str] = []
    code = (
        "import json, os, sys\nfrom campaign_lab import Lab\nlab = Lab()\n"
        "print(json.dumps([dict(os.environ), sys.executable, os.getcwd(), lab.user, str(lab._context.engine.display_url)]))"
    )
    client.execute_interactive(
        code, timeout=60, output_hook=lambda message: heard.append(message["content"].get("text", ""))
    )
    client.stop_channels()
    words = dict(zip(("env", "python", "cwd", "user", "store"), json.loads("".join(heard)), strict=True))
    return words | {"transport": json.loads((runtime / f"kernel-{started}.json").read_text())["transport"]}


def _open_folders(server: Server) -> set[str]:
    """Folders of the files that the server's kernels were started with."""
    children = psutil.Process(server.process.pid).children(recursive=True)
    return {str(Path(word).parent) for child in children for word in child.cmdline() if word.endswith(".json")}


@pytest.mark.usefixtures("slow")
def test_a_saved_figure_is_its_data_without_the_picture_of_it(server: Server, project: Path) -> None:
    """JupyterLab sends a picture with each figure that it has drawn; the file holds the figure, and other pictures stay."""
    figure = {"application/vnd.plotly.v1+json": {"data": [], "layout": {}}, "image/png": "aGVsbG8="}
    outputs = [
        {"output_type": "display_data", "metadata": {}, "data": data} for data in (figure, {"image/png": "aGVsbG8="})
    ]
    cell = {"cell_type": "code", "id": "figure", "metadata": {}, "source": "", "execution_count": 1, "outputs": outputs}
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}
    server.api("/api/contents/drawn.ipynb", {"type": "notebook", "format": "json", "content": notebook}, method="PUT")
    saved = json.loads((project / "drawn.ipynb").read_text(encoding="utf-8"))["cells"][0]["outputs"]
    assert [set(each["data"]) for each in saved] == [{"application/vnd.plotly.v1+json"}, {"image/png"}]


@pytest.mark.usefixtures("slow")
def test_a_kernel_knows_the_lab_and_the_user_and_no_token(asked: dict[str, Any], server: Server, project: Path) -> None:
    """--lab and --user arrive; the token is in no environment and on no command line; the kernel is our Python, without port."""
    assert asked["user"] == "ana"
    assert asked["store"] == server.said[-2].split(maxsplit=1)[1].strip()
    assert asked["cwd"] == str(project / "notebooks")
    assert asked["env"]["JPY_SESSION_NAME"] == str(project / "notebooks" / "00_tour.ipynb")
    assert asked["python"] == sys.executable
    assert asked["transport"] == "ipc"
    assert OWN_TOKEN not in json.dumps(asked["env"])
    process = psutil.Process(server.process.pid)
    for each in (process, *process.children(recursive=True)):
        assert OWN_TOKEN not in " ".join(each.cmdline())


@pytest.mark.usefixtures("slow")
def test_ctrl_c_stops_server_and_kernels_in_plain_words(asked: dict[str, Any], server: Server, home: Path) -> None:
    """SIGINT ends it with exit code 0 and no traceback; no process and no throw-away folder is left, the home is as it was."""
    before = {str(each) for each in (home / ".jupyter").rglob("*")}
    (runtime,) = _open_folders(server)
    process = psutil.Process(server.process.pid)
    family = [process, *process.children(recursive=True)]
    assert len(family) > 1
    os.kill(server.process.pid, signal.SIGINT)
    rest, _ = server.process.communicate(timeout=30)
    assert server.process.returncode == 0
    assert "JupyterLab has stopped." in rest
    assert "Traceback" not in rest
    assert "?" not in rest
    _, alive = psutil.wait_procs(family, timeout=5)
    assert alive == []
    assert not Path(runtime).exists()
    assert {str(each) for each in (home / ".jupyter").rglob("*")} == before
    files = [each.name for each in (home / ".local" / "share" / "jupyter").rglob("*") if each.is_file()]
    assert files == ["kernel.json"]


SERVER = "postgresql://ana:s3cr%2Ft@127.0.0.1:1/campaign_lab?sslmode=disable"


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize("options", [(), ("--lab", SERVER)], ids=["environment", "option"])
def test_a_lab_on_a_server_is_passed_on_as_it_is(project: Path, home: Path, options: tuple[str, ...]) -> None:
    """Kernels get the very url, so that no folder is named after it; what people see holds no password."""
    env = environment(HOME=home) if options else environment(HOME=home, CAMPAIGN_LAB_STORE=SERVER)
    server = _start(project, env, *options)
    try:
        server.api("/api/kernels", {"name": "python3"})
        children = psutil.Process(server.process.pid).children(recursive=True)
        assert [each.environ()["CAMPAIGN_LAB_STORE"] for each in children] == [SERVER] * len(children)
        assert children
        assert "Lab     postgresql://ana@127.0.0.1:1/campaign_lab\n" in "".join(server.said)
        assert "s3cr" not in "".join(server.said)
    finally:
        os.kill(server.process.pid, signal.SIGINT)
        server.process.communicate(timeout=30)


def test_a_url_that_is_no_lab_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor does it become a folder: the notebooks refuse it in plain words."""
    place = LabFolder(Path(), Path(), Path(), None, browser=False, token="")
    told = _environment(place, "mysql://ana:s3cret@db.example/lab", None)
    assert told["CAMPAIGN_LAB_STORE"] == "mysql://ana:s3cret@db.example/lab"
    _tell("http://127.0.0.1:8888/lab", "", told)
    assert "  Lab     mysql://…\n" in capsys.readouterr().out


@pytest.mark.usefixtures("slow")
def test_ctrl_c_on_a_terminal_does_not_ask(project: Path, home: Path) -> None:
    """With a terminal on stdin Jupyter would ask; here one Ctrl-C is enough. The next free port was taken."""
    main, side = pty.openpty()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):  # then somebody else has it, which does as well
            taken.bind(("127.0.0.1", 8888))
            taken.listen()
        server = _start(project, environment(HOME=home), stdin=side)
    try:
        assert len(server.token) == 48
        assert not server.url.endswith(":8888")
        os.kill(server.process.pid, signal.SIGINT)
        rest, _ = server.process.communicate(timeout=30)
        assert "Shut down this" not in rest
        assert server.process.returncode == 0
    finally:
        _end(server.process)
        os.close(main)
        os.close(side)


@pytest.mark.usefixtures("slow")
def test_wrong_use_is_said_plainly(project: Path, home: Path) -> None:
    """A port that is taken, a folder that is none, a user that a hub contradicts: exit code 2 and one line."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        cases = [
            (["--port", port], {}, f"--port: {port} cannot be used"),
            (["--port", "70000"], {}, "from 1 to 65535"),
            (["--user", "ben"], {"JUPYTERHUB_USER": "ana"}, "on this hub you are 'ana'"),
        ]
        for options, more, says in cases:
            _refused(says, str(project), *options, HOME=home, **more)
        _refused("is no folder", str(project / "nowhere"), HOME=home)


def _refused(says: str, *arguments: str, **more: object) -> None:
    command = [sys.executable, "-m", "campaign_lab", "lab", "--no-browser", *arguments]
    done = subprocess.run(command, env=environment(**more), capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
