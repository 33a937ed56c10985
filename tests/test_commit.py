"""Commits through the installed hooks: what pre-commit leaves for prepare-commit-msg, and what amending takes back."""

from pathlib import Path

import pytest

from tests.kit.repos import Clones, Repo
from tests.test_push import hooked

NOTHING = Path(".git", "GITCLAIM_NOTHING")


@pytest.fixture
def bob(clones: Clones) -> Repo:
    bob = hooked(clones.bob)
    bob.git("config", "gitclaim.fresh", "0")
    return bob


def changed(repo: Repo, path: str, text: str) -> None:
    target = repo.path / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")
    repo.git("add", "--", path)


def trailers(repo: Repo) -> str:
    return repo.git("log", "-1", "--format=%(trailers:key=Claim,valueonly)").strip()


def without_python(repo: Repo, name: str) -> None:
    """From here on the hook can't do anything but pass: who started Python would be told that it is gone."""
    hook = repo.path / ".git" / "hooks" / name
    lines = ["python=/nowhere" if line.startswith("python=") else line for line in hook.read_text().splitlines()]
    hook.write_text("\n".join(lines) + "\n")


def test_where_nothing_of_the_session_s_is_touched_the_message_is_not_looked_at(bob: Repo) -> None:
    without_python(bob, "prepare-commit-msg")
    changed(bob, "a", "1")
    assert bob.try_git("commit", "-qm", "one").stderr == ""
    assert not (bob.path / NOTHING).exists(), "the word is used up"
    assert bob.try_git("commit", "-qm", "none", "--allow-empty").stderr == ""
    assert "gitclaim is gone" in bob.try_git("commit", "-qnm", "two", "--allow-empty").stderr, "nobody left word"


def test_a_word_left_for_another_git_counts_for_nothing(bob: Repo) -> None:
    """A commit that was given up leaves one behind; the next one is another process."""
    claim = bob.claim("take", "a", "--json").json["claim"]["id"]
    (bob.path / NOTHING).write_text("1\n")
    changed(bob, "a", "1")
    bob.git("commit", "-qnm", "one")
    assert trailers(bob) == claim


@pytest.mark.parametrize("partial", [(), ("-a",), ("--only", "a")])
def test_where_the_session_s_own_is_touched_the_message_names_it(bob: Repo, partial: tuple[str, ...]) -> None:
    changed(bob, "a", "0")
    changed(bob, "free", "0")
    bob.git("commit", "-qm", "start")
    claim = bob.claim("take", "a", "--json").json["claim"]["id"]
    changed(bob, "free", "1")
    bob.git("commit", "-qm", "free")
    assert trailers(bob) == ""
    changed(bob, "a", "1")
    bob.git("commit", "-qm", "mine", *partial)
    assert trailers(bob) == claim


def test_in_a_linked_work_tree_each_has_its_own_word(bob: Repo, tmp_path: Path) -> None:
    bob.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "side"))
    side = Repo(tmp_path / "side", session="side", env={**bob.env, "GITCLAIM_SESSION": "side"})
    without_python(bob, "prepare-commit-msg")
    changed(side, "b", "1")
    assert side.try_git("commit", "-qm", "one").stderr == ""
    assert not (bob.path / NOTHING).exists()


def test_a_path_can_be_taken_out_of_a_commit_that_was_not_pushed(clones: Clones, bob: Repo) -> None:
    """As pre-push advises; it judges what comes of it."""
    clones.alice.claim("take", "src")
    changed(bob, "src/a", "1")
    changed(bob, "docs", "1")
    bob.git("commit", "-qnm", "both")
    assert bob.try_git("push", "-q", "origin", "HEAD:main").code != 0
    bob.git("rm", "-q", "--cached", "src/a")
    bob.git("commit", "-q", "--amend", "-m", "docs only")
    bob.git("push", "-q", "origin", "HEAD:main")


def test_what_takes_back_a_commit_that_was_pushed_is_stopped(clones: Clones, bob: Repo) -> None:
    """Alice's landed work is not bob's to revert."""
    clones.alice.commit_file("src/a", "1")
    clones.alice.git("push", "-q", "origin", "HEAD:main")
    clones.alice.claim("take", "src")
    bob.git("pull", "-q", "origin", "main")
    bob.git("fetch", "-q", "origin")
    bob.git("rm", "-q", "src/a")
    assert "src/a lies within src, held by alice" in bob.try_git("commit", "-qm", "revert").stderr


def test_what_does_more_than_to_take_back_is_stopped(clones: Clones, bob: Repo) -> None:
    clones.alice.claim("take", "src")
    changed(bob, "src/a", "1")
    bob.git("commit", "-qnm", "work")
    changed(bob, "src/a", "2")
    assert "held by alice" in bob.try_git("commit", "-q", "--amend", "--no-edit").stderr
