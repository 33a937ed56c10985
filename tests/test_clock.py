"""Lengths of time, in words."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitclaim.clock import SystemClock, parse_duration, show_duration
from gitclaim.errors import UsageError
from tests.kit.hostile import PROPERTY


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("2h", 7200), ("1h30m", 5400), ("7d", 604800), ("1d1h1m1s", 90061), ("366d", 31622400)],
)
def test_a_length_is_written_in_units(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", "5", "m", "-5m", "1.5h", "1m1h", "1m1m", " 5m", "5m\n", "5M", "\u0665m", "9" * 30 + "d"]
)
def test_anything_else_is_no_length(text: str) -> None:
    with pytest.raises(UsageError, match="not a length of time") as caught:
        parse_duration(text)
    assert "1h30m" in (caught.value.hint or "")


@pytest.mark.parametrize("text", ["0s", "0h0m", "367d", "366d1s", "9999999999999999999d"])
def test_a_length_is_over_nothing_and_at_most_a_year(text: str) -> None:
    with pytest.raises(UsageError, match="out of range"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-5, "0s"),
        (0, "0s"),
        (59.4, "59s"),
        (59.9, "1m"),
        (60, "1m"),
        (61, "1m 1s"),
        (601, "10m"),
        (3600, "1h"),
        (3660, "1h 1m"),
        (86400, "1d"),
        (90000, "1d 1h"),
        (86401, "1d"),
    ],
)
def test_a_length_is_shown_in_two_units(seconds: float, shown: str) -> None:
    assert show_duration(timedelta(seconds=seconds)) == shown


@given(st.integers(1, 366 * 86400))
@PROPERTY
def test_what_is_shown_is_at_most_what_was_meant(seconds: int) -> None:
    """ "5m left" is never said of less; read back it is short by less than the unit below the two shown."""
    shown = parse_duration(show_duration(timedelta(seconds=seconds)).replace(" ", "")).total_seconds()

    assert 0 <= seconds - shown < max(60, seconds / 23)


def test_the_system_clock_is_in_utc() -> None:
    now = SystemClock().now()
    assert now.tzinfo is UTC
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=5)
