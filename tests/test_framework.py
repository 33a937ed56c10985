"""Under the pre-commit framework itself: this repository named in a configuration, real commits and pushes, offline."""

import os
import shutil
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Final

import pytest

from tests.kit.repos import ROOT, Clones, Ran, Repo, make_bare, make_clone, make_repo, run
from tests.kit.sealed import sealed_env

pytest.importorskip("pre_commit", reason="pre-commit is not installed")
pytest.importorskip("hatchling", reason="hatchling, which builds the environment offline, is not installed")
requirements = pytest.importorskip("packaging.requirements", reason="packaging comes with hatchling")

STAGES: Final = ("pre-commit", "pre-merge-commit", "prepare-commit-msg", "commit-msg", "pre-push")
BUILT_WITHIN: Final = 120.0


def link_installed(directory: Path, names: list[str]) -> None:
    """Put packages that are installed here, with all they need, into a directory; nothing else of this environment."""
    directory.mkdir()
    seen: set[str] = set()
    while names:
        dist = metadata.distribution(names.pop())
        if dist.metadata["Name"] in seen:
            continue
        seen.add(dist.metadata["Name"])
        for top in {file.parts[0] for file in dist.files or []} - {"..", "__pycache__"}:
            (directory / top).symlink_to(str(dist.locate_file(top)))
        for line in dist.requires or []:
            needed = requirements.Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                names.append(needed.name)


@pytest.fixture(scope="module")
def framework(tmp_path_factory: pytest.TempPathFactory) -> tuple[Mapping[str, str], str]:
    """The environment in which pre-commit has built ours, without a network; and a configuration that names it."""
    root = tmp_path_factory.mktemp("framework")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = [*project["build-system"]["requires"], *project["project"]["dependencies"]]
    link_installed(root / "installed", [requirements.Requirement(line).name for line in needed])
    env = {
        "PRE_COMMIT_HOME": str(root / "home"),
        # What is linked counts as installed, in every environment.
        "PYTHONPATH": str(root / "installed"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INDEX": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # sic: of a "no" option, pip reads the value for what it negates
        "VIRTUALENV_NO_DOWNLOAD": "1",
        "VIRTUALENV_NO_PERIODIC_UPDATE": "1",
    }
    sealed = {**sealed_env(root / "user"), **env}
    # The files as they are, committed or not.
    snapshot = root / "gitclaim"
    unwanted = shutil.ignore_patterns("__pycache__", ".*")
    for name in ("gitclaim", "hooks"):
        shutil.copytree(ROOT / name, snapshot / name, ignore=unwanted)
    for name in ("pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml"):
        shutil.copy2(ROOT / name, snapshot / name)
    for words in (["init", "--quiet"], ["add", "--all"], ["commit", "--quiet", "--message", "snapshot"]):
        run("git", *words, cwd=snapshot, env=sealed)
    rev = run("git", "rev-parse", "HEAD", cwd=snapshot, env=sealed).stdout.strip()
    ids = "".join(f"  - id: gitclaim-{name}\n" for name in ("commit", "message", "unwritten", "push"))
    config = f"repos:\n- repo: {snapshot}\n  rev: {rev}\n  hooks:\n{ids}"
    (root / "config.yaml").write_text(config, encoding="utf-8")
    build = ("-m", "pre_commit", "install-hooks", "--config", root / "config.yaml")
    run(sys.executable, *build, cwd=snapshot, env=sealed, timeout=BUILT_WITHIN)
    return env, config


def using(repo: Repo, framework: tuple[Mapping[str, str], str]) -> Repo:
    """The repository with pre-commit's hooks, which git starts for this session."""
    env, config = framework
    (repo.path / ".pre-commit-config.yaml").write_text(config, encoding="utf-8")
    repo = replace(repo, env={**repo.env, **env, "GITCLAIM_SESSION": repo.session})
    types = [word for stage in STAGES for word in ("--hook-type", stage)]
    run(sys.executable, "-m", "pre_commit", "install", *types, cwd=repo.path, env={**os.environ, **repo.env})
    repo.git("config", "gitclaim.fresh", "0")
    repo.git("add", ".pre-commit-config.yaml")
    repo.git("commit", "--quiet", "--no-verify", "--message", "use pre-commit")
    return repo


@pytest.fixture
def alice(clones: Clones, framework: tuple[Mapping[str, str], str]) -> Repo:
    """A clone whose hooks are pre-commit's."""
    return using(clones.alice, framework)


def change(repo: Repo, name: str) -> None:
    """Change and stage one file."""
    with (repo.path / name).open("a", encoding="utf-8") as file:
        file.write("more\n")
    repo.git("add", "--", name)


def commit(repo: Repo, name: str, *args: str) -> Ran:
    """Try to commit a change of one file."""
    change(repo, name)
    return repo.try_git("commit", "--quiet", "--message", f"change {name}", *args)


def assert_blocked(ran: Ran) -> None:
    """The framework shows what ours said, once."""
    assert ran.code == 1
    # Git sends what the hooks of a commit say to standard error, and leaves the others alone.
    said = ran.stdout + ran.stderr
    assert said.count("blocked: held is held by bob") == 1
    assert "  ways out  " in said
    assert "Traceback" not in said


def test_the_manifest_is_what_pre_commit_expects() -> None:
    run(sys.executable, "-m", "pre_commit", "validate-manifest", ".pre-commit-hooks.yaml", cwd=ROOT, env=os.environ)


def test_a_commit_on_what_another_session_holds_is_stopped(clones: Clones, alice: Repo, tmp_path: Path) -> None:
    """Other commits go on; the message names the claim they fall under; a linked work tree is no way round."""
    clones.bob.claim("take", "held")
    claim = alice.claim("take", "mine", "--json").json["claim"]["id"]
    assert_blocked(commit(alice, "held"))
    alice.git("reset", "--quiet")
    assert commit(alice, "mine").code == 0
    assert alice.git("log", "-1", "--format=%B") == f"change mine\n\nClaim: {claim}"
    alice.git("worktree", "add", "--quiet", "-b", "linked", tmp_path / "linked")
    assert_blocked(commit(replace(alice, path=tmp_path / "linked"), "held"))


@pytest.mark.torture
def test_a_message_nobody_wrote_stops_the_commit(alice: Repo) -> None:
    """Though it names a claim; what looks like a comment is a word where no editor was used."""
    alice.claim("take", "mine")
    change(alice, "mine")
    unwritten = alice.try_git("commit", "--quiet", env={"GIT_EDITOR": "true"})
    assert unwritten.code == 1
    assert unwritten.stderr.endswith("Aborting commit due to empty commit message.\n")
    assert commit(alice, "mine").code == 0
    change(alice, "mine")
    assert alice.try_git("commit", "--quiet", "--message", "#42 mend it").code == 0


@pytest.mark.torture
def test_the_index_git_hands_over_is_the_one_that_counts(clones: Clones, alice: Repo) -> None:
    """`commit PATH` and `commit --all` commit from an index of their own."""
    for name in ("held", "free"):
        alice.commit_file(name)
        (alice.path / name).write_text("more\n")
    clones.bob.claim("take", "held")
    assert_blocked(alice.try_git("commit", "--quiet", "--all", "--message", "both"))
    assert alice.try_git("commit", "--quiet", "--message", "one", "--", "free").code == 0
    assert_blocked(alice.try_git("commit", "--quiet", "--message", "the other", "--", "held"))


def test_a_merge_git_makes_by_itself_is_known_for_one(clones: Clones, alice: Repo) -> None:
    """What it brings together is not touched, and what it throws away is."""
    alice.git("branch", "bobs")
    alice.git("checkout", "--quiet", "bobs")
    alice.commit_file("held", "bob's work")
    alice.git("checkout", "--quiet", "main")
    alice.commit_file("other")
    clones.bob.claim("take", "held")
    assert_blocked(alice.try_git("merge", "--quiet", "--no-edit", "--strategy", "ours", "bobs"))
    alice.git("reset", "--quiet", "--hard")
    merged = alice.try_git("merge", "--quiet", "--no-edit", "bobs")
    assert merged.code == 0, merged
    assert alice.git("log", "-1", "--format=%P").count(" ") == 1


def test_a_push_of_what_another_session_holds_is_stopped(clones: Clones, alice: Repo) -> None:
    """To a branch the remote has, and to a new one; without the claim it goes on."""
    assert alice.try_git("push", "--quiet", "origin", "HEAD:main").code == 0
    clones.bob.claim("take", "held")
    assert commit(alice, "held", "--no-verify").code == 0
    for target in ("main", "refs/heads/new"):
        assert_blocked(alice.try_git("push", "--quiet", "origin", f"HEAD:{target}"))
    clones.bob.claim("release", "held")
    assert alice.try_git("push", "--quiet", "origin", "HEAD:main").code == 0


@pytest.mark.torture
def test_a_branch_nobody_guards_vouches_for_nothing(clones: Clones, alice: Repo) -> None:
    """The framework takes what any branch of the remote has for known there."""
    alice.commit_file(".gitclaim.yaml", "guard: [main]\n")
    assert alice.try_git("push", "--quiet", "origin", "HEAD:main").code == 0
    alice.commit_file("held")
    assert alice.try_git("push", "--quiet", "origin", "HEAD:draft").code == 0
    clones.bob.claim("take", "held")
    assert commit(alice, "free").code == 0
    clones.remote.git("update-ref", "-d", "refs/heads/main")
    alice.git("fetch", "--quiet", "--prune")
    assert_blocked(alice.try_git("push", "--quiet", "origin", "HEAD:refs/heads/main"))


@pytest.mark.parametrize("pushed", ["HEAD", "v1"])
def test_a_first_push_is_looked_at(tmp_path: Path, framework: tuple[Mapping[str, str], str], pushed: str) -> None:
    """Of a whole history the framework names no commits, but only what git was told to push."""
    remote = make_bare(tmp_path / "remote.git")
    bob = make_clone(str(remote.path), tmp_path / "bob", session="bob")
    alice = using(make_repo(tmp_path / "alice", session="alice"), framework)
    alice.git("remote", "add", "origin", str(remote.path))
    bob.claim("take", "held")
    assert commit(alice, "held", "--no-verify").code == 0
    alice.git("tag", "--annotate", "--message", "a tag", "v1")
    assert_blocked(alice.try_git("push", "--quiet", "origin", f"{pushed}:refs/heads/{pushed}"))
    bob.claim("release", "held")
    assert alice.try_git("push", "--quiet", "origin", f"+HEAD:refs/heads/{pushed}").code == 0


def test_run_by_hand_the_push_hook_says_what_it_is_for(alice: Repo) -> None:
    """`pre-commit run --hook-stage pre-push` pushes nothing."""
    argv = (sys.executable, "-m", "pre_commit", "run", "--hook-stage", "pre-push")
    ran = run(*argv, cwd=alice.path, env={**os.environ, **alice.env}, code=1)
    assert "gitclaim pre-push: pre-commit does not say what is pushed where\nhint: its stage pre-push is" in ran.stdout
