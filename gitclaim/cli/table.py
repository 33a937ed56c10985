"""Claims as a table for people."""

import unicodedata
from collections.abc import Sequence
from typing import Final

from gitclaim.cli.present import Style, end_text, grouped
from gitclaim.names import printable
from gitclaim.registry import Found, Standing

_PURPOSE_WIDTH: Final = 48
_ROWS_OF_A_CLAIM: Final = 6

_Row = tuple[str, str, str, str, str]


def table(found: Sequence[Found], style: Style) -> str:
    """Claims as a table: resource, session, purpose, taken, and what is left (a date, where no person reads it)."""
    rows: list[_Row] = [("RESOURCE", "SESSION", "PURPOSE", "TAKEN", style.end_label.upper())]
    for group in grouped(found):
        rows += _rows(group, style)
    widths = [max(_width(row[column]) for row in rows) for column in range(4)]
    lines = []
    for number, row in enumerate(rows):
        cells = [cell + " " * (width - _width(cell)) for cell, width in zip(row[:4], widths, strict=True)]
        line = "  ".join([*cells, row[4]]).rstrip()
        lines.append(style.paint(line, bold=True) if number == 0 else line)
    return "\n".join(lines)


def _rows(group: Sequence[Found], style: Style) -> list[_Row]:
    first = group[0]
    claim = first.claim
    if claim is None or first.standing is Standing.MALFORMED:
        return [(printable(first.ref), "-", first.standing.name, "-", first.note)]
    names = [resource.text for resource in claim.resources]
    if len(names) > _ROWS_OF_A_CLAIM:
        names = [*names[: _ROWS_OF_A_CLAIM - 1], f"… {len(names) - _ROWS_OF_A_CLAIM + 1} more"]
    purpose = _cut(claim.purpose.split("\n")[0])
    head = (names[0], str(claim.session), purpose, style.ago(claim.taken), end_text(first, claim, style))
    return [head, *((name, "", "", "", "") for name in names[1:])]


def _cut(text: str) -> str:
    if _width(text) <= _PURPOSE_WIDTH:
        return text
    while _width(text) >= _PURPOSE_WIDTH:
        text = text[:-1]
    return f"{text.rstrip()}…"


def _width(text: str) -> int:
    """The columns a terminal gives the text: two for a wide character, none for one that sits on another."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _columns(char: str) -> int:
    if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1
