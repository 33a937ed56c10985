"""Taking, case by case: the numbers are those of docs/protocol.md and of `gitclaim/protocol.py`."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from gitclaim.breaking import break_claims
from gitclaim.claim import GRACE, RESOURCE_LIMIT, format_claim, parse_claim, parse_commit
from gitclaim.errors import GitclaimError, Reason, UnknownOutcomeError, UnreachableError, UsageError
from gitclaim.holding import give, release, renew
from gitclaim.names import Oid, Session
from gitclaim.protocol import ATTEMPTS, CONFIRM, Denied, Held, TakeOutcome, take, wait_and_take
from gitclaim.refstore.contract import Outcome, Refused, Swap
from gitclaim.registry import Registry, Standing
from tests.kit.memory import HOUR, ScriptedStore, World, asking, commit_bytes, ref_of, resources

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


def held(outcome: TakeOutcome) -> Held:
    assert isinstance(outcome, Held)
    return outcome


def denied(outcome: TakeOutcome) -> Denied:
    assert isinstance(outcome, Denied)
    return outcome


def reasons(outcome: TakeOutcome) -> list[tuple[str, Reason]]:
    return [(blocker.resource.text, blocker.reason) for blocker in denied(outcome).blockers]


def owners(world: World) -> dict[str, str]:
    """Whose object stands at each ref of a claim, in the registry itself."""
    names = {}
    for ref, oid in world.refs.refs.items():
        if ref.startswith("refs/gitclaim/released/"):
            continue
        content = world.contents[oid]
        assert isinstance(content, bytes)
        names[ref.removeprefix("refs/claims/").removeprefix("path/")] = str(
            parse_claim(parse_commit(content).message).session
        )
    return names


# Case 1: a live foreign claim.


@pytest.mark.parametrize(
    ("theirs", "asked", "reason"),
    [
        ("src/api", "src/api", Reason.HELD),
        ("src", "src/api", Reason.WITHIN),
        ("src/api", "src", Reason.CONTAINS),
        ("src/api", ".", Reason.CONTAINS),
        (".", "src/api", Reason.WITHIN),
        ("task:epic", "task:epic/1", Reason.WITHIN),
    ],
)
def test_1_a_live_foreign_claim_denies_with_its_reason(
    world: World, alice: Registry, theirs: str, asked: str, reason: Reason
) -> None:
    oid = world.stand(world.claim(theirs, "bob"))
    outcome = denied(take(alice, asking(asked)))
    assert [(blocker.reason, blocker.found.oid) for blocker in outcome.blockers] == [(reason, oid)]


def test_1_a_mirror_that_shows_the_blocker_costs_one_look_and_no_push(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    world.stand(world.claim("src", "bob"))
    store.sync()
    store.calls.clear()
    denied(take(alice, asking("src")))
    assert store.calls == ["sync"]


def test_1_a_blocker_that_only_an_old_mirror_shows_denies_nobody(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    world.stand(world.claim("src", "bob"))
    store.sync()
    release(world.session("bob"), ())
    assert held(take(alice, asking("src"))).new


def test_1_all_or_nothing(world: World, alice: Registry) -> None:
    world.stand(world.claim("b", "bob"))
    assert reasons(take(alice, asking("a b c"))) == [("b", Reason.HELD)]
    assert owners(world) == {"b": "bob"}


def test_1_every_blocker_is_named(world: World, alice: Registry) -> None:
    world.stand(world.claim("src/a", "bob"))
    world.stand(world.claim("src/b task:1", "carol"))
    found = reasons(take(alice, asking("src task:1")))
    assert found == [("src", Reason.CONTAINS), ("src", Reason.CONTAINS), ("task:1", Reason.HELD)]


def test_1_a_claim_in_a_newer_format_denies_as_a_live_one(world: World, alice: Registry) -> None:
    claim = world.claim("src", "bob", ago=100 * HOUR)
    world.plant(commit_bytes(format_claim(claim).replace("Format: 1", "Format: 2")), "src")
    (blocker,) = denied(take(alice, asking("src"))).blockers
    assert blocker.found.standing is Standing.NEWER


def test_1_what_is_no_claim_is_named_and_left(world: World, alice: Registry) -> None:
    world.plant(b"junk", "src", kind="blob")
    assert reasons(take(alice, asking("src"))) == [("src", Reason.MALFORMED)]
    assert world.at("src")


def test_1_a_claim_whose_signature_nobody_can_judge_denies(world: World, alice: Registry) -> None:
    world.stand(world.claim("src", "bob"), key="unknown")
    denied(take(alice, asking("src")))


def test_1_a_claim_that_is_just_forming_is_waited_for_and_then_denies(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    world.stand(world.claim("src task:1", "bob"), only="src")
    (blocker,) = denied(take(alice, asking("src"))).blockers
    assert blocker.found.standing is Standing.FORMING
    # The lost swap looked again, then each of the attempts.
    assert store.calls == ["swap", *["sync"] * ATTEMPTS]


def test_1_a_forming_claim_that_is_withdrawn_denies_nobody(world: World, store: ScriptedStore) -> None:
    world.stand(world.claim("src task:1", "bob"), only="src")
    store.syncs = [None, None, world.refs.refs.clear]
    assert held(take(world.session("alice", store=store), asking("src"))).new


# Case 2: covered already.


def test_2_taking_again_is_held_and_changes_nothing(alice: Registry, store: ScriptedStore) -> None:
    first = held(take(alice, asking("src task:1")))
    store.calls.clear()
    again = held(take(alice, asking("src/api task:1")))
    assert again.holdings == first.holdings
    assert not again.new
    assert "swap" not in store.calls


def test_2_what_only_an_old_mirror_shows_is_not_held(world: World, alice: Registry) -> None:
    take(alice, asking("src"))
    break_claims(world.session("bob"), resources("src"), "gone")
    take(world.session("bob"), asking("src"))
    assert reasons(take(alice, asking("src"))) == [("src", Reason.HELD)]


def test_2_extending_renews_what_covers(world: World, alice: Registry) -> None:
    first = held(take(alice, asking("src"))).holdings[0]
    world.clock.time += 10 * MINUTE
    (longer,) = held(take(alice, asking("src", ttl=2 * HOUR, extend=True))).holdings
    assert longer.claim.expires == first.claim.expires + HOUR + 10 * MINUTE
    assert alice.ledger.held() == {longer.claim.id: longer.oid}
    assert world.at("src") == longer.oid


def test_2_extending_what_is_long_enough_writes_nothing(world: World, alice: Registry) -> None:
    take(alice, asking("src"))
    before = world.at("src")
    take(alice, asking("src", ttl=HOUR, extend=True))
    assert world.at("src") == before


def test_2_a_claim_whose_lease_ended_within_the_grace_is_renewed_and_not_just_confirmed(
    world: World, alice: Registry
) -> None:
    take(alice, asking("src"))
    world.clock.time += HOUR + timedelta(seconds=1)
    outcome = held(take(alice, asking("src")))
    assert outcome.holdings[0].claim.expires == world.clock.now() + HOUR


def test_2_extending_mends_a_renewal_that_was_cut_short(world: World, alice: Registry) -> None:
    claim = world.claim("src task:1", "alice", ago=50 * MINUTE)
    world.stand(claim)
    world.stand(claim.until(claim.expires + HOUR), only="task:1")
    held(take(alice, asking("src task:1", ttl=3 * HOUR, extend=True)))
    assert world.at("src") == world.at("task:1")


def test_2_what_another_process_of_the_session_took_is_adopted(world: World, alice: Registry) -> None:
    holding = held(take(world.session("alice"), asking("src"))).holdings[0]
    alice.ledger.forget(holding.claim.id)
    assert held(take(alice, asking("src"))).holdings == (holding,)
    assert alice.ledger.held() == {holding.claim.id: holding.oid}


def test_2_what_was_given_is_adopted(world: World, alice: Registry) -> None:
    bob = world.session("bob")
    take(bob, asking("src"))
    give(bob, resources("src"), Session("alice"))
    assert not held(take(alice, asking("src"))).new
    assert renew(alice, (), HOUR).holdings


def test_2_a_claim_in_our_name_that_somebody_else_signed_is_not_ours(world: World, alice: Registry) -> None:
    forged = world.stand(world.claim("src", "alice"), key="forged")
    outcome = held(take(alice, asking("src")))
    assert outcome.new
    assert [one.oid for one in outcome.removed] == [forged]


def test_2_what_this_clone_wrote_itself_needs_no_verdict(alice: Registry) -> None:
    take(alice, asking("src"))
    take(alice, asking("src"))
    assert not alice.verifier.asked  # type: ignore[attr-defined]


def test_2_a_part_that_is_held_is_kept_and_the_rest_is_taken(alice: Registry) -> None:
    first = held(take(alice, asking("a"))).holdings[0]
    outcome = held(take(alice, asking("a b")))
    assert [holding.claim.title for holding in outcome.holdings] == ["b", "a"]
    assert outcome.holdings[1] == first
    assert outcome.new


def test_2_a_part_that_only_an_old_mirror_shows_is_not_counted_on(world: World, alice: Registry) -> None:
    """Else the rest would be taken, and the whole called held."""
    take(alice, asking("a"))
    break_claims(world.session("bob"), resources("a"), "gone")
    take(world.session("bob"), asking("a"))
    assert reasons(take(alice, asking("a b"))) == [("a", Reason.HELD)]
    assert world.at("b") is None


def rob(world: World) -> None:
    """Bob breaks the claim on `a`, and takes it."""
    break_claims(world.session("bob"), resources("a"), "gone")
    take(world.session("bob"), asking("a"))


def test_2_a_part_that_is_lost_before_the_rest_is_taken_leaves_nothing_of_the_rest(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    def robbed() -> None:
        rob(world)
        take(world.session("carol"), asking("b"))

    take(alice, asking("a"))
    store.swaps = [robbed]
    assert reasons(take(alice, asking("a b c"))) == [("a", Reason.HELD), ("b", Reason.HELD)]
    assert world.at("c") is None


def test_2_a_part_that_is_lost_after_the_rest_was_taken_takes_the_rest_with_it(world: World) -> None:
    """In a registry that is this repository, whose view is always the present."""

    class Live(ScriptedStore):
        def swap(self, swaps: Sequence[Swap]) -> Outcome:
            outcome = super().swap(swaps)
            if self.calls.count("swap") == 2:
                rob(world)
                self.mirror = dict(self.registry.refs)
            return outcome

    alice = world.session("alice", store=Live(world.refs))
    take(alice, asking("a"))
    assert reasons(take(alice, asking("a b"))) == [("a", Reason.HELD)]
    assert world.at("b") is None
    assert [fence.claim.title for fence in renew(alice, (), HOUR).fenced] == ["a"]


def test_2_a_rest_that_is_had_at_the_last_attempt_is_held(alice: Registry, store: ScriptedStore) -> None:
    take(alice, asking("a"))
    store.swaps = [Refused("busy")] * (ATTEMPTS - 1)
    assert held(take(alice, asking("a b"))).new


# Case 3: what died.


@pytest.mark.parametrize("asked", ["src/api", "src", "src/api/users", "src/api task:9"])
def test_3_what_expired_is_taken_over(world: World, alice: Registry, asked: str) -> None:
    old = world.stand(world.claim("src/api", "bob", ago=2 * HOUR))
    outcome = held(take(alice, asking(asked)))
    assert [one.oid for one in outcome.removed] == [old]
    assert set(owners(world).values()) == {"alice"}


def test_3_at_the_same_ref_one_swap_replaces_it(world: World, alice: Registry, store: ScriptedStore) -> None:
    old = world.stand(world.claim("src", "bob", ago=2 * HOUR))
    store.sync()
    store.calls.clear()
    holding = held(take(alice, asking("src"))).holdings[0]
    assert store.calls == ["sync", "swap"]
    message = world.contents[holding.oid]
    assert isinstance(message, bytes)
    assert f"Replaces: {old} expired" in message.decode()


def test_3_a_take_over_waits_for_the_grace(world: World, alice: Registry) -> None:
    world.stand(world.claim("src", "bob"))
    world.clock.time += HOUR + GRACE - timedelta(seconds=1)
    denied(take(alice, asking("src")))
    world.clock.pass_by(seconds=1)
    held(take(alice, asking("src")))


def test_3_a_take_over_takes_no_more_of_the_old_claim_than_it_asked_for(world: World, alice: Registry) -> None:
    old = world.stand(world.claim("a b", "bob", ago=2 * HOUR))
    take(alice, asking("a"))
    assert world.at("b") == old


def test_3_a_renewal_in_the_last_moment_wins_over_a_take_over(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    world.stand(world.claim("src/api", "bob", ago=2 * HOUR))
    store.sync()
    store.swaps = [lambda: renew(world.session("bob"), resources("src/api"), HOUR)]
    assert reasons(take(alice, asking("src"))) == [("src", Reason.CONTAINS)]
    assert owners(world) == {"src/api": "bob"}


def test_3_our_own_expired_claim_is_replaced_and_its_end_is_no_fence(world: World, alice: Registry) -> None:
    take(alice, asking("src"))
    world.clock.pass_by(hours=2)
    assert held(take(alice, asking("src"))).new
    kept = renew(alice, (), HOUR)
    assert len(kept.holdings) == 1
    assert not kept.fenced


def test_3_an_incomplete_claim_is_removed_after_two_looks(world: World, alice: Registry) -> None:
    world.stand(world.claim("src task:1", "bob", ago=MINUTE), only="src")
    outcome = held(take(alice, asking("src")))
    assert [one.standing for one in outcome.removed] == [Standing.VOID]
    assert CONFIRM in world.clock.slept


def test_3_an_incomplete_claim_that_completes_between_the_looks_is_live(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    claim = world.claim("src task:1", "bob", ago=MINUTE)
    world.stand(claim, only="src")
    store.sync()
    store.syncs = [None, lambda: world.stand(claim)]
    denied(take(alice, asking("src")))
    assert owners(world) == {"src": "bob", "task/1": "bob"}


def test_3_a_forged_claim_blocks_nobody(world: World, alice: Registry) -> None:
    forged = world.stand(world.claim("src/api", "mallory"), key="forged")
    outcome = held(take(alice, asking("src")))
    assert [(one.oid, one.standing) for one in outcome.removed] == [(forged, Standing.UNTRUSTED)]


def test_3_a_clock_that_is_behind_takes_nothing_over(world: World, alice: Registry) -> None:
    old = world.stand(world.claim("src", "bob", ago=2 * HOUR))
    world.stand(world.claim("other", "carol", ago=-HOUR))
    with pytest.raises(GitclaimError, match="clock is suspect"):
        take(alice, asking("src"))
    assert world.at("src") == old


def test_3_a_clock_that_is_behind_still_takes_what_is_free(world: World, alice: Registry) -> None:
    world.stand(world.claim("other", "carol", ago=-HOUR))
    assert held(take(alice, asking("src"))).new


def test_3_a_forged_date_does_not_stop_a_take_over(world: World, alice: Registry) -> None:
    world.stand(world.claim("src", "bob", ago=2 * HOUR))
    world.stand(world.claim("other", "mallory", ago=-HOUR), key="forged")
    assert held(take(alice, asking("src"))).new


def test_3_a_forged_claim_goes_whatever_the_clock_says(world: World, alice: Registry) -> None:
    world.stand(world.claim("src", "mallory"), key="forged")
    world.stand(world.claim("other", "carol", ago=-HOUR))
    assert held(take(alice, asking("src"))).new


# Case 4: free.


def test_4_what_is_free_is_taken_in_one_connection(world: World, alice: Registry, store: ScriptedStore) -> None:
    outcome = held(take(alice, asking("src task:1", purpose="Because")))
    assert store.calls == ["swap"]
    claim = outcome.holdings[0].claim
    assert (claim.session, claim.purpose, claim.expires) == ("alice", "Because", world.clock.now() + HOUR)
    assert {world.at("src"), world.at("task:1")} == {outcome.holdings[0].oid}
    assert alice.ledger.held() == {claim.id: outcome.holdings[0].oid}


def test_4_what_one_resource_covers_of_another_is_asked_for_once(world: World, alice: Registry) -> None:
    held(take(alice, asking("src/api src src")))
    assert list(owners(world)) == ["src"]


def test_4_no_two_claims_are_the_same_bytes(alice: Registry) -> None:
    """git calls it success when two push an identical object."""
    first = held(take(alice, asking("src"))).holdings[0].oid
    release(alice, ())
    assert held(take(alice, asking("src"))).holdings[0].oid != first


@pytest.mark.parametrize("names", ["", " ".join(f"d/{number}" for number in range(RESOURCE_LIMIT + 1))])
def test_4_nothing_and_too_much_can_not_be_asked_for(alice: Registry, names: str) -> None:
    with pytest.raises(UsageError):
        take(alice, asking(names))


def test_4_a_lease_longer_than_any_registry_accepts_is_refused(alice: Registry) -> None:
    with pytest.raises(UsageError, match="too long"):
        take(alice, asking("src", ttl=timedelta(days=31)))


def test_4_a_claim_that_was_long_under_way_is_renewed_before_it_is_called_held(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    store.swaps = [lambda: world.clock.pass_by(hours=2)]
    (holding,) = held(take(alice, asking("src task:1"))).holdings
    assert holding.claim.expires == world.clock.now() + HOUR
    assert {world.at("src"), world.at("task:1")} == {holding.oid}
    assert alice.ledger.held() == {holding.claim.id: holding.oid}


def test_4_a_claim_that_was_long_under_way_and_was_removed_is_taken_anew(world: World, store: ScriptedStore) -> None:
    def swept() -> None:
        world.refs.refs.pop(ref_of("src"))

    store.swaps = [lambda: world.clock.pass_by(hours=2), swept]
    (holding,) = held(take(world.session("alice", store=store), asking("src task:1"))).holdings
    assert {world.at("src"), world.at("task:1")} == {holding.oid}


# Case 5: lost.


def test_5_a_lost_race_is_told_who_won(world: World, alice: Registry, store: ScriptedStore) -> None:
    store.swaps = [lambda: take(world.session("bob"), asking("src/api"))]
    assert reasons(take(alice, asking("src task:1"))) == [("src", Reason.CONTAINS)]
    assert owners(world) == {"src/api": "bob"}


def test_5_a_race_whose_winner_is_gone_again_is_run_again(world: World) -> None:
    class Brief(ScriptedStore):
        def swap(self, swaps: Sequence[Swap]) -> Outcome:
            outcome = super().swap(swaps)
            if not isinstance(outcome, Refused) and self.calls.count("swap") == 1:
                world.refs.refs.clear()
                self.mirror.clear()
            return outcome

    store = Brief(world.refs, lambda: take(world.session("bob"), asking("src")))
    assert held(take(world.session("alice", store=store), asking("src"))).new


def test_5_what_a_torn_transaction_left_is_removed_by_exact_id(world: World) -> None:
    class Torn(ScriptedStore):
        def swap(self, swaps: Sequence[Swap]) -> Outcome:
            take(world.session("bob"), asking("src/api"))
            stray = next(swap for swap in swaps if swap.ref == ref_of("task:1"))
            assert isinstance(stray.new, Oid)
            self.registry.refs[stray.ref] = stray.new
            return super().swap(swaps)

    store = Torn(world.refs)
    denied(take(world.session("alice", store=store), asking("src task:1")))
    assert owners(world) == {"src/api": "bob"}


def test_5_a_registry_that_refuses_again_and_again_is_named_and_left(alice: Registry, store: ScriptedStore) -> None:
    store.swaps = [Refused("no space left")] * 20
    with pytest.raises(GitclaimError, match=rf"refused {ATTEMPTS} times \(no space left\)"):
        take(alice, asking("src"))
    assert store.calls.count("swap") == ATTEMPTS


def test_5_a_refusal_that_passes_is_tried_again(alice: Registry, store: ScriptedStore) -> None:
    store.swaps = [Refused("busy")] * (ATTEMPTS - 1)
    assert held(take(alice, asking("src"))).new


def test_5_a_final_refusal_is_not_tried_again(alice: Registry, store: ScriptedStore) -> None:
    store.swaps = [Refused("no atomic pushes", final=True)]
    with pytest.raises(GitclaimError, match="no atomic pushes"):
        take(alice, asking("src task:1"))
    assert store.calls == ["swap"]


def test_5_the_pauses_between_attempts_are_short_and_grow(world: World, alice: Registry, store: ScriptedStore) -> None:
    store.swaps = [Refused("busy")] * 20
    with pytest.raises(GitclaimError):
        take(alice, asking("src"))
    assert world.clock.slept == sorted(world.clock.slept)
    assert sum(world.clock.slept) < 2


# Case 6: unknown.


def test_6_an_answer_that_was_lost_after_the_work_was_done_is_held(alice: Registry, store: ScriptedStore) -> None:
    store.swaps = ["lost"]
    assert held(take(alice, asking("src task:1"))).new
    assert store.calls == ["swap", "sync"]


def test_6_an_answer_that_was_lost_with_nothing_done_is_tried_again(alice: Registry, store: ScriptedStore) -> None:
    store.swaps = ["cut"]
    assert held(take(alice, asking("src"))).new
    assert store.calls.count("swap") == 2


def test_6_an_answer_that_was_lost_and_a_rival_who_won_is_denied(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    store.swaps = ["cut"]
    store.syncs = [lambda: take(world.session("bob"), asking("src"))]
    denied(take(alice, asking("src")))


def test_6_a_push_that_is_applied_after_it_was_looked_for_is_adopted(world: World) -> None:
    late: list[Swap] = []

    class Late(ScriptedStore):
        def swap(self, swaps: Sequence[Swap]) -> Outcome:
            if late:
                self.registry.apply(late)
            late[:] = late or swaps
            return super().swap(swaps)

    late_store = Late(world.refs, "cut")
    outcome = held(take(world.session("alice", store=late_store), asking("src")))
    assert world.at("src") == outcome.holdings[0].oid == late[0].new


def test_6_a_registry_that_can_not_be_read_again_leaves_it_unknown(alice: Registry, store: ScriptedStore) -> None:
    store.swaps = ["lost"]
    store.syncs = [UnreachableError("gone")] * 20
    with pytest.raises(UnknownOutcomeError, match="not known"):
        take(alice, asking("src"))
    assert store.calls.count("sync") == ATTEMPTS


def test_6_a_network_that_comes_back_settles_it(alice: Registry, store: ScriptedStore) -> None:
    store.swaps = ["lost"]
    store.syncs = [UnreachableError("gone")] * (ATTEMPTS - 1)
    assert held(take(alice, asking("src"))).new


def test_6_an_unreachable_registry_takes_nothing(alice: Registry, store: ScriptedStore) -> None:
    store.swaps = [UnreachableError("gone")]
    with pytest.raises(UnreachableError):
        take(alice, asking("src"))
    assert not alice.ledger.held()


# Widening: its first swap is the release.


def nothing() -> None:
    """Nobody does anything in the moment before."""


def test_a_narrower_claim_of_ours_is_an_error_that_names_the_way(alice: Registry) -> None:
    take(alice, asking("src/api"))
    with pytest.raises(GitclaimError, match="already holds src/api") as caught:
        take(alice, asking("src"))
    assert "--widen" in (caught.value.hint or "")


def test_widening_gives_up_the_narrower_and_takes_everything_it_held(world: World, alice: Registry) -> None:
    take(alice, asking("src/api task:1"))
    take(alice, asking("src/db"))
    (holding,) = held(take(alice, asking("src", widen=True))).holdings
    assert {resource.text for resource in holding.claim.resources} == {"src", "task:1"}
    assert set(owners(world)) == {"src", "task/1"}
    assert alice.ledger.held() == {holding.claim.id: holding.oid}


@pytest.mark.parametrize("answer", ["lost", "cut"])
def test_widening_whose_release_went_unanswered_loses_nothing(
    world: World, alice: Registry, store: ScriptedStore, answer: str
) -> None:
    take(alice, asking("src/api task:1"))
    store.swaps = ["lost" if answer == "lost" else "cut"]
    held(take(alice, asking("src", widen=True)))
    assert set(owners(world)) == {"src", "task/1"}


def test_widening_never_starts_when_it_can_not_end(world: World, alice: Registry) -> None:
    take(alice, asking("src/api"))
    world.stand(world.claim("src/db", "bob"))
    outcome = denied(take(alice, asking("src", widen=True)))
    assert outcome.given_up == ()
    assert owners(world) == {"src/api": "alice", "src/db": "bob"}


def test_widening_that_loses_takes_back_what_it_gave_up(world: World, alice: Registry, store: ScriptedStore) -> None:
    take(alice, asking("src/api task:1", purpose="Mine"))
    store.swaps = [nothing, lambda: take(world.session("bob"), asking("src/db"))]
    outcome = denied(take(alice, asking("src", widen=True)))
    assert outcome.given_up == ()
    assert owners(world) == {"src/api": "alice", "task/1": "alice", "src/db": "bob"}
    assert renew(alice, resources("src/api"), HOUR).holdings[0].claim.purpose == "Mine"


def test_widening_says_what_it_lost(world: World, alice: Registry, store: ScriptedStore) -> None:
    take(alice, asking("src/api"))
    store.swaps = [nothing, lambda: take(world.session("bob"), asking("src/api"))]
    outcome = denied(take(alice, asking("src", widen=True)))
    assert outcome.given_up == resources("src/api")


def test_widening_that_is_refused_takes_back_what_it_gave_up(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    take(alice, asking("src/api"))
    store.swaps = [nothing, *[Refused("policy")] * ATTEMPTS]
    with pytest.raises(GitclaimError, match="policy"):
        take(alice, asking("src", widen=True))
    assert owners(world) == {"src/api": "alice"}


def test_widening_that_is_cut_off_says_what_it_gave_up(alice: Registry, store: ScriptedStore) -> None:
    take(alice, asking("src/api"))
    store.swaps = [nothing, *[UnreachableError("gone")] * 20]
    with pytest.raises(UnreachableError) as caught:
        take(alice, asking("src", widen=True))
    assert "src/api was given up" in (caught.value.hint or "")


# Waiting.


def test_waiting_ends_when_it_is_held(world: World, alice: Registry) -> None:
    world.stand(world.claim("src", "bob", ago=59 * MINUTE))
    pauses: list[timedelta] = []
    outcome = wait_and_take(alice, asking("src"), wait=10 * MINUTE, waiting=lambda _, left: pauses.append(left))
    assert held(outcome).new
    assert pauses == sorted(pauses, reverse=True)


def test_waiting_ends_with_who_holds_it(world: World, alice: Registry) -> None:
    world.stand(world.claim("src", "bob"))
    begun = world.clock.now()
    outcome = wait_and_take(alice, asking("src"), wait=MINUTE, waiting=lambda *_: None)
    denied(outcome)
    assert MINUTE <= world.clock.now() - begun < MINUTE + timedelta(seconds=5)


def test_waiting_outlives_a_network_that_is_gone_for_a_moment(world: World, store: ScriptedStore) -> None:
    store.swaps = [UnreachableError("gone")] * 2
    alice = world.session("alice", store=store)
    assert held(wait_and_take(alice, asking("src"), wait=MINUTE, waiting=lambda *_: None)).new


def test_waiting_tells_when_the_network_stays_gone(world: World, store: ScriptedStore) -> None:
    store.swaps = [UnreachableError("gone")] * 1000
    with pytest.raises(UnreachableError):
        wait_and_take(world.session("alice", store=store), asking("src"), wait=MINUTE, waiting=lambda *_: None)


def test_waiting_is_no_busy_loop(world: World, alice: Registry, store: ScriptedStore) -> None:
    world.stand(world.claim("src", "bob", ttl=10 * HOUR))
    wait_and_take(alice, asking("src"), wait=HOUR, waiting=lambda *_: None)
    assert len(store.calls) < 400


def test_what_was_taken_anew_after_it_expired_is_not_remembered_as_lost(world: World, alice: Registry) -> None:
    (old,) = held(take(alice, asking("src task:1"))).holdings
    world.clock.pass_by(hours=3)
    (new,) = held(take(alice, asking("src"))).holdings
    assert alice.ledger.held() == {new.claim.id: new.oid}
    assert old.claim.id != new.claim.id
