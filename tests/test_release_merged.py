"""`gitclaim release --merged`: claims whose work arrived in the default branch, however it got there, are given up."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit.repos import ROOT, Clones, Ran, Repo, make_bare, make_clones, make_repo


def with_session(repo: Repo) -> Repo:
    """The clone, with what hooks need in the environment."""
    return replace(repo, env={**repo.env, "GITCLAIM_SESSION": repo.session, "PYTHONPATH": str(ROOT)})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the clones are made, by the first test that needs them: the others get copies."""
    return tmp_path_factory.mktemp("scene") / "built"


@pytest.fixture
def clones(built: Path, tmp_path: Path) -> Clones:
    """Alice works on `topic`, claims `src` and `task:1` there, and her commits say so; Bob merges."""
    if not built.exists():
        draft = built.with_name("draft")
        remote = make_bare(draft / "remote.git")
        made = make_clones(draft, remote, remote.path.as_uri())
        alice = with_session(made.alice)
        commit(alice, "readme", "start\n")
        alice.git("push", "--quiet", "origin", "main")
        made.bob.git("pull", "--quiet")
        alice.claim("install", "--prepare-commit-msg")
        alice.git("switch", "--quiet", "-c", "topic")
        alice.claim("take", "src", "task:1")
        draft.rename(built)
    shutil.copytree(built, tmp_path, symlinks=True, dirs_exist_ok=True)
    for name in ("alice", "bob"):
        for file in ("config", "gitclaim/mirror.json"):
            path = tmp_path / name / ".git" / file
            if path.exists():
                path.write_text(path.read_text().replace(str(built.with_name("draft")), str(tmp_path)))
    alice, bob, remote = (Repo(tmp_path / name, name) for name in ("alice", "bob", "remote.git"))
    return Clones(with_session(alice), bob, remote, remote.path.as_uri())


def commit(repo: Repo, name: str, content: str, words: str = "work") -> str:
    return repo.commit_file(name, content, words)


def push(repo: Repo, name: str = "topic") -> None:
    repo.git("push", "--quiet", "--force", "origin", f"HEAD:refs/heads/{name}")


def arrive(bob: Repo, *commands: tuple[str, ...]) -> None:
    """Bob brings `topic` into `main`, as a host's button would."""
    bob.git("fetch", "--quiet")
    for command in commands:
        bob.git(*command)
    bob.git("push", "--quiet", "origin", "HEAD:refs/heads/main")


def merged(repo: Repo, code: int = 0) -> Ran:
    return repo.claim("release", "--merged", "--json", code=code)


def gone(clones: Clones) -> None:
    """Make sure that the work is seen to be there, and its claim is given up for good."""
    ran = merged(clones.alice).json
    assert (ran["outcome"], [claim["resources"] for claim in ran["claims"]]) == ("released", [["path:src", "task:1"]])
    assert clones.remote.refs() == {}
    assert len(clones.remote.refs("refs/gitclaim/released")) == 1


def kept(clones: Clones) -> None:
    before = clones.remote.refs()
    assert merged(clones.alice).json["outcome"] == "nothing"
    assert clones.remote.refs() == before
    assert before


MERGE = ("merge", "--quiet", "--no-ff", "-m", "Merge topic", "origin/topic")
FORWARD = ("merge", "--quiet", "--ff-only", "origin/topic")


@pytest.mark.parametrize("how", [MERGE, FORWARD], ids=["a merge commit", "fast-forward"])
def test_work_that_was_merged_is_done(clones: Clones, how: tuple[str, ...]) -> None:
    commit(clones.alice, "src/a", "1\n")
    commit(clones.alice, "src/b", "1\n")
    push(clones.alice)
    kept(clones)
    if how is MERGE:
        commit(clones.bob, "other", "1\n")
    arrive(clones.bob, how)
    gone(clones)


@pytest.mark.parametrize("words", ["", "Squashed commit of the topic\n\n* work\n\n  Claim: {}\n\n* more\n"])
def test_work_that_was_squashed_is_done(clones: Clones, words: str) -> None:
    """git quotes the messages of all; so does a host, indented its own way."""
    commit(clones.alice, "src/a", "1\n")
    commit(clones.alice, "src/a", "2\n")
    push(clones.alice)
    claim = clones.alice.claim("list", "--json").json["claims"][0]["claim"]["id"]
    message = ["-m", words.format(claim)] if words else ["--no-edit"]
    arrive(clones.bob, ("merge", "--quiet", "--squash", "origin/topic"), ("commit", "--quiet", *message))
    gone(clones)


def test_work_that_was_rebased_is_done(clones: Clones) -> None:
    commit(clones.alice, "src/a", "1\n")
    commit(clones.alice, "src/b", "1\n")
    push(clones.alice)
    commit(clones.bob, "other", "1\n")
    arrive(clones.bob, ("switch", "--quiet", "-c", "theirs", "origin/topic"), ("rebase", "--quiet", "main"))
    gone(clones)


def test_work_that_was_picked_is_done(clones: Clones) -> None:
    commit(clones.alice, "src/a", "1\n")
    push(clones.alice)
    commit(clones.bob, "other", "1\n")
    arrive(clones.bob, ("cherry-pick", "origin/topic"))
    gone(clones)


def test_what_is_not_merged_yet_keeps_the_claim(clones: Clones) -> None:
    commit(clones.alice, "src/a", "1\n")
    push(clones.alice)
    arrive(clones.bob, MERGE)
    commit(clones.alice, "src/b", "1\n")
    kept(clones)
    push(clones.alice)
    kept(clones)
    arrive(clones.bob, MERGE)
    gone(clones)


def test_a_part_that_was_picked_keeps_the_claim(clones: Clones) -> None:
    commit(clones.alice, "src/a", "1\n")
    commit(clones.alice, "src/b", "1\n")
    push(clones.alice)
    arrive(clones.bob, ("cherry-pick", "origin/topic~1"))
    kept(clones)


def test_work_on_another_branch_of_the_clone_keeps_the_claim(clones: Clones) -> None:
    commit(clones.alice, "src/a", "1\n")
    push(clones.alice)
    clones.alice.git("switch", "--quiet", "-c", "next")
    commit(clones.alice, "src/b", "1\n")
    clones.alice.git("switch", "--quiet", "topic")
    arrive(clones.bob, MERGE)
    kept(clones)


def test_work_on_no_branch_keeps_the_claim(clones: Clones) -> None:
    commit(clones.alice, "src/a", "1\n")
    push(clones.alice)
    clones.alice.git("switch", "--quiet", "--detach")
    commit(clones.alice, "src/b", "1\n")
    arrive(clones.bob, MERGE)
    kept(clones)


def test_work_that_dates_itself_before_its_claim_keeps_it_all_the_same(clones: Clones) -> None:
    """By a clock that is behind, or because somebody asked for that date."""
    commit(clones.alice, "src/a", "1\n")
    push(clones.alice)
    arrive(clones.bob, MERGE)
    (clones.alice.path / "src/b").write_text("1\n")
    clones.alice.git("add", "src/b")
    clones.alice.git("commit", "--quiet", "-m", "more", env={"GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z"})
    kept(clones)


def test_a_claim_without_work_is_kept(clones: Clones) -> None:
    kept(clones)
    commit(clones.bob, "other", "1\n")
    arrive(clones.bob)
    kept(clones)


def test_the_claims_of_others_are_left_alone(clones: Clones) -> None:
    clones.bob.claim("take", "docs")
    commit(clones.alice, "src/a", "1\n")
    push(clones.alice)
    arrive(clones.bob, MERGE)
    assert merged(clones.bob).json["outcome"] == "nothing"
    merged(clones.alice)
    assert list(clones.remote.refs()) == ["refs/claims/path/docs"]


def test_of_several_claims_those_whose_work_is_there_go(clones: Clones) -> None:
    commit(clones.alice, "src/a", "1\n")
    push(clones.alice)
    clones.alice.claim("take", "docs")
    commit(clones.alice, "docs/b", "1\n")
    arrive(clones.bob, MERGE)
    assert [claim["resources"] for claim in merged(clones.alice).json["claims"]] == [["path:src", "task:1"]]
    assert list(clones.remote.refs()) == ["refs/claims/path/docs"]


def landed_elsewhere(clones: Clones) -> None:
    """Work without trailers, for which only the claim itself vouches."""
    clones.alice.git("config", "core.hooksPath", "/dev/null")
    commit(clones.alice, "src/a", "1\n")
    clones.alice.claim("land", "--keep", "--to", "feature/x")


def test_work_that_was_landed_under_the_claim_needs_no_trailer(clones: Clones) -> None:
    landed_elsewhere(clones)
    kept(clones)
    arrive(clones.bob, ("merge", "--quiet", "--no-ff", "-m", "Merge", "origin/feature/x"))
    gone(clones)


def test_a_renewal_does_not_forget_what_was_landed(clones: Clones) -> None:
    landed_elsewhere(clones)
    clones.alice.claim("renew")
    arrive(clones.bob, ("merge", "--quiet", "--no-ff", "-m", "Merge", "origin/feature/x"))
    gone(clones)


def test_without_the_registry_nothing_is_released(clones: Clones, tmp_path: Path) -> None:
    clones.remote.path.rename(tmp_path / "away.git")
    assert merged(clones.alice, code=4).json["outcome"] == "error"


def test_without_a_default_branch_nothing_is_released(clones: Clones) -> None:
    clones.remote.git("symbolic-ref", "HEAD", "refs/heads/nowhere")
    clones.alice.git("push", "--quiet", "origin", "HEAD:refs/heads/trunk", ":refs/heads/main")
    clones.alice.git("fetch", "--quiet", "--prune")
    clones.alice.git("remote", "set-head", "origin", "--delete")
    before = clones.remote.refs()
    assert "git remote set-head origin --auto" in clones.alice.claim("release", "--merged", code=1).stderr
    assert clones.remote.refs() == before


def test_the_hint_about_the_default_branch_leads_on(clones: Clones) -> None:
    commit(clones.alice, "src/a", "1\n")
    clones.remote.git("symbolic-ref", "HEAD", "refs/heads/trunk")
    clones.alice.git("push", "--quiet", "origin", "HEAD:refs/heads/trunk", ":refs/heads/main")
    clones.alice.git("fetch", "--quiet", "--prune")
    clones.alice.git("remote", "set-head", "origin", "--auto")
    gone(clones)


@pytest.mark.parametrize("more", [["src"], ["--all"]])
def test_it_is_one_thing_or_another(clones: Clones, more: list[str]) -> None:
    clones.alice.claim("release", "--merged", *more, code=2)


def test_in_the_repository_itself_the_default_branch_is_its_own(tmp_path: Path) -> None:
    repo = with_session(make_repo(tmp_path / "repo"))
    commit(repo, "readme", "1\n")
    repo.claim("install", "--prepare-commit-msg")
    repo.git("switch", "--quiet", "-c", "topic")
    repo.claim("take", "src")
    commit(repo, "src/a", "1\n")
    assert merged(repo).json["outcome"] == "nothing"
    repo.git("switch", "--quiet", "main")
    repo.git("merge", "--quiet", "--no-ff", "-m", "Merge", "topic")
    assert merged(repo).json["outcome"] == "released"
