"""The lab's tables of sessions: who may not read a session is told what is told of one that does not exist."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pytest

from campaign_lab import Lab
from campaign_lab.errors import NotFoundError
from campaign_lab.sessions.session import Session
from campaign_lab.store import queries
from campaign_lab.store.rows import SessionRow
from support.copy_rows import angle, turn, variant
from support.lab_rows import add, add_page, session, share
from support.labs import MakeLab

Table = Callable[[Lab, Session], pd.DataFrame]

TABLES: dict[str, Table] = {
    "compare": lambda lab, handle: lab.compare(handle),
    "records": lambda lab, handle: lab.records("copy_variant", sessions=[handle]),
    "diff, first": lambda lab, handle: lab.diff(handle, lab.open("bens")),
    "diff, second": lambda lab, handle: lab.diff(lab.open("bens"), handle),
    "coverage": lambda lab, handle: lab.coverage(handle),
    "timeline": lambda lab, handle: lab.timeline(handle),
    "pages": lambda lab, handle: lab.pages(handle),
    "tree": lambda lab, handle: lab.tree(handle),
}


@pytest.fixture
def lab(make_lab: MakeLab) -> Lab:
    """Ben's lab, in which ana has a session of that campaign too."""
    made = make_lab(user="ben")

    def make(con: queries.Con) -> None:
        base = turn(con, add(con, session()), "t1", angle("Calm"), phase="strategy")
        turn(con, base, "t2", variant("Secret"))
        add_page(con)
        add(con, session("bens", owner="ben"))

    made._context.engine.call(make)
    return made


def handle_on_anas(lab: Lab) -> Session:
    """A handle of ben's on ana's session, as one that he got while it was shared."""
    (row,) = lab._context.engine.call(lambda con: queries.select(con, SessionRow, "WHERE id = 'main'"))
    return Session(lab._context, row, row.tip_turn)


@pytest.mark.parametrize("name", TABLES)
def test_another_users_session_is_as_if_it_were_not_there(name: str, lab: Lab) -> None:
    """The error is the one for a name that nobody has; shared, there is something to be seen."""
    handle = handle_on_anas(lab)
    with pytest.raises(NotFoundError) as refused:
        TABLES[name](lab, handle)
    with pytest.raises(NotFoundError) as unknown:
        lab.open("nowhere")
    assert str(refused.value) == str(unknown.value).replace("nowhere", handle.name)
    lab._context.engine.call(lambda con: share(con, handle._row, "ben"))
    assert not TABLES[name](lab, handle).empty


@pytest.mark.parametrize("name", ["compare", "records", "coverage", "timeline"])
def test_a_session_has_the_name_that_it_was_given_last(name: str, make_lab: MakeLab, lab: Lab) -> None:
    """Also when it was renamed through another handle."""
    anas = make_lab()
    handle = anas.open("main")
    anas.open("main").rename("Spring, final")
    assert set(TABLES[name](anas, handle)["session"]) == {"Spring, final"}
