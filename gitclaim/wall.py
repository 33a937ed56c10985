"""The wall: may these commits come into a server's branches and tags, seen what is claimed there (docs/server.md)?

A commit that touches what a live claim holds is its holder's work, or it stays out. The key that holds the claim proves
that, in one of three ways: the claim itself, or the record of its release in the same push, vouches for the commit
(`gitclaim land` writes that); the commit names the claim and is signed by that key; the commit names the claim and the
push is certified by that key (`git push --signed`). Names alone, which anybody can write, prove nothing.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from gitclaim.admission import Refusal
from gitclaim.change import Change, Update, Work
from gitclaim.claim import show_time
from gitclaim.enforcing import judge
from gitclaim.names import Oid
from gitclaim.policy import Policy, Unclaimed
from gitclaim.record import released_ref
from gitclaim.refstore.contract import Signature
from gitclaim.registry import Found, Registry
from gitclaim.trust import is_same_key
from gitclaim.verdict import Block, Blocked

_SHOWN = 10


class Push(NamedTuple):
    """A push as the server sees it.

    Args:
        updates: everything it does.
        changes: the commits the server does not have, and those it takes off a branch.
        certified: the fingerprint or key id of the key that certified it, empty if none did.
        reach: which of those commits lead up to any of these.
    """

    updates: Sequence[Update]
    changes: Sequence[Change]
    certified: str
    reach: Callable[[Iterable[Oid]], set[Oid]]


def guard(registry: Registry, push: Push, work: Work, policy: Policy) -> list[Refusal]:
    """Judge the work in a push; what is not refused may come in.

    Args:
        registry: where claims stand, as the server sees it before the push.
        push: what is pushed.
        work: what git knows of it.
        policy: what was decided.
    """
    # Trailers are claims of the pusher's, not proofs; what is taken off a branch is looked at for whom they name.
    bare = [change if change.withdrawn else change._replace(claims=frozenset()) for change in push.changes]
    given = judge(registry, bare, work, policy)
    if not isinstance(given, Blocked):
        return []
    refusals = [_unclaimed(block) for block in given.blocks if block.found is None]
    proofs: dict[Oid, _Proofs] = {}
    # Of several claims that hold a path, a judgement names one; the next names another, once that one is proven.
    while held := {block.found.oid: block.found for block in given.blocks if block.found and block.found.claim}:
        asked = held.keys() - proofs.keys()
        if not asked:
            break
        proofs |= {oid: _Proofs(registry, push, held[oid]) for oid in asked}
        proven = [_with_proofs(*pair, proofs.values()) for pair in zip(push.changes, bare, strict=True)]
        given = judge(registry, [one for one in proven if one], work, policy._replace(unclaimed=Unclaimed.ALLOW))
        if not isinstance(given, Blocked):
            return refusals[:_SHOWN]
    blocks = [block for block in given.blocks if block.found]
    return [*refusals, *map(_foreign, blocks)][:_SHOWN]


class _Proofs:
    """What proves that work is the holder's of one claim.

    Args:
        registry: where it stands.
        push: what is pushed.
        found: the claim.
    """

    def __init__(self, registry: Registry, push: Push, found: Found) -> None:
        self._registry = registry
        self._push = push
        self.claim = found.claim.id if found.claim else None
        self._key = registry.holder(found.oid).key
        arriving = [landing for oid in self._arriving(found) for landing in registry.landings(oid)]
        landed = [landing.oid for landing in arriving]
        self._landed = push.reach([*landed, *registry.landed(found.oid)])
        tips = {(update.ref, update.new) for update in push.updates}
        # Not where the holder once landed: who moves a branch back there takes back what landed since.
        self._placed = any((landing.ref, landing.oid) in tips for landing in arriving)

    def prove(self, change: Change) -> bool:
        """Whether that change is the holder's."""
        if change.withdrawn:
            return self._placed or self._certified()
        if change.commit in self._landed:
            return True
        return self.claim in change.claims and (self._certified() or self._signed(change))

    def _arriving(self, found: Found) -> list[Oid]:
        """What comes with the push and goes on with the claim, or ends it."""
        claim = found.claim
        refs = {*claim.refs, released_ref(claim.id)} if claim else set()
        pushed = {update.new for update in self._push.updates if update.new and update.ref in refs}
        # Whether they are the holder's was judged when they were admitted; but they may be about another claim.
        return [oid for oid in pushed if found.oid in self._registry.objects.lineage(oid)]

    def _certified(self) -> bool:
        return is_same_key(self._key, self._push.certified)

    def _signed(self, change: Change) -> bool:
        if change.commit is None or not self._key:
            return False
        signed = self._registry.verifier.verify([change.commit])[change.commit]
        return signed.signature is Signature.GOOD and signed.key == self._key


def _with_proofs(change: Change, plain: Change, proofs: Iterable[_Proofs]) -> Change | None:
    """The change with those claims whose work it is proven to be; None where it needs no further look."""
    proven = [(proof.claim, proof.prove(change)) for proof in proofs if proof.claim]
    # An id stands for as many claims as say that it is theirs.
    claims = {claim for claim, _ in proven} - {claim for claim, holds in proven if not holds}
    if change.withdrawn:
        left = change.claims - claims
        return plain._replace(claims=frozenset(left)) if left else None
    return plain._replace(claims=frozenset(claims))


def _foreign(block: Block) -> Refusal:
    claim = block.found.claim if block.found else None
    if claim is None:
        return Refusal(_where(block), "claimed in a newer format than this server reads", "upgrade gitclaim there")
    verb = "takes back the work of" if block.change.withdrawn else "held by"
    return Refusal(
        _where(block),
        f"{verb} {claim.session} until {show_time(claim.expires)} ({claim.title})",
        "its holder lands it: gitclaim land; others wait until it is released",
    )


def _unclaimed(block: Block) -> Refusal:
    message = "nobody claimed it, and the policy is `unclaimed: deny`"
    return Refusal(_where(block), message, "gitclaim take, then gitclaim land --keep")


def _where(block: Block) -> str:
    return f"{block.path} in commit {block.change.commit[:12]}" if block.change.commit else block.path
