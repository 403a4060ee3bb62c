"""Which session a name means: never another brand's in silence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from campaign_lab import Brief, Lab
from campaign_lab.errors import AmbiguousName, NotFoundError
from campaign_lab.lab import DEFAULT_MODEL, FORMER_DEFAULTS
from campaign_lab.sessions.session import Session
from support.labs import MakeLab

START = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


class Clock:
    """A clock that the test turns."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        """The time that the test has set."""
        return self.now


def made(lab: Lab, host: str, campaign: str = "Spring", name: str = "main") -> Session:
    return lab.session(Brief(url=f"https://{host}/", market="CA", campaign=campaign), name)


def fits(lab: Lab, name: str) -> tuple[str, ...]:
    with pytest.raises(AmbiguousName) as caught:
        lab.open(name)
    assert (caught.value.what, caught.value.name) == ("session", name)
    return caught.value.fits


@pytest.mark.both_stores
def test_a_name_that_fits_two_brands_lists_both_with_their_age(make_lab: MakeLab) -> None:
    """Also where the campaign is called the same; the host before it picks one."""
    clock = Clock()
    lab = make_lab(now=clock)
    one = made(lab, "one.example")
    clock.now += timedelta(hours=2)
    two = made(lab, "two.example")
    for name in ("main", "Spring/main"):
        assert fits(lab, name) == (
            "two.example/Spring/main (last used just now)", "one.example/Spring/main (last used 2 hours ago)",
        )  # fmt: skip
    assert lab.open("one.example/Spring/main").id == one.id
    assert lab.open(two.full_name).id == two.id
    assert lab.open(one.id).id == one.id


def test_two_campaigns_of_one_brand_are_asked_for_too(make_lab: MakeLab) -> None:
    """Either of them opens by campaign and name, which is what it is known as."""
    lab = make_lab()
    spring, autumn = made(lab, "one.example"), made(lab, "one.example", "Autumn")
    assert len(fits(lab, "main")) == 2
    assert (spring.known_as, autumn.known_as) == ("Spring/main", "Autumn/main")
    assert lab.open("Autumn/main").id == autumn.id


def test_what_only_its_model_tells_apart_is_listed_by_id(make_lab: MakeLab) -> None:
    """With who answers it; nothing but the id picks one."""
    lab = make_lab()
    one = made(lab, "one.example")
    other = made(make_lab(model="claude-haiku-4-5"), "one.example")
    listed = fits(lab, "one.example/Spring/main")
    assert [session.id in " ".join(listed) for session in (one, other)] == [True, True]
    assert "claude-haiku-4-5" in listed[0]
    assert lab.open(other.id).id == other.known_as == other.id


def test_a_living_session_comes_before_an_expired_one_of_its_full_name(make_lab: MakeLab) -> None:
    """And the newest before those that it renews; but no brand is passed over because its session has expired."""
    clock = Clock()
    lab = make_lab(now=clock)
    old = made(lab, "one.example")
    clock.now += timedelta(days=2)
    assert lab.open("main").id == old.id
    other = made(make_lab(now=clock, model="claude-haiku-4-5"), "one.example")
    assert lab.open("main").id == other.id
    renewed = made(lab, "one.example")
    clock.now += timedelta(days=2)
    assert len(fits(lab, "main")) == 2
    newest = made(lab, "one.example")
    assert newest.id not in (old.id, renewed.id)
    assert lab.open("main").id == newest.id
    clock.now += timedelta(days=2)
    made(lab, "two.example")
    assert any("one.example/Spring/main" in line and "2 days ago" in line for line in fits(lab, "main"))


@pytest.mark.both_stores
def test_a_strangers_session_is_not_listed(make_lab: MakeLab) -> None:
    """One's own comes before what was shared; what was shared by two is asked for, with whose it is."""
    ana, ben, cyd = (make_lab(user=user) for user in ("ana", "ben", "cyd"))
    made(ana, "one.example")
    theirs = made(ben, "two.example")
    with pytest.raises(NotFoundError):
        cyd.open("main")
    theirs.share("cyd")
    assert cyd.open("main").id == theirs.id
    with pytest.raises(NotFoundError):
        cyd.open("one.example/Spring/main")
    ana.open("main").share("cyd")
    assert all(of in " ".join(fits(cyd, "main")) for of in ("of ana", "of ben"))
    own = made(cyd, "three.example")
    assert cyd.open("main").id == own.id
    assert cyd.open("two.example/Spring/main").id == theirs.id


OTHER = "claude-opus-5"
"""A model that is not the default."""


@pytest.mark.both_stores
def test_without_a_model_a_brief_means_the_session_that_there_is_and_says_its_model(make_lab: MakeLab) -> None:
    """It keeps its model, also when a fresh one renews it; there is no second session of that name."""
    clock = Clock()
    one = made(make_lab(model=OTHER, now=clock), "one.example")
    lab = make_lab(now=clock)
    again = made(lab, "one.example")
    assert again.id == one.id
    assert f"goes on with its own model, {OTHER}" in again.notice
    clock.now += timedelta(days=2)
    fresh = made(lab, "one.example")
    assert fresh.id != one.id
    assert "replays its turns for nothing" in fresh.notice
    assert f"goes on with its own model, {OTHER}" in fresh.notice
    assert fresh.checkpoint().key == one.checkpoint().key  # the root's, in which the model is


def test_a_model_that_is_named_has_a_session_of_its_own(make_lab: MakeLab) -> None:
    """Also the default, named; without a name the default's own session comes first."""
    other = made(make_lab(model=OTHER), "one.example")
    own = made(make_lab(model=DEFAULT_MODEL), "one.example")
    third = made(make_lab(model="claude-haiku-4-5"), "one.example")
    assert len({other.id, own.id, third.id}) == 3
    assert [each.notice for each in (other, own, third)] == [""] * 3
    assert made(make_lab(), "one.example").id == own.id


def test_of_several_models_the_former_default_comes_first(make_lab: MakeLab) -> None:
    """What was made without a model before the default changed is found again, whatever was tried by name since."""
    (former,) = FORMER_DEFAULTS
    mine = made(make_lab(model=former), "one.example")
    made(make_lab(model=OTHER), "one.example")
    assert made(make_lab(), "one.example").id == mine.id
