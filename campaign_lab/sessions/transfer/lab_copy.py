"""Moving a lab to another store, such as a team's server: nothing may run, and every session is proved where it arrives."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from campaign_lab.errors import StoreError
from campaign_lab.sessions.run.claims import alive, store_time
from campaign_lab.sessions.upkeep.verify import verify
from campaign_lab.store import queries
from campaign_lab.store.copying import Copied, OnProgress, copy_rows
from campaign_lab.store.location import is_server, open_store
from campaign_lab.store.rows import ClaimRow, SessionRow

if TYPE_CHECKING:
    from campaign_lab.store.connection import Con, Store


@dataclass(frozen=True)
class CopyReport:
    """What was copied where, the users that the server has no role for, and what is wrong with sessions there."""

    source: str
    target: str
    added: dict[str, int]
    moved_on: tuple[str, ...]
    differing: tuple[str, ...]
    sessions: int
    strangers: tuple[str, ...]
    problems: tuple[str, ...]

    @property
    def rows(self) -> int:
        """How many rows were added."""
        return sum(self.added.values())


def copy_lab(source: str, target: str, *, on_progress: OnProgress = lambda _table, _rows: None) -> CopyReport:
    """Copies all that a lab has, of all users, to another one, and verifies every session there.

    Both are a path or a server's url. Doing it again copies what has come since. Raises StoreError: the source is not
    there or a turn runs in it, the target lets us in as one user only, or both are the same.
    """
    if not is_server(source) and not Path(source).is_file():
        raise StoreError(source, "is not there", "Look at the path of the lab that is to be copied.")
    with closing(open_store(source)) as old, closing(open_store(target)) as new:
        _refuse(old, new)
        copied = copy_rows(old, new, on_progress)
        return _proved(old, new, copied)


def _refuse(old: Store, new: Store) -> None:
    if old.path == new.path:
        raise StoreError(new.path, "cannot be copied to itself", "Name another file or database.")
    for store in (old, new):
        if store.role is not None:
            reason = f"lets you in as {store.role}, who sees no sessions of others"
            raise StoreError(store.path, reason, "Copy as the role that owns the tables.")
    running = old.call(_living)
    if running:
        users = ", ".join(sorted({claim.user_name for claim in running}))
        turns = "1 turn is" if len(running) == 1 else f"{len(running)} turns are"
        raise StoreError(old.path, f"is in use: {turns} running ({users})", "Copy it when nothing runs.")


def _living(con: Con) -> list[ClaimRow]:
    now = store_time(con)
    return [claim for claim in queries.select(con, ClaimRow) if alive(claim, now)]


def _proved(old: Store, new: Store, copied: Copied) -> CopyReport:
    sessions = old.call(lambda con: queries.select(con, SessionRow, "ORDER BY made_at, id"))
    known = {session.id for session in sessions}
    names = {session.id: session.name for session in sessions}
    problems: list[str] = []
    for session in (row for row in new.call(lambda con: queries.select(con, SessionRow)) if row.id in known):
        found = new.call(partial(verify, session=session))
        problems += [f"{session.campaign}/{session.name}: {problem}" for problem in found if not problem.info]
    return CopyReport(
        source=old.path, target=new.path, added=copied.added, sessions=len(known),
        moved_on=tuple(names[each] for each in copied.moved_on),
        differing=tuple(names[each] for each in copied.differing),
        strangers=tuple(new.strangers({session.owner for session in sessions})), problems=tuple(problems),
    )  # fmt: skip
