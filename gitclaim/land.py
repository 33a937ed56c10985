"""Landing: the work moves and its claims end, or are renewed, in one transaction, each claim with its lease.

A claim that was taken over, broken, or swept after it expired is not there any more as this session last wrote it; the
transaction that asserts it fails as a whole, and nothing lands (docs/protocol.md, "Land").
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from gitclaim.change import Change, Work
from gitclaim.claim import Claim, format_claim, renewal, whole_seconds
from gitclaim.enforcing import judge
from gitclaim.errors import Exit, GitclaimError, Reason, UnknownOutcomeError, UnreachableError
from gitclaim.holding import Fence, Parts, current_of, fence
from gitclaim.names import ClaimId, Oid, RefName
from gitclaim.policy import Policy
from gitclaim.protocol import ATTEMPTS, backoff, settle
from gitclaim.record import Landing, Released, landing_notes
from gitclaim.refstore.contract import ABSENT, Outcome, Refused, Swap, Swapped, Unknown
from gitclaim.registry import Found, Holding, Registry, Standing
from gitclaim.resources import Kind, ancestors
from gitclaim.verdict import Allowed, Blocked, path_ref


class Errand(NamedTuple):
    """What is to land.

    Args:
        ref: the registry's ref that moves, in full.
        old: where it is now; None where it does not exist.
        new: where it goes.
    """

    ref: RefName
    old: Oid | None
    new: Oid


class Orphan(NamedTuple):
    """A commit that was made under a claim which stands no longer.

    Args:
        commit: the commit.
        claims: the claims it names.
        paths: what it touches and no claim of this session covers.
    """

    commit: Oid
    claims: tuple[ClaimId, ...]
    paths: tuple[str, ...]


class Ready(NamedTuple):
    """Nothing is in the way of landing.

    Args:
        holdings: this session's claims that the work falls under.
    """

    holdings: tuple[Holding, ...]


class Fenced(NamedTuple):
    """A claim the work was done under is not this session's any more: nothing landed.

    Args:
        fences: what became of those claims this session still knows.
        orphans: the commits that name claims which stand no longer.
    """

    fences: tuple[Fence, ...]
    orphans: tuple[Orphan, ...] = ()


class Moved(NamedTuple):
    """The branch is not where it was: nothing landed.

    Args:
        current: where it is; None where it does not exist any more.
    """

    current: Oid | None


class Landed(NamedTuple):
    """The work is there.

    Args:
        released: the claims that were given up with it.
        renewed: the claims that were renewed with it.
    """

    released: tuple[Holding, ...] = ()
    renewed: tuple[Holding, ...] = ()


def coverage(registry: Registry, changes: Sequence[Change], work: Work) -> Allowed:
    """This session's claims, standing and lost, under which commits were made, whoever else holds what they touch.

    Args:
        registry: where claims stand.
        changes: the commits.
        work: what git knows of them.
    """
    given = judge(registry, changes, work, Policy())
    if isinstance(given, Allowed):
        return given
    held = {block.path for block in given.blocks}
    rest = judge(registry, [_without(change, held) for change in changes], work, Policy())
    others = rest.lost if isinstance(rest, Allowed) else ()
    lost = [block.lost for block in given.blocks if block.lost]
    return Allowed(given.own, lost=tuple(dict.fromkeys([*lost, *others])))


def prepare(
    registry: Registry, changes: Sequence[Change], new: Sequence[Change], covered: Allowed, branch: str | None
) -> Ready | Fenced:
    """Find the claims the work falls under, and make sure that all of them stand; from the store's view as it is.

    Args:
        registry: where claims stand.
        changes: the commits the ref lacks.
        new: those of them that the registry does not have at all.
        covered: the claims they were made under.
        branch: the branch it was done on; claims on tasks, topics and lanes that were taken there belong to it.
    """
    named = frozenset[ClaimId]().union(*(change.claims for change in changes))
    known = registry.holdings(registry.ledger.held().values())
    covering = {holding.claim.id for holding in covered.own} | {claim.id for claim in covered.lost}
    mine = {
        holding.claim.id: holding
        for holding in known
        if holding.claim.id in covering | named or (branch and _is_idea(holding) and holding.claim.branch == branch)
    }
    mine = {holding.claim.id: holding for holding in covered.own} | mine
    current = {claim: current_of(registry, holding.claim) for claim, holding in mine.items()}
    standing = tuple(one[0] for one in current.values() if one)
    gone = [mine[claim].claim for claim, one in current.items() if one is None]
    fences = tuple(fence(registry, claim) for claim in gone if not _taken_anew(registry, claim))
    # What others finished may wait on another branch: only what nobody has yet is this session's own for sure.
    orphans = tuple(_orphans(registry, new, standing))
    return Fenced(fences, orphans) if fences or orphans else Ready(standing)


def lost_claims(registry: Registry, blocked: Blocked) -> Fenced:
    """What became of the claims of this session whose places others have; empty where none was lost."""
    lost = dict.fromkeys(block.lost for block in blocked.blocks if block.lost)
    return Fenced(tuple(fence(registry, claim) for claim in lost))


def land(
    registry: Registry, errand: Errand, holdings: Sequence[Holding], *, keep: timedelta | None = None
) -> Landed | Fenced | Moved:
    """Move the ref, and give the claims up or renew them, in one transaction.

    Args:
        registry: where.
        errand: what.
        holdings: the claims, as this session last wrote them.
        keep: how long the claims' leases are to run from now; None to give them up.

    Raises:
        GitclaimError: the registry refused; or it, or somebody else, did what is one transaction in parts.
        UnreachableError: it could not be reached; nothing changed there.
        UnknownOutcomeError: the answer was lost and the registry can't be read.
    """
    landing = Landing(errand.ref, errand.new)
    standing: list[tuple[Holding, Parts]] = [
        (holding, dict.fromkeys(holding.claim.refs, holding.oid)) for holding in holdings
    ]
    why = "the registry kept changing"
    for attempt in range(ATTEMPTS):
        after, swaps = _transaction(registry, errand, standing, landing, keep)
        outcome = registry.store.swap(swaps)
        if isinstance(outcome, Swapped):
            return _landed(registry, standing, after)
        at = _look(registry, errand, outcome)
        done = _done(registry, standing, after, landing)
        # Where the claims show that it was done, others may have gone on from there since.
        if done is not None and (at == errand.new or (standing and at != errand.old)):
            return _landed(registry, standing, done)
        if done is not None and standing:
            raise GitclaimError(
                f"the registry did half of it: the claims were {'renewed' if keep else 'given up'}, and {errand.ref} "
                "did not move",
                hint="it does not keep transactions whole; gitclaim take the paths again, then land again",
            )
        current = [current_of(registry, holding.claim) for holding, _ in standing]
        if at == errand.new:
            raise _otherwise(errand, gone=None in current)
        if None in current:
            gone = [holding.claim for (holding, _), one in zip(standing, current, strict=True) if one is None]
            return Fenced(tuple(fence(registry, claim) for claim in gone))
        if at != errand.old:
            return Moved(at)
        if isinstance(outcome, Refused):
            raise _refusal(outcome)
        if isinstance(outcome, Unknown):
            why = f"the registry gave no answer ({outcome.message})"
        standing = [one for one in current if one]
        registry.clock.sleep(backoff(registry, attempt))
    raise GitclaimError(f"nothing landed: {why}", hint="try again")


def _transaction(
    registry: Registry,
    errand: Errand,
    standing: Iterable[tuple[Holding, Parts]],
    landing: Landing,
    keep: timedelta | None,
) -> tuple[list[Holding], list[Swap]]:
    """The claims as they will be, none where they are given up, and all the swaps."""
    swaps = [Swap(errand.ref, errand.old or ABSENT, errand.new)]
    after: list[Holding] = []
    now = whole_seconds(registry.clock.now())
    for holding, parts in standing:
        if keep is None:
            ending = registry.ending(holding, parts, [landing])
        else:
            renewed = renewal(holding.claim, now, keep)
            # Landing never shortens a lease.
            longer = renewed.until(max(renewed.expires, holding.claim.expires))
            message = format_claim(longer, action="land", notes=landing_notes([landing]))
            oid = registry.objects.write(message, parent=holding.oid, at=now)
            after.append(Holding(longer, oid))
            ending = [Swap(ref, parts[ref], oid) for ref in longer.refs]
        registry.check_key(holding.oid, {swap.new for swap in ending if swap.new is not ABSENT})
        swaps += ending
    return after, swaps


def _look(registry: Registry, errand: Errand, outcome: Outcome) -> Oid | None:
    """Where the ref is, by the registry itself, after a transaction that was not simply done.

    Raises:
        UnknownOutcomeError: the registry can't be read any more.
    """
    if isinstance(outcome, Unknown):
        settle(registry, outcome.message, doing="it landed")
    for attempt in range(ATTEMPTS):
        try:
            return registry.store.ask([errand.ref]).get(errand.ref)
        except UnreachableError:
            registry.clock.sleep(backoff(registry, attempt))
    raise UnknownOutcomeError(
        f"the registry can't be read again: whether {errand.ref} moved is not known",
        hint="run the same command again when the registry answers: it finds out",
    )


def _done(
    registry: Registry, standing: Iterable[tuple[Holding, Parts]], after: Sequence[Holding], landing: Landing
) -> list[Holding] | None:
    """The claims as they stand since this landing, none where they were given up; None if they don't show it."""
    current = [current_of(registry, holding.claim) for holding in after]
    since = [one[0] for one in current if one]
    if after:
        steps = zip(after, since, strict=False)
        followed = len(since) == len(after) and all(a.oid in registry.objects.lineage(b.oid) for a, b in steps)
        return since if followed else None
    for holding, _ in standing:
        record = registry.released(holding.claim.id)
        if registry.parts(holding.claim) or not _says(record, holding, landing):
            return None
    return []


def _says(record: Released | None, holding: Holding, landing: Landing) -> bool:
    return record is not None and record.oid == holding.oid and landing in record.landings


def _landed(registry: Registry, standing: Iterable[tuple[Holding, Parts]], after: Sequence[Holding]) -> Landed:
    for holding, _ in standing:
        registry.ledger.forget(holding.claim.id)
    for holding in after:
        registry.ledger.record(holding.claim.id, holding.oid)
    return Landed(renewed=tuple(after)) if after else Landed(released=tuple(holding for holding, _ in standing))


def _refusal(refused: Refused) -> GitclaimError:
    if refused.final:
        return GitclaimError(
            f"nothing landed: {refused.message}",
            hint="without that the work can outlive its claim; if you accept it: gitclaim renew && git push && "
            "gitclaim release --all",
        )
    return GitclaimError(
        f"nothing landed, the registry refused: {refused.message}",
        hint="its rules are not gitclaim's: a protected branch takes work by pull request, gitclaim land --to BRANCH "
        "--keep",
    )


def _otherwise(errand: Errand, *, gone: bool) -> GitclaimError:
    """The branch is where it was to go, and the claims do not show that this landing moved it."""
    again = "see what others did meanwhile, and gitclaim take what the work is on"
    return GitclaimError(
        f"{errand.ref} has this work, but not by this landing: its claims {'are gone' if gone else 'still stand'}",
        hint=again if gone else "if that is as it should be: gitclaim release --merged",
        exit_code=Exit.FENCED if gone else Exit.FIXABLE,
        reason=Reason.FENCED if gone else None,
    )


def _without(change: Change, paths: set[str]) -> Change:
    """The change as if it did not touch these paths."""
    return change._replace(
        paths=tuple(path for path in change.paths if path not in paths),
        doubtful=tuple(path for path in change.doubtful if path not in paths),
    )


def _is_idea(holding: Holding) -> bool:
    """Whether a claim is on no path: nothing that is touched falls under it."""
    return all(resource.kind is not Kind.PATH for resource in holding.claim.resources)


def _taken_anew(registry: Registry, claim: Claim) -> bool:
    """Whether live claims of this session cover all that a lost one did."""
    found = registry.look(claim.refs)
    mine = {one.ref for one in found if one.standing is Standing.LIVE and _is_mine(one, registry)}
    return all(_within(resource.ref, mine) for resource in claim.resources)


def _orphans(registry: Registry, changes: Iterable[Change], standing: Iterable[Holding]) -> Iterable[Orphan]:
    """The commits that name claims of which none stands, where they touch what no claim of this session covers."""
    mine = {holding.claim.id: holding.claim.refs for holding in standing}
    held = {ref for refs in mine.values() for ref in refs}
    found: list[Orphan] = []
    for change in changes:
        bare = tuple(path for path in change.paths if not _within(path_ref(path), held))
        if change.commit and bare and change.claims and not change.withdrawn and change.claims.isdisjoint(mine):
            found.append(Orphan(change.commit, tuple(sorted(change.claims)), bare))
    everywhere = registry.look_all() if found else []
    live = {one.claim.id for one in everywhere if one.claim and one.standing is Standing.LIVE}
    return (one for one in found if live.isdisjoint(one.claims))


def _is_mine(found: Found, registry: Registry) -> bool:
    return found.claim is not None and found.claim.session == registry.session


def _within(ref: RefName, held: set[RefName]) -> bool:
    return not held.isdisjoint([ref, *ancestors(ref)])


def reason(fenced: Fenced) -> Reason:
    """The reason code of what was fenced: `EXPIRED` where no more is known than that leases ran out."""
    only_expired = fenced.fences and all(one.reason is Reason.EXPIRED for one in fenced.fences)
    return Reason.EXPIRED if only_expired and not fenced.orphans else Reason.FENCED
