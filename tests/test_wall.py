"""The wall: work on what a live claim holds comes in with a proof by the key that holds it, and a name is none."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import pytest

from gitclaim.admission import Refusal
from gitclaim.change import Change, Update
from gitclaim.claim import GRACE, Claim, format_claim
from gitclaim.names import ClaimId, Oid, RefName, Session
from gitclaim.policy import Policy, Unclaimed
from gitclaim.record import Landing, Released, broken_ref, format_released, landing_notes, released_ref
from gitclaim.wall import Push, guard
from tests.kit.memory import HOUR, MemoryObjects, World, commit_bytes, ref_of

MAIN: Final = RefName("refs/heads/main")
OTHER: Final = RefName("refs/heads/other")
ALLOW: Final = Policy()
DENY: Final = Policy(unclaimed=Unclaimed.DENY)
HELD: Final = "held by alice until 2026-11-21T04:00:00Z (src)"
TAKEN_BACK: Final = "takes back the work of alice until 2026-11-21T04:00:00Z (src)"
OPENPGP: Final = "0123456789ABCDEF0123456789ABCDEF01234567"


@dataclass
class Told:
    """What git would know, told outright."""

    matches: frozenset[str] = frozenset()
    drops: frozenset[str] = frozenset()

    def dropped(self, change: Change, paths: Iterable[str]) -> set[str]:  # noqa: ARG002 - the protocol's signature
        return set(paths) & self.drops

    def undone(self, change: Change, paths: Iterable[str]) -> set[str]:  # noqa: ARG002
        return set()

    def matching(self, changes: Iterable[Change], patterns: Iterable[str]) -> set[str]:  # noqa: ARG002
        return {path for change in changes for path in change.paths} & self.matches


@dataclass
class Server:
    """A repository with claims, and commits that follow one another in the order they are made."""

    world: World = field(default_factory=World)
    made: list[Oid] = field(default_factory=list)
    work: Told = field(default_factory=Told)

    def held(self, names: str = "src", session: str = "alice", *, key: str = "") -> tuple[Claim, Oid]:
        """A claim that stands."""
        claim = self.world.claim(names, session)
        return claim, self.world.stand(claim, key=key or session)

    def commit(self, *paths: str, key: str = "", names: Iterable[Claim] = (), withdrawn: bool = False) -> Change:
        """A commit with work, signed by that key, whose message names these claims."""
        text = f"work {len(self.made)}\n\n" + "".join(f"Claim: {claim.id}\n" for claim in names)
        oid = self.world.plant(commit_bytes(text, tree="1" * 40, key=key))
        self.made.append(oid)
        claims = frozenset[ClaimId](claim.id for claim in names)
        return Change(paths, commit=oid, claims=claims, withdrawn=withdrawn)

    def step(self, claim: Claim, follows: Oid, key: str, *landed: Landing) -> Oid:
        """The next object of a claim, as `gitclaim land --keep` writes it."""
        text = format_claim(claim.until(claim.expires + HOUR), action="land", notes=landing_notes(landed))
        return MemoryObjects(self.world.contents, key).write(text, parent=follows, at=self.world.clock.now())

    def record(self, claim: Claim, follows: Oid, key: str, *landed: Landing) -> Oid:
        """The record of a claim's release, as `gitclaim land` writes it."""
        said = Released(claim.id, follows, Session(key), claim.lapses(), landed)
        text = format_released(said, title=claim.title)
        return MemoryObjects(self.world.contents, key).write(text, parent=follows, at=self.world.clock.now())

    def refusals(
        self,
        *changes: Change,
        to: RefName = MAIN,
        tip: Oid | None = None,
        moves: Mapping[RefName, Oid] | None = None,
        certified: str = "",
        policy: Policy = ALLOW,
    ) -> list[Refusal]:
        """Push the changes to a branch, whose tip is the last commit that is made, together with other refs."""
        new = tip or next((one.commit for one in reversed(changes) if not one.withdrawn), None)
        updates = [Update(to, new, Oid("2" * 40))]
        updates += [Update(ref, oid, self.world.refs.refs.get(ref)) for ref, oid in (moves or {}).items()]
        push = Push(updates, changes, certified, self.reach)
        return guard(self.world.server(), push, self.work, policy)

    def said(self, *changes: Change, **told: object) -> list[str]:
        return [one.message for one in self.refusals(*changes, **told)]  # type: ignore[arg-type]

    def reach(self, tips: Iterable[Oid]) -> set[Oid]:
        """The commits up to the last of these, as if all followed one another."""
        places = [self.made.index(tip) for tip in tips if tip in self.made]
        return set(self.made[: max(places) + 1]) if places else set()


@pytest.fixture
def server() -> Server:
    return Server()


def landing(change: Change, ref: RefName = MAIN) -> Landing:
    assert change.commit
    return Landing(ref, change.commit)


# Without a proof.


def test_work_on_what_nobody_holds_comes_in(server: Server) -> None:
    server.held("docs")
    assert server.refusals(server.commit("src/a")) == []
    assert server.refusals() == []


@pytest.mark.parametrize("path", ["src", "src/a", "SRC/a"])
def test_work_on_what_is_held_stays_out(server: Server, path: str) -> None:
    server.held()
    change = server.commit(path)
    (refusal,) = server.refusals(change)
    assert refusal.message == HELD
    assert change.commit
    assert refusal.ref == f"{path} in commit {change.commit[:12]}"
    assert "gitclaim land" in refusal.hint


def test_each_commit_is_judged_and_ten_refusals_are_told(server: Server) -> None:
    server.held()
    changes = [server.commit(f"src/{number}") for number in range(30)]
    assert server.said(*changes, server.commit("docs/a")) == [HELD] * 10


@pytest.mark.parametrize("seconds", [0, 3600, 3719])
def test_a_claim_holds_until_its_grace_is_over(server: Server, seconds: float) -> None:
    server.held()
    server.world.clock.pass_by(seconds=seconds)
    assert server.said(server.commit("src/a")) == [HELD]
    server.world.clock.pass_by(seconds=HOUR.total_seconds() + GRACE.total_seconds() - seconds)
    assert server.refusals(server.commit("src/a")) == []


@pytest.mark.parametrize("how", ["forged", "incomplete", "copied", "junk"])
def test_what_is_no_live_claim_holds_nothing(server: Server, how: str) -> None:
    claim = server.world.claim("src docs", "alice")
    match how:
        case "forged":
            server.world.stand(claim, key="forged")
        case "incomplete":
            server.world.stand(claim, only="src")
        case "copied":
            server.world.refs.refs[ref_of("src")] = server.world.stand(server.world.claim("docs", "alice"))
        case _:
            server.world.plant("x", "src", kind="blob")
    assert server.refusals(server.commit("src/a")) == []


def test_a_newer_format_holds_what_it_stands_at(server: Server) -> None:
    server.world.plant(commit_bytes("take src\n\nClaim-Format: 2\n"), "src")
    (refusal,) = server.refusals(server.commit("src/a", key="alice"), certified="alice")
    assert refusal.message == "claimed in a newer format than this server reads"


def test_a_trailer_proves_nothing(server: Server) -> None:
    """Anybody can read the id of a claim and write it into a message."""
    claim, _ = server.held()
    assert server.said(server.commit("src/a", names=[claim])) == [HELD]
    assert server.said(server.commit("src/a", names=[claim], key="mallory")) == [HELD]
    assert server.said(server.commit("src/a", names=[claim], key="forged")) == [HELD]
    assert server.said(server.commit("src/a", names=[claim]), certified="mallory") == [HELD]


# The three proofs.


def test_a_commit_that_names_the_claim_and_is_signed_by_its_key_comes_in(server: Server) -> None:
    claim, _ = server.held()
    assert server.refusals(server.commit("src/a", names=[claim], key="alice")) == []


def test_the_holder_s_signature_on_other_bytes_is_no_proof(server: Server) -> None:
    claim, _ = server.held()
    mine = server.commit("src/a", names=[claim], key="alice")
    assert mine.commit
    raw = server.world.contents[mine.commit]
    assert isinstance(raw, bytes)
    false = mine._replace(commit=server.world.plant(raw.replace(b"1" * 40, b"2" * 40)))
    assert server.said(false) == [HELD]
    assert server.refusals(mine) == []


def test_a_signature_alone_is_no_proof(server: Server) -> None:
    """What somebody did before they took the claim, or for another purpose, does not fall under it."""
    server.held()
    assert server.said(server.commit("src/a", key="alice")) == [HELD]


def test_each_commit_needs_its_proof(server: Server) -> None:
    claim, _ = server.held()
    signed = server.commit("src/a", names=[claim], key="alice")
    assert server.said(signed, server.commit("src/b", names=[claim], key="mallory")) == [HELD]


def test_a_push_that_is_certified_by_the_key_brings_in_what_names_the_claim(server: Server) -> None:
    claim, _ = server.held()
    assert server.refusals(server.commit("src/a", names=[claim]), certified="alice") == []
    assert server.said(server.commit("src/a"), certified="alice") == [HELD]


@pytest.mark.parametrize(
    ("certified", "let_in"),
    [
        (OPENPGP, True),
        (OPENPGP[-16:], True),
        (OPENPGP[-16:].lower(), True),
        (OPENPGP[:16], False),
        ("", False),
        (f"{OPENPGP}0", False),
        (f"F{OPENPGP[-16:]}", False),
    ],
)
def test_git_names_an_openpgp_key_by_its_id(server: Server, certified: str, let_in: bool) -> None:  # noqa: FBT001
    claim, _ = server.held(key=OPENPGP)
    assert (server.refusals(server.commit("src/a", names=[claim]), certified=certified) == []) is let_in


def test_a_claim_that_lands_vouches_for_its_work(server: Server) -> None:
    """No commit needs a signature or names the claim: what leads up to the one that lands is its holder's."""
    claim, oid = server.held()
    first, last = server.commit("src/a"), server.commit("src/b")
    step = server.step(claim, oid, "alice", landing(last))
    assert server.refusals(first, last, moves=dict.fromkeys(claim.refs, step)) == []
    late = server.commit("src/c")
    assert server.said(first, last, late, moves=dict.fromkeys(claim.refs, step)) == [HELD]


def test_the_record_of_a_release_vouches_for_what_lands_with_it(server: Server) -> None:
    claim, oid = server.held()
    change = server.commit("src/a")
    record = server.record(claim, oid, "alice", landing(change))
    assert server.refusals(change, moves={released_ref(claim.id): record}) == []
    assert server.said(change) == [HELD]


def test_what_a_standing_claim_vouched_for_comes_in_later(server: Server) -> None:
    claim, oid = server.held()
    change = server.commit("src/a")
    for follower in (server.step(claim, oid, "alice", landing(change)),):
        server.world.refs.refs |= dict.fromkeys(claim.refs, follower)
        further = server.step(claim, follower, "alice")
        server.world.refs.refs |= dict.fromkeys(claim.refs, further)
    assert server.refusals(change, to=OTHER) == []


def test_a_record_elsewhere_vouches_for_nothing(server: Server) -> None:
    claim, oid = server.held()
    change = server.commit("src/a")
    record = server.record(claim, oid, "alice", landing(change))
    assert server.said(change, moves={broken_ref(claim.id): record}) == [HELD]
    assert server.said(change, moves={released_ref(ClaimId.made(1, b"0123456789")): record}) == [HELD]
    assert server.said(change, moves={OTHER: record}) == [HELD]


def test_a_record_of_another_claim_vouches_for_nothing_of_this_one(server: Server) -> None:
    """It may give itself the same id: whose it is tells the object it follows."""
    claim, _ = server.held()
    change = server.commit("src/a")
    theirs = server.world.claim("docs", "mallory")._replace(id=claim.id)
    stands = server.world.stand(theirs)
    record = server.record(theirs, stands, "mallory", landing(change))
    assert server.said(change, moves={released_ref(claim.id): record}) == [HELD]


# One claim and another.


def test_a_proof_for_one_claim_is_none_for_another(server: Server) -> None:
    server.held()
    theirs, oid = server.held("docs", "mallory")
    change = server.commit("src/a", "docs/a", names=[theirs], key="mallory")
    assert server.said(change, certified="mallory") == [HELD]
    record = server.record(theirs, oid, "mallory", landing(change))
    assert server.said(change, moves={released_ref(theirs.id): record}, certified="mallory") == [HELD]
    step = server.step(theirs, oid, "mallory", landing(change))
    assert server.said(change, moves=dict.fromkeys(theirs.refs, step)) == [HELD]


def test_both_claims_are_proven_by_naming_both(server: Server) -> None:
    mine, _ = server.held()
    too, _ = server.held("docs")
    assert server.refusals(server.commit("src/a", "docs/a", names=[mine, too], key="alice")) == []
    assert len(server.said(server.commit("src/a", "docs/a", names=[mine], key="alice"))) == 1


def test_two_claims_of_one_id_are_proven_both_or_neither(server: Server) -> None:
    claim, _ = server.held()
    theirs = server.world.claim("docs", "mallory")._replace(id=claim.id)
    server.world.stand(theirs)
    for paths in (("src/a", "docs/a"), ("docs/a", "src/a")):
        change = server.commit(*paths, names=[claim], key="mallory")
        assert HELD in server.said(change, certified="mallory")


def test_a_given_claim_is_proven_once_its_new_holder_went_on_with_it(server: Server) -> None:
    claim, oid = server.held()
    given = claim._replace(session=Session("bob"))
    second = server.step(given, oid, "alice")
    server.world.refs.refs |= dict.fromkeys(claim.refs, second)
    for key in ("bob", "alice"):
        assert server.said(server.commit("src/a", names=[claim], key=key), certified=key)
    third = server.step(given, second, "bob")
    server.world.refs.refs |= dict.fromkeys(claim.refs, third)
    assert server.refusals(server.commit("src/a", names=[claim], key="bob")) == []
    assert server.said(server.commit("src/a", names=[claim], key="alice"), certified="alice")


# Patterns.


def patterned(server: Server, session: str = "alice") -> tuple[Claim, Oid]:
    claim = server.world.claim("a.sql", session)._replace(patterns=("**/*.sql",))
    return claim, server.world.stand(claim)


def test_a_new_file_that_matches_is_held_by_pattern(server: Server) -> None:
    claim, _ = patterned(server)
    server.work = Told(matches=frozenset({"b/new.sql"}))
    assert server.said(server.commit("b/new.sql", "b/new.py")) == [HELD.replace("src", "a.sql")]
    assert server.refusals(server.commit("b/new.sql", names=[claim], key="alice")) == []


def test_what_two_claims_of_one_holder_hold_is_proven_for_both(server: Server) -> None:
    server.work = Told(matches=frozenset({"src/new.sql"}))
    by_pattern, _ = patterned(server)
    by_path, _ = server.held()
    change = server.commit("src/new.sql", names=[by_pattern, by_path], key="alice")
    assert server.refusals(change) == []


def test_what_replaces_a_directory_is_proven_for_all_the_claims_in_it(server: Server) -> None:
    one, _ = server.held("src/a")
    two, _ = server.held("src/b")
    assert server.refusals(server.commit("src", names=[one, two], key="alice")) == []


# Withdrawn.


def test_work_of_a_claim_is_taken_back_by_its_holder_alone(server: Server) -> None:
    claim, oid = server.held()
    gone = server.commit("src/a", names=[claim], key="alice", withdrawn=True)
    assert server.said(gone) == [TAKEN_BACK]
    assert server.said(gone, certified="mallory") == [TAKEN_BACK]
    assert server.refusals(gone, certified="alice") == []
    instead = server.commit("src/a")
    step = server.step(claim, oid, "alice", landing(instead))
    assert server.refusals(gone, instead, moves=dict.fromkeys(claim.refs, step)) == []
    assert server.said(gone, instead, to=OTHER, moves=dict.fromkeys(claim.refs, step)) == [TAKEN_BACK]


def test_work_that_names_no_live_claim_is_taken_back_by_anybody(server: Server) -> None:
    server.held()
    assert server.refusals(server.commit("src/a", withdrawn=True)) == []
    other = server.world.claim("src", "bob")
    assert server.refusals(server.commit("src/a", names=[other], withdrawn=True)) == []


def test_who_names_another_s_claim_besides_does_not_take_its_work_back(server: Server) -> None:
    claim, _ = server.held()
    theirs, _ = server.held("docs", "mallory")
    gone = server.commit("src/a", "docs/a", names=[claim, theirs], withdrawn=True)
    assert server.said(gone, certified="mallory") == [TAKEN_BACK]


def test_a_landing_proves_who_takes_work_back_only_in_the_push_it_comes_with(server: Server) -> None:
    """Who moves the branch back to where the holder once landed takes back what the holder landed since."""
    claim, oid = server.held()
    old = server.commit("src/a", names=[claim])
    gone = server.commit("src/b", names=[claim], withdrawn=True)
    first = server.step(claim, oid, "alice", landing(old))
    second = server.step(claim, first, "alice", landing(gone))
    server.world.refs.refs |= dict.fromkeys(claim.refs, second)
    assert server.said(gone, tip=old.commit) == [TAKEN_BACK.replace("04:00", "05:00")]


# The policy.


def test_what_nobody_claimed_stays_out_where_the_policy_denies_it(server: Server) -> None:
    claim, oid = server.held()
    change = server.commit("docs/a", "src/a", names=[claim], key="alice")
    assert server.said(change, policy=DENY) == ["nobody claimed it, and the policy is `unclaimed: deny`"]
    covered = server.commit("src/a", names=[claim], key="alice")
    assert server.refusals(covered, policy=DENY) == []
    step = server.step(claim, oid, "alice", landing(covered))
    assert server.refusals(covered, policy=DENY, moves=dict.fromkeys(claim.refs, step)) == []
    for policy in (ALLOW, Policy(unclaimed=Unclaimed.WARN), Policy(unclaimed=Unclaimed.TAKE)):
        assert server.refusals(change, policy=policy) == []


def test_a_merge_that_only_brings_together_needs_no_proof(server: Server) -> None:
    server.held()
    change = server.commit("docs/a")._replace(doubtful=("src/a",))
    assert server.refusals(change) == []
    server.work = Told(drops=frozenset({"src/a"}))
    assert server.said(change) == [HELD]


def test_time_alone_ends_what_a_push_met(server: Server) -> None:
    """The server's clock decides, not the dates in commits."""
    claim, _ = server.held()
    change = server.commit("src/a")._replace(at=claim.taken - timedelta(days=1))
    assert server.said(change) == [HELD]
