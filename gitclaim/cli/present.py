"""How claims look: as JSON, stable for scripts (docs/commands.md), and as text for people."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import click

from gitclaim.claim import Claim, show_time
from gitclaim.clock import show_duration
from gitclaim.errors import Reason
from gitclaim.holding import Fence
from gitclaim.names import Oid, printable
from gitclaim.protocol import Blocker
from gitclaim.registry import Found, Holding, Standing
from gitclaim.resources import Resource

SCHEMA: Final = "gitclaim/1"

_PURPOSE_WIDTH: Final = 48
_ROWS_OF_A_CLAIM: Final = 6


@dataclass(frozen=True, slots=True)
class Style:
    """How text looks where it goes.

    Args:
        now: the moment lengths of time are told from.
        terminal: whether a person reads it: times are told relative to now.
        coloured: whether colours may be used.
    """

    now: datetime
    terminal: bool
    coloured: bool

    def paint(self, text: str, **looks: Any) -> str:  # noqa: ANN401 - click's own
        """The text in colour, where there may be any."""
        return click.style(text, **looks) if self.coloured else text

    def ago(self, moment: datetime) -> str:
        """A moment in the past."""
        if not self.terminal:
            return show_time(moment)
        return f"{show_duration(self.now - moment)} ago" if moment <= self.now else f"at {show_time(moment)}"

    def left(self, claim: Claim) -> str:
        """What is left of a lease."""
        if claim.expires > self.now:
            left = show_duration(claim.expires - self.now)
            return left if self.terminal else show_time(claim.expires)
        if claim.lapses() > self.now:
            return f"ran out, takeable in {show_duration(claim.lapses() - self.now)}"
        return f"expired {self.ago(claim.expires)}"


def claim_json(claim: Claim, oid: Oid) -> dict[str, Any]:
    """A claim in JSON."""
    return {
        "id": claim.id,
        "session": claim.session,
        "resources": [resource.spec for resource in claim.resources],
        "taken": show_time(claim.taken),
        "expires": show_time(claim.expires),
        "purpose": claim.purpose,
        "branch": claim.branch,
        "base": claim.base,
        "patterns": list(claim.patterns),
        "refs": list(claim.refs),
        "oid": oid,
    }


def holding_json(holding: Holding) -> dict[str, Any]:
    """A holding in JSON."""
    return claim_json(holding.claim, holding.oid)


def found_json(found: Found) -> dict[str, Any]:
    """What stands at a ref, in JSON."""
    return {
        "ref": _text(found.ref),
        "oid": found.oid,
        "standing": found.standing.value,
        "note": found.note,
        "signature": found.verdict.signature.value if found.verdict else None,
        "key": found.verdict.key or None if found.verdict else None,
        "claim": claim_json(found.claim, found.oid) if found.claim else None,
    }


def blocker_json(blocker: Blocker) -> dict[str, Any]:
    """A blocker in JSON."""
    found = blocker.found
    return {
        "resource": blocker.resource.spec,
        "reason": blocker.reason.value,
        "claim": claim_json(found.claim, found.oid) if found.claim else None,
        "ref": _text(found.ref),
        "standing": found.standing.value,
        "note": found.note,
    }


def fence_json(fence: Fence) -> dict[str, Any]:
    """A lost claim in JSON."""
    successor = fence.successor
    broken = fence.broken
    return {
        "reason": fence.reason.value,
        "claim": {"id": fence.claim.id, "resources": [resource.spec for resource in fence.claim.resources]},
        "successor": claim_json(successor.claim, successor.oid) if successor and successor.claim else None,
        "broken": {"by": broken.by, "reason": broken.reason} if broken else None,
    }


def held_text(holding: Holding, style: Style, verb: str) -> str:
    """One line about a claim this session holds."""
    claim = holding.claim
    until = f"{show_duration(claim.expires - style.now)}, until {show_time(claim.expires)}"
    return f"{style.paint(verb, fg='green')} {claim.title} for {until}"


def blocker_text(blocker: Blocker, style: Style) -> str:
    """Who holds it, since when, until when, for what."""
    found, claim = blocker.found, blocker.found.claim
    denied = style.paint("denied:", fg="red")
    if claim is None:
        what = "something newer than this gitclaim" if found.standing is Standing.NEWER else "no claim"
        return f"{denied} {blocker.resource.text}: {what} stands at {printable(found.ref)}\n  {found.note}"
    relation = {
        Reason.HELD: "is held by",
        Reason.WITHIN: f"lies within {holder_resource(found).text}, held by",
        Reason.CONTAINS: f"contains {holder_resource(found).text}, held by",
    }[blocker.reason]
    lines = [f"{denied} {blocker.resource.text} {relation} {claim.session}", *detail_lines(found, claim, style)]
    return "\n".join(lines)


def detail_lines(found: Found, claim: Claim, style: Style) -> list[str]:
    """What a person asks about a claim, a line each."""
    purpose = claim.purpose.split("\n")
    rows = [
        ("for", f"{purpose[0]}{' ...' if purpose[1:] else ''}" if claim.purpose else "(no purpose given)"),
        ("claims", claim.title),
        ("taken", f"{style.ago(claim.taken)}{f' on branch {printable(claim.branch)}' if claim.branch else ''}"),
        ("left", _left_text(found, claim, style)),
    ]
    return [f"  {name:<8}{value}" for name, value in rows]


def holder_resource(found: Found) -> Resource:
    """The resource of a claim that stands at the ref where it was found."""
    if found.claim is None:
        raise ValueError(f"no claim at {found.ref}")
    return next(resource for resource in found.claim.resources if resource.ref == found.ref)


def fence_text(fence: Fence, style: Style) -> str:
    """What became of a lost claim."""
    lost = style.paint("fenced:" if fence.reason is Reason.FENCED else "expired:", fg="red")
    title = fence.claim.title
    if fence.broken:
        why = fence.broken.reason.replace("\n", " ")
        return f"{lost} the claim on {title} was broken by {fence.broken.by}: {why}"
    if fence.successor and fence.successor.claim:
        successor = fence.successor.claim
        purpose = f" ({successor.purpose.split(chr(10))[0]})" if successor.purpose else ""
        return (
            f"{lost} the claim on {title} was taken over by {successor.session} {style.ago(successor.taken)}{purpose}"
        )
    return f"{lost} the claim on {title} ran out {style.ago(fence.claim.expires)} and is gone"


def table(found: Sequence[Found], style: Style) -> str:
    """Claims as a table: resource, session, purpose, taken, left."""
    rows = [("RESOURCE", "SESSION", "PURPOSE", "TAKEN", "LEFT")]
    for group in grouped(found):
        rows += _rows(group, style)
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = []
    for number, row in enumerate(rows):
        cells = [f"{cell:<{width}}" for cell, width in zip(row[:4], widths, strict=True)]
        line = "  ".join([*cells, row[4]]).rstrip()
        lines.append(style.paint(line, bold=True) if number == 0 else line)
    return "\n".join(lines)


def grouped(found: Iterable[Found]) -> list[list[Found]]:
    """What was found, with the refs of one claim together, in the order of their first refs."""
    groups: dict[str, list[Found]] = {}
    for one in found:
        groups.setdefault(one.oid if one.claim and one.standing is not Standing.MALFORMED else one.ref, []).append(one)
    return list(groups.values())


def _rows(group: Sequence[Found], style: Style) -> list[tuple[str, str, str, str, str]]:
    first = group[0]
    claim = first.claim
    if claim is None or first.standing is Standing.MALFORMED:
        return [(printable(first.ref), "-", first.standing.name, "-", first.note)]
    purpose = claim.purpose.split("\n")[0]
    if len(purpose) > _PURPOSE_WIDTH:
        purpose = f"{purpose[: _PURPOSE_WIDTH - 1].rstrip()}…"
    names = [resource.text for resource in claim.resources]
    if len(names) > _ROWS_OF_A_CLAIM:
        names = [*names[: _ROWS_OF_A_CLAIM - 1], f"… {len(names) - _ROWS_OF_A_CLAIM + 1} more"]
    head = (names[0], str(claim.session), purpose, style.ago(claim.taken), _left_text(first, claim, style))
    return [head, *((name, "", "", "", "") for name in names[1:])]


def _left_text(found: Found, claim: Claim, style: Style) -> str:
    if found.standing in {Standing.LIVE, Standing.EXPIRED}:
        return style.left(claim)
    return f"{found.standing.name}: {found.note}"


def _text(ref: str) -> str:
    return ref.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
