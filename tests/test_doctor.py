"""The doctor names what is wrong and how to mend it, over two real clones."""

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from gitclaim.clock import SystemClock
from gitclaim.doctor import diagnose
from gitclaim.errors import UnreachableError
from gitclaim.githook import HUSKY_WAY, HookPlace
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
    clones.alice.claim("install")
    found = checks(clones.alice)
    assert {check["health"] for check in found} == {"ok"}
    assert {check["name"] for check in found} >= {"git", "registry", "keys", "hooks", "mirror"}
    assert {check["name"] for check in found} >= {"overlap", "reach", "writing"}
    assert clones.remote.refs("refs/claims") == {}


def hooks(repo: Repo, code: int = 0) -> list[tuple[str, str, str | None]]:
    """What the doctor says of a clone's hooks: how each check came out, what was found, what mends it."""
    found = checks(repo, "--offline", code=code)
    return [(check["health"], check["message"], check["mend"]) for check in found if check["name"] == "hooks"]


def mended(repo: Repo, mend: str) -> None:
    """Do what the doctor says, word by word, and ask again."""
    for line in mend.split(" && "):
        words = shlex.split(line)
        if words[0] == "gitclaim":
            repo.claim(*words[1:])
        else:
            subprocess.run(words, cwd=repo.path, check=True)
    assert [health for health, _, _ in hooks(repo)] == ["ok"]


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


def test_missing_hooks_are_found(alice: Repo) -> None:
    """All of them, or some."""
    where = alice.path / ".git/hooks"
    message = f"no hook of gitclaim's in {where}: git asks nobody before it commits or pushes"
    assert hooks(alice) == [("warning", message, "gitclaim install")]
    mended(alice, "gitclaim install")
    assert hooks(alice) == [("ok", f"git asks gitclaim before it commits and pushes ({where})", None)]
    alice.claim("uninstall", "--pre-push", "--commit-msg")
    assert hooks(alice) == [("warning", f"missing: commit-msg, pre-push in {where}", "gitclaim install")]
    mended(alice, "gitclaim install")


def test_a_hook_in_the_place_of_ours_is_found(alice: Repo) -> None:
    """Somebody's own, which is kept and run first once it is mended."""
    alice.claim("install", "--pre-commit")
    hook = alice.path / ".git/hooks/pre-push"
    hook.write_text("#!/bin/sh\n")
    found = hooks(alice)
    assert (found[-1][0], found[-1][1]) == ("warning", f"not gitclaim's: pre-push in {hook.parent}")
    mended(alice, found[-1][2] or "")


def test_a_hook_that_is_not_executable_is_a_failure(alice: Repo) -> None:
    """Git passes over it and says so once in a while; somebody believes to be guarded."""
    alice.claim("install")
    hook = alice.path / ".git/hooks/pre-push"
    hook.chmod(0o644)
    message = f"not executable, so git passes over it: pre-push in {hook.parent}"
    assert hooks(alice, code=1) == [("failure", message, "gitclaim install")]
    mended(alice, "gitclaim install")


def test_a_hook_of_another_gitclaim_is_found(alice: Repo) -> None:
    """An older text, or one that names another interpreter."""
    alice.claim("install")
    hook = alice.path / ".git/hooks/pre-commit"
    hook.write_text("#!/bin/sh\n# gitclaim hook, text 0. From before the first release.\n")
    message = f"another text than this gitclaim's: pre-commit in {hook.parent}"
    assert hooks(alice) == [("warning", message, "gitclaim install")]
    mended(alice, "gitclaim install")


@pytest.mark.parametrize("elsewhere", ["other", "/dev/null", ""])
@pytest.mark.parametrize("scope", ["local", "global"])
def test_hooks_that_the_configuration_leads_past_are_a_failure(alice: Repo, scope: str, elsewhere: str) -> None:
    """Ours lie where git looked once."""
    alice.claim("install")
    usual = alice.path / ".git/hooks"
    path = str(alice.path.parent / elsewhere) if elsewhere == "other" else elsewhere
    alice.git("config", f"--{scope}", "core.hooksPath", path)
    found = hooks(alice, code=1)
    back = {
        "local": "git config --local --unset-all core.hooksPath",
        "global": f"git config --local core.hooksPath {usual}",
    }[scope]
    if elsewhere == "other":
        install = {"local": "gitclaim install", "global": "gitclaim install --shared"}[scope]
        message = f"core.hooksPath leads git to {path}; gitclaim's hooks in {usual} never run"
        assert found[0] == ("failure", message, f"{back}, or {install}")
    else:
        message = f"core.hooksPath ({scope} configuration) turns git's hooks off: git asks nobody"
        assert found == [("failure", message, back)]
    mended(alice, back)


def test_hooks_that_lie_in_both_places_are_in_order(alice: Repo) -> None:
    """Those git runs are there; the others do no harm."""
    alice.claim("install")
    alice.git("config", "core.hooksPath", str(alice.path.parent / "other"))
    found = hooks(alice, code=1)
    mended(alice, (found[0][2] or "").partition(", or ")[2])


def test_hooks_in_a_linked_work_tree_of_its_own_are_found(alice: Repo, tmp_path: Path) -> None:
    """Git looks in the common directory."""
    alice.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "linked")
    linked = Repo(tmp_path / "linked", session="alice")
    alice.claim("install", "--pre-commit")
    private = Path(linked.git("rev-parse", "--absolute-git-dir"), "hooks")
    (alice.path / ".git/hooks").rename(private)
    found = hooks(linked)
    assert found[0] == (
        "warning",
        f"git does not look into {private}: linked work trees share their hooks",
        f"rm -r {private} && gitclaim install",
    )
    mended(linked, found[0][2] or "")


@pytest.mark.parametrize("manager", ["pre-commit", "lefthook", "husky"])
def test_hooks_that_a_manager_was_told_to_run_are_in_order(alice: Repo, manager: str) -> None:
    """They need no files of ours; until it is told, the doctor says who manages them."""
    directory = alice.path / {"husky": ".husky/_"}.get(manager, ".git/hooks")
    directory.mkdir(parents=True, exist_ok=True)
    mark = {"pre-commit": "# File generated by pre-commit: x", "lefthook": "call_lefthook run", "husky": "./h"}[manager]
    names = ("pre-commit", "pre-merge-commit", "prepare-commit-msg", "pre-push")
    for name in names:
        (directory / name).write_text(f"#!/bin/sh\n{mark}\n")
    if manager == "husky":
        alice.git("config", "core.hooksPath", ".husky/_")
    (found,) = hooks(alice)
    assert found[0] == "warning"
    assert found[1].endswith(f"; {manager} manages them")
    assert found[2] == (HUSKY_WAY if manager == "husky" else "gitclaim install")
    ids = ("gitclaim-commit", "gitclaim-message", "gitclaim-push")
    files = {
        "pre-commit": {".pre-commit-config.yaml": "".join(f"  - id: {one}\n" for one in ids)},
        "lefthook": {"lefthook.yml": "".join(f"      run: gitclaim-hook {name} {{0}}\n" for name in names)},
        "husky": {f".husky/{name}": HUSKY_WAY.partition(" line: ")[2] for name in names},
    }
    for name, text in files[manager].items():
        (alice.path / name).write_text(text)
    assert [health for health, _, _ in hooks(alice)] == ["ok"]


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
        hooks=(
            HookPlace(
                clones.alice.path, "", clones.alice.path, tracked=False, misplaced=None, shadowed=False, manager=None
            ),
            {},
        ),
        bare=False,
        headless="",
        exposed=(),
    )
    around = Surroundings(str(clones.alice.path), os.environ, interactive=False, clock=SystemClock(), nonce=os.urandom)
    found = diagnose(facts, unreachable, Workspace.open(around).beside_mirror(), offline=True)
    assert (found[0].name, found[0].health, found[0].mend) == ("git", Health.FAILURE, "install git 2.34 or newer")
    assert found[-1].message == "no registry here"
