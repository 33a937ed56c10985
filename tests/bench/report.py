"""What was measured, as Markdown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from tests.bench.measure import Times

_SECOND: Final = 1.0


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table.

    Args:
        what: what was timed.
        took: how long it took; None where something was counted instead.
        beside: what it was compared with, empty if with nothing.
        reference: how long that took.
        measured: the number that the bar is about.
        bar: what that number may be at most; None where it is information.
        unit: what both numbers count: `x` the reference, `s`, or things.
    """

    what: str
    took: Times | None
    beside: str = ""
    reference: Times | None = None
    measured: float | None = None
    bar: float | None = None
    unit: str = "x"

    @property
    def met(self) -> bool:
        """Whether the bar, if there is one, is met."""
        return self.bar is None or self.measured is None or self.measured <= self.bar


def compared(what: str, took: Times, beside: str, reference: Times, bar: float | None = None) -> Row:
    """A row about a ratio of medians."""
    return Row(what, took, beside, reference, took.median / reference.median, bar)


def lasted(what: str, took: Times, bar: float | None = None) -> Row:
    """A row about a time by itself."""
    return Row(what, took, measured=took.median, bar=bar, unit="s")


def added(what: str, took: Times, beside: str, reference: Times, bar: float | None = None) -> Row:
    """A row about the time something costs beyond the reference, a difference of medians."""
    return Row(what, took, beside, reference, took.median - reference.median, bar, unit="s more")


def counted(what: str, number: int, bar: int, things: str, took: Times | None = None) -> Row:
    """A row about a number of things."""
    return Row(what, took, measured=number, bar=bar, unit=f" {things}")


def table(rows: Iterable[Row]) -> str:
    """The rows as a Markdown table."""
    head = ["what", "median (middle half)", "beside", "its median", "measured", "bar", "verdict"]
    return markdown(head, [_cells(row) for row in rows])


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines) + "\n"


def span(seconds: float) -> str:
    """A time, in the unit that reads best."""
    if seconds >= _SECOND:
        return f"{seconds:.2f} s"
    return f"{seconds * 1000:.0f} ms" if seconds >= _SECOND / 100 else f"{seconds * 1000:.1f} ms"


def _cells(row: Row) -> list[str]:
    ours = ""
    if row.took:
        low, high = row.took.middle
        ours = f"{span(row.took.median)} ({span(low)} to {span(high)})"
    bar = "" if row.bar is None else f"<= {_number(row.bar, row.unit)}"
    measured = "" if row.measured is None or (row.unit == "s" and row.bar is None) else _number(row.measured, row.unit)
    return [
        row.what,
        ours,
        row.beside,
        span(row.reference.median) if row.reference else "",
        measured,
        bar,
        _verdict(row),
    ]


def _verdict(row: Row) -> str:
    if row.bar is None or row.measured is None:
        return ""
    if row.met:
        return "met"
    return f"**missed by {_number(row.measured - row.bar, row.unit)}**"


def _number(number: float, unit: str) -> str:
    if unit == "s":
        return span(number)
    if unit == "s more":
        return f"+{span(number)}"
    return f"{number:.2f}x" if unit == "x" else f"{number:g}{unit}"
