"""Access: the owner, whom it was shared with, and everybody else, for every verb."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from urllib.parse import urlsplit

import pytest

from campaign_lab import Lab
from campaign_lab.cli.main import main
from campaign_lab.errors import NotFoundError, StoreError
from campaign_lab.sessions.session import Session
from campaign_lab.store import queries
from campaign_lab.store.rows import AuditRow
from support.postgres import OWNER
from support.stores import Stores

pytestmark = pytest.mark.both_stores
LabOf = Callable[..., Lab]

VERBS: dict[str, Callable[[Lab, Session], object]] = {
    "read": lambda lab, session: session.turns(),
    "lineage": lambda lab, session: session.lineage,
    "conversation": lambda lab, session: session.conversation(),
    "verify": lambda lab, session: session.verify(),
    "run": lambda lab, session: lab.run_sync(session.run("copy")),
    "replay": lambda lab, session: lab.run_sync(session.run("copy", on_miss="refuse")),
    "fork": lambda lab, session: session.fork("Mine"),
    "share": lambda lab, session: session.share("ben", "run"),
    "unshare": lambda lab, session: session.unshare("ana"),
    "rename": lambda lab, session: session.rename("mine"),
    "pin": lambda lab, session: session.pin(),
    "delete": lambda lab, session: session.delete(),
    "tree": lambda lab, session: lab.tree(session),
}


def _audit(lab: Lab) -> list[AuditRow]:
    return lab._context.engine.call(lambda con: queries.select(con, AuditRow))


@pytest.mark.parametrize("verb", VERBS)
def test_a_stranger_is_refused_and_learns_nothing(verb: str, lab_of: LabOf) -> None:
    """Even with a handle in hand: the error is that of a session that does not exist, and a row is written."""
    ana, ben = lab_of("ana"), lab_of("ben")
    session = ana.open("main")
    stolen = Session(ben._context, session._row, session._row.tip_turn)
    with pytest.raises(NotFoundError) as refused:
        VERBS[verb](ben, stolen)
    assert str(refused.value) == str(NotFoundError("session", "main"))
    assert any(row.user_name == "ben" and not row.allowed and row.session_id == session.id for row in _audit(ana))


def test_naming_a_strangers_session_reads_like_naming_none(lab_of: LabOf) -> None:
    """lab.open of another user's session and of nothing at all differ in the name alone; lists and costs are empty."""
    ana, ben = lab_of("ana"), lab_of("ben")
    errors = []
    for name in (ana.open("main").id, "no-such-session"):
        with pytest.raises(NotFoundError) as refused:
            ben.open(name)
        errors.append(str(refused.value).replace(name, "NAME"))
    assert errors[0] == errors[1]
    assert ben.sessions().empty
    assert ben.costs(by="user").empty
    seen = ben._context.engine.role is None  # a server does not show a stranger that there is anything to refuse
    assert [row.allowed for row in _audit(ana) if row.user_name == "ben"] == ([False] if seen else [])


def test_read_lets_read_and_nothing_else(lab_of: LabOf) -> None:
    """Shared for reading: records, lineage and costs are there; run and fork are refused."""
    lab_of("ana").open("main").share("ben", "read")
    ben = lab_of("ben")
    session = ben.open("main")
    assert session.records("angle")
    assert list(ben.sessions()["session"]) == ["main"]
    assert set(ben.costs(by="user")["user"]) == {"ana"}
    for verb in ("run", "fork", "share", "delete", "pin"):
        with pytest.raises(NotFoundError):
            VERBS[verb](ben, session)


def test_fork_lets_fork_and_the_fork_belongs_to_who_made_it(lab_of: LabOf) -> None:
    """Ben forks ana's research and runs on it; ana's session is untouched, ben pays."""
    ana, ben = lab_of("ana"), lab_of("ben")
    ana.open("main").share("ben", "fork")
    fork = ben.open("main").fork("Ben's angle", at="research")
    assert fork.owner == "ben"
    assert ben.run_sync(fork.run("strategy")).records
    with pytest.raises(NotFoundError):
        ben.run_sync(ben.open("main").run("copy"))
    assert set(ben.costs(by="user")["user"]) == {"ana", "ben"}
    ana.open("main").unshare("ben")
    assert set(ben.costs(by="user")["user"]) == {"ben"}
    assert ana.open("main").checkpoint().phase == "strategy"


def test_revoking_keeps_forks_already_made(lab_of: LabOf) -> None:
    """After revoking, ben's fork still has all the research, and main is gone for him."""
    ana, ben = lab_of("ana"), lab_of("ben")
    session = ana.open("main")
    session.share("ben", "fork")
    ben.open("main").fork("Ben's angle", at="research")
    session.unshare("ben")
    assert ben.open("Ben's angle").records("brand_profile")
    with pytest.raises(NotFoundError):
        ben.open("main")


def test_who_was_given_a_session_may_decline_it(lab_of: LabOf) -> None:
    """It is gone for him, and its costs with it; nobody declines for another."""
    ana, ben = lab_of("ana"), lab_of("ben")
    ana.open("main").share("ben", "read")
    ana.open("main").share("cyd", "read")
    main = ben.open("main")
    with pytest.raises(NotFoundError):
        main.unshare("cyd")
    main.unshare("ben")
    with pytest.raises(NotFoundError):
        ben.open("main")
    assert len(ben.costs(by="user")) == 0
    assert lab_of("cyd").open("main").records("brand_profile")


def test_a_shared_run_is_paid_by_who_ran_it(lab_of: LabOf) -> None:
    """Ben runs on ana's session: the turn is ana's session's, the money is ben's; both see it in their costs."""
    ana, ben = lab_of("ana"), lab_of("ben")
    ana.open("main").share("ben", "run")
    turn = ben.run_sync(ben.open("main").run("copy"))
    assert ana.open("main").checkpoint().phase == "copy"
    paid = ana.costs(by="user").set_index("user")["cost_usd"]
    assert paid["ben"] == pytest.approx(turn.receipt.cost_usd)
    assert paid.sum() == pytest.approx(ana.costs(by="phase")["cost_usd"].sum())


def test_the_audit_names_who_did_what(lab_of: LabOf) -> None:
    """Sharing and a shared reading are written down with user, verb and session."""
    ana, ben = lab_of("ana"), lab_of("ben")
    ana.open("main").share("ben", "read")
    ben.open("main").turns()
    rows = {(row.user_name, row.verb, row.allowed) for row in _audit(ana)}
    assert ("ana", "share", True) in rows
    assert ("ben", "read", True) in rows


def test_on_a_hub_nobody_is_somebody_else(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """JUPYTERHUB_USER is the user; another name is refused."""
    monkeypatch.setenv("JUPYTERHUB_USER", "ana")
    path = f"{tmp_path}/lab.duckdb"
    with Lab(path) as lab:
        assert lab.user == "ana"
    with pytest.raises(ValueError, match="on this hub you are 'ana'"):
        Lab(path, user="ben")


@pytest.mark.parametrize("question", ["expired", "expires_at", "stands_at_its_start"])
def test_a_handle_on_what_is_gone_says_so(question: str, lab_of: LabOf) -> None:
    """A session that was deleted, or that a server does not show us any more, reads like one that does not exist."""
    ana, ben = lab_of("ana"), lab_of("ben")
    ana.open("main").share("ben", "read")
    handle = ben.open("main")
    getattr(handle, question)
    ana.open("main").unshare("ben")
    if ben._context.engine.role is None:  # in a file everybody's rows are seen until they go
        getattr(handle, question)
        ana.open("main").delete()
    with pytest.raises(NotFoundError) as refused:
        getattr(handle, question)
    assert str(refused.value) == str(NotFoundError("session", "main"))


@pytest.mark.parametrize("dry_run", [True, False])
def test_only_who_sees_all_forks_sweeps(dry_run: bool, lab_of: LabOf, researched_stores: Stores) -> None:
    """A role that a server holds is told at once who may; in a file, and for the tables' owner, nothing stands against it."""
    ana = lab_of("ana")
    if ana._context.engine.role is not None:
        with pytest.raises(StoreError, match="lets you in as ana, who does not see all forks") as refused:
            ana.sweep(dry_run=dry_run)
        assert refused.value.advice == "Sweep as the role that owns the tables."
        ana = lab_of(OWNER)
    assert ana.sweep(dry_run=dry_run).sessions == 0


def test_commands_refuse_and_advise_without_a_password(
    lab_of: LabOf, researched_stores: Stores, capsys: pytest.CaptureFixture[str]
) -> None:
    """``fork`` names the lab to go on with and ``sweep`` who may, both without the password of the url that they were given."""
    place, path = researched_stores.place(user="ana"), lab_of("ana")._context.engine.display_url
    assert main(["fork", "main", "Calm", "--lab", place, "--user", "ana"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"--lab {shlex.quote(path)} --user ana" in said
    code = main(["sweep", "--dry-run", "--lab", place, "--user", "ana"])
    said += (swept := capsys.readouterr()).out + swept.err
    if researched_stores.kind == "server":
        assert code == 1
        assert "Sweep as the role that owns the tables." in " ".join(swept.err.split())
        assert (secret := urlsplit(place).password)
        assert secret not in said
