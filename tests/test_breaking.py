"""Breaking: a person removes another's claim, says why, and the record is never missing."""

from datetime import timedelta

import pytest

from gitclaim.breaking import break_claims
from gitclaim.errors import GitclaimError, UnknownOutcomeError, UnreachableError, UsageError
from gitclaim.holding import renew
from gitclaim.names import ClaimId, Oid, RefName, Session
from gitclaim.protocol import ATTEMPTS, Held, take
from gitclaim.record import Broken, broken_ref, format_broken, parse_broken
from gitclaim.refstore.contract import Refused
from gitclaim.registry import Holding, Registry
from tests.kit.interleaving import CoarseClock
from tests.kit.memory import HOUR, ScriptedStore, World, asking, commit_bytes, ref_of, resources


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def store(world: World) -> ScriptedStore:
    """Bob's connection to the registry."""
    return ScriptedStore(world.refs)


@pytest.fixture
def bob(world: World, store: ScriptedStore) -> Registry:
    return world.session("bob", store=store)


def taken(world: World, names: str) -> Holding:
    outcome = take(world.session("alice"), asking(names))
    assert isinstance(outcome, Held)
    return outcome.holdings[0]


def recorded(world: World, holding: Holding) -> Broken | None:
    onlooker = world.session("onlooker")
    onlooker.store.sync()
    return onlooker.broken(holding.claim.id)


@pytest.mark.parametrize("named", ["src/api", "src/api/users.py", "task:1"])
def test_the_whole_claim_goes_and_the_record_says_who_and_why(world: World, bob: Registry, named: str) -> None:
    holding = taken(world, "src/api task:1")
    removed = break_claims(bob, resources(named), "  alice is on holiday\n")
    assert [one.oid for one in removed.found] == [holding.oid]
    assert recorded(world, holding) == Broken(holding.claim.id, holding.oid, bob.session, "  alice is on holiday")
    assert list(world.refs.refs) == [broken_ref(holding.claim.id)]


@pytest.mark.parametrize("reason", ["", " \n\t"])
def test_a_reason_is_needed(world: World, bob: Registry, reason: str) -> None:
    taken(world, "src")
    with pytest.raises(UsageError, match="needs a reason"):
        break_claims(bob, resources("src"), reason)
    assert world.at("src")


def test_what_nobody_holds_can_not_be_broken(world: World, bob: Registry) -> None:
    taken(world, "src/api")
    with pytest.raises(GitclaimError, match="nobody holds src") as caught:
        break_claims(bob, resources("src"), "because")
    assert "src/api" in (caught.value.hint or "")


def test_one_claim_named_twice_is_broken_once(world: World, bob: Registry) -> None:
    taken(world, "a b")
    assert len(break_claims(bob, resources("a b"), "because").found) == 1


def test_what_is_no_claim_goes_without_a_record(world: World, bob: Registry) -> None:
    world.plant(b"junk", "src", kind="blob")
    break_claims(bob, resources("src"), "because")
    assert not world.refs.refs


def test_a_copied_claim_goes_from_where_it_was_copied_to_only(world: World, bob: Registry) -> None:
    holding = taken(world, "src")
    world.refs.refs[ref_of("docs")] = holding.oid
    break_claims(bob, resources("docs"), "because")
    assert list(world.refs.refs) == [ref_of("src")]


def test_an_incomplete_claim_goes_as_far_as_it_is_there(world: World, bob: Registry) -> None:
    world.stand(world.claim("a b", "alice", ago=timedelta(minutes=5)), only="a")
    break_claims(bob, resources("a"), "because")
    assert world.at("a") is None


def test_a_claim_renewed_meanwhile_is_not_broken(world: World, bob: Registry, store: ScriptedStore) -> None:
    taken(world, "src")
    world.clock.pass_by(seconds=5)
    store.swaps = [lambda: renew(world.session("alice"), (), HOUR)]
    with pytest.raises(GitclaimError, match="changed meanwhile"):
        break_claims(bob, resources("src"), "because")
    assert list(world.refs.refs) == [ref_of("src")]


@pytest.mark.parametrize("answer", ["lost", "cut"])
def test_a_break_without_an_answer_is_looked_into(
    world: World, bob: Registry, store: ScriptedStore, answer: str
) -> None:
    holding = taken(world, "src")
    store.swaps = ["lost" if answer == "lost" else "cut"]
    assert len(break_claims(bob, resources("src"), "because").found) == 1
    assert recorded(world, holding)
    assert world.at("src") is None


def test_a_break_that_nobody_can_look_into_is_unknown(world: World, bob: Registry, store: ScriptedStore) -> None:
    taken(world, "src")
    store.swaps = ["lost"]
    store.syncs = [None, *[UnreachableError("gone")] * 20]
    with pytest.raises(UnknownOutcomeError):
        break_claims(bob, resources("src"), "because")


def test_a_registry_that_refuses_is_named(world: World, bob: Registry, store: ScriptedStore) -> None:
    taken(world, "src")
    store.swaps = [Refused("policy")] * ATTEMPTS
    with pytest.raises(GitclaimError, match="policy"):
        break_claims(bob, resources("src"), "because")


def test_without_atomic_pushes_the_record_goes_first(world: World, bob: Registry, store: ScriptedStore) -> None:
    holding = taken(world, "src")
    final = Refused("no atomic pushes", final=True)
    written: list[bool] = []
    store.swaps = [final, lambda: None, lambda: written.append(bool(recorded(world, holding)))]
    break_claims(bob, resources("src"), "because")
    assert written == [True]
    assert world.at("src") is None


def test_a_break_that_got_only_as_far_as_its_record_is_gone_on_with(world: World, store: ScriptedStore) -> None:
    """Within one second the record is the same bytes, and a swap that changes nothing is none."""
    holding = taken(world, "src")
    final = Refused("no atomic pushes", final=True)
    world.clock = CoarseClock()
    bob = world.session("bob", store=store)
    store.swaps = [final, lambda: None, Refused("busy")]
    break_claims(bob, resources("src"), "because")
    assert recorded(world, holding)
    assert world.at("src") is None


def test_breaking_our_own_claim_is_noted_in_our_ledger(world: World) -> None:
    taken(world, "src")
    alice = world.session("alice")
    break_claims(alice, resources("src"), "because")
    assert not alice.ledger.held()


# The record.

BROKEN = Broken(
    ClaimId("01JD3Q7Z8N4W1T6V2Y5B9C0EFG"), Oid("4f0c" * 10), Session("bob"), "two lines:\n\nBroken: no\nlike this"
)


def test_a_record_reads_back_as_it_was_written() -> None:
    assert parse_broken(format_broken(BROKEN, title="src")) == BROKEN


@pytest.mark.parametrize("text", ["", "break x\n", format_broken(BROKEN, title="src").replace("two", "\x1b[31m")])
def test_what_is_no_record_is_none(text: str) -> None:
    assert parse_broken(text) is None


def test_a_damaged_record_tells_nothing(world: World) -> None:
    holding = taken(world, "src")
    for raw, kind in ((b"junk", "blob"), (commit_bytes("hello\n"), "commit"), (b"junk", "commit")):
        world.refs.refs[RefName(broken_ref(holding.claim.id))] = world.plant(raw, kind=kind)
        assert recorded(world, holding) is None
