"""How claims look: as JSON, stable for scripts (docs/commands.md), and as text for people."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from shlex import quote
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from gitclaim.claim import Claim, show_time
from gitclaim.clock import show_duration
from gitclaim.errors import Reason
from gitclaim.names import Oid, printable
from gitclaim.protocol import Blocker
from gitclaim.registry import Found, Holding, Standing
from gitclaim.resources import Kind, Resource

if TYPE_CHECKING:
    from gitclaim.holding import Fence

SCHEMA: Final = "gitclaim/1"

_BLOCKED_SHOWN: Final = 5
_MINUTES_ONLY: Final = timedelta(minutes=10)


class Style(NamedTuple):
    """How text looks where it goes.

    Args:
        now: the moment lengths of time are told from.
        terminal: whether a person reads it: times are told relative to now.
        coloured: whether colours may be used.
        prefix: the directory a person is in, relative to the root; empty at the root, or where nobody has asked.
    """

    now: datetime
    terminal: bool
    coloured: bool
    prefix: str = ""

    def paint(self, text: str, **looks: Any) -> str:  # noqa: ANN401 - click's own
        """The text in colour, where there may be any."""
        return click.style(text, **looks) if self.coloured else text

    def ago(self, moment: datetime) -> str:
        """A moment in the past."""
        if not self.terminal:
            return show_time(moment)
        return f"{show_duration(self.now - moment)} ago" if moment <= self.now else f"at {show_time(moment)}"

    def end(self, claim: Claim) -> str:
        """When a lease ends or ended: what is left of it, for a person."""
        if claim.expires > self.now:
            return self._length(claim.expires) if self.terminal else show_time(claim.expires)
        if claim.lapses() > self.now:
            when = f"in {self._length(claim.lapses())}" if self.terminal else f"at {show_time(claim.lapses())}"
            return f"ran out, takeable {when}"
        return f"expired {self.ago(claim.expires)}"

    @property
    def end_label(self) -> str:
        """The word before `end`."""
        return "left" if self.terminal else "until"

    def _length(self, moment: datetime) -> str:
        """How long until a moment; where seconds aren't told, minutes are rounded, so that an hour is not 59m."""
        length = moment - self.now
        return show_duration(length + timedelta(seconds=30) if length >= _MINUTES_ONLY else length)


def claim_json(claim: Claim, oid: Oid) -> dict[str, Any]:
    """A claim in JSON."""
    return {
        "id": claim.id,
        "session": claim.session,
        "resources": [resource.spec for resource in claim.resources],
        "taken": show_time(claim.taken),
        "expires": show_time(claim.expires),
        "purpose": claim.purpose,
        "branch": None if claim.branch is None else as_text(claim.branch),
        "base": claim.base,
        "patterns": list(map(as_text, claim.patterns)),
        "refs": list(claim.refs),
        "oid": oid,
    }


def holding_json(holding: Holding) -> dict[str, Any]:
    """A holding in JSON."""
    return claim_json(holding.claim, holding.oid)


def found_json(found: Found) -> dict[str, Any]:
    """What stands at a ref, in JSON."""
    return {
        "ref": as_text(found.ref),
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
        "ref": as_text(found.ref),
        "standing": found.standing.value,
        "note": found.note,
    }


def fence_json(fence: "Fence") -> dict[str, Any]:
    """A lost claim in JSON."""
    successor = fence.successor
    broken = fence.broken
    return {
        "reason": fence.reason.value,
        "claim": {"id": fence.claim.id, "resources": [resource.spec for resource in fence.claim.resources]},
        "successor": claim_json(successor.claim, successor.oid) if successor and successor.claim else None,
        "broken": {"by": broken.by, "reason": broken.reason} if broken else None,
        "note": fence.note,
    }


def held_text(holding: Holding, style: Style, verb: str) -> str:
    """One line about a claim this session holds."""
    claim = holding.claim
    left = f" for {style.end(claim)}," if style.terminal else ""
    return f"{style.paint(verb, fg='green')} {claim.title}{left} until {show_time(claim.expires)}"


def blocker_lines(blockers: Iterable[Blocker], style: Style, verb: str) -> list[str]:
    """Who holds what, since when, until when, for what: what is in the way by the same claim is told together."""
    groups: dict[str, dict[str, Blocker]] = {}
    for blocker in blockers:
        groups.setdefault(blocker.found.oid, {}).setdefault(blocker.resource.ref, blocker)
    lines = []
    for group in groups.values():
        listed = list(group.values())
        lines += [f"{style.paint(verb, fg='red')} {_relation(blocker)}" for blocker in listed[:_BLOCKED_SHOWN]]
        lines += [f"  and {len(listed) - _BLOCKED_SHOWN} more"] if len(listed) > _BLOCKED_SHOWN else []
        lines += _detail_lines(listed[0].found, style)
    return lines


def _relation(blocker: Blocker) -> str:
    found, asked = blocker.found, blocker.resource.text
    if found.claim is None:
        what = "something newer than this gitclaim" if found.standing is Standing.NEWER else "no claim"
        return f"{asked}: {what} stands at {printable(found.ref)}"
    session = found.claim.session
    if found.ref not in {resource.ref for resource in found.claim.resources}:
        return f"{asked} matches {printable(' '.join(found.claim.patterns))}, claimed by {session}"
    there = next(resource.text for resource in found.claim.resources if resource.ref == found.ref)
    match blocker.reason:
        case Reason.WITHIN:
            return f"{asked} lies within {there}, held by {session}"
        case Reason.CONTAINS:
            return f"{asked} contains {there}, held by {session}"
        case _:
            return f"{asked} is held by {session}"


def _detail_lines(found: Found, style: Style) -> list[str]:
    claim = found.claim
    if claim is None:
        return [f"  {found.note}"]
    purpose = claim.purpose.split("\n")
    rows = [
        ("for", f"{purpose[0]}{' ...' if purpose[1:] else ''}" if claim.purpose else "(no purpose given)"),
        ("claims", claim.title),
        ("taken", f"{style.ago(claim.taken)}{f' on branch {printable(claim.branch)}' if claim.branch else ''}"),
        (style.end_label, end_text(found, claim, style)),
    ]
    return [f"  {name:<8}{value}" for name, value in rows]


def fence_text(fence: "Fence", style: Style) -> str:
    """What became of a lost claim."""
    lost = style.paint("fenced:" if fence.reason is Reason.FENCED else "expired:", fg="red")
    title = fence.claim.title
    successor = fence.successor.claim if fence.successor else None
    purpose = f" ({successor.purpose.split(chr(10))[0]})" if successor and successor.purpose else ""
    if fence.broken:
        why = fence.broken.reason.replace("\n", " ")
        now = f"; {successor.session} holds {successor.title} now{purpose}" if successor else ""
        return f"{lost} the claim on {title} was broken by {fence.broken.by}: {why}{now}"
    if successor:
        return (
            f"{lost} the claim on {title} was taken over by {successor.session} {style.ago(successor.taken)}{purpose}"
        )
    if fence.note:
        return f"{lost} the claim on {title} does not stand any more: {fence.note}"
    return f"{lost} the claim on {title} ran out {style.ago(fence.claim.expires)} and is gone"


def grouped(found: Iterable[Found]) -> list[list[Found]]:
    """What was found, with the refs of one claim together, in the order of their first refs."""
    groups: dict[str, list[Found]] = {}
    for one in found:
        groups.setdefault(one.oid if one.claim and one.standing is not Standing.MALFORMED else one.ref, []).append(one)
    return list(groups.values())


def end_text(found: Found, claim: Claim, style: Style) -> str:
    """When a claim ends, or why that does not matter."""
    if found.standing in {Standing.LIVE, Standing.EXPIRED}:
        return style.end(claim)
    return f"{found.standing.name}: {found.note}"


def argument(resource: Resource, style: Style) -> str:
    """The resource as a shell takes it where a person is: a name in another's claim must not become a command."""
    name = resource.name
    if resource.kind is not Kind.PATH:
        return quote(resource.text)
    if printable(name) != name:
        # What is shown of it would name another file.
        return "PATH"
    if style.prefix:
        return quote(f":/{name}")
    if name.startswith("-") and " " not in name:
        return quote(f"./{name}")
    # A bare argument with a space is a topic, where no such file is.
    bare = " " not in name or resource.text.startswith("path:")
    return quote(resource.text if bare else f"path:{resource.text}")


def as_text(name: str) -> str:
    """A name as JSON can carry it: what is not UTF-8 is replaced."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
