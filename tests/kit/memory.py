"""A registry in memory for any number of sessions: real rules and real claim objects in microseconds.

world = World()
alice, bob = world.session("alice"), world.session("bob")
take(alice, asking("src"))
world.clock.pass_by(hours=2)
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha1, sha256
from itertools import count
from typing import Final, Literal

from gitclaim.claim import MESSAGE_LIMIT, Claim, format_claim, whole_seconds
from gitclaim.names import NOBODY, ClaimId, Oid, RefName, Session
from gitclaim.protocol import Request
from gitclaim.refstore.contract import (
    LINEAGE,
    Lost,
    Outcome,
    Refused,
    Signature,
    Swap,
    Swapped,
    Unknown,
    Value,
    Verdict,
)
from gitclaim.refstore.memory import MemoryRefs, MemoryStore
from gitclaim.registry import Registry
from gitclaim.resources import Resource, parse_argument
from gitclaim.trust import Trust, TrustMode

EMPTY_TREE: Final = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
START: Final = datetime(2026, 11, 21, 3, 0, 0, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)


class FakeClock:
    """A clock the test owns; sleeping is instant, and is remembered."""

    def __init__(self, now: datetime = START) -> None:
        self.time = now
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)

    def pass_by(self, *, hours: float = 0, seconds: float = 0) -> None:
        """Let time pass."""
        self.time += timedelta(hours=hours, seconds=seconds)


class MemoryObjects:
    """Claim objects, the bytes git would store, "signed" by a hash over them and the key's name.

    Args:
        contents: the objects, which several sessions may share as clones share what they fetch.
        key: the name of the signing key, an ssh key unless it ends with "-openpgp". "unknown" signs so that nobody can
            tell, "unknown-ssh" and "unknown-openpgp" so that all can see what kind of key it was; "" does not sign.
    """

    empty_tree = EMPTY_TREE

    def __init__(self, contents: dict[Oid, bytes | str], key: str) -> None:
        self.contents = contents
        self.key = key

    def write(self, message: str, *, parent: Oid | None, at: datetime) -> Oid:
        return self.add(commit_bytes(message, parent=parent, at=at, key=self.key))

    def add(self, raw: bytes, kind: str = "commit") -> Oid:
        """Store an object as it is."""
        oid = Oid(sha1(b"%s %d\0%s" % (kind.encode(), len(raw), raw), usedforsecurity=False).hexdigest())
        self.contents[oid] = raw if kind == "commit" and len(raw) <= MESSAGE_LIMIT else f"a {kind}, not a commit"
        return oid

    def read(self, oids: Iterable[Oid]) -> dict[Oid, bytes | str]:
        return {oid: self.contents.get(oid, "a missing object") for oid in oids}

    def lineage(self, oid: Oid) -> list[Oid]:
        found = [oid]
        while len(found) < LINEAGE and isinstance(content := self.contents.get(found[-1]), bytes):
            parents = [line for line in content.split(b"\n\n")[0].split(b"\n") if line.startswith(b"parent ")]
            if not parents:
                break
            found.append(Oid(parents[0].removeprefix(b"parent ").decode()))
        return found


class HashVerifier:
    """Verdicts on what `MemoryObjects` signed; it counts what it was asked, as each question costs a process.

    Args:
        contents: the objects.
        trusted: the names of the keys that count; None where all do.
    """

    def __init__(self, contents: Mapping[Oid, bytes | str], trusted: frozenset[str] | None = None) -> None:
        self._contents = contents
        self._trusted = trusted
        self._known: dict[Oid, Verdict] = {}
        self.asked: list[Oid] = []

    @property
    def selective(self) -> bool:
        return self._trusted is not None

    def remembered(self, oids: Iterable[Oid]) -> dict[Oid, Verdict]:
        return {oid: self._known[oid] for oid in oids if oid in self._known}

    def verify(self, oids: Iterable[Oid]) -> dict[Oid, Verdict]:
        verdicts = {}
        for oid in oids:
            self.asked.append(oid)
            verdict = self._known.get(oid) or _verdict(self._contents.get(oid, b""))
            counts = self._trusted is None or verdict.key in self._trusted
            verdicts[oid] = verdict._replace(trusted=counts)
            if verdicts[oid].signature is not Signature.UNKNOWN:
                self._known[oid] = verdicts[oid]
        return verdicts


class MemoryLedger:
    """What a session last wrote; processes of one session in one clone share it."""

    def __init__(self) -> None:
        self.oids: dict[ClaimId, Oid] = {}

    def held(self) -> dict[ClaimId, Oid]:
        return dict(self.oids)

    def record(self, claim: ClaimId, oid: Oid) -> None:
        self.oids[claim] = oid

    def forget(self, claim: ClaimId) -> None:
        self.oids.pop(claim, None)


Move = Outcome | Exception | Literal["lost", "cut"] | Callable[[], object]


class ScriptedStore(MemoryStore):
    """A store whose next swaps and reads go as told, and which counts its calls: each is a connection.

    A move is the outcome of a swap that does nothing; or an exception; or `lost`, a swap that is done and whose answer
    is lost, and `cut`, one that is not done; or what somebody else does in the moment before.
    """

    def __init__(self, refs: MemoryRefs, *swaps: Move, syncs: Iterable[Move | None] = ()) -> None:
        super().__init__(refs)
        self.swaps: list[Move] = list(swaps)
        self.syncs: list[Move | None] = list(syncs)
        self.calls: list[str] = []

    def swap(self, swaps: Sequence[Swap]) -> Outcome:
        self.calls.append("swap")
        move = self.swaps.pop(0) if self.swaps else None
        if isinstance(move, Exception):
            raise move
        if move in {"lost", "cut"}:
            if move == "lost":
                self.registry.apply(swaps)
            return Unknown("the connection was cut")
        if isinstance(move, Swapped | Lost | Refused | Unknown):
            self.mirror = dict(self.registry.refs)
            return move
        if callable(move):
            move()
        return super().swap(swaps)

    def swap_each(self, swaps: Sequence[Swap]) -> Mapping[RefName, Outcome]:
        self.calls.append("swap_each")
        move = self.swaps.pop(0) if self.swaps else None
        if callable(move):
            move()
        return {swap.ref: super(ScriptedStore, self).swap([swap]) for swap in swaps}

    def sync(self) -> None:
        self.calls.append("sync")
        move = self.syncs.pop(0) if self.syncs else None
        if isinstance(move, Exception):
            raise move
        if callable(move):
            move()
        super().sync()


@dataclass(slots=True)
class World:
    """One registry and everybody's objects; time is the same for all unless a session gets a clock of its own."""

    refs: MemoryRefs = field(default_factory=MemoryRefs)
    contents: dict[Oid, bytes | str] = field(default_factory=dict)
    clock: FakeClock = field(default_factory=FakeClock)
    ledgers: dict[str, MemoryLedger] = field(default_factory=dict)
    processes: Counter[str] = field(default_factory=Counter)

    def session(
        self,
        name: str,
        *,
        store: MemoryStore | None = None,
        clock: FakeClock | None = None,
        key: str | None = None,
        trusted: frozenset[str] | None = None,
    ) -> Registry:
        """The registry as a new process of that session sees it: an old ledger, an empty mirror."""
        # The same bytes in every run, whatever others did before: schedules can be replayed.
        self.processes[name] += 1
        process, calls = self.processes[name], count(1)
        return Registry(
            name="memory",
            session=Session(name),
            store=store or MemoryStore(self.refs),
            objects=MemoryObjects(self.contents, name if key is None else key),
            verifier=HashVerifier(self.contents, trusted),
            ledger=self.ledgers.setdefault(name, MemoryLedger()),
            clock=clock or self.clock,
            nonce=lambda: sha256(f"{name} {process} {next(calls)}".encode()).digest()[:10],
            jitter=lambda: 0.5,
        )

    def server(self, trust: Trust | None = None) -> Registry:
        """The registry as its server sees it at a push: up to date, nobody's session, by what was decided."""
        known = trust is not None and trust.mode is not TrustMode.ANY
        trusted = frozenset({*trust.keys, *trust.maintainers}) if trust and known else None
        registry = self.session("server", trusted=trusted)._replace(session=NOBODY)
        registry.store.sync()
        return registry

    def plant(self, raw: bytes | str, *names: str, kind: str = "commit") -> Oid:
        """Put an object at refs as a stranger's git would, without asking anybody."""
        data = raw.encode() if isinstance(raw, str) else raw
        oid = MemoryObjects(self.contents, "stranger").add(data, kind)
        for name in names:
            self.refs.refs[ref_of(name)] = oid
        return oid

    def stand(self, claim: Claim, *, key: str | None = None, at: datetime | None = None, only: str = "") -> Oid:
        """Put a claim at its refs, or at those of `only`, as its session would have written it."""
        objects = MemoryObjects(self.contents, claim.session if key is None else key)
        oid = objects.write(format_claim(claim), parent=None, at=at or claim.taken)
        self.refs.refs |= dict.fromkeys([ref_of(name) for name in only.split()] or claim.refs, oid)
        return oid

    def at(self, name: str) -> Value | None:
        """What stands at a resource's ref in the registry itself; None for nothing."""
        return self.refs.refs.get(ref_of(name))

    def claim(
        self, names: str, session: str, *, ttl: timedelta = HOUR, ago: timedelta = timedelta(0), purpose: str = ""
    ) -> Claim:
        """A claim, not yet standing anywhere."""
        taken = whole_seconds(self.clock.now() - ago)
        self.processes[session] += 1
        nonce = sha256(f"{session} {self.processes[session]}".encode()).digest()[:10]
        return Claim(
            id=ClaimId.made(int(taken.timestamp() * 1000), nonce),
            session=Session(session),
            resources=resources(names),
            taken=taken,
            expires=taken + ttl,
            purpose=purpose,
        )


def commit_bytes(
    message: str, *, parent: Oid | None = None, at: datetime = START, key: str = "stranger", tree: str = EMPTY_TREE
) -> bytes:
    """A commit as git stores it, signed with that key; "" does not sign, "forged" signs other bytes."""
    person = f"Test <test@example.org> {int(at.timestamp())} +0000"
    head = f"tree {tree}\n" + (f"parent {parent}\n" if parent else "") + f"author {person}\ncommitter {person}\n"
    if not key:
        return f"{head}\n{message}".encode()
    return f"{head}gpgsig {key} {_signature(key, head, message)}\n\n{message}".encode()


def resources(names: str) -> tuple[Resource, ...]:
    """The resources written as on a command line, between spaces."""
    return tuple(parse_argument(name, prefix="", tops=(), is_path=lambda _: True) for name in names.split())


def ref_of(name: str) -> RefName:
    """The ref of one resource."""
    return resources(name)[0].ref


def asking(
    names: str, *, ttl: timedelta = HOUR, extend: bool = False, widen: bool = False, purpose: str = ""
) -> Request:
    """What `gitclaim take` would ask for."""
    return Request(resources(names), ttl, extend=extend, widen=widen, purpose=purpose)


def _signature(key: str, head: str, message: str) -> str:
    return sha256(f"{key}\n{'' if key == 'forged' else head}\n{message}".encode()).hexdigest()


def _verdict(raw: bytes | str) -> Verdict:
    if isinstance(raw, str):
        return Verdict(Signature.UNKNOWN)
    head, _, message = raw.decode("utf-8", "surrogateescape").partition("\n\n")
    head, signed, line = head.partition("gpgsig ")
    # As with git, what stands behind the signature is not signed.
    key, _, signature = line.partition("\n")[0].partition(" ")
    if not signed:
        return Verdict(Signature.BAD)
    if key.startswith("unknown"):
        return Verdict(Signature.UNKNOWN, ssh=key.endswith("-ssh") if "-" in key else None)
    text = f"{key}\n{head}\n{message}".encode("utf-8", "surrogateescape")
    good = signature == sha256(text).hexdigest()
    return Verdict(Signature.GOOD if good else Signature.BAD, key, ssh=not key.endswith("-openpgp"))
