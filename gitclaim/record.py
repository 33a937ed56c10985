"""The records of claims that ended before their lease did: one its holder released, one somebody broke.

A record is a signed commit whose parent is the claim as it last stood. It proves who ended the claim, and from then on
the claim's objects are worth nothing, should anybody push them back (docs/claim-format.md).
"""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from gitclaim.claim import parse_time, show_time
from gitclaim.errors import UsageError
from gitclaim.names import ClaimId, Oid, RefName, Session, is_printable

BROKEN: Final = RefName("refs/gitclaim/broken")
RELEASED: Final = RefName("refs/gitclaim/released")
RECORDS: Final = (BROKEN, RELEASED)

_BROKEN: Final = re.compile(r"break [^\n]*\n\n(.+)\n\nBroken: (\S+)\nObject: (\S+)\nSession: (\S+)\n", re.DOTALL)
_RELEASED: Final = re.compile(
    r"(?:release|land) [^\n]*\n\nReleased: (\S+)\nObject: (\S+)\nSession: (\S+)\nUntil: (\S+)\n((?:Lands: [^\n]+\n)*)"
)
_LANDS: Final = re.compile(r"^Lands: (\S+)@([0-9a-f]+)$", re.MULTILINE)


class Landing(NamedTuple):
    """What a claim's holder vouches for: the commit a ref was moved to together with the claim.

    Args:
        ref: the ref, in full.
        oid: the commit.
    """

    ref: RefName
    oid: Oid


class Broken(NamedTuple):
    """One broken claim.

    Args:
        claim: the claim.
        oid: the object it stood at.
        by: the session that broke it.
        reason: why, as that session said.
    """

    claim: ClaimId
    oid: Oid
    by: Session
    reason: str


class Released(NamedTuple):
    """One released claim.

    Args:
        claim: the claim.
        oid: the object it stood at.
        by: the session that released it.
        until: when the claim would have lapsed by itself; from then on the record is of no use.
        landings: what landed together with the release, if anything.
    """

    claim: ClaimId
    oid: Oid
    by: Session
    until: datetime
    landings: tuple[Landing, ...] = ()


def broken_ref(claim: ClaimId) -> RefName:
    """Where the record that this claim was broken stands."""
    return RefName(f"{BROKEN}/{claim}")


def released_ref(claim: ClaimId) -> RefName:
    """Where the record that this claim was released stands."""
    return RefName(f"{RELEASED}/{claim}")


def format_broken(broken: Broken, *, title: str) -> str:
    """The commit message of the record; the commit's parent is the claim as it last stood."""
    return f"break {title}\n\n{broken.reason}\n\nBroken: {broken.claim}\nObject: {broken.oid}\nSession: {broken.by}\n"


def parse_broken(message: str) -> Broken | None:
    """The record in a commit message, or None when it is none."""
    match = _BROKEN.fullmatch(message)
    if match is None or not all(map(is_printable, match[1].split("\n"))):
        return None
    try:
        return Broken(ClaimId(match[2]), Oid(match[3]), Session(match[4]), match[1])
    except (ValueError, UsageError):
        return None


def format_released(released: Released, *, title: str) -> str:
    """The commit message of the record; the commit's parent is the claim as it last stood."""
    lines = [
        f"Released: {released.claim}",
        f"Object: {released.oid}",
        f"Session: {released.by}",
        f"Until: {show_time(released.until)}",
        *(f"{key}: {value}" for key, value in landing_notes(released.landings)),
    ]
    return f"{'land' if released.landings else 'release'} {title}\n\n" + "".join(f"{line}\n" for line in lines)


def parse_released(message: str) -> Released | None:
    """The record in a commit message, or None when it is none."""
    match = _RELEASED.fullmatch(message)
    if match is None:
        return None
    try:
        until = parse_time(match[4])
        return Released(ClaimId(match[1]), Oid(match[2]), Session(match[3]), until, landings(match[5]))
    except (ValueError, UsageError):
        return None


def landing_notes(landed: Iterable[Landing]) -> list[tuple[str, str]]:
    """The `Lands` trailers by which a claim or its record vouches for commits."""
    return [("Lands", f"{landing.ref}@{landing.oid}") for landing in landed]


def landings(message: str) -> tuple[Landing, ...]:
    """What the `Lands` trailers of a claim or a record vouch for; what is no such trailer is passed over."""
    found = []
    for ref, oid in _LANDS.findall(message.rpartition("\n\n")[2]):
        try:
            found.append(Landing(RefName(ref), Oid(oid)))
        except ValueError:
            continue
    return tuple(found)
