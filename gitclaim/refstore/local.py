"""The ref store of a repository on this machine: `git update-ref --stdin`."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from gitclaim.git import Git
from gitclaim.names import Oid, RefName, printable
from gitclaim.refstore.contract import (
    ABSENT,
    Outcome,
    Refused,
    Swap,
    Swapped,
    Unknown,
    failure,
    neighbourhood,
)
from gitclaim.refstore.locks import own_directory, remove_abandoned

_BATCH: Final = 200
"""Refs asked for on one command line; a ref name has some 250 bytes at most per component."""


class LocalStore:
    """The refs of one repository, shared by all its linked work trees.

    Args:
        git: asks that repository.
    """

    def __init__(self, git: Git) -> None:
        self._git = git

    def swap(self, swaps: Sequence[Swap]) -> Outcome:
        """See `RefStore.swap`: one ref transaction, and a second one where a killed git had left its locks."""
        outcome = self._swap(swaps)
        if isinstance(outcome, Refused) and remove_abandoned(own_directory(self._git)):
            return self._swap(swaps)
        return outcome

    def _swap(self, swaps: Sequence[Swap]) -> Outcome:
        done = self._git.start("update-ref", "--stdin", stdin=transaction(swaps)).finish()
        answers = done.text.split("\n")
        if done.code == 0 and answers == ["start: ok", "prepare: ok", "commit: ok", ""]:
            return Swapped()
        if "prepare: ok" in answers and (done.code or 0) < 0:
            return Unknown(f"git update-ref was killed by signal {-(done.code or 0)}")
        return failure(swaps, neighbourhood(self, [swap.ref for swap in swaps]), printable(done.complaint))

    def swap_each(self, swaps: Sequence[Swap]) -> Mapping[RefName, Outcome]:
        """See `RefStore.swap_each`: one transaction when nobody interferes, else one for each half."""
        if not swaps:
            return {}
        outcome = self.swap(swaps)
        if isinstance(outcome, Swapped) or len(swaps) == 1:
            return {swap.ref: outcome for swap in swaps}
        middle = len(swaps) // 2
        return {**self.swap_each(swaps[:middle]), **self.swap_each(swaps[middle:])}

    def sync(self) -> None:
        """See `RefStore.sync`: the view is the truth."""

    def exact(self, refs: Iterable[RefName]) -> dict[RefName, Oid]:
        """See `RefStore.exact`: costs grow with the number asked for, not with the number that exist."""
        # `for-each-ref NAME` would list everything below NAME too; cat-file looks up just the names.
        asked = list(dict.fromkeys(refs))
        if not asked:
            return {}
        question = "".join(f"{ref}\n" for ref in asked).encode("utf-8", "surrogateescape")
        done = self._git.run("cat-file", "--batch-check=%(objectname)", stdin=question)
        answers = done.text.split("\n")[:-1]
        # "<name> missing", or an object name. That one need not be the ref's: for git, a missing `refs/x` may also be
        # the branch `refs/heads/refs/x`, and whatever ends with `-g1a2b3c` the commit 1a2b3c (gitrevisions(7)).
        likely = {ref for ref, answer in zip(asked, answers, strict=True) if " " not in answer}
        # What is at the ref itself has nothing below it, so this stays as short as the list of names.
        return {ref: oid for ref, oid in self.below(likely).items() if ref in likely}

    def below(self, refs: Iterable[RefName]) -> dict[RefName, Oid]:
        """See `RefStore.below`."""
        asked = list(dict.fromkeys(refs))
        found: dict[RefName, Oid] = {}
        for start in range(0, len(asked), _BATCH):
            done = self._git.run("for-each-ref", "--format=%(objectname) %(refname)", *asked[start : start + _BATCH])
            for line in done.text.split("\n")[:-1]:
                oid, _, ref = line.partition(" ")
                found[RefName(ref)] = Oid(oid)
        return found

    def ask(self, refs: Iterable[RefName]) -> dict[RefName, Oid]:
        """See `RefStore.ask`."""
        return self.exact(refs)

    def age(self, now: datetime) -> float | None:  # noqa: ARG002 - the contract's signature
        """See `RefStore.age`."""
        return 0.0


def transaction(swaps: Iterable[Swap]) -> bytes:
    """The swaps in the words of git-update-ref(1).

    "no-deref" keeps a symbolic ref somebody planted from leading the write elsewhere.
    """
    lines = ["start"]
    for swap in swaps:
        lines.append("option no-deref")
        if swap.expected is ABSENT:
            lines.append(f"create {swap.ref} {swap.new}")
        elif swap.new is ABSENT:
            lines.append(f"delete {swap.ref} {swap.expected}")
        else:
            lines.append(f"update {swap.ref} {swap.new} {swap.expected}")
    return "\n".join([*lines, "prepare", "commit", ""]).encode("utf-8", "surrogateescape")
