"""Races of real processes over real git: exactly one winner, and nothing of a loser is left."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Final

import pytest

from gitclaim.errors import Exit
from tests.kit.races import LATER, Racer, add_worktrees, at, race
from tests.kit.repos import Ran, Repo, make_bare, make_clones, make_repo

ROUNDS: Final = int(os.environ.get("GITCLAIM_RACE_ROUNDS", "10"))
"""Rounds of each race under `-m torture`."""


@dataclass(frozen=True)
class Place:
    """Where a race is run: the repositories its processes run in, in turn, and the one that is the registry."""

    repos: Sequence[Repo]
    registry: Repo

    def race(self, commands: Sequence[str], *, ahead: float = 0.0) -> list[Ran]:
        """Run each command as a session of its own, `s0`, `s1` and so on."""
        repos = islice(cycle(self.repos), len(commands))
        return race(
            [
                Racer(repo, f"s{number}", tuple(line.split()), ahead)
                for number, (repo, line) in enumerate(zip(repos, commands, strict=True))
            ]
        )

    def claims(self) -> dict[str, str]:
        """Who stands at each ref, from the objects themselves."""
        lines = self.registry.git(
            "for-each-ref", "--format=%(refname:lstrip=2) %(contents:trailers:key=Session,valueonly)", "refs/claims"
        ).splitlines()
        return dict(line.split(" ", 1) for line in lines if line)

    def clear(self) -> None:
        """End a round: nothing is claimed."""
        for ref in self.registry.refs():
            self.registry.git("update-ref", "-d", ref)


@pytest.fixture(params=["remote", "embedded"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Two clones of a bare remote, and one repository with linked work trees."""
    if request.param == "remote":
        clones = make_clones(tmp_path, make_bare(tmp_path / "remote.git"), (tmp_path / "remote.git").as_uri())
        return Place([clones.alice, clones.bob], clones.remote)
    repo = make_repo(tmp_path / "repo")
    repo.commit_file("readme")
    return Place(add_worktrees(repo, tmp_path, 8), repo)


rounds = pytest.mark.parametrize("number_of_rounds", [1, pytest.param(ROUNDS, marks=pytest.mark.torture)])


def one_winner(place: Place, ran: Sequence[Ran], refs: dict[str, str] | None = None) -> int:
    """Make sure that one process won, the others were denied, and only the winner's claim stands."""
    codes = [one.code for one in ran]
    told = "\n".join(f"{one.code}: {one.stdout}{one.stderr}" for one in ran if one.code not in {0, Exit.DENIED})
    assert not told, told
    assert codes.count(0) == 1, codes
    winner = codes.index(0)
    standing = place.claims()
    assert set(standing.values()) == {f"s{winner}"}, standing
    if refs is not None:
        assert standing == refs
    return winner


# Processes of a race, in the suite and in torture.
FEW: Final = (2, 12)
MANY: Final = (2, 8, 32)


sizes = pytest.mark.parametrize(
    ("size", "number_of_rounds"),
    [
        *(pytest.param(size, 1, id=f"{size}") for size in FEW),
        *(pytest.param(size, ROUNDS, id=f"{size}-torture", marks=pytest.mark.torture) for size in MANY),
    ],
)


@sizes
def test_one_path_has_one_winner(place: Place, size: int, number_of_rounds: int) -> None:
    for _ in range(number_of_rounds):
        ran = place.race(["take src/api"] * size)
        one_winner(place, ran)
        assert list(place.claims()) == ["path/src/api"]
        place.clear()


@sizes
def test_nested_paths_have_one_winner(place: Place, size: int, number_of_rounds: int) -> None:
    paths = ["a", "a/b", "a/b/c", "a/b/c/d"]
    for _ in range(number_of_rounds):
        ran = place.race([f"take {path}" for path in islice(cycle(paths), size)])
        winner = one_winner(place, ran)
        assert list(place.claims()) == [f"path/{paths[winner % len(paths)]}"]
        place.clear()


@sizes
def test_claims_on_several_things_that_overlap_in_one_have_one_winner(
    place: Place, size: int, number_of_rounds: int
) -> None:
    """The one they share is the same, or above or below the others': the races git's files tear."""
    shared = ["src", "src/api", "src/api/users.py"]
    for _ in range(number_of_rounds):
        names = list(islice(cycle(shared), size))
        ran = place.race([f"take docs/d{number} {name} task:{number}" for number, name in enumerate(names)])
        winner = one_winner(place, ran)
        assert set(place.claims()) == {f"path/docs/d{winner}", f"path/{names[winner]}", f"task/{winner}"}
        place.clear()


@sizes
def test_different_paths_are_all_won(place: Place, size: int, number_of_rounds: int) -> None:
    for _ in range(number_of_rounds):
        ran = place.race([f"take src/f{number}" for number in range(size)])
        assert [one.code for one in ran] == [0] * size, [one.stderr for one in ran if one.code]
        assert place.claims() == {f"path/src/f{number}": f"s{number}" for number in range(size)}
        place.clear()


@pytest.mark.parametrize(
    ("asked", "number_of_rounds"),
    [
        ("src/api task:1", 1),
        *(pytest.param(asked, ROUNDS, marks=pytest.mark.torture) for asked in ("src", "src/api", "src/api task:1")),
    ],
)
def test_one_expired_claim_is_taken_over_by_one(place: Place, asked: str, number_of_rounds: int) -> None:
    for _ in range(number_of_rounds):
        at(place.repos[0], -LATER, "take", "src/api", "task:1", session="old")
        ran = place.race([f"take {asked}"] * 8)
        codes = [one.code for one in ran]
        assert sorted(codes) == [0] + [3] * 7, [one.stderr for one in ran]
        standing = place.claims()
        assert {who for who in standing.values() if who != "old"} == {f"s{codes.index(0)}"}
        place.clear()


@rounds
def test_a_late_renewal_and_a_sweep_agree_on_who_was_first(place: Place, number_of_rounds: int) -> None:
    for _ in range(number_of_rounds):
        at(place.repos[0], -LATER, "take", "src", "task:1", session="s0")
        renewed, *sweeps = place.race(["renew", "sweep", "sweep"])
        assert [one.code for one in sweeps] == [0, 0], sweeps
        if renewed.code == 0:
            assert set(place.claims().values()) == {"s0"}
            assert len(place.claims()) == 2
        else:
            assert renewed.code == Exit.FENCED, renewed.stderr
            # A sweep removes ref by ref: what is left is its next round's.
            at(place.repos[0], 0, "sweep")
            assert place.claims() == {}
        place.clear()


@rounds
def test_a_late_renewal_and_a_take_over_have_one_winner(place: Place, number_of_rounds: int) -> None:
    for _ in range(number_of_rounds):
        at(place.repos[0], -LATER, "take", "src/api", session="s0")
        renewed, taken = place.race(["renew", "take src"])
        assert (renewed.code, taken.code) in {(0, Exit.DENIED), (Exit.FENCED, 0)}, (renewed, taken)
        assert set(place.claims().values()) == {"s0" if renewed.code == 0 else "s1"}
        place.clear()


@rounds
def test_a_release_and_a_take_leave_one_holder_or_none(place: Place, number_of_rounds: int) -> None:
    for _ in range(number_of_rounds):
        at(place.repos[0], 0, "take", "src", "task:1", session="s0")
        released, taken = place.race(["release --all", "take src"])
        assert released.code == 0, released
        assert taken.code in {0, Exit.DENIED}, taken
        assert place.claims() == ({"path/src": "s1"} if taken.code == 0 else {})
        place.clear()


@rounds
def test_processes_of_one_session_all_hold_what_they_took_together(place: Place, number_of_rounds: int) -> None:
    for _ in range(number_of_rounds):
        racers = [Racer(repo, "s0", ("take", "src", "task:1")) for repo in islice(cycle(place.repos), 8)]
        ran = race(racers)
        assert [one.code for one in ran] == [0] * 8, [one.stderr + one.stdout for one in ran if one.code]
        assert place.claims() == {"path/src": "s0", "task/1": "s0"}
        place.clear()
