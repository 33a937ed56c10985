"""What a killed git leaves locked comes free again, and nobody's fresh lock goes."""

import os
from pathlib import Path

import pytest

from gitclaim.refstore.contract import ABSENT, Refused, Swap, Swapped
from gitclaim.refstore.locks import ABANDONED_AFTER, directory_of, own_directory, remove_abandoned
from tests.kit.repos import Clones, Repo, make_clone, make_repo
from tests.kit.stores import commit, git_in, local_store, mirror_in, ref, remote_store

LOCKS = ["refs/claims/path/src.lock", "refs/claims/path.lock", "refs/gitclaim/broken/x.lock", "packed-refs.lock"]


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return make_repo(tmp_path / "repo")


def lock(directory: Path, name: str, *, age: float) -> Path:
    """A lock file as git makes it, that old."""
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    then = path.stat().st_mtime - age
    os.utime(path, (then, then))
    return path


@pytest.mark.parametrize("name", LOCKS)
def test_an_old_lock_goes(repo: Repo, name: str) -> None:
    path = lock(repo.path / ".git", name, age=ABANDONED_AFTER + 5)
    assert remove_abandoned(repo.path / ".git")
    assert not path.exists()
    assert not remove_abandoned(repo.path / ".git")


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_that_somebody_may_hold_stays(repo: Repo, name: str) -> None:
    path = lock(repo.path / ".git", name, age=ABANDONED_AFTER - 30)
    assert not remove_abandoned(repo.path / ".git")
    assert path.exists()


@pytest.mark.parametrize("name", ["refs/heads/main.lock", "index.lock", "config.lock", "HEAD.lock"])
def test_a_lock_that_keeps_no_claim_from_being_changed_is_none_of_ours(repo: Repo, name: str) -> None:
    path = lock(repo.path / ".git", name, age=10 * ABANDONED_AFTER)
    assert not remove_abandoned(repo.path / ".git")
    assert path.exists()


@pytest.mark.parametrize("name", ["refs/claims/path/src.lock", "packed-refs.lock"])
def test_the_repository_itself_comes_free(repo: Repo, name: str) -> None:
    store, oid = local_store(repo), commit(repo, "a claim")
    assert store.swap([Swap(ref("src"), ABSENT, oid)]) == Swapped()
    path = lock(repo.path / ".git", name, age=0)
    assert isinstance(store.swap([Swap(ref("src"), oid, ABSENT)]), Refused)
    lock(repo.path / ".git", name, age=ABANDONED_AFTER + 5)
    assert store.swap([Swap(ref("src"), oid, ABSENT)]) == Swapped()
    assert not path.exists()


@pytest.mark.parametrize("each", [False, True], ids=["swap", "swap_each"])
@pytest.mark.parametrize("name", ["refs/claims/path/src.lock", "packed-refs.lock"])
def test_a_remote_on_a_disk_of_this_machine_comes_free(clones: Clones, name: str, *, each: bool) -> None:
    store, oid = remote_store(clones.alice, clones.url), commit(clones.alice, "a claim")
    assert store.swap([Swap(ref("src"), ABSENT, oid)]) == Swapped()
    swap = Swap(ref("src"), oid, ABSENT)
    lock(clones.remote.path, name, age=0)
    assert isinstance(store.swap_each([swap])[swap.ref] if each else store.swap([swap]), Refused)
    lock(clones.remote.path, name, age=ABANDONED_AFTER + 5)
    assert (store.swap_each([swap])[swap.ref] if each else store.swap([swap])) == Swapped()
    assert not clones.remote.refs()


@pytest.mark.parametrize("name", ["refs/claims/path/src.lock", "packed-refs.lock"])
def test_a_mirror_comes_free(clones: Clones, name: str) -> None:
    mirror, oid = mirror_in(clones.alice, clones.url), commit(clones.remote, "a claim")
    clones.remote.git("update-ref", ref("src"), oid)
    mirror.sync()
    clones.remote.git("update-ref", "-d", ref("src"))
    lock(clones.alice.path / ".git", name, age=ABANDONED_AFTER + 5)
    mirror.sync()
    assert not clones.alice.refs()


def test_the_directory_of_a_remote_is_found_where_it_has_one(clones: Clones, tmp_path: Path) -> None:
    git = git_in(clones.alice)
    assert directory_of(git, "origin") == clones.remote.path
    assert directory_of(git, str(clones.remote.path)) == clones.remote.path
    assert directory_of(git, str(clones.bob.path)) == clones.bob.path / ".git"
    assert directory_of(git, "https://example.invalid/x.git") is None
    assert directory_of(git, "ssh://example.invalid/x.git") is None
    assert own_directory(git) == clones.alice.path / ".git"
    clones.alice.git("worktree", "add", "--quiet", tmp_path / "tree")
    assert own_directory(git_in(Repo(tmp_path / "tree"))) == clones.alice.path / ".git"


def test_a_remote_relative_to_the_clone_is_found(clones: Clones) -> None:
    clones.alice.git("remote", "add", "near", "../remote.git")
    place = directory_of(git_in(clones.alice), "near")
    assert place is not None
    assert place.resolve() == clones.remote.path


def test_a_directory_we_may_not_write_to_is_left(clones: Clones, tmp_path: Path) -> None:
    make_clone(clones.url, tmp_path / "carol", session="carol")
    assert not remove_abandoned(tmp_path / "nowhere")
