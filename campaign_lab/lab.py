"""Lab: the door. It opens the store, knows the user and the endpoint, and hands out sessions."""

from __future__ import annotations

import getpass
import hashlib
import os
import uuid
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from campaign_lab.agents.endpoints import Endpoint, remote_endpoint
from campaign_lab.agents.events import Event
from campaign_lab.agents.loop import AgentLoop
from campaign_lab.agents.phases import Phase, builtin_phases
from campaign_lab.brief import Brief
from campaign_lab.errors import BriefError, EndpointError, NotFoundError
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.sessions.context import Context
from campaign_lab.sessions.session import Session
from campaign_lab.store import tables
from campaign_lab.store.engine import open_file
from campaign_lab.store.rows import SessionRow

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")

DEFAULT_MODEL = "claude-sonnet-4-5-20250929"
SESSION_TTL_S = 8 * 3600
ALIASES = ("sonnet", "opus", "haiku", "fable", "inherit", "default")


class Lab:
    """A lab file and who works in it. ``Lab()`` is the checkout's data/lab.duckdb, the user who is logged in, rehearsal.

    ``path``: the lab file (else CAMPAIGN_LAB_STORE, else data/lab.duckdb in a checkout, else the user's data folder).
    ``user``: else JUPYTERHUB_USER, else the login. ``endpoint``: ``rehearsal``, ``anthropic``, or a url (else
    CAMPAIGN_LAB_ENDPOINT). ``model``: a full model id. ``on_miss``: ``run`` or ``refuse`` (else CAMPAIGN_LAB_ON_MISS).
    ``on_event``: hears the progress of every turn.
    Raises StoreError, EndpointError.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        user: str | None = None,
        endpoint: str | Endpoint | None = None,
        model: str = DEFAULT_MODEL,
        on_miss: str | None = None,
        on_event: Callable[[Event], None] | None = None,
        phases: Sequence[Phase] = (),
    ) -> None:
        if model in ALIASES:
            raise EndpointError(
                model, f"models are named by their full id, such as {DEFAULT_MODEL}: an alias changes its meaning"
            )
        on_miss = on_miss or os.environ.get("CAMPAIGN_LAB_ON_MISS") or "run"
        if on_miss not in ("run", "refuse"):
            raise ValueError(f"on_miss: {on_miss!r} is not allowed; expected run or refuse")
        self._context = Context(
            engine=open_file(path or default_path()),
            user=user or os.environ.get("JUPYTERHUB_USER") or getpass.getuser(),
            endpoint=_endpoint(endpoint or os.environ.get("CAMPAIGN_LAB_ENDPOINT") or "rehearsal"),
            model=model,
            loop=AgentLoop(),
            phases=builtin_phases() | {phase.name: phase for phase in phases},
            on_miss=on_miss,
        )
        if on_event is not None:
            self._context.on_event = on_event

    @property
    def user(self) -> str:
        """Who works in the lab."""
        return self._context.user

    @property
    def endpoint(self) -> str:
        """Who answers: ``rehearsal-N``, ``anthropic``, or a url's origin."""
        return self._context.endpoint.name

    def known_phases(self, names: Sequence[str]) -> list[Phase]:
        """The phases of these names. Raises NotFoundError that lists the known ones."""
        return [self._context.phase(name) for name in names]

    def session(self, brief: Brief | str, name: str = "main") -> Session:
        """The session for a brief, made when there is none yet, standing at its root. A url or folder will do for a brief.

        Get-or-create by (owner, campaign, url, name, endpoint, model); a changed brief keeps the session.
        """
        brief = Brief(url=brief) if isinstance(brief, str) else brief
        context = self._context
        row = SessionRow(
            id=str(uuid.uuid4()), owner=context.user, campaign=brief.campaign, url=brief.url, name=name,
            endpoint=context.endpoint.name, model=context.model, parent_session=None, start_turn=None, tip_turn=None,
            purpose="", automatic=False, brief=brief.to_json(), made_at=datetime.now(UTC), ttl_seconds=SESSION_TTL_S,
        )  # fmt: skip
        _check_folder(context.engine.call(lambda con: tables.session_by_identity(con, row)), brief, context)
        return Session(context, context.engine.call(lambda con: tables.get_or_create_session(con, row)), None)

    def open(self, name: str) -> Session:
        """The user's session of that name or id, standing at its tip. Raises NotFoundError."""
        rest = "WHERE owner = ? AND (name = ? OR id = ?) ORDER BY made_at DESC"
        rows = self._context.engine.call(
            lambda con: tables.select(con, SessionRow, rest, [self._context.user, name, name])
        )
        if not rows:
            raise NotFoundError("session", name)
        return Session(self._context, rows[0], rows[0].tip_turn)

    def compare(self, sessions: Session | Sequence[Session]) -> pd.DataFrame:
        """One row a copy variant of the sessions, up to where each handle stands."""
        from campaign_lab.compare import copy_frame

        several = [sessions] if isinstance(sessions, Session) else sessions
        return copy_frame([row for session in several for row in _copy_rows(session, self._context.endpoint.name)])

    def run_sync(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs ``session.run(…)`` from a script and waits. Ctrl-C stops the turn and its process at once."""
        return self._context.loop.run_sync(work)

    def close(self) -> None:
        """Lets go of the file and of the endpoint. May be called twice."""
        self._context.endpoint.close()
        self._context.engine.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Lab({Path(self._context.engine.path).name}, {self._context.endpoint.name})"


def default_path() -> Path:
    """Where the lab file is when none was named."""
    if named := os.environ.get("CAMPAIGN_LAB_STORE"):
        return Path(named)
    checkout = Path(__file__).resolve().parent.parent
    if (checkout / "pyproject.toml").is_file() and (checkout / "data").is_dir():
        return checkout / "data" / "lab.duckdb"
    from platformdirs import user_data_path

    return user_data_path("campaign_lab") / "lab.duckdb"


def _check_folder(stored: SessionRow | None, brief: Brief, context: Context) -> None:
    """A folder is known by its name. Raises BriefError when the name now stands for another folder with another home page."""
    folder = brief.folder_of(brief.url)
    known = Brief.from_json(stored.brief).folder_of(brief.url) if stored else None
    if folder is None or known in (None, folder):
        return
    home = folder / "index.html" if folder.is_dir() else folder
    pages = context.engine.call(lambda con: tables.pages_of(con, context.user, brief.campaign))
    read = next((page.sha256 for page in pages if page.url == brief.url), None)
    if read and home.is_file() and hashlib.sha256(home.read_bytes()).hexdigest() != read:
        raise BriefError(
            (
                f"url: {str(folder)!r} is not the folder that the campaign {brief.campaign!r} has read ({str(known)!r}); "
                "give the campaign another name in a brief, or rename the folder",
            )
        )


def _endpoint(given: str | Endpoint) -> Endpoint:
    if not isinstance(given, str):
        return given
    return RehearsalEndpoint() if given == "rehearsal" else remote_endpoint(given)


def _copy_rows(session: Session, endpoint: str) -> list[dict[str, Any]]:
    """The session's copy variants as plain rows, with the motivation of their angle."""
    motivations = {kept.label: kept.to_json().get("motivation", "") for kept in session.kept("angle")}
    variants = [kept.to_json() for kept in session.kept("copy_variant") if not kept.degraded]
    return [
        row | {"session": session.name, "motivation": motivations.get(row["angle"], ""), "endpoint": endpoint}
        for row in variants
    ]
