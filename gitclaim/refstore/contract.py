"""What every ref store promises: compare-and-swap on refs, and nothing that writes without comparing."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Final, Literal, NamedTuple, Protocol, Self

from gitclaim.names import ClaimId, Oid, RefName
from gitclaim.resources import ancestors, is_above


class Absent(Enum):
    """The value of a ref that does not exist: a value like any other, never "do not compare"."""

    ABSENT = "absent"

    def __repr__(self) -> str:
        return "ABSENT"


ABSENT: Final = Absent.ABSENT

Value = Oid | Literal[Absent.ABSENT]


class _Swap(NamedTuple):
    ref: RefName
    expected: Value
    new: Value


class Swap(_Swap):
    """One compare-and-swap.

    Args:
        ref: the ref.
        expected: what it must be for anything to happen.
        new: what it is to become.

    Raises:
        ValueError: both are the same. git leaves such a ref out of the push, so it would assert nothing.
    """

    __slots__ = ()

    def __new__(cls, ref: RefName, expected: Value, new: Value) -> Self:  # noqa: D102 - the class says what it takes
        if expected == new:
            raise ValueError(f"a swap that changes nothing: {ref}")
        return super().__new__(cls, ref, expected, new)


class Swapped:
    """Everything happened."""

    # No named tuple: one without fields would be false.
    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Swapped)

    def __hash__(self) -> int:
        return hash(Swapped)


class Lost(NamedTuple):
    """Nothing happened, but for strays a torn transaction may leave: somebody else was there.

    Args:
        current: what was read afterwards of the refs asked for and of every ref above and below them.
    """

    current: Mapping[RefName, Oid]


class Refused(NamedTuple):
    """Nothing happened, and no ref that was read afterwards explains it: a policy, a permission, a full disk.

    A race whose winner was gone again by the time of the reading looks the same, so trying again is sound.

    Args:
        message: what the registry said, one printable line.
        final: whether trying again can't help.
    """

    message: str
    final: bool = False


class Unknown(NamedTuple):
    """It was sent and no answer came: it may have happened or may still happen.

    Args:
        message: what is known, one printable line.
    """

    message: str


Outcome = Swapped | Lost | Refused | Unknown


class RefStore(Protocol):
    """Refs with compare-and-swap: those of claims and their records, and with them the branches of the work.

    Reads answer from the store's view. For a registry in the repository itself the view is the truth; for a remote one
    it is the mirror, as old as the last `sync` or failed `swap`.
    """

    def swap(self, swaps: Sequence[Swap]) -> Outcome:
        """Do all swaps or none, comparing each ref with its expected value; no swaps are `Swapped`.

        No ref may be asked for twice: what a store does then differs.
        After `Swapped` the view shows the new values, after `Lost` and `Refused` it was read again.

        Raises:
            UnreachableError: the registry could not be reached and nothing was sent.
        """

    def swap_each(self, swaps: Sequence[Swap]) -> Mapping[RefName, Outcome]:
        """Do each swap for itself, in as few transactions as the store can, and say what became of each.

        Raises:
            UnreachableError: the registry could not be reached and nothing was sent.
        """

    def sync(self) -> None:
        """Bring the view up to date.

        Raises:
            UnreachableError: the registry could not be read.
        """

    def exact(self, refs: Iterable[RefName]) -> dict[RefName, Oid]:
        """Those of the refs that exist, from the view."""

    def below(self, refs: Iterable[RefName]) -> dict[RefName, Oid]:
        """The refs that exist at or below any of these, from the view."""

    def ask(self, refs: Iterable[RefName]) -> dict[RefName, Oid]:
        """Those of the refs that exist, asked of the registry itself: branches, which the view does not show.

        Raises:
            UnreachableError: the registry could not be read.
        """

    def age(self, now: datetime) -> float | None:
        """Seconds since the view was last brought up to date; 0 where it is the truth, None if it never was."""


LINEAGE: Final = 1000
"""Steps of a claim's life that are looked at."""


class ObjectStore(Protocol):
    """Claim objects."""

    def write(self, message: str, *, parent: Oid | None, at: datetime) -> Oid:
        """Sign and store a commit over the empty tree.

        Args:
            message: its whole text.
            parent: the commit it follows, if any.
            at: the date it carries.
        """

    def read(self, oids: Iterable[Oid]) -> dict[Oid, bytes | str]:
        """The raw commits; for what is no commit of reasonable size, a printable word about what it is instead."""

    def lineage(self, oid: Oid) -> list[Oid]:
        """A commit and what it follows, first parents only, youngest first; at most `LINEAGE` of them."""

    @property
    def empty_tree(self) -> str:
        """The object name of the tree without entries."""


class Signature(Enum):
    """What is known of a claim's signature."""

    GOOD = "good"
    UNKNOWN = "unknown"
    BAD = "bad"


class Verdict(NamedTuple):
    """The verdict on one signature.

    Args:
        signature: `GOOD` if it was made over these bytes by the key named; `BAD` if not, or if there is none;
            `UNKNOWN` if that can't be told here, which reads neither as forged nor as fine.
        key: the signing key's fingerprint, empty if not known.
        trusted: whether claims signed by that key count here, by the policy `trust`.
        ssh: whether an ssh key made it, or is said to have; None where nobody knows.
    """

    signature: Signature
    key: str = ""
    trusted: bool = True
    ssh: bool | None = None


class Verifier(Protocol):
    """Verdicts on signatures, by the repository's policy."""

    @property
    def selective(self) -> bool:
        """Whether there are good signatures that do not count here."""

    def verify(self, oids: Iterable[Oid]) -> dict[Oid, Verdict]:
        """The verdict on each object, all of them."""

    def remembered(self, oids: Iterable[Oid]) -> dict[Oid, Verdict]:
        """The verdicts that cost nothing, because they were given before."""


class Ledger(Protocol):
    """What this session last wrote: the ids that its next swap expects, and how it learns that it was fenced."""

    def held(self) -> dict[ClaimId, Oid]:
        """The claims this session believes it holds, each with the object it last wrote."""

    def record(self, claim: ClaimId, oid: Oid) -> None:
        """Remember what was written."""

    def forget(self, claim: ClaimId) -> None:
        """Remember it no longer."""


def is_work(ref: RefName) -> bool:
    """Whether a ref is one of the work's own, and none of claims and their records."""
    return not ref.startswith(("refs/claims/", "refs/gitclaim/"))


def neighbourhood(store: RefStore, refs: Iterable[RefName]) -> dict[RefName, Oid]:
    """The refs that exist among these, above them and below them: all that can exclude them."""
    asked = set(refs)
    above = {up for ref in asked for up in ancestors(ref)} - asked
    return {**store.exact(above), **store.below(asked)}


def explained(swaps: Iterable[Swap], current: Mapping[RefName, Oid]) -> bool:
    """Whether the refs that were read explain why the swaps did not happen."""
    for swap in swaps:
        if current.get(swap.ref, ABSENT) != swap.expected:
            return True
        if swap.expected is ABSENT and any(is_above(ref, swap.ref) or is_above(swap.ref, ref) for ref in current):
            return True
    return False


def failure(swaps: Iterable[Swap], current: Mapping[RefName, Oid], message: str) -> Lost | Refused:
    """What a swap that did not happen is called, from the refs read afterwards and never from git's reason."""
    return Lost(current) if explained(swaps, current) else Refused(message)
