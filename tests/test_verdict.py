"""The verdict: a function of what is touched and what stands, in which nothing else has a say."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from itertools import count
from random import Random
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitclaim.change import Change
from gitclaim.claim import GRACE, Claim
from gitclaim.errors import Reason
from gitclaim.names import ClaimId, Oid, RefName, Session
from gitclaim.policy import Policy, Unclaimed
from gitclaim.registry import Found, Standing
from gitclaim.resources import PATTERNS, Kind, Resource
from gitclaim.verdict import Allowed, Blocked, View, verdict
from tests.kit.memory import HOUR, START, resources

ME, BOB = Session("alice"), Session("bob")
ALLOW, DENY = Policy(), Policy(unclaimed=Unclaimed.DENY)
MINUTE = timedelta(minutes=1)
NUMBERS = count(1)

names = st.lists(st.sampled_from(["a", "b", "A", "é", "x.sql"]), min_size=1, max_size=3).map("/".join)
changes = st.lists(st.lists(names, max_size=4).map(lambda paths: change(*paths)), max_size=3)


def claim(spec: str, session: Session = BOB, *, taken: datetime = START, patterns: tuple[str, ...] = ()) -> Claim:
    number = next(NUMBERS)
    return Claim(
        id=ClaimId.made(number, b"0123456789"),
        session=session,
        resources=resources(spec),
        taken=taken,
        expires=taken + HOUR,
        patterns=patterns,
    )


def standing(of: Claim, how: Standing = Standing.LIVE) -> list[Found]:
    """The claim at all its refs."""
    oid = Oid(f"{next(NUMBERS):040x}")
    return [Found(ref, oid, how, of) for ref in of.refs]


def newer(spec: str) -> Found:
    """A claim in a later format: nobody can tell whose it is."""
    return Found(resources(spec)[0].ref, Oid(f"{next(NUMBERS):040x}"), Standing.NEWER)


def change(*paths: str, at: datetime | None = None, claims: Iterable[Claim] = (), commit: int = 0) -> Change:
    """A change; a commit if it has a number or a date."""
    oid = Oid(f"{commit or next(NUMBERS):040x}") if at or commit else None
    return Change(paths, commit=oid, at=at, claims=frozenset(one.id for one in claims))


def view(*found: Sequence[Found] | Found, **more: object) -> View:
    flat = [one for part in found for one in ([part] if isinstance(part, Found) else part)]
    return View(ME, tuple(flat))._replace(**more)  # type: ignore[arg-type]


def blocked(given: object) -> Blocked:
    assert isinstance(given, Blocked)
    return given


def allowed(given: object) -> Allowed:
    assert isinstance(given, Allowed)
    return given


def paths_blocked(touched: Sequence[Change], seen: View, policy: Policy = ALLOW) -> set[str]:
    given = verdict(touched, seen, policy)
    return {block.path for block in given.blocks} if isinstance(given, Blocked) else set()


@st.composite
def registries(draw: st.DrawFn) -> list[Found]:
    """Whatever may stand in a registry, and what git would never let stand beside each other."""
    found: dict[RefName, Found] = {}
    for name in draw(st.lists(names, max_size=6)):
        how = draw(st.sampled_from(Standing))
        one = claim(f"path:{name}", draw(st.sampled_from([ME, BOB, Session("carol")])))
        (there,) = standing(one, how)
        found[there.ref] = there._replace(claim=None) if how in {Standing.NEWER, Standing.MALFORMED} else there
    return list(found.values())


# Which paths are blocked.


@given(changes, registries())
def test_a_path_is_blocked_iff_a_foreign_live_or_newer_claim_overlaps_it(
    touched: list[Change], found: list[Found]
) -> None:
    """Each of the two ways to say what overlaps is the other's control."""
    foreign = [one for one in found if one.claim is None or one.claim.session != ME]
    stops = [one for one in foreign if one.standing in {Standing.LIVE, Standing.NEWER}]
    expected = {
        path
        for one in touched
        for path in one.paths
        if any(
            Resource(Kind.PATH, path).overlaps(stop.claim.resources[0])
            if stop.claim
            else (f"{stop.ref}/").startswith(f"{Resource(Kind.PATH, path).ref}/")
            or f"{Resource(Kind.PATH, path).ref}/".startswith(f"{stop.ref}/")
            for stop in stops
        )
    }
    assert paths_blocked(touched, view(found)) == expected


@given(changes, registries(), names, st.sampled_from([ALLOW, DENY]))
def test_an_own_claim_more_never_blocks_a_path_more(
    touched: list[Change], found: list[Found], name: str, policy: Policy
) -> None:
    mine = standing(claim(f"path:{name}", ME))
    assert paths_blocked(touched, view(found, mine), policy) <= paths_blocked(touched, view(found), policy)


@given(changes, registries(), st.randoms(use_true_random=False))
def test_the_order_in_which_things_are_found_decides_nothing(
    touched: list[Change],
    found: list[Found],
    random: Random,
) -> None:
    before = paths_blocked(touched, view(found), DENY)
    random.shuffle(found)
    assert paths_blocked(touched, view(found), DENY) == before


@given(changes, registries())
def test_changes_are_judged_one_by_one(touched: list[Change], found: list[Found]) -> None:
    """What one change touches is no reason to block, or not to block, another."""
    alone = set().union(*(paths_blocked([one], view(found)) for one in touched))
    assert paths_blocked(touched, view(found)) == alone


@given(changes, registries())
def test_a_verdict_that_blocks_names_a_path_that_was_touched(touched: list[Change], found: list[Found]) -> None:
    given_ = verdict(touched, view(found), DENY)
    for block in given_.blocks if isinstance(given_, Blocked) else ():
        assert block.path in block.change.paths
        assert block.change in touched
        assert block.found is None or block.found in found


@pytest.mark.parametrize(
    ("held", "touched", "reason"),
    [
        ("src/api", "src/api", Reason.HELD),
        ("SRC/Api", "src/api", Reason.HELD),
        ("src", "src/api", Reason.WITHIN),
        (".", "src/api", Reason.WITHIN),
        ("src/api/x", "src/api", Reason.CONTAINS),
    ],
)
def test_the_reason_tells_how_the_path_lies_to_the_claim(held: str, touched: str, reason: Reason) -> None:
    seen = view(standing(claim(held)))
    (block,) = blocked(verdict([change(touched)], seen, ALLOW)).blocks
    assert (block.path, block.reason, block.found, block.lost) == (touched, reason, seen.found[0], None)


@pytest.mark.parametrize("held", ["srcs", "sr", "src-api", "task:src", "topic:src", "lane:src"])
def test_what_only_looks_alike_blocks_nothing(held: str) -> None:
    assert verdict([change("src/api")], view(standing(claim(held))), ALLOW) == Allowed((), ("src/api",))


def test_a_path_is_blocked_once_whatever_stands_around_it() -> None:
    seen = view(standing(claim(".")), standing(claim("src")), standing(claim("src/a")))
    (block,) = blocked(verdict([change("src/a")], seen, ALLOW)).blocks
    assert block.reason is Reason.HELD


def test_a_path_that_is_doubtful_is_blocked_and_never_unclaimed() -> None:
    """Whether it is touched is for whoever can look closer to say."""
    merge = Change((), doubtful=("src/a", "b"))
    assert paths_blocked([merge], view(standing(claim("src"))), DENY) == {"src/a"}
    assert verdict([merge], view(), DENY) == Allowed()


def test_the_verdict_knows_nothing_of_exemptions() -> None:
    """Exempt paths are left out before; here they are paths like any other."""
    policy = Policy(exempt=("**/*", "src/a"))
    assert paths_blocked([change("src/a")], view(standing(claim("src"))), policy) == {"src/a"}


# What nobody claimed.


def test_what_nobody_claimed_is_listed_once_and_in_order() -> None:
    given_ = allowed(verdict([change("b", "a"), change("a", "c")], view(standing(claim("c", ME))), ALLOW))
    assert given_.unclaimed == ("b", "a")


def test_an_own_claim_inside_does_not_claim_the_whole() -> None:
    """A submodule, or a file that takes a directory's place."""
    mine = standing(claim("src/a", ME))
    given_ = allowed(verdict([change("src")], view(mine), ALLOW))
    assert given_.unclaimed == ("src",)
    assert [holding.claim for holding in given_.own] == [mine[0].claim]


@pytest.mark.parametrize("policy", list(Unclaimed))
def test_only_deny_blocks_what_nobody_claimed(policy: Unclaimed) -> None:
    given_ = verdict([change("a", "b")], view(standing(claim("a", ME))), Policy(unclaimed=policy))
    if policy is Unclaimed.DENY:
        (block,) = blocked(given_).blocks
        assert (block.path, block.reason, block.found, block.lost) == ("b", None, None, None)
        assert [holding.claim.session for holding in blocked(given_).own] == [ME]
    else:
        assert allowed(given_).unclaimed == ("b",)


def test_what_is_held_by_another_is_not_called_unclaimed_too() -> None:
    (block,) = blocked(verdict([change("a")], view(standing(claim("a"))), DENY)).blocks
    assert block.reason is Reason.HELD


def test_a_commit_that_names_a_claim_was_claimed() -> None:
    """That claim may be released by the time somebody asks."""
    gone = claim("a", ME)
    assert verdict([change("a", claims=[gone], commit=1)], view(), DENY) == Allowed()


# Claims of this session that were lost.


def test_a_claim_that_took_the_place_of_a_lost_one_fences() -> None:
    lost = claim("src", ME)
    (block,) = blocked(verdict([change("src/a")], view(standing(claim("src/a")), lost=(lost,)), ALLOW)).blocks
    assert (block.reason, block.lost) == (Reason.FENCED, lost)


def test_a_lost_claim_elsewhere_fences_nothing() -> None:
    lost = claim("docs src/a/b", ME)
    seen = view(standing(claim("src/a")), lost=(lost,))
    (block,) = blocked(verdict([change("src/a")], seen, ALLOW)).blocks
    assert (block.reason, block.lost) == (Reason.HELD, None)


def test_a_claim_that_ended_and_that_nobody_took_is_told_and_blocks_only_where_claims_are_due() -> None:
    lost, other = claim("src", ME), claim("docs", ME)
    seen = view(lost=(lost, other))
    assert verdict([change("src/a")], seen, ALLOW) == Allowed((), ("src/a",), (lost,))
    (block,) = blocked(verdict([change("src/a")], seen, DENY)).blocks
    assert (block.reason, block.lost, block.found) == (Reason.EXPIRED, lost, None)


# The Claim: trailer.


def test_a_commit_that_names_the_claim_is_its_holder_s_own_work() -> None:
    theirs = claim("src")
    seen = view(standing(theirs))
    assert isinstance(verdict([change("src/a", claims=[theirs], commit=1)], seen, DENY), Allowed)
    assert paths_blocked([change("src/a", claims=[claim("src")], commit=1)], seen) == {"src/a"}


def test_the_claim_that_is_named_speaks_for_that_commit_alone() -> None:
    theirs = claim("src")
    one, other = change("src/a", claims=[theirs], commit=1), change("src/b", commit=2)
    (block,) = blocked(verdict([one, other], view(standing(theirs)), ALLOW)).blocks
    assert (block.path, block.change) == ("src/b", other)


def test_a_claim_that_is_named_does_not_lift_another_on_the_same_path() -> None:
    theirs, above = claim("src/a"), claim("src", Session("carol"))
    touched = [change("src/a", claims=[theirs], commit=1)]
    (block,) = blocked(verdict(touched, view(standing(theirs), standing(above)), ALLOW)).blocks
    assert block.found
    assert block.found.claim == above


def test_nothing_lifts_what_a_newer_gitclaim_holds() -> None:
    assert paths_blocked([change("src/a", claims=[claim("src")], commit=1)], view(newer("src"))) == {"src/a"}


# Claims that died, for commits made while they lived.


def died(spec: str, *lives: tuple[timedelta, timedelta]) -> tuple[Claim, View]:
    """A claim that died, which lived from when until when, counted from its taking."""
    theirs = claim(spec)
    lived = tuple((START + begin, START + end) for begin, end in lives)
    return theirs, view(standing(theirs, Standing.EXPIRED), past=True, lived={theirs.id: lived})


@pytest.mark.parametrize(
    ("minutes", "stopped"),
    [(-1, False), (0, True), (59, True), (60, False), (75, False), (90, True), (119, True), (120, False)],
)
def test_a_claim_that_died_counts_for_the_commits_made_while_it_lived(minutes: int, *, stopped: bool) -> None:
    """From its first moment on, until others might have taken over; not in the gap before a late renewal."""
    _, seen = died("src", (0 * HOUR, HOUR), (1.5 * HOUR, 2 * HOUR))
    commit = change("src/a", at=START + minutes * MINUTE)
    assert paths_blocked([commit], seen) == ({"src/a"} if stopped else set())


def test_a_claim_that_died_does_not_count_where_only_the_present_does() -> None:
    _, seen = died("src", (0 * HOUR, HOUR))
    commit = change("src/a", at=START + MINUTE)
    assert paths_blocked([commit], seen._replace(past=False)) == set()
    assert paths_blocked([change("src/a")], seen) == set()


def test_a_claim_that_died_does_not_stop_its_holder_s_commits() -> None:
    theirs, seen = died("src", (0 * HOUR, HOUR))
    at = START + MINUTE
    assert paths_blocked([change("src/a", at=at, claims=[theirs])], seen) == set()
    assert paths_blocked([change("src/a", at=at)], seen._replace(session=BOB)) == set()


@pytest.mark.parametrize("how", [Standing.VOID, Standing.UNTRUSTED, Standing.FORMING])
def test_what_never_was_a_claim_does_not_count_for_the_past_either(how: Standing) -> None:
    theirs, seen = died("src", (0 * HOUR, HOUR))
    seen = seen._replace(found=tuple(standing(theirs, how)))
    assert paths_blocked([change("src/a", at=START + MINUTE)], seen) == set()


def test_a_commit_from_before_the_claim_is_forgiven_if_one_beside_it_names_the_claim() -> None:
    """Who began, then claimed, then went on: the holder. Who only began earlier: anybody."""
    theirs = claim("src")
    seen = view(standing(theirs), past=True)
    early = change("src/a", at=START - MINUTE)
    own = change("src/b", at=START + MINUTE, claims=[theirs])
    assert paths_blocked([early], seen) == {"src/a"}
    assert paths_blocked([early, own], seen) == set()
    assert paths_blocked([early, own], seen._replace(past=False)) == {"src/a"}
    late = change("src/c", at=START + MINUTE)
    assert paths_blocked([early, own, late], seen) == {"src/c"}


# Claims taken by pattern.


def test_a_new_file_that_matches_another_s_pattern_is_blocked_by_the_pattern() -> None:
    theirs = claim("src/a.sql", patterns=("**/*.sql",))
    found = standing(theirs)
    seen = view(found, matched={theirs.id: frozenset({"src/a.sql", "new.sql"})})
    blocks = blocked(verdict([change("src/a.sql", "new.sql", "new.py")], seen, ALLOW)).blocks
    told = {block.path: (block.reason, block.found.ref if block.found else None) for block in blocks}
    assert told == {
        "src/a.sql": (Reason.HELD, found[0].ref),
        "new.sql": (Reason.WITHIN, RefName(f"{PATTERNS}/{theirs.id}")),
    }


def test_an_own_pattern_claims_the_new_files_that_match() -> None:
    mine = claim("a.sql", ME, patterns=("*.sql",))
    seen = view(standing(mine), matched={mine.id: frozenset({"new.sql"})})
    given_ = allowed(verdict([change("new.sql")], seen, DENY))
    assert [holding.claim for holding in given_.own] == [mine]


def two_of_a_path(spec: str, *, later: timedelta, mine: tuple[str, ...] = ()) -> tuple[Claim, Claim, View]:
    """A claim of this session, a foreign one whose pattern matches all below src and was taken later, and both."""
    own = claim(spec, ME, patterns=mine)
    theirs = claim("docs", patterns=("src/**",), taken=START + later)
    paths = frozenset({"src/new"})
    return own, theirs, view(standing(own), standing(theirs), matched={one.id: paths for one in (own, theirs)})


@pytest.mark.parametrize("spec", ["src", "src/new", "."])
@pytest.mark.parametrize(("later", "stopped"), [(MINUTE, False), (0 * MINUTE, False), (-MINUTE, True)])
def test_a_pattern_takes_nothing_from_who_held_it_before(spec: str, later: timedelta, *, stopped: bool) -> None:
    """Of two that were taken in one moment, the one with the smaller id was first."""
    own, theirs, seen = two_of_a_path(spec, later=later)
    expected = {"src/new"} if stopped else set()
    assert paths_blocked([change("src/new")], seen) == expected
    others = seen._replace(session=Session("carol"))
    named = change("src/new", claims=[own], commit=1)
    assert paths_blocked([named], others) == expected
    assert paths_blocked([change("src/new", claims=[own, theirs], commit=1)], others) == set()


def test_a_pattern_is_lifted_for_its_elder_alone() -> None:
    """Not for who has nothing there, and not for the holder of the pattern where the elder holds the path."""
    own, theirs, seen = two_of_a_path("src", later=MINUTE)
    carol = seen._replace(session=Session("carol"))
    assert paths_blocked([change("src/new", commit=1)], carol) == {"src/new"}
    assert paths_blocked([change("src/new", claims=[theirs], commit=1)], carol) == {"src/new"}
    elsewhere = view(standing(claim("lib", ME)), standing(theirs), matched=seen.matched)
    assert paths_blocked([change("src/new")], elsewhere) == {"src/new"}
    inside = view(standing(claim("src/new/x", ME)), standing(theirs), matched=seen.matched)
    assert paths_blocked([change("src/new")], inside) == {"src/new"}
    dead = view(standing(own, Standing.EXPIRED), standing(theirs), matched=seen.matched)
    assert paths_blocked([change("src/new", claims=[own], commit=1)], dead) == {"src/new"}


def test_of_two_patterns_on_a_new_file_the_older_holds_it() -> None:
    own, theirs, seen = two_of_a_path("a", later=MINUTE, mine=("**/new",))
    assert paths_blocked([change("src/new")], seen) == set()
    (block,) = blocked(verdict([change("src/new")], seen._replace(session=BOB), ALLOW)).blocks
    assert block.found
    assert block.found.claim == own
    (block,) = blocked(verdict([change("src/new")], seen._replace(session=Session("carol")), ALLOW)).blocks
    assert block.found
    assert block.found.claim == own, "who proves that it is theirs is past the other as well"
    assert paths_blocked([change("src/new", claims=[theirs], commit=1)], seen._replace(session=BOB)) == {"src/new"}


def test_work_that_is_taken_off_a_branch_is_its_holder_s_whoever_came_first() -> None:
    _, theirs, seen = two_of_a_path("src", later=MINUTE)
    assert paths_blocked([change("src/new", claims=[theirs], commit=1)._replace(withdrawn=True)], seen) == {"src/new"}


# What it costs.


def test_a_large_merge_is_judged_in_moments() -> None:
    """20,000 paths of which each side brought half: no path is looked for in a list."""
    paths = tuple(f"src/{number % 100}/{number}" for number in range(20_000))
    merge = Change(paths[:1000], doubtful=paths[1000:], parents=(Oid("1" * 40), Oid("2" * 40)))
    seen = view(standing(claim("other")))
    for path in paths:
        Resource(Kind.PATH, path).ref  # noqa: B018 - remembered from here on
    start = perf_counter()
    verdict([merge], seen, ALLOW)
    assert perf_counter() - start < 1


def test_grace_belongs_to_the_life_of_a_claim() -> None:
    """`lived` says it all: the verdict adds nothing to it."""
    _, seen = died("src", (0 * HOUR, HOUR + GRACE))
    assert paths_blocked([change("src/a", at=START + HOUR + GRACE - MINUTE)], seen) == {"src/a"}
    assert paths_blocked([change("src/a", at=START + HOUR + GRACE)], seen) == set()
