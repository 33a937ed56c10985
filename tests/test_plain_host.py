"""Attacks on a plain host, where whoever may push writes any ref: what they cost, and what they never do."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from gitclaim.errors import Exit
from tests.kit.attacker import Attacker, fields, make_key, message, moment
from tests.kit.races import at
from tests.kit.repos import Clones, Ran, Repo
from tests.kit.sized import few

SRC: Final = "refs/claims/path/src"
TASK: Final = "refs/claims/task/7"
DOCS: Final = "refs/claims/path/docs"
HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Scene:
    """Alice holds `src` and `task:7`, and renewed that once; mallory can push, and works in bob's clone."""

    alice: Repo
    bob: Repo
    remote: Repo
    mallory: Attacker
    held: str

    @property
    def older(self) -> str:
        """The step of alice's claim before the one that stands."""
        return self.bob.git("rev-parse", f"{self.held}^")

    def plant(self, *refs: str, oid: str | None) -> None:
        """Mallory puts an object at these refs, or takes them away."""
        assert self.mallory.push(dict.fromkeys(refs, oid)).code == 0


@pytest.fixture
def scene(clones: Clones, tmp_path: Path) -> Scene:
    alice, bob = clones.alice, clones.bob
    alice.commit_file("src/a", "alice\n")
    alice.git("push", "--quiet", "origin", "main")
    bob.git("pull", "--quiet")
    alice.claim("take", "src", "task:7")
    alice.claim("renew", "--ttl", "2h")
    bob.git("fetch", "--quiet", "origin", f"{SRC}:refs/seen")
    mallory = Attacker(bob, make_key(tmp_path, "mallory"))
    return Scene(alice, bob, clones.remote, mallory, bob.git("rev-parse", "refs/seen"))


def standing(repo: Repo, resource: str) -> list[str]:
    """How what is found at a resource stands."""
    found: list[dict[str, Any]] = repo.claim("show", resource, "--json", code=None).json["claims"]
    return [one["standing"] for one in found]


def outcome(repo: Repo, *words: str) -> str:
    """What comes of taking something."""
    said: str = repo.claim("take", *words, "--json", code=None).json["outcome"]
    return said


# What counts for nothing: it blocks nobody, and whoever comes next has the path.


def not_signed(scene: Scene) -> str:
    return scene.mallory.commit(message("path:docs"), signature=b"")


def changed(scene: Scene) -> str:
    text = message("path:docs")
    signature = scene.mallory.signature(scene.mallory.bare(text))
    return scene.mallory.commit(text.replace(b"A purpose", b"A pretext"), signature=signature)


def too_long(scene: Scene) -> str:
    return scene.mallory.claim("path:docs", Expires=moment(31 * DAY))


def too_large(scene: Scene) -> str:
    return scene.bob.git("hash-object", "-w", "--stdin", input="x" * (20 << 20))


def not_ours(scene: Scene) -> str:
    return scene.bob.git("rev-parse", "HEAD")


def elsewhere(scene: Scene) -> str:
    return scene.held


@pytest.mark.parametrize("make", [not_signed, changed])
def test_what_nobody_signed_blocks_nobody(scene: Scene, make: Callable[[Scene], str]) -> None:
    scene.plant(DOCS, oid=make(scene))
    scene.bob.claim("check", "docs")
    assert standing(scene.alice, "docs") == ["untrusted"]
    assert outcome(scene.alice, "docs") == "held"


@pytest.mark.parametrize("make", few([too_large, elsewhere, too_long, not_ours], 2))
def test_what_is_no_claim_is_in_the_way_until_it_is_swept(scene: Scene, make: Callable[[Scene], str]) -> None:
    """Ten minutes after somebody first saw it, by anyone."""
    scene.plant("refs/claims/junk/x", DOCS, oid=make(scene))
    ran = scene.bob.claim("check", "docs", code=Exit.DENIED)
    assert "no claim stands at refs/claims/path/docs" in ran.stdout
    assert standing(scene.alice, "docs") == ["malformed"]
    at(scene.alice, 0, "sweep")
    at(scene.alice, 1200, "sweep")
    assert set(scene.remote.refs()) == {SRC, TASK}
    assert outcome(scene.alice, "docs") == "held"


def test_a_key_that_does_not_count_blocks_nobody(scene: Scene) -> None:
    """The key of alice's clone does."""
    key = scene.alice.claim("trust", "--json").json["own"]
    scene.alice.commit_file(".gitclaim.yaml", f"trust: known\nkeys: ['{key}']\n")
    scene.alice.git("push", "--quiet", "origin", "main")
    scene.plant(DOCS, oid=scene.mallory.claim("path:docs"))
    scene.alice.claim("check", "docs")
    assert outcome(scene.alice, "docs") == "held"
    scene.alice.claim("check", "src")
    scene.bob.git("pull", "--quiet")
    scene.bob.claim("check", "src", code=Exit.DENIED)


def test_a_part_of_a_claim_is_one_for_half_a_minute(scene: Scene) -> None:
    scene.plant(DOCS, oid=scene.mallory.claim("path:docs", "path:lib"))
    assert standing(scene.alice, "docs") == ["forming"]
    at(scene.alice, 60, "take", "docs")


def test_who_removes_the_record_too_brings_a_released_claim_back(scene: Scene) -> None:
    """With the record there it is worth nothing; without it, it is a claim until its lease ends: a stated limit."""
    scene.alice.claim("release", "--all")
    scene.plant(SRC, TASK, oid=scene.held)
    scene.bob.claim("check", "src")
    scene.plant(*scene.remote.refs("refs/gitclaim"), oid=None)
    scene.bob.claim("check", "src", code=Exit.DENIED)
    scene.bob.claim("break", "src", "--reason", "it was given up")
    assert outcome(scene.bob, "src") == "held"


# What takes something from a holder: they learn of it, and what they land under it stays out.


def lands_nothing(scene: Scene) -> Ran:
    """Alice lands her work, and does not."""
    scene.alice.commit_file("src/a", "more\n")
    before = scene.remote.refs("refs")
    ran = scene.alice.claim("land", code=Exit.FENCED)
    assert scene.remote.refs("refs") == before
    return ran


def test_who_deletes_a_claim_fences_its_holder(scene: Scene) -> None:
    scene.plant(SRC, TASK, oid=None)
    assert "somebody removed it, and no record says who" in lands_nothing(scene).stdout
    scene.alice.claim("renew", code=Exit.FENCED)
    assert outcome(scene.alice, "src", "task:7") == "held"


def test_who_goes_on_with_another_s_claim_holds_nothing(scene: Scene) -> None:
    said = fields(scene.bob, scene.held)
    for session in ("alice", "mallory"):
        given = {"Claim": said["Claim"], "Session": session, "Taken": said["Taken"]}
        scene.plant(SRC, TASK, oid=scene.mallory.commit(message("path:src", "task:7", **given), scene.held))
        scene.bob.claim("check", "src")
        assert "untrusted" in standing(scene.bob, "src")
    lands_nothing(scene)
    assert outcome(scene.alice, "src", "task:7") == "held"


def test_an_older_step_shortens_a_lease_until_the_next_renewal(scene: Scene) -> None:
    scene.plant(SRC, TASK, oid=scene.older)
    scene.bob.claim("check", "src", code=Exit.DENIED)
    scene.alice.claim("renew", "--ttl", "2h")
    at(scene.bob, 1.5 * HOUR.total_seconds(), "check", "src", code=Exit.DENIED)


# What a date can do.


def test_a_claim_that_is_back_dated_is_believed_and_lapses_as_it_says(scene: Scene) -> None:
    then = datetime.now(UTC) - DAY
    dates = {"Taken": moment(-DAY), "Expires": moment(HOUR)}
    scene.plant(DOCS, oid=scene.mallory.commit(message("path:docs", **dates), at=then))
    scene.alice.claim("check", "docs", code=Exit.DENIED)
    at(scene.alice, 2 * HOUR.total_seconds(), "take", "docs")


def test_nothing_is_taken_over_by_a_clock_that_a_claim_says_is_wrong(scene: Scene) -> None:
    """A claim from the future, or a clock in the past: one of both is wrong, and neither ends anything."""
    dates = {"Taken": moment(DAY), "Expires": moment(DAY + HOUR)}
    scene.plant(DOCS, oid=scene.mallory.commit(message("path:docs", **dates), at=datetime.now(UTC) + DAY))
    scene.bob.claim("check", "docs", code=Exit.DENIED)
    ran = at(scene.bob, 3 * HOUR.total_seconds(), "sweep", code=Exit.FIXABLE)
    assert "clock is suspect" in ran.stderr
    scene.alice.claim("break", "docs", "--reason", "from the future")
    assert outcome(scene.alice, "docs") == "held"


@pytest.mark.parametrize("days", [-1, 1])
def test_a_clock_that_is_a_day_off_costs_a_claim_and_lets_no_two_land(scene: Scene, days: int) -> None:
    """Ahead, bob takes over what alice still holds: then alice is fenced. Behind, he does not."""
    taken = at(scene.bob, days * DAY.total_seconds(), "take", "src", session="bob", code=None)
    assert (taken.code == Exit.DONE) is (days > 0)
    scene.bob.commit_file("src/a", "bob\n")
    theirs = at(scene.bob, days * DAY.total_seconds(), "land", session="bob", code=None)
    if days > 0:
        assert theirs.code == Exit.DONE
        lands_nothing(scene)
    else:
        assert theirs.code == Exit.DENIED
        scene.alice.commit_file("src/a", "more\n")
        scene.alice.claim("land")


# What is in everybody's way.


def test_the_root_can_be_claimed_and_broken_on_the_record(scene: Scene) -> None:
    scene.alice.claim("release", "--all")
    scene.plant("refs/claims/path", oid=scene.mallory.claim("path:."))
    scene.alice.claim("check", "docs", code=Exit.DENIED)
    scene.alice.claim("break", ".", "--reason", "it blocks everybody")
    assert "it blocks everybody" in scene.alice.git("for-each-ref", "--format=%(contents)", "refs/gitclaim/broken")
    assert outcome(scene.alice, "src") == "held"


# Work on what another holds.


def test_work_past_every_hook_is_found_by_ci(scene: Scene) -> None:
    """Also with the name of alice's claim in it: that is believed, here, and only here."""
    base = scene.bob.git("rev-parse", "HEAD")
    scene.bob.commit_file("src/a", "mallory\n")
    scene.bob.git("push", "--quiet", "--no-verify", "origin", "main")
    scene.alice.git("fetch", "--quiet")
    ran = scene.alice.claim("check", "--range", f"{base}..origin/main", session="ci", code=Exit.DENIED)
    assert "src/a lies within src, held by alice" in ran.stdout
    said = f"work\n\nClaim: {fields(scene.bob, scene.held)['Claim']}"
    scene.bob.git("commit", "--quiet", "--amend", "--no-verify", "-m", said)
    scene.bob.claim("check", "--range", f"{base}..HEAD", session="ci")
