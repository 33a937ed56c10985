"""The rule of landing: the work moves with its claims, or nothing does; over a registry in memory."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Final

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from gitclaim.breaking import break_claims
from gitclaim.change import Change
from gitclaim.claim import parse_claim, parse_commit
from gitclaim.enforcing import judge
from gitclaim.errors import Exit, GitclaimError, Reason, UnknownOutcomeError, UnreachableError
from gitclaim.holding import give, release, renew
from gitclaim.land import Errand, Fenced, Landed, Moved, Orphan, Ready, coverage, land, prepare, reason
from gitclaim.names import ClaimId, Oid, RefName, Session
from gitclaim.policy import Policy
from gitclaim.protocol import ATTEMPTS, Held, take
from gitclaim.record import Landing, parse_released, released_ref
from gitclaim.refstore.contract import ABSENT, Outcome, Refused, Swap, Swapped, Unknown, Value
from gitclaim.refstore.memory import MemoryRefs
from gitclaim.registry import Holding, Registry
from gitclaim.sweep import sweep
from gitclaim.verdict import Allowed
from tests.kit.memory import HOUR, MemoryLedger, ScriptedStore, World, asking, ref_of, resources

MAIN: Final = RefName("refs/heads/main")
OLD: Final = Oid("a" * 40)
NEW: Final = Oid("b" * 40)
OTHER: Final = Oid("c" * 40)
ERRAND: Final = Errand(MAIN, OLD, NEW)
MINUTE: Final = timedelta(minutes=1)
LONG: Final = 2 * HOUR


class Plain:
    """Work without merges, amendments and patterns."""

    def dropped(self, _change: Change, _paths: Iterable[str]) -> set[str]:
        return set()

    undone = dropped

    def matching(self, _changes: Iterable[Change], _patterns: Iterable[str]) -> set[str]:
        return set()


@pytest.fixture
def world() -> World:
    world = World()
    world.refs.refs[MAIN] = OLD
    return world


@pytest.fixture
def store(world: World) -> ScriptedStore:
    """Alice's connection to the registry."""
    return ScriptedStore(world.refs)


@pytest.fixture
def alice(world: World, store: ScriptedStore) -> Registry:
    return world.session("alice", store=store)


@pytest.fixture
def bob(world: World) -> Registry:
    return world.session("bob")


def taken(registry: Registry, names: str = "src", *, branch: str | None = None) -> Holding:
    outcome = take(registry, asking(names)._replace(branch=branch))
    assert isinstance(outcome, Held), outcome
    return outcome.holdings[0]


def change(*paths: str, claims: Iterable[ClaimId] = (), commit: Oid = NEW, withdrawn: bool = False) -> Change:
    return Change(paths, commit=commit, parents=(OLD,), claims=frozenset(claims), withdrawn=withdrawn)


def prepared(registry: Registry, *changes: Change, branch: str | None = "main") -> Ready | Fenced:
    """What the command does up to the landing itself."""
    registry.store.sync()
    assert isinstance(judge(registry, changes, Plain(), Policy()), Allowed)
    return prepare(registry, changes, changes, coverage(registry, changes, Plain()), branch)


def ready(registry: Registry, *changes: Change, branch: str | None = "main") -> tuple[Holding, ...]:
    outcome = prepared(registry, *changes, branch=branch)
    assert isinstance(outcome, Ready), outcome
    return outcome.holdings


def titles(holdings: Iterable[Holding]) -> list[str]:
    return sorted(holding.claim.title for holding in holdings)


def told(fenced: object) -> list[tuple[str, Reason, str | None]]:
    assert isinstance(fenced, Fenced), fenced
    successors = [one.successor.claim if one.successor else None for one in fenced.fences]
    return [
        (one.claim.title, one.reason, by.session if by else None)
        for one, by in zip(fenced.fences, successors, strict=True)
    ]


def branch_of(world: World) -> Value:
    return world.refs.refs.get(MAIN, ABSENT)


def text(world: World, oid: Oid) -> str:
    content = world.contents[oid]
    assert isinstance(content, bytes)
    return parse_commit(content).message


# Which claims the work falls under.


def test_claims_that_the_work_touches_fall_under_it_and_others_do_not(alice: Registry) -> None:
    taken(alice, "src")
    taken(alice, "docs")
    assert titles(ready(alice, change("src/a"))) == ["src"]


def test_a_claim_below_what_is_touched_falls_under_it(alice: Registry) -> None:
    """A submodule, or a file in the place of a directory."""
    taken(alice, "src/a/b")
    assert titles(ready(alice, change("src/a"))) == ["src/a/b"]


def test_a_claim_that_a_commit_names_falls_under_it_whatever_it_touches(alice: Registry) -> None:
    holding = taken(alice, "docs")
    assert titles(ready(alice, change("src/a", claims=[holding.claim.id]))) == ["docs"]


def test_claims_on_ideas_belong_to_the_branch_they_were_taken_on(alice: Registry) -> None:
    taken(alice, "task:1", branch="main")
    taken(alice, "topic:words", branch="main")
    taken(alice, "lane:release", branch="other")
    taken(alice, "task:2")
    taken(alice, "task:3 docs", branch="main")
    assert titles(ready(alice, change("src/a"))) == ["task:1", "topic:words"]
    assert titles(ready(alice, change("src/a"), branch="other")) == ["lane:release"]
    assert titles(ready(alice, change("src/a"), branch=None)) == []


def test_the_claims_of_others_are_left_alone(alice: Registry, bob: Registry) -> None:
    theirs = taken(bob, "task:1", branch="main")
    assert ready(alice, change("src/a", claims=[theirs.claim.id])) == ()


def test_a_claim_that_another_clone_of_the_session_took_falls_under_it(world: World, alice: Registry) -> None:
    holding = taken(world.session("alice"), "src")
    alice.ledger.forget(holding.claim.id)
    assert titles(ready(alice, change("src/a"))) == ["src"]


# Landing.


def test_the_work_lands_and_its_claims_end_in_one_transaction(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    src, task = taken(alice, "src docs"), taken(alice, "task:1", branch="main")
    holdings = ready(alice, change("src/a"))
    store.calls.clear()
    assert land(alice, ERRAND, holdings) == Landed(released=(src, task))
    assert store.calls == ["swap"]
    assert set(world.refs.refs) == {MAIN, released_ref(src.claim.id), released_ref(task.claim.id)}
    assert branch_of(world) == NEW
    assert alice.ledger.held() == {}


@pytest.mark.parametrize("hours", [0, 9])
def test_the_record_vouches_for_what_landed(world: World, alice: Registry, hours: int) -> None:
    """Also when the lease has run out, and the record is of no other use."""
    holding = taken(alice)
    world.clock.pass_by(hours=hours)
    land(alice, ERRAND, ready(alice, change("src/a")))
    record = parse_released(text(world, world.refs.refs[released_ref(holding.claim.id)]))
    assert record
    assert (record.oid, record.by, record.landings) == (holding.oid, "alice", (Landing(MAIN, NEW),))


def test_claims_that_are_kept_are_renewed_and_say_what_landed(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    before = taken(alice, "src task:1")
    world.clock.time += 30 * MINUTE
    holdings = ready(alice, change("src/a"))
    store.calls.clear()
    outcome = land(alice, ERRAND, holdings, keep=LONG)
    assert isinstance(outcome, Landed)
    (after,) = outcome.renewed
    assert outcome.released == ()
    assert store.calls == ["swap"]
    assert after.claim == before.claim.until(world.clock.now() + LONG)
    assert {world.at("src"), world.at("task:1")} == {after.oid}
    assert text(world, after.oid).startswith("land src")
    assert alice.landed(after.oid) == [NEW]
    assert alice.ledger.held() == {after.claim.id: after.oid}


def test_a_renewal_does_not_forget_what_landed(world: World, alice: Registry) -> None:
    taken(alice)
    land(alice, ERRAND, ready(alice, change("src/a")), keep=LONG)
    world.clock.time += MINUTE
    (after,) = renew(alice, (), HOUR).holdings
    assert alice.landed(after.oid) == [NEW]


def test_a_branch_that_does_not_exist_is_made(world: World, alice: Registry) -> None:
    taken(alice)
    new = RefName("refs/heads/feature/x")
    assert isinstance(land(alice, Errand(new, None, NEW), ready(alice, change("src/a"))), Landed)
    assert world.refs.refs[new] == NEW


def test_work_without_claims_lands_too(world: World, alice: Registry) -> None:
    assert land(alice, ERRAND, ()) == Landed()
    assert branch_of(world) == NEW


@pytest.mark.parametrize("keep", [None, LONG])
def test_a_lease_that_ran_out_holds_as_long_as_nobody_took_over(
    world: World, alice: Registry, keep: timedelta | None
) -> None:
    holding = taken(alice)
    holdings = ready(alice, change("src/a", claims=[holding.claim.id]))
    world.clock.pass_by(hours=9)
    assert isinstance(land(alice, ERRAND, holdings, keep=keep), Landed)
    assert (world.at("src") is None) is (keep is None)


def test_a_lease_that_ran_out_before_is_no_obstacle_either(world: World, alice: Registry) -> None:
    holding = taken(alice)
    world.clock.pass_by(hours=9)
    assert titles(ready(alice, change("src/a"))) == ["src"]
    assert titles(ready(alice, change("src/a", claims=[holding.claim.id]))) == ["src"]


@pytest.mark.parametrize("keep", [None, LONG])
def test_a_renewal_by_another_process_of_the_session_is_followed(
    world: World, alice: Registry, store: ScriptedStore, keep: timedelta | None
) -> None:
    taken(alice, "src task:1")
    holdings = ready(alice, change("src/a"))
    world.clock.time += MINUTE
    store.swaps = [lambda: renew(world.session("alice"), (), HOUR), lambda: renew(world.session("alice"), (), LONG)]
    outcome = land(alice, ERRAND, holdings, keep=keep)
    assert isinstance(outcome, Landed)
    assert branch_of(world) == NEW
    assert alice.ledger.held().keys() == {holding.claim.id for holding in outcome.renewed}


def test_a_part_given_up_by_another_process_of_the_session_is_followed(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    taken(alice, "src task:1")
    holdings = ready(alice, change("src/a"))
    store.swaps = [lambda: release(world.session("alice"), resources("task:1"))]
    assert isinstance(land(alice, ERRAND, holdings), Landed)
    assert world.at("src") is None


def test_a_registry_that_never_holds_still_is_given_up_on(world: World, alice: Registry, store: ScriptedStore) -> None:
    taken(alice)
    holdings = ready(alice, change("src/a"))

    def again() -> None:
        world.clock.time += MINUTE
        renew(world.session("alice"), (), HOUR)

    store.swaps = [again] * ATTEMPTS
    with pytest.raises(GitclaimError, match="kept changing"):
        land(alice, ERRAND, holdings)
    assert branch_of(world) == OLD
    assert world.at("src")


# Being fenced.


def take_over(world: World) -> None:
    world.clock.pass_by(hours=2)
    taken(world.session("bob"), "src")


def take_over_and_release(world: World) -> None:
    take_over(world)
    release(world.session("bob"), ())


def break_it(world: World) -> None:
    break_claims(world.session("bob"), resources("src"), "went home")


def sweep_it(world: World) -> None:
    world.clock.pass_by(hours=2)
    sweep(world.session("janitor"), first_seen={})


def give_it(world: World) -> None:
    give(world.session("alice"), (), Session("bob"))


def take_over_one_ref(world: World) -> None:
    world.clock.pass_by(hours=2)
    taken(world.session("bob"), "task:1")


LOSSES: Final[Mapping[str, tuple[Callable[[World], None], Reason, str | None]]] = {
    "taken over": (take_over, Reason.FENCED, "bob"),
    "taken over and released": (take_over_and_release, Reason.EXPIRED, None),
    "broken": (break_it, Reason.FENCED, None),
    "swept": (sweep_it, Reason.EXPIRED, None),
    "given away": (give_it, Reason.FENCED, "bob"),
    "taken over in one ref": (take_over_one_ref, Reason.FENCED, "bob"),
}
every_loss = pytest.mark.parametrize("name", LOSSES)


@every_loss
@pytest.mark.parametrize("keep", [None, LONG])
def test_a_claim_lost_in_the_last_moment_stops_the_landing(
    world: World, alice: Registry, store: ScriptedStore, name: str, keep: timedelta | None
) -> None:
    taken(alice, "src task:1")
    taken(alice, "docs")
    holdings = ready(alice, change("src/a", "docs/a"))
    lose, why, successor = LOSSES[name]
    after: dict[RefName, Oid] = {}

    def meanwhile() -> None:
        lose(world)
        after.update(world.refs.refs)

    store.swaps = [meanwhile]
    outcome = land(alice, ERRAND, holdings, keep=keep)
    assert ("src, task:1", why, successor) in told(outcome)
    assert world.refs.refs == after
    assert branch_of(world) == OLD


@every_loss
def test_a_claim_lost_before_is_found_before_anything_is_sent(
    world: World, alice: Registry, store: ScriptedStore, name: str
) -> None:
    holding = taken(alice, "src task:1")
    lose, why, successor = LOSSES[name]
    lose(world)
    before = dict(world.refs.refs)
    store.calls.clear()
    named = change("src/a", claims=[holding.claim.id])
    for _ in range(3):
        store.sync()
        outcome = prepare(alice, [named], [named], Allowed(lost=(holding.claim,)), "main")
        # Whoever gave its claim away knows it no longer; the commit still names it.
        if name != "given away":
            assert told(outcome) == [("src, task:1", why, successor)]
    assert world.refs.refs == before
    assert "swap" not in store.calls


def test_all_that_was_lost_is_named_at_once(world: World, alice: Registry, store: ScriptedStore) -> None:
    taken(alice, "src")
    taken(alice, "docs")
    holdings = ready(alice, change("src/a", "docs/a"))
    store.swaps = [lambda: sweep_it(world)]
    outcome = land(alice, ERRAND, holdings)
    assert told(outcome) == [("src", Reason.EXPIRED, None), ("docs", Reason.EXPIRED, None)]
    assert isinstance(outcome, Fenced)
    assert reason(outcome) is Reason.EXPIRED


def test_only_what_expired_is_called_expired(world: World, alice: Registry) -> None:
    holding = taken(alice)
    sweep_it(world)
    fenced = prepared(alice, change("src/a", claims=[holding.claim.id]))
    assert isinstance(fenced, Fenced)
    assert fenced.orphans
    assert reason(fenced) is Reason.FENCED


def test_a_claim_on_an_idea_that_was_lost_stops_the_landing_too(world: World, alice: Registry) -> None:
    taken(alice, "src task:1", branch="main")
    idea = taken(alice, "task:2", branch="main")
    break_claims(world.session("bob"), resources("task:2"), "done elsewhere")
    assert told(prepared(alice, change("src/a"))) == [("task:2", Reason.FENCED, None)]
    assert idea.claim.id in alice.ledger.held()


@every_loss
def test_what_was_lost_and_taken_anew_is_lost_no_longer(world: World, alice: Registry, name: str) -> None:
    """The commits still name the old claim, and this clone still remembers it."""
    old = taken(alice, "src task:1", branch="main")
    work = change("src/a", claims=[old.claim.id])
    LOSSES[name][0](world)
    alice.ledger.record(old.claim.id, old.oid)
    release(world.session("bob"), ())
    assert isinstance(prepared(alice, work), Fenced)
    new = taken(alice, "src task:1", branch="main")
    assert ready(alice, work) == (new,)
    assert land(alice, ERRAND, (new,)) == Landed(released=(new,))


def test_an_idea_that_was_lost_and_taken_anew_is_lost_no_longer(world: World, alice: Registry) -> None:
    taken(alice, "task:1", branch="main")
    break_claims(world.session("bob"), resources("task:1"), "because")
    assert isinstance(prepared(alice, change("src/a")), Fenced)
    new = taken(alice, "task:1", branch="main")
    assert ready(alice, change("src/a")) == (new,)


def test_an_idea_that_another_has_now_is_lost(world: World, alice: Registry) -> None:
    taken(alice, "task:1", branch="main")
    world.clock.pass_by(hours=2)
    taken(world.session("bob"), "task:1")
    assert told(prepared(alice, change("src/a"))) == [("task:1", Reason.FENCED, "bob")]


def test_what_was_taken_anew_and_ran_out_hides_no_loss(world: World, alice: Registry) -> None:
    taken(alice, "task:1", branch="main")
    break_claims(world.session("bob"), resources("task:1"), "because")
    taken(alice, "task:1", branch="main")
    world.clock.pass_by(hours=2)
    assert [title for title, *_ in told(prepared(alice, change("src/a")))] == ["task:1"]


def test_of_what_was_lost_a_part_taken_anew_does_not_hide_the_rest(world: World, alice: Registry) -> None:
    old = taken(alice, "src task:1")
    sweep_it(world)
    taken(alice, "src")
    fenced = prepared(alice, change("src/a", claims=[old.claim.id]))
    assert told(fenced) == [("src, task:1", Reason.EXPIRED, None)]


# Commits that name a claim which stands no longer.


def forgotten(world: World, alice: Registry) -> Change:
    """A commit under a claim that was lost, and that this clone knows nothing of any more."""
    holding = taken(alice)
    take_over_and_release(world)
    alice.ledger.forget(holding.claim.id)
    return change("src/a", claims=[holding.claim.id])


def test_a_claim_that_only_lies_there_is_nobody_s_any_more(world: World, alice: Registry) -> None:
    """A commit that names it was made under a claim that was lost, whosever it was."""
    theirs = taken(world.session("bob"), "docs")
    work = change("src/a", claims=[theirs.claim.id])
    assert ready(alice, work) == ()
    world.clock.pass_by(hours=2)
    fenced = prepared(alice, work)
    assert isinstance(fenced, Fenced)
    assert [orphan.claims for orphan in fenced.orphans] == [(theirs.claim.id,)]


def test_work_under_a_lost_claim_is_refused_again_and_again(world: World, alice: Registry) -> None:
    work = forgotten(world, alice)
    for _ in range(3):
        assert prepared(alice, work) == Fenced((), (Orphan(NEW, tuple(work.claims), ("src/a",)),))


def test_until_what_it_touches_is_taken_anew(world: World, alice: Registry) -> None:
    work = forgotten(world, alice)
    taken(alice, "src/a")
    assert titles(ready(alice, work)) == ["src/a"]


def test_a_part_taken_anew_is_not_enough(world: World, alice: Registry) -> None:
    work = forgotten(world, alice)._replace(paths=("src/a", "src/b"))
    taken(alice, "src/a")
    outcome = prepared(alice, work)
    assert isinstance(outcome, Fenced)
    assert [one.paths for one in outcome.orphans] == [("src/b",)]


def test_work_that_others_landed_under_their_own_claim_is_not_refused(alice: Registry, bob: Registry) -> None:
    theirs = taken(bob)
    assert ready(alice, change("src/a", claims=[theirs.claim.id])) == ()


def test_a_commit_that_is_taken_away_was_made_under_no_claim(world: World, alice: Registry) -> None:
    work = forgotten(world, alice)._replace(withdrawn=True)
    assert ready(alice, work) == ()


def test_a_commit_that_touches_nothing_is_under_no_claim(world: World, alice: Registry) -> None:
    work = forgotten(world, alice)._replace(paths=())
    assert ready(alice, work) == ()


# A branch that went on.


@pytest.mark.parametrize("keep", [None, LONG])
@pytest.mark.parametrize("now", [OTHER, None])
def test_a_branch_that_moved_stops_the_landing_and_ends_no_claim(
    world: World, alice: Registry, store: ScriptedStore, now: Oid | None, keep: timedelta | None
) -> None:
    holding = taken(alice)
    holdings = ready(alice, change("src/a"))
    store.swaps = [lambda: world.refs.refs.update({MAIN: now}) if now else world.refs.refs.pop(MAIN)]
    assert land(alice, ERRAND, holdings, keep=keep) == Moved(now)
    assert world.at("src") == holding.oid
    assert alice.ledger.held() == {holding.claim.id: holding.oid}
    assert released_ref(holding.claim.id) not in world.refs.refs


def test_a_branch_that_somebody_else_made_stops_the_landing(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    del world.refs.refs[MAIN]
    taken(alice)
    holdings = ready(alice, change("src/a"))
    store.swaps = [lambda: world.refs.refs.update({MAIN: OTHER})]
    assert land(alice, Errand(MAIN, None, NEW), holdings) == Moved(OTHER)


def test_a_lost_claim_is_told_before_a_branch_that_moved(world: World, alice: Registry, store: ScriptedStore) -> None:
    """To rebase would help nothing."""
    taken(alice)
    holdings = ready(alice, change("src/a"))

    def meanwhile() -> None:
        break_it(world)
        world.refs.refs[MAIN] = OTHER

    store.swaps = [meanwhile]
    assert isinstance(land(alice, ERRAND, holdings), Fenced)


def renew_it(world: World) -> None:
    world.clock.time += MINUTE
    renew(world.session("alice"), (), HOUR)


@pytest.mark.parametrize(("event", "code"), [(renew_it, Exit.FIXABLE), (break_it, Exit.FENCED)])
def test_work_that_was_pushed_by_other_means_is_not_called_landed(
    world: World, alice: Registry, store: ScriptedStore, event: Callable[[World], None], code: Exit
) -> None:
    """The branch is where it was to go, and no transaction of ours did that."""
    holding = taken(alice)
    holdings = ready(alice, change("src/a"))

    def meanwhile() -> None:
        event(world)
        world.refs.refs[MAIN] = NEW

    store.swaps = [meanwhile]
    with pytest.raises(GitclaimError, match="has this work, but not by this landing") as caught:
        land(alice, ERRAND, holdings)
    assert caught.value.exit_code == code
    assert ("still stand" in caught.value.message) is (event is renew_it)
    assert holding.claim.id in alice.ledger.held()


def test_a_release_by_another_process_is_not_called_landed(world: World, alice: Registry, store: ScriptedStore) -> None:
    """Its record says of the claim what this landing would have said, but not that anything landed."""
    taken(alice)
    holdings = ready(alice, change("src/a"))

    def meanwhile() -> None:
        release(world.session("alice"), ())
        world.refs.refs[MAIN] = NEW

    store.swaps = [meanwhile]
    with pytest.raises(GitclaimError, match="has this work, but not by this landing") as caught:
        land(alice, ERRAND, holdings)
    assert caught.value.exit_code == Exit.FENCED


def test_landing_shortens_no_lease(alice: Registry) -> None:
    holding = taken(alice)
    outcome = land(alice, ERRAND, ready(alice, change("src/a")), keep=MINUTE)
    assert isinstance(outcome, Landed)
    assert [one.claim.expires for one in outcome.renewed] == [holding.claim.expires]


# What a registry answers.


def test_a_registry_without_transactions_is_told_and_changes_nothing(
    world: World, alice: Registry, store: ScriptedStore
) -> None:
    taken(alice)
    holdings = ready(alice, change("src/a"))
    before = dict(world.refs.refs)
    store.swaps = [Refused("it can't", final=True)]
    store.calls.clear()
    with pytest.raises(GitclaimError, match="nothing landed: it can't") as caught:
        land(alice, ERRAND, holdings)
    assert caught.value.exit_code == Exit.FIXABLE
    assert world.refs.refs == before
    assert store.calls == ["swap"]


def test_a_refusal_is_told_with_what_the_registry_said(world: World, alice: Registry, store: ScriptedStore) -> None:
    taken(alice)
    holdings = ready(alice, change("src/a"))
    before = dict(world.refs.refs)
    store.swaps = [Refused("protected branch")]
    with pytest.raises(GitclaimError, match="nothing landed, the registry refused: protected branch"):
        land(alice, ERRAND, holdings)
    assert world.refs.refs == before


@pytest.mark.parametrize("keep", [None, LONG])
@pytest.mark.parametrize("move", ["lost", "cut"])
def test_a_landing_without_an_answer_is_looked_into(
    world: World, alice: Registry, store: ScriptedStore, move: str, keep: timedelta | None
) -> None:
    taken(alice, "src task:1")
    holdings = ready(alice, change("src/a"))
    store.swaps = ["lost" if move == "lost" else "cut"]
    store.calls.clear()
    assert isinstance(land(alice, ERRAND, holdings, keep=keep), Landed)
    assert branch_of(world) == NEW
    assert (world.at("src") is None) is (keep is None)
    assert store.calls.count("swap") == (1 if move == "lost" else 2)


class Answering(ScriptedStore):
    """A registry that does what it is asked, in part, and what others do next; then its answer is lost."""

    def __init__(self, refs: MemoryRefs) -> None:
        super().__init__(refs)
        self.part: Callable[[Swap], bool] = lambda _: True
        self.next: Callable[[], object] = lambda: None
        self.armed = False

    def swap(self, swaps: Sequence[Swap]) -> Outcome:
        if not self.armed:
            return super().swap(swaps)
        self.armed = False
        assert self.registry.apply([swap for swap in swaps if self.part(swap)])
        self.next()
        return Unknown("cut")


@pytest.fixture
def answering(world: World) -> Answering:
    return Answering(world.refs)


def followed(world: World) -> None:
    """Others take what came free, and land on top of it."""
    taken(world.session("bob"), "src")
    world.refs.refs[MAIN] = OTHER


def test_what_others_did_after_a_landing_without_an_answer_does_not_undo_it(world: World, answering: Answering) -> None:
    alice = world.session("alice", store=answering)
    holding = taken(alice)
    holdings = ready(alice, change("src/a"))
    answering.armed, answering.next = True, lambda: followed(world)
    assert land(alice, ERRAND, holdings) == Landed(released=(holding,))
    assert alice.ledger.held() == {}


def test_what_others_landed_after_one_that_kept_its_claims_does_not_undo_it(world: World, answering: Answering) -> None:
    alice = world.session("alice", store=answering)
    taken(alice)
    holdings = ready(alice, change("src/a"))
    answering.armed, answering.next = True, lambda: world.refs.refs.update({MAIN: OTHER})
    assert isinstance(land(alice, ERRAND, holdings, keep=LONG), Landed)


def test_a_renewal_after_a_landing_without_an_answer_does_not_undo_it(world: World, answering: Answering) -> None:
    alice = world.session("alice", store=answering)
    taken(alice)
    holdings = ready(alice, change("src/a"))

    def go_on() -> None:
        world.clock.time += MINUTE
        renew(world.session("alice")._replace(ledger=MemoryLedger()), (), LONG)

    def later() -> None:
        answering.sync()
        go_on()

    answering.armed, answering.next = True, later
    outcome = land(alice, ERRAND, holdings, keep=LONG)
    assert isinstance(outcome, Landed)
    assert {world.at("src")} == {holding.oid for holding in outcome.renewed}


@pytest.mark.parametrize("move", ["lost", "cut"])
def test_a_landing_that_nobody_can_look_into_is_unknown(alice: Registry, store: ScriptedStore, move: str) -> None:
    holding = taken(alice)
    holdings = ready(alice, change("src/a"))
    store.swaps = ["lost" if move == "lost" else "cut"]
    store.syncs = [UnreachableError("gone")] * 20
    with pytest.raises(UnknownOutcomeError):
        land(alice, ERRAND, holdings)
    assert holding.claim.id in alice.ledger.held()


def test_a_branch_that_nobody_can_look_at_is_unknown(
    alice: Registry, store: ScriptedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(_: object) -> dict[RefName, Oid]:
        raise UnreachableError("gone")

    taken(alice)
    holdings = ready(alice, change("src/a"))
    store.swaps = ["lost"]
    monkeypatch.setattr(store, "ask", ask)
    with pytest.raises(UnknownOutcomeError, match="whether refs/heads/main moved is not known"):
        land(alice, ERRAND, holdings)


def test_a_registry_that_never_answers_is_told_so(world: World, alice: Registry, store: ScriptedStore) -> None:
    """Its server dies of a hook, for one."""
    taken(alice)
    holdings = ready(alice, change("src/a"))
    before = dict(world.refs.refs)
    store.swaps = ["cut"] * ATTEMPTS
    with pytest.raises(GitclaimError, match="nothing landed: the registry gave no answer"):
        land(alice, ERRAND, holdings)
    assert world.refs.refs == before


def test_an_unreachable_registry_changes_nothing(world: World, alice: Registry, store: ScriptedStore) -> None:
    taken(alice)
    holdings = ready(alice, change("src/a"))
    before = dict(world.refs.refs)
    store.swaps = [UnreachableError("gone")]
    with pytest.raises(UnreachableError):
        land(alice, ERRAND, holdings)
    assert world.refs.refs == before


@pytest.mark.parametrize("keep", [None, LONG])
def test_a_registry_that_ends_the_claims_and_does_not_move_the_branch_is_told_so(
    world: World, answering: Answering, keep: timedelta | None
) -> None:
    alice = world.session("alice", store=answering)
    taken(alice)
    holdings = ready(alice, change("src/a"))
    answering.armed, answering.part = True, lambda swap: swap.ref != MAIN
    with pytest.raises(GitclaimError, match=r"did half of it.* did not move"):
        land(alice, ERRAND, holdings, keep=keep)
    assert branch_of(world) == OLD


def test_a_registry_that_moves_the_branch_and_leaves_the_claims_is_told_so(world: World, answering: Answering) -> None:
    alice = world.session("alice", store=answering)
    taken(alice)
    holdings = ready(alice, change("src/a"))
    answering.armed, answering.part = True, lambda swap: swap.ref == MAIN
    with pytest.raises(GitclaimError, match="has this work, but not by this landing") as caught:
        land(alice, ERRAND, holdings)
    assert "release" in (caught.value.hint or "")
    assert world.at("src")


def test_a_record_that_was_written_alone_does_not_keep_the_next_attempt_from_landing(
    world: World, answering: Answering
) -> None:
    alice = world.session("alice", store=answering)
    taken(alice)
    holdings = ready(alice, change("src/a"))
    answering.armed, answering.part = True, lambda swap: swap.ref.startswith("refs/gitclaim/")
    assert isinstance(land(alice, ERRAND, holdings), Landed)
    assert branch_of(world) == NEW
    assert world.at("src") is None


def test_without_claims_a_branch_that_is_there_is_landed(world: World, answering: Answering) -> None:
    alice = world.session("alice", store=answering)
    answering.armed = True
    assert land(alice, ERRAND, ()) == Landed()


def test_another_key_lands_nothing(world: World, alice: Registry) -> None:
    taken(alice)
    other = world.session("alice", key="other")
    holdings = ready(other, change("src/a"))
    before = dict(world.refs.refs)
    for keep in (None, LONG):
        with pytest.raises(GitclaimError, match="bound to the key alice"):
            land(other, ERRAND, holdings, keep=keep)
    assert world.refs.refs == before


# Whatever happens in between.


def give_up_a_part(world: World) -> None:
    release(world.session("alice"), resources("task:1"))


def give_up(world: World) -> None:
    release(world.session("alice"), ())


def take_again(world: World) -> None:
    taken(world.session("alice"), "src task:1")


def push_other(world: World) -> None:
    world.refs.refs[MAIN] = OTHER


def push_back(world: World) -> None:
    world.refs.refs[MAIN] = OLD


def take_beside(world: World) -> None:
    taken(world.session("bob"), "docs")


EVENTS: Final = (
    *(lose for lose, _, _ in LOSSES.values()),
    *(renew_it, give_up_a_part, give_up, take_again, push_other, push_back, take_beside),
)


class Watched(ScriptedStore):
    """Notes who stood where at the moment in which the branch moved."""

    def __init__(self, world: World) -> None:
        super().__init__(world.refs)
        self.world = world
        self.between: list[list[Callable[[World], None]]] = []
        self.before: list[dict[RefName, Oid]] = []
        self.lost: list[bool] = []

    def swap(self, swaps: Sequence[Swap]) -> Outcome:
        if MAIN not in {swap.ref for swap in swaps}:
            return super().swap(swaps)
        for event in self.between.pop(0) if self.between else []:
            with suppress(GitclaimError, AssertionError):
                event(self.world)
        before = dict(self.world.refs.refs)
        outcome = super().swap(swaps)
        if isinstance(outcome, Swapped):
            self.before.append(before)
            if self.lost and self.lost.pop():
                return Unknown("cut")
        return outcome


@for_all(
    st.lists(st.lists(st.sampled_from(EVENTS), max_size=4), max_size=4),
    st.lists(st.booleans(), max_size=1),
    st.sampled_from([None, LONG]),
)
def test_the_branch_moves_only_while_the_session_holds_its_claims(
    between: list[list[Callable[[World], None]]], lost: list[bool], keep: timedelta | None
) -> None:
    world = World()
    world.refs.refs[MAIN] = OLD
    store = Watched(world)
    alice = world.session("alice", store=store)
    holding = taken(alice, "src task:1")
    holdings = ready(alice, change("src/a"))
    store.between, store.lost = between, lost
    outcome: object = None
    with suppress(GitclaimError):
        outcome = land(alice, ERRAND, holdings, keep=keep)
    assert isinstance(outcome, Landed) == bool(store.before) == (branch_of(world) == NEW)
    for refs in store.before:
        at = parse_claim(text(world, refs[ref_of("src")]))
        assert (at.id, at.session) == (holding.claim.id, "alice")
        assert all(refs[ref] == refs[ref_of("src")] for ref in at.refs)
    if not store.before:
        records = [ref for ref in world.refs.refs if ref.startswith("refs/gitclaim/released/")]
        assert not any("Lands:" in text(world, world.refs.refs[ref]) for ref in records)


def test_what_is_live_for_others_can_not_be_landed_under_by_two(world: World, alice: Registry, bob: Registry) -> None:
    """A clock that is wrong by hours gets the one a claim, and the other nothing but a refusal."""
    taken(alice)
    holdings = ready(alice, change("src/a"))
    world.clock.pass_by(hours=24)
    taken(bob)
    theirs = ready(bob, change("src/a", commit=OTHER))
    world.clock.pass_by(hours=-24)
    assert told(land(alice, ERRAND, holdings)) == [("src", Reason.FENCED, "bob")]
    assert isinstance(land(bob, Errand(MAIN, OLD, OTHER), theirs), Landed)
    assert bob.look_all() == []
