"""Claims taken by pattern: one more ref by which they are found, for as long as the claim lives."""

from datetime import timedelta

import pytest

from gitclaim.breaking import break_claims
from gitclaim.claim import Claim
from gitclaim.holding import give, release, renew
from gitclaim.moving import move
from gitclaim.names import RefName, Session
from gitclaim.protocol import Denied, Held, take
from gitclaim.registry import Holding, Registry, Standing
from gitclaim.resources import CLAIMS, PATTERNS
from gitclaim.sweep import malformed, sweep
from tests.kit.memory import HOUR, World, asking, resources
from tests.kit.repos import Clones


@pytest.fixture
def world() -> World:
    return World()


def by_pattern(registry: Registry, names: str) -> Holding:
    outcome = take(registry, asking(names)._replace(patterns=("db/*.sql",)))
    assert isinstance(outcome, Held)
    return outcome.holdings[0]


def pattern_ref(claim: Claim) -> RefName:
    return RefName(f"{PATTERNS}/{claim.id}")


def patterns(world: World) -> set[RefName]:
    return {ref for ref in world.refs.refs if ref.startswith(PATTERNS)}


def test_a_claim_by_pattern_has_one_more_ref_and_a_claim_without_has_none(world: World) -> None:
    alice = world.session("alice")
    claim = by_pattern(alice, "db/a.sql db/b.sql").claim
    take(alice, asking("src"))
    assert patterns(world) == {pattern_ref(claim)}
    assert claim.refs[-1] == pattern_ref(claim)


def test_it_is_renewed_and_given_with_the_others(world: World) -> None:
    alice = world.session("alice")
    claim = by_pattern(alice, "db/a.sql").claim
    (renewed,) = renew(alice, [], HOUR).holdings
    assert set(world.refs.refs.values()) == {renewed.oid}
    (given,) = give(alice, resources("db/a.sql"), Session("bob")).holdings
    assert world.refs.refs[pattern_ref(claim)] == given.oid


def test_it_goes_with_the_claim(world: World) -> None:
    alice = world.session("alice")
    by_pattern(alice, "db/a.sql db/b.sql")
    release(alice, resources("db/a.sql"))
    assert patterns(world) == set(), "what is left is what it lists"
    by_pattern(alice, "db/a.sql")
    release(alice, [])
    assert not [ref for ref in world.refs.refs if not ref.startswith("refs/gitclaim/released/")]
    by_pattern(alice, "db/a.sql")
    break_claims(world.session("bob"), resources("db/a.sql"), "gone")
    assert patterns(world) == set()


def test_without_it_the_claim_is_incomplete(world: World) -> None:
    claim = by_pattern(world.session("alice"), "db/a.sql").claim
    del world.refs.refs[pattern_ref(claim)]
    world.clock.pass_by(seconds=60)
    bob = world.session("bob")
    bob.store.sync()
    assert [one.standing for one in bob.look_all()] == [Standing.VOID]


def test_what_expired_or_is_no_claim_is_swept(world: World) -> None:
    alice = world.session("alice")
    claim = by_pattern(alice, "db/a.sql").claim
    stray = RefName(f"{PATTERNS}/{claim.id[:-1]}X")
    world.refs.refs[stray] = world.refs.refs[pattern_ref(claim)]
    alice.store.sync()
    assert [one.ref for one in malformed(alice)] == [stray]
    world.clock.pass_by(hours=2)
    bob = world.session("bob")
    assert isinstance(take(bob, asking("db/a.sql")), Held)
    sweep(bob, first_seen={}, malformed_after=timedelta(minutes=1))
    assert patterns(world) == set()
    assert {ref for ref in world.refs.refs if ref.startswith(CLAIMS)} == {"refs/claims/path/db/a.sql"}


def test_a_lost_take_leaves_none(world: World) -> None:
    alice, bob = world.session("alice"), world.session("bob")
    take(alice, asking("db/b.sql"))
    outcome = take(bob, asking("db/a.sql db/b.sql")._replace(patterns=("db/*.sql",)))
    assert isinstance(outcome, Denied)
    assert patterns(world) == set()


def test_it_is_moved_to_another_registry(world: World) -> None:
    there = World()
    claim = there.claim("db/a.sql", "alice")._replace(patterns=("db/*.sql",))
    oid = there.stand(claim)
    there.refs.refs.clear()
    moved = move([Holding(claim, oid)], there.session("alice"))
    assert moved.lost == ()
    assert there.refs.refs == {"refs/claims/path/db/a.sql": oid, pattern_ref(claim): oid}
    assert world.refs.refs == {}


def test_over_a_real_remote_everybody_sees_it_for_as_long_as_the_claim_stands(clones: Clones) -> None:
    clones.alice.commit_file("db/a.sql")
    held = clones.alice.claim("take", "--glob", "db/*.sql", "--json").json["claim"]
    ref = f"{PATTERNS}/{held['id']}"
    assert clones.remote.refs(PATTERNS) == {ref: held["oid"]}
    clones.bob.claim("list")
    assert clones.bob.refs(PATTERNS) == {ref: held["oid"]}
    clones.alice.claim("release", "--all")
    assert clones.remote.refs(PATTERNS) == {}
    clones.bob.claim("list")
    assert clones.bob.refs(PATTERNS) == {}
