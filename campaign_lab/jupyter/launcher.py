"""``campaign-lab lab``: JupyterLab for one project; tidy, offline, on loopback only, apart from the user's own Jupyter."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import quote

from campaign_lab.agents.process.scratch_folders import JUPYTERLAB, scratch
from campaign_lab.errors import StoreError
from campaign_lab.store.location import SETTING, default_location, whole_path

HOST = "127.0.0.1"
FIRST_PORT = 8888
PORTS = 50
"""How many ports from the first one on are tried when none is asked for."""
FIGURE, PICTURE = "application/vnd.plotly.v1+json", "image/png"
TOUR = "notebooks/00_tour.ipynb"
OWN_TOKEN = "JUPYTER_TOKEN"  # noqa: S105  # the name of a variable
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that stop it; one that is ignored, as under nohup, stays ignored."""
LONGEST_SOCKET = 50
"""Characters of the folder for kernel sockets: a name of 50 more comes behind it, and a socket's path may have 104."""


@dataclass(frozen=True)
class LabFolder:
    """The folders of one JupyterLab. ``state`` keeps layout, settings and trust between starts, ``run`` is thrown away."""

    folder: Path
    state: Path
    run: Path
    port: int | None
    browser: bool
    token: str


def launch(
    folder: str | None = None,
    *,
    port: int | None = None,
    browser: bool = True,
    store: str | None = None,
    user: str | None = None,
) -> int:
    """Opens JupyterLab and waits until a signal stops it. Returns that signal's number.

    ``folder``: else the checkout that the package runs from, else the current folder. ``port``: else the next free one from
    8888 on. ``store`` and ``user`` are what ``Lab()`` takes in the notebooks. Raises ValueError.
    """
    chosen = Path(folder).expanduser().resolve() if folder else home()
    if not chosen.is_dir():
        raise ValueError(f"FOLDER: {folder!r} is no folder; give one that exists")
    _check_port(port)
    _check_user(user)
    token = os.environ.pop(OWN_TOKEN, "")
    with scratch(JUPYTERLAB) as run:
        place = LabFolder(chosen, _state(run), run, port, browser, token or secrets.token_hex(24))
        os.environ.update(_environment(place, store, user))
        os.environ.pop("JUPYTER_CONFIG_PATH", None)
        print(f"Starting JupyterLab in {chosen} …", flush=True)
        number = _serve(place, shown_token="" if token else place.token)
    with suppress(OSError):  # the terminal may be closed
        print("JupyterLab has stopped.", flush=True)
    return number


def home() -> Path:
    """The checkout that the package runs from, else the current folder."""
    checkout = Path(__file__).resolve().parent.parent.parent
    is_one = (checkout / "pyproject.toml").is_file() and (checkout / "data").is_dir()
    return checkout if is_one else Path.cwd()


def _check_port(port: int | None) -> None:
    """Raises ValueError when a port was asked for that cannot be had."""
    if port is None:
        return
    if not 0 < port < 65_536:
        raise ValueError(f"--port: {port} is not allowed; expected a number from 1 to 65535")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            reason = f"cannot be used ({error.strerror}); give another one, or none: then a free one is taken"
            raise ValueError(f"--port: {port} {reason}") from None


def _check_user(user: str | None) -> None:
    hub = os.environ.get("JUPYTERHUB_USER")
    if hub and user and user != hub:
        raise ValueError(f"--user: {user!r} is not allowed; on this hub you are {hub!r}")


def _state(run: Path) -> Path:
    """The folder that keeps layout, settings and trust; a throw-away one where the user's data folder cannot be written."""
    from platformdirs import user_data_path

    state = user_data_path("campaign_lab") / "jupyter"
    try:
        state.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError:
        return run / "state"
    return state if os.access(state, os.W_OK) else run / "state"


def _environment(place: LabFolder, store: str | None, user: str | None) -> dict[str, str]:
    """What the server and its kernels are told: Jupyter's folders, the lab, the user. No secret of ours is in it.

    A password in the url of a lab's server does go to the kernels, which have to connect; one in ~/.pgpass does not.
    """
    told = {
        "JUPYTER_CONFIG_DIR": str(place.run / "config"),
        "JUPYTER_DATA_DIR": str(place.state),
        "JUPYTER_RUNTIME_DIR": str(place.run),
    }
    if store := store or os.environ.get(SETTING):
        # a path whole, since kernels work in their notebooks' folders; a url as it is, also one that the notebooks will refuse
        told[SETTING] = store if "://" in store else whole_path(store)
    return told | ({"CAMPAIGN_LAB_USER": user} if user else {})


def _settings(place: LabFolder) -> dict[str, dict[str, Any]]:
    settings = place.run / "settings"
    settings.mkdir(exist_ok=True)
    with resources.as_file(resources.files("campaign_lab.jupyter") / "overrides.json") as overrides:
        shutil.copyfile(overrides, settings / "overrides.json")
    return {
        "Application": {"log_level": "WARN"},
        "ServerApp": {
            "root_dir": str(place.folder),
            "ip": HOST,
            "port": place.port or FIRST_PORT,
            "port_retries": 0 if place.port else PORTS,
            "open_browser": place.browser,
            "allow_root": True,  # in a container there is often nobody else
        },
        "LabApp": {
            "default_url": _first_page(place.folder),
            "app_settings_dir": str(settings),
            "user_settings_dir": str(place.state / "lab" / "user-settings"),
            "workspaces_dir": str(place.state / "lab" / "workspaces"),
            "news_url": None,
            "check_for_updates_class": "jupyterlab.handlers.announcements.NeverCheckForUpdate",
            "extension_manager": "readonly",
        },
        "KernelManager": {"transport": "ipc" if len(str(place.run)) <= LONGEST_SOCKET else "tcp"},
        "IdentityProvider": {"token": place.token},
        "LanguageServerManager": {"autodetect": False},  # it asks npm, which leaves logs in the user's home
    }


def _first_page(folder: Path) -> str:
    return f"/lab/tree/{quote(TOUR)}" if (folder / TOUR).is_file() else "/lab"


def _serve(place: LabFolder, *, shown_token: str) -> int:
    """Runs the server in this process, and returns the number of the signal that stopped it.

    It is told its token in memory: no command line and no environment shows it.
    """
    from jupyterlab.labapp import LabApp  # type: ignore[import-untyped]
    from traitlets.config import Config

    server = LabApp.initialize_server(argv=[], config=Config(_settings(place)))
    server.contents_manager.register_pre_save_hook(_without_pictures)

    heard = signal.SIGINT

    def stop(number: int, _frame: object) -> None:
        nonlocal heard
        heard = signal.Signals(number)
        for each in STOPPING:
            signal.signal(each, signal.SIG_IGN)  # impatience must not interrupt the kernels' shutdown
        with suppress(OSError):
            print("\nStopping JupyterLab and its kernels …", flush=True)
        server.stop(from_signal=True)

    for each in STOPPING:
        if signal.getsignal(each) is not signal.SIG_IGN:
            signal.signal(each, stop)
    _tell(f"http://{HOST}:{server.port}{_first_page(place.folder)}", shown_token, os.environ)
    server.start()
    return heard


def _without_pictures(model: dict[str, Any], **_where: Any) -> None:
    """Takes out the picture that JupyterLab draws of each plotly figure: up to 200 kB beside 6 kB of the figure itself.

    It is a pre-save hook of the server's contents manager. The figure is drawn again from its data, offline.
    """
    if model.get("type") != "notebook" or not isinstance(model.get("content"), dict):
        return
    for cell in model["content"].get("cells", ()):
        for output in cell.get("outputs", ()):
            if FIGURE in output.get("data", ()):
                output["data"].pop(PICTURE, None)


def _tell(address: str, token: str, environment: Mapping[str, str]) -> None:
    print(f"\n  Open    {address}{f'?token={token}' if token else f'   (with the token of your {OWN_TOKEN})'}")
    print(f"  Lab     {_shown(environment.get(SETTING) or default_location())}")
    print("  Stop    Ctrl-C. Kernels stop with it; whatever turns have finished is kept.\n", flush=True)


def _shown(place: str) -> str:
    """The lab's path, or its server's url without its password."""
    scheme, is_url, _ = place.partition("://")
    if not is_url:
        return place
    try:
        from campaign_lab.store.postgres.url import shown

        return shown(place)
    except (ImportError, StoreError):  # no driver, or a url that cannot be read: the notebooks say so
        return f"{scheme}{is_url}…"
