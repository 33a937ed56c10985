"""The ref store in memory: the same contract in microseconds, for rules and tests."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from threading import RLock

from gitclaim.names import Oid, RefName
from gitclaim.refstore.contract import ABSENT, Outcome, Swap, Swapped, failure, neighbourhood
from gitclaim.resources import ancestors, is_above, touches


class MemoryRefs:
    """A registry in memory, which several stores may share."""

    def __init__(self) -> None:
        self.lock = RLock()
        self.refs: dict[RefName, Oid] = {}

    def apply(self, swaps: Sequence[Swap]) -> bool:
        """Do all swaps or none; whether they were done."""
        with self.lock:
            after = dict(self.refs)
            for swap in swaps:
                if self.refs.get(swap.ref, ABSENT) != swap.expected:
                    return False
                if swap.new is ABSENT:
                    del after[swap.ref]
                else:
                    after[swap.ref] = swap.new
            created = {swap.ref for swap in swaps if swap.expected is ABSENT}
            # As in git: a new ref clashes with what stands above and below it, before or after the transaction.
            before_and_after = {**self.refs, **after}
            if any(_clashes(ref, before_and_after) for ref in created):
                return False
            self.refs = after
            return True


class MemoryStore:
    """One session's store over a registry in memory, with a mirror of its own as old as its last sync.

    Args:
        registry: where the refs stand.
    """

    def __init__(self, registry: MemoryRefs) -> None:
        self.registry = registry
        self.mirror: dict[RefName, Oid] = {}
        self._synced = False

    def swap(self, swaps: Sequence[Swap]) -> Outcome:
        """See `RefStore.swap`."""
        if self.registry.apply(swaps):
            for swap in swaps:
                if swap.new is ABSENT:
                    self.mirror.pop(swap.ref, None)
                else:
                    # What a stale mirror shows above or below is gone, or the swap would not have happened.
                    for ref in [ref for ref in self.mirror if touches(ref, swap.ref)]:
                        del self.mirror[ref]
                    self.mirror[swap.ref] = swap.new
            return Swapped()
        self.sync()
        return failure(swaps, neighbourhood(self, [swap.ref for swap in swaps]), "refused")

    def swap_each(self, swaps: Sequence[Swap]) -> Mapping[RefName, Outcome]:
        """See `RefStore.swap_each`."""
        return {swap.ref: self.swap([swap]) for swap in swaps}

    def sync(self) -> None:
        """See `RefStore.sync`."""
        with self.registry.lock:
            self.mirror = dict(self.registry.refs)
        self._synced = True

    def exact(self, refs: Iterable[RefName]) -> dict[RefName, Oid]:
        """See `RefStore.exact`."""
        return {ref: self.mirror[ref] for ref in refs if ref in self.mirror}

    def below(self, refs: Iterable[RefName]) -> dict[RefName, Oid]:
        """See `RefStore.below`."""
        asked = tuple(refs)
        return {
            ref: oid for ref, oid in sorted(self.mirror.items()) if any(ref == up or is_above(up, ref) for up in asked)
        }

    def ask(self, refs: Iterable[RefName]) -> dict[RefName, Oid]:
        """See `RefStore.ask`."""
        return {ref: self.registry.refs[ref] for ref in refs if ref in self.registry.refs}

    def age(self, now: datetime) -> float | None:  # noqa: ARG002 - the contract's signature
        """See `RefStore.age`."""
        return 0.0 if self._synced else None


def _clashes(ref: RefName, refs: Mapping[RefName, Oid]) -> bool:
    return any(up in refs for up in ancestors(ref)) or any(is_above(ref, other) for other in refs)
