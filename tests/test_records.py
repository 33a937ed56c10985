"""What ended stays ended: the records of released and broken claims, and the key a claim is bound to."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from gitclaim.breaking import break_claims
from gitclaim.claim import GRACE, MESSAGE_LIMIT, Claim, format_claim, parse_commit, renewal
from gitclaim.errors import GitclaimError
from gitclaim.holding import give, release, renew
from gitclaim.names import ClaimId, Oid, RefName, Session
from gitclaim.protocol import Held, TakeOutcome, take
from gitclaim.record import (
    BROKEN,
    RELEASED,
    Broken,
    Landing,
    Released,
    broken_ref,
    format_broken,
    format_released,
    landing_notes,
    landings,
    parse_broken,
    parse_released,
    released_ref,
)
from gitclaim.registry import Found, Holder, Holding, Registry, Standing
from gitclaim.sweep import RECORDS_KEPT, sweep
from tests.kit.memory import (
    HOUR,
    MemoryLedger,
    MemoryObjects,
    ScriptedStore,
    World,
    asking,
    commit_bytes,
    ref_of,
    resources,
)

MINUTE: Final = timedelta(minutes=1)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def alice(world: World) -> Registry:
    return world.session("alice")


@pytest.fixture
def bob(world: World) -> Registry:
    return world.session("bob")


def clone(world: World, session: str, key: str) -> Registry:
    """Another clone that says it is that session, and signs with a key of its own."""
    registry = world.session(session, key=key)._replace(ledger=MemoryLedger())
    registry.store.sync()
    return registry


def taken(registry: Registry, names: str = "src", ttl: timedelta = HOUR) -> Holding:
    outcome = take(registry, asking(names, ttl=ttl))
    assert isinstance(outcome, Held)
    return outcome.holdings[0]


def push_back(world: World, holding: Holding) -> None:
    """Somebody keeps an old object, and puts it where it stood."""
    world.refs.refs |= dict.fromkeys(holding.claim.refs, holding.oid)


def seen(world: World, names: str = "src") -> list[Found]:
    """How somebody else sees what stands there."""
    registry = world.session("onlooker")
    registry.store.sync()
    return registry.judged(registry.look([resource.ref for resource in resources(names)]))


def standing(world: World, names: str = "src") -> set[Standing]:
    return {one.standing for one in seen(world, names)}


def is_free(world: World, names: str = "src") -> TakeOutcome:
    """Make sure that the next who asks gets it, at once."""
    outcome = take(world.session("carol"), asking(names))
    assert isinstance(outcome, Held), outcome
    return outcome


def record_of(world: World, holding: Holding) -> Oid:
    return world.refs.refs[released_ref(holding.claim.id)]


def written(world: World, message: str, *, parent: Oid | None, key: str, ref: RefName) -> Oid:
    """Put a record somewhere, as anybody can who may push."""
    oid = MemoryObjects(world.contents, key).write(message, parent=parent, at=world.clock.now())
    world.refs.refs[ref] = oid
    return oid


def released_text(holding: Holding, *, by: str = "alice", oid: Oid | None = None) -> str:
    claim = holding.claim
    record = Released(claim.id, oid or holding.oid, Session(by), claim.lapses())
    return format_released(record, title=claim.title)


# What a release leaves.


def test_a_release_leaves_a_signed_record_that_follows_the_claim(world: World, alice: Registry) -> None:
    holding = taken(alice, "src task:1")
    release(alice, ())
    oid = record_of(world, holding)
    assert world.refs.refs == {released_ref(holding.claim.id): oid}
    content = world.contents[oid]
    assert isinstance(content, bytes)
    commit = parse_commit(content)
    assert commit.parents == (holding.oid,)
    expected = Released(holding.claim.id, holding.oid, Session("alice"), holding.claim.lapses())
    assert parse_released(commit.message) == expected
    assert alice.verifier.verify([oid])[oid].key == "alice"


def test_a_release_of_a_part_ends_nothing(world: World, alice: Registry) -> None:
    taken(alice, "src docs")
    release(alice, resources("docs"))
    assert list(world.refs.refs) == [ref_of("src")]
    assert standing(world) == {Standing.LIVE}


def test_what_lapsed_needs_no_record(world: World, alice: Registry) -> None:
    holding = taken(alice)
    world.clock.time = holding.claim.lapses()
    release(alice, ())
    assert not world.refs.refs
    push_back(world, holding)
    assert standing(world) == {Standing.EXPIRED}


def test_within_the_grace_a_release_still_leaves_a_record(world: World, alice: Registry) -> None:
    holding = taken(alice)
    world.clock.time = holding.claim.lapses() - timedelta(seconds=1)
    release(alice, ())
    push_back(world, holding)
    assert standing(world) == {Standing.UNTRUSTED}


# What ended and is pushed back.


def test_a_released_claim_pushed_back_is_worth_nothing(world: World, alice: Registry) -> None:
    holding = taken(alice, "src task:1")
    release(alice, ())
    push_back(world, holding)
    assert {one.note for one in seen(world, "src task:1")} == {"its holder released it, and somebody pushed it back"}
    is_free(world)
    assert world.at("src") != holding.oid


def test_a_part_of_it_pushed_back_at_once_is_not_taken_for_one_that_is_being_written(
    world: World, alice: Registry
) -> None:
    holding = taken(alice, "a b")
    release(alice, ())
    world.refs.refs[ref_of("a")] = holding.oid
    assert standing(world, "a") == {Standing.UNTRUSTED}


def test_the_next_one_replaces_it_where_it_stands(world: World, alice: Registry) -> None:
    holding = taken(alice)
    release(alice, ())
    push_back(world, holding)
    outcome = is_free(world)
    assert isinstance(outcome, Held)
    assert [one.oid for one in outcome.removed] == [holding.oid]
    assert world.at("src") == outcome.holdings[0].oid


@pytest.mark.parametrize("asked", ["src/api", "."])
def test_it_is_not_in_the_way_above_or_below_either(world: World, alice: Registry, asked: str) -> None:
    holding = taken(alice)
    release(alice, ())
    push_back(world, holding)
    is_free(world, asked)
    assert world.at("src") is None


def test_every_earlier_object_of_a_released_claim_is_worth_nothing_too(world: World, alice: Registry) -> None:
    first = taken(alice)
    world.clock.time += 10 * MINUTE
    (second,) = renew(alice, (), HOUR).holdings
    world.clock.time += 10 * MINUTE
    renew(alice, (), HOUR)
    release(alice, ())
    for old in (first, second):
        push_back(world, old)
        assert standing(world) == {Standing.UNTRUSTED}


def test_it_is_worth_nothing_to_its_former_holder_as_well(world: World, alice: Registry) -> None:
    holding = taken(alice)
    release(alice, ())
    push_back(world, holding)
    again = taken(world.session("alice"))
    assert again.claim.id != holding.claim.id


def test_a_broken_claim_pushed_back_is_worth_nothing(world: World, alice: Registry, bob: Registry) -> None:
    first = taken(alice)
    world.clock.time += MINUTE
    (second,) = renew(alice, (), HOUR).holdings
    break_claims(bob, resources("src"), "went home")
    for old in (first, second):
        push_back(world, old)
        assert [one.note for one in seen(world)] == ["bob broke it: went home"]
    is_free(world)


def test_what_was_taken_after_a_release_is_another_claim(world: World, alice: Registry) -> None:
    taken(alice)
    release(alice, ())
    taken(alice)
    assert standing(world) == {Standing.LIVE}


def test_what_was_written_after_what_a_record_names_is_not_ended_by_it(
    world: World, alice: Registry, bob: Registry
) -> None:
    """Where pushes are not atomic, a record may come first and a renewal in between."""
    holding = taken(alice)
    break_claims(bob, resources("src"), "went home")
    push_back(world, holding)
    world.clock.time += MINUTE
    renew(alice, (), HOUR)
    assert standing(world) == {Standing.LIVE}


def dressed_up(world: World, holding: Holding) -> Holding:
    """The same, in other bytes: a signature is no part of what is signed."""
    content = world.contents[holding.oid]
    assert isinstance(content, bytes)
    head, _, message = content.partition(b"\n\n")
    oid = MemoryObjects(world.contents, "").add(head + b"\ngpgsig-sha256 x\n and more\n\n" + message)
    return Holding(holding.claim, oid)


@pytest.mark.parametrize("broken", [True, False])
def test_what_ended_is_worth_nothing_in_other_bytes(world: World, alice: Registry, bob: Registry, broken: bool) -> None:  # noqa: FBT001
    """Each step of it: taken, given, renewed by who it was given to."""
    first = taken(alice)
    (second,) = give(alice, (), Session("bob")).holdings
    bob.store.sync()
    world.clock.time += MINUTE
    (third,) = renew(bob, (), HOUR).holdings
    for step in (first, second, third):
        push_back(world, dressed_up(world, step))
        assert standing(world) == {Standing.LIVE}
    push_back(world, third)
    if broken:
        break_claims(alice, resources("src"), "went home")
    else:
        release(bob, ())
    for step in (first, second, third):
        push_back(world, dressed_up(world, step))
        assert standing(world) == {Standing.UNTRUSTED}


def test_a_step_that_was_pushed_back_and_gone_on_from_ends_with_the_claim(world: World, alice: Registry) -> None:
    """The step in between, with its longer lease, is none that the record follows."""
    first = taken(alice)
    world.clock.time += MINUTE
    (second,) = renew(alice, (), 8 * HOUR).holdings
    push_back(world, first)
    world.clock.time += MINUTE
    (third,) = renew(world.session("alice"), (), HOUR).holdings
    assert second.oid not in alice.objects.lineage(third.oid)
    release(world.session("alice"), ())
    push_back(world, second)
    assert standing(world) == {Standing.UNTRUSTED}


def test_what_another_holder_has_is_not_ended_by_a_fork_of_it(world: World, alice: Registry, bob: Registry) -> None:
    """Mallory goes on with what bob was given, in bob's name, beside what bob has made of it; and releases that."""
    taken(alice)
    (given,) = give(alice, (), Session("bob")).holdings
    bob.store.sync()
    (renewed,) = renew(bob, (), HOUR).holdings
    fork = stolen(world, given, session="bob")
    push_back(world, renewed)
    text = released_text(fork, by="bob")
    written(world, text, parent=fork.oid, key="mallory", ref=released_ref(fork.claim.id))
    assert standing(world) == {Standing.LIVE}


# Records that prove nothing.

FORGERIES: Final[Mapping[str, tuple[str, bool, Callable[[Holding], str]]]] = {
    "signed by a stranger": ("mallory", True, released_text),
    "not signed": ("", True, released_text),
    "forged": ("forged", True, released_text),
    "signed so that nobody can tell": ("unknown", True, released_text),
    "without the claim as its parent": ("alice", False, released_text),
    "naming another object": ("alice", True, lambda one: released_text(one, oid=Oid("1" * 40))),
    "no record": ("alice", True, lambda one: f"release\n\nReleased: {one.claim.id}\n"),
    "a claim": ("alice", True, lambda one: format_claim(one.claim)),
    "with more behind it": ("alice", True, lambda one: released_text(one) + "\nand so on\n"),
    "of huge size": ("alice", True, lambda one: released_text(one) + "x" * MESSAGE_LIMIT),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_record_that_is_none_ends_nothing(world: World, alice: Registry, name: str) -> None:
    holding = taken(alice)
    key, follows, text = FORGERIES[name]
    parent = holding.oid if follows else None
    written(world, text(holding), parent=parent, key=key, ref=released_ref(holding.claim.id))
    assert standing(world) == {Standing.LIVE}
    assert not isinstance(take(world.session("carol"), asking("src")), Held)


@pytest.mark.parametrize("kind", ["blob", "tree", "tag"])
def test_what_is_no_commit_ends_nothing(world: World, alice: Registry, kind: str) -> None:
    holding = taken(alice)
    world.refs.refs[released_ref(holding.claim.id)] = world.plant(released_text(holding), kind=kind)
    assert standing(world) == {Standing.LIVE}


def test_a_record_whose_object_is_missing_ends_nothing(world: World, alice: Registry) -> None:
    holding = taken(alice)
    world.refs.refs[released_ref(holding.claim.id)] = Oid("1" * 40)
    assert standing(world) == {Standing.LIVE}


def test_the_record_of_one_claim_ends_no_other(world: World, alice: Registry, bob: Registry) -> None:
    """Put where the other's record would stand."""
    gone = taken(alice, "docs")
    release(alice, ())
    live = taken(bob)
    world.refs.refs[released_ref(live.claim.id)] = record_of(world, gone)
    assert standing(world) == {Standing.LIVE}


def test_a_record_of_breaking_that_nobody_signed_ends_nothing(world: World, alice: Registry) -> None:
    holding = taken(alice)
    text = format_broken(Broken(holding.claim.id, holding.oid, Session("bob"), "because"), title="src")
    written(world, text, parent=holding.oid, key="", ref=broken_ref(holding.claim.id))
    assert standing(world) == {Standing.LIVE}


def test_a_key_that_does_not_count_ends_nothing(world: World, alice: Registry, bob: Registry) -> None:
    holding = taken(alice)
    break_claims(bob, resources("src"), "because")
    push_back(world, holding)
    onlooker = world.session("onlooker", trusted=frozenset({"alice"}))
    onlooker.store.sync()
    assert [one.standing for one in onlooker.judged(onlooker.look([ref_of("src")]))] == [Standing.LIVE]


def test_a_broken_record_does_not_keep_its_holder_from_releasing(world: World, alice: Registry) -> None:
    holding = taken(alice)
    written(world, "junk\n", parent=None, key="mallory", ref=released_ref(holding.claim.id))
    alice.store.sync()
    assert len(release(alice, ()).holdings) == 1
    push_back(world, holding)
    assert standing(world) == {Standing.UNTRUSTED}


# How long records stay.


def swept(world: World) -> int:
    return sweep(world.session("janitor"), first_seen={}).records


def test_the_record_of_a_release_goes_when_the_claim_would_have_lapsed_by_itself(world: World, alice: Registry) -> None:
    holding = taken(alice)
    release(alice, ())
    world.clock.time = holding.claim.lapses() + GRACE - timedelta(seconds=1)
    assert swept(world) == 0
    world.clock.pass_by(seconds=1)
    assert swept(world) == 1
    assert not world.refs.refs


def test_the_record_of_breaking_stays_longer(world: World, alice: Registry, bob: Registry) -> None:
    taken(alice)
    break_claims(bob, resources("src"), "because")
    world.clock.time += RECORDS_KEPT - timedelta(seconds=1)
    assert swept(world) == 0
    world.clock.pass_by(seconds=1)
    assert swept(world) == 1


def test_what_is_no_record_goes_at_once(world: World) -> None:
    world.refs.refs[RefName(f"{RELEASED}/x")] = world.plant("junk", kind="blob")
    world.refs.refs[RefName(f"{BROKEN}/x")] = world.plant("junk")
    assert swept(world) == 2


def test_a_record_outlives_every_object_of_its_claim(world: World, alice: Registry) -> None:
    first = taken(alice, ttl=8 * HOUR)
    world.clock.time += MINUTE
    (last,) = renew(alice, (), HOUR).holdings
    release(alice, ())
    world.clock.time = last.claim.lapses() + 2 * GRACE
    swept(world)
    push_back(world, first)
    assert Standing.LIVE not in standing(world)


# The key a claim is bound to.


def stolen(world: World, holding: Holding, *, session: str = "alice", key: str = "mallory") -> Holding:
    """The claim as another key goes on with it, past all that gitclaim refuses."""
    claim = renewal(holding.claim, world.clock.now(), 2 * HOUR)._replace(session=Session(session))
    objects = MemoryObjects(world.contents, key)
    oid = objects.write(format_claim(claim, action="renew"), parent=holding.oid, at=world.clock.now())
    push_back(world, Holding(claim, oid))
    return Holding(claim, oid)


@pytest.mark.parametrize("session", ["alice", "mallory"])
def test_a_claim_that_another_key_went_on_with_blocks_nobody(world: World, alice: Registry, session: str) -> None:
    stolen(world, taken(alice), session=session)
    assert [(one.standing, one.note) for one in seen(world)] == [
        (Standing.UNTRUSTED, "another key than its holder's went on with it")
    ]
    is_free(world)


def test_a_theft_is_not_healed_by_going_on_with_it(world: World, alice: Registry) -> None:
    thief = stolen(world, taken(alice))
    stolen(world, stolen(world, thief), key="alice")
    assert standing(world) == {Standing.UNTRUSTED}


def test_a_stolen_claim_is_still_bound_to_the_key_that_took_it(world: World, alice: Registry) -> None:
    thief = stolen(world, stolen(world, taken(alice)))
    assert alice.holder(thief.oid) == Holder("alice", sound=False)


def test_a_step_that_nobody_can_check_takes_nothing_from_its_holder(world: World, alice: Registry) -> None:
    unknown = stolen(world, taken(alice), key="unknown")
    assert standing(world) == {Standing.LIVE}
    last = stolen(world, unknown, key="alice")
    assert alice.holder(last.oid) == Holder("alice", sound=True)
    assert standing(world) == {Standing.LIVE}


def test_what_nobody_signed_hands_nothing_on(world: World, alice: Registry) -> None:
    """A claim that was given is bound to no key, and yet goes on by signatures alone."""
    taken(alice)
    (given,) = give(alice, (), Session("bob")).holdings
    unsigned = stolen(world, given, session="dora", key="")
    stolen(world, unsigned, session="dora", key="dora")
    assert standing(world) == {Standing.UNTRUSTED}


def test_what_follows_another_claim_has_nothing_of_its_life(world: World, alice: Registry) -> None:
    """Neither its key, nor what landed under it, nor its lease."""
    theirs = taken(alice, ttl=8 * HOUR)
    landing = Landing(RefName("refs/heads/main"), Oid("1" * 40))
    text = format_claim(theirs.claim, notes=landing_notes([landing]))
    before = MemoryObjects(world.contents, "alice").write(text, parent=theirs.oid, at=world.clock.now())
    claim = world.claim("docs", "mallory")
    oid = MemoryObjects(world.contents, "mallory").write(format_claim(claim), parent=before, at=world.clock.now())
    assert alice.holder(oid) == Holder("mallory", sound=True)
    assert alice.landed(before) == [landing.oid]
    assert alice.landed(oid) == []
    assert alice.worthless_from(Holding(claim, oid)) == claim.lapses()


@pytest.mark.parametrize(
    ("holder", "thief", "standing_"),
    [
        ("alice", "unknown-openpgp", Standing.UNTRUSTED),
        ("alice-openpgp", "unknown-ssh", Standing.UNTRUSTED),
        ("unknown-openpgp", "mallory", Standing.UNTRUSTED),
        ("unknown-ssh", "mallory-openpgp", Standing.UNTRUSTED),
        ("alice", "unknown-ssh", Standing.LIVE),
        ("alice-openpgp", "unknown-openpgp", Standing.LIVE),
        ("alice", "unknown", Standing.LIVE),
        ("unknown-ssh", "alice", Standing.LIVE),
    ],
)
def test_a_step_by_another_kind_of_key_is_another_s(world: World, holder: str, thief: str, standing_: Standing) -> None:
    """Whatever can't be told of its signature; of the same kind, that proves nothing."""
    stolen(world, taken(clone(world, "alice", holder)), key=thief)
    assert standing(world) == {standing_}


def test_what_ended_is_worth_nothing_whatever_can_be_told_of_it(world: World) -> None:
    """The record of its release is signed by a key that is known."""
    unknown = taken(clone(world, "alice", "unknown-ssh"))
    text = format_broken(Broken(unknown.claim.id, unknown.oid, Session("bob"), "because"), title="src")
    written(world, text, parent=unknown.oid, key="bob", ref=broken_ref(unknown.claim.id))
    assert standing(world) == {Standing.UNTRUSTED}


def test_a_claim_that_was_given_is_its_new_holder_s_from_their_first_renewal_on(
    world: World, alice: Registry, bob: Registry
) -> None:
    taken(alice)
    give(alice, (), Session("bob"))
    assert standing(world) == {Standing.LIVE}
    bob.store.sync()
    (renewed,) = renew(bob, (), HOUR).holdings
    assert bob.holder(renewed.oid).key == "bob"
    assert standing(world) == {Standing.LIVE}
    for key in ("alice", "mallory"):
        stolen(world, renewed, session="bob", key=key)
        assert standing(world) == {Standing.UNTRUSTED}


def test_a_claim_that_was_given_can_be_given_on(world: World, alice: Registry, bob: Registry) -> None:
    """Once it is bound to a key of who gives it on: by another key than the giver's that would look like theft."""
    taken(alice)
    give(alice, (), Session("bob"))
    bob.store.sync()
    before = dict(world.refs.refs)
    with pytest.raises(GitclaimError, match="has not gone on with it yet") as caught:
        give(bob, (), Session("dora"))
    assert caught.value.hint == "gitclaim renew, and then again"
    assert world.refs.refs == before
    renew(bob, (), HOUR)
    give(bob, (), Session("dora"))
    dora = world.session("dora")
    dora.store.sync()
    (renewed,) = renew(dora, (), HOUR).holdings
    assert dora.holder(renewed.oid) == Holder("dora", sound=True, bound=True)
    assert standing(world) == {Standing.LIVE}


def test_sessions_with_one_key_give_a_claim_on_at_once(world: World) -> None:
    """The key that gave it may still say to whom."""
    alice, bob = (world.session(name, key="anna") for name in ("alice", "bob"))
    taken(alice)
    give(alice, (), Session("bob"))
    bob.store.sync()
    (given,) = give(bob, (), Session("dora")).holdings
    assert bob.holder(given.oid) == Holder("", sound=True, bound=False)
    assert standing(world) == {Standing.LIVE}


@pytest.mark.parametrize(
    ("session", "key", "standing_"),
    [
        ("mallory", "mallory", Standing.UNTRUSTED),
        ("alice", "mallory", Standing.UNTRUSTED),
        ("mallory", "unknown-openpgp", Standing.UNTRUSTED),
        ("bob", "mallory", Standing.LIVE),
        ("alice", "alice", Standing.LIVE),
    ],
)
def test_what_was_given_is_gone_on_with_in_the_name_it_was_given_to(
    world: World, alice: Registry, session: str, key: str, standing_: Standing
) -> None:
    """A name is all that is known of them until then; its giver may take it back."""
    taken(alice)
    (given,) = give(alice, (), Session("bob")).holdings
    stolen(world, given, session=session, key=key)
    assert standing(world) == {standing_}


def test_what_was_given_is_released_in_the_name_it_was_given_to(world: World, alice: Registry) -> None:
    taken(alice)
    (given,) = give(alice, (), Session("bob")).holdings
    ref = released_ref(given.claim.id)
    written(world, released_text(given, by="mallory"), parent=given.oid, key="mallory", ref=ref)
    assert standing(world) == {Standing.LIVE}
    written(world, released_text(given, by="bob"), parent=given.oid, key="bob", ref=ref)
    assert standing(world) == {Standing.UNTRUSTED}


def test_what_can_t_be_told_is_nobody_s_to_release(world: World) -> None:
    """Whose it is, not whether it is bound."""
    unknown = taken(clone(world, "alice", "unknown-ssh"))
    onlooker = world.session("onlooker")
    assert onlooker.holder(unknown.oid) == Holder("", sound=True, bound=True)
    text = released_text(unknown)
    written(world, text, parent=unknown.oid, key="mallory", ref=released_ref(unknown.claim.id))
    assert standing(world) == {Standing.LIVE}


def test_who_was_given_a_claim_may_release_it_for_good(world: World, alice: Registry, bob: Registry) -> None:
    taken(alice)
    (given,) = give(alice, (), Session("bob")).holdings
    bob.store.sync()
    release(bob, ())
    push_back(world, given)
    assert standing(world) == {Standing.UNTRUSTED}


DEEDS: Final[Mapping[str, Callable[[Registry], object]]] = {
    "renew": lambda registry: renew(registry, resources("src"), HOUR),
    "renew all": lambda registry: renew(registry, (), HOUR),
    "release": lambda registry: release(registry, ()),
    "release a part": lambda registry: release(registry, resources("src/b")),
    "give": lambda registry: give(registry, resources("src"), Session("bob")),
    "widen": lambda registry: take(registry, asking("src", widen=True)),
    "extend": lambda registry: take(registry, asking("src/a", ttl=3 * HOUR, extend=True)),
}


@pytest.mark.parametrize("name", DEEDS)
def test_with_another_key_nothing_is_done_to_a_claim(world: World, alice: Registry, name: str) -> None:
    holding = taken(alice, "src/a src/b")
    before = dict(world.refs.refs)
    world.clock.time += MINUTE
    with pytest.raises(GitclaimError, match="bound to the key alice, and this clone signs with other") as caught:
        DEEDS[name](clone(world, "alice", "other"))
    assert "\n" not in caught.value.message
    assert world.refs.refs == before
    assert world.at("src/a") == holding.oid


@pytest.mark.parametrize("name", DEEDS)
def test_with_a_key_that_does_not_count_nothing_is_done_to_a_claim(world: World, alice: Registry, name: str) -> None:
    taken(alice, "src/a src/b")
    before = dict(world.refs.refs)
    world.clock.time += MINUTE
    without = world.session("alice", trusted=frozenset({"bob"}))
    without.store.sync()
    with pytest.raises(GitclaimError, match="this clone's signatures do not count here: alice"):
        DEEDS[name](without)
    assert world.refs.refs == before


@pytest.mark.parametrize("name", DEEDS)
def test_with_its_own_key_another_clone_does_everything(world: World, alice: Registry, name: str) -> None:
    taken(alice, "src/a src/b")
    before = dict(world.refs.refs)
    world.clock.time += MINUTE
    DEEDS[name](clone(world, "alice", "alice"))
    assert world.refs.refs != before
    assert Standing.UNTRUSTED not in standing(world)


def test_a_swap_that_is_refused_for_its_key_was_never_sent(world: World, alice: Registry) -> None:
    taken(alice)
    other = clone(world, "alice", "other")
    store = ScriptedStore(world.refs)
    store.sync()
    with pytest.raises(GitclaimError):
        release(other._replace(store=store), ())
    assert "swap" not in store.calls


# The format.

oids = st.from_regex(r"[0-9a-f]{39}[1-9a-f]", fullmatch=True).map(Oid)
ids = st.builds(ClaimId.made, st.integers(0, (1 << 48) - 1), st.binary(min_size=10, max_size=10))
sessions = st.from_regex(r"[a-z0-9ü][a-z0-9/.@:-]{0,20}", fullmatch=True).map(Session)
refs = st.from_regex(r"refs/(heads|for|tags)/[a-zü][a-z0-9@+ü=-]{0,12}", fullmatch=True).map(RefName)
landed = st.lists(st.builds(Landing, refs, oids), max_size=4).map(tuple)
moments = st.datetimes(datetime(1970, 1, 1), datetime(9998, 12, 31), timezones=st.just(UTC)).map(  # noqa: DTZ001
    lambda moment: moment.replace(microsecond=0)
)
titles = st.from_regex(r"[^\n\x00-\x1f]{1,40}", fullmatch=True)


@for_all(st.builds(Released, ids, oids, sessions, moments, landed), titles)
def test_a_record_of_a_release_reads_back_as_it_was_written(record: Released, title: str) -> None:
    assert parse_released(format_released(record, title=title)) == record


@for_all(
    st.builds(Broken, ids, oids, sessions, st.from_regex(r"[a-z ]+(\n[a-z ]+)?(\n\n[a-z ]+)?", fullmatch=True)), titles
)
def test_a_record_of_breaking_reads_back_as_it_was_written(record: Broken, title: str) -> None:
    text = format_broken(record, title=title)
    assert parse_broken(text) == record
    assert parse_released(text) is None


@for_all(landed)
def test_what_a_claim_vouches_for_reads_back_as_it_was_written(landed: tuple[Landing, ...]) -> None:
    claim = World().claim("src", "alice")
    assert landings(format_claim(claim, action="land", notes=landing_notes(landed))) == landed


SHAPES: Final = st.sampled_from(
    [
        "release {}\n\nReleased: {}\nObject: {}\nSession: {}\nUntil: {}\n",
        "land {}\n\nReleased: {}\nObject: {}\nSession: {}\nUntil: {}\nLands: {}@{}\n",
        "break {}\n\n{}\n\nBroken: {}\nObject: {}\nSession: {}\n",
        "{}\n\nLands: {}@{}",
    ]
)


@for_all(SHAPES, st.lists(st.text(max_size=30) | st.text("0123456789abcdefZ-:Tx/@\n ", max_size=41), min_size=7))
def test_no_text_is_too_odd_to_be_no_record(shape: str, words: list[str]) -> None:
    text = shape.format(*words)
    for message in (text, words[0]):
        parse_released(message)
        parse_broken(message)
        landings(message)


@pytest.mark.parametrize("reason", ["a\x1b[2J", "a\nb\u202ec", "a\x00"])
def test_a_reason_that_a_terminal_might_obey_is_no_record(reason: str) -> None:
    record = Broken(ClaimId("0" * 26), Oid("1" * 40), Session("bob"), "because")
    assert parse_broken(format_broken(record, title="src")) == record
    assert parse_broken(format_broken(record._replace(reason=reason), title="src")) is None


def test_what_has_more_behind_it_is_no_record_of_breaking() -> None:
    text = format_broken(Broken(ClaimId("0" * 26), Oid("1" * 40), Session("bob"), "because"), title="src")
    assert parse_broken(f"{text}\nand so on\n") is None
    assert parse_broken(f"x\n\n{text}") is None


def test_what_does_not_lead_to_a_ref_or_a_commit_is_not_vouched_for() -> None:
    good, bad = "1" * 40, "0" * 40
    text = f"land x\n\nClaim: y\nLands: refs/heads/a@{good}\nLands: refs/heads/a..b@{good}\nLands: refs/heads/c@{bad}\n"
    assert landings(text) == (Landing(RefName("refs/heads/a"), Oid(good)),)


def test_what_stands_in_the_text_of_a_claim_is_not_vouched_for() -> None:
    claim: Claim = World().claim("src", "alice", purpose=f"Lands: refs/heads/a@{'1' * 40}")
    assert landings(format_claim(claim)) == ()
    assert parse_commit(commit_bytes(format_claim(claim))).message
