"""Admission: what a server lets in, and that nobody's live claim goes by another's hand."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Final

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from gitclaim.admission import MOST_CLAIMS, MOST_REFS, TOLERANCE, Refusal, admit, is_ours
from gitclaim.breaking import break_claims
from gitclaim.change import Update
from gitclaim.claim import GRACE, Claim, format_claim, parse_claim, parse_commit
from gitclaim.errors import GitclaimError
from gitclaim.holding import give, release, renew
from gitclaim.names import ClaimId, Oid, RefName, Session
from gitclaim.protocol import Held, take
from gitclaim.record import Broken, Released, broken_ref, format_broken, format_released, released_ref
from gitclaim.refstore.contract import ABSENT, Outcome, Refused, Swap, Value
from gitclaim.refstore.memory import MemoryStore
from gitclaim.registry import FORMING, Registry
from gitclaim.resources import PATTERNS, Kind, Resource
from gitclaim.sweep import RECORDS_KEPT, sweep
from gitclaim.trust import Trust, TrustMode, Whole
from tests.kit.memory import HOUR, START, MemoryObjects, World, asking, commit_bytes, ref_of, resources
from tests.kit.repos import ROOT

SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
TRUST: Final = Trust(maintainers=frozenset({"carol"}), source="main")
KNOWN: Final = TRUST._replace(mode=TrustMode.KNOWN, keys=frozenset({"alice", "bob"}))

Moves = Mapping[RefName, Oid | None]

BY_ANOTHER_KEY: Final = ["alice holds it, by another key"]
FENCED_OFF: Final = ["alice holds src until 2026-11-21T04:00:00Z"]
ONE_ID_TWO_CLAIMS: Final = (
    "a claim's id is whatever its writer says, and rules that go by the id mix up two claims of one"
)


@dataclass
class Server:
    """A repository whose pushes are judged."""

    world: World = field(default_factory=World)
    trust: Trust = TRUST
    asked: list[tuple[str, ...]] = field(default_factory=list)

    def refusals(self, updates: Iterable[Update]) -> list[Refusal]:
        return admit(self.world.server(self.trust), list(updates), self.trust, self.matches)

    def matches(self, paths: Sequence[str], patterns: Sequence[str]) -> set[str]:
        """What git would say, as far as a test needs it."""
        self.asked.append(tuple(patterns))
        return {path for path in paths for pattern in patterns if fnmatchcase(path, pattern)}

    def updates(self, moves: Moves) -> list[Update]:
        """What git tells of a push that knows what stands there."""
        return [Update(ref, new, self.world.refs.refs.get(ref)) for ref, new in moves.items()]

    def push(self, *moves: Moves) -> list[str]:
        """Push, and say why it was refused; nothing if it was let in."""
        updates = self.updates({ref: new for some in moves for ref, new in some.items()})
        said = [one.message for one in self.refusals(updates)]
        if not said:
            swaps = [Swap(RefName(one.ref), one.old or ABSENT, one.new or ABSENT) for one in updates]
            assert self.world.refs.apply(swaps), "git would have refused it"
        return said

    def write(
        self, claim: Claim, key: str = "", *, after: Oid | None = None, at: datetime | None = None, **note: str
    ) -> Oid:
        """Store a claim as the session of that key would, without putting it anywhere."""
        objects = MemoryObjects(self.world.contents, key or claim.session)
        text = format_claim(claim, notes=[(name.capitalize(), value) for name, value in note.items()])
        return objects.write(text, parent=after, at=at or self.world.clock.now())

    def record(  # noqa: PLR0913 - what may be wrong with a record
        self,
        claim: Claim,
        oid: Oid,
        key: str,
        *,
        after: Oid | None = None,
        until: datetime | None = None,
        at: datetime | None = None,
    ) -> Oid:
        """Store the record that a claim was released."""
        said = Released(claim.id, oid, Session(key), until or claim.lapses())
        objects = MemoryObjects(self.world.contents, key)
        text = format_released(said, title=claim.title)
        return objects.write(text, parent=after or oid, at=at or self.world.clock.now())

    def breaking(self, claim: Claim, oid: Oid, key: str, *, at: datetime | None = None) -> Oid:
        """Store the record that a claim was broken."""
        text = format_broken(Broken(claim.id, oid, Session(key), "gone"), title=claim.title)
        return MemoryObjects(self.world.contents, key).write(text, parent=oid, at=at or self.world.clock.now())

    def held(self, names: str = "src", session: str = "alice", *, ttl: timedelta = HOUR) -> tuple[Claim, Oid]:
        """A claim that was let in."""
        claim = self.world.claim(names, session, ttl=ttl)
        oid = self.write(claim)
        assert self.push(at(claim, oid)) == []
        return claim, oid

    def all(self) -> dict[RefName, Oid]:
        return dict(self.world.refs.refs)

    def session(self, name: str) -> Registry:
        """A session's own gitclaim, whose pushes the server judges."""
        return self.world.session(name, store=WalledStore(self))


class WalledStore(MemoryStore):
    """A store whose swaps are judged as a push to a server is; a stale one git itself refuses before."""

    def __init__(self, server: Server) -> None:
        super().__init__(server.world.refs)
        self.server = server
        self.refused: list[Refusal] = []

    def swap(self, swaps: Sequence[Swap]) -> Outcome:
        if any(self.registry.refs.get(one.ref, ABSENT) != one.expected for one in swaps):
            return super().swap(swaps)
        given = [Update(one.ref, _none(one.new), _none(one.expected)) for one in swaps]
        self.refused += (refusals := self.server.refusals(given))
        if not refusals:
            return super().swap(swaps)
        self.sync()
        return Refused(refusals[0].message)


def _none(value: Value) -> Oid | None:
    return None if value is ABSENT else value


def at(claim: Claim, oid: Oid | None) -> dict[RefName, Oid | None]:
    """The moves that put something at every ref of a claim."""
    return dict.fromkeys(claim.refs, oid)


def names(claim: Claim, text: str) -> Claim:
    return claim._replace(resources=resources(text))


@pytest.fixture
def server() -> Server:
    return Server()


# What gitclaim itself does is let in.


def test_everything_gitclaim_does_is_let_in(server: Server) -> None:
    """Taken, widened, renewed, given, renewed by who it was given to, given up in part, released, broken, swept."""
    alice, bob, carol = (server.session(name) for name in ("alice", "bob", "carol"))
    assert isinstance(take(alice, asking("src docs task:1")), Held)
    assert isinstance(take(alice, asking("lane:ci", extend=True)), Held)
    server.world.clock.pass_by(seconds=60)
    assert not renew(alice, (), 2 * HOUR).fenced
    release(alice, resources("docs"))
    give(alice, resources("src task:1"), Session("bob"))
    assert not renew(bob, (), HOUR).fenced
    release(bob, ())
    assert isinstance(take(bob, asking("src")), Held)
    break_claims(carol, resources("src"), "gone for good")
    assert isinstance(take(alice, asking("src/a")), Held)
    server.world.clock.pass_by(hours=2)
    assert isinstance(take(bob, asking("src")), Held)
    release(bob, ())
    server.world.clock.pass_by(hours=24 * 32)
    sweep(carol, first_seen={})
    assert server.all() == {}
    for registry in (alice, bob, carol):
        assert isinstance(registry.store, WalledStore)
        assert registry.store.refused == []


def test_what_is_claimed_by_pattern_is_let_in_with_its_ref(server: Server) -> None:
    claim = server.world.claim("a.sql", "alice")._replace(patterns=("*.sql",))
    oid = server.write(claim)
    assert server.push({claim.refs[0]: oid}) == [f"incomplete: the claim is on {PATTERNS}/{claim.id} too"]
    assert server.push(at(claim, oid)) == []
    assert set(server.all()) == set(claim.refs)


# A claim that begins.


def test_a_fresh_claim_is_let_in(server: Server) -> None:
    claim, oid = server.held("src docs task:1 lane:ci/2")
    assert server.all() == at(claim, oid)


def test_two_claims_in_one_push_are_judged_each_for_itself(server: Server) -> None:
    one, two = server.world.claim("src", "alice"), server.world.claim("docs", "alice")
    assert server.push(at(one, server.write(one)), at(two, server.write(two, "forged"))) == [
        "its signature is not good"
    ]
    assert server.push(at(one, server.write(one)), at(two, server.write(two))) == []


@pytest.mark.parametrize(
    ("listed", "pushed", "said"),
    [
        ("src docs", "src", ["incomplete: the claim is on refs/claims/path/docs too"]),
        ("src", "src docs", ["a claim on src, copied to a ref it does not list"]),
        ("src", "docs", ["a claim on src, copied to a ref it does not list"]),
        ("src", "src/a", ["a claim on src, copied to a ref it does not list"]),
        ("src", "task:src", ["a claim on src, copied to a ref it does not list"]),
    ],
)
def test_a_claim_comes_to_all_the_refs_it_lists_and_to_no_other(
    server: Server, listed: str, pushed: str, said: list[str]
) -> None:
    oid = server.write(server.world.claim(listed, "alice"))
    assert server.push({ref_of(name): oid for name in pushed.split()}) == said


def test_a_claim_that_stands_is_not_copied(server: Server) -> None:
    _, oid = server.held()
    assert server.push({ref_of("docs"): oid}) == ["a claim on src, copied to a ref it does not list"]


@pytest.mark.parametrize(
    ("raw", "kind", "said"),
    [
        (b"text", "blob", "no claim: a blob, not a commit"),
        (b"", "tree", "no claim: a tree, not a commit"),
        (b"object x", "tag", "no claim: a tag, not a commit"),
        (b"tree x\n\nbroken", "commit", "no claim: the commit's header is broken"),
        (commit_bytes("hello\n"), "commit", "no claim: no Claim-Format"),
        (commit_bytes("take\n\nClaim-Format: 2\n"), "commit", "no claim: claim format 2 is newer than this gitclaim"),
        (b"x" * (1 << 20 | 1), "commit", "no claim: a commit, not a commit"),
    ],
    ids=["blob", "tree", "tag", "broken", "message", "newer", "large"],
)
def test_what_is_no_claim_is_refused(server: Server, raw: bytes, kind: str, said: str) -> None:
    """A newer format too: who can't be judged is not let in."""
    oid = server.world.plant(raw, kind=kind)
    (message,) = server.push({ref_of("src"): oid})
    assert message.startswith(said)


def test_an_object_that_is_missing_is_refused(server: Server) -> None:
    assert server.push({ref_of("src"): Oid("1" * 40)}) == ["no claim: a missing object"]


def test_a_commit_with_files_is_no_claim(server: Server) -> None:
    claim = server.world.claim("src", "alice")
    oid = server.world.plant(commit_bytes(format_claim(claim), key="alice", tree="1" * 40))
    assert server.push(at(claim, oid)) == ["no claim: a commit with files, not a claim"]


# Signatures.


@pytest.mark.parametrize(
    ("key", "trust", "said"),
    [
        ("forged", TRUST, ["its signature is not good"]),
        ("unknown", TRUST, ["its signature can't be checked on this server"]),
        ("stranger", TRUST, []),
        ("stranger", KNOWN, ["its key does not count here: stranger"]),
        ("alice", KNOWN, []),
        ("carol", KNOWN, []),
    ],
)
def test_only_signatures_that_count_are_let_in(key: str, trust: Trust, said: list[str]) -> None:
    server = Server(trust=trust)
    claim = server.world.claim("src", "alice")
    assert server.push(at(claim, server.write(claim, key))) == said


def test_a_claim_without_a_signature_is_refused(server: Server) -> None:
    claim = server.world.claim("src", "alice")
    oid = server.world.plant(commit_bytes(format_claim(claim), key=""))
    assert server.push(at(claim, oid)) == ["its signature is not good"]


# Dates and leases.


@pytest.mark.parametrize("off", [-GRACE, GRACE / 2])
def test_a_claim_is_dated_within_the_grace(server: Server, off: timedelta) -> None:
    claim = server.world.claim("src", "alice", ago=-off)
    assert server.push(at(claim, server.write(claim, at=claim.taken))) == []


@pytest.mark.parametrize("off", [-GRACE - SECOND, GRACE / 2 + SECOND])
def test_a_claim_dated_beyond_the_grace_is_refused(server: Server, off: timedelta) -> None:
    claim = server.world.claim("src", "alice", ttl=2 * HOUR)
    (message,) = server.push(at(claim, server.write(claim, at=START + off)))
    assert message.startswith("it is dated 2026-11-21T0")
    early = claim._replace(taken=claim.taken + off)
    assert any(" 2026-11-21T0" in message for message in server.push(at(early, server.write(early))))
    assert server.all() == {}


def test_what_stood_there_dated_ahead_does_not_go_on(server: Server) -> None:
    """It came in before the server had a wall, and would make every other clock suspect."""
    claim = server.world.claim("src", "alice", ago=-GRACE / 2 - SECOND)
    oid = server.world.stand(claim, at=START)
    longer = server.write(claim.until(claim.expires + HOUR), after=oid)
    said = ["it is dated 2026-11-21T03:01:01Z, and it is 2026-11-21T03:00:00Z here"]
    assert server.push(at(claim, longer)) == said
    server.world.clock.pass_by(seconds=1)
    assert server.push(at(claim, longer)) == []


def test_a_lease_that_ran_out_is_refused(server: Server) -> None:
    claim = server.world.claim("src", "alice", ttl=MINUTE, ago=MINUTE)
    assert server.push(at(claim, server.write(claim, at=START))) == ["its lease ran out at 2026-11-21T03:00:00Z"]
    assert server.push(at(claim, server.write(claim.until(START + SECOND), at=START))) == []


@pytest.mark.parametrize(
    ("lease", "said"),
    [
        (HOUR, []),
        (HOUR + TOLERANCE, []),
        (HOUR + TOLERANCE + SECOND, ["its lease is longer than 1h, the longest here"]),
    ],
)
def test_a_lease_is_no_longer_than_was_decided(lease: timedelta, said: list[str]) -> None:
    server = Server(trust=TRUST._replace(max_ttl=HOUR))
    claim = server.world.claim("src", "alice", ttl=lease)
    assert server.push(at(claim, server.write(claim))) == said


def test_a_lease_beyond_all_limits_is_no_claim(server: Server) -> None:
    claim = server.world.claim("src", "alice", ttl=timedelta(days=31))
    assert server.push(at(claim, server.write(claim))) == ["no claim: its lease is longer than any registry accepts"]


def test_a_date_ahead_buys_no_longer_lease(server: Server) -> None:
    """Who dates a claim ahead gains no more than half the grace; a claim that says it is taken later gains nothing."""
    server.trust = TRUST._replace(max_ttl=HOUR)
    claim = server.world.claim("src", "alice", ttl=2 * HOUR)
    (message,) = server.push(at(claim, server.write(claim, at=START + GRACE / 2)))
    assert message == "its lease is longer than 1h, the longest here"
    later = server.world.claim("src", "alice", ago=-GRACE / 2)
    assert server.push(at(later, server.write(later, at=START))) == [message]
    assert server.push(at(later, server.write(later, at=later.taken))) == []


# The whole repository.


@pytest.mark.parametrize(
    ("session", "whole", "let_in"),
    [
        ("carol", Whole.MAINTAINERS, True),
        ("alice", Whole.MAINTAINERS, False),
        ("alice", Whole.ANYONE, True),
        ("carol", Whole.ANYONE, True),
    ],
)
def test_the_whole_repository_is_for_maintainers_unless_said_otherwise(
    session: str,
    whole: Whole,
    let_in: bool,  # noqa: FBT001
) -> None:
    server = Server(trust=TRUST._replace(whole=whole))
    claim = server.world.claim(".", session)
    said = [] if let_in else ["only maintainers may claim the whole repository here"]
    assert server.push(at(claim, server.write(claim))) == said


WHOLE: Final = ["only maintainers may claim the whole repository here"]


@pytest.mark.parametrize(
    ("patterns", "said"),
    [
        (["*.sql", "docs/*"], []),
        (["[ab]*", "*[yz]"], []),
        (["*"], WHOLE),
        (["*.sql", "*.[a-z]*"], WHOLE),
        (["[A-Z]*"], WHOLE),
        (["[a-i]*"], WHOLE),
        (["[a-c]*", "[d-f]*", "[g-i]*"], WHOLE),
        (["*/*/*/*/*/*"], WHOLE),
    ],
)
def test_a_pattern_that_asks_for_no_name_is_for_the_whole_repository(
    server: Server, patterns: list[str], said: list[str]
) -> None:
    for _ in range(20):
        claim = server.world.claim("docs", "alice")._replace(patterns=tuple(patterns))
        assert server.push(at(claim, server.write(claim))) == said
        server.world.refs.refs.clear()


def test_git_is_asked_about_patterns_only_where_that_matters(server: Server) -> None:
    plain = server.world.claim("docs", "alice")
    carols = server.world.claim("lib", "carol")._replace(patterns=("*",))
    for claim in (plain, carols):
        assert server.push(at(claim, server.write(claim))) == []
    server.trust = TRUST._replace(whole=Whole.ANYONE)
    anyones = server.world.claim("src", "alice")._replace(patterns=("*",))
    assert server.push(at(anyones, server.write(anyones))) == []
    assert server.asked == []


def test_a_maintainer_s_name_makes_no_maintainer(server: Server) -> None:
    claim = server.world.claim(".", "carol")
    said = ["only maintainers may claim the whole repository here"]
    assert server.push(at(claim, server.write(claim, "mallory"))) == said


# What stands in the way.


def test_a_live_claim_is_not_taken_over(server: Server) -> None:
    _, oid = server.held()
    claim = server.world.claim("src", "bob")
    assert server.push(at(claim, server.write(claim))) == FENCED_OFF
    assert set(server.all().values()) == {oid}


@pytest.mark.parametrize("seconds", [0, 3600, 3600 + 120 - 11])
def test_a_claim_is_live_until_the_grace_is_over(server: Server, seconds: float) -> None:
    server.held()
    server.world.clock.pass_by(seconds=seconds)
    claim = server.world.claim("src", "bob")
    assert server.push(at(claim, server.write(claim))) == FENCED_OFF
    assert server.push({ref_of("src"): None}) == FENCED_OFF


def test_who_takes_over_may_have_a_clock_that_is_a_little_ahead(server: Server) -> None:
    server.held()
    server.world.clock.pass_by(seconds=3600 + 120 - TOLERANCE.total_seconds())
    claim = server.world.claim("src", "bob")
    assert server.push(at(claim, server.write(claim))) == []


def dead_expired(server: Server) -> None:
    server.held(ttl=MINUTE)
    server.world.clock.pass_by(seconds=180)


def dead_forming(server: Server) -> None:
    server.world.stand(server.world.claim("src docs", "alice"), only="src")


def dead_void(server: Server) -> None:
    dead_forming(server)
    server.world.clock.pass_by(seconds=FORMING.total_seconds() + 1)


def dead_forged(server: Server) -> None:
    server.world.stand(server.world.claim("src", "alice"), key="forged")


def dead_stranger(server: Server) -> None:
    server.trust = KNOWN
    server.world.stand(server.world.claim("src", "alice"), key="mallory")


def dead_malformed(server: Server) -> None:
    server.world.plant("x", "src", kind="blob")


def dead_copied(server: Server) -> None:
    oid = server.write(server.world.claim("docs", "alice"))
    server.world.refs.refs[ref_of("src")] = oid


def dead_gone_on(server: Server) -> None:
    claim, oid = server.held()
    server.world.refs.refs[ref_of("src")] = server.write(claim.until(claim.expires + HOUR), "mallory", after=oid)


def dead_released(server: Server) -> None:
    claim, oid = server.held()
    assert server.push(at(claim, None), {released_ref(claim.id): server.record(claim, oid, "alice")}) == []
    server.world.refs.refs[ref_of("src")] = oid


DEAD: Final[list[Callable[[Server], None]]] = [
    dead_expired,
    dead_forming,
    dead_void,
    dead_forged,
    dead_stranger,
    dead_malformed,
    dead_copied,
    dead_gone_on,
    dead_released,
]


@pytest.mark.parametrize("dies", DEAD)
def test_what_is_dead_is_anybody_s_to_take_and_to_remove(dies: Callable[[Server], None]) -> None:
    """Expired, incomplete, not signed by who counts, gone on with by another key, ended and pushed back, no claim."""
    for over in (True, False):
        server = Server()
        dies(server)
        claim = server.world.claim("src", "bob")
        assert server.push(at(claim, server.write(claim) if over else None)) == []
        assert (ref_of("src") in server.all()) is over


def test_who_asks_for_more_than_a_few_of_others_claims_gets_none_of_the_rest(server: Server) -> None:
    """Each signature takes time; what nobody looked at is not taken for dead."""
    forged = [server.world.claim(f"d{number}", "alice") for number in range(50)]
    for claim in forged:
        server.world.stand(claim, key="forged")
    claim, _ = server.held()
    gone: dict[RefName, Oid | None] = dict.fromkeys([*(ref for one in forged for ref in one.refs), *claim.refs])
    assert server.push(gone) == FENCED_OFF
    server.world.refs.refs[ref_of("src")] = server.world.stand(claim, key="forged")
    assert server.push(gone) == FENCED_OFF
    del gone[forged[0].refs[0]]
    assert server.push(gone) == []


@pytest.mark.parametrize("signed", [True, False])
def test_what_can_t_be_judged_stays(server: Server, signed: bool) -> None:  # noqa: FBT001
    """A signature nobody here can check, and a newer format: nobody can tell that they are worth nothing."""
    if signed:
        server.world.stand(server.world.claim("src", "alice"), key="unknown")
        said = deleted = FENCED_OFF
    else:
        server.world.plant(commit_bytes("take src\n\nClaim-Format: 2\n"), "src")
        said = ["claim format 2 is newer than this gitclaim reads (1): upgrade gitclaim"]
        deleted = [f"{said[0]}: it can't be judged here"]
    claim = server.world.claim("src", "bob")
    assert server.push(at(claim, server.write(claim))) == said
    assert server.push({ref_of("src"): None}) == deleted


@pytest.mark.parametrize(("theirs", "mine"), [("src", "src/a"), ("src/a", "src"), ("src/a/b", "src"), (".", "src")])
def test_what_overlaps_is_refused(theirs: str, mine: str) -> None:
    server = Server(trust=TRUST._replace(whole=Whole.ANYONE))
    server.held(theirs)
    claim = server.world.claim(mine, "bob")
    (message,) = server.push(at(claim, server.write(claim)))
    assert message == f"it overlaps what stands at {ref_of(theirs)}"


def test_what_died_is_removed_in_the_push_that_takes_what_it_lay_in(server: Server) -> None:
    server.held("src/a", ttl=MINUTE)
    server.world.clock.pass_by(hours=1)
    claim = server.world.claim("src", "bob")
    moves = at(claim, server.write(claim))
    assert server.push(moves) == ["it overlaps what stands at refs/claims/path/src/a"]
    assert server.refusals(server.updates({**moves, ref_of("src/a"): None})) == []


def test_what_goes_on_in_the_same_push_is_in_the_way_as_before(server: Server) -> None:
    claim, oid = server.held("src/a")
    longer = claim.until(claim.expires + HOUR)
    above = server.world.claim("src", "alice")
    moves = (at(longer, server.write(longer, after=oid)), at(above, server.write(above)))
    assert server.push(*moves) == ["it overlaps what stands at refs/claims/path/src/a"]


def test_what_lives_is_not_removed_to_take_what_it_lies_in(server: Server) -> None:
    server.held("src/a")
    claim = server.world.claim("src", "bob")
    said = server.push(at(claim, server.write(claim)), {ref_of("src/a"): None})
    assert said == ["alice holds src/a until 2026-11-21T04:00:00Z"]


def test_a_live_claim_does_not_go_ref_by_ref(server: Server) -> None:
    """Were one ref of it let go, the rest would be incomplete, and anybody's."""
    server.held("src docs")
    claim = server.world.claim("docs", "bob")
    said = ["alice holds src, docs until 2026-11-21T04:00:00Z"]
    assert server.push({ref_of("src"): None}) == said
    assert server.push({ref_of("src"): None}, at(claim, server.write(claim))) == 2 * said


@pytest.mark.parametrize("lie", [None, Oid("1" * 40)])
def test_what_a_push_says_stands_there_has_to_stand_there(server: Server, lie: Oid | None) -> None:
    """git would refuse that ref alone, and the rest of the push would have been judged by a lie."""
    server.held("src docs")
    claim = server.world.claim("docs", "bob")
    updates = [
        Update(ref_of("src"), None, lie),
        Update(ref_of("docs"), server.write(claim), server.world.at("docs")),  # type: ignore[arg-type]
    ]
    assert [one.message for one in server.refusals(updates)] == ["it changed meanwhile"]


# A claim that goes on.


def test_its_holder_renews_a_claim(server: Server) -> None:
    claim, oid = server.held()
    server.world.clock.pass_by(seconds=600)
    longer = claim.until(claim.expires + HOUR)
    renewed = server.write(longer, after=oid)
    assert server.push(at(longer, renewed)) == []
    assert set(server.all().values()) == {renewed}


def test_nobody_else_renews_it_whatever_name_they_give(server: Server) -> None:
    claim, oid = server.held()
    longer = claim.until(claim.expires + HOUR)
    assert server.push(at(longer, server.write(longer, "mallory", after=oid))) == BY_ANOTHER_KEY
    theirs = longer._replace(session=Session("mallory"))
    assert server.push(at(theirs, server.write(theirs, after=oid))) == BY_ANOTHER_KEY


def test_not_even_a_maintainer_goes_on_with_it(server: Server) -> None:
    claim, oid = server.held()
    assert server.push(at(claim, server.write(claim, "carol", after=oid))) == BY_ANOTHER_KEY


def test_a_step_follows_the_one_that_stands_there(server: Server) -> None:
    """No step is left out, none is taken back, and none has two pasts."""
    claim, first = server.held()
    second = server.write(claim.until(claim.expires + HOUR), after=first)
    third = server.write(claim.until(claim.expires + 2 * HOUR), after=second)
    other = server.write(server.world.claim("docs", "alice"))
    rootless = server.write(claim.until(claim.expires + 3 * HOUR))
    head, _, message = commit_bytes(format_claim(claim), parent=first, key="").partition(b"\n\n")
    double = server.world.plant(head.replace(b"author", b"parent %s\nauthor" % other.encode()) + b"\n\n" + message)
    for oid in (third, rootless, server.write(claim, after=other), server.write(claim, after=Oid("1" * 40))):
        assert server.push(at(claim, oid)) == ["it does not follow what stands there"]
    assert "it does not follow what stands there" in server.push(at(claim, double))
    assert server.push(at(claim, second)) == []
    assert server.push(at(claim, first)) == ["it does not follow what stands there"]
    assert server.push(at(claim, third)) == []
    assert server.push(at(claim, second)) == ["it does not follow what stands there"]


@pytest.mark.parametrize(
    "change",
    [
        lambda claim: names(claim, "src docs task:2"),
        lambda claim: names(claim, "src docs lane:ci"),
        lambda claim: claim._replace(taken=claim.taken - SECOND),
        lambda claim: claim._replace(taken=claim.taken + SECOND),
        lambda claim: claim._replace(patterns=("*.sql",)),
    ],
)
def test_a_claim_that_goes_on_grows_in_nothing_but_time(server: Server, change: Callable[[Claim], Claim]) -> None:
    claim, oid = server.held("src docs")
    more = change(claim)
    said = server.push(at(more, server.write(more, after=oid)))
    assert said == ["a claim that goes on may give something up, and no more"]


@pytest.mark.parametrize(
    ("patterns", "let_in"),
    [(["db/*.sql", "*.md"], True), (["*.md"], True), ([], True), (["lib/**"], False), (["*.md", "lib/**"], False)],
)
def test_a_claim_that_goes_on_matches_no_more_than_before(
    server: Server,
    patterns: list[str],
    let_in: bool,  # noqa: FBT001
) -> None:
    """Its refs stay the same whatever its patterns are: one stands for all of them."""
    claim = server.world.claim("docs", "alice")._replace(patterns=("db/*.sql", "*.md"))
    oid = server.write(claim)
    assert server.push(at(claim, oid)) == []
    other = claim._replace(patterns=tuple(patterns))
    said = [] if let_in else ["a claim that goes on may give something up, and no more"]
    assert server.push(at(claim, None), at(other, server.write(other, after=oid))) == said


def test_something_of_a_claim_is_given_up_by_its_holder(server: Server) -> None:
    claim, oid = server.held("src docs task:1")
    less = names(claim, "docs")
    rest = server.write(less, after=oid)
    gone = {ref_of("src"): None, ref_of("task:1"): None}
    assert server.push(at(less, server.write(less, "mallory", after=oid)), gone) == BY_ANOTHER_KEY
    assert server.push(at(less, rest), gone) == []
    assert server.all() == at(less, rest)


def test_what_a_claim_gave_up_without_removing_it_stands_as_long_as_the_rest(server: Server) -> None:
    claim, oid = server.held("src docs")
    less = names(claim, "docs")
    rest = server.write(less, after=oid)
    assert server.push(at(less, rest)) == []
    assert server.push({ref_of("src"): None}) == ["alice holds src, docs until 2026-11-21T04:00:00Z"]
    assert server.push(at(less, None), {released_ref(claim.id): server.record(less, rest, "alice")}) == []
    assert server.push({ref_of("src"): None}) == []


def test_a_renewal_that_was_cut_short_goes_on(server: Server) -> None:
    """Two objects carry it; nobody else takes either, and its holder puts one in place of both."""
    claim, first = server.held("src docs")
    second = server.write(claim.until(claim.expires + HOUR), after=first)
    server.world.refs.refs[ref_of("src")] = second
    theirs = server.world.claim("docs", "bob")
    assert server.push(at(theirs, server.write(theirs)))
    assert server.push({ref_of("docs"): None})
    for parent in (first, second):
        third = server.write(claim.until(claim.expires + 2 * HOUR), after=parent)
        refs = server.all()
        assert server.push(at(claim, third)) == []
        server.world.refs.refs = refs
    record = server.record(claim, second, "alice", until=claim.lapses() + HOUR)
    assert server.push(at(claim, None), {released_ref(claim.id): record}) == []


def test_the_first_renewal_binds_a_given_claim_to_a_key(server: Server) -> None:
    """Until then any key may go on with it, its giver's too."""
    claim, first = server.held()
    given = claim._replace(session=Session("bob"))
    second = server.write(given, "alice", after=first)
    assert server.push(at(given, second)) == []
    third = server.write(given.until(claim.expires + HOUR), "bob", after=second)
    assert server.push(at(given, third)) == []
    for key in ("alice", "mallory"):
        fourth = server.write(given.until(claim.expires + 2 * HOUR), key, after=third)
        assert server.push(at(given, fourth)) == ["bob holds it, by another key"]
    assert server.push(at(given, server.write(given.until(claim.expires + 2 * HOUR), "bob", after=third))) == []


@pytest.mark.parametrize(
    ("session", "key", "let_in"),
    [("bob", "bob", True), ("alice", "alice", True), ("mallory", "mallory", False), ("alice", "mallory", False)],
)
def test_what_was_given_is_not_for_a_third(server: Server, session: str, key: str, let_in: bool) -> None:  # noqa: FBT001
    claim, first = server.held()
    given = claim._replace(session=Session("bob"))
    second = server.write(given, "alice", after=first)
    assert server.push(at(given, second)) == []
    third = given.until(claim.expires + HOUR)._replace(session=Session(session))
    said = [] if let_in else ["it was given to bob, who has not gone on with it"]
    assert server.push(at(given, server.write(third, key, after=second))) == said


@pytest.mark.parametrize(("by", "let_in"), [("bob", True), ("mallory", False)])
def test_what_was_given_is_released_by_whom_it_was_given_to(server: Server, by: str, let_in: bool) -> None:  # noqa: FBT001
    claim, first = server.held()
    given = claim._replace(session=Session("bob"))
    second = server.write(given, "alice", after=first)
    assert server.push(at(given, second)) == []
    record = {released_ref(claim.id): server.record(given, second, by)}
    assert server.push(at(given, None), record) == ([] if let_in else ["bob holds it, by another key"])


WHOSE: Final = "whose it is can't be told on this server, which can't check its signature"


@pytest.mark.parametrize("key", ["mallory", "alice-openpgp", "carol"])
def test_whose_can_t_be_told_is_not_anybody_s(server: Server, key: str) -> None:
    """It was there before the wall. A maintainer breaks it, or its lease runs out."""
    claim = server.world.claim("src", "alice")
    oid = server.world.stand(claim, key="unknown-openpgp")
    longer = claim.until(claim.expires + HOUR)
    assert server.push(at(claim, server.write(longer, key, after=oid))) == [WHOSE]
    assert WHOSE in server.push(at(claim, None), {released_ref(claim.id): server.record(claim, oid, key)})
    if key != "carol":
        said = server.push(at(claim, None), {broken_ref(claim.id): server.breaking(claim, oid, key)})
        assert "only maintainers break claims here" in said
    assert server.push(at(claim, None), {broken_ref(claim.id): server.breaking(claim, oid, "carol")}) == []
    server.world.stand(claim, key="unknown-openpgp")
    server.world.clock.time = claim.lapses()
    assert server.push(at(claim, None)) == []


# What begins, and what ended.


def test_a_claim_begins_without_a_past(server: Server) -> None:
    claim, oid = server.held()
    assert server.push(at(claim, None), {released_ref(claim.id): server.record(claim, oid, "alice")}) == []
    again = server.write(claim.until(claim.expires + HOUR), after=oid)
    assert server.push(at(claim, again)) == [
        "a claim begins without a past",
        "that claim has ended: an old object was pushed back",
    ]


@pytest.mark.parametrize("broken", [True, False])
def test_what_ended_is_not_pushed_back(server: Server, broken: bool) -> None:  # noqa: FBT001
    claim, oid = server.held()
    record = server.breaking(claim, oid, "carol") if broken else server.record(claim, oid, "alice")
    ref = broken_ref(claim.id) if broken else released_ref(claim.id)
    assert server.push(at(claim, None), {ref: record}) == []
    assert server.push(at(claim, oid)) == ["that claim has ended: an old object was pushed back"]


def test_what_was_swept_long_ago_is_not_pushed_back(server: Server) -> None:
    claim, oid = server.held(ttl=24 * HOUR)
    server.world.refs.refs.clear()
    server.world.clock.pass_by(seconds=121)
    assert server.push(at(claim, oid)) == [
        "it is dated 2026-11-21T03:00:00Z, and it is 2026-11-21T03:02:01Z here",
        "it was taken at 2026-11-21T03:00:00Z, and it is 2026-11-21T03:02:01Z here",
    ]


# Records.


def test_its_holder_releases_a_claim(server: Server) -> None:
    claim, oid = server.held("src docs")
    record = server.record(claim, oid, "alice")
    assert server.push(at(claim, None), {released_ref(claim.id): record}) == []
    assert server.all() == {released_ref(claim.id): record}


@pytest.mark.parametrize("key", ["mallory", "carol"])
def test_nobody_else_releases_it(server: Server, key: str) -> None:
    claim, oid = server.held()
    record = server.record(claim, oid, key)
    assert server.push(at(claim, None), {released_ref(claim.id): record}) == [
        "alice holds it, by another key",
    ]


@pytest.mark.parametrize(
    ("key", "said"), [("carol", []), ("alice", []), ("bob", ["only maintainers break claims here"])]
)
def test_a_claim_is_broken_by_maintainers_and_by_its_holder(server: Server, key: str, said: list[str]) -> None:
    claim, oid = server.held("src docs")
    record = server.breaking(claim, oid, key)
    assert server.push(at(claim, None), {broken_ref(claim.id): record}) == said


def test_a_claim_ends_as_a_whole_in_the_push_that_says_so(server: Server) -> None:
    claim, oid = server.held("src docs")
    said = ["a claim ends in the push that says so, all its refs with it"]
    record = {released_ref(claim.id): server.record(claim, oid, "alice")}
    broken = {broken_ref(claim.id): server.breaking(claim, oid, "carol")}
    for one in (record, broken):
        assert server.push(one) == said
        assert server.push({ref_of("src"): None}, one)[:1] == said
        assert server.push(at(claim, server.write(claim.until(claim.expires + HOUR), after=oid)), one) == said
        rest = names(claim, "docs")
        assert server.push({ref_of("src"): None}, at(rest, server.write(rest, after=oid)), one) == said
    server.world.refs.refs.clear()
    assert server.push(record) == said


def test_a_record_stands_where_its_claim_says(server: Server) -> None:
    claim, oid = server.held()
    record, broken = server.record(claim, oid, "alice"), server.breaking(claim, oid, "carol")
    other = ClaimId.made(1, b"0123456789")
    for ref, new in (
        (released_ref(other), record),
        (broken_ref(other), broken),
        (released_ref(claim.id), broken),
        (broken_ref(claim.id), record),
        (released_ref(claim.id), oid),
    ):
        assert server.push(at(claim, None), {ref: new})[:1] == ["no record of a claim that ended"]
    assert server.push({ref_of("src"): record})[0].startswith("no claim: ")


def test_a_record_follows_the_claim_it_is_about(server: Server) -> None:
    claim, oid = server.held()
    other, elsewhere = server.held("docs")
    ref = released_ref(claim.id)
    record = server.record(claim, oid, "alice", after=elsewhere)
    assert server.push(at(claim, None), {ref: record})[0] == "it does not follow the claim it is about"
    record = server.record(claim, elsewhere, "alice")
    assert server.push(at(claim, None), {ref: record})[0] == "it is about something that is no claim"
    blob = server.world.plant("x", kind="blob")
    record = server.record(claim, blob, "alice")
    assert server.push(at(claim, None), {ref: record})[0] == "it is about something that is no claim"
    said = Released(claim.id, oid, Session("alice"), claim.lapses())
    raw = commit_bytes(format_released(said, title=claim.title), parent=oid, key="")
    double = server.world.plant(raw.replace(b"author", b"parent %s\nauthor" % elsewhere.encode(), 1))
    assert server.push(at(claim, None), {ref: double})[0] == "it does not follow the claim it is about"
    assert set(server.all()) == {*claim.refs, *other.refs}


@pytest.mark.parametrize("off", [-GRACE - SECOND, GRACE + SECOND])
def test_a_record_is_dated_within_the_grace(server: Server, off: timedelta) -> None:
    claim, oid = server.held()
    record = server.record(claim, oid, "alice", at=START + off)
    (message,) = server.push(at(claim, None), {released_ref(claim.id): record})
    assert message.startswith("it is dated ")
    record = server.record(claim, oid, "alice", at=START + off * 0.5)
    assert server.push(at(claim, None), {released_ref(claim.id): record}) == []


@pytest.mark.parametrize("key", ["forged", "unknown"])
def test_a_record_is_signed_as_a_claim_is(server: Server, key: str) -> None:
    claim, oid = server.held()
    record = server.record(claim, oid, key)
    assert server.push(at(claim, None), {released_ref(claim.id): record})


def test_a_signature_on_other_bytes_is_no_signature(server: Server) -> None:
    claim, oid = server.held()
    for whole in (server.record(claim, oid, "alice"), server.breaking(claim, oid, "carol")):
        raw = server.world.contents[whole]
        assert isinstance(raw, bytes)
        false = server.world.plant(raw.replace(b" src\n", b" x\n"))
        ref = released_ref(claim.id) if b"Released: " in raw else broken_ref(claim.id)
        assert "its signature is not good" in server.push(at(claim, None), {ref: false})
        assert server.refusals(server.updates({**at(claim, None), ref: whole})) == []


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"x", "blob"),
        (b"x", "commit"),
        (commit_bytes("release\n", key="alice"), "commit"),
        (commit_bytes("\xff", key="alice").replace(b"\xc3\xbf", b"\xff"), "commit"),
    ],
)
def test_junk_is_no_record(server: Server, raw: bytes, kind: str) -> None:
    claim, _ = server.held()
    oid = server.world.plant(raw, kind=kind)
    for ref in (released_ref(claim.id), broken_ref(claim.id), RefName("refs/gitclaim/released/x")):
        assert server.push({ref: oid}) == ["no record of a claim that ended"]


def test_a_record_with_files_is_none(server: Server) -> None:
    claim, oid = server.held()
    text = format_released(Released(claim.id, oid, Session("alice"), claim.lapses()), title=claim.title)
    record = server.world.plant(commit_bytes(text, parent=oid, key="alice", tree="1" * 40))
    assert server.push(at(claim, None), {released_ref(claim.id): record})[0] == "no record of a claim that ended"


def test_a_record_goes_when_its_claim_would_have_lapsed(server: Server) -> None:
    claim, oid = server.held()
    ref = released_ref(claim.id)
    assert server.push(at(claim, None), {ref: server.record(claim, oid, "alice")}) == []
    young = ["the record is still of use: it keeps an old claim from being pushed back"]
    assert server.push({ref: None}) == young
    server.world.clock.pass_by(seconds=3600 + 120 - 11)
    assert server.push({ref: None}) == young
    server.world.clock.pass_by(seconds=1)
    assert server.push({ref: None}) == []


def test_the_record_of_a_broken_claim_is_kept_longer(server: Server) -> None:
    claim, oid = server.held()
    ref = broken_ref(claim.id)
    assert server.push(at(claim, None), {ref: server.breaking(claim, oid, "carol")}) == []
    server.world.clock.pass_by(seconds=RECORDS_KEPT.total_seconds() - 131)
    assert server.push({ref: None}) == ["the record is still of use: it keeps an old claim from being pushed back"]
    server.world.clock.pass_by(seconds=1)
    assert server.push({ref: None}) == []


def test_what_is_no_record_is_removed_by_anybody(server: Server) -> None:
    """It stood there before the server had a wall."""
    ref = RefName("refs/gitclaim/released/x")
    server.world.refs.refs[ref] = server.world.plant("x", kind="blob")
    assert server.push({ref: None}) == []


# Refs.


@pytest.mark.parametrize(
    "ref",
    [
        "refs/claims",
        "refs/gitclaim",
        "refs/gitclaim/x",
        "refs/gitclaim/pattern",
        "refs/gitclaim/broken",
        "refs/gitclaim/released",
        "refs/gitclaim/brokenx/y",
    ],
)
def test_nothing_else_is_kept_below_gitclaim_s_names(server: Server, ref: str) -> None:
    assert is_ours(ref)
    for new in (server.write(server.world.claim("src", "alice")), None):
        assert server.push({RefName(ref): new}) == ["no ref of a claim, and nothing else is kept there"]


@pytest.mark.parametrize("ref", ["refs/heads/main", "refs/claimsx/a", "refs/gitclaims/a", "refs", "claims", ""])
def test_other_refs_are_none_of_its_business(ref: str) -> None:
    assert not is_ours(ref)


@pytest.mark.parametrize(
    "ref", ["refs/claims/path/../a", "refs/claims//a", "refs/claims/a\x1b[1m", "refs/claims/a.lock"]
)
def test_what_is_no_name_of_a_ref_is_refused(server: Server, ref: str) -> None:
    (refusal,) = server.refusals([Update(ref, None, None)])
    assert refusal.message.startswith("no name of a ref: refs/claims/")
    assert "\x1b" not in refusal.message


@pytest.mark.parametrize(
    "ref", ["refs/claims/x", "refs/claims/path/SRC", "refs/claims/paths/src", "refs/claims/path/a%2eb"]
)
def test_no_claim_stands_where_no_resource_leads(server: Server, ref: str) -> None:
    oid = server.write(server.world.claim("src", "alice"))
    assert server.push({RefName(ref): oid}) == ["a claim on src, copied to a ref it does not list"]


def test_a_push_of_too_many_refs_is_refused_unread(server: Server) -> None:
    updates = [Update(f"refs/claims/path/{number}", None, None) for number in range(MOST_REFS + 1)]
    (refusal,) = server.refusals(updates)
    assert refusal.message == f"{MOST_REFS + 1} refs of claims in one push; at most {MOST_REFS}"
    assert server.refusals(updates[:-1]) == []


def test_a_push_of_too_many_claims_is_refused_unread(server: Server) -> None:
    claims = [server.world.claim(f"d{number}", "alice") for number in range(MOST_CLAIMS + 1)]
    moves = [at(claim, server.write(claim)) for claim in claims]
    assert server.push(*moves) == [f"{MOST_CLAIMS + 1} claims in one push; at most {MOST_CLAIMS}"]
    assert server.push(*moves[:-1]) == []


def test_the_limits_are_those_that_are_written_down() -> None:
    said = f"One push may change {MOST_REFS} such refs and bring {MOST_CLAIMS} objects."
    assert said in (ROOT / "docs/server.md").read_text()


def test_the_largest_claim_is_let_in_and_ends(server: Server) -> None:
    claim = server.world.claim("src", "alice")
    claim = claim._replace(resources=tuple(Resource(Kind.PATH, f"d/{number}") for number in range(1000)))
    oid = server.write(claim)
    assert server.push(at(claim, oid)) == []
    assert server.push(at(claim, None), {released_ref(claim.id): server.record(claim, oid, "alice")}) == []


def test_an_empty_push_is_let_in(server: Server) -> None:
    assert server.refusals([]) == []


# What somebody with a key of their own might try.


def test_a_claim_s_id_is_its_own(server: Server) -> None:
    """Records and commits name claims by the id: no second claim may have it, wherever it stands."""
    claim, _ = server.held()
    for session, elsewhere in (("mallory", "docs"), ("alice", "task:1")):
        theirs = names(claim, elsewhere)._replace(session=Session(session))
        assert server.push(at(theirs, server.write(theirs, "mallory"))) == ["another claim has that id"]


@pytest.mark.parametrize("session", ["alice", "mallory"])
@pytest.mark.parametrize("listed", ["src", "docs", "src docs"])
@pytest.mark.parametrize("follows", [True, False])
def test_the_end_of_a_claim_that_never_stood_ends_none(
    server: Server,
    session: str,
    listed: str,
    follows: bool,  # noqa: FBT001
) -> None:
    """An object with another's id, signed by whoever likes, whoever it says holds it or was given it."""
    claim, oid = server.held()
    theirs = names(claim, listed)._replace(session=Session(session))
    false = server.write(theirs, "mallory", after=oid if follows else None)
    record = server.record(theirs, false, "mallory")
    before = server.all()
    for moves in (at(claim, None), at(theirs, None), {**at(claim, None), **at(theirs, None)}, {}):
        for follower in (released_ref(claim.id), broken_ref(claim.id)):
            assert server.push(moves, {follower: record})
    assert server.all() == before


def test_the_end_of_one_claim_takes_no_other_with_it(server: Server) -> None:
    theirs, oid = server.held("docs", "mallory")
    claim, _ = server.held()
    record = server.record(theirs, oid, "mallory")
    said = server.push(at(theirs, None), at(claim, None), {released_ref(theirs.id): record})
    assert said == FENCED_OFF


def test_going_on_with_one_claim_gives_up_nothing_of_another(server: Server) -> None:
    theirs, oid = server.held("docs task:1", "mallory")
    claim, _ = server.held()
    less = names(theirs, "docs")
    rest = server.write(less, after=oid)
    assert server.push(at(less, rest), {ref_of("task:1"): None}, at(claim, None)) == FENCED_OFF


def test_no_record_stands_where_it_would_keep_another_out(server: Server) -> None:
    """git has no ref below a ref: a record below the name of another's would make that claim's release impossible."""
    claim, _ = server.held()
    theirs, oid = server.held("docs", "carol")
    for end in ("released", "broken"):
        ref = RefName(f"refs/gitclaim/{end}/{claim.id}/{theirs.id}")
        record = server.record(theirs, oid, "carol") if end == "released" else server.breaking(theirs, oid, "carol")
        assert server.refusals(server.updates({**at(theirs, None), ref: record}))


def test_no_ref_comes_twice_in_a_push(server: Server) -> None:
    """git does both, one after the other, where a push is not atomic."""
    claim, first = server.held("src docs")
    second = server.write(claim.until(claim.expires + HOUR), after=first)
    server.world.refs.refs[ref_of("src")] = second
    updates = [Update(ref_of("src"), None, second), *server.updates(at(claim, second))]
    assert server.refusals(updates), "the last is a renewal, and the first removes what is to be renewed"
    theirs = server.world.claim("task:1", "mallory")
    blob = server.world.plant("x", kind="blob")
    updates = [Update(ref_of("task:1"), blob, None), *server.updates(at(theirs, server.write(theirs)))]
    assert server.refusals(updates)


@pytest.mark.parametrize("off", [-2 * HOUR, -SECOND, SECOND, 24 * 365 * HOUR])
def test_a_record_says_when_the_lease_would_have_ended(server: Server, off: timedelta) -> None:
    """Earlier, and it could be removed while the claim can be pushed back; later, and nobody ever could remove it."""
    claim, oid = server.held()
    record = server.record(claim, oid, "alice", until=claim.lapses() + off)
    assert server.push(at(claim, None), {released_ref(claim.id): record})


HONEST: Final = ("alice", "bob")
PLACES: Final = ("src", "src/a", "docs", "docs/b/c", "task:1", ".")
NAMES: Final = st.lists(st.sampled_from(PLACES[:-1]), min_size=1, max_size=3, unique=True).map(" ".join)
PLANS: Final = (
    ("claim",),
    ("without theirs",),
    ("end",),
    ("end", "without mine"),
    ("end", "without theirs"),
    ("end", "without mine", "without theirs"),
    ("end", "without one of theirs"),
    ("claim", "without one of theirs"),
    ("claim", "end", "without theirs"),
)
COPIED: Final = st.sets(st.sampled_from(["session", "places", "taken", "past"])).flatmap(
    lambda some: st.sampled_from([some | {"id"}, some])
)


class Attack(RuleBasedStateMachine):
    """Two who go by the rules, a maintainer, and one with a key of their own who pushes anything they have seen.

    What the server lets in, git applies as it likes: at once or ref by ref, in any order, all of it or some, now or
    later, each ref only if it is as the push said.
    """

    def __init__(self) -> None:
        super().__init__()
        self.server = Server(trust=TRUST._replace(whole=Whole.ANYONE))
        self.world = self.server.world
        self.pending: list[list[Update]] = []
        self.claims: dict[Oid, Claim] = {}
        self.records: dict[Oid, RefName] = {}
        self.others: list[Oid] = []

    @initialize()
    def begin(self) -> None:
        for name, places in zip(HONEST, ("src docs", "task:1"), strict=True):
            self.server.held(places, name)
        self.others.append(self.world.plant("x", kind="blob"))
        self.others.append(Oid("1" * 40))
        self.learn()

    def learn(self) -> None:
        """Everybody can read what stood anywhere."""
        for oid, content in self.world.contents.items():
            if oid in self.claims or oid in self.records or not isinstance(content, bytes):
                continue
            text = parse_commit(content).message
            try:
                self.claims[oid] = parse_claim(text)
            except ValueError:
                ended = text.rpartition("\n\n")[2]
                start = "broken" if ended.startswith("Broken: ") else "released"
                self.records[oid] = RefName(f"refs/gitclaim/{start}/{ended.split()[1]}")

    # What nobody else may touch.

    def signer(self, oid: Oid) -> str:
        content = self.world.contents.get(oid)
        line = content.partition(b"gpgsig ")[2].decode() if isinstance(content, bytes) else ""
        return line.split(" ")[0]

    def protected(self, but: str) -> dict[RefName, Oid]:
        """What stands of the live and complete claims that those who go by the rules signed, but for one's own."""
        refs = self.server.all()
        kept = {}
        for ref, oid in refs.items():
            claim, key = self.claims.get(oid), self.signer(oid)
            if claim is None or key not in HONEST or key == but or claim.session != key or ref not in claim.refs:
                continue
            parts = [(other, refs.get(other)) for other in claim.refs]
            mine = [part for _, part in parts if part and part in self.claims and self.signer(part) == key]
            whole = len(mine) == len(parts) and {self.claims[part].id for part in mine} == {claim.id}
            if whole and self.world.clock.now() + TOLERANCE < min(self.claims[part].lapses() for part in mine):
                kept[ref] = oid
        return kept

    def act(self, who: str, do: Callable[[], object]) -> None:
        """Do something, and make sure that whatever was another's is as it was."""
        before = self.protected(who)
        try:
            do()
        except GitclaimError:
            pass
        finally:
            self.learn()
        if who != "carol":
            after = self.server.all()
            assert all(self.followed(oid, after.get(ref)) for ref, oid in before.items()), who

    def followed(self, oid: Oid, after: Oid | None) -> bool:
        """Whether what stands there now is the same, or what its own holder wrote to go on with it."""
        ours = MemoryObjects(self.world.contents, "").lineage(after) if after else []
        return oid in ours and all(self.signer(one) == self.signer(oid) for one in ours[: ours.index(oid)])

    # Those who go by the rules.

    @rule(who=st.sampled_from(HONEST), places=NAMES, hours=st.sampled_from([0.1, 1]))
    def take(self, who: str, places: str, hours: float) -> None:
        self.act(who, lambda: take(self.server.session(who), asking(places, ttl=hours * HOUR)))

    @rule(who=st.sampled_from(HONEST))
    def renew(self, who: str) -> None:
        self.act(who, lambda: renew(self.server.session(who), (), HOUR))

    @rule(who=st.sampled_from(HONEST), places=st.none() | NAMES)
    def release(self, who: str, places: str | None) -> None:
        self.act(who, lambda: release(self.server.session(who), resources(places) if places else ()))

    @rule(who=st.sampled_from(HONEST), place=st.sampled_from(PLACES))
    def give(self, who: str, place: str) -> None:
        other = HONEST[1 - HONEST.index(who)]
        self.act(who, lambda: give(self.server.session(who), resources(place), Session(other)))

    @rule(place=st.sampled_from(PLACES))
    def break_(self, place: str) -> None:
        self.act("carol", lambda: break_claims(self.server.session("carol"), resources(place), "gone"))

    @rule()
    def sweep(self) -> None:
        self.act("sweeper", lambda: sweep(self.server.session("sweeper"), first_seen={}))

    @rule(seconds=st.sampled_from([1, 31, 100, 130, 600, 3600]))
    def time_passes(self, seconds: int) -> None:
        self.world.clock.pass_by(seconds=seconds)

    @precondition(lambda self: self.renewable())
    @rule(data=st.data())
    def renewal_is_cut_short(self, data: st.DataObject) -> None:
        """A server without transactions goes down in the middle of one."""
        oid = data.draw(st.sampled_from(self.renewable()))
        claim, key = self.claims[oid], self.signer(oid)
        after = self.server.write(claim.until(claim.expires + HOUR), key, after=oid)
        self.learn()
        self.act(key, lambda: self.server.push(at(claim, after)))
        for ref in data.draw(st.sets(st.sampled_from(claim.refs))):
            if self.server.all().get(ref) == after:
                self.world.refs.refs[ref] = oid

    def renewable(self) -> list[Oid]:
        refs = self.server.all()
        mine = {oid for oid in refs.values() if self.signer(oid) in HONEST and oid in self.claims}
        return [
            oid
            for oid, claim in self.claims.items()
            if oid in mine and len(claim.refs) > 1 and all(refs.get(ref) == oid for ref in claim.refs)
        ]

    # The one who does not.

    @rule(data=st.data(), off=st.sampled_from([0, 0, 0, -130, 50, 100]))
    def forge(self, data: st.DataObject, off: int) -> None:
        """A claim much like another's, and the record of its end; both pushed with whatever helps, or kept."""
        now = self.world.clock.now() + timedelta(seconds=off)
        oid = data.draw(st.sampled_from(sorted({*self.protected("mallory").values()}) or list(self.claims)))
        theirs = self.claims[oid]
        copied = data.draw(COPIED)
        claim = self.world.claim(data.draw(st.sampled_from(["lane:x", "lane:y", "src", "docs"])), "mallory")
        claim = claim._replace(
            id=theirs.id if "id" in copied else claim.id,
            session=theirs.session if "session" in copied else claim.session,
            resources=theirs.resources if "places" in copied else claim.resources,
            taken=theirs.taken if "taken" in copied else claim.taken,
        )
        lives = [oid, *(one for one, known in self.claims.items() if known.id == claim.id)]
        past = data.draw(st.sampled_from([lives[0], lives[-1]])) if "past" in copied else None
        false = self.server.write(claim, "mallory", after=past, at=now)
        about = data.draw(st.sampled_from([false, false, oid]))
        ends = data.draw(st.sampled_from([claim, claim, theirs]))
        if data.draw(st.booleans()):
            record = self.server.record(ends, about, "mallory", until=data.draw(st.sampled_from([now, now + HOUR])))
            ref = released_ref(ends.id)
        else:
            record, ref = self.server.breaking(ends, about, "mallory", at=now), broken_ref(ends.id)
        self.learn()
        parts: dict[str, Moves] = {
            "claim": at(claim, false),
            "end": {ref: record},
            "without mine": at(claim, None),
            "without theirs": at(theirs, None),
            "without one of theirs": {theirs.refs[0]: None},
        }
        for chosen in data.draw(st.lists(st.sampled_from(PLANS), max_size=3)):
            lie = {theirs.refs[0]: self.others[0]} if data.draw(st.integers(0, 4)) == 0 else {}
            self.send({ref: new for part in chosen for ref, new in parts[part].items()}, lie)
            if self.pending and data.draw(st.integers(0, 3)) > 0:
                self.git_applies_some(data)

    @rule(data=st.data())
    def push(self, data: st.DataObject) -> None:
        """Claims to the refs they list, records where they belong, and more, all as it stands or a little off."""
        refs = self.server.all()
        moves: dict[RefName, Oid | None] = {}
        for oid in data.draw(st.lists(st.sampled_from(list(self.claims)), max_size=2)):
            moves |= at(self.claims[oid], oid)
        if self.records:
            for oid in data.draw(st.lists(st.sampled_from(list(self.records)), max_size=2)):
                moves[self.records[oid]] = oid
                said = parse_commit(self.world.contents[oid]).parents  # type: ignore[arg-type]
                whole: bool = data.draw(st.booleans())
                moves |= at(self.claims[said[0]], None) if said and whole else {}
        anywhere = sorted({*refs, *(ref for claim in self.claims.values() for ref in claim.refs)})
        moves |= dict.fromkeys(data.draw(st.lists(st.sampled_from(anywhere), max_size=3)), None)
        if data.draw(st.integers(0, 9)) == 0:
            moves[data.draw(st.sampled_from(anywhere))] = data.draw(st.sampled_from([*self.claims, *self.others]))
        lie = data.draw(st.sampled_from([None, *self.claims]))
        self.send(moves, {data.draw(st.sampled_from(anywhere)): lie} if data.draw(st.integers(0, 9)) == 0 else {})

    def send(self, moves: Moves, lies: Moves | None = None) -> None:
        """Push, with the truth about what stands there but for the lies; what is let in is for git to do."""
        olds = {**self.server.all(), **(lies or {})}
        updates = [Update(ref, new, olds.get(ref)) for ref, new in moves.items() if new or olds.get(ref)]
        if updates and not self.server.refusals(updates):
            self.pending.append(updates)

    @precondition(lambda self: self.pending)
    @rule(data=st.data())
    def git_applies_some(self, data: st.DataObject) -> None:
        """All of it or some of it, in any order, and the rest now or never."""
        updates = self.pending.pop(data.draw(st.integers(0, len(self.pending) - 1)))
        some = data.draw(st.permutations(updates))
        if data.draw(st.booleans()):
            some = some[: data.draw(st.integers(0, len(some)))]
        for one in some:
            self.act("mallory", lambda one=one: self.apply(one))  # type: ignore[misc]

    def apply(self, one: Update) -> None:
        if one.old != one.new:
            self.world.refs.apply([Swap(RefName(one.ref), one.old or ABSENT, one.new or ABSENT)])

    @invariant()
    def nothing_that_is_no_claim_came_in(self) -> None:
        assert all(oid in self.claims or oid in self.records for oid in self.server.all().values())


TestAttack = Attack.TestCase
TestAttack.settings = settings(deadline=None, database=None, max_examples=100, stateful_step_count=25)
