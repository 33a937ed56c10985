"""The words for what is about to be committed, pushed or merged: the changes, the paths they touch, the branches."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from gitclaim.names import ClaimId, Oid


class Change(NamedTuple):
    """What one commit touches, or the commit that is being made.

    Paths are relative to the repository's root, with `/` between components, bytes that are not UTF-8 as surrogates.

    Args:
        paths: what it touches. Both sides of a rename are; what a merge only brings together is not.
        doubtful: what a merge has as one of its sides has it while another side had changed it, as far as names tell:
            touched if that change was thrown away.
        commit: the commit; None for the one that is being made.
        parents: what it follows.
        at: when it was committed, by its committer's clock; None for the one that is being made.
        claims: the claims it says it falls under, in its `Claim:` trailers.
        withdrawn: whether the commit is not made but taken off a branch: then it is the work of those claims that goes.
    """

    paths: tuple[str, ...]
    doubtful: tuple[str, ...] = ()
    commit: Oid | None = None
    parents: tuple[Oid, ...] = ()
    at: datetime | None = None
    claims: frozenset[ClaimId] = frozenset()
    withdrawn: bool = False


class Update(NamedTuple):
    """One ref of a push, as git tells a pre-push hook.

    Args:
        ref: the remote ref, in full.
        new: what it is to point at; None for a deletion.
        old: what it points at now; None if it does not exist.
    """

    ref: str
    new: Oid | None
    old: Oid | None


class Branches(NamedTuple):
    """The branches of a repository.

    Args:
        default: the one that HEAD names, whether it exists yet or not; empty where HEAD names none.
        there: all of them.
        aliases: branches and tags that are only other names, and what they name.
    """

    default: str
    there: frozenset[str]
    aliases: Mapping[str, str]

    @property
    def headless(self) -> bool:
        """Whether nobody can tell what is decided: HEAD leads to no branch, and there are others."""
        return bool(self.there) and self.default not in self.there


class Work(Protocol):
    """What git knows of changes beyond the names of the paths they touch; asked only where the verdict hangs on it."""

    def dropped(self, change: Change, paths: Iterable[str]) -> set[str]:
        """Those of a change's doubtful paths at which it throws a side's work away."""

    def undone(self, change: Change, paths: Iterable[str]) -> set[str]:
        """Those of the paths at which the commit that is being made only takes back what the last one did.

        That is what amending a commit looks like to who takes something out of it. Nothing, where the last commit is
        on a remote already.
        """

    def matching(self, changes: Iterable[Change], patterns: Iterable[str]) -> set[str]:
        """The paths the changes touch that match one of the patterns."""
