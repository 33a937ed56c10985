"""Sweeping removes what died, by exact id, in few connections, and nothing else."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import pytest

from gitclaim.breaking import break_claims
from gitclaim.claim import format_claim
from gitclaim.errors import GitclaimError, UnreachableError
from gitclaim.holding import renew
from gitclaim.names import RefName
from gitclaim.protocol import take
from gitclaim.record import BROKEN
from gitclaim.refstore.contract import Outcome, Swap, Unknown
from gitclaim.registry import Registry, Standing
from gitclaim.sweep import MALFORMED_AFTER, RECORDS_KEPT, Swept, sweep
from tests.kit.memory import HOUR, ScriptedStore, World, asking, commit_bytes, ref_of, resources


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def store(world: World) -> ScriptedStore:
    return ScriptedStore(world.refs)


@pytest.fixture
def janitor(world: World, store: ScriptedStore) -> Registry:
    return world.session("janitor", store=store)


def swept(registry: Registry, first_seen: dict[RefName, datetime] | None = None) -> Swept:
    return sweep(registry, first_seen=first_seen or {})


def test_what_expired_goes_and_what_lives_stays(world: World, janitor: Registry) -> None:
    world.stand(world.claim("old task:1", "alice", ago=2 * HOUR))
    live = world.stand(world.claim("young", "bob"))
    assert len(swept(janitor).removed) == 2
    assert world.refs.refs == {ref_of("young"): live}


def test_a_dry_run_says_the_same_and_writes_nothing(world: World, janitor: Registry, store: ScriptedStore) -> None:
    world.stand(world.claim("old", "alice", ago=2 * HOUR))
    world.plant(b"junk", "junk", kind="blob")
    before = dict(world.refs.refs)
    dry = sweep(janitor, first_seen={}, dry_run=True)
    assert world.refs.refs == before
    assert set(store.calls) == {"sync"}
    assert swept(janitor).removed == dry.removed


def test_a_thousand_expired_claims_go_in_ten_calls_at_most(
    world: World, janitor: Registry, store: ScriptedStore
) -> None:
    for number in range(1000):
        world.stand(world.claim(f"d{number}/f", "alice", ago=2 * HOUR))
    assert len(swept(janitor).removed) == 1000
    assert len(store.calls) <= 10
    assert not world.refs.refs


def test_a_renewal_in_the_last_moment_wins(world: World, janitor: Registry, store: ScriptedStore) -> None:
    world.stand(world.claim("a", "alice", ago=2 * HOUR))
    world.stand(world.claim("b", "bob", ago=2 * HOUR))
    store.swaps = [lambda: renew(world.session("alice"), resources("a"), HOUR)]
    done = swept(janitor)
    assert [one.ref for one in done.kept] == [ref_of("a")]
    assert [one.ref for one in done.removed] == [ref_of("b")]
    assert list(world.refs.refs) == [ref_of("a")]


def test_what_another_sweep_removed_counts_as_removed(world: World, janitor: Registry, store: ScriptedStore) -> None:
    world.stand(world.claim("a", "alice", ago=2 * HOUR))
    store.swaps = [lambda: swept(world.session("cron"))]
    assert len(swept(janitor).removed) == 1


def test_an_incomplete_claim_goes_when_two_looks_agree(world: World, janitor: Registry) -> None:
    world.stand(world.claim("a b", "alice", ago=timedelta(minutes=5)), only="a")
    assert len(swept(janitor).removed) == 1
    assert world.clock.slept


def test_an_incomplete_claim_that_completes_between_two_looks_stays(world: World, store: ScriptedStore) -> None:
    claim = world.claim("a b", "alice", ago=timedelta(minutes=5))
    world.stand(claim, only="a")
    store.syncs = [None, lambda: world.stand(claim)]
    assert swept(world.session("janitor", store=store)).removed == ()
    assert len(world.refs.refs) == 2


def test_an_incomplete_claim_that_is_young_stays(world: World, janitor: Registry) -> None:
    world.stand(world.claim("a b", "alice"), only="a")
    assert swept(janitor).removed == ()


def test_an_expired_claim_whose_end_is_seen_only_at_the_second_look_goes(world: World, janitor: Registry) -> None:
    claim = world.claim("a b", "alice")
    world.stand(claim, only="a")
    world.clock.time = claim.lapses() - timedelta(seconds=1)
    assert len(swept(janitor).removed) == 1


@pytest.mark.parametrize(("age", "gone"), [(MALFORMED_AFTER, True), (MALFORMED_AFTER - timedelta(seconds=1), False)])
def test_what_is_no_claim_goes_after_a_grace(world: World, janitor: Registry, age: timedelta, *, gone: bool) -> None:
    world.plant(b"junk", "junk", kind="blob")
    done = swept(janitor, {ref_of("junk"): world.clock.now() - age})
    assert bool(done.removed) is gone
    assert bool(done.young) is not gone


def test_what_is_no_claim_can_not_date_itself_into_safety(world: World, janitor: Registry) -> None:
    claim = world.claim("a", "alice", ago=-2 * HOUR)
    copied = world.plant(commit_bytes(format_claim(claim), at=claim.taken), "b")
    assert swept(janitor, {ref_of("b"): world.clock.now() - HOUR}).removed[0].oid == copied


def test_a_newer_format_stays(world: World, janitor: Registry) -> None:
    claim = world.claim("a", "alice", ago=100 * HOUR)
    message = format_claim(claim).replace("Claim-Format: 1", "Claim-Format: 9")
    world.plant(commit_bytes(message, at=claim.taken), "a")
    assert swept(janitor) == Swept(())


def test_a_forged_claim_goes_once_its_signature_was_judged(world: World, janitor: Registry) -> None:
    world.stand(world.claim("a", "mallory"), key="forged")
    assert swept(janitor).removed == ()
    janitor.judged(janitor.look_all())
    assert [one.standing for one in swept(janitor).removed] == [Standing.UNTRUSTED]


def test_a_sweep_refuses_while_its_clock_is_suspect(world: World, janitor: Registry) -> None:
    world.stand(world.claim("old", "alice", ago=2 * HOUR))
    world.stand(world.claim("ahead", "bob", ago=-HOUR))
    with pytest.raises(GitclaimError, match="clock is suspect"):
        swept(janitor)
    assert len(world.refs.refs) == 2


def test_a_forged_date_does_not_stop_a_sweep(world: World, janitor: Registry) -> None:
    world.stand(world.claim("old", "alice", ago=2 * HOUR))
    world.stand(world.claim("ahead", "mallory", ago=-HOUR), key="")
    assert [one.ref for one in swept(janitor).removed] == [ref_of("old")]


@pytest.mark.parametrize("happened", [True, False])
def test_a_lost_answer_is_looked_into(world: World, *, happened: bool) -> None:
    class Silent(ScriptedStore):
        def swap_each(self, swaps: Sequence[Swap]) -> Mapping[RefName, Outcome]:
            if happened:
                self.registry.apply(swaps)
            return {swap.ref: Unknown("cut") for swap in swaps}

    world.stand(world.claim("a", "alice", ago=2 * HOUR))
    done = swept(world.session("janitor", store=Silent(world.refs)))
    assert bool(done.removed) is happened
    assert bool(done.kept) is not happened


def test_an_unreachable_registry_is_no_success(world: World) -> None:
    store = ScriptedStore(world.refs, syncs=[UnreachableError("gone")])
    with pytest.raises(UnreachableError):
        swept(world.session("janitor", store=store))


def test_records_of_broken_claims_are_kept_for_a_while(world: World, janitor: Registry) -> None:
    take(world.session("alice"), asking("a"))
    break_claims(world.session("bob"), resources("a"), "gone home")
    world.clock.time += RECORDS_KEPT - timedelta(seconds=1)
    assert swept(janitor).records == 0
    world.clock.pass_by(seconds=1)
    assert swept(janitor).records == 1
    assert not world.refs.refs


def test_what_is_no_record_goes_from_among_the_records(world: World, janitor: Registry) -> None:
    world.refs.refs[RefName(f"{BROKEN}/x")] = world.plant(b"junk", kind="blob")
    assert swept(janitor).records == 1


def test_a_claim_of_which_one_ref_was_taken_over_loses_the_others(world: World, janitor: Registry) -> None:
    claim = world.claim("a b", "alice", ago=timedelta(minutes=10))
    world.stand(claim)
    world.stand(world.claim("b", "bob"))
    assert [one.ref for one in swept(janitor).removed] == [ref_of("a")]
