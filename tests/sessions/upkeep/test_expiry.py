"""Expiry: durations as people write them, and the moment at which a session expires."""

from __future__ import annotations

import contextlib
import math
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from campaign_lab.sessions.upkeep.expiry import LONGEST_S, UNITS_S, expires_at, seconds
from support.lab_rows import NOW, session

ZONES = ("Europe/Berlin", "America/Toronto", "Australia/Lord_Howe", "UTC")
BERLIN = ZoneInfo("Europe/Berlin")
Parts = dict[str, int]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("8h", 28_800), ("30m", 1_800), ("7d", 604_800), ("90s", 90), ("1h30m", 5_400), ("2w", 1_209_600), ("0s", 0),
     ("1.5h", 5_400), (" 1H 30m ", 5_400), (90, 90), (0.5, 0.5)],
)  # fmt: skip
def test_durations_as_people_write_them(text: str | float, expected: float) -> None:
    """Hours, minutes, days, seconds, several units, and plain numbers of seconds."""
    assert seconds(text) == expected


@given(st.dictionaries(st.sampled_from(list(UNITS_S)), st.integers(0, 500), min_size=1))
def test_a_written_duration_is_the_sum_of_its_parts(parts: Parts) -> None:
    """Whatever the units, written from the largest to the smallest."""
    text = "".join(f"{parts[unit]}{unit}" for unit in UNITS_S if unit in parts)
    assert seconds(text) == sum(
        count * timedelta(seconds=UNITS_S[unit]).total_seconds() for unit, count in parts.items()
    )


@pytest.mark.parametrize(
    "wrong",
    ["", " ", "8", "h", "8 hours", "-8h", "1m1h", "1h1h", "8h!", "8,5h", "٣h", "1e3s", "101w" * 60, "99999d", -1, math.nan,
     math.inf, LONGEST_S + 1, True, None],
)  # fmt: skip
def test_what_is_no_duration_is_refused_with_an_example(wrong: object) -> None:
    """The error names the value and says what is expected."""
    with pytest.raises(ValueError, match="1h30m") as error:
        seconds(wrong)  # type: ignore[arg-type]
    assert repr(wrong) in str(error.value)


@given(st.text(max_size=12))
def test_any_text_is_a_duration_or_a_value_error(text: str) -> None:
    """Nothing else is raised, and nothing below zero comes out."""
    found = 0.0
    with contextlib.suppress(ValueError):
        found = seconds(text)
    assert 0 <= found <= LONGEST_S


def test_a_life_begins_with_the_session_and_again_with_each_paid_turn() -> None:
    """An hour after it was made, or after the last turn that was paid for."""
    assert expires_at(session()) == NOW + timedelta(hours=1)
    paid = NOW + timedelta(days=3)
    assert expires_at(session(last_paid_at=paid)) == paid + timedelta(hours=1)


@pytest.mark.parametrize("forever", [{"pinned": True}, {"ttl_seconds": None}])
def test_pinned_sessions_and_those_without_a_life_never_expire(forever: dict[str, object]) -> None:
    """Neither has a moment of expiry."""
    assert expires_at(session(**forever)) is None


@given(
    st.datetimes(
        NOW.replace(year=1990, tzinfo=None),
        NOW.replace(year=2040, tzinfo=None),
        timezones=st.sampled_from([ZoneInfo(name) for name in ZONES]),
        allow_imaginary=False,
    ),
    st.integers(0, LONGEST_S),
)
def test_a_life_is_real_seconds_in_any_zone(local: datetime, ttl: int) -> None:
    """The time zone in which a moment was written down does not change when the session expires."""
    end = expires_at(session(made_at=local, ttl_seconds=ttl))
    assert end is not None
    assert end.timestamp() - local.timestamp() == pytest.approx(ttl, abs=1e-3)
    assert end.utcoffset() == timedelta(0)


@pytest.mark.parametrize(("night", "offset_h"), [((2026, 3, 28, 22), 1), ((2026, 10, 24, 22), 2)])
def test_daylight_saving_makes_a_night_neither_longer_nor_shorter(night: tuple[int, ...], offset_h: int) -> None:
    """Eight hours over the change of the clocks are eight hours, though the wall clock says seven or nine more."""
    made = datetime(night[0], night[1], night[2], night[3], tzinfo=BERLIN)
    assert made.utcoffset() == timedelta(hours=offset_h)
    end = expires_at(session(made_at=made, ttl_seconds=8 * 3600))
    assert end == made.astimezone(UTC) + timedelta(hours=8)
    assert end is not None
    assert end.astimezone(BERLIN).hour == (7 if offset_h == 1 else 5)


def test_a_life_beyond_the_calendar_ends_with_the_calendar() -> None:
    """An absurd number in the file is no error: it expires at the last moment there is."""
    end = expires_at(session(ttl_seconds=2**60))
    assert end == datetime.max.replace(tzinfo=UTC)
