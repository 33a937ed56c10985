"""What a holder does: each a swap from the exact id it last wrote, and a loser learns to whom it lost."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from gitclaim.breaking import break_claims
from gitclaim.claim import GRACE, parse_claim, parse_commit
from gitclaim.errors import GitclaimError, Reason, UnknownOutcomeError, UnreachableError
from gitclaim.holding import Kept, give, release, renew
from gitclaim.names import Oid, Session
from gitclaim.protocol import ATTEMPTS, Held, take
from gitclaim.record import released_ref
from gitclaim.refstore.contract import Outcome, Refused, Swap
from gitclaim.registry import Holding, Registry
from gitclaim.sweep import sweep
from tests.kit.memory import HOUR, ScriptedStore, World, asking, ref_of, resources

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def store(world: World) -> ScriptedStore:
    """Alice's connection to the registry."""
    return ScriptedStore(world.refs)


@pytest.fixture
def alice(world: World, store: ScriptedStore) -> Registry:
    return world.session("alice", store=store)


def taken(registry: Registry, names: str) -> Holding:
    outcome = take(registry, asking(names))
    assert isinstance(outcome, Held)
    return outcome.holdings[0]


def message(world: World, oid: Oid) -> str:
    content = world.contents[oid]
    assert isinstance(content, bytes)
    return parse_commit(content).message


def fences(kept: Kept) -> list[tuple[str, Reason, str | None]]:
    return [
        (one.claim.title, one.reason, one.successor.claim.session if one.successor and one.successor.claim else None)
        for one in kept.fenced
    ]


# Renewing.


def test_a_renewal_follows_the_claim_and_keeps_its_identity(world: World, alice: Registry) -> None:
    before = taken(alice, "src task:1")
    world.clock.time += 30 * MINUTE
    (after,) = renew(alice, (), HOUR).holdings
    assert after.claim == before.claim.until(world.clock.now() + HOUR)
    assert {world.at("src"), world.at("task:1")} == {after.oid}
    content = world.contents[after.oid]
    assert isinstance(content, bytes)
    assert parse_commit(content).parents == (before.oid,)
    assert message(world, after.oid).startswith("renew src")
    assert alice.ledger.held() == {after.claim.id: after.oid}


def test_a_renewal_is_one_connection(alice: Registry, store: ScriptedStore) -> None:
    taken(alice, "src")
    store.calls.clear()
    renew(alice, (), HOUR)
    assert store.calls == ["swap"]


def test_only_the_claims_on_what_is_named_are_renewed(world: World, alice: Registry) -> None:
    first, other = taken(alice, "src"), taken(alice, "docs")
    world.clock.time += MINUTE
    renew(alice, resources("src"), HOUR)
    assert world.at("src") != first.oid
    assert world.at("docs") == other.oid


def test_naming_a_directory_names_the_claims_inside_of_it(alice: Registry) -> None:
    taken(alice, "src/api")
    assert len(renew(alice, resources("src"), HOUR).holdings) == 1


def test_what_is_not_held_can_not_be_renewed(world: World, alice: Registry) -> None:
    world.stand(world.claim("src", "bob"))
    with pytest.raises(GitclaimError, match="alice holds no claim on src"):
        renew(alice, resources("src"), HOUR)


def test_without_claims_there_is_nothing_to_renew(alice: Registry) -> None:
    assert renew(alice, (), HOUR) == Kept(())


def test_a_lease_that_ran_out_is_renewed_while_nobody_took_over(world: World, alice: Registry) -> None:
    taken(alice, "src")
    world.clock.pass_by(hours=5)
    assert len(renew(alice, (), HOUR).holdings) == 1


def test_a_claim_that_another_process_of_the_session_took_is_found_in_the_registry(
    world: World, alice: Registry
) -> None:
    holding = taken(world.session("alice"), "src")
    alice.ledger.forget(holding.claim.id)
    assert len(renew(alice, (), HOUR).holdings) == 1


def test_a_claim_in_our_name_that_somebody_else_signed_is_not_renewed(world: World, alice: Registry) -> None:
    world.stand(world.claim("src", "alice"), key="forged")
    assert renew(alice, (), HOUR) == Kept(())


def test_a_ledger_behind_another_process_of_the_session_catches_up(world: World, alice: Registry) -> None:
    before = taken(alice, "src")
    world.clock.time += MINUTE
    renew(world.session("alice"), (), HOUR)
    alice.ledger.record(before.claim.id, before.oid)
    world.clock.time += MINUTE
    (after,) = renew(alice, (), HOUR).holdings
    assert world.at("src") == after.oid
    assert after.claim.expires == before.claim.expires + 2 * MINUTE


def test_a_renewal_mends_one_that_was_cut_short_half_way(world: World, alice: Registry) -> None:
    claim = world.claim("src task:1", "alice", ago=50 * MINUTE)
    alice.ledger.record(claim.id, world.stand(claim))
    world.stand(claim.until(claim.expires + HOUR), only="task:1")
    (after,) = renew(alice, (), HOUR).holdings
    assert {world.at("src"), world.at("task:1")} == {after.oid}


def test_a_refusal_that_passes_is_tried_again(alice: Registry, store: ScriptedStore) -> None:
    taken(alice, "src")
    store.swaps = [Refused("busy")] * (ATTEMPTS - 1)
    assert renew(alice, (), HOUR).holdings


def test_a_refusal_that_stays_is_an_error(alice: Registry, store: ScriptedStore) -> None:
    taken(alice, "src")
    store.swaps = [Refused("busy")] * ATTEMPTS
    with pytest.raises(GitclaimError, match="did not accept"):
        renew(alice, (), HOUR)


def test_without_atomic_pushes_a_claim_is_changed_ref_by_ref(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    taken(alice, "src task:1")
    store.swaps = [Refused("no atomic pushes", final=True)]
    (after,) = renew(alice, (), 2 * HOUR).holdings
    assert {world.at("src"), world.at("task:1")} == {after.oid}


@pytest.mark.parametrize("answer", ["lost", "cut"])
def test_a_renewal_without_an_answer_is_looked_into(
    world: World, alice: Registry, store: ScriptedStore, answer: str
) -> None:
    taken(alice, "src")
    store.swaps = ["lost" if answer == "lost" else "cut"]
    (after,) = renew(alice, (), 2 * HOUR).holdings
    assert world.at("src") == after.oid


def test_a_renewal_that_nobody_can_look_into_is_unknown(alice: Registry, store: ScriptedStore) -> None:
    taken(alice, "src")
    store.swaps = ["lost"]
    store.syncs = [UnreachableError("gone")] * 20
    with pytest.raises(UnknownOutcomeError):
        renew(alice, (), HOUR)


# Being fenced.


def test_whoever_was_taken_over_is_told_by_whom(world: World, alice: Registry) -> None:
    taken(alice, "src")
    world.clock.pass_by(hours=2)
    take(world.session("bob"), asking("src"))
    assert fences(renew(alice, (), HOUR)) == [("src", Reason.FENCED, "bob")]
    assert not alice.ledger.held()
    assert renew(alice, (), HOUR) == Kept(())


@pytest.mark.parametrize("wider", ["src", "src/api/users"])
def test_whoever_was_taken_over_from_above_or_below_is_told_too(world: World, alice: Registry, wider: str) -> None:
    taken(alice, "src/api")
    world.clock.pass_by(hours=2)
    take(world.session("bob"), asking(wider))
    assert fences(release(alice, ())) == [("src/api", Reason.FENCED, "bob")]


def test_whoever_was_swept_is_told_that_the_lease_ran_out(world: World, alice: Registry) -> None:
    taken(alice, "src")
    world.clock.pass_by(hours=2)
    sweep(world.session("cron"), first_seen={})
    assert fences(renew(alice, (), HOUR)) == [("src", Reason.EXPIRED, None)]


def test_whoever_was_broken_is_told_by_whom_and_why(world: World, alice: Registry) -> None:
    taken(alice, "src")
    break_claims(world.session("bob"), resources("src"), "went home")
    (fence,) = renew(alice, (), HOUR).fenced
    assert fence.reason is Reason.FENCED
    assert fence.broken
    assert (fence.broken.by, fence.broken.reason) == ("bob", "went home")


def test_a_claim_lost_in_one_ref_is_lost(world: World, alice: Registry) -> None:
    taken(alice, "src task:1")
    world.clock.pass_by(hours=2)
    take(world.session("bob"), asking("task:1"))
    assert fences(renew(alice, (), HOUR)) == [("src, task:1", Reason.FENCED, "bob")]


def test_losing_one_claim_does_not_keep_the_others_from_being_renewed(world: World, alice: Registry) -> None:
    taken(alice, "src")
    world.clock.time += 30 * MINUTE
    taken(alice, "docs")
    world.clock.time += 30 * MINUTE + GRACE
    take(world.session("bob"), asking("src"))
    kept = renew(alice, (), HOUR)
    assert [holding.claim.title for holding in kept.holdings] == ["docs"]
    assert len(kept.fenced) == 1


def test_an_old_claim_that_a_new_one_of_ours_replaced_is_no_fence(world: World, alice: Registry) -> None:
    taken(alice, "src")
    world.clock.pass_by(hours=2)
    sweep(world.session("cron"), first_seen={})
    taken(alice, "src")
    kept = renew(alice, (), HOUR)
    assert len(kept.holdings) == 1
    assert not kept.fenced


def test_a_new_claim_that_expired_too_is_renewed_and_the_old_one_still_no_fence(world: World, alice: Registry) -> None:
    taken(alice, "src")
    world.refs.refs.clear()
    taken(alice, "src")
    world.clock.pass_by(hours=2)
    kept = renew(alice, (), HOUR)
    assert len(kept.holdings) == 1
    assert not kept.fenced


def test_a_new_claim_on_a_part_does_not_hide_that_the_rest_is_lost(world: World, alice: Registry) -> None:
    taken(alice, "src task:1")
    world.clock.pass_by(hours=2)
    sweep(world.session("cron"), first_seen={})
    taken(alice, "src")
    assert fences(renew(alice, (), HOUR)) == [("src, task:1", Reason.EXPIRED, None)]


# Releasing.


def test_a_release_removes_every_ref(world: World, alice: Registry) -> None:
    first, second = taken(alice, "src task:1"), taken(alice, "docs")
    assert len(release(alice, ()).holdings) == 2
    # What is left says that they were released.
    assert world.refs.refs.keys() == {released_ref(first.claim.id), released_ref(second.claim.id)}
    assert not alice.ledger.held()


def test_a_part_is_released_and_the_rest_is_the_same_claim(world: World, alice: Registry) -> None:
    before = taken(alice, "src/a src/b task:1")
    (after,) = release(alice, resources("src")).holdings
    assert list(world.refs.refs) == [ref_of("task:1")]
    assert parse_claim(message(world, after.oid)) == after.claim
    assert (after.claim.id, after.claim.resources) == (before.claim.id, resources("task:1"))
    assert alice.ledger.held() == {after.claim.id: after.oid}


def test_what_lies_inside_of_a_claim_can_not_be_released_alone(alice: Registry) -> None:
    taken(alice, "src")
    with pytest.raises(GitclaimError, match="holds no claim on src/api"):
        release(alice, resources("src/api"))


def test_a_late_release_leaves_the_next_holder_alone(world: World, alice: Registry) -> None:
    taken(alice, "src")
    world.clock.pass_by(hours=2)
    theirs = taken(world.session("bob"), "src")
    assert fences(release(alice, ())) == [("src", Reason.FENCED, "bob")]
    assert world.at("src") == theirs.oid


def test_a_release_without_an_answer_after_which_another_took_it_is_no_fence(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    taken(alice, "src")
    store.swaps = ["lost"]
    store.syncs = [lambda: take(world.session("bob"), asking("src"))]
    assert not release(alice, ()).fenced


def test_a_release_without_an_answer_that_was_too_late_anyway_is_a_fence(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    taken(alice, "src")
    world.clock.pass_by(hours=2)
    take(world.session("bob"), asking("src"))
    store.swaps = ["cut"]
    assert fences(release(alice, ())) == [("src", Reason.FENCED, "bob")]


def test_a_release_without_an_answer_of_what_was_broken_is_a_fence(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    taken(alice, "src")
    break_claims(world.session("bob"), resources("src"), "gone")
    take(world.session("bob"), asking("src"))
    store.swaps = ["cut"]
    assert release(alice, ()).fenced


def test_a_release_of_what_was_swept_or_broken_before_is_a_fence(world: World, alice: Registry) -> None:
    taken(alice, "src")
    taken(alice, "docs")
    break_claims(world.session("bob"), resources("src"), "gone")
    world.clock.pass_by(hours=2)
    sweep(world.session("cron"), first_seen={})
    assert fences(release(alice, ())) == [("src", Reason.FENCED, None), ("docs", Reason.EXPIRED, None)]


# Giving.


def test_what_is_given_is_the_receivers_and_no_longer_ours(world: World, alice: Registry) -> None:
    before = taken(alice, "src task:1")
    (given,) = give(alice, resources("src"), Session("bob")).holdings
    assert (given.claim.session, given.claim.id) == ("bob", before.claim.id)
    assert "Given-By: alice" in message(world, given.oid)
    assert not alice.ledger.held()
    outcome = take(world.session("bob"), asking("src task:1"))
    assert isinstance(outcome, Held)
    assert not outcome.new


def test_whoever_gave_it_away_elsewhere_is_told_who_has_it(world: World, alice: Registry) -> None:
    before = taken(alice, "src")
    give(world.session("alice"), resources("src"), Session("bob"))
    alice.ledger.record(before.claim.id, before.oid)
    assert fences(renew(alice, (), HOUR)) == [("src", Reason.FENCED, "bob")]


def test_nobody_gives_to_itself(alice: Registry) -> None:
    taken(alice, "src")
    with pytest.raises(GitclaimError, match="this session itself"):
        give(alice, resources("src"), Session("alice"))


def test_a_gift_without_an_answer_that_was_renewed_by_its_receiver_is_no_fence(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    taken(alice, "src")
    world.clock.time += MINUTE
    store.swaps = ["lost"]
    store.syncs = [lambda: renew(world.session("bob"), resources("src"), HOUR)]
    kept = give(alice, resources("src"), Session("bob"))
    assert not kept.fenced
    assert not alice.ledger.held()


def test_a_push_that_is_applied_late_is_found(world: World) -> None:
    late: list[Swap] = []

    class Late(ScriptedStore):
        def swap(self, swaps: Sequence[Swap]) -> Outcome:
            if late:
                self.registry.apply(late)
            late[:] = late or swaps
            return super().swap(swaps)

    taken(world.session("alice"), "src")
    world.clock.time += MINUTE
    alice = world.session("alice", store=Late(world.refs, "cut"))
    (after,) = renew(alice, (), HOUR).holdings
    assert world.at("src") == after.oid


def test_release_all_gives_up_what_was_given_too(world: World, alice: Registry) -> None:
    """All means all: what this clone wrote, and what another session handed over."""
    receiver = world.session("receiver")
    taken(alice, "src")
    taken(receiver, "own")
    give(alice, resources("src"), receiver.session)
    assert {one.claim.title for one in release(receiver, ()).holdings} == {"own", "src"}
    receiver.store.sync()
    assert receiver.look_all() == []
