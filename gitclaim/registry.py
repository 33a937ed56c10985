"""The registry as one session sees it: what stands there, and how it stands."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
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
    signed_part,
    whole_seconds,
)
from gitclaim.clock import Clock
from gitclaim.errors import GitclaimError, Reason
from gitclaim.names import ClaimId, Oid, RefName, Session, printable
from gitclaim.record import (
    Broken,
    Landing,
    Released,
    broken_ref,
    format_released,
    landings,
    parse_broken,
    parse_released,
    released_ref,
)
from gitclaim.refstore.contract import (
    ABSENT,
    Ledger,
    ObjectStore,
    RefStore,
    Signature,
    Swap,
    Verdict,
    Verifier,
    neighbourhood,
)
from gitclaim.resources import CLAIMS, Resource, is_above

FORMING: Final = timedelta(seconds=30)
"""How long an incomplete claim may be one that is just being written."""


class Standing(Enum):
    """How what stands at a ref stands.

    `LIVE` and `NEWER` (a later format) exclude others; so does `FORMING`, which is incomplete but young. `EXPIRED`,
    `VOID` (incomplete and old) and `UNTRUSTED` (a bad signature, a key that does not count, a claim that ended and was
    pushed back) may be removed by anyone, by exact id. `MALFORMED` is no claim at all: it is in the way until it is
    swept.
    """

    LIVE = "live"
    FORMING = "forming"
    EXPIRED = "expired"
    VOID = "void"
    UNTRUSTED = "untrusted"
    NEWER = "newer"
    MALFORMED = "malformed"


_EXCLUDING: Final = frozenset({Standing.LIVE, Standing.FORMING})


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
        parents: the objects it follows: the step before, of a claim that was renewed or given.
    """

    ref: RefName
    oid: Oid
    standing: Standing
    claim: Claim | None = None
    written: datetime | None = None
    note: str = ""
    verdict: Verdict | None = None
    parents: tuple[Oid, ...] = ()


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
        oid: the object.
        claim: what it said from then on.
        written: when, by its writer's clock.
        landings: what its holder landed with it.
    """

    oid: Oid
    claim: Claim
    written: datetime
    landings: tuple[Landing, ...] = ()


class Holder(NamedTuple):
    """Whose a claim is, by the signatures on the steps of its life.

    Args:
        key: the fingerprint of the key that may renew, release and give it; empty where it is bound to none, and where
            that can't be told.
        sound: whether each step was signed by the key that might take it.
        bound: whether it is bound to a key; not, where it was given and who it was given to has not gone on with it.
    """

    key: str
    sound: bool
    bound: bool = True

    @property
    def told(self) -> bool:
        """Whether it can be told whose it is."""
        return bool(self.key) or not self.bound

    def may_end(self, claim: Claim, key: str, by: Session) -> bool:
        """Whether the holder ended that claim, if that key signed the record and that session is named in it."""
        return key == self.key if self.key else not self.bound and by == claim.session


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
        parsed = self.parsed(refs.values())
        wanted = {ref for _, claim, _ in parsed.values() if claim for ref in claim.refs} - refs.keys()
        current = {**self.store.exact(wanted), **refs} if wanted else refs
        # A renewal that is just being written, or was cut short, shows two objects of one claim.
        everything = {**parsed, **self.parsed(set(current.values()) - parsed.keys())}
        carried = {ref: _holder(everything[oid]) for ref, oid in current.items()}
        now = self.clock.now()
        return [_found(ref, oid, parsed[oid], carried, now) for ref, oid in refs.items()]

    def judged(self, found: Iterable[Found]) -> list[Found]:
        """The same with the verdicts on their signatures.

        A claim with a bad one is `UNTRUSTED`; so is one whose key does not count here, one that another key than its
        holder's went on with, and one that ended and was pushed back.
        """
        listed = list(found)
        verdicts = self.verifier.verify(one.oid for one in listed if one.claim)
        judged = [with_verdict(one, verdicts.get(one.oid)) for one in listed]
        worthless = self._worthless([one for one in judged if one.standing in _EXCLUDING])
        return [
            one._replace(standing=Standing.UNTRUSTED, note=worthless[one.oid]) if one.oid in worthless else one
            for one in judged
        ]

    def recalled(self, found: Iterable[Found]) -> list[Found]:
        """The same with the verdicts that cost nothing, because they were given before."""
        listed = list(found)
        verdicts = self.verifier.remembered(one.oid for one in listed if one.claim)
        return [with_verdict(one, verdicts.get(one.oid)) for one in listed]

    def holdings(self, oids: Iterable[Oid]) -> list[Holding]:
        """The claims these objects are, as far as they are here and are claims."""
        return [Holding(claim, oid) for oid, (_, claim, _) in self.parsed(oids).items() if claim]

    def life(self, oid: Oid) -> list[Step]:
        """The steps of a claim's life up to that object, youngest first."""
        lineage = self.objects.lineage(oid)
        contents = self.objects.read(lineage)
        steps: list[Step] = []
        for one in lineage:
            commit, claim, _ = _parsed(contents[one], self.objects.empty_tree)
            if commit is None or claim is None or (steps and steps[-1].claim.id != claim.id):
                break
            steps.append(Step(one, claim, commit.written, landings(commit.message)))
        return steps

    def landed(self, oid: Oid) -> list[Oid]:
        """The commits that were landed under the claim that object carries."""
        return [landing.oid for step in self.life(oid) for landing in step.landings]

    def landings(self, oid: Oid) -> tuple[Landing, ...]:
        """What a claim or the record of its release vouches for."""
        return landings(self._message(oid))

    def holder(self, oid: Oid) -> Holder:
        """Whose the claim is that this object carries.

        The key that took it may go on with it. Who it was given to binds it to a key of theirs by going on with it, in
        their own name. Until they did, only the key that gave it can give it to another: by any other key that would
        look like theft.
        """
        steps = self.life(oid)[::-1]
        verdicts = self.verifier.verify(step.oid for step in steps)
        key, kind, told, bound, sound = "", None, False, False, True
        session = steps[0].claim.session if steps else self.session
        for step in steps:
            signed = verdicts[step.oid]
            given = step.claim.session != session
            if bound or given:
                sound = sound and _may_be(signed, key, kind)
                key, kind = key or signed.key, signed.ssh if kind is None else kind
            else:
                key, kind, told = signed.key, signed.ssh, signed.signature is Signature.GOOD
            sound = sound and signed.signature is not Signature.BAD
            bound, session = not given, step.claim.session
        return Holder(key if bound and told else "", sound, bound)

    def check_key(self, before: Oid, after: Iterable[Oid]) -> None:
        """Make sure that this session signs with the key that may go on with a claim.

        Args:
            before: the claim as it stands.
            after: what was written to go on with it.

        Raises:
            GitclaimError: it signs with another: nobody would believe it.
        """
        listed = list(after)
        verdicts = self.verifier.verify([before, *listed])
        for oid in listed:
            self.check_counts(oid)
        keys = {verdicts[oid].key for oid in listed if verdicts[oid].signature is Signature.GOOD}
        was = verdicts[before]
        if was.signature is not Signature.GOOD or keys <= {was.key}:
            return
        holder = self.holder(before)
        if holder.key and keys != {holder.key}:
            raise GitclaimError(
                f"that claim is bound to the key {holder.key}, and this clone signs with {', '.join(sorted(keys))}",
                hint="do it in the clone that took it, or sign with that key again; gitclaim break --reason removes it",
            )
        if not holder.bound and not all(self.holder(after.oid).sound for after in self.holdings(listed)):
            raise GitclaimError(
                "that claim was given to this session, which has not gone on with it yet: nobody could tell that from "
                "theft",
                hint="gitclaim renew, and then again",
            )

    def check_counts(self, oid: Oid) -> None:
        """Make sure that what this session has just signed counts here.

        Raises:
            GitclaimError: its key does not: nobody would believe it.
        """
        if self.verifier.selective and not (signed := self.verifier.verify([oid])[oid]).trusted:
            raise GitclaimError(
                f"this clone's signatures do not count here: {signed.key or 'nobody vouches for its key'}",
                hint="gitclaim trust shows who decided that, and whose do; a maintainer can add the key there",
            )

    def own_key(self) -> Verdict:
        """The key this session signs with, and whether it counts."""
        # Something to look at, which is never put anywhere.
        oid = self.objects.write("gitclaim trust\n", parent=None, at=whole_seconds(self.clock.now()))
        return self.verifier.verify([oid])[oid]

    def keys_of(self, session: str) -> list[str]:
        """The keys that signed the live claims of that session, from the store's view."""
        oids = [one.oid for one in self.look_all() if one.claim and one.claim.session == session]
        verdicts = self.verifier.verify(oids).values()
        return sorted({one.key for one in verdicts if one.signature is Signature.GOOD and one.key})

    def ending(self, holding: Holding, parts: Mapping[RefName, Oid], landed: Iterable[Landing] = ()) -> list[Swap]:
        """The swaps that give a claim up: its refs go, and a record says that its holder gave it up.

        Args:
            holding: the claim.
            parts: what each of its refs carries.
            landed: what lands together with that.
        """
        claim, now, told = holding.claim, self.clock.now(), tuple(landed)
        until = self.worthless_from(holding)
        gone = [Swap(ref, oid, ABSENT) for ref, oid in parts.items()]
        if now >= until and not told:
            # It is worth nothing any more.
            return gone
        record = Released(claim.id, holding.oid, self.session, until, told)
        message = format_released(record, title=claim.title)
        oid = self.objects.write(message, parent=holding.oid, at=whole_seconds(now))
        ref = released_ref(claim.id)
        # It stands there if an earlier attempt got no further, as it may where pushes are not atomic.
        known = self.store.exact([ref]).get(ref, ABSENT)
        return gone if known == oid else [Swap(ref, known, oid), *gone]

    def worthless_from(self, holding: Holding) -> datetime:
        """When all steps of a claim's life have lapsed: any of them may have had a longer lease than the last."""
        return max((step.claim.lapses() for step in self.life(holding.oid)), default=holding.claim.lapses())

    def parts(self, claim: Claim) -> dict[RefName, Oid]:
        """The refs that carry the claim for its session, from the store's view.

        All the same object, unless a renewal was cut short half-way.
        """
        at = self.store.exact(claim.refs)
        parsed = self.parsed(at.values())
        return {ref: oid for ref, oid in at.items() if _holder(parsed[oid]) == (claim.id, claim.session)}

    def broken(self, claim: ClaimId) -> Broken | None:
        """The record that this claim was broken, from the store's view."""
        records = self.store.exact([broken_ref(claim)])
        return next((parse_broken(self._message(oid)) for oid in records.values()), None)

    def released(self, claim: ClaimId) -> Released | None:
        """The record that this claim was released, from the store's view."""
        records = self.store.exact([released_ref(claim)])
        return next((parse_released(self._message(oid)) for oid in records.values()), None)

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

    def _worthless(self, found: Sequence[Found]) -> dict[Oid, str]:
        """Why claims whose signatures are not bad count for nothing, by their objects."""
        claims = {one.oid: one for one in found if one.claim}
        ids = {one.claim.id for one in claims.values() if one.claim}
        records = self.store.exact([ref for claim in ids for ref in (released_ref(claim), broken_ref(claim))])
        notes: dict[Oid, str] = {}
        for oid, one in claims.items():
            if one.claim is None:
                continue
            refs = (released_ref(one.claim.id), broken_ref(one.claim.id))
            said = (self._ended(oid, one.claim.id, records[ref]) for ref in refs if ref in records)
            note = next(filter(None, said), "")
            if not note and one.parents and not self.holder(oid).sound:
                note = "another key than its holder's went on with it"
            if note:
                notes[oid] = note
        return notes

    def _is_ended(self, oid: Oid, claim: ClaimId, last: Oid) -> bool:
        """Whether an object of a claim ended with the step a record names, the last one.

        That step did and all before it, in whatever bytes: a signature is no part of what is signed. So did all others
        of the key that held the claim then, which may have been pushed back, or lost, before the last one was written.
        """
        life = self.life(last)
        if not life or life[0].claim.id != claim:
            return False
        steps = [step.oid for step in life]
        if oid in steps:
            return True
        if last in self.objects.lineage(oid):
            return False
        contents = self.objects.read([oid, *steps])
        parts = {signed_part(content) for one in steps if isinstance(content := contents[one], bytes)}
        if isinstance(content := contents[oid], bytes) and signed_part(content) in parts:
            return True
        holder = self.holder(last)
        return holder.sound and bool(holder.key) and self.holder(oid).key == holder.key

    def _ended(self, oid: Oid, claim: ClaimId, at: Oid) -> str:
        """What a record says about an object that stands there although its claim ended; empty if it proves nothing."""
        message = self._message(at)
        record = parse_released(message) or parse_broken(message)
        if record is None or self.objects.lineage(at)[1:2] != [record.oid]:
            return ""
        signed = self.verifier.verify([at])[at]
        if signed.signature is not Signature.GOOD or not signed.trusted:
            return ""
        if not self._is_ended(oid, claim, record.oid):
            return ""
        if isinstance(record, Broken):
            return f"{record.by} broke it: {printable(record.reason)[:100]}"
        ended = self.parsed([record.oid])[record.oid].claim
        own = ended is not None and self.holder(record.oid).may_end(ended, signed.key, record.by)
        return "its holder released it, and somebody pushed it back" if own else ""

    def _message(self, oid: Oid) -> str:
        """The message of a commit; empty for what is none."""
        content = self.objects.read([oid])[oid]
        with suppress(MalformedError):
            return parse_commit(content).message if isinstance(content, bytes) else ""
        return ""

    def parsed(self, oids: Iterable[Oid]) -> dict[Oid, "Parsed"]:
        """What each of these objects is."""
        return {oid: _parsed(content, self.objects.empty_tree) for oid, content in self.objects.read(oids).items()}


def with_verdict(found: Found, verdict: Verdict | None) -> Found:
    """What was found, with the verdict on its signature."""
    if verdict is None or found.claim is None or found.standing is Standing.MALFORMED:
        return found
    if verdict.signature is Signature.BAD:
        note = "its signature is not good"
        return found._replace(standing=Standing.UNTRUSTED, verdict=verdict, note=note)
    if not verdict.trusted:
        note = f"its key is not trusted here: {verdict.key}" if verdict.key else "nobody vouches for its key"
        return found._replace(standing=Standing.UNTRUSTED, verdict=verdict, note=note)
    return found._replace(verdict=verdict)


def relation(found: Found, ref: RefName) -> Reason:
    """How what was found keeps others from a ref: `HELD` at it, `WITHIN` above it, `CONTAINS` below it."""
    if found.ref == ref:
        return Reason.HELD
    return Reason.CONTAINS if is_above(ref, found.ref) else Reason.WITHIN


def in_the_way(found: Iterable[Found], resource: Resource) -> list[Found]:
    """Those that exclude a claim on the resource: at its ref, above it, below it."""
    ref = resource.ref
    return [one for one in found if one.ref == ref or ref.startswith(f"{one.ref}/") or one.ref.startswith(f"{ref}/")]


def covers(found: Found, resource: Resource) -> bool:
    """Whether what was found stands at the resource's ref or above it."""
    return resource.ref == found.ref or resource.ref.startswith(f"{found.ref}/")


def _may_be(signed: Verdict, key: str, ssh: bool | None) -> bool:  # noqa: FBT001 - what a verdict says
    """Whether a signature may be by that key, as far as it and the kind of it are known."""
    if ssh is not None and signed.ssh not in {None, ssh}:
        # Another kind of key is another key, whatever can't be told of the signature itself.
        return False
    return not key or signed.key == key or signed.signature is Signature.UNKNOWN


class Parsed(NamedTuple):
    """What an object is.

    Args:
        commit: the commit; None for what is no claim at all.
        claim: the claim; None for what is none, or is in a newer format.
        note: what is odd about it, one printable line; empty for a claim.
    """

    commit: Commit | None
    claim: Claim | None
    note: str = ""


def _parsed(content: bytes | str, empty_tree: str) -> Parsed:
    """The commit and the claim in an object, and what is odd about it; a newer format is a commit without a claim."""
    if isinstance(content, str):
        return Parsed(None, None, content)
    commit: Commit | None = None
    try:
        commit = parse_commit(content)
        claim = parse_claim(commit.message)
    except NewerFormatError as error:
        return Parsed(commit, None, f"{error}: upgrade gitclaim")
    except MalformedError as error:
        return Parsed(None, None, str(error))
    if commit.tree != empty_tree:
        return Parsed(None, None, "a commit with files, not a claim")
    if claim.expires - commit.written > LONGEST_LEASE + GRACE:
        return Parsed(None, None, "its lease is longer than any registry accepts")
    return Parsed(commit, claim)


def _holder(parsed: Parsed) -> tuple[ClaimId, Session] | None:
    """Which claim an object carries, and for whom."""
    claim = parsed.claim
    return (claim.id, claim.session) if claim else None


def _dated(found: Found) -> datetime:
    """The latest date a claim gives itself."""
    dates = [found.written, found.claim.taken] if found.claim else []
    return max((date for date in dates if date), default=datetime.min.replace(tzinfo=UTC))


_Carried = Mapping[RefName, tuple[ClaimId, Session] | None]


def _found(ref: RefName, oid: Oid, parsed: Parsed, carried: _Carried, now: datetime) -> Found:
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
    return Found(ref, oid, standing, claim, commit.written, note, parents=commit.parents)
