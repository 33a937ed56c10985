"""The corpus: every operation on every kind of path below every kind of claim, with git and the hooks as they are."""

from itertools import product
from pathlib import Path
from typing import Final
from unittest.mock import patch

import pytest

from tests.kit.corpus import (
    IMPOSSIBLE,
    KINDS,
    OPERATIONS,
    UNHOOKED,
    Kind,
    Spot,
    Standing,
    Trial,
    World,
    blames,
    expected,
    template,
)
from tests.kit.repos import Repo
from tests.kit.sealed import sealed_env


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("corpus")
    with patch.dict("os.environ", sealed_env(root / "home"), clear=True):
        return template(root / "world")


@pytest.fixture
def world(made: World, tmp_path: Path) -> World:
    """A world of the test's own, in which alice's live claims stand."""
    return made.copied(tmp_path / "world")


def test_the_table_leaves_nothing_out() -> None:
    assert {*expected(), *IMPOSSIBLE} == set(product(OPERATIONS, Kind, Standing))
    assert not expected().keys() & IMPOSSIBLE.keys()
    assert all(IMPOSSIBLE.values())


ALL: Final = [pytest.param(name, KINDS, marks=pytest.mark.torture) for name in OPERATIONS]
# Every second operation, and one kind of path by itself for each: all in turn.
SOME: Final = [(name, (KINDS[number % len(KINDS)],)) for number, name in enumerate([*OPERATIONS][::2])]


@pytest.mark.parametrize(("name", "apart"), [*SOME, *ALL])
def test_an_operation_is_stopped_where_the_table_says_and_nowhere_else(
    world: World, name: str, apart: tuple[Kind, ...]
) -> None:
    cells = {key: outcome for key, outcome in expected().items() if key[0] == name and key[1] in KINDS}
    assert Trial(world, OPERATIONS[name], name, apart).run() == cells


MINE = Spot(Kind.PLAIN, Standing.OWN).path
HERS = Spot(Kind.PLAIN, Standing.LIVE).path


def at(world: World, base: str, *, ahead: bool = False) -> Repo:
    """Bob, on a branch of his own; `ahead` by a commit that touches no claim."""
    bob = world.bob
    bob.git("checkout", "--quiet", "-B", "work", f"origin/{base}")
    if ahead:
        bob.commit_file("mine.txt", "mine")
    return bob


def claims(repo: Repo, commit: str = "HEAD") -> list[str]:
    """The claims a commit names."""
    shown = repo.git("-c", "trailer.separators=:", "log", "-1", "--format=%(trailers:key=Claim,valueonly)", commit)
    return shown.split()


def change(repo: Repo, path: str, text: str = "changed\n") -> None:
    (repo.path / path).write_text(text, encoding="utf-8")
    repo.git("add", path)


@pytest.mark.parametrize("how", ["--no-rebase", "--rebase", "--ff-only"])
def test_who_pulls_what_landed_is_not_blamed_for_it(world: World, how: str) -> None:
    """All that comes with it lies under live claims of alice's."""
    bob = at(world, "files", ahead=how != "--ff-only")
    bob.git("pull", "--quiet", "--no-edit", how, "origin", "theirs")
    assert bob.git("show", f"HEAD:{HERS}").startswith("theirs")
    assert claims(bob) == []
    bob.git("push", "--quiet", "origin", "HEAD:refs/heads/landing")


def test_a_merge_that_git_made_just_so_blames_nobody(world: World) -> None:
    """Both sides changed the file, one of them everything that the other did: that is no work thrown away."""
    bob = at(world, "files")
    text = (bob.path / HERS).read_text()
    for branch, changed in (("some", text.replace("base", "some")), ("more", f"{text.replace('base', 'some')}more\n")):
        bob.git("checkout", "--quiet", "-B", branch, "origin/files")
        change(bob, HERS, changed)
        bob.git(*UNHOOKED, "commit", "--quiet", "--message", branch)
        bob.git("push", "--quiet", "--no-verify", "origin", branch)
    for here, there in (("some", "more"), ("more", "some")):
        bob.git("checkout", "--quiet", "--detach", f"origin/{here}")
        bob.git("merge", "--quiet", "--no-edit", f"origin/{there}")
        assert bob.git("rev-parse", f"HEAD:{HERS}") == bob.git("rev-parse", f"more:{HERS}")
        bob.git("push", "--quiet", "origin", f"HEAD:refs/heads/{here}-{there}")


def test_landed_work_is_not_dropped_by_a_merge_under_any_hook(world: World) -> None:
    """`-s ours`: by git itself, by hand once it was stopped, and by a push once no hook was asked."""
    bob = at(world, "files", ahead=True)
    before = bob.git("rev-parse", "HEAD")
    assert blames(bob.try_git("merge", "--no-edit", "-s", "ours", "origin/theirs"))
    stopped = bob.try_git("commit", "--no-edit")
    assert blames(stopped)
    assert HERS in stopped.stderr
    assert bob.git("rev-parse", "HEAD") == before
    bob.git("commit", "--no-edit", "--quiet", "--no-verify")
    pushed = bob.try_git("push", "origin", "HEAD:refs/heads/landing")
    assert blames(pushed)
    assert f"commit {bob.git('rev-parse', '--short=12', 'HEAD')}:" in pushed.stderr
    assert "landing" not in bob.git("ls-remote", "origin")
    world.stand()
    bob.git("push", "--quiet", "origin", "HEAD:refs/heads/landing")


def test_work_that_names_its_claim_is_its_holder_s_whoever_brings_it(world: World) -> None:
    """A commit with the trailer of the live claim, and no other commit beside it."""
    bob = at(world, "files")
    for message in (f"hers\n\nClaim: {world.ids[Kind.PLAIN]}", "nobody's"):
        change(bob, HERS, message)
        bob.git(*UNHOOKED, "commit", "--quiet", "--message", message)
        pushed = bob.try_git("push", "--quiet", "origin", "HEAD:refs/heads/landing")
        assert blames(pushed) if message == "nobody's" else not pushed.code


def test_a_commit_names_the_claim_it_falls_under_once(world: World) -> None:
    """With and without hooks that could stop it, and when it is amended; what falls under none names none."""
    bob = at(world, "files")
    for options in ([], ["--no-verify"], ["--amend", "--no-edit"], ["--amend", "--message", "other words"]):
        change(bob, MINE, f"{options}\n")
        bob.git("commit", "--quiet", *([] if "--amend" in options else ["--message", "work"]), *options)
        assert claims(bob) == [world.own]
    change(bob, "free.txt")
    bob.git("commit", "--quiet", "--message", "free")
    assert claims(bob) == []


def test_a_merge_of_others_work_names_no_claim(world: World) -> None:
    """Though what they landed lies under one of bob's own; what he changes of it by hand does name it."""
    bob = at(world, "files", ahead=True)
    bob.git("merge", "--quiet", "--no-edit", "origin/theirs")
    assert bob.git("show", f"HEAD:{MINE}").startswith("theirs")
    assert claims(bob) == []
    bob.git("reset", "--quiet", "--hard", "HEAD^")
    bob.git("merge", "--quiet", "--no-commit", "origin/theirs")
    change(bob, MINE)
    bob.git("commit", "--quiet", "--no-edit")
    assert claims(bob) == [world.own]


@pytest.mark.parametrize("options", [[], ["--verbose"], ["--cleanup=scissors"], ["--no-verify"]])
def test_an_editor_is_asked_as_without_gitclaim(world: World, options: list[str]) -> None:
    """A message nobody wrote ends the commit; one that somebody wrote is kept, and names the claim."""
    bob = at(world, "files")
    before = bob.git("rev-parse", "HEAD")
    change(bob, MINE)
    if "--no-verify" not in options:
        stopped = bob.try_git("commit", *options, env={"GIT_EDITOR": "true"})
        assert (stopped.code, bob.git("rev-parse", "HEAD")) == (1, before)
        assert "empty commit message" in stopped.stderr
    bob.git("commit", "--quiet", *options, env={"GIT_EDITOR": "sed -i.bak -e '1s/^/Subject/'"})
    assert bob.git("log", "-1", "--format=%B").rstrip("\n") == f"Subject\n\nClaim: {world.own}"


def test_an_empty_message_ends_a_commit(world: World) -> None:
    bob = at(world, "files")
    change(bob, MINE)
    stopped = bob.try_git("commit", "--message", "")
    assert (stopped.code, "empty commit message" in stopped.stderr) == (1, True)


def test_a_claim_that_is_just_being_written_stops_nobody(world: World) -> None:
    """Half of it stands in the registry: it may still fail, and is nobody's yet."""
    bob = at(world, "files")
    bob.claim("take", "path:first", "path:second", session="alice")
    world.remote.git("update-ref", "-d", "refs/claims/path/second")
    change(bob, "first")
    bob.git("commit", "--quiet", "--message", "work")
    bob.git("push", "--quiet", "origin", "HEAD:refs/heads/landing")


def test_a_tag_is_a_push_like_any_other(world: World) -> None:
    bob = at(world, "files")
    change(bob, HERS)
    bob.git("commit", "--quiet", "--no-verify", "--message", "work")
    bob.git("tag", "--annotate", "--message", "v1", "v1")
    assert blames(bob.try_git("push", "origin", "v1"))


def test_a_branch_may_be_deleted_whatever_lies_in_it(world: World) -> None:
    world.bob.git("push", "--quiet", "origin", ":theirs")
    assert "refs/heads/theirs" not in world.remote.refs("refs/heads")


def test_a_linked_work_tree_has_the_same_walls(world: World) -> None:
    world.bob.git("worktree", "add", "--quiet", "--detach", world.root / "linked", "origin/files")
    linked = Repo(world.root / "linked", "bob", world.bob.env)
    change(linked, HERS)
    assert blames(linked.try_git("commit", "--message", "work"))
    linked.git("commit", "--quiet", "--no-verify", "--message", "work")
    assert blames(linked.try_git("push", "origin", "HEAD:refs/heads/landing"))


def test_what_landed_where_this_clone_does_not_look_is_not_the_push_s(world: World) -> None:
    """A clone of a single branch: no tracking ref says that alice's branch is on the remote already."""
    bob = at(world, "files", ahead=True)
    bob.git("config", "remote.origin.fetch", "+refs/heads/files:refs/remotes/origin/files")
    for ref in bob.refs("refs/remotes/origin"):
        if not ref.endswith("/files"):
            bob.git("update-ref", "-d", ref)
    bob.git("pull", "--quiet", "--no-edit", "--no-rebase", "origin", "theirs")
    bob.git("push", "--quiet", "origin", "HEAD:refs/heads/landing")
    change(bob, HERS)
    bob.git("commit", "--quiet", "--no-verify", "--message", "work")
    assert blames(bob.try_git("push", "origin", "HEAD:refs/heads/landing"))


def test_the_side_its_holder_chose_is_the_holder_s_work(world: World) -> None:
    """Of what the merge does otherwise than both sides there is nothing; what it throws away lies under bob's claim."""
    world.stand()
    bob = at(world, "left")
    bob.try_git("merge", "--quiet", "origin/right")
    bob.git("checkout", "HEAD", ".")
    bob.git("commit", "--quiet", "--no-edit")
    assert claims(bob) == [world.own]
    bob.git("push", "--quiet", "origin", "HEAD:refs/heads/landing", env={"GITCLAIM_SESSION": "carol"})
