"""Every order in which sessions can meet: a model checker over the registry in memory.

Each actor is a thread that stops before every operation on the shared registry; one goes on at a time. The explorer
walks all choices depth first, replaying from the start for each branch, and leaves a branch when its state was seen
before: the refs, and everything each actor ever read (so its future is the same too).

A session that crashes before or after an operation is one that is never chosen again. Every beginning of every order is
a state here, so all crashes are in the walk, with what the others do after them; `World.check` looks at each state.
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Final, Self

from gitclaim.names import ClaimId, Oid, RefName
from gitclaim.refstore.contract import ABSENT, Outcome, Swap, Swapped, Unknown, failure, neighbourhood
from gitclaim.refstore.memory import MemoryRefs, MemoryStore
from gitclaim.resources import is_above, touches
from tests.kit.memory import FakeClock, MemoryLedger

PATIENCE: Final = 30.0


class HaltedError(BaseException):
    """Raised inside of an actor that is not to go on."""


class WrongError(AssertionError):
    """A promise broken; the message ends with the schedule that breaks it."""


class Actor:
    """One process of a session: a thread that goes on only when told to."""

    def __init__(self, name: str, body: Callable[[], None]) -> None:
        self.name = name
        self.doing = "start"
        self.choices: tuple[str, ...] = ("",)
        self.done = False
        self.error: BaseException | None = None
        self.digest = 0
        self.steps = 0
        self._body = body
        # Locks as signals: released by the one, waited for by the other.
        self._go = threading.Lock()
        self._back = threading.Lock()
        self._go.acquire()
        self._back.acquire()
        self._halt = False
        self._choice = ""
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        self._wait()

    def step(self, choice: str) -> None:
        """Let it do what it stopped before, in the way chosen, and everything until it stops again."""
        self._choice = choice
        self.steps += 1
        self._go.release()
        self._wait()

    def halt(self) -> None:
        if not self.done:
            self._halt = True
            self._go.release()
            self._wait()
        self._thread.join(PATIENCE)

    def pause(self, doing: str, choices: tuple[str, ...] = ("",)) -> str:
        """Inside of the actor: stop before doing that; in which way it is to be done."""
        if self._halt:
            raise HaltedError
        self.doing, self.choices = doing, choices
        self._back.release()
        self._go.acquire()
        if self._halt:
            raise HaltedError
        return self._choice

    def saw(self, *what: object) -> None:
        """Inside of the actor: it learned that; all it will do follows from what it learned."""
        self.digest = hash((self.digest, what))

    @property
    def key(self) -> tuple[object, ...]:
        return (self.done, self.doing, self.steps, self.digest)

    def _wait(self) -> None:
        if not self._back.acquire(timeout=PATIENCE):
            raise AssertionError(f"{self.name} hangs in {self.doing}")

    def _run(self) -> None:
        with suppress(HaltedError):
            try:
                self.pause("start")
                self._body()
            except Exception as error:  # noqa: BLE001 - shown by the explorer, with the schedule
                self.error = error
        self.done = True
        self._back.release()


class WholeRefs(MemoryRefs):
    """Transactions that happen at once, as the reftable backend does them."""

    def __init__(self) -> None:
        super().__init__()
        self.ever: set[tuple[RefName, Oid]] = set()

    def transact(self, actor: Actor, swaps: Sequence[Swap]) -> bool:  # noqa: ARG002 - others stop in between
        return self.apply(swaps)

    def apply(self, swaps: Sequence[Swap]) -> bool:
        applied = super().apply(swaps)
        self.ever |= self.refs.items()
        return applied

    @property
    def key(self) -> tuple[object, ...]:
        return (frozenset(self.refs.items()),)


class FilesRefs(WholeRefs):
    """Transactions as git's files backend does them: all locks, then ref by ref; a new ref whose place is a directory
    by then ends it half-way, and what was done stays.
    """

    def __init__(self) -> None:
        super().__init__()
        self.locks: dict[RefName, str] = {}

    @property
    def key(self) -> tuple[object, ...]:
        return (frozenset(self.refs.items()), frozenset(self.locks.items()))

    def transact(self, actor: Actor, swaps: Sequence[Swap]) -> bool:
        if not self._lock(actor, swaps):
            return False
        try:
            for swap in sorted(swaps, key=lambda swap: (swap.new is ABSENT, swap.ref)):
                killed = actor.pause(f"commit {swap.ref} of {len(swaps)}", ("", "kill"))
                if killed:
                    raise HaltedError
                if swap.new is ABSENT:
                    del self.refs[swap.ref]
                elif swap.expected is ABSENT and self._occupied(actor, swap.ref):
                    return False
                else:
                    self.refs[swap.ref] = swap.new
                    self.ever.add((swap.ref, swap.new))
        finally:
            for swap in swaps:
                del self.locks[swap.ref]
        return True

    def apply(self, swaps: Sequence[Swap]) -> bool:
        return not any(swap.ref in self.locks for swap in swaps) and super().apply(swaps)

    def _lock(self, actor: Actor, swaps: Sequence[Swap]) -> bool:
        for swap in swaps:
            if swap.ref in self.locks or self.refs.get(swap.ref, ABSENT) != swap.expected:
                return False
            if swap.expected is ABSENT and any(touches(ref, swap.ref) for ref in self.refs):
                return False
        self.locks |= dict.fromkeys([swap.ref for swap in swaps], actor.name)
        return True

    def _occupied(self, actor: Actor, ref: RefName) -> bool:
        locked = [other for other, owner in self.locks.items() if owner != actor.name]
        return any(touches(ref, other) for other in self.refs) or any(is_above(ref, other) for other in locked)


class SteppedStore(MemoryStore):
    """A session's store that stops before each operation on the shared registry.

    Args:
        refs: the shared registry.
        actor: who stops.
        faults: how many answers may be lost in this run, shared by all.
    """

    def __init__(self, refs: WholeRefs, actor: Actor, faults: "Faults") -> None:
        super().__init__(refs)
        self.refs = refs
        self.actor = actor
        self.faults = faults

    def swap(self, swaps: Sequence[Swap]) -> Outcome:
        # A swap of one ref or several: the answer may be lost after it was applied ("lost"), before ("cut"), or
        # before it is applied later or never ("late").
        choice = self.actor.pause(_named(swaps), ("", "lost", "cut", "late") if self.faults.left else ("",))
        if choice:
            self.faults.left -= 1
            if choice == "lost":
                self.refs.transact(self.actor, swaps)
            elif choice == "late":
                self.faults.late.append(tuple(swaps))
            self.actor.saw(choice)
            return Unknown(choice)
        if self.refs.transact(self.actor, swaps):
            self.actor.saw("swapped")
            self._follow(swaps)
            return Swapped()
        self.actor.saw("lost")
        self.sync()
        return failure(swaps, neighbourhood(self, [swap.ref for swap in swaps]), "refused")

    def sync(self) -> None:
        self.actor.pause("read")
        self.mirror = dict(self.registry.refs)
        self.actor.saw(frozenset(self.mirror.items()))

    def _follow(self, swaps: Sequence[Swap]) -> None:
        for swap in swaps:
            for ref in [ref for ref in self.mirror if touches(ref, swap.ref)]:
                del self.mirror[ref]
            if swap.new is not ABSENT:
                self.mirror[swap.ref] = swap.new


class TornReads(SteppedStore):
    """One whose reads are not of one moment, as files are read one after the other."""

    def sync(self) -> None:
        self.actor.pause("read the first half")
        names = sorted(self.registry.refs)
        middle = names[len(names) // 2] if len(names) > 1 else ""
        first = {ref: oid for ref, oid in self.registry.refs.items() if ref < middle}
        if first:
            self.actor.saw(frozenset(first.items()), middle)
            self.actor.pause("read the second half")
        self.mirror = first | {ref: oid for ref, oid in self.registry.refs.items() if ref >= middle}
        self.actor.saw(frozenset(self.mirror.items()))


class LiveStore(SteppedStore):
    """One without a mirror, as the store of a repository on this machine: each read is of its own moment."""

    def sync(self) -> None:
        pass

    def exact(self, refs: Iterable[RefName]) -> dict[RefName, Oid]:
        asked = list(refs)
        if asked:
            self._read()
        return super().exact(asked)

    def below(self, refs: Iterable[RefName]) -> dict[RefName, Oid]:
        self._read()
        return super().below(refs)

    def _read(self) -> None:
        self.actor.pause("read")
        self.mirror = dict(self.registry.refs)
        self.actor.saw(frozenset(self.mirror.items()))


class SteppedLedger(MemoryLedger):
    """A ledger whose writes are moments too: a process may die between the registry's answer and its own note."""

    def __init__(self, shared: MemoryLedger, actor: Actor) -> None:
        super().__init__()
        self.oids = shared.oids
        self.actor = actor

    def held(self) -> dict[ClaimId, Oid]:
        self.actor.saw(frozenset(self.oids.items()))
        return super().held()

    def record(self, claim: ClaimId, oid: Oid) -> None:
        self.actor.pause("note")
        super().record(claim, oid)

    def forget(self, claim: ClaimId) -> None:
        self.actor.pause("forget")
        super().forget(claim)


class CoarseClock(FakeClock):
    """A clock that passes over the fractions of a second between attempts, which would only multiply the states."""

    def sleep(self, seconds: float) -> None:
        if seconds >= 1:
            super().sleep(seconds)


@dataclass(slots=True)
class Faults:
    """Answers that may still be lost, and pushes under way that nobody waits for any more."""

    left: int = 0
    late: list[tuple[Swap, ...]] = field(default_factory=list)


class Scene:
    """One run from its beginning: what a scenario builds anew for each branch."""

    refs: WholeRefs
    actors: Sequence[Actor]
    faults: Faults

    def check(self) -> None:
        """Look at the state between two steps; raise `WrongError` where it breaks a promise."""

    def finish(self) -> None:
        """Look at the state when all are done, if nothing was killed or lost."""

    @property
    def key(self) -> tuple[object, ...]:
        """What there is beside the refs and the actors."""
        return ()


@dataclass(slots=True)
class Walk:
    """What a walk saw.

    Args:
        runs: how many schedules were played, each from its beginning.
        states: how many different states were met.
        endings: how many different states in which all were done.
        complete: whether nothing was left out.
    """

    runs: int = 0
    states: int = 0
    endings: int = 0
    complete: bool = True


def explore(build: Callable[[], Scene], *, limit: int) -> Walk:
    """Walk every order of the actors' steps, depth first; at most that many runs.

    Raises:
        WrongError: a state or an ending breaks a promise.
    """
    walk = Walk()
    seen: set[int] = set()
    open_ends: list[tuple[tuple[str, str], ...]] = [()]
    while open_ends:
        if walk.runs == limit:
            walk.complete = False
            break
        walk.runs += 1
        schedule = list(open_ends.pop())
        with _Stage(build(), schedule) as stage:
            while choices := stage.choices():
                key = stage.key()
                if key in seen:
                    break
                seen.add(key)
                open_ends.extend((*schedule, other) for other in reversed(choices[1:]))
                stage.play(*choices[0])
            else:
                walk.endings += stage.key() not in seen
                seen.add(stage.key())
                stage.finish()
    walk.states = len(seen)
    return walk


def sample(build: Callable[[], Scene], *, runs: int, seed: int) -> Walk:
    """Play that many random schedules, the same for the same seed.

    Raises:
        WrongError: a state or an ending breaks a promise.
    """
    walk, seen = Walk(complete=False), set()
    for run in range(runs):
        random = Random(f"{seed} {run}")
        walk.runs += 1
        with _Stage(build(), []) as stage:
            while choices := stage.choices():
                seen.add(stage.key())
                stage.play(*random.choice(choices))
            walk.endings += stage.key() not in seen
            seen.add(stage.key())
            stage.finish()
    walk.states = len(seen)
    return walk


class _Stage:
    """A scene being played."""

    def __init__(self, scene: Scene, schedule: list[tuple[str, str]]) -> None:
        self.scene = scene
        self.schedule = schedule
        self.log: list[str] = []
        self.unharmed = True

    def __enter__(self) -> Self:
        for actor in self.scene.actors:
            actor.start()
        for name, choice in list(self.schedule):
            self._step(name, choice)
        self._checked(self.scene.check)
        return self

    def __exit__(self, *_: object) -> None:
        for actor in self.scene.actors:
            actor.halt()

    def choices(self) -> list[tuple[str, str]]:
        """Who can go on, and in which ways."""
        ready = [(actor.name, choice) for actor in self.scene.actors if not actor.done for choice in actor.choices]
        return ready + [("late push", str(number)) for number in range(len(self.scene.faults.late))]

    def key(self) -> int:
        scene = self.scene
        late = tuple(scene.faults.late)
        return hash((scene.refs.key, scene.key, scene.faults.left, late, tuple(actor.key for actor in scene.actors)))

    def play(self, name: str, choice: str) -> None:
        self.schedule.append((name, choice))
        self._step(name, choice)
        self._checked(self.scene.check)

    def finish(self) -> None:
        if self.unharmed:
            self._checked(self.scene.finish)

    def _step(self, name: str, choice: str) -> None:
        self.unharmed = self.unharmed and not choice
        if name == "late push":
            swaps = self.scene.faults.late.pop(int(choice))
            applied = self.scene.refs.apply(swaps)
            self.log.append(f"late push of {_named(swaps)}: {'applied' if applied else 'rejected'}")
            return
        actor = next(actor for actor in self.scene.actors if actor.name == name)
        self.log.append(f"{name}: {actor.doing}{f' ({choice})' if choice else ''}")
        actor.step(choice)
        if actor.error:
            self._wrong(actor.error)

    def _checked(self, look: Callable[[], None]) -> None:
        try:
            look()
        except AssertionError as error:
            self._wrong(error)

    def _wrong(self, error: BaseException) -> None:
        lines = "\n".join(f"  {number:3} {line}" for number, line in enumerate(self.log, 1))
        refs = "\n".join(f"      {ref} {oid[:8]}" for ref, oid in sorted(self.scene.refs.refs.items()))
        raise WrongError(f"{type(error).__name__}: {error}\nafter\n{lines}\nat\n{refs or '      nothing'}") from error


def _named(swaps: Sequence[Swap]) -> str:
    return ", ".join(
        f"{swap.ref.removeprefix('refs/claims/')} {_short(swap.expected)}>{_short(swap.new)}" for swap in swaps
    )


def _short(value: object) -> str:
    return "-" if value is ABSENT else str(value)[:6]
