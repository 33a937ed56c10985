"""The verdict: may these changes be made, seen what stands in the registry? One for every hook, check and server.

A change is blocked where it touches what another session's live claim holds: the path itself, what it lies in, or what
lies in it; or, for a claim that was taken by pattern, a path that matches. These do not block: a claim of the session
itself, one that died, one with a bad signature, an incomplete one, what is no claim, and a claim that the commit names
in a `Claim:` trailer, for then it is the holder's own work. Nor does a pattern on what such a claim, or one of the
session itself, held before it: git keeps two claims from one path, and from a path and a pattern it can't.
A push that takes such work off a branch is blocked by it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import NamedTuple

from gitclaim.change import Change
from gitclaim.claim import Claim
from gitclaim.errors import Reason
from gitclaim.names import ClaimId, RefName, Session
from gitclaim.policy import Policy, Unclaimed
from gitclaim.registry import Found, Holding, Standing, relation
from gitclaim.resources import PATTERNS, Kind, Resource, ancestors, is_above


class View(NamedTuple):
    """What stands in the registry, as far as it may concern some changes.

    Args:
        session: who asks.
        found: what stands at, above and below the paths touched, signatures judged.
        matched: for claims taken by pattern, the paths touched that match; by the claim's id.
        lost: the claims this session last knew as its own and does not hold any more.
        past: whether a claim that died counts for the commits that were made while it lived.
        lived: for claims that died, when they lived, oldest first: from when until when; by the claim's id.
    """

    session: Session
    found: tuple[Found, ...]
    matched: Mapping[ClaimId, frozenset[str]] = MappingProxyType({})
    lost: tuple[Claim, ...] = ()
    past: bool = False
    lived: Mapping[ClaimId, tuple[tuple[datetime, datetime], ...]] = MappingProxyType({})


class Block(NamedTuple):
    """Why one path blocks a change.

    Args:
        path: the path.
        reason: `HELD`, `WITHIN` or `CONTAINS` of a foreign claim; `FENCED` where that claim took the place of one of
            this session; `EXPIRED` where nobody holds it any more and the policy asks for a claim; None where nobody
            ever did.
        found: the claim in the way, if there is one.
        change: what touches it.
        lost: the claim of this session that was lost, if one was.
    """

    path: str
    reason: Reason | None
    found: Found | None
    change: Change
    lost: Claim | None = None


class Allowed(NamedTuple):
    """Nothing is in the way.

    Args:
        own: this session's claims that the changes fall under.
        unclaimed: touched paths that nobody claimed.
        lost: those of this session's lost claims that the changes would have fallen under, and fall under no other.
    """

    own: tuple[Holding, ...] = ()
    unclaimed: tuple[str, ...] = ()
    lost: tuple[Claim, ...] = ()


class Blocked(NamedTuple):
    """Something is in the way.

    Args:
        blocks: what, at least one.
        own: this session's claims that the rest falls under.
    """

    blocks: tuple[Block, ...]
    own: tuple[Holding, ...] = ()


Verdict = Allowed | Blocked


def verdict(changes: Sequence[Change], view: View, policy: Policy) -> Verdict:
    """May these changes be made?

    Args:
        changes: what is touched, without the paths the policy exempts.
        view: what stands in the registry.
        policy: what was decided about unclaimed paths.
    """
    tree = _Tree(view.found)
    named = frozenset[ClaimId]().union(*(change.claims for change in changes))
    blocks: list[Block] = []
    own: dict[ClaimId, Holding] = {}
    unclaimed: dict[str, Change] = {}
    bare: list[str] = []
    for change in changes:
        for path, surely in (*((path, True) for path in change.paths), *((path, False) for path in change.doubtful)):
            standing = _at(path, tree, view)
            foreign = [one for one in standing if _excludes(one, change, view, named)]
            foreign = [one for one in foreign if not _came_later(one, path, standing, change, view)]
            blocks += _blocks(path, foreign[:1], change, view)
            if surely and not change.withdrawn:
                mine = [one for one in standing if _is_own(one, view)]
                own.update({one.claim.id: Holding(one.claim, one.oid) for one in mine if one.claim})
                if any(_covers(one, path) for one in mine):
                    continue
                bare.append(path)
                if not (foreign or change.claims):
                    unclaimed.setdefault(path, change)
    if policy.unclaimed is Unclaimed.DENY:
        blocks += [_without_claim(path, change, view) for path, change in unclaimed.items()]
    if blocks:
        return Blocked(tuple(blocks), tuple(own.values()))
    # What was lost and claimed again is not lost.
    return Allowed(tuple(own.values()), tuple(unclaimed), _concerned(view.lost, bare))


class _Tree:
    """What was found, by the refs it stands at, and by the refs it stands below; and where patterns stand."""

    def __init__(self, found: Iterable[Found]) -> None:
        self.at: dict[RefName, Found] = {}
        self.below: dict[RefName, list[Found]] = {}
        self.patterned: list[Found] = []
        for one in found:
            self.at[one.ref] = one
            if is_above(PATTERNS, one.ref):
                self.patterned.append(one)
            for upper in ancestors(one.ref):
                self.below.setdefault(upper, []).append(one)

    def touching(self, ref: RefName) -> Iterator[Found]:
        """What stands at the ref, above it and below it, in this order."""
        for upper in (ref, *ancestors(ref)):
            if upper in self.at:
                yield self.at[upper]
        yield from self.below.get(ref, ())


def path_ref(path: str) -> RefName:
    """The ref that claims a path as git names it."""
    return Resource(Kind.PATH, path).ref


def _at(path: str, tree: _Tree, view: View) -> list[Found]:
    """What may hold the path."""
    found = list(tree.touching(path_ref(path)))
    if view.matched:
        matching = [one for one in tree.patterned if one.claim and path in view.matched.get(one.claim.id, ())]
        # The oldest first: whoever asks for proofs is told which claim the others came after.
        found += sorted(matching, key=_age)
    return found


def _excludes(found: Found, change: Change, view: View, named: frozenset[ClaimId]) -> bool:
    """Whether what was found keeps others from changing this."""
    claim = found.claim
    if claim is None:
        # A later format: it excludes as if it were live, for nobody here can tell that it is not.
        return found.standing is Standing.NEWER
    if change.withdrawn:
        return found.standing is Standing.LIVE and claim.session != view.session and claim.id in change.claims
    if claim.session == view.session or claim.id in change.claims:
        return False
    if found.standing is Standing.LIVE:
        # Its holder committed this before taking the claim, if another commit beside it names the claim.
        return not (view.past and change.at and change.at < claim.taken and claim.id in named)
    if not view.past or found.standing is not Standing.EXPIRED or change.at is None:
        return False
    return any(begin <= change.at < end for begin, end in view.lived.get(claim.id, ()))


def _came_later(found: Found, path: str, standing: Iterable[Found], change: Change, view: View) -> bool:
    """Whether what was found matches the path by a pattern only, and who makes the change held the path before that."""
    if change.withdrawn or not (found.claim and is_above(PATTERNS, found.ref)):
        return False
    theirs = [one for one in standing if _is_own(one, view) or _is_named(one, change)]
    return any(_covers(one, path) and _age(one) < _age(found) for one in theirs)


def _is_named(found: Found, change: Change) -> bool:
    return found.standing is Standing.LIVE and found.claim is not None and found.claim.id in change.claims


def _age(found: Found) -> tuple[datetime, str]:
    """What tells which of two claims came first; what says nothing of itself did."""
    return (found.claim.taken, found.claim.id) if found.claim else (datetime.min.replace(tzinfo=UTC), "")


def _is_own(found: Found, view: View) -> bool:
    return found.standing is Standing.LIVE and found.claim is not None and found.claim.session == view.session


def _covers(found: Found, path: str) -> bool:
    """Whether a claim at or near the path holds all of it, and not only something in it."""
    return not is_above(path_ref(path), found.ref)


def _blocks(path: str, foreign: Iterable[Found], change: Change, view: View) -> Iterator[Block]:
    for one in foreign:
        lost = next(iter(_concerned(view.lost, [path])), None)
        reason = Reason.FENCED if lost else relation(one, path_ref(path))
        yield Block(path, reason, one, change, lost)


def _without_claim(path: str, change: Change, view: View) -> Block:
    lost = next(iter(_concerned(view.lost, [path])), None)
    return Block(path, Reason.EXPIRED if lost else None, None, change, lost)


def _concerned(lost: Iterable[Claim], paths: Iterable[str]) -> tuple[Claim, ...]:
    """Those of the claims that cover one of the paths."""
    claims = tuple(lost)
    if not claims:
        return ()
    uppers = {upper for path in paths for upper in (path_ref(path), *ancestors(path_ref(path)))}
    return tuple(claim for claim in claims if not uppers.isdisjoint(claim.refs))
