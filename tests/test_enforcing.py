"""Enforcing: how fresh the view is, what is asked of whom, and that nothing is asked without need."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitclaim.change import Change
from gitclaim.claim import GRACE, Claim
from gitclaim.enforcing import Ruling, enforce, falls_under, judge
from gitclaim.errors import Exit, Reason, UnreachableError
from gitclaim.holding import release, renew
from gitclaim.names import Oid, RefName
from gitclaim.policy import Offline, Policy, Unclaimed
from gitclaim.protocol import Held, take
from gitclaim.refstore.memory import MemoryRefs
from gitclaim.registry import Registry
from gitclaim.resources import PATTERNS
from gitclaim.verdict import Allowed, Blocked, Verdict
from tests.kit.memory import HOUR, START, FakeClock, HashVerifier, Move, ScriptedStore, World, asking

POLICY: Final = Policy(fresh=timedelta(seconds=5))
DENY: Final = POLICY._replace(unclaimed=Unclaimed.DENY)
GONE: Final = UnreachableError("no route to host")
MINUTE: Final = timedelta(minutes=1)


class AgedStore(ScriptedStore):
    """A store whose view grows old, as a mirror's does."""

    def __init__(self, refs: MemoryRefs, clock: FakeClock, *, syncs: Iterable[Move | None] = ()) -> None:
        super().__init__(refs, syncs=syncs)
        self.clock = clock
        self.synced: datetime | None = None

    def sync(self) -> None:
        super().sync()
        self.synced = self.clock.now()

    def age(self, now: datetime) -> float | None:
        return None if self.synced is None else (now - self.synced).total_seconds()

    def seen(self, *, ago: float) -> None:
        """The view is as old as that, and shows what stands now."""
        super(ScriptedStore, self).sync()
        self.synced = self.clock.now() - timedelta(seconds=ago)


@dataclass
class Told:
    """What git would know, told outright; it counts what it was asked."""

    drops: frozenset[str] = frozenset()
    matches: frozenset[str] = frozenset()
    undoes: frozenset[str] = frozenset()
    looked: list[tuple[Change, frozenset[str]]] = field(default_factory=list)
    matched: list[tuple[str, ...]] = field(default_factory=list)

    def dropped(self, change: Change, paths: Iterable[str]) -> set[str]:
        asked = frozenset(paths)
        self.looked.append((change, asked))
        return set(asked & self.drops)

    def undone(self, change: Change, paths: Iterable[str]) -> set[str]:  # noqa: ARG002 - the protocol's signature
        return set(paths) & self.undoes

    def matching(self, changes: Iterable[Change], patterns: Iterable[str]) -> set[str]:
        self.matched.append(tuple(patterns))
        return {path for change in changes for path in (*change.paths, *change.doubtful)} & self.matches


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def store(world: World) -> AgedStore:
    return AgedStore(world.refs, world.clock)


@pytest.fixture
def alice(world: World, store: AgedStore) -> Registry:
    return world.session("alice", store=store)


def touch(*paths: str) -> list[Change]:
    return [Change(paths)]


def ruled(registry: Registry, *paths: str, policy: Policy = POLICY, sync: bool = False) -> Ruling:
    return enforce(registry, touch(*paths), Told(), policy, sync=sync)


def blocks(given_: Verdict) -> dict[str, Reason | None]:
    return {block.path: block.reason for block in given_.blocks} if isinstance(given_, Blocked) else {}


def judged(world: World, *paths: str, work: Told | None = None, policy: Policy = POLICY) -> Verdict:
    registry = world.session("alice")
    registry.store.sync()
    return judge(registry, touch(*paths), work or Told(), policy)


def asked(registry: Registry) -> list[Oid]:
    """The objects whose signatures were verified."""
    assert isinstance(registry.verifier, HashVerifier)
    return registry.verifier.asked


# How fresh the view is.


def test_a_fresh_view_is_gone_by_as_it_is(alice: Registry, store: AgedStore) -> None:
    store.seen(ago=4)
    ruling = ruled(alice, "a")
    assert (store.calls, ruling.age, ruling.offline) == ([], 4.0, None)


@pytest.mark.parametrize("ago", [6, 3600, -1, -86400])
def test_a_view_that_is_old_or_from_the_future_is_brought_up_to_date_once(
    world: World, alice: Registry, store: AgedStore, ago: float
) -> None:
    """A clock that was set back would make a mirror look fresh until it catches up."""
    store.seen(ago=ago)
    world.stand(world.claim("a", "bob"))
    ruling = ruled(alice, "a")
    assert (store.calls, ruling.age) == (["sync"], 0.0)
    assert blocks(ruling.verdict) == {"a": Reason.HELD}


def test_a_registry_that_was_never_seen_is_asked(alice: Registry, store: AgedStore) -> None:
    assert ruled(alice, "a").age == 0
    assert store.calls == ["sync"]


def test_nobody_is_blocked_on_an_old_view(world: World, alice: Registry, store: AgedStore) -> None:
    """What looks blocked is looked at once more; it was released meanwhile."""
    theirs = world.session("bob")
    take(theirs, asking("src"))
    store.seen(ago=2)
    release(theirs, ())
    ruling = ruled(alice, "src/a")
    assert isinstance(ruling.verdict, Allowed)
    assert (store.calls, ruling.age) == (["sync"], 0.0)


def test_what_is_still_blocked_after_another_look_is_said(world: World, alice: Registry, store: AgedStore) -> None:
    world.stand(world.claim("src", "bob"))
    store.seen(ago=2)
    ruling = ruled(alice, "src/a")
    assert blocks(ruling.verdict) == {"src/a": Reason.WITHIN}
    assert store.calls == ["sync"]


def test_a_push_always_asks_and_asks_once(world: World, alice: Registry, store: AgedStore) -> None:
    world.stand(world.claim("src", "bob"))
    store.seen(ago=0.5)
    assert blocks(ruled(alice, "src/a", sync=True).verdict)
    assert store.calls == ["sync"]


def test_what_another_took_after_a_fresh_look_is_for_the_next_wall(
    world: World, alice: Registry, store: AgedStore
) -> None:
    store.seen(ago=2)
    world.stand(world.claim("a", "bob"))
    assert isinstance(ruled(alice, "a").verdict, Allowed)
    assert blocks(ruled(alice, "a", sync=True).verdict) == {"a": Reason.HELD}


# A registry that does not answer.


@pytest.mark.parametrize("held", [False, True])
def test_offline_the_mirror_decides_and_that_is_said(
    world: World, alice: Registry, store: AgedStore, *, held: bool
) -> None:
    if held:
        world.stand(world.claim("a", "bob"))
    store.seen(ago=60)
    store.syncs = [GONE, GONE]
    ruling = ruled(alice, "a")
    assert (ruling.offline, ruling.age) == (GONE, 60.0)
    assert isinstance(ruling.verdict, Blocked) is held
    assert store.calls == ["sync"]


def test_offline_a_registry_that_was_never_seen_blocks_nobody(alice: Registry, store: AgedStore) -> None:
    store.syncs = [GONE]
    ruling = ruled(alice, "a")
    assert (ruling.offline, ruling.age) == (GONE, None)
    assert isinstance(ruling.verdict, Allowed)


@pytest.mark.parametrize("ago", [2, 60])
def test_offline_the_policy_may_refuse(world: World, alice: Registry, store: AgedStore, ago: float) -> None:
    world.stand(world.claim("a", "bob"))
    store.seen(ago=ago)
    store.syncs = [GONE]
    with pytest.raises(UnreachableError, match="offline: deny") as caught:
        ruled(alice, "a", policy=POLICY._replace(offline=Offline.DENY))
    assert caught.value.exit_code is Exit.OFFLINE
    assert caught.value.hint


def test_offline_a_fresh_view_that_allows_needs_nobody(alice: Registry, store: AgedStore) -> None:
    """Working without a network is refused only where the registry would have been asked."""
    store.seen(ago=2)
    store.syncs = [GONE]
    assert isinstance(ruled(alice, "a", policy=POLICY._replace(offline=Offline.DENY)).verdict, Allowed)


def test_what_looks_blocked_and_can_t_be_looked_at_again_stays_blocked(
    world: World, alice: Registry, store: AgedStore
) -> None:
    world.stand(world.claim("a", "bob"))
    store.seen(ago=2)
    store.syncs = [GONE]
    ruling = ruled(alice, "a")
    assert blocks(ruling.verdict) == {"a": Reason.HELD}
    assert (ruling.offline, ruling.age) == (GONE, 2.0)


@given(
    ago=st.none() | st.floats(-10, 100),
    fresh=st.integers(0, 10),
    held=st.booleans(),
    sync=st.booleans(),
    unclaimed=st.sampled_from(Unclaimed),
    answers=st.lists(st.sampled_from([None, GONE]), min_size=2, max_size=2),
)
def test_the_registry_is_never_asked_more_than_twice(  # noqa: PLR0913 - what may vary
    ago: float | None, fresh: int, *, held: bool, sync: bool, unclaimed: Unclaimed, answers: list[Move | None]
) -> None:
    """And a block stands on a view that was just brought up to date, or on one that could not be."""
    world = World()
    store = AgedStore(world.refs, world.clock, syncs=answers)
    if held:
        world.stand(world.claim("a", "bob"))
    if ago is not None:
        store.seen(ago=ago)
    policy = Policy(fresh=timedelta(seconds=fresh), unclaimed=unclaimed)
    ruling = ruled(world.session("alice", store=store), "a", "b", policy=policy, sync=sync)
    assert len(store.calls) <= 2
    assert not (ruling.offline and len(store.calls) > 1)
    assert not isinstance(ruling.verdict, Blocked) or ruling.age == 0 or ruling.offline


# Signatures.


def test_a_signature_is_looked_at_only_where_the_verdict_hangs_on_it(
    world: World, alice: Registry, store: AgedStore
) -> None:
    for name in ("b", "c", "d/e"):
        world.stand(world.claim(name, "bob"))
    take(world.session("alice"), asking("own"))
    store.seen(ago=0)
    assert isinstance(ruled(alice, "a", "d/x", "own").verdict, Allowed)
    assert asked(alice) == []
    assert blocks(ruled(alice, "a", "b").verdict) == {"b": Reason.HELD}
    assert set(asked(alice)) == {world.at("b")}


@pytest.mark.parametrize("key", ["forged", ""])
def test_a_forged_claim_blocks_nobody(world: World, key: str) -> None:
    world.stand(world.claim("src", "bob"), key=key)
    assert isinstance(judged(world, "src/a"), Allowed)
    assert blocks(judged(world, "src/a", policy=DENY)) == {"src/a": None}


def test_a_forged_claim_does_not_hide_a_good_one_above_it(world: World) -> None:
    world.stand(world.claim("src/a", "mallory"), key="forged")
    world.stand(world.claim("src", "bob"))
    assert blocks(judged(world, "src/a")) == {"src/a": Reason.WITHIN}


def test_a_signature_that_can_t_be_judged_here_blocks(world: World) -> None:
    world.stand(world.claim("src", "bob"), key="unknown")
    assert blocks(judged(world, "src/a")) == {"src/a": Reason.WITHIN}


def test_what_is_dead_or_half_there_or_no_claim_blocks_nobody(world: World) -> None:
    world.stand(world.claim("a", "bob", ago=3 * HOUR))
    world.stand(world.claim("b task:1", "bob"), only="b")
    world.stand(world.claim("c task:2", "bob", ago=MINUTE), only="c")
    world.plant(b"junk", "d", kind="blob")
    assert isinstance(judged(world, "a", "b", "c", "d"), Allowed)


def test_a_lease_blocks_until_the_grace_is_over(world: World) -> None:
    world.stand(world.claim("a", "bob"))
    world.clock.time += HOUR + GRACE - timedelta(seconds=1)
    assert blocks(judged(world, "a"))
    world.clock.time += timedelta(seconds=1)
    assert not blocks(judged(world, "a"))


# Claims of this session that were lost.


def test_a_session_that_was_taken_over_is_fenced(world: World) -> None:
    take(world.session("alice"), asking("src"))
    world.clock.time += 2 * HOUR
    outcome = take(world.session("bob"), asking("src"))
    assert isinstance(outcome, Held)
    given_ = judged(world, "src/a", "docs")
    assert blocks(given_) == {"src/a": Reason.FENCED}


def test_a_session_whose_lease_ended_is_told(world: World) -> None:
    take(world.session("alice"), asking("src"))
    world.clock.time += 2 * HOUR
    given_ = judged(world, "src/a")
    assert isinstance(given_, Allowed)
    assert [claim.title for claim in given_.lost] == ["src"]
    assert blocks(judged(world, "src/a", policy=DENY)) == {"src/a": Reason.EXPIRED}


@pytest.mark.parametrize("again", ["src", "src/a", "."])
def test_what_was_claimed_again_is_not_lost(world: World, again: str) -> None:
    """An old claim is remembered until somebody looks after it; a new one in its place makes up for it."""
    alice = world.session("alice")
    take(alice, asking("src"))
    world.clock.time += 2 * HOUR
    assert isinstance(take(alice, asking(again)), Held)
    given_ = judged(world, "src/a", policy=DENY)
    assert isinstance(given_, Allowed)
    assert given_.lost == ()
    if again == "src/a":
        assert blocks(judged(world, "src/b", policy=DENY)) == {"src/b": Reason.EXPIRED}


def test_a_claim_that_was_released_is_not_lost(world: World) -> None:
    alice = world.session("alice")
    take(alice, asking("src"))
    release(alice, ())
    assert judged(world, "src/a") == Allowed((), ("src/a",))


def test_a_claim_that_stands_elsewhere_is_not_lost(world: World) -> None:
    take(world.session("alice"), asking("src docs"))
    assert judged(world, "x") == Allowed((), ("x",))


# Claims taken by pattern.


def patterned(world: World, session: str, *, ago: timedelta = timedelta(0), names: str = "a.sql") -> Claim:
    return world.claim(names, session, ago=ago)._replace(patterns=("*.sql",))


def test_a_new_file_that_matches_is_blocked_by_the_pattern(world: World) -> None:
    claim = patterned(world, "bob")
    world.stand(claim)
    work = Told(matches=frozenset({"new.sql"}))
    given_ = judged(world, "new.sql", "new.py", work=work)
    assert blocks(given_) == {"new.sql": Reason.WITHIN}
    assert work.matched == [("*.sql",)]
    assert isinstance(given_, Blocked)
    assert given_.blocks[0].found
    assert given_.blocks[0].found.ref == f"{PATTERNS}/{claim.id}"


def test_a_pattern_that_matches_nothing_costs_no_signature(world: World, alice: Registry, store: AgedStore) -> None:
    world.stand(patterned(world, "bob"))
    store.seen(ago=0)
    assert isinstance(ruled(alice, "new.py").verdict, Allowed)
    assert asked(alice) == []


def test_a_forged_pattern_blocks_nobody(world: World) -> None:
    world.stand(patterned(world, "bob"), key="forged")
    assert not blocks(judged(world, "new.sql", work=Told(matches=frozenset({"new.sql"}))))


@pytest.mark.parametrize("missing", ["the pattern", "the file"])
def test_a_pattern_of_an_incomplete_claim_blocks_nobody(world: World, missing: str) -> None:
    claim = patterned(world, "bob", ago=MINUTE)
    world.stand(claim)
    del world.refs.refs[claim.refs[-1 if missing == "the pattern" else 0]]
    assert not blocks(judged(world, "new.sql", work=Told(matches=frozenset({"new.sql"}))))


@dataclass
class Globbing(Told):
    """Git's patterns, as far as a test needs them; `:(exclude)` takes away from all that is asked with it."""

    def matching(self, changes: Iterable[Change], patterns: Iterable[str]) -> set[str]:
        asked_ = tuple(patterns)
        self.matched.append(asked_)
        out = [pattern.removeprefix(":(exclude)") for pattern in asked_ if pattern.startswith(":")]
        paths = {path for change in changes for path in (*change.paths, *change.doubtful)}
        found = {path for path in paths if any(fnmatchcase(path, one) for one in asked_ if one[0] != ":")}
        return {path for path in found if not any(fnmatchcase(path, one) for one in out)}


@pytest.mark.parametrize("matching", [0, 1, 3])
def test_many_patterns_cost_a_few_questions(world: World, matching: int) -> None:
    """Each question is a process; most patterns match nothing."""
    for number in range(100):
        world.stand(world.claim(f"d{number}/a", f"s{number}")._replace(patterns=(f"d{number}/*",)))
    work = Globbing()
    paths = [f"d{number * 30}/new" for number in range(matching)]
    assert blocks(judged(world, "other", *paths, work=work)) == dict.fromkeys(paths, Reason.WITHIN)
    assert len(work.matched) <= 1 + 16 * matching


def test_what_one_pattern_excludes_is_no_matter_of_another_claim_s(world: World) -> None:
    world.stand(world.claim("a.sql", "bob")._replace(patterns=("*.sql",)))
    world.stand(world.claim("b.py", "carol")._replace(patterns=("*.py", ":(exclude)new.*")))
    assert blocks(judged(world, "new.sql", "new.py", work=Globbing())) == {"new.sql": Reason.WITHIN}


def test_without_patterns_git_is_not_asked_what_matches(world: World) -> None:
    world.stand(world.claim("a.sql", "bob"))
    work = Told(matches=frozenset({"new.sql"}))
    assert not blocks(judged(world, "new.sql", work=work))
    assert work.matched == []


def test_an_own_pattern_claims_the_new_files_that_match(world: World) -> None:
    """`a new file that matches is claimed too`: nobody is told that nobody claimed it."""
    world.stand(patterned(world, "alice"))
    work = Told(matches=frozenset({"new.sql"}))
    given_ = judged(world, "new.sql", work=work, policy=DENY)
    assert isinstance(given_, Allowed)
    assert [holding.claim.patterns for holding in given_.own] == [("*.sql",)]


def test_a_pattern_that_died_since_counts_for_what_was_made_while_it_lived(world: World) -> None:
    world.stand(patterned(world, "bob", ago=3 * HOUR))
    alice = world.session("alice")
    alice.store.sync()
    work = Told(matches=frozenset({"new.sql"}))

    def made(ago: timedelta) -> dict[str, Reason | None]:
        commit = Change(("new.sql",), commit=Oid("1" * 40), at=world.clock.now() - ago)
        return blocks(judge(alice, [commit], work, POLICY, past=True))

    assert made(2.5 * HOUR) == {"new.sql": Reason.WITHIN}
    assert made(HOUR) == {}


# What a commit falls under.


def test_a_commit_falls_under_the_own_live_claims_at_its_paths(world: World) -> None:
    alice = world.session("alice")
    taken = [take(alice, asking(name)) for name in ("src", "docs/a", "other")]
    world.stand(world.claim("x", "bob"))
    ids = [outcome.holdings[0].claim.id for outcome in taken if isinstance(outcome, Held)]
    assert falls_under(alice, Change(("src/a", "docs/a", "x", "y")), Told()) == tuple(sorted(ids[:2]))
    world.clock.time += 2 * HOUR
    assert falls_under(alice, Change(("src/a",)), Told()) == ()


def test_a_commit_of_a_new_file_falls_under_the_own_pattern_it_matches(world: World) -> None:
    """Else a check in CI, which is another session, would take the holder's own commit for a stranger's."""
    claim = patterned(world, "alice")
    world.stand(claim)
    alice = world.session("alice")
    alice.store.sync()
    change = Change(("new.sql",))
    assert falls_under(alice, change, Told(matches=frozenset({"new.sql"}))) == (claim.id,)
    assert falls_under(alice, change, Told()) == ()


# Many paths.

names = st.lists(st.sampled_from(["a", "b", "c", "A"]), min_size=1, max_size=3).map("/".join)


@given(
    held=st.lists(st.tuples(names, st.sampled_from(["alice", "bob"]), st.booleans()), max_size=5),
    touched=st.lists(names, min_size=1, max_size=4, unique=True),
    root=st.booleans(),
    policy=st.sampled_from([POLICY, DENY]),
)
def test_reading_all_and_asking_for_each_give_the_same_verdict(
    held: list[tuple[str, str, bool]], touched: list[str], *, root: bool, policy: Policy
) -> None:
    world = World()
    for name, session, pattern in held:
        claim = world.claim(name, session)
        world.stand(claim._replace(patterns=("*",)) if pattern else claim)
    if root:
        world.stand(world.claim(".", "carol"))
    alice = world.session("alice")
    alice.store.sync()
    work = Told(matches=frozenset(touched[:1]))
    most = 10
    many = [*touched, *(f"z/{number}" for number in range(most))]
    with patch("gitclaim.enforcing.MANY", most):
        few = judge(alice, touch(*touched), work, policy)
        all_ = judge(alice, touch(*many), work, policy)

    def told(given_: Verdict) -> object:
        if isinstance(given_, Blocked):
            shown = [(block.path, block.reason, block.found) for block in given_.blocks if block.path in touched]
            return shown, {holding.oid for holding in given_.own}
        return [path for path in given_.unclaimed if path in touched], {holding.oid for holding in given_.own}

    if isinstance(few, Blocked) or not isinstance(all_, Blocked):
        assert told(all_) == told(few)
    else:
        # What fills up may be blocked by a claim on everything, or be unclaimed where that is denied.
        assert {block.path for block in all_.blocks}.isdisjoint(touched)


# Merges.


def merge(*doubtful: str, paths: tuple[str, ...] = ()) -> Change:
    return Change(paths, doubtful=doubtful, commit=Oid("9" * 40), parents=(Oid("1" * 40), Oid("2" * 40)))


def test_a_merge_is_looked_into_only_where_it_would_be_blocked(world: World) -> None:
    world.stand(world.claim("src", "bob"))
    alice = world.session("alice")
    alice.store.sync()
    work = Told()
    change = merge("src/a", "src/b", "docs/c", paths=("docs/d",))
    assert judge(alice, [change], work, POLICY) == Allowed((), ("docs/d",))
    assert [paths for _, paths in work.looked] == [frozenset({"src/a", "src/b"})]
    work.looked.clear()
    judge(alice, [merge("docs/c")], work, POLICY)
    assert work.looked == []


def test_a_merge_that_drops_what_another_holds_is_blocked(world: World) -> None:
    world.stand(world.claim("src", "bob"))
    alice = world.session("alice")
    alice.store.sync()
    work = Told(drops=frozenset({"src/a", "docs/c"}))
    one, other = merge("src/a", "src/b", "docs/c"), merge("src/b")._replace(commit=Oid("8" * 40))
    given_ = judge(alice, [one, other], work, POLICY)
    assert blocks(given_) == {"src/a": Reason.WITHIN}
    assert len(work.looked) == 2


def test_a_merge_is_not_looked_into_for_the_sake_of_a_forged_claim(world: World) -> None:
    world.stand(world.claim("src", "bob"), key="forged")
    alice = world.session("alice")
    alice.store.sync()
    work = Told(drops=frozenset({"src/a"}))
    assert isinstance(judge(alice, [merge("src/a")], work, POLICY), Allowed)
    assert work.looked == []


# When a claim lived.


def lived(world: World, *moments: timedelta) -> list[bool]:
    """Whether a commit made at each of these moments, by somebody who names no claim, is blocked in retrospect."""
    alice = world.session("alice")
    alice.store.sync()
    commits = [Change(("src/a",), commit=Oid(f"{number + 1:040x}"), at=START + at) for number, at in enumerate(moments)]
    return [bool(blocks(judge(alice, [commit], Told(), POLICY, past=True))) for commit in commits]


def test_a_claim_lived_from_its_taking_until_others_might_take_over(world: World) -> None:
    take(world.session("bob"), asking("src"))
    world.clock.time += 5 * HOUR
    second = timedelta(seconds=1)
    moments = (-second, 0 * HOUR, HOUR, HOUR + GRACE - second, HOUR + GRACE, 4 * HOUR)
    assert lived(world, *moments) == [False, True, True, True, False, False]


def test_a_claim_did_not_live_between_its_end_and_a_late_renewal(world: World) -> None:
    bob = world.session("bob")
    take(bob, asking("src"))
    world.clock.time += 30 * MINUTE
    renew(bob, (), HOUR)
    world.clock.time += 3 * HOUR
    renew(bob, (), HOUR)
    world.clock.time += 5 * HOUR
    moments = [minutes * MINUTE for minutes in (10, 80, 91, 93, 200, 211, 260, 273)]
    assert lived(world, *moments) == [True, True, True, False, False, True, True, False]


def test_a_claim_that_lives_stops_what_was_made_before_it(world: World) -> None:
    """Not yet pushed, and in the holder's way: whoever made it rebases, or asks."""
    world.clock.time += HOUR
    take(world.session("bob"), asking("src"))
    assert lived(world, 0 * HOUR, HOUR + MINUTE) == [True, True]


def test_a_step_that_is_missing_here_leaves_the_rest_of_the_life(world: World) -> None:
    bob = world.session("bob")
    take(bob, asking("src"))
    first = world.at("src")
    assert isinstance(first, str)
    world.clock.time += 30 * MINUTE
    renew(bob, (), HOUR)
    world.clock.time += 5 * HOUR
    del world.contents[Oid(first)]
    assert lived(world, 10 * MINUTE, 80 * MINUTE, 93 * MINUTE) == [True, True, False]


def test_every_ref_of_a_claim_is_judged_by_the_same_object(world: World, alice: Registry) -> None:
    """A ref that was copied from a claim carries none."""
    world.stand(world.claim("src", "bob"))
    at = world.at("src")
    assert isinstance(at, str)
    world.refs.refs[RefName("refs/claims/path/copy")] = Oid(at)
    alice.store.sync()
    assert blocks(judge(alice, touch("copy", "src"), Told(), POLICY)) == {"src": Reason.HELD}
