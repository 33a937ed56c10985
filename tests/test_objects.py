"""Claim objects are sound for git's own checks, and signed with or without OpenSSH."""

import os
import shutil
from pathlib import Path

import pytest

from gitclaim import sshsig
from gitclaim.errors import GitclaimError
from tests.kit.repos import Clones, Repo


@pytest.fixture
def without_openssh(tmp_path: Path) -> dict[str, str]:
    """An environment whose path has git and a shell, and no OpenSSH."""
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    for name in ("git", "sh"):
        (bin_ / name).symlink_to(shutil.which(name) or name)
    return {"PATH": str(bin_)}


def signature(repo: Repo, env: dict[str, str] | None = None) -> str:
    """The verdict on the claim on `src`."""
    said: str = repo.claim("show", "src", "--json", "--offline", env=env).json["claims"][0]["signature"]
    return said


def test_git_fsck_finds_nothing_missing(clones: Clones) -> None:
    """The empty tree is stored with the claims, in the clone, in the registry and in other clones."""
    clones.alice.claim("take", "src", "task:1")
    clones.bob.claim("list")
    for repo in (clones.alice, clones.bob, clones.remote):
        assert "missing" not in repo.git("fsck", "--full")


@pytest.mark.parametrize("object_format", ["sha1", "sha256"])
def test_where_openssh_is_missing_claims_are_signed_all_the_same(
    tmp_path: Path, without_openssh: dict[str, str], object_format: str
) -> None:
    """git with OpenSSH says good; without it only who signed can tell, which is neither good nor bad."""
    repo = Repo(tmp_path / "repo", "alice")
    repo.path.mkdir()
    repo.git("init", "-q", f"--object-format={object_format}")
    repo.claim("take", "src", env=without_openssh)
    repo.claim("renew", env=without_openssh)
    assert signature(repo, without_openssh) == "good"
    shutil.rmtree(repo.path / ".git/gitclaim/verdicts")
    assert signature(repo, without_openssh) == "unknown"
    assert signature(repo) == "good"
    assert "missing" not in repo.git("fsck", "--full")
    # OpenSSH comes later and goes on with the same key.
    repo.claim("renew")
    assert signature(repo) == "good"


def test_without_openssh_others_are_still_kept_out(clones: Clones, without_openssh: dict[str, str]) -> None:
    """A claim whose signature nobody can check here excludes as a live one does."""
    clones.alice.claim("take", "src")
    clones.bob.claim("take", "src/a", env=without_openssh, code=3)


def test_the_user_s_own_key_is_left_to_the_user_s_programs(clones: Clones, without_openssh: dict[str, str]) -> None:
    """With a signing set-up that fails, nothing is signed by another key in its place."""
    clones.alice.git("config", "gpg.format", "ssh")
    clones.alice.git("config", "user.signingKey", os.devnull)
    assert "gitclaim.signing clone" in clones.alice.claim("take", "src", env=without_openssh, code=1).stderr
    assert clones.remote.refs("refs/claims") == {}


def test_a_key_that_is_none_is_an_error() -> None:
    """The file may have been damaged."""
    with pytest.raises(GitclaimError, match="signing key can't be read"):
        sshsig.sign("no key", b"data")
