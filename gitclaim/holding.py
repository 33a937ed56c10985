"""What a holder does with its claims: renew, release, give. Each is a swap from the exact ids it last wrote."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from gitclaim.claim import Claim, format_claim, renewal, whole_seconds
from gitclaim.errors import GitclaimError, Reason
from gitclaim.names import Oid, RefName, Session
from gitclaim.protocol import ATTEMPTS, backoff, settle
from gitclaim.record import Broken
from gitclaim.refstore.contract import ABSENT, Refused, Signature, Swap, Swapped, Unknown
from gitclaim.registry import Found, Holding, Registry, Standing
from gitclaim.resources import Resource, is_above, reduced


@dataclass(frozen=True, slots=True)
class Fence:
    """A claim this session held and holds no longer.

    Args:
        claim: the claim.
        reason: `EXPIRED` if its lease ran out and it was removed, `FENCED` if somebody else has its place or broke it.
        successor: who stands at its refs now, if anybody.
        broken: the record that it was broken, if it was.
    """

    claim: Claim
    reason: Reason
    successor: Found | None = None
    broken: Broken | None = None


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the claims a command was for.

    Args:
        holdings: the claims it was done to, as they are now or, where they are gone, as they were.
        fenced: the claims that were lost before.
    """

    holdings: tuple[Holding, ...]
    fenced: tuple[Fence, ...] = ()


_Step = Callable[[Holding], tuple[Holding | None, Sequence[Swap]]]


def renew(registry: Registry, resources: Sequence[Resource], ttl: timedelta) -> Kept:
    """Give the claims on these resources, or all of this session, a lease that runs that long from now.

    A lease that ran out can be renewed as long as nobody took over.

    Raises:
        GitclaimError: this session holds no claim on one of the resources.
        UnreachableError: the registry could not be reached.
        UnknownOutcomeError: the answer was lost and the registry can't be read.
    """

    def step(holding: Holding) -> tuple[Holding | None, Sequence[Swap]]:
        longer = renewal(holding.claim, whole_seconds(registry.clock.now()), ttl)
        return _rewritten(registry, holding, longer, format_claim(longer, action="renew"))

    return _each(registry, selected(registry, resources), step)


def release(registry: Registry, resources: Sequence[Resource]) -> Kept:
    """Give up these resources, or all of this session; a claim on others too keeps those.

    Raises:
        GitclaimError: this session holds no claim on one of the resources.
        UnreachableError: the registry could not be reached.
        UnknownOutcomeError: the answer was lost and the registry can't be read.
    """
    asked = {resource.ref for resource in resources}

    def step(holding: Holding) -> tuple[Holding | None, Sequence[Swap]]:
        claim = holding.claim
        rest = tuple(resource for resource in claim.resources if asked and not _given_up(resource.ref, asked))
        if not rest:
            return None, [Swap(ref, holding.oid, ABSENT) for ref in claim.refs]
        # The patterns promised new files too; what is left is what it lists.
        smaller = replace(claim, resources=rest, patterns=())
        kept, swaps = _rewritten(registry, holding, smaller, format_claim(smaller, action="release part of"))
        left = set(smaller.refs)
        gone = [Swap(ref, holding.oid, ABSENT) for ref in claim.refs if ref not in left]
        return kept, [*swaps, *gone]

    return _each(registry, selected(registry, resources), step)


def give(registry: Registry, resources: Sequence[Resource], to: Session) -> Kept:
    """Hand the claims on these resources over to another session, each as a whole.

    Raises:
        GitclaimError: this session holds no claim on one of the resources, or would give to itself.
        UnreachableError: the registry could not be reached.
        UnknownOutcomeError: the answer was lost and the registry can't be read.
    """
    if to == registry.session:
        raise GitclaimError(f"{to} is this session itself", hint="gitclaim list shows who else works here")

    def step(holding: Holding) -> tuple[Holding | None, Sequence[Swap]]:
        given = replace(holding.claim, session=to)
        message = format_claim(given, action="give", notes=[("Given-By", registry.session)])
        return _rewritten(registry, holding, given, message)

    return _each(registry, selected(registry, resources), step)


def selected(registry: Registry, resources: Sequence[Resource]) -> list[Holding]:
    """This session's claims that stand at any of the resources, or all of them when none is named.

    The ledger knows without asking anybody; the registry is read when it does not know enough.

    Raises:
        GitclaimError: a resource is not claimed by this session.
    """
    holdings = _chosen(registry.holdings(registry.ledger.held().values()), resources)
    if holdings is None or not (holdings or resources):
        registry.store.sync()
        found = [one for one in registry.look_all() if one.claim and one.claim.session == registry.session]
        judged = registry.judged(one for one in found if one.standing in {Standing.LIVE, Standing.EXPIRED})
        good = [one for one in judged if one.verdict and one.verdict.signature is not Signature.BAD]
        seen = [Holding(one.claim, one.oid) for one in good if one.claim]
        known = registry.holdings(registry.ledger.held().values())
        holdings = _chosen({holding.claim.id: holding for holding in [*known, *seen]}.values(), resources)
    if holdings is None:
        named = ", ".join(resource.text for resource in resources)
        raise GitclaimError(
            f"{registry.session} holds no claim on {named}", hint="gitclaim list --mine shows what it holds"
        )
    return holdings


def fence(registry: Registry, claim: Claim) -> Fence:
    """What became of a claim that is gone, from the store's view."""
    found = registry.look(claim.refs)
    others = [one for one in found if one.claim and one.claim.id != claim.id and one.standing is Standing.LIVE]
    given = [one for one in found if one.claim and one.claim.id == claim.id]
    broken = registry.broken(claim.id)
    successor = next(iter(given + others), None)
    lapsed = registry.clock.now() >= claim.expires
    reason = Reason.EXPIRED if lapsed and not successor and not broken else Reason.FENCED
    return Fence(claim, reason, successor, broken)


def _each(registry: Registry, holdings: Iterable[Holding], step: _Step) -> Kept:
    kept: list[Holding] = []
    fenced: list[Fence] = []
    for holding in holdings:
        outcome = _one(registry, holding, step)
        if isinstance(outcome, Fence):
            fenced.append(outcome)
            registry.ledger.forget(outcome.claim.id)
        else:
            kept.append(outcome)
    return Kept(tuple(kept), tuple(fenced))


def _one(registry: Registry, holding: Holding, step: _Step) -> Holding | Fence:
    """Do the step to one claim, from the id last written; when that was lost, find out to whom."""
    message = ""
    for attempt in range(ATTEMPTS):
        after, swaps = step(holding)
        if _landed(registry, swaps):
            return _noted(registry, holding, after)
        current = _current(registry, holding)
        if current is None:
            return fence(registry, holding.claim)
        # Another process of this session renewed it, or a lock was busy: again, from what stands there now.
        message = f"{holding.claim.title} kept changing"
        holding = current
        registry.clock.sleep(backoff(registry, attempt))
    raise GitclaimError(f"the registry did not accept it: {message}", hint="try again; gitclaim doctor finds out more")


def _landed(registry: Registry, swaps: Sequence[Swap]) -> bool:
    outcome = registry.store.swap(swaps)
    if isinstance(outcome, Swapped):
        return True
    if isinstance(outcome, Refused) and outcome.final:
        # Without atomic pushes one ref after the other: a claim that is partly gone is void, which is what is wanted
        # of a release; a renewal that stops half-way shows as incomplete and is tried again.
        return all(isinstance(one, Swapped) for one in registry.store.swap_each(swaps).values())
    if isinstance(outcome, Unknown):
        settle(registry, outcome.message, doing="the claim was changed")
    at = registry.store.exact(swap.ref for swap in swaps)
    return all(at.get(swap.ref, ABSENT) == swap.new for swap in swaps)


def _noted(registry: Registry, before: Holding, after: Holding | None) -> Holding:
    if after is None or after.claim.session != registry.session:
        registry.ledger.forget(before.claim.id)
    else:
        registry.ledger.record(after.claim.id, after.oid)
    return after or before


def _current(registry: Registry, holding: Holding) -> Holding | None:
    """The same claim as it stands now, if it is still this session's and complete; from the store's view."""
    at: dict[RefName, Oid] = registry.store.exact(holding.claim.refs)
    for one in registry.read(at):
        same = one.claim is not None and one.claim.id == holding.claim.id and one.claim.session == registry.session
        if same and one.claim and one.standing in {Standing.LIVE, Standing.EXPIRED}:
            complete = all(registry.store.exact(one.claim.refs).get(ref) == one.oid for ref in one.claim.refs)
            return Holding(one.claim, one.oid) if complete else None
    return None


def _rewritten(registry: Registry, holding: Holding, claim: Claim, message: str) -> tuple[Holding, list[Swap]]:
    """The claim's next object, whose parent is the last one, and the swaps that put it in place."""
    oid = registry.objects.write(message, parent=holding.oid, at=whole_seconds(registry.clock.now()))
    return Holding(claim, oid), [Swap(ref, holding.oid, oid) for ref in claim.refs]


def _chosen(holdings: Iterable[Holding], resources: Sequence[Resource]) -> list[Holding] | None:
    """The holdings on these resources; None when one of the resources is on none of them."""
    listed = list(holdings)
    if not resources:
        return listed
    chosen: dict[Oid, Holding] = {}
    for resource in reduced(resources):
        here = [holding for holding in listed if any(_given_up(ref, {resource.ref}) for ref in holding.claim.refs)]
        if not here:
            return None
        chosen.update({holding.oid: holding for holding in here})
    return list(chosen.values())


def _given_up(ref: RefName, asked: set[RefName]) -> bool:
    """Whether naming these refs names this one: itself, or what it lies in."""
    return any(ref == one or is_above(one, ref) for one in asked)
