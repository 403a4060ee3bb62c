"""The life of a session: when it ends, what still works then, and how the next morning begins."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.errors import SessionExpired
from campaign_lab.rehearsal.server.app import RehearsalServer

LabOf = Callable[..., Lab]


def test_it_expires_at_the_second_over_daylight_saving_too(lab_of: LabOf, clock: Any) -> None:
    """Eight hours after the last paid turn, not one second earlier, on the night the clocks are moved."""
    session = lab_of().open("main")
    clock.move(hours=7, minutes=59, seconds=59)
    assert not session.expired
    clock.move(seconds=1)
    assert session.expired
    clock.move(hours=12)  # past the change of 8 March 2026
    assert session.expires_at is not None
    assert session.expires_at.hour == 20


@pytest.mark.usefixtures("slow")
def test_an_expired_session_replays_and_sends_nothing_new(
    lab_of: LabOf, clock: Any, server: RehearsalServer, termwick: Brief
) -> None:
    """Its turns can be read and replayed; a new one is refused with since when and how to go on."""
    lab = lab_of()
    session = lab.open("main")
    clock.move(hours=9)
    booked = len(server.book)
    assert session.records("angle")
    with pytest.raises(SessionExpired, match=r"expired at 2026-03-07 20:00 UTC.*fresh one"):
        lab.run_sync(session.run("copy"))
    assert len(server.book) == booked


@pytest.mark.usefixtures("slow")
def test_the_next_morning_a_fresh_session_replays_and_goes_on(
    lab_of: LabOf, clock: Any, server: RehearsalServer, termwick: Brief
) -> None:
    """lab.session(brief) gives another session that replays the old line from the root, pays for what is new, and says so."""
    lab = lab_of()
    old = lab.open("main")
    clock.move(hours=20)
    fresh = lab.session(termwick)
    assert fresh.id != old.id
    assert "replays its turns for nothing" in fresh.notice
    booked = len(server.book)
    assert lab.run_sync(fresh.run("research")).replayed
    assert lab.run_sync(fresh.run("strategy")).replayed
    assert len(server.book) == booked
    copy = lab.run_sync(fresh.run("copy"))
    assert not copy.replayed
    assert not copy.forked
    assert lab.session(termwick).id == fresh.id
    assert lab.open("main").id == fresh.id
    assert lab.open(old.id).checkpoint().phase == "strategy"


@pytest.mark.both_stores
def test_reading_does_not_keep_it_alive_but_a_fork_and_a_pin_do(lab_of: LabOf, clock: Any) -> None:
    """The count begins anew with a fork; reading changes nothing; a pinned session has no end."""
    session = lab_of().open("main")
    before = session.expires_at
    session.turns()
    assert session.expires_at == before
    clock.move(hours=4)
    session.fork("Later", at="research")
    assert session.expires_at is not None
    assert before is not None
    assert (session.expires_at - before).total_seconds() == 4 * 3600
    session.pin()
    clock.move(days=400)
    assert session.expires_at is None
    assert not session.expired


def test_a_life_can_be_set_for_a_lab_and_for_a_session(lab_of: LabOf, clock: Any) -> None:
    """session_ttl and keep_for take words; nonsense is refused by name."""
    lab = lab_of(session_ttl="30m")
    session = lab.session(Brief(url="https://b.example", market="CA"))
    clock.move(minutes=30)
    assert session.expired
    session.keep_for("7d")
    assert not session.expired
    with pytest.raises(ValueError, match="'soon' is not allowed"):
        session.keep_for("soon")


@pytest.mark.usefixtures("slow")
def test_a_fork_lives_its_own_life(lab_of: LabOf, clock: Any) -> None:
    """A fork of an expired session can be made and run: it is a new session."""
    lab = lab_of()
    session = lab.open("main")
    clock.move(hours=30)
    fork = session.fork("Fresh eyes", at="research")
    assert not fork.expired
    assert lab.run_sync(fork.run("strategy")).records


@pytest.mark.both_stores
@pytest.mark.usefixtures("slow")
def test_the_next_morning_a_fork_replays_and_goes_on_too(lab_of: LabOf, clock: Any, server: RehearsalServer) -> None:
    """Forking again for the same purpose after the fork has expired gives a fresh one that replays its turns."""
    lab = lab_of()
    base = lab.open("main")
    old = base.fork("Emotional angle", at="research")
    lab.run_sync(old.run("strategy"))
    clock.move(hours=20)
    fresh = lab.open("main").fork("Emotional angle", at="research")
    assert fresh.id != old.id
    assert fresh.name == old.name
    booked = len(server.book)
    assert lab.run_sync(fresh.run("strategy")).replayed
    assert len(server.book) == booked
    assert not lab.run_sync(fresh.run("copy")).forked
