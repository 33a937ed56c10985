"""Moving live claims from the repository itself to a remote registry, as they are."""

from collections.abc import Sequence
from typing import NamedTuple

from gitclaim.errors import GitclaimError
from gitclaim.protocol import remove_strays
from gitclaim.refstore.contract import ABSENT, Lost, Refused, Swap, Swapped, Unknown
from gitclaim.registry import Holding, Registry


class Moved(NamedTuple):
    """What became of the claims.

    Args:
        holdings: those that stand in the other registry now.
        lost: those for which somebody stands there already.
    """

    holdings: tuple[Holding, ...]
    lost: tuple[Holding, ...]


def move(holdings: Sequence[Holding], there: Registry) -> Moved:
    """Create the claims in another registry, each whole or not at all, signed by whom they were signed.

    Raises:
        GitclaimError: that registry refuses, or its answer was lost.
        UnreachableError: it can't be reached.
    """
    moved: list[Holding] = []
    lost: list[Holding] = []
    for holding in holdings:
        match there.store.swap([Swap(ref, ABSENT, holding.oid) for ref in holding.claim.refs]):
            case Swapped():
                moved.append(holding)
            case Lost(current):
                here = _is_there(holding, there)
                if not here and any(oid != holding.oid for oid in current.values()):
                    # Only where somebody else is in the way: another process may be moving the same claim right now.
                    remove_strays(there, holding.claim.refs, holding.oid)
                (moved if here else lost).append(holding)
            case Refused(message) | Unknown(message):
                raise GitclaimError(f"could not move {holding.claim.title}: {message}", hint="run gitclaim init again")
    return Moved(tuple(moved), tuple(lost))


def _is_there(holding: Holding, there: Registry) -> bool:
    """Whether a move that was cut short finds its own claim there; if it was renewed, it is brought up to date."""
    parts = there.parts(holding.claim)
    older = [Swap(ref, oid, holding.oid) for ref, oid in parts.items() if oid != holding.oid]
    return len(parts) == len(holding.claim.refs) and isinstance(there.store.swap(older), Swapped)
