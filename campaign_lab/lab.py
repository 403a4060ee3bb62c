"""Lab: the door. It opens the store, knows the user and the endpoint, and hands out sessions."""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import uuid
from collections.abc import Callable, Coroutine, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from campaign_lab.agents.endpoints import Endpoint, remote_endpoint
from campaign_lab.agents.events import Event
from campaign_lab.agents.phases import Phase, builtin_phases
from campaign_lab.agents.prices import own_prices
from campaign_lab.agents.process.sdk_loop import AgentLoop
from campaign_lab.brief import Brief
from campaign_lab.errors import BriefError, EndpointError, NotFoundError, StoreError
from campaign_lab.progress.hook import ignore_event, watched_batch
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from campaign_lab.sessions.budgets import Budgets, budgets_of
from campaign_lab.sessions.context import Context, batch_tag, utc_now
from campaign_lab.sessions.not_awaited import awaited
from campaign_lab.sessions.position import current_cell
from campaign_lab.sessions.session import Session
from campaign_lab.sessions.session_names import SAVED, find_session
from campaign_lab.sessions.upkeep.expiry import seconds
from campaign_lab.store import queries
from campaign_lab.store.location import default_location, open_store
from campaign_lab.store.rows import SessionRow
from campaign_lab.tables.lab_tables import LabTables

if TYPE_CHECKING:
    import pandas as pd

    from campaign_lab.batch.events import OnBatchEvent
    from campaign_lab.batch.execute.work import Cancellation
    from campaign_lab.batch.plan.briefs import Briefs
    from campaign_lab.batch.plan.jobs import BatchPlan
    from campaign_lab.sessions.fan_out import FanOut
    from campaign_lab.sessions.upkeep.doctor import HealthFinding
    from campaign_lab.sessions.upkeep.sweep import SweepReport

T = TypeVar("T")

AT_ONCE = 4
"""How many turns run in parallel: starting the CLI is what limits two cores (measured)."""

DEFAULT_MODEL = "claude-sonnet-5-5"
FORMER_DEFAULTS = ("claude-sonnet-4-6",)
"""Earlier defaults, newest first: sessions were made with them by whoever asked for no model."""
ALIASES = ("sonnet", "opus", "haiku", "fable", "inherit", "default")


class Lab(LabTables):
    """A lab and who works in it. ``Lab()`` is the checkout's data/lab.duckdb, the user who is logged in, rehearsal.

    ``path``: the lab file, or the url of a team's server, such as postgresql://ada@db.example/lab (else CAMPAIGN_LAB_STORE,
    else data/lab.duckdb in a checkout, else the user's data folder). ``user``: the role that you connect as, on a server that
    knows its roles; else JUPYTERHUB_USER, CAMPAIGN_LAB_USER, the login. ``endpoint``: ``rehearsal``, ``anthropic``, or a
    url (else CAMPAIGN_LAB_ENDPOINT). ``model``: a full model id; without one, ``session`` takes the existing session whatever
    its model, and new ones get the default. ``on_miss``: ``run`` or ``refuse`` (else CAMPAIGN_LAB_ON_MISS).
    ``session_ttl``: how long a session lives after its last paid turn or fork, such as "8h". ``budgets``: what may be spent
    (else CAMPAIGN_LAB_TURN_USD and CAMPAIGN_LAB_SESSION_USD).
    ``phases``: your own, beside research, strategy, copy and ask. ``on_event``: hears the progress of every turn.
    ``now``: a clock, for tests. Raises StoreError, EndpointError.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        user: str | None = None,
        endpoint: str | Endpoint | None = None,
        model: str | None = None,
        on_miss: str | None = None,
        on_event: Callable[[Event], None] | None = None,
        phases: Sequence[Phase] = (),
        session_ttl: str | float = "8h",
        budgets: Budgets | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        if model in ALIASES:
            raise EndpointError(
                model, f"models are named by their full id, such as {DEFAULT_MODEL}: an alias changes its meaning"
            )
        on_miss = on_miss or os.environ.get("CAMPAIGN_LAB_ON_MISS") or "run"
        if on_miss not in ("run", "refuse"):
            raise ValueError(f"on_miss: {on_miss!r} is not allowed; expected run or refuse")
        own_prices()  # a price table of the user's that cannot be used is said now, not in the middle of a turn
        engine = open_store(path or default_location())
        self._context = Context(
            engine=engine,
            user=_user(user, engine.role),
            endpoint=_endpoint(endpoint or os.environ.get("CAMPAIGN_LAB_ENDPOINT") or "rehearsal", now or utc_now),
            model=model or DEFAULT_MODEL,
            former_models=None if model else FORMER_DEFAULTS,
            loop=AgentLoop(),
            phases=builtin_phases(),
            on_miss=on_miss,
            budgets=budgets or budgets_of(os.environ),
            batch=batch_tag(),
            on_event=on_event or ignore_event,
            now=now or utc_now,
        )
        self._ttl_s = int(seconds(session_ttl))
        for phase in (*installed_phases(), *phases):
            self.add_phase(phase)

    @property
    def user(self) -> str:
        """Who works in the lab."""
        return self._context.user

    @property
    def endpoint(self) -> str:
        """Who answers: ``rehearsal-N``, ``anthropic``, or a url's origin."""
        return self._context.endpoint.name

    def add_phase(self, phase: Phase) -> None:
        """Makes a phase of your own known under its name: run, replay, fork, tables and receipts work on it."""
        self._context.phases = self._context.phases | {phase.name: phase}
        self._context.endpoint.learn(phase)

    def known_phases(self, names: Sequence[str]) -> list[Phase]:
        """The phases of these names. Raises NotFoundError that lists the known ones."""
        return [self._context.phase(name) for name in names]

    def session(self, brief: Brief | str, name: str = "main", **metadata: Any) -> Session:
        """The session for a brief, made when there is none yet, standing at its root. A url or folder will do for a brief.

        Get-or-create by (owner, campaign, url, name, endpoint, model), in a lab that was given no model also by a session of
        another model; a changed brief keeps the session. When the session has expired, a fresh one is made that replays its
        turns. ``session.notice`` says either. ``metadata`` is kept with it.
        """
        brief = Brief(url=brief) if isinstance(brief, str) else brief
        context, cell = self._context, current_cell()
        row = SessionRow(
            id=str(uuid.uuid4()), owner=context.user, campaign=brief.campaign, url=brief.url, name=name,
            endpoint=context.endpoint.name, model=context.model, parent_session=None, start_turn=None, tip_turn=None,
            purpose="", automatic=False, brief=brief.to_json(), made_at=context.now(), ttl_seconds=self._ttl_s,
            notebook=cell.notebook, cell_id=cell.cell_id, source_sha=cell.source_sha, metadata=json.dumps(metadata),
        )  # fmt: skip

        call, former = context.engine.call, context.former_models
        _check_folder(call(lambda con: queries.session_by_identity(con, row, former)), brief, context)
        row = call(lambda con: queries.get_or_create_session(con, row, context.is_expired, former=former))
        return Session(context, row, None)

    def open(self, name: str | os.PathLike[str], *, from_start: bool = False) -> Session:
        """The session of that name that the user owns or was given, standing at its tip.

        The name is its own, "campaign/name", "host/campaign/name" (``full_name``), or its id. One that fits several of the
        user's sessions raises AmbiguousName, which lists them with their age.

        ``from_start`` puts the handle where the session began, so that its runs replay; a fork that a run made by itself
        has no beginning of its own, and stands at its tip.

        A path to a file that ``session.save`` wrote takes that file in first. Raises NotFoundError, StoreError.
        """
        context = self._context
        if isinstance(name, os.PathLike) or str(name).endswith(SAVED):
            from campaign_lab.sessions.transfer.session_file import load

            row = load(context.engine, name, owner=context.user)
            return Session(context, row, row.start_turn if from_start else row.tip_turn)
        found = context.engine.call(lambda con: find_session(con, context.user, str(name), now=context.now()))
        if found is None:
            raise NotFoundError("session", str(name))
        context.require(found, "read")
        return Session(context, found, found.start_turn if from_start and not found.automatic else found.tip_turn)

    # -- several at once

    @awaited
    async def run_all(
        self, sessions: Sequence[Session], *phases: str, steer: Mapping[str, str] | None = None, at_once: int = AT_ONCE
    ) -> FanOut:
        """Runs the phases on each session, ``at_once`` in parallel. One that fails does not stop the others.

        ``steer`` is by session name. Before anything is sent, the estimates of all are held against the budgets. When the
        prompt cache has gone cold and it pays, the forks of one checkpoint first get a common short turn (an anchor) that
        warms it; ``FanOut.notes`` says what was done. Raises BudgetExceeded.
        """
        from campaign_lab.sessions.fan_out import run_all

        return await run_all(self._context, sessions, phases, steer=steer or {}, at_once=at_once)

    @awaited
    async def batch(
        self,
        briefs: Briefs,
        notebook: str | os.PathLike[str] | None = None,
        *,
        out: str | os.PathLike[str],
        on_event: OnBatchEvent | None = None,
        cancelled: Cancellation | None = None,
        **options: Any,
    ) -> pd.DataFrame:
        """Runs a template notebook for each brief, in kernels of their own, and tells in a table how each run ended.

        ``briefs``: a CSV file, a folder of briefs, a frame, or a list. ``notebook``: the template, else one whole campaign.
        ``out``: the batch's folder. The same call again does only what is missing or has changed. The ``options`` are those
        of ``plan_batch``. ``on_event`` hears how it goes on; ``cancelled`` stops it, and so does an interrupt. The table's
        columns are ``batch.rows.BATCH_COLUMNS``. Raises what ``plan_batch`` raises, and FolderInUse.
        """
        from campaign_lab.batch.execute.run import in_thread, run_batch
        from campaign_lab.batch.execute.work import Cancellation
        from campaign_lab.batch.rows import batch_frame

        stop = cancelled or Cancellation()
        plan = await in_thread(lambda: self.plan_batch(briefs, notebook, out=out, **options), stop)
        with watched_batch(on_event) as listener:
            rows = await in_thread(lambda: run_batch(self._context, plan, on_event=listener, cancelled=stop), stop)
        return batch_frame(rows)

    def plan_batch(
        self,
        briefs: Briefs,
        notebook: str | os.PathLike[str] | None = None,
        *,
        out: str | os.PathLike[str],
        parameters: Mapping[str, Any] | None = None,
        matrix: Mapping[str, Sequence[Any]] | None = None,
        workers: int | None = None,
        timeout: str | float | None = "20m",
        retries: int = 2,
        budget_usd: float | None = None,
        scheduler: str | None = None,
    ) -> BatchPlan:
        """What ``batch`` would do: which runs are new, kept, or run again and why, and for about how much. It starts nothing.

        ``parameters`` go to every run; ``matrix`` has a run for each combination of its values. ``workers``: notebooks at once,
        else what cores and memory allow. ``timeout``: of one notebook, such as "20m". ``retries``: of what may pass the second
        time. ``budget_usd``: for the whole batch. ``scheduler``: the address of a Dask cluster that is to do the work.
        Raises NotFoundError, BriefError, ValueError, BudgetExceeded.
        """
        from campaign_lab.batch.plan.jobs import BatchOptions
        from campaign_lab.batch.plan.planner import plan_batch
        from campaign_lab.batch.plan.template import default_template

        options = BatchOptions(
            notebook=default_template() if notebook is None else Path(notebook), out=Path(out),
            parameters=dict(parameters or {}), matrix=dict(matrix or {}), workers=workers,
            timeout_s=None if timeout is None else seconds(timeout), retries=retries,
            budget_usd=budget_usd, scheduler=scheduler,
        )  # fmt: skip
        return plan_batch(self._context, briefs, options)

    # -- housekeeping

    def sweep(self, *, grace: str | float = "7d", keep: str = "", dry_run: bool = False) -> SweepReport:
        """Takes sessions that have been expired for longer than the grace, but no turn that a living one stands on.

        ``keep="records"`` keeps sessions and records, which still replay, and takes only the conversations. Reclaims disk.
        Raises StoreError on a server that lets us in as a role which does not see all the forks that stand on them.
        """
        from campaign_lab.sessions.upkeep.sweep import sweep

        if keep not in ("", "records"):
            raise ValueError(f"keep: {keep!r} is not allowed; expected records, or nothing")
        grace_s, now, engine = seconds(grace), self._context.now(), self._context.engine
        if engine.role is not None:
            reason = f"lets you in as {engine.role}, who does not see all forks"
            raise StoreError(engine.display_url, reason, "Sweep as the role that owns the tables.")
        report = engine.call(
            lambda con: sweep(con, now=now, grace_s=grace_s, keep_records=keep == "records", dry_run=dry_run)
        )
        if not dry_run:
            engine.compact()
        return report

    def doctor(self) -> list[HealthFinding]:
        """Examines the lab: every session is proved, versions, disk, file format and claims are looked at."""
        from campaign_lab.sessions.upkeep.doctor import examine

        return examine(self._context.engine)

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
        return f"Lab({self._context.engine.display_url.rpartition('/')[2]}, {self._context.endpoint.name})"


def _check_folder(stored: SessionRow | None, brief: Brief, context: Context) -> None:
    """A folder is known by its name. Raises BriefError when the name now stands for another folder with another home page."""
    folder = brief.folder_of(brief.url)
    known = Brief.from_json(stored.brief).folder_of(brief.url) if stored else None
    if folder is None or known in (None, folder):
        return
    home = folder / "index.html" if folder.is_dir() else folder
    pages = context.engine.call(lambda con: queries.pages_of(con, [context.user], brief.campaign))
    read = next((page.sha256 for page in pages if page.url == brief.url), None)
    if read and home.is_file() and hashlib.sha256(home.read_bytes()).hexdigest() != read:
        problem = (
            f"url: {str(folder)!r} is not the folder that the campaign {brief.campaign!r} has read ({str(known)!r}); "
            "give the campaign another name in a brief, or rename the folder"
        )
        raise BriefError((problem,))


def _user(given: str | None, role: str | None) -> str:
    """Who works here. On a hub, or on a server that knows its roles, nobody can say that he is somebody else."""
    hub = os.environ.get("JUPYTERHUB_USER")
    if hub and given and given != hub:
        raise ValueError(f"user: {given!r} is not allowed; on this hub you are {hub!r}")
    named = hub or given or os.environ.get("CAMPAIGN_LAB_USER")
    if role and named and named != role:
        raise ValueError(
            f"user: {named!r} is not allowed; on this server you are {role!r}, the role that you connect as"
        )
    return role or named or getpass.getuser()


def installed_phases() -> list[Phase]:
    """Phases that installed packages offer under the entry point group ``campaign_lab.phases``."""
    from importlib.metadata import entry_points

    phases: list[Phase] = [point.load() for point in entry_points(group="campaign_lab.phases")]
    return phases


def _endpoint(given: str | Endpoint, now: Callable[[], datetime]) -> Endpoint:
    if not isinstance(given, str):
        return given
    return RehearsalEndpoint(now=now) if given == "rehearsal" else remote_endpoint(given)
