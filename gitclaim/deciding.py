"""Deciding: who may change what a server goes by, once it lists maintainers (docs/server.md)."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Self

from gitclaim.admission import Refusal, is_ours
from gitclaim.change import Update
from gitclaim.names import Oid, RefName
from gitclaim.policy import Policy
from gitclaim.record import Landing
from gitclaim.refstore.contract import Signature
from gitclaim.registry import Registry
from gitclaim.trust import Trust, is_same_key


class Decision(NamedTuple):
    """What is decided on a branch.

    Args:
        trust: about claims.
        policy: about work.
        file: everything the file says, as clients go by some of it too; by key.
    """

    trust: Trust
    policy: Policy
    file: Mapping[str, Sequence[str]]

    def same_as(self, other: Self) -> bool:
        """Whether both say the same, wherever they stand."""
        here, there = (one._replace(trust=one.trust._replace(source="")) for one in (self, other))
        return here == there


class Turn(NamedTuple):
    """A push that moves the default branch.

    Args:
        ref: the branch.
        tip: where it goes.
        now: what is decided.
        then: what would be.
        by_tip: whether the branch goes forward to a commit that decides this itself: only then does that commit's
            signature say that this is wanted now, and not that it was once, or on another branch.
    """

    ref: str
    tip: Oid
    now: Decision
    then: Decision
    by_tip: bool


def confirm(registry: Registry, updates: Sequence[Update], turn: Turn, certified: str) -> list[Refusal]:
    """Judge a push that moves the default branch: what is not refused may come in.

    A maintainer's key has to stand behind another decision: it signed the commit that makes it and is the branch's tip
    then, or certified the push, or a claim of a maintainer's lands it.

    Args:
        registry: where claims stand before the push.
        updates: everything it does.
        turn: what it does to the default branch.
        certified: the key that certified the push, empty if none did.
    """
    keys = turn.now.trust.maintainers
    if not keys or turn.now.same_as(turn.then):
        return []
    if any(is_same_key(key, certified) for key in keys) or _signers(registry, updates, turn) & keys:
        return []
    return [
        Refusal(
            turn.ref,
            "it changes what was decided in .gitclaim.yaml, and only a maintainer may",
            "a maintainer signs that commit, or claims the file and lands it: gitclaim take .gitclaim.yaml",
        )
    ]


def _signers(registry: Registry, updates: Sequence[Update], turn: Turn) -> set[str]:
    """The keys that stand behind a branch's new tip: that of its own signature, and those of claims that land it."""
    landing = Landing(RefName(turn.ref), turn.tip)
    claims = [update.new for update in updates if update.new and is_ours(update.ref)]
    vouching = [oid for oid in dict.fromkeys(claims) if landing in registry.landings(oid)]
    verdicts = registry.verifier.verify([*vouching, *([turn.tip] if turn.by_tip else [])]).values()
    return {one.key for one in verdicts if one.signature is Signature.GOOD and one.key}
