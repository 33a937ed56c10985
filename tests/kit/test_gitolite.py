"""The gitolite that other tests stand on is the real one: it knows who pushes, and asks its hooks."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kit.gitolite import ADMIN, ANY_REF, Gitolite, serving_gitolite
from tests.kit.repos import Repo, make_clone

# Gitolite starts Perl for each ref. That the wall stands there the suite tells (tests/test_server.py).
pytestmark = pytest.mark.torture

REFUSED = "invalid characters in ref or filename"


@pytest.fixture(scope="module")
def gitolite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gitolite]:
    with serving_gitolite(tmp_path_factory.mktemp("server")) as gitolite:
        yield gitolite


@pytest.fixture
def bare(gitolite: Gitolite, request: pytest.FixtureRequest) -> Repo:
    return gitolite.create(request.node.name)


def clone(gitolite: Gitolite, bare: Repo, path: Path, user: str) -> Repo:
    return make_clone(gitolite.url(bare.path.stem), path / user, session=user, env=gitolite.env(user))


def write_hook(path: Path, script: str) -> None:
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)


def read_env(path: Path) -> dict[str, str]:
    return dict(line.partition("=")[::2] for line in path.read_text(encoding="utf-8").splitlines())


def test_both_users_clone_and_push(gitolite: Gitolite, bare: Repo, tmp_path: Path) -> None:
    alice, bob = (clone(gitolite, bare, tmp_path, user) for user in ("alice", "bob"))
    commits = {f"refs/heads/{repo.session}": repo.commit_file(repo.session) for repo in (alice, bob)}

    for repo in (alice, bob):
        repo.git("push", "origin", f"HEAD:refs/heads/{repo.session}")

    assert commits.items() <= bare.refs("refs/heads").items()


def test_refs_outside_heads_are_created_moved_and_deleted(gitolite: Gitolite, bare: Repo, tmp_path: Path) -> None:
    alice = clone(gitolite, bare, tmp_path, "alice")
    refs = ("refs/claims/path/src", "refs/gitclaim/released/x")
    first, unrelated = (alice.empty_commit(words) for words in ("first", "unrelated"))

    alice.git("push", "--atomic", "origin", *(f"{first}:{ref}" for ref in refs))
    assert bare.refs("refs/claims") | bare.refs("refs/gitclaim") == dict.fromkeys(refs, first)
    alice.git("push", "--force", "origin", f"{unrelated}:{refs[0]}")
    assert bare.refs("refs/claims") == {refs[0]: unrelated}
    alice.git("push", "--atomic", "origin", *(f":{ref}" for ref in refs))
    assert bare.refs("refs/claims") | bare.refs("refs/gitclaim") == {}


def test_pre_receive_learns_who_pushes(gitolite: Gitolite, bare: Repo, tmp_path: Path) -> None:
    write_hook(bare.path / "hooks" / "pre-receive", f"touch '{tmp_path}'/by-$GL_USER; env >'{tmp_path}/env'")

    for user in ("alice", "bob"):
        repo = clone(gitolite, bare, tmp_path, user)
        repo.git("push", "origin", f"{repo.empty_commit(user)}:refs/heads/{user}")
        assert (tmp_path / f"by-{user}").exists()

        env = read_env(tmp_path / "env")
        assert (env["GL_USER"], env["GL_REPO"], env["HOME"]) == (user, bare.path.stem, str(gitolite.home))
        assert "/usr/bin" in env["PATH"].split(":")


def test_pre_receive_refuses_a_push(gitolite: Gitolite, bare: Repo, tmp_path: Path) -> None:
    alice = clone(gitolite, bare, tmp_path, "alice")
    before = bare.refs("refs")
    write_hook(bare.path / "hooks" / "pre-receive", "echo not today; exit 1")

    ran = alice.try_git("push", "origin", f"{alice.empty_commit('x')}:refs/claims/path/src")

    assert ran.code == 1
    assert "remote: not today" in ran.stderr
    assert "(pre-receive hook declined)" in ran.stderr
    assert bare.refs("refs") == before


def test_gitolites_own_update_hook_still_decides(gitolite: Gitolite, tmp_path: Path) -> None:
    bare = gitolite.create("ruled", "RW+ refs/claims/ = alice", "R = bob")
    write_hook(bare.path / "hooks" / "pre-receive", f"touch '{tmp_path}/asked'")
    alice, bob = (clone(gitolite, bare, tmp_path, user) for user in ("alice", "bob"))
    commit = alice.empty_commit("x")

    alice.git("push", "origin", f"{commit}:refs/claims/path/src")
    (tmp_path / "asked").unlink()
    ran = alice.try_git("push", "origin", f"{commit}:refs/heads/other")

    assert ran.code == 1
    assert "DENIED by fallthru" in ran.stderr
    assert (tmp_path / "asked").exists()  # pre-receive comes first, and agreed
    # Who may push nothing at all is turned away before git, and so pre-receive, starts.
    (tmp_path / "asked").unlink()
    assert "DENIED by fallthru" in bob.try_git("push", "origin", "HEAD:refs/claims/path/lib").stderr
    assert not (tmp_path / "asked").exists()
    assert bare.refs("refs") == {"refs/claims/path/src": commit, "refs/heads/main": bare.git("rev-parse", "main")}


def test_the_rights_of_one_repository_are_not_those_of_another(gitolite: Gitolite, bare: Repo, tmp_path: Path) -> None:
    stranger = Repo(tmp_path, env=gitolite.env(ADMIN))
    assert "DENIED by fallthru" in stranger.try_git("ls-remote", gitolite.url(bare.path.stem)).stderr


def test_refs_of_unusual_characters_want_a_line_of_configuration(tmp_path: Path) -> None:
    unusual = [f"refs/claims/path/{name}" for name in ("a%3Ab", "%2Egit", "a]b", "a'b", "a=b", "a#b", "$a", "(a)", "é")]
    usual = [f"refs/claims/path/{name}" for name in ("a-b", "_a", "a.b", "a@b", "a+b", "a,b", "A/b")]
    with serving_gitolite(tmp_path) as gitolite:
        bare = gitolite.create("characters")
        alice = clone(gitolite, bare, tmp_path, "alice")
        commit = alice.empty_commit("x")

        ran = alice.try_git("push", "origin", *(f"{commit}:{ref}" for ref in [*unusual, *usual]))
        assert ran.code == 1
        assert all(f"{REFUSED}: '{ref}'" in ran.stderr for ref in unusual)
        assert bare.refs() == dict.fromkeys(usual, commit)
        assert alice.try_git("push", "--atomic", "origin", f"{commit}:{unusual[0]}", f"{commit}:refs/heads/x").code == 1
        assert bare.refs("refs/heads/x") == {}

        gitolite.configure(ANY_REF)
        alice.git("push", "--atomic", "origin", *(f"{commit}:{ref}" for ref in unusual))
        assert bare.refs() == dict.fromkeys([*unusual, *usual], commit)


def test_one_hook_serves_all_repositories(tmp_path: Path) -> None:
    with serving_gitolite(tmp_path) as gitolite:
        old = gitolite.create("old")
        common = gitolite.home / "local" / "hooks" / "common"
        common.mkdir(parents=True)
        write_hook(common / "pre-receive", f"echo $GL_REPO $GL_USER >>'{tmp_path}/asked'")
        gitolite.configure('$RC{LOCAL_CODE} = "$ENV{HOME}/local";')
        gitolite.setup()
        new = gitolite.create("new")

        for bare in (old, new):
            alice = clone(gitolite, bare, tmp_path / bare.path.stem, "alice")
            alice.git("push", "origin", f"{alice.empty_commit('x')}:refs/claims/path/src")

        asked = (tmp_path / "asked").read_text(encoding="utf-8").splitlines()
        assert asked == ["gitolite-admin admin", "old alice", "new alice"]
