"""Time as an argument: the clock, and the words for lengths of time."""

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from gitclaim.errors import UsageError

_DURATION: Final = re.compile(r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", re.ASCII)
_LONGEST: Final = timedelta(days=366)


class Clock(Protocol):
    """Where time comes from and how waiting is done."""

    def now(self) -> datetime:
        """The present moment, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""


class SystemClock:
    """This machine's clock."""

    def now(self) -> datetime:
        """The present moment, in UTC."""
        return datetime.now(UTC)

    def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""
        time.sleep(seconds)


def parse_duration(text: str) -> timedelta:
    """A length of time written like `90s`, `15m`, `2h`, `1h30m` or `7d`.

    Raises:
        UsageError: the text is not such a length, is zero, or is over a year.
    """
    match = _DURATION.fullmatch(text)
    if not text or match is None or len(text) > 20:  # noqa: PLR2004 - far over a year already
        raise UsageError(f"not a length of time: {text!r}", hint="write it like 90s, 15m, 2h, 1h30m or 7d")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    # A year of seconds is checked before timedelta can overflow on a number with twenty digits.
    total = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
    if not 0 < total <= _LONGEST.total_seconds():
        raise UsageError(f"{text} is out of range", hint="a length of time is over 0s and at most 366d")
    return timedelta(seconds=total)


def show_duration(length: timedelta) -> str:
    """The length in its two largest units, `1h 5m`, `12m`, `45s`; what is over is `0s`."""
    seconds = max(0, round(length.total_seconds()))
    days, seconds = divmod(seconds, 86400)
    hours, seconds = divmod(seconds, 3600)
    minutes, seconds = divmod(seconds, 60)
    if days:
        return f"{days}d {hours}h" if hours else f"{days}d"
    if hours:
        return f"{hours}h {minutes}m" if minutes else f"{hours}h"
    if minutes:
        return f"{minutes}m {seconds}s" if seconds and minutes < 10 else f"{minutes}m"  # noqa: PLR2004
    return f"{seconds}s"
