"""The ref store of a remote registry without a mirror: for looking at one without touching the clone's own refs."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from gitclaim import git as questions
from gitclaim.errors import UnreachableError
from gitclaim.git import Git
from gitclaim.names import Oid, RefName, printable
from gitclaim.refstore.contract import Swap
from gitclaim.refstore.remote import RemoteStore
from gitclaim.resources import is_above
from gitclaim.state import State

# Not --refs with them: that would hide a ref named refs/claims, which keeps every claim out.
_PATTERNS: Final = ("refs/claims*", "refs/gitclaim/pattern/*")
_STARTS: Final = ("refs/claims", "refs/gitclaim/pattern/")


class ListedStore(RemoteStore):
    """A remote registry, seen through `git ls-remote`.

    Args:
        git: asks the clone.
        state: the clone's own files.
        target: what git calls the registry.
        name: what people call it; a URL may carry a password, and this one doesn't.
    """

    def __init__(self, git: Git, state: State, *, target: str, name: str) -> None:
        # Not the base's set-up: there is no mirror to keep.
        self._git = git
        self._state = state
        self._target = target
        self._name = name
        self._refs: dict[RefName, Oid] | None = None

    def sync(self) -> None:
        """See `RefStore.sync`."""
        done = self._git.call("ls-remote", "--quiet", "--end-of-options", self._target, *_PATTERNS)
        if done.code:
            raise UnreachableError(f"can't read the registry {printable(self._name)}: {printable(done.complaint)}")
        # A pattern matches the tail of any ref, refs/heads/refs/claims too; a tag is listed once more, with "^{}".
        wanted = [row for row in questions.remote_refs(done) if row[1].startswith(_STARTS)]
        self._refs = {RefName(name): Oid(oid) for oid, name in wanted if not name.endswith("^{}")}

    def exact(self, refs: Iterable[RefName]) -> dict[RefName, Oid]:
        """See `RefStore.exact`."""
        seen = self._refs or {}
        return {ref: seen[ref] for ref in refs if ref in seen}

    def below(self, refs: Iterable[RefName]) -> dict[RefName, Oid]:
        """See `RefStore.below`."""
        asked = tuple(refs)
        seen = self._refs or {}
        return {ref: oid for ref, oid in seen.items() if any(ref == up or is_above(up, ref) for up in asked)}

    def age(self, now: datetime) -> float | None:  # noqa: ARG002 - the contract's signature
        """See `RefStore.age`."""
        return None if self._refs is None else 0.0

    def _follow(self, done: Sequence[Swap]) -> None:
        if self._refs is not None and done:
            # The swap happened, whether or not the registry can be looked at again.
            with suppress(UnreachableError):
                self.sync()
