"""The record of a broken claim: who removed another's live claim, and why."""

import re
from typing import Final, NamedTuple

from gitclaim.names import ClaimId, Oid, RefName, Session, is_printable

BROKEN: Final = RefName("refs/gitclaim/broken")

_RECORD: Final = re.compile(r"break [^\n]*\n\n(.+)\n\nBroken: (\S+)\nObject: (\S+)\nSession: (\S+)\n", re.DOTALL)


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


def broken_ref(claim: ClaimId) -> RefName:
    """Where the record of that claim stands."""
    return RefName(f"{BROKEN}/{claim}")


def format_broken(broken: Broken, *, title: str) -> str:
    """The commit message of the record; the commit's parent is the claim as it last stood."""
    return f"break {title}\n\n{broken.reason}\n\nBroken: {broken.claim}\nObject: {broken.oid}\nSession: {broken.by}\n"


def parse_broken(message: str) -> Broken | None:
    """The record in a commit message, or None when it is none."""
    match = _RECORD.fullmatch(message)
    if match is None or not all(map(is_printable, match[1].split("\n"))):
        return None
    try:
        return Broken(ClaimId(match[2]), Oid(match[3]), Session(match[4]), match[1])
    except ValueError:
        return None
