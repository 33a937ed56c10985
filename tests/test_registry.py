"""What stands in the registry: each standing, on what evidence."""

from datetime import timedelta

import pytest

from gitclaim.claim import GRACE, LONGEST_LEASE, format_claim
from gitclaim.errors import GitclaimError
from gitclaim.refstore.contract import Signature
from gitclaim.registry import FORMING, Found, Registry, Standing, in_the_way
from tests.kit.memory import HOUR, START, World, commit_bytes, ref_of, resources


@pytest.fixture
def world() -> World:
    return World()


def seen(world: World) -> dict[str, Found]:
    registry = onlooker(world)
    return {one.ref.removeprefix("refs/claims/path/"): one for one in registry.look_all()}


def onlooker(world: World) -> Registry:
    registry = world.session("onlooker")
    registry.store.sync()
    return registry


def test_a_complete_claim_within_its_lease_is_live(world: World) -> None:
    world.stand(world.claim("a b", "alice"))
    assert {name: one.standing for name, one in seen(world).items()} == {"a": Standing.LIVE, "b": Standing.LIVE}


@pytest.mark.parametrize(("late", "standing"), [(-1, Standing.LIVE), (0, Standing.EXPIRED)])
def test_a_lease_ends_for_others_after_the_grace(world: World, late: int, standing: Standing) -> None:
    world.stand(world.claim("a", "alice"))
    world.clock.time += HOUR + GRACE + timedelta(seconds=late)
    assert seen(world)["a"].standing is standing


@pytest.mark.parametrize(("late", "standing"), [(-1, Standing.FORMING), (0, Standing.VOID)])
def test_an_incomplete_claim_is_void_when_it_is_no_longer_young(world: World, late: int, standing: Standing) -> None:
    world.stand(world.claim("a b", "alice"), only="a")
    world.clock.time += FORMING + timedelta(seconds=late)
    assert seen(world)["a"].standing is standing
    assert seen(world)["a"].note == "incomplete: refs/claims/path/b does not carry it"


def test_an_incomplete_claim_whose_lease_ended_is_expired(world: World) -> None:
    world.stand(world.claim("a b", "alice"), only="a")
    world.clock.pass_by(hours=2)
    assert seen(world)["a"].standing is Standing.EXPIRED


def test_a_renewal_that_was_cut_short_half_way_leaves_the_claim_complete(world: World) -> None:
    claim = world.claim("a b", "alice", ago=timedelta(minutes=50))
    world.stand(claim)
    world.stand(claim.until(claim.expires + HOUR), only="b")
    assert {one.standing for one in seen(world).values()} == {Standing.LIVE}


def test_a_hand_over_that_was_cut_short_half_way_leaves_nobody_the_claim(world: World) -> None:
    claim = world.claim("a b", "alice", ago=timedelta(minutes=50))
    world.stand(claim)
    world.stand(claim._replace(session=type(claim.session)("bob")), only="b")
    assert {one.standing for one in seen(world).values()} == {Standing.VOID}


def test_a_claim_is_looked_up_as_a_whole_when_only_one_of_its_refs_is_asked_for(world: World) -> None:
    world.stand(world.claim("a b", "alice"))
    assert [one.standing for one in onlooker(world).look([ref_of("a")])] == [Standing.LIVE]


def test_a_claim_copied_to_a_ref_it_does_not_list_is_none(world: World) -> None:
    world.refs.refs[ref_of("b")] = world.stand(world.claim("a", "alice"))
    assert seen(world)["b"].standing is Standing.MALFORMED
    assert seen(world)["a"].standing is Standing.LIVE


def test_a_newer_format_is_told_from_garbage(world: World) -> None:
    message = format_claim(world.claim("a", "alice")).replace("Claim-Format: 1", "Claim-Format: 2")
    world.plant(commit_bytes(message), "a")
    assert seen(world)["a"].standing is Standing.NEWER
    assert "upgrade" in seen(world)["a"].note


@pytest.mark.parametrize("kind", ["blob", "tree", "tag"])
def test_what_is_no_commit_is_malformed(world: World, kind: str) -> None:
    world.plant(b"anything", "a", kind=kind)
    assert seen(world)["a"].standing is Standing.MALFORMED
    assert kind in seen(world)["a"].note


def test_a_commit_with_files_is_malformed(world: World) -> None:
    world.plant(commit_bytes(format_claim(world.claim("a", "alice")), tree="1" * 40), "a")
    assert seen(world)["a"].standing is Standing.MALFORMED


def test_a_commit_that_says_something_else_is_malformed(world: World) -> None:
    world.plant(commit_bytes("Fix the build\n"), "a")
    assert seen(world)["a"].standing is Standing.MALFORMED


def test_a_lease_no_registry_accepts_is_malformed(world: World) -> None:
    world.stand(world.claim("a", "alice", ttl=LONGEST_LEASE + GRACE + timedelta(seconds=1)))
    assert seen(world)["a"].standing is Standing.MALFORMED


@pytest.mark.parametrize(("taken", "standing"), [(-40, Standing.LIVE), (10, Standing.MALFORMED)])
def test_a_lease_is_as_long_as_it_is_when_it_is_written(world: World, taken: int, standing: Standing) -> None:
    """A claim may be renewed for ever; one that says it was taken later than it was written gains nothing by that."""
    days = timedelta(days=1)
    expires = LONGEST_LEASE + 5 * days if taken > 0 else days
    world.stand(world.claim("a", "alice", ago=-taken * days, ttl=expires - taken * days), at=START)
    assert seen(world)["a"].standing is standing


@pytest.mark.parametrize(
    ("key", "standing", "signature"),
    [
        ("alice", Standing.LIVE, Signature.GOOD),
        ("unknown", Standing.LIVE, Signature.UNKNOWN),
        ("forged", Standing.UNTRUSTED, Signature.BAD),
        ("", Standing.UNTRUSTED, Signature.BAD),
    ],
)
def test_only_a_bad_signature_makes_a_claim_untrusted(
    world: World, key: str, standing: Standing, signature: Signature
) -> None:
    world.stand(world.claim("a", "alice"), key=key)
    registry = onlooker(world)
    (judged,) = registry.judged(registry.look_all())
    assert judged.standing is standing
    assert judged.verdict
    assert judged.verdict.signature is signature


def test_verdicts_that_were_given_before_cost_nothing(world: World) -> None:
    world.stand(world.claim("a", "alice"), key="forged")
    registry = onlooker(world)
    assert [one.standing for one in registry.recalled(registry.look_all())] == [Standing.LIVE]
    registry.judged(registry.look_all())
    assert [one.standing for one in registry.recalled(registry.look_all())] == [Standing.UNTRUSTED]


@pytest.mark.parametrize(("ahead", "suspect"), [(GRACE, False), (GRACE + timedelta(seconds=1), True)])
def test_a_claim_dated_beyond_the_grace_in_the_future_makes_the_clock_suspect(
    world: World, ahead: timedelta, *, suspect: bool
) -> None:
    world.stand(world.claim("a", "alice", ago=-ahead))
    registry = onlooker(world)
    if suspect:
        with pytest.raises(GitclaimError, match=r"clock is suspect.*alice"):
            registry.check_clock(registry.look_all())
    else:
        registry.check_clock(registry.look_all())


def test_a_renewal_dated_in_the_future_makes_the_clock_suspect_too(world: World) -> None:
    world.stand(world.claim("a", "alice"), at=START + HOUR)
    registry = onlooker(world)
    with pytest.raises(GitclaimError, match="clock is suspect"):
        registry.check_clock(registry.look_all())


def test_a_claim_that_says_it_was_taken_in_the_future_makes_the_clock_suspect_too(world: World) -> None:
    world.stand(world.claim("a", "alice", ago=-HOUR), at=START)
    registry = onlooker(world)
    with pytest.raises(GitclaimError, match="clock is suspect"):
        registry.check_clock(registry.look_all())


def test_a_forged_date_says_nothing_about_the_clock(world: World) -> None:
    world.stand(world.claim("a", "mallory", ago=-HOUR), key="forged")
    registry = onlooker(world)
    registry.check_clock(registry.look_all())


def test_signatures_are_looked_at_only_where_the_clock_hangs_on_them(world: World) -> None:
    world.stand(world.claim("a", "alice"))
    registry = onlooker(world)
    registry.check_clock(registry.look_all())
    assert not registry.verifier.asked  # type: ignore[attr-defined]


def test_in_the_way_of_a_resource_is_what_stands_at_above_or_below_it(world: World) -> None:
    for name in ("src/api", "src/apiary", "docs", "src/api-old"):
        world.stand(world.claim(name, "alice"))
    found = onlooker(world).look_all()
    for asked in ("src", "src/api", "src/api/users"):
        refs = {one.ref for one in in_the_way(found, resources(asked)[0])}
        assert ref_of("src/api") in refs
        assert ref_of("docs") not in refs
    assert {one.ref for one in in_the_way(found, resources("src/api")[0])} == {ref_of("src/api")}
