"""The registry as one session sees it: what stands there, and how it stands."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Final, NamedTuple

from gitclaim.claim import (
    GRACE,
    LONGEST_LEASE,
    Claim,
    Commit,
    MalformedError,
    NewerFormatError,
    parse_claim,
    parse_commit,
    show_time,
)
from gitclaim.clock import Clock
from gitclaim.errors import GitclaimError
from gitclaim.names import ClaimId, Oid, RefName, Session
from gitclaim.record import Broken, broken_ref, parse_broken
from gitclaim.refstore.contract import Ledger, ObjectStore, RefStore, Signature, Verdict, Verifier, neighbourhood
from gitclaim.resources import CLAIMS, Resource

FORMING: Final = timedelta(seconds=30)
"""How long an incomplete claim may be one that is just being written."""


class Standing(Enum):
    """How what stands at a ref stands.

    `LIVE` and `NEWER` (a later format) exclude others; so does `FORMING`, which is incomplete but young. `EXPIRED`,
    `VOID` (incomplete and old) and `UNTRUSTED` (a bad signature) may be removed by anyone, by exact id. `MALFORMED` is
    no claim at all: it is in the way until it is swept.
    """

    LIVE = "live"
    FORMING = "forming"
    EXPIRED = "expired"
    VOID = "void"
    UNTRUSTED = "untrusted"
    NEWER = "newer"
    MALFORMED = "malformed"


class Found(NamedTuple):
    """What stands at one ref.

    Args:
        ref: the ref.
        oid: the object there.
        standing: how it stands.
        claim: what it says, if it is a claim.
        written: when it was written by its writer's clock, if it says so.
        note: why it stands as it does, one printable line; empty when that needs no words.
        verdict: the verdict on its signature, None before anybody asked.
    """

    ref: RefName
    oid: Oid
    standing: Standing
    claim: Claim | None = None
    written: datetime | None = None
    note: str = ""
    verdict: Verdict | None = None


class Holding(NamedTuple):
    """A claim and the object that carries it.

    Args:
        claim: what it says.
        oid: the object at all its refs.
    """

    claim: Claim
    oid: Oid


class Step(NamedTuple):
    """One step of a claim's life: it was taken, renewed or given.

    Args:
        claim: what it said from then on.
        written: when, by its writer's clock.
        parent: the step before, if there was one.
    """

    claim: Claim
    written: datetime
    parent: Oid | None


class Registry(NamedTuple):
    """Everything a rule needs: where claims stand, how they are written and judged, who we are, what time it is.

    Args:
        name: the registry's name, to say to people.
        session: who asks.
        store: the refs.
        objects: the claim objects.
        verifier: the verdicts on signatures.
        ledger: what this session last wrote.
        clock: the time.
        nonce: ten fresh random bytes, a call each.
        jitter: a fresh number from 0 to 1, a call each.
    """

    name: str
    session: Session
    store: RefStore
    objects: ObjectStore
    verifier: Verifier
    ledger: Ledger
    clock: Clock
    nonce: Callable[[], bytes]
    jitter: Callable[[], float]

    def new_id(self) -> ClaimId:
        """An id no other claim has."""
        return ClaimId.made(int(self.clock.now().timestamp() * 1000), self.nonce())

    def look(self, refs: Iterable[RefName]) -> list[Found]:
        """What stands at, above and below these refs, from the store's view."""
        return self.read(neighbourhood(self.store, refs))

    def look_all(self) -> list[Found]:
        """What stands anywhere, from the store's view."""
        return self.read(self.store.below([CLAIMS]))

    def read(self, refs: Mapping[RefName, Oid]) -> list[Found]:
        """What stands at these refs, given what they point at."""
        parsed = self._parse(refs.values())
        wanted = {ref for _, claim, _ in parsed.values() if claim for ref in claim.refs} - refs.keys()
        current = {**self.store.exact(wanted), **refs} if wanted else refs
        # A renewal that is just being written, or was cut short, shows two objects of one claim.
        everything = {**parsed, **self._parse(set(current.values()) - parsed.keys())}
        carried = {ref: _holder(everything[oid]) for ref, oid in current.items()}
        now = self.clock.now()
        return [_found(ref, oid, parsed[oid], carried, now) for ref, oid in refs.items()]

    def judged(self, found: Iterable[Found]) -> list[Found]:
        """The same with the verdicts on their signatures; a claim with a bad one is `UNTRUSTED`."""
        listed = list(found)
        verdicts = self.verifier.verify(one.oid for one in listed if one.claim)
        return [with_verdict(one, verdicts.get(one.oid)) for one in listed]

    def recalled(self, found: Iterable[Found]) -> list[Found]:
        """The same with the verdicts that cost nothing, because they were given before."""
        listed = list(found)
        verdicts = self.verifier.remembered(one.oid for one in listed if one.claim)
        return [with_verdict(one, verdicts.get(one.oid)) for one in listed]

    def holdings(self, oids: Iterable[Oid]) -> list[Holding]:
        """The claims these objects are, as far as they are here and are claims."""
        return [Holding(claim, oid) for oid, (_, claim, _) in self._parse(oids).items() if claim]

    def step(self, oid: Oid) -> "Step | None":
        """One step of a claim's life, if that object is one and is here."""
        commit, claim, _ = self._parse([oid])[oid]
        if commit is None or claim is None:
            return None
        return Step(claim, commit.written, next(iter(commit.parents), None))

    def parts(self, claim: Claim) -> dict[RefName, Oid]:
        """The refs that carry the claim for its session, from the store's view.

        All the same object, unless a renewal was cut short half-way.
        """
        at = self.store.exact(claim.refs)
        parsed = self._parse(at.values())
        return {ref: oid for ref, oid in at.items() if _holder(parsed[oid]) == (claim.id, claim.session)}

    def broken(self, claim: ClaimId) -> Broken | None:
        """The record that this claim was broken, from the store's view."""
        at = self.store.exact([broken_ref(claim)])
        for content in self.objects.read(at.values()).values():
            if isinstance(content, bytes):
                try:
                    return parse_broken(parse_commit(content).message)
                except MalformedError:
                    return None
        return None

    def check_clock(self, found: Iterable[Found]) -> None:
        """Make sure that no claim is dated in this machine's future, before time is taken as evidence.

        Raises:
            GitclaimError: one is, beyond the grace and with a signature: either clock may be the wrong one.
        """
        now = self.clock.now()
        for one in self.judged(one for one in found if _dated(one) > now + GRACE):
            if one.claim and one.standing is not Standing.UNTRUSTED:
                raise GitclaimError(
                    f"this machine's clock is suspect: it says {show_time(now)}, but the claim of {one.claim.session} "
                    f"on {one.claim.title} is dated {show_time(_dated(one))}",
                    hint="nothing was taken over or swept; set this clock, or if it is right, break that claim",
                )

    def _parse(self, oids: Iterable[Oid]) -> dict[Oid, "_Parsed"]:
        return {oid: _parsed(content, self.objects.empty_tree) for oid, content in self.objects.read(oids).items()}


def with_verdict(found: Found, verdict: Verdict | None) -> Found:
    """What was found, with the verdict on its signature."""
    if verdict is None or found.claim is None or found.standing is Standing.MALFORMED:
        return found
    if verdict.signature is Signature.BAD:
        note = "its signature is not good"
        return found._replace(standing=Standing.UNTRUSTED, verdict=verdict, note=note)
    return found._replace(verdict=verdict)


def in_the_way(found: Iterable[Found], resource: Resource) -> list[Found]:
    """Those that exclude a claim on the resource: at its ref, above it, below it."""
    ref = resource.ref
    return [one for one in found if one.ref == ref or ref.startswith(f"{one.ref}/") or one.ref.startswith(f"{ref}/")]


def covers(found: Found, resource: Resource) -> bool:
    """Whether what was found stands at the resource's ref or above it."""
    return resource.ref == found.ref or resource.ref.startswith(f"{found.ref}/")


_Parsed = tuple[Commit | None, Claim | None, str]


def _parsed(content: bytes | str, empty_tree: str) -> _Parsed:
    """The commit and the claim in an object, and what is odd about it; a newer format is a commit without a claim."""
    if isinstance(content, str):
        return None, None, content
    commit: Commit | None = None
    try:
        commit = parse_commit(content)
        claim = parse_claim(commit.message)
    except NewerFormatError as error:
        return commit, None, f"{error}: upgrade gitclaim"
    except MalformedError as error:
        return None, None, str(error)
    if commit.tree != empty_tree:
        return None, None, "a commit with files, not a claim"
    if claim.expires - commit.written > LONGEST_LEASE + GRACE:
        return None, None, "its lease is longer than any registry accepts"
    return commit, claim, ""


def _holder(parsed: _Parsed) -> tuple[ClaimId, Session] | None:
    """Which claim an object carries, and for whom."""
    claim = parsed[1]
    return (claim.id, claim.session) if claim else None


def _dated(found: Found) -> datetime:
    """The latest date a claim gives itself."""
    dates = [found.written, found.claim.taken] if found.claim else []
    return max((date for date in dates if date), default=datetime.min.replace(tzinfo=UTC))


_Carried = Mapping[RefName, tuple[ClaimId, Session] | None]


def _found(ref: RefName, oid: Oid, parsed: _Parsed, carried: _Carried, now: datetime) -> Found:
    commit, claim, note = parsed
    if commit is None:
        return Found(ref, oid, Standing.MALFORMED, note=note)
    if claim is None:
        return Found(ref, oid, Standing.NEWER, written=commit.written, note=note)
    if ref not in claim.refs:
        note = f"a claim on {claim.title}, copied to a ref it does not list"
        return Found(ref, oid, Standing.MALFORMED, note=note, written=commit.written)
    missing = [other for other in claim.refs if carried.get(other) != (claim.id, claim.session)]
    standing = Standing.LIVE
    if now >= claim.lapses():
        standing = Standing.EXPIRED
    elif missing:
        standing = Standing.FORMING if now < commit.written + FORMING else Standing.VOID
        note = f"incomplete: {missing[0]} does not carry it"
    return Found(ref, oid, standing, claim, commit.written, note)
