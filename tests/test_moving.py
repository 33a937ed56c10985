"""Moving claims to another registry: each whole or not at all, and as it was."""

from collections.abc import Sequence

import pytest

from gitclaim.claim import format_claim, renewal
from gitclaim.errors import GitclaimError
from gitclaim.moving import move
from gitclaim.names import Oid
from gitclaim.protocol import take
from gitclaim.refstore.contract import Outcome, Refused, Swap
from gitclaim.registry import Holding
from tests.kit.memory import HOUR, ScriptedStore, World, asking, ref_of


@pytest.fixture
def there() -> World:
    """The other registry."""
    return World()


def holding(there: World, names: str) -> Holding:
    """A claim that stands elsewhere, whose object is known here."""
    claim = there.claim(names, "alice")
    oid = there.stand(claim)
    there.refs.refs.clear()
    return Holding(claim, oid)


def test_a_claim_is_moved_as_it_is(there: World) -> None:
    claim = holding(there, "src task:1")
    moved = move([claim], there.session("alice"))
    assert (moved.holdings, moved.lost) == ((claim,), ())
    assert there.refs.refs == dict.fromkeys(claim.claim.refs, claim.oid)


def test_a_claim_whose_place_is_taken_is_lost_as_a_whole(there: World) -> None:
    first, second = holding(there, "src task:1"), holding(there, "docs")
    take(there.session("bob"), asking("src/api"))
    moved = move([first, second], there.session("alice"))
    assert (moved.holdings, moved.lost) == ((second,), (first,))
    assert there.at("task:1") is None


def test_a_move_that_was_cut_short_finds_its_own_claims(there: World) -> None:
    claims = [holding(there, "src task:1"), holding(there, "docs")]
    move(claims[:1], there.session("alice"))
    assert move(claims, there.session("alice")).holdings == tuple(claims)


def test_a_claim_that_was_renewed_after_a_move_was_cut_short_is_brought_up_to_date(there: World) -> None:
    claim = holding(there, "src task:1")
    move([claim], there.session("alice"))
    longer = renewal(claim.claim, there.clock.now(), 2 * HOUR)
    newer = Holding(
        longer, there.session("alice").objects.write(format_claim(longer), parent=claim.oid, at=longer.taken)
    )
    moved = move([newer], there.session("alice"))
    assert (moved.holdings, moved.lost) == ((newer,), ())
    assert there.refs.refs == dict.fromkeys(claim.claim.refs, newer.oid)


@pytest.mark.parametrize("answer", ["lost", "cut"])
def test_a_move_without_an_answer_says_so(there: World, answer: str) -> None:
    store = ScriptedStore(there.refs, "lost" if answer == "lost" else "cut")
    with pytest.raises(GitclaimError, match="could not move src"):
        move([holding(there, "src")], there.session("alice", store=store))


def test_a_registry_that_refuses_is_named(there: World) -> None:
    with pytest.raises(GitclaimError, match="policy"):
        move([holding(there, "src")], there.session("alice", store=ScriptedStore(there.refs, Refused("policy"))))


class Torn(ScriptedStore):
    """A registry in which the first ref was written before the transaction broke off."""

    def swap(self, swaps: Sequence[Swap]) -> Outcome:
        assert isinstance(swaps[0].new, Oid)
        self.registry.refs[swaps[0].ref] = swaps[0].new
        return super().swap(swaps)


def test_what_a_torn_transaction_left_is_removed(there: World) -> None:
    claim = holding(there, "src task:1")
    take(there.session("bob"), asking("task:1"))
    assert move([claim], there.session("alice", store=Torn(there.refs))).lost == (claim,)
    assert list(there.refs.refs) == [ref_of("task:1")]


def test_what_another_process_is_moving_right_now_is_left_alone(there: World) -> None:
    """It is the very same object: to remove a part of it would make the other one's claim void."""
    claim = holding(there, "src task:1")
    move([claim], there.session("alice", store=Torn(there.refs)))
    assert there.at("src") == claim.oid
