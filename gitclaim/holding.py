"""What a holder does with its claims: renew, release, give. Each is a swap from the exact ids it last wrote."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from typing import NamedTuple

from gitclaim.claim import Claim, format_claim, renewal, whole_seconds
from gitclaim.errors import GitclaimError, Reason
from gitclaim.names import Oid, RefName, Session
from gitclaim.protocol import ATTEMPTS, backoff, happened, settle
from gitclaim.record import Broken
from gitclaim.refstore.contract import ABSENT, Outcome, Refused, Signature, Swap, Swapped, Unknown
from gitclaim.registry import Found, Holding, Registry, Standing
from gitclaim.resources import Resource, is_above, reduced


class Fence(NamedTuple):
    """A claim this session held and holds no longer.

    Args:
        claim: the claim.
        reason: `EXPIRED` if its lease ran out and it was removed, `FENCED` if somebody else has its place or broke it.
        successor: who stands at its refs now, if anybody.
        broken: the record that it was broken, if it was.
        note: what else is known of that, one printable line; empty where it simply ran out.
    """

    claim: Claim
    reason: Reason
    successor: Found | None = None
    broken: Broken | None = None
    note: str = ""


class Kept(NamedTuple):
    """What became of the claims a command was for.

    Args:
        holdings: the claims it was done to, as they are now or, where they are gone, as they were.
        fenced: the claims that were lost before.
    """

    holdings: tuple[Holding, ...]
    fenced: tuple[Fence, ...] = ()


Parts = Mapping[RefName, Oid]
"""What each ref of a claim carries."""
_Step = Callable[[Holding, Parts], tuple[Holding | None, Sequence[Swap]]]
"""What becomes of a claim, None if it is given up, and the swaps for that."""


def renew(registry: Registry, resources: Sequence[Resource], ttl: timedelta) -> Kept:
    """Give the claims on these resources, or all of this session, a lease that runs that long from now.

    A lease that ran out can be renewed as long as nobody took over.

    Raises:
        GitclaimError: this session holds no claim on one of the resources.
        UnreachableError: the registry could not be reached.
        UnknownOutcomeError: the answer was lost and the registry can't be read.
    """

    def step(holding: Holding, parts: Parts) -> tuple[Holding | None, Sequence[Swap]]:
        longer = renewal(holding.claim, whole_seconds(registry.clock.now()), ttl)
        return _rewritten(registry, holding, parts, longer, format_claim(longer, action="renew"))

    return _each(registry, selected(registry, resources), step)


def release(registry: Registry, resources: Sequence[Resource]) -> Kept:
    """Give up these resources, or all of this session; a claim on others too keeps those.

    Raises:
        GitclaimError: this session holds no claim on one of the resources.
        UnreachableError: the registry could not be reached.
        UnknownOutcomeError: the answer was lost and the registry can't be read.
    """
    if not resources:
        # All means all: a claim the view does not show yet would stand until its lease ends.
        registry.store.sync()
    asked = {resource.ref for resource in resources}

    def step(holding: Holding, parts: Parts) -> tuple[Holding | None, Sequence[Swap]]:
        claim = holding.claim
        rest = tuple(resource for resource in claim.resources if asked and not _given_up(resource.ref, asked))
        if not rest:
            return None, registry.ending(holding, parts)
        # The patterns promised new files too; what is left is what it lists.
        smaller = claim._replace(resources=rest, patterns=())
        kept, swaps = _rewritten(registry, holding, parts, smaller, format_claim(smaller, action="release part of"))
        return kept, [*swaps, *(Swap(ref, parts[ref], ABSENT) for ref in claim.refs if ref not in smaller.refs)]

    return _each(registry, selected(registry, resources), step)


def release_whole(registry: Registry, holdings: Iterable[Holding]) -> Kept:
    """Give up these claims.

    Raises:
        UnreachableError: the registry could not be reached.
        UnknownOutcomeError: the answer was lost and the registry can't be read.
    """
    return _each(registry, holdings, lambda holding, parts: (None, registry.ending(holding, parts)))


def own_claims(registry: Registry) -> list[Holding]:
    """All claims this session knows as its own or that stand in its name, from the store's view."""
    return _merged(registry.holdings(registry.ledger.held().values()), _seen(registry))


def give(registry: Registry, resources: Sequence[Resource], to: Session) -> Kept:
    """Hand the claims on these resources over to another session, each as a whole.

    Raises:
        GitclaimError: this session holds no claim on one of the resources, or would give to itself.
        UnreachableError: the registry could not be reached.
        UnknownOutcomeError: the answer was lost and the registry can't be read.
    """
    if to == registry.session:
        raise GitclaimError(f"{to} is this session itself", hint="gitclaim list shows who else works here")

    def step(holding: Holding, parts: Parts) -> tuple[Holding | None, Sequence[Swap]]:
        given = holding.claim._replace(session=to)
        message = format_claim(given, action="give", notes=[("Given-By", registry.session)])
        return _rewritten(registry, holding, parts, given, message)

    return _each(registry, selected(registry, resources), step)


def selected(registry: Registry, resources: Sequence[Resource]) -> list[Holding]:
    """This session's claims that stand at any of the resources, or all of them when none is named.

    The ledger knows without asking anybody; the registry is read when it does not know enough. What was given to this
    session, or taken under its name in another clone, is seen in the store's view.

    Raises:
        GitclaimError: a resource is not claimed by this session.
    """
    known = registry.holdings(registry.ledger.held().values())
    holdings = _chosen(known, resources) if resources else _merged(known, _seen(registry))
    if not holdings:
        registry.store.sync()
        holdings = _chosen(_merged(known, _seen(registry)), resources)
    if holdings is None:
        named = ", ".join(resource.text for resource in resources)
        raise GitclaimError(
            f"{registry.session} holds no claim on {named}", hint="gitclaim list --mine shows what it holds"
        )
    return holdings


def _seen(registry: Registry) -> list[Holding]:
    """This session's claims in the store's view, but for those with a bad signature."""
    found = [one for one in registry.look_all() if one.claim and one.claim.session == registry.session]
    judged = registry.judged(one for one in found if one.standing in {Standing.LIVE, Standing.EXPIRED})
    good = [one for one in judged if one.verdict and one.verdict.signature is not Signature.BAD]
    return [Holding(one.claim, one.oid) for one in good if one.claim]


def _merged(known: Iterable[Holding], seen: Iterable[Holding]) -> list[Holding]:
    """One holding a claim: as the ledger has it, for that is what this session last wrote."""
    return list({holding.claim.id: holding for holding in [*seen, *known]}.values())


def fence(registry: Registry, claim: Claim) -> Fence:
    """What became of a claim that is gone, from the store's view."""
    found = registry.judged(registry.look(claim.refs))
    others = [one for one in found if one.claim and one.claim.id != claim.id and one.standing is Standing.LIVE]
    foreign = [one for one in others if one.claim and one.claim.session != registry.session]
    same = [one for one in found if one.claim and one.claim.id == claim.id]
    worthless = [one for one in same if one.standing is Standing.UNTRUSTED]
    given = [one for one in same if one.claim and one.claim.session != registry.session and one not in worthless]
    broken = registry.broken(claim.id)
    successor = next(iter(given + foreign), None)
    lapsed = registry.clock.now() >= claim.expires
    reason = Reason.EXPIRED if lapsed and not successor and not broken and not worthless else Reason.FENCED
    note = "" if successor or broken else _note(registry, claim, worthless or same, lapsed=lapsed)
    return Fence(claim, reason, successor, broken, note)


def _note(registry: Registry, claim: Claim, left: Sequence[Found], *, lapsed: bool) -> str:
    """How a claim was lost, where no successor and no record of breaking tells it."""
    released = registry.released(claim.id)
    if left:
        return left[0].note
    if released:
        return f"{released.by} released it"
    return "" if lapsed else "somebody removed it, and no record says who"


def _each(registry: Registry, holdings: Iterable[Holding], step: _Step) -> Kept:
    kept: list[Holding] = []
    fenced: list[Fence] = []
    for holding in holdings:
        outcome = _one(registry, holding, step)
        if outcome is None or isinstance(outcome, Fence):
            registry.ledger.forget(holding.claim.id)
        if isinstance(outcome, Fence):
            fenced.append(outcome)
        elif outcome:
            kept.append(outcome)
    return Kept(tuple(kept), tuple(fenced))


def _one(registry: Registry, holding: Holding, step: _Step) -> Holding | Fence | None:
    """Do the step to one claim, from the id last written; when that was lost, find out to whom.

    None is an old claim of this session in whose place it has a new one.
    """
    parts: Parts = dict.fromkeys(holding.claim.refs, holding.oid)
    unanswered = False
    for attempt in range(ATTEMPTS):
        after, swaps = step(holding, parts)
        registry.check_key(holding.oid, {swap.new for swap in swaps if swap.new is not ABSENT})
        outcome = _attempt(registry, swaps)
        # That the refs are gone does not say who removed them; that they carry what only we wrote does.
        if isinstance(outcome, Swapped) or (after and happened(registry, swaps)):
            return _noted(registry, holding, after)
        # What was sent before its answer was lost may still be done at any later moment.
        unanswered = unanswered or isinstance(outcome, Unknown)
        current = current_of(registry, holding.claim)
        if current is None:
            fenced = fence(registry, holding.claim)
            if unanswered and _answered(registry, after, fenced):
                return _noted(registry, holding, after)
            return None if _replaced(registry, holding.claim) else fenced
        # Another process of this session renewed it, or a lock was busy: again, from what stands there now.
        holding, parts = current
        registry.clock.sleep(backoff(registry, attempt))
    raise GitclaimError(
        f"the registry did not accept it: {holding.claim.title} kept changing",
        hint="try again; gitclaim doctor finds out more",
    )


def _attempt(registry: Registry, swaps: Sequence[Swap]) -> Outcome:
    outcome = registry.store.swap(swaps)
    if isinstance(outcome, Refused) and outcome.final:
        # Without atomic pushes one ref after the other: a claim that is partly gone is void, which is what is wanted
        # of a release; a renewal that stops half-way is still the same claim, and is tried again.
        outcomes = registry.store.swap_each(swaps).values()
        outcome = next((one for one in outcomes if not isinstance(one, Swapped)), Swapped())
    if isinstance(outcome, Unknown):
        settle(registry, outcome.message, doing="the claim was changed")
    return outcome


def _answered(registry: Registry, after: Holding | None, fenced: Fence) -> bool:
    """Whether what stands there answers the lost answer: it was done, and others went on from there.

    A claim that was to be released, and is gone before anybody might take over and without having been broken, was
    released; one that stands there for whom it was to be given to was given.
    """
    if after is None:
        return not fenced.broken and registry.clock.now() < fenced.claim.lapses()
    successor = fenced.successor.claim if fenced.successor else None
    return successor is not None and (successor.id, successor.session) == (after.claim.id, after.claim.session)


def _replaced(registry: Registry, claim: Claim) -> bool:
    """Whether other claims of this session cover everything this one did; what became of those is told of them."""
    found = [one for one in registry.look(claim.refs) if one.standing in {Standing.LIVE, Standing.EXPIRED}]
    mine = {one.ref for one in found if one.claim and one.claim.session == registry.session}
    return all(_given_up(resource.ref, mine) for resource in claim.resources)


def _noted(registry: Registry, before: Holding, after: Holding | None) -> Holding:
    if after is None or after.claim.session != registry.session:
        registry.ledger.forget(before.claim.id)
    else:
        registry.ledger.record(after.claim.id, after.oid)
    return after or before


def current_of(registry: Registry, claim: Claim) -> tuple[Holding, Parts] | None:
    """The same claim as it stands now, if it is still this session's and complete; from the store's view."""
    found = registry.holdings(registry.parts(claim).values())
    if not found:
        return None
    # The youngest, where a renewal was cut short half-way and two objects carry the claim.
    newest = max(found, key=lambda holding: holding.claim.expires)
    # What this session wrote needs no look; what others wrote in its name, with another key, nobody believes.
    if newest.oid != registry.ledger.held().get(claim.id) and not registry.holder(newest.oid).sound:
        return None
    parts = registry.parts(newest.claim)
    return (newest, parts) if len(parts) == len(newest.claim.refs) else None


def _rewritten(
    registry: Registry, holding: Holding, parts: Parts, claim: Claim, message: str
) -> tuple[Holding, list[Swap]]:
    """The claim's next object, whose parent is the last one, and the swaps that put it in place."""
    oid = registry.objects.write(message, parent=holding.oid, at=whole_seconds(registry.clock.now()))
    return Holding(claim, oid), [Swap(ref, parts[ref], oid) for ref in claim.refs]


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
