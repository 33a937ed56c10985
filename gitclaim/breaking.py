"""A person removes another's live claim, and says why."""

from collections.abc import Sequence
from typing import NamedTuple

from gitclaim.claim import Claim, purpose_text, whole_seconds
from gitclaim.errors import Exit, GitclaimError, UsageError
from gitclaim.names import Oid
from gitclaim.protocol import ATTEMPTS, backoff, happened, settle
from gitclaim.record import Broken, broken_ref, format_broken
from gitclaim.refstore.contract import ABSENT, Lost, Outcome, Refused, Swap, Swapped, Unknown
from gitclaim.registry import Found, Registry, Standing, covers
from gitclaim.resources import Resource


class Removed(NamedTuple):
    """What was removed.

    Args:
        found: the claims, or what stood there without being one, as they stood.
        reason: why.
    """

    found: tuple[Found, ...]
    reason: str


def break_claims(registry: Registry, resources: Sequence[Resource], reason: str) -> Removed:
    """Remove what holds these resources or something they lie in, whoever it is, and record that.

    Raises:
        UsageError: no reason was given.
        GitclaimError: nothing holds one of the resources, or the registry refused.
        UnreachableError: the registry could not be reached.
        UnknownOutcomeError: the answer was lost and the registry can't be read.
    """
    why = purpose_text(reason)
    if not why:
        raise UsageError("a broken claim needs a reason", hint='say it with --reason "..."; its holder will read it')
    registry.store.sync()
    # All are looked up before the first is removed: one claim may hold several of them.
    broken = {one.oid: one for resource in resources for one in _holders(registry, resource)}
    for one in broken.values():
        _remove(registry, one, why)
    return Removed(tuple(broken.values()), why)


def _holders(registry: Registry, resource: Resource) -> list[Found]:
    found = registry.look([resource.ref])
    holders = [one for one in found if covers(one, resource)]
    if not holders:
        inside = ", ".join(sorted({one.claim.title for one in found if one.claim})[:3])
        hint = f"inside of it are claims on {inside}: name those" if inside else "gitclaim list shows what is claimed"
        raise GitclaimError(f"nobody holds {resource.text}", hint=hint, exit_code=Exit.FIXABLE)
    return holders


def _remove(registry: Registry, found: Found, reason: str) -> None:
    for attempt in range(ATTEMPTS):
        swaps = _swaps(registry, found, reason)
        if not any(swap.new is ABSENT for swap in swaps):
            # Another process of this clone synced meanwhile: a record alone would break nothing.
            raise _changed(found)
        outcome = registry.store.swap(swaps)
        if isinstance(outcome, Refused) and outcome.final:
            # Without atomic pushes the record goes first: a claim is never gone without its reason.
            outcome = _one_by_one(registry, swaps)
        match outcome:
            case Unknown(message):
                settle(registry, message, doing=f"{found.ref} was removed")
            case Refused(message) if attempt + 1 == ATTEMPTS:
                raise GitclaimError(f"the registry refused: {message}")
            case Swapped() | Lost() | Refused():
                pass
        if isinstance(outcome, Swapped) or happened(registry, swaps):
            if found.claim:
                registry.ledger.forget(found.claim.id)
            return
        if registry.store.exact([found.ref]).get(found.ref) != found.oid:
            raise _changed(found)
        registry.clock.sleep(backoff(registry, attempt))
    raise GitclaimError(f"could not remove {found.ref}: the registry kept changing", hint="try again")


def _changed(found: Found) -> GitclaimError:
    return GitclaimError(
        f"{found.ref} changed meanwhile: its holder renewed or released it", hint="look again: gitclaim list"
    )


def _swaps(registry: Registry, found: Found, reason: str) -> list[Swap]:
    claim = found.claim
    if claim is None or found.standing is Standing.MALFORMED:
        return [Swap(found.ref, found.oid, ABSENT)]
    at = registry.store.exact(claim.refs)
    record = _record(registry, claim, found.oid, reason)
    gone = [Swap(ref, found.oid, ABSENT) for ref in claim.refs if at.get(ref) == found.oid]
    known = registry.store.exact([broken_ref(claim.id)]).get(broken_ref(claim.id), ABSENT)
    # Written at an attempt that got no further, and within the same second: the same bytes.
    return gone if known == record else [Swap(broken_ref(claim.id), known, record), *gone]


def _record(registry: Registry, claim: Claim, oid: Oid, reason: str) -> Oid:
    message = format_broken(Broken(claim.id, oid, registry.session, reason), title=claim.title)
    return registry.objects.write(message, parent=oid, at=whole_seconds(registry.clock.now()))


def _one_by_one(registry: Registry, swaps: Sequence[Swap]) -> Outcome:
    outcome: Outcome = Swapped()
    for swap in swaps:
        outcome = registry.store.swap([swap])
        if not isinstance(outcome, Swapped):
            return outcome
    return outcome
