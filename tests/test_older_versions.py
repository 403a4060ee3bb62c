"""What older versions made is of use to today's: it opens, replays for nothing and shows the same, and keys do not change."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.cli import main
from campaign_lab.rehearsal.endpoint import RehearsalEndpoint
from support.older.campaign import BOAST, USERS, campaign
from support.older.files import VERSIONS, Older
from support.older.shown import BATCH, batch_again, shown, shown_in_short, shown_of
from support.paths import BRIEFS, copy_notebooks
from support.postgres import PostgresServer

LATER = timedelta(days=30)
"""When all that those versions made has expired."""


@pytest.fixture(params=VERSIONS, scope="module")
def older(request: pytest.FixtureRequest) -> Older:
    """The files of each version."""
    return Older(request.param)


@pytest.fixture
def endpoint() -> RehearsalEndpoint:
    """An endpoint whose server starts with the first turn that is run."""
    return RehearsalEndpoint()


def opener(places: Mapping[str, str], endpoint: RehearsalEndpoint, at: datetime) -> Callable[..., Lab]:
    """Opens a user's lab at that moment, in which nothing may be run."""

    def opened(user: str = "ana", **options: object) -> Lab:
        return Lab(places[user], user=user, endpoint=endpoint, on_miss="refuse", now=lambda: at, **options)  # type: ignore[arg-type]

    return opened


def assert_replays_and_shows_the_same(older: Older, part: str, places: Mapping[str, str]) -> None:
    """The whole campaign replays without an endpoint, and each user is shown what that version showed."""
    endpoint = RehearsalEndpoint()
    opened = opener(places, endpoint, older.at(part))
    turns = campaign(opened, BRIEFS)
    assert [turn.phase for turn in turns if not turn.replayed] == []
    assert sum(turn.receipt.paid_usd or 0.0 for turn in turns) == 0.0
    assert endpoint.server is None
    for user in USERS:
        with opened(user, phases=[BOAST]) as lab:
            assert older.changes(older.shown[part][user], shown(lab)) == []


def test_a_lab_file_replays_for_nothing_and_shows_the_same(older: Older, tmp_path: Path) -> None:
    """Research, strategy, copy, forks, questions, a phase of the user's own, two takes; of two users."""
    path = older.file("lab.duckdb", tmp_path)
    assert_replays_and_shows_the_same(older, "lab", dict.fromkeys(USERS, str(path)))


def test_a_lab_on_a_server_replays_for_nothing_and_shows_the_same(
    older: Older, postgres_server: PostgresServer
) -> None:
    """The same campaign, restored from a dump of that version's database."""
    assert_replays_and_shows_the_same(older, "postgres", older.restore(postgres_server))


def test_a_lab_file_whose_sessions_have_expired_replays_for_nothing(
    older: Older, endpoint: RehearsalEndpoint, tmp_path: Path
) -> None:
    """As it is when somebody comes back to it after weeks: sessions are renewed, and the ledger stays as it was."""
    opened = opener(dict.fromkeys(USERS, str(older.file("lab.duckdb", tmp_path))), endpoint, older.at("lab") + LATER)
    with opened() as lab:
        assert set(lab.sessions()["state"]) == {"expired"}
        before = lab.costs(by="phase")
    assert all(turn.replayed for turn in campaign(opened, BRIEFS))
    with opened() as lab:
        assert lab.costs(by="phase").equals(before)
        assert [problem for each in lab.sessions()["id"] for problem in lab.open(each).verify()] == []


def test_a_saved_session_opens_in_another_lab_and_replays(
    older: Older, endpoint: RehearsalEndpoint, tmp_path: Path
) -> None:
    """Records and conversation are those that its own lab showed."""
    (was,) = [each for each in older.shown["lab"]["ana"]["sessions"].values() if each["name"] == "Calm and plain"]
    theirs = opener({"bob": str(tmp_path / "theirs.duckdb")}, endpoint, older.at("lab") + LATER)
    with theirs("bob", phases=[BOAST]) as lab:
        session = lab.open(older.file("saved.duckdb", tmp_path), from_start=True)
        for phase in ("research", "strategy"):
            assert lab.run_sync(session.run(phase)).replayed
        angle = session.kept("angle")[0].label
        assert lab.run_sync(session.run("copy", angles=[angle], variants=3)).replayed
        assert lab.run_sync(session.run("boast", angle=angle)).replayed
        now = shown_of(session)
    same = ("keys", "kept", "conversation", "purpose", "brief", "problems")
    assert older.changes({name: was[name] for name in same}, now) == []
    assert endpoint.server is None


@pytest.fixture
def notebooks_lab(older: Older, endpoint: RehearsalEndpoint, tmp_path: Path) -> Callable[..., Lab]:
    """Opens the lab in which the notebooks were run. The data that they read lie beside it, and the batch's folder."""
    path = older.notebooks(tmp_path)
    copy_notebooks(tmp_path)
    return opener({"ana": str(path)}, endpoint, older.at("notebooks"))


def test_every_demo_brief_replays_in_a_lab_made_before(
    notebooks_lab: Callable[..., Lab], endpoint: RehearsalEndpoint
) -> None:
    """From research to copy: no key has changed."""
    with notebooks_lab() as lab:
        for path in sorted(BRIEFS.glob("*.toml")):
            session = lab.session(Brief.load(path), name="batch")
            turns = [lab.run_sync(session.run(phase)) for phase in ("research", "strategy", "copy")]
            assert [turn.replayed for turn in turns] == [True] * 3, path.stem
    assert endpoint.server is None


def test_the_lab_of_the_notebooks_shows_the_same(older: Older, notebooks_lab: Callable[..., Lab]) -> None:
    """Its tables, and the keys of all its turns."""
    with notebooks_lab() as lab:
        assert older.changes(older.shown["notebooks"]["ana"], shown_in_short(lab)) == []


@pytest.mark.usefixtures("process", "slow")
def test_a_batch_made_before_replays(
    older: Older, notebooks_lab: Callable[..., Lab], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The template names no model any more, so its runs count as changed; they replay for nothing, and nothing is left to run."""
    was = older.shown["notebooks"]["batch"]
    with notebooks_lab() as lab:
        now = batch_again(lab, tmp_path)
        assert {text.partition("/")[0] for text in older.changes(was, now)} == {"duration_s", "attempts", "changed"}
        assert now["changed"] == ["notebook: cell parameters"] * len(BATCH)
    briefs = tmp_path / "data" / "three"
    briefs.mkdir()
    for name in BATCH:
        shutil.copy(BRIEFS / f"{name}.toml", briefs)
    template, out = tmp_path / "notebooks" / "templates" / "campaign.ipynb", tmp_path / "runs" / "three-brands"
    options = ("--notebook", str(template), "--out", str(out), "--lab", str(tmp_path / "lab.duckdb"), "--user", "ana")
    assert main(["batch", str(briefs), *options]) == 0
    said = capsys.readouterr().out
    assert "3 notebooks: 3 kept." in said
    assert "Nothing is left to run" in said


@pytest.mark.usefixtures("process", "slow")
def test_an_old_line_says_so_and_goes_on(older: Older, endpoint: RehearsalEndpoint, tmp_path: Path) -> None:
    """Its turns are shown with the price of making them anew; a fork of it is researched by no one, and makes angles and copy."""
    path = str(older.file("lab.duckdb", tmp_path))
    with Lab(path, user="ana", endpoint=endpoint, now=lambda: older.at("lab")) as lab:
        main = lab.open("main", from_start=True)
        turn = lab.run_sync(main.run("research"))
        assert turn.replayed
        assert "of an older revision; take=2 makes it anew, about $" in repr(turn)
        assert main.estimate("research", take=2).usd
        fork = main.fork("Calm and plain words")
        made = [lab.run_sync(fork.run(phase)) for phase in ("strategy", "copy")]
        assert [(turn.replayed, turn.older) for turn in made] == [(False, "")] * 2
        assert len(fork.records("copy_variant")) == 10
        assert all(e.supported for record in fork.records() for e in record.evidence_in())


def test_versions_made_the_same_keys() -> None:
    """Of all turns of the notebooks: a lab of one replays in the next."""
    keys = [sorted(Older(version).shown["notebooks"]["ana"]["keys"].values()) for version in VERSIONS]
    assert all(each == keys[0] for each in keys)
