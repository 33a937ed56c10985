"""The doctor names what is wrong and how to mend it, over two real clones."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from gitclaim.clock import SystemClock
from gitclaim.doctor import diagnose
from gitclaim.errors import UnreachableError
from gitclaim.health import Facts, Health
from gitclaim.registry import Registry
from gitclaim.workspace import Surroundings, Workspace
from tests.kit.repos import Clones, Repo, make_repo


def checks(repo: Repo, *args: str, code: int = 0) -> list[dict[str, Any]]:
    """What the doctor says of a clone."""
    said = repo.claim("doctor", "--json", *args, code=code).json
    assert said["outcome"] == ("healthy" if code == 0 else "sick")
    found: list[dict[str, Any]] = said["checks"]
    return found


def named(found: list[dict[str, Any]], name: str, health: str) -> list[str]:
    """The messages of the checks of that name that came out so."""
    return [check["message"] for check in found if check["name"] == name and check["health"] == health]


def test_a_sound_clone_is_healthy_and_nothing_stays_behind(clones: Clones) -> None:
    """The probe claim is released, and no check complains."""
    found = checks(clones.alice)
    assert {check["health"] for check in found} == {"ok"}
    assert {check["name"] for check in found} >= {"git", "registry", "keys", "mirror", "overlap", "reach", "writing"}
    assert clones.remote.refs("refs/claims") == {}


def test_text_tells_the_mend_below_the_finding(clones: Clones) -> None:
    """A person reads what to type."""
    clones.alice.claim("take", "a")
    key = clones.alice.path / ".git/gitclaim/key"
    key.chmod(0o644)
    said = clones.alice.claim("doctor", "--offline", code=1).stdout
    assert "failure  keys" in said
    assert f"mend: chmod 600 {key}" in said


@pytest.mark.parametrize(("name", "mode"), [("key", 0o640), ("", 0o755), ("verdicts", 0o777)])
def test_files_others_can_read_are_found(clones: Clones, name: str, mode: int) -> None:
    """Keys sign and verdicts are believed: both are their owner's alone."""
    clones.alice.claim("take", "a")
    clones.bob.claim("take", "a", code=3)
    clones.bob.claim("take", "b")
    path = clones.bob.path / ".git/gitclaim" / name
    path.chmod(mode)
    assert named(checks(clones.bob, "--offline", code=1), "keys", "failure") == [f"{path} has mode {mode:o}"]


def test_a_key_behind_a_symbolic_link_is_found(clones: Clones, tmp_path: Path) -> None:
    """A link leads the key elsewhere."""
    clones.alice.claim("take", "a")
    key = clones.alice.path / ".git/gitclaim/key"
    key.rename(tmp_path / "key")
    key.symlink_to(tmp_path / "key")
    assert named(checks(clones.alice, "--offline", code=1), "keys", "failure") == [f"{key} is a symbolic link"]


def test_a_repository_without_remote_is_told_that_nobody_else_sees_its_claims(tmp_path: Path) -> None:
    """No registry but the repository itself is a warning, not a failure."""
    repo = make_repo(tmp_path / "lonely")
    assert named(checks(repo), "registry", "warning")
    assert repo.refs("refs/claims") == {}


def test_a_registry_that_is_gone_is_a_failure(clones: Clones) -> None:
    """The remote's disk was unmounted."""
    clones.remote.path.rename(clones.remote.path.with_name("elsewhere"))
    assert named(checks(clones.alice, code=1), "reach", "failure")
    assert not named(checks(clones.alice, "--offline"), "reach", "failure")


def test_a_clone_that_may_not_push_is_a_failure(clones: Clones) -> None:
    """A server that refuses everything is quoted."""
    hook = clones.remote.path / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho 'read-only token' >&2\nexit 1\n")
    hook.chmod(0o755)
    (message,) = named(checks(clones.alice, code=1), "writing", "failure")
    assert "read-only token" in message


def test_a_server_without_atomic_pushes_is_a_warning(clones: Clones) -> None:
    """Claims on one resource work there."""
    clones.remote.git("config", "receive.advertiseAtomic", "false")
    (message,) = named(checks(clones.alice), "writing", "warning")
    assert "atomic" in message
    assert clones.remote.refs("refs/claims") == {}


def test_foreign_objects_and_strays_are_found(clones: Clones) -> None:
    """A blob is malformed; a claim with one of its refs gone is void, once it is old."""
    blob = clones.alice.git("hash-object", "-w", "--stdin", input="hello").strip()
    clones.alice.git("push", "-q", "origin", f"{blob}:refs/claims/path/blob")
    (message,) = named(checks(clones.bob), "claims", "warning")
    assert message == "no claim stands at refs/claims/path/blob"


def test_a_ref_that_keeps_every_claim_out_is_found(clones: Clones) -> None:
    """`refs/claims` itself is no directory then; git's server takes no such push ("funny ref"), others may."""
    clones.alice.commit_file("a", "a")
    clones.alice.git("push", "-q", "origin", "HEAD")
    clones.remote.git("update-ref", "refs/claims", clones.alice.git("rev-parse", "HEAD").strip())
    assert "a ref named refs/claims keeps every claim out" in named(checks(clones.bob, code=1), "overlap", "failure")


def test_refs_above_one_another_are_found(clones: Clones) -> None:
    """A server that packed `a` and `a/b` together no longer excludes anything."""
    clones.alice.commit_file("a", "a")
    clones.alice.git("push", "-q", "origin", "HEAD")
    oid = clones.alice.git("rev-parse", "HEAD").strip()
    packed = clones.remote.path / "packed-refs"
    refs = "".join(f"{oid} refs/claims/path/{name}\n" for name in ("a", "a/b"))
    packed.write_text(f"# pack-refs with: peeled fully-peeled sorted \n{refs}")
    (message,) = named(checks(clones.bob, code=1), "overlap", "failure")
    assert message.startswith("refs/claims/path/a and refs/claims/path/a/b both exist")


def test_an_old_mirror_is_a_warning(clones: Clones) -> None:
    """The age is told, and what brings it up to date."""
    clones.alice.claim("list")
    path = clones.alice.path / ".git/gitclaim/mirror.json"
    noted = json.loads(path.read_text())
    path.write_text(json.dumps({**noted, "synced": "2020-01-01T00:00:00+00:00"}))
    (message,) = named(checks(clones.alice, "--offline"), "mirror", "warning")
    assert message.startswith("the mirror was")


def test_a_remote_that_pushes_elsewhere_is_told_about(clones: Clones) -> None:
    """Claims are read where they are written; a person should know where that is."""
    clones.alice.git("config", "remote.origin.pushurl", str(clones.remote.path))
    (message,) = named(checks(clones.alice), "registry", "warning")
    assert str(clones.remote.path) in message


def test_an_old_git_is_a_failure(clones: Clones) -> None:
    """The version and the way out stand in the check."""

    def unreachable() -> Registry:
        raise UnreachableError("no registry here")

    facts = Facts(
        "2.30.2",
        git_suffices=False,
        registry="r",
        chosen="",
        embedded=False,
        remotes=(),
        note="",
        hooks=None,
        exposed=(),
    )
    around = Surroundings(str(clones.alice.path), os.environ, interactive=False, clock=SystemClock(), nonce=os.urandom)
    found = diagnose(facts, unreachable, Workspace.open(around).beside_mirror(), offline=True)
    assert (found[0].name, found[0].health, found[0].mend) == ("git", Health.FAILURE, "install git 2.34 or newer")
    assert found[-1].message == "no registry here"
