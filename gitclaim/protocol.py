"""Taking a claim: the numbered cases of docs/protocol.md.

1. A live foreign claim stands in the way: look again with a fresh view; still there, and the answer is `Denied`.
2. This session's live claims already cover everything: `Held`.
3. Only claims that died stand in the way: at the same ref they are replaced by the swap that takes; above or below they
   are removed first, by exact id.
4. Nothing stands in the way: one atomic swap creates all refs.
5. The swap was lost: remove strays, look again, decide again; a few times, never for ever.
6. The swap's outcome is unknown: read again; it is ours if all refs carry our object, else as 5.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final, NamedTuple

from gitclaim.claim import RESOURCE_LIMIT, Claim, format_claim, lease_end, renewal, whole_seconds
from gitclaim.clock import show_duration
from gitclaim.errors import GitclaimError, Reason, UnknownOutcomeError, UnreachableError, UsageError
from gitclaim.names import ClaimId, Oid, RefName
from gitclaim.refstore.contract import ABSENT, Lost, Refused, Swap, Swapped, Unknown, Value
from gitclaim.registry import FORMING, Found, Holding, Registry, Standing, covers, in_the_way, relation
from gitclaim.resources import Resource, reduced

ATTEMPTS: Final = 5
"""How often a lost swap is tried again."""
CONFIRM: Final = 2.0
"""Seconds between the two looks that make an incomplete claim void: a slow server may still be writing it."""

_BLOCKING: Final = frozenset({Standing.LIVE, Standing.FORMING, Standing.NEWER, Standing.MALFORMED})


class Request(NamedTuple):
    """What is asked for.

    Args:
        resources: everything the work needs.
        ttl: how long the lease runs.
        extend: whether claims already held are renewed to that length too.
        purpose: what for.
        branch: the branch the work goes to, if known.
        base: the commit the work begins at, if known.
        patterns: the pathspecs some of the resources were expanded from.
        widen: whether narrower claims of this session may be given up for this one.
    """

    resources: tuple[Resource, ...]
    ttl: timedelta
    extend: bool = False
    purpose: str = ""
    branch: str | None = None
    base: Oid | None = None
    patterns: tuple[str, ...] = ()
    widen: bool = False


class Held(NamedTuple):
    """The session holds everything it asked for.

    Args:
        holdings: the claims that cover it, the one just taken first.
        new: whether the first of them was just taken.
        removed: what died and was removed or replaced on the way.
    """

    holdings: tuple[Holding, ...]
    new: bool
    removed: tuple[Found, ...] = ()


class Blocker(NamedTuple):
    """Why one resource can't be had.

    Args:
        resource: what was asked for.
        reason: `HELD`, `WITHIN`, `CONTAINS` or `MALFORMED`.
        found: what stands in the way.
    """

    resource: Resource
    reason: Reason
    found: Found


class Denied(NamedTuple):
    """Somebody else holds something of it; nothing was taken.

    Args:
        blockers: what stands in the way, at least one.
        given_up: resources of this session that widening gave up and could not take back.
    """

    blockers: tuple[Blocker, ...]
    given_up: tuple[Resource, ...] = ()


TakeOutcome = Held | Denied


class Situation(NamedTuple):
    """What a view means for a request.

    Args:
        blockers: what excludes it.
        covering: this session's live claims that cover some of it.
        narrower: this session's live claims below something of it.
        dead: what died and is in the way.
        free: the resources that nothing of this session covers yet.
    """

    blockers: tuple[Blocker, ...]
    covering: tuple[Found, ...]
    narrower: tuple[Found, ...]
    dead: tuple[Found, ...]
    free: tuple[Resource, ...]


def take(registry: Registry, request: Request) -> TakeOutcome:
    """Take everything asked for, or nothing.

    Raises:
        UsageError: nothing, or more than one claim can carry, was asked for.
        GitclaimError: the registry refused, a narrower claim of this session is in the way, the clock is suspect.
        UnreachableError: the registry could not be reached; nothing was taken.
        UnknownOutcomeError: the registry could not be reached after the claim was sent.
    """
    resources = reduced(request.resources)
    if not resources:
        raise UsageError("nothing to take", hint="name a path, task:ID, topic:WORDS or lane:NAME")
    if len(resources) > RESOURCE_LIMIT:
        raise UsageError(
            f"{len(resources)} resources are too many for one claim", hint="claim the directory they lie in"
        )
    return _Taking(registry, request._replace(resources=resources)).run()


def wait_and_take(
    registry: Registry, request: Request, *, wait: timedelta, waiting: Callable[[Denied, timedelta], None]
) -> TakeOutcome:
    """Take as `take` does; when denied, try again until it is held or that long has passed.

    Args:
        registry: where.
        request: what.
        wait: how long at most.
        waiting: called before each pause, with what is in the way and how long is left to wait.
    """
    deadline = registry.clock.now() + wait
    pause = 1.0
    while True:
        outcome: TakeOutcome | None = None
        try:
            outcome = take(registry, request)
        except UnreachableError:
            # A wait outlives a network that is gone for a moment; only its end tells.
            if registry.clock.now() + timedelta(seconds=pause) >= deadline:
                raise
        left = deadline - registry.clock.now()
        if isinstance(outcome, Held) or (outcome and (outcome.given_up or left <= timedelta(0))):
            return outcome
        if outcome:
            waiting(outcome, left)
        registry.clock.sleep(_pause(outcome, registry, pause, left))
        pause = min(pause * 1.5, 15.0)


def situation(found: Iterable[Found], request: Request, registry: Registry) -> Situation:
    """What was found, sorted by what it means for the request.

    Signatures are looked at only where the answer hangs on them: on claims that would block, and on claims that carry
    this session's name although this clone did not write them.
    """
    listed = list(found)
    written_here = set(registry.ledger.held().values()) if listed else set()
    doubtful = [one for one in listed if one.standing in _BLOCKING and one.claim and one.oid not in written_here]
    judged = {one.ref: one for one in registry.judged(doubtful)} if doubtful else {}
    blockers: list[Blocker] = []
    covering: dict[RefName, Found] = {}
    narrower: dict[RefName, Found] = {}
    dead: dict[RefName, Found] = {}
    free = []
    for resource in request.resources:
        covered = False
        for seen in in_the_way(listed, resource):
            one = judged.get(seen.ref, seen)
            mine = one.claim is not None and one.claim.session == registry.session
            if one.standing not in _BLOCKING:
                dead[one.ref] = one
            elif not mine or one.standing is not Standing.LIVE:
                blockers.append(Blocker(resource, _reason(one, resource), one))
            elif covers(one, resource):
                covering[one.ref] = one
                covered = True
            else:
                narrower[one.ref] = one
        if not covered:
            free.append(resource)
    return Situation(
        tuple(blockers), tuple(covering.values()), tuple(narrower.values()), tuple(dead.values()), tuple(free)
    )


def remove_strays(registry: Registry, refs: Iterable[RefName], oid: Oid) -> None:
    """Remove what a torn transaction left of an object of ours; by exact id, so that nobody else's goes."""
    strays = [ref for ref, at in registry.store.exact(refs).items() if at == oid]
    if strays:
        registry.store.swap_each([Swap(ref, oid, ABSENT) for ref in strays])


def settle(registry: Registry, message: str, *, doing: str) -> None:
    """Read the registry again after an answer was lost.

    Raises:
        UnknownOutcomeError: it can't be read either.
    """
    for attempt in range(ATTEMPTS):
        try:
            registry.store.sync()
        except UnreachableError:
            if attempt + 1 == ATTEMPTS:
                break
            registry.clock.sleep(backoff(registry, attempt))
        else:
            return
    raise UnknownOutcomeError(
        f"the registry's answer was lost ({message}) and it can't be read again: whether {doing} is not known",
        hint="run the same command again when the registry answers: it finds out",
    )


def happened(registry: Registry, swaps: Sequence[Swap]) -> bool:
    """Whether the view shows the new values of all swaps."""
    at = registry.store.exact(swap.ref for swap in swaps)
    return all(at.get(swap.ref, ABSENT) == swap.new for swap in swaps)


def backoff(registry: Registry, attempt: int) -> float:
    """Seconds to wait before trying again: up to 50 ms at first, doubling, all of it jitter."""
    return registry.jitter() * 0.05 * (1 << attempt)


class _Step(Enum):
    AGAIN = auto()
    SYNC = auto()
    TRY = auto()


class _Taking:
    """One take under way: what it learned between its attempts.

    Args:
        registry: where.
        request: what; widening adds to it.
    """

    def __init__(self, registry: Registry, request: Request) -> None:
        self.registry = registry
        self.request = request
        self.fresh = False
        self.confirmed: set[Oid] = set()
        self.removed: dict[Oid, Found] = {}
        self.given_up: tuple[Holding, ...] = ()
        self.taken: Holding | None = None
        self.renewed: set[Oid] = set()
        self.refusal = ""

    def run(self) -> TakeOutcome:
        try:
            outcome = self._decide()
        except GitclaimError as error:
            lost = self._undo()
            if lost:
                names = ", ".join(resource.text for resource in lost)
                error.hint = f"{names} was given up to widen, and could not be taken back; {error.hint or 'try again'}"
            raise
        return outcome._replace(given_up=self._undo()) if isinstance(outcome, Denied) else outcome

    def _decide(self) -> TakeOutcome:
        for attempt in range(ATTEMPTS + 1):
            seen = self._look()
            step = self._answer(seen, last=attempt == ATTEMPTS)
            if step is _Step.SYNC:
                self._sync()
                seen = self._look()
                step = self._answer(seen, last=attempt == ATTEMPTS)
            if isinstance(step, Held | Denied):
                return step
            if attempt == ATTEMPTS:
                break
            # Widening changes the request: it is decided again, with all of it.
            if step is _Step.TRY and self._clear(seen) and (seen.narrower or self._progress(seen)):
                if self.taken and not seen.covering and not seen.narrower:
                    return Held((self.taken,), new=True, removed=tuple(self.removed.values()))
                continue
            self.registry.clock.sleep(backoff(self.registry, attempt))
            if step is _Step.AGAIN:
                self._sync()
        raise GitclaimError(
            f"could not take it: the registry refused {ATTEMPTS} times{f' ({self.refusal})' if self.refusal else ''}",
            hint="gitclaim doctor tells whether this registry accepts claims",
        )

    def _look(self) -> Situation:
        refs = [resource.ref for resource in self.request.resources]
        return situation(self.registry.look(refs), self.request, self.registry)

    def _sync(self) -> None:
        self.registry.store.sync()
        self.fresh = True

    def _answer(self, seen: Situation, *, last: bool) -> TakeOutcome | _Step:
        """What the view says, or what to do next."""
        if seen.blockers:  # case 1
            if not self.fresh:
                return _Step.SYNC
            forming = all(blocker.found.standing is Standing.FORMING for blocker in seen.blockers)
            return Denied(seen.blockers) if last or not forming else _Step.AGAIN
        if not seen.free and not self._short(seen):  # case 2
            # What was taken or renewed a moment ago is known from the registry itself.
            return self._held(seen) if self.fresh or self.taken else _Step.SYNC
        if seen.narrower and not self.request.widen:
            mine = ", ".join(sorted({one.claim.title for one in seen.narrower if one.claim}))
            raise GitclaimError(
                f"this session already holds {mine}, which lies inside of what it asks for",
                hint="add --widen to give that up and take the wider claim in its place",
            )
        if (seen.dead or seen.narrower or seen.covering) and not self.fresh:  # case 3, or a part is held already
            return _Step.SYNC  # What an old view shows is no evidence.
        return _Step.TRY  # case 4

    def _clear(self, seen: Situation) -> bool:
        """Remove what is dead above and below, and what is narrower; whether all of it is gone."""
        if seen.dead and not self._proven(seen.dead):
            return False
        asked = {resource.ref for resource in seen.free}
        gone = [one for one in seen.dead if one.ref not in asked]
        if gone:
            outcomes = self.registry.store.swap_each([Swap(one.ref, one.oid, ABSENT) for one in gone])
            if not all(isinstance(outcome, Swapped) for outcome in outcomes.values()):
                self._sync()
                return False
            self.removed.update({one.oid: one for one in gone})
        return self._widen(seen) if seen.narrower else True

    def _proven(self, dead: Sequence[Found]) -> bool:
        """Whether what looks dead by the clock is dead; if not, decide again.

        Raises:
            GitclaimError: the clock is suspect.
        """
        registry = self.registry
        if any(one.standing is not Standing.UNTRUSTED for one in dead):
            registry.check_clock(registry.look_all())
        doubtful = {one.oid for one in dead if one.standing is Standing.VOID} - self.confirmed
        if doubtful:
            registry.clock.sleep(CONFIRM)
            self._sync()
            self.confirmed |= doubtful & {one.oid for one in self._look().dead if one.standing is Standing.VOID}
        return not doubtful

    def _widen(self, seen: Situation) -> bool:
        """Release the narrower claims; their other resources join the request."""
        narrower = {one.claim.id: Holding(one.claim, one.oid) for one in seen.narrower if one.claim}
        swaps: list[Swap] = []
        for holding in narrower.values():
            ending = self.registry.ending(holding, self.registry.parts(holding.claim))
            self.registry.check_key(holding.oid, {swap.new for swap in ending if swap.new is not ABSENT})
            swaps += ending
        if not self._landed(swaps):
            return False
        self.given_up = tuple(narrower.values())
        for claim in narrower:
            self.registry.ledger.forget(claim)
        others = (resource for holding in narrower.values() for resource in holding.claim.resources)
        self.request = self.request._replace(resources=reduced([*self.request.resources, *others]))
        return True

    def _undo(self) -> tuple[Resource, ...]:
        """All or nothing: release what was taken for a part, and get back what widening gave up; what can't be had."""
        lost: list[Resource] = []
        try:
            if self.taken:
                remove_strays(self.registry, self.taken.claim.refs, self.taken.oid)
                self.registry.ledger.forget(self.taken.claim.id)
            for holding in self.given_up:
                if not self._take_back(holding.claim):
                    lost.extend(holding.claim.resources)
        except GitclaimError:
            # The lease ends what could not be released; what was given up is told before what went wrong here.
            return tuple(resource for holding in self.given_up for resource in holding.claim.resources)
        return tuple(lost)

    def _take_back(self, claim: Claim) -> bool:
        """Try to get what widening gave up, as it was."""
        back = Request(
            claim.resources,
            claim.expires - self.registry.clock.now(),
            purpose=claim.purpose,
            branch=claim.branch,
            base=claim.base,
            patterns=claim.patterns,
        )
        try:
            return back.ttl > timedelta(0) and isinstance(_Taking(self.registry, back).run(), Held)
        except GitclaimError:
            return False

    def _held(self, seen: Situation) -> Held:
        holdings = _holdings(seen.covering)
        # Adopted: what another process of this session took, or another session gave to it.
        for holding in holdings:
            self.registry.ledger.record(holding.claim.id, holding.oid)
        newest_first = sorted(holdings, key=lambda holding: holding != self.taken)
        return Held(tuple(newest_first), new=self.taken is not None, removed=tuple(self.removed.values()))

    def _short(self, seen: Situation) -> dict[ClaimId, Holding]:
        """The claims that cover some of it and end too early: before the lease asked for, or a while ago."""
        now = whole_seconds(self.registry.clock.now())
        # A claim that was taken a second ago with this very length is long enough.
        end = lease_end(now, self.request.ttl) - timedelta(seconds=ATTEMPTS) if self.request.extend else now
        covering = {one.claim.id: Holding(one.claim, one.oid) for one in seen.covering if one.claim}
        return {
            claim: holding
            for claim, holding in covering.items()
            if holding.claim.expires <= end and holding.oid not in self.renewed
        }

    def _progress(self, seen: Situation) -> bool:
        """Take what is free, else renew what is short; whether that was done."""
        return self._take(seen) if seen.free else all(map(self._renew, self._short(seen).values()))

    def _take(self, seen: Situation) -> bool:
        now = whole_seconds(self.registry.clock.now())
        asked = {resource.ref for resource in seen.free}
        replaced = {one.ref: one for one in seen.dead if one.ref in asked}
        holding = self._written(seen.free, replaced.values(), now)
        swaps = []
        for ref in holding.claim.refs:
            expected: Value = replaced[ref].oid if ref in replaced else ABSENT
            swaps.append(Swap(ref, expected, holding.oid))
        if not self._landed(swaps):
            remove_strays(self.registry, holding.claim.refs, holding.oid)
            return False
        self.taken = holding
        self.removed.update({one.oid: one for one in replaced.values()})
        self.registry.ledger.record(holding.claim.id, holding.oid)
        for one in replaced.values():
            if one.claim and one.claim.session == self.registry.session:
                # Taken anew, and not lost: nobody has to be told of it again.
                self.registry.ledger.forget(one.claim.id)
        # It was long under way (a machine that slept): its lease is part gone, and others may already have set out to
        # remove what looked like a claim nobody finished. They miss a new object.
        return self.registry.clock.now() < now + FORMING or self._renew(holding)

    def _renew(self, holding: Holding) -> bool:
        now = whole_seconds(self.registry.clock.now())
        longer = renewal(holding.claim, now, self.request.ttl)
        oid = self.registry.objects.write(format_claim(longer, action="renew"), parent=holding.oid, at=now)
        self.registry.check_key(holding.oid, [oid])
        parts = self.registry.parts(longer)
        if len(parts) < len(longer.refs) or not self._landed([Swap(ref, old, oid) for ref, old in parts.items()]):
            return False
        self.renewed.add(oid)
        if self.taken and self.taken.claim.id == longer.id:
            self.taken = Holding(longer, oid)
        self.registry.ledger.record(longer.id, oid)
        return True

    def _written(self, free: tuple[Resource, ...], replaced: Iterable[Found], now: datetime) -> Holding:
        claim = Claim(
            id=self.registry.new_id(),
            session=self.registry.session,
            resources=free,
            taken=now,
            expires=lease_end(now, self.request.ttl),
            purpose=self.request.purpose,
            branch=self.request.branch,
            base=self.request.base,
            patterns=self.request.patterns,
        )
        notes = sorted({("Replaces", f"{one.oid} {one.standing.value}") for one in replaced})
        oid = self.registry.objects.write(format_claim(claim, notes=notes), parent=None, at=now)
        self.registry.check_counts(oid)
        return Holding(claim, oid)

    def _landed(self, swaps: Sequence[Swap]) -> bool:
        """Whether the swaps are in the registry, whatever became of the answer."""
        match self.registry.store.swap(swaps):
            case Swapped():
                return True
            case Refused(message, final) if final:
                raise GitclaimError(message, hint="take one resource at a time, or use another registry")
            case Refused(message):
                self.refusal = message
            case Unknown(message):  # case 6
                until = show_duration(self.request.ttl)
                settle(self.registry, message, doing=f"the claim was taken (it would end in {until})")
            case Lost():
                pass
        # Case 5. The view was read again; if all refs carry what we sent, it was not lost after all.
        self.fresh = True
        return happened(self.registry, swaps)


def _reason(found: Found, resource: Resource) -> Reason:
    return Reason.MALFORMED if found.standing is Standing.MALFORMED else relation(found, resource.ref)


def _holdings(found: Iterable[Found]) -> tuple[Holding, ...]:
    return tuple({one.oid: Holding(one.claim, one.oid) for one in found if one.claim}.values())


def _pause(denied: Denied | None, registry: Registry, pause: float, left: timedelta) -> float:
    """Seconds until the next try: no later than the first moment at which a blocker can be taken over."""
    now = registry.clock.now()
    ends = [
        (one.found.claim.lapses() - now).total_seconds() + registry.jitter()
        for one in (denied.blockers if denied else ())
        if one.found.claim
    ]
    soonest = min([pause * (0.5 + registry.jitter()), left.total_seconds(), *(end for end in ends if end > 0)])
    return max(soonest, 0.05)
