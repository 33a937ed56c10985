"""Every order in which two sessions can meet, with a crash before and after every operation (kit/interleaving.py).

At every state: no two live claims of different sessions overlap; whoever was told "held" holds it, until it gives it up
or its lease ends; and once time has passed a sweep leaves nothing, and everything can be taken.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Final

import pytest

from gitclaim.claim import GRACE
from gitclaim.errors import GitclaimError
from gitclaim.holding import Kept, give, release, renew
from gitclaim.names import Session
from gitclaim.protocol import Denied, Held, TakeOutcome, take
from gitclaim.record import BROKEN
from gitclaim.registry import Registry, Standing
from gitclaim.resources import Resource, is_above
from gitclaim.sweep import Swept, sweep
from tests.kit.interleaving import (
    Actor,
    CoarseClock,
    Faults,
    FilesRefs,
    LiveStore,
    Scene,
    SteppedLedger,
    SteppedStore,
    TornReads,
    WholeRefs,
    explore,
    sample,
)
from tests.kit.memory import HOUR, World, asking, resources

BOUNDS: Final = {"suite": (60, 20), "torture": (3_000, 300)}
"""Schedules that are walked, and random ones where those are not all of them."""


@dataclass(frozen=True)
class Backend:
    """How a registry works inside, and how it is read."""

    refs: Callable[[], WholeRefs]
    store: type[SteppedStore]

    def __str__(self) -> str:
        return f"{self.refs.__name__}-{self.store.__name__}"


WHOLE: Final = Backend(WholeRefs, SteppedStore)
FILES: Final = Backend(FilesRefs, SteppedStore)
TORN: Final = Backend(FilesRefs, TornReads)
LOCAL: Final = Backend(FilesRefs, LiveStore)
every_backend = pytest.mark.parametrize("backend", [WHOLE, FILES, TORN, LOCAL], ids=str)


@dataclass(frozen=True)
class Promise:
    """What a session was told it holds."""

    session: str
    resource: Resource
    until: datetime


class Meeting(Scene):
    """Some sessions, each doing one thing after the other, over one registry.

    Args:
        backend: the registry.
        faults: how many answers may be lost.
        notes: whether a process may also stop before it notes in its ledger what it was answered.
    """

    tidied: ClassVar[set[object]] = set()

    def __init__(self, backend: Backend = WHOLE, *, faults: int = 0, notes: bool = False) -> None:
        self.refs: WholeRefs = backend.refs()
        self.world = World(refs=self.refs, clock=CoarseClock())
        self.actors: list[Actor] = []
        self.faults = Faults(faults)
        self.told: dict[str, object] = {}
        self.promises: set[Promise] = set()
        self.leaving: set[str] = set()
        self.ending: Callable[[Mapping[str, object]], None] = lambda _: None
        self._backend = backend
        self._notes = notes

    def does(self, name: str, step: Callable[[Registry, "Meeting"], object], *, session: str = "") -> None:
        """Add a process that does this and remembers what it was told."""

        def body() -> None:
            try:
                self.told[name] = step(registry, self)
            except GitclaimError as error:
                self.told[name] = error

        actor = Actor(name, body)
        registry = self.world.session(session or name, store=self._backend.store(self.refs, actor, self.faults))
        if self._notes:
            registry = registry._replace(ledger=SteppedLedger(self.world.ledgers[session or name], actor))
        self.actors.append(actor)

    def held(self, session: str, names: str, *, ago: timedelta = timedelta(0)) -> None:
        """Begin with a claim of that session, which its ledger knows."""
        claim = self.world.claim(names, session, ago=ago)
        oid = self.world.stand(claim)
        self.world.session(session).ledger.record(claim.id, oid)
        self.refs.ever |= self.refs.refs.items()
        self.promise(session, claim.resources, claim.lapses())

    def promise(self, session: str, held: Iterable[Resource], until: datetime) -> None:
        """From now on until then nobody else may get these."""
        if session not in self.leaving:
            self.promises |= {Promise(session, resource, until) for resource in held}

    def withdraw(self, session: str) -> None:
        """The session has begun to give up what it holds: nothing is promised to it any more."""
        self.promises = {promise for promise in self.promises if promise.session != session}

    def time_passes(self, length: timedelta) -> None:
        """Add time itself: at any moment the clock may jump once."""

        def body() -> None:
            self.world.clock.time += length

        self.actors.append(Actor("time", body))

    @property
    def key(self) -> tuple[object, ...]:
        ledgers = tuple(frozenset(ledger.oids.items()) for ledger in self.world.ledgers.values())
        return (self.world.clock.time, ledgers, frozenset(self.promises))

    def check(self) -> None:
        """See the head of this file."""
        live = [one for one in onlooker(self.world).look_all() if one.claim and one.standing is Standing.LIVE]
        holders = {(one.claim.session, resource) for one in live if one.claim for resource in one.claim.resources}
        for session, resource in holders:
            for other, near in holders:
                assert session == other or not resource.overlaps(near), f"{session} and {other} hold {resource.text}"
        for promise in self.promises:
            mine = any(session == promise.session and _covers(upper, promise.resource) for session, upper in holders)
            late = self.world.clock.now() >= promise.until
            assert mine or late, f"{promise.session} was told it holds {promise.resource.text}"
        moment = (self.world.clock.now(), frozenset(self.refs.refs.items()))
        if moment not in self.tidied:
            self._nothing_stays()
            self.tidied.add(moment)

    def finish(self) -> None:
        """Nobody is under way any more."""
        half = {Standing.FORMING, Standing.VOID}
        strays = [one.ref for one in onlooker(self.world).look_all() if one.standing in half]
        assert not strays, f"strays were left at {strays}"
        self.ending(self.told)

    def _nothing_stays(self) -> None:
        later = World(clock=CoarseClock(self.world.clock.now()), contents=dict(self.world.contents))
        later.refs.refs = dict(self.refs.refs)
        later.clock.pass_by(hours=3)
        cleaner = onlooker(later)
        sweep(cleaner, first_seen={})
        assert not later.refs.refs.keys() - cleaner.store.below([BROKEN]).keys(), "something is left after a sweep"
        assert isinstance(take(cleaner, asking("src task:1 task:2")), Held)


def onlooker(world: World) -> Registry:
    """Somebody who sees the registry as it is."""
    registry = world.session("onlooker")
    registry.store.sync()
    return registry


def _covers(upper: Resource, lower: Resource) -> bool:
    return upper.ref == lower.ref or is_above(upper.ref, lower.ref)


Step = Callable[[Registry, Meeting], object]


def takes(names: str, *, widen: bool = False, extend: bool = False) -> Step:
    def step(registry: Registry, meeting: Meeting) -> TakeOutcome:
        if widen:
            meeting.withdraw(registry.session)
        outcome = take(registry, asking(names, widen=widen, extend=extend))
        match outcome:
            case Held(holdings):
                held = [resource for holding in holdings for resource in holding.claim.resources]
                assert all(any(_covers(upper, asked) for upper in held) for asked in resources(names))
                for holding in holdings:
                    meeting.promise(registry.session, holding.claim.resources, holding.claim.lapses())
            case Denied(blockers):
                for one in blockers:
                    assert (one.found.ref, one.found.oid) in meeting.refs.ever, "denied by what never was"
                    mine = one.found.claim and one.found.claim.session == registry.session
                    assert not mine or one.found.standing is Standing.FORMING, "denied by itself"
        return outcome

    return step


def renews(names: str = "") -> Step:
    def step(registry: Registry, meeting: Meeting) -> Kept:
        kept = renew(registry, resources(names), HOUR)
        for holding in kept.holdings:
            meeting.promise(registry.session, holding.claim.resources, holding.claim.lapses())
        for fence in kept.fenced:
            assert fence.successor is None or fence.successor.claim is not None
        return kept

    return step


def releases(names: str = "") -> Step:
    def step(registry: Registry, meeting: Meeting) -> Kept:
        meeting.withdraw(registry.session)
        meeting.leaving.add(registry.session)
        return release(registry, resources(names))

    return step


def gives(names: str, to: str) -> Step:
    def step(registry: Registry, meeting: Meeting) -> Kept:
        meeting.withdraw(registry.session)
        return give(registry, resources(names), Session(to))

    return step


def sweeps() -> Step:
    return lambda registry, _: sweep(registry, first_seen={})


def winners(told: Mapping[str, object]) -> list[str]:
    return [name for name, outcome in told.items() if isinstance(outcome, Held)]


def exactly_one(backend: Backend) -> Callable[[Mapping[str, object]], None]:
    """One of those who take has won; git's files may refuse both while each holds the other's lock."""

    def ending(told: Mapping[str, object]) -> None:
        assert len(winners(told)) == 1 or (backend is not WHOLE and not winners(told)), told

    return ending


Play = Callable[[Callable[[], Meeting]], None]


@pytest.fixture(params=["suite", pytest.param("torture", marks=pytest.mark.torture)])
def play(request: pytest.FixtureRequest) -> Play:
    """Walk the orders of a meeting: every one, or as many as there is time for and then random ones."""
    limit, runs = BOUNDS[request.param]

    def walk(build: Callable[[], Meeting]) -> None:
        seen = explore(build, limit=limit)
        if not seen.complete:
            sample(build, runs=runs, seed=1)
        # Shown by `pytest -rP`.
        sys.stdout.write(f"{seen.runs} schedules, {seen.states} states, {'all' if seen.complete else 'bounded'}\n")

    return walk


# Who meets whom: what stands at first, what each of the two does, and what must come of it.
RACES: Final[Mapping[str, tuple[str, str]]] = {
    "same": ("src", "src"),
    "nested": ("src", "src/api"),
    # git's files write `lib` before they find that `src` has become a directory: the stray a loser has to remove.
    "several, one overlaps": ("docs src/api", "lib src"),
    "several, two overlap crosswise": ("src task:1", "src/api task:1"),
}


@every_backend
@pytest.mark.parametrize("race", RACES)
def test_of_two_that_take_overlapping_things_exactly_one_wins(play: Play, backend: Backend, race: str) -> None:
    def build() -> Meeting:
        meeting = Meeting(backend)
        meeting.does("alice", takes(RACES[race][0]))
        meeting.does("bob", takes(RACES[race][1]))
        meeting.ending = exactly_one(backend)
        return meeting

    play(build)


@every_backend
@pytest.mark.parametrize("race", RACES)
def test_of_two_that_take_over_what_expired_exactly_one_wins(play: Play, backend: Backend, race: str) -> None:
    def build() -> Meeting:
        meeting = Meeting(backend)
        meeting.held("carol", "src/api task:1", ago=timedelta(hours=2))
        meeting.does("alice", takes(RACES[race][0]))
        meeting.does("bob", takes(RACES[race][1]))
        meeting.ending = exactly_one(backend)
        return meeting

    play(build)


@every_backend
@pytest.mark.parametrize("names", ["src", "src task:1"])
def test_a_release_and_a_take_leave_one_holder_or_none(play: Play, backend: Backend, names: str) -> None:
    def build() -> Meeting:
        meeting = Meeting(backend)
        meeting.held("alice", names)
        meeting.does("alice", releases())
        meeting.does("bob", takes("src"))
        meeting.ending = ending
        return meeting

    def ending(told: Mapping[str, object]) -> None:
        released = told["alice"]
        if isinstance(released, GitclaimError):
            assert backend is not WHOLE
        else:
            assert isinstance(released, Kept)
            assert not released.fenced

    play(build)


@every_backend
@pytest.mark.parametrize("names", ["src/api", "src/api task:1"])
@pytest.mark.parametrize("other", ["sweep", "src/api", "src"])
def test_a_late_renewal_wins_or_learns_that_it_was_too_late(
    play: Play, backend: Backend, names: str, other: str
) -> None:
    def build() -> Meeting:
        meeting = Meeting(backend)
        meeting.held("alice", names, ago=timedelta(hours=2))
        meeting.does("alice", renews())
        meeting.does("bob", sweeps() if other == "sweep" else takes(other))
        meeting.ending = ending
        return meeting

    def ending(told: Mapping[str, object]) -> None:
        renewed, rival = told["alice"], told["bob"]
        if isinstance(renewed, Kept):
            assert len(renewed.holdings) + len(renewed.fenced) == 1
            if isinstance(rival, Held):
                assert renewed.fenced
            if isinstance(rival, Swept) and renewed.holdings:
                assert not {one.ref for one in rival.removed} & set(renewed.holdings[0].claim.refs)

    play(build)


@every_backend
@pytest.mark.parametrize("rival", [sweeps(), takes("src")], ids=["sweep", "take"])
@pytest.mark.parametrize("names", ["src/api", "src/api task:1"])
def test_nobody_loses_a_claim_it_renewed_in_time(play: Play, backend: Backend, rival: Step, names: str) -> None:
    def build() -> Meeting:
        meeting = Meeting(backend)
        meeting.held("alice", names, ago=timedelta(minutes=50))
        meeting.time_passes(timedelta(minutes=10) + GRACE)
        meeting.does("alice", renews())
        meeting.does("bob", rival)
        return meeting

    play(build)


@every_backend
@pytest.mark.parametrize("names", ["src", "src task:1"])
def test_what_is_given_away_is_held_by_the_giver_or_the_receiver_and_nobody_else(
    play: Play, backend: Backend, names: str
) -> None:
    def build() -> Meeting:
        meeting = Meeting(backend)
        meeting.held("alice", names)
        meeting.does("alice", gives("src", "bob"))
        meeting.does("bob", takes("src"))
        return meeting

    play(build)


@every_backend
@pytest.mark.parametrize("other", ["src/api", "src/new", "task:1"])
def test_whoever_widens_gets_the_wider_claim_or_is_told_what_it_lost(play: Play, backend: Backend, other: str) -> None:
    def build() -> Meeting:
        meeting = Meeting(backend)
        meeting.held("alice", "src/api task:1")
        meeting.does("alice", widens)
        meeting.does("bob", takes(other))
        return meeting

    def widens(registry: Registry, meeting: Meeting) -> TakeOutcome:
        outcome = takes("src", widen=True)(registry, meeting)
        assert isinstance(outcome, Held | Denied)
        kept = set(resources("src/api task:1"))
        if isinstance(outcome, Denied):
            kept -= set(outcome.given_up)
        meeting.promise(registry.session, kept, meeting.world.clock.now() + HOUR)
        return outcome

    play(build)


@every_backend
def test_whoever_holds_a_part_gets_the_whole_or_nothing_more(play: Play, backend: Backend) -> None:
    def build() -> Meeting:
        meeting = Meeting(backend)
        meeting.held("alice", "task:1")
        meeting.does("alice", takes("src task:1 task:2"))
        meeting.does("bob", takes("src/api task:2"))
        meeting.ending = ending
        return meeting

    def ending(told: Mapping[str, object]) -> None:
        assert len(winners(told)) == 1 or backend is not WHOLE

    play(build)


@every_backend
@pytest.mark.parametrize("second", [takes("src task:1"), renews(), releases()], ids=["take", "renew", "release"])
def test_two_processes_of_one_session_do_not_harm_each_other(play: Play, backend: Backend, second: Step) -> None:
    """With a stop before each note in the ledger, so also: one dies, and the next begins with what it left."""

    def build() -> Meeting:
        meeting = Meeting(backend, notes=True)
        meeting.does("one", takes("src task:1"), session="alice")
        meeting.does("two", second, session="alice")
        meeting.ending = ending
        return meeting

    def ending(told: Mapping[str, object]) -> None:
        assert backend is not WHOLE or isinstance(told["one"], Held)

    play(build)


LOST_ANSWERS: Final[Mapping[str, tuple[str, Step, Step]]] = {
    "take take": ("", takes("src task:1"), takes("src/api task:1")),
    "renew take": ("src task:1", renews(), takes("src")),
    "release take": ("src task:1", releases(), takes("src")),
    "release part take": ("src task:1", releases("src"), takes("src")),
    "give take": ("src", gives("src", "bob"), takes("src")),
    "widen take": ("src/api task:1", takes("src", widen=True), takes("src/new")),
}


@pytest.mark.parametrize("backend", [WHOLE, FILES], ids=str)
@pytest.mark.parametrize("race", LOST_ANSWERS)
def test_a_lost_answer_misleads_nobody(play: Play, backend: Backend, race: str) -> None:
    """One answer of the run is lost: its swap was done, was not done, or is done later, or never."""
    held, first, second = LOST_ANSWERS[race]

    def build() -> Meeting:
        meeting = Meeting(backend, faults=1)
        if held:
            meeting.held("alice", held)
        meeting.does("alice", first)
        meeting.does("bob", second)
        return meeting

    play(build)


def test_a_release_whose_answer_was_lost_was_no_fence(play: Play) -> None:
    def build() -> Meeting:
        meeting = Meeting(faults=1)
        meeting.held("alice", "src")
        meeting.does("alice", checked)
        meeting.does("bob", takes("src"))
        return meeting

    def checked(registry: Registry, meeting: Meeting) -> Kept:
        kept = releases()(registry, meeting)
        assert isinstance(kept, Kept)
        assert not kept.fenced
        return kept

    play(build)


@pytest.mark.parametrize("backend", [WHOLE, TORN], ids=str)
@pytest.mark.parametrize("runs", [150, pytest.param(2_000, marks=pytest.mark.torture)])
@pytest.mark.parametrize(
    "steps",
    [
        (takes("src task:1"), takes("src/api task:2"), takes("src/new task:1 task:2")),
        (renews(), takes("src"), sweeps()),
        (takes("src", widen=True), takes("src/new"), takes("src")),
    ],
    ids=["take", "renew take sweep", "widen take take"],
)
def test_three_sessions_in_random_orders(backend: Backend, runs: int, steps: tuple[Step, ...]) -> None:
    def build() -> Meeting:
        meeting = Meeting(backend)
        meeting.held("alice", "src/api", ago=timedelta(minutes=50))
        for name, step in zip(("alice", "bob", "carol"), steps, strict=True):
            meeting.does(name, step)
        meeting.time_passes(timedelta(minutes=10) + GRACE)
        return meeting

    sample(build, runs=runs, seed=3)
