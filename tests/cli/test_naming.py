"""What people name on the command line: paths from anywhere, kinds, patterns; and where commands may be run."""

import os
from pathlib import Path

import pytest

from tests.kit.repos import Clones, Repo, make_clone, make_repo


def at(repo: Repo, path: Path | str) -> Repo:
    """The same repository, used from another directory."""
    return Repo(repo.path / path, session=repo.session, env=repo.env)


def resources(repo: Repo, *args: str) -> list[str]:
    """What a take of these holds in the end."""
    held: list[str] = repo.claim("take", *args, "--json").json["claim"]["resources"]
    return held


@pytest.fixture
def files(alice: Repo) -> Repo:
    """Alice's clone with some tracked files."""
    for name in ("top.sql", "db/a.sql", "db/deep/b.sql", "db/deep/c.txt", "o[d]d/x.sql"):
        target = alice.path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    alice.git("add", ".")
    return alice


def test_paths_are_relative_to_where_one_is(files: Repo) -> None:
    """From the root, a subdirectory, upwards, absolute, through a link to the repository: one resource."""
    link = files.path.parent / "link"
    link.symlink_to(files.path)
    assert resources(files, "./db//deep/../a.sql") == ["path:db/a.sql"]
    inside = at(files, "db")
    for name in ("a.sql", "../db/a.sql", str(files.path / "db/a.sql"), f"path:{link}/db/a.sql", f"{link}/./db/a.sql"):
        assert inside.claim("check", name).stdout == "mine: db/a.sql, by the claim on db/a.sql\n"
    assert inside.claim("show", "a.sql", "--json").json["claims"][0]["claim"]["refs"] == ["refs/claims/path/db/a.sql"]
    assert inside.claim("list", "a.sql").stdout.splitlines()[1].startswith("db/a.sql ")
    assert inside.claim("release", "a.sql").stdout == "released: db/a.sql\n"
    assert resources(inside, ".") == ["path:db"]
    assert resources(files, ".", "--widen") == ["path:."]


REFUSED = {
    "": "a path can't be empty",
    "../x": "../x is outside the repository",
    "/etc/passwd": "/etc/passwd is outside the repository",
    ".git/config": ".git/config is inside .git",
    "sub/.GIT/x": "sub/.GIT/x is inside .git",
    "foo:bar": "unknown kind of resource: foo:",
    "task:": "task: needs a name",
    "topic:?!": "a topic needs a word",
    "lane:a/b": "not a lane: a/b",
    "task:a\x1b[31mb": "a task name has no control characters: a\\x1b[31mb",
    "to-db/x": "to-db/x lies behind the symbolic link to-db",
}


def test_what_can_t_be_claimed_is_refused(files: Repo) -> None:
    """Each with exit code 2, before anything is asked of the registry."""
    (files.path / "to-db").symlink_to("db")
    files.git("remote", "set-url", "origin", "/nowhere")
    for name, message in REFUSED.items():
        assert files.claim("take", name, code=2).stderr.startswith(f"error: {message}\n")


def test_a_link_itself_is_a_file_like_any_other(files: Repo) -> None:
    """What git tracks is the link."""
    (files.path / "to-db").symlink_to("db")
    assert resources(files, "to-db") == ["path:to-db"]


def test_words_say_what_they_are(files: Repo) -> None:
    """A bare argument is a path; with spaces and no such file a topic; a kind says it outright."""
    (files.path / "a b").touch()
    assert resources(files, "a b") == ["path:a b"]
    assert resources(files, "pagination of users") == ["topic:pagination of users"]
    assert resources(files, "path:foo:bar", "path:c d", "task:o/r#1", "lane:ci/2") == [
        "path:foo:bar",
        "path:c d",
        "task:o/r#1",
        "lane:ci/2",
    ]


def test_globs_claim_the_tracked_files_they_match(files: Repo) -> None:
    """With a note about new files, and the pattern kept as it reads in the root."""
    held = files.claim("take", "--glob", "db/**/*.sql")
    assert held.stdout.splitlines()[0].startswith("held: db/a.sql, db/deep/b.sql until ")
    assert "only files that exist were claimed" in held.stdout
    (claim,) = (one["claim"] for one in files.claim("list", "--json").json["claims"])
    assert claim["patterns"] == ["db/**/*.sql"]
    missing = files.claim("take", "--glob", "**/nope", code=2)
    assert missing.stderr.startswith("error: no tracked file matches **/nope\n")


def test_globs_are_relative_to_where_one_is(files: Repo) -> None:
    """A pattern from a subdirectory means that directory's files, and is kept as the root reads it."""
    claim = at(files, "db").claim("take", "--glob", "*.sql", "--glob", "../*.sql", "--json").json["claim"]
    assert claim["resources"] == ["path:db/a.sql", "path:top.sql"]
    assert claim["patterns"] == ["db/*.sql", "*.sql"]
    odd = at(files, "o[d]d").claim("take", "--glob", "*.sql", "--json").json["claim"]
    assert odd["resources"] == ["path:o[d]d/x.sql"]
    assert odd["patterns"] == ["o\\[d]d/*.sql"]
    for wrong in ("../../*", "/etc/*", ":(icase)*.SQL"):
        at(files, "db").claim("take", "--glob", wrong, code=2)
    assert files.claim("take", "--glob", ":(icase)DB/DEEP/*.TXT", "--json").json["claim"]["resources"] == [
        "path:db/deep/c.txt"
    ]


def test_a_linked_worktree_is_another_session_with_the_same_view(clones: Clones) -> None:
    """Its id is its own, made once; the claims it sees are everybody's."""
    alice = Repo(clones.alice.path, env={"GITCLAIM_SESSION": ""})
    alice.git("worktree", "add", "--quiet", "../linked", "-b", "side")
    linked = at(alice, "../linked")

    def name(repo: Repo) -> str:
        said = repo.claim("session", "--json", env={"GITCLAIM_SESSION": ""}).json
        assert said["source"] == "made for this work tree"
        return str(said["session"])

    assert name(alice) == name(alice) != name(linked)
    alice.claim("take", "src", env={"GITCLAIM_SESSION": ""})
    denied = linked.claim("take", "src/a", "--json", code=3, env={"GITCLAIM_SESSION": ""}).json
    assert denied["blockers"][0]["claim"]["session"] == name(alice)
    assert linked.claim("list", "--offline", "--json").json["claims"] == alice.claim("list", "--json").json["claims"]
    assert linked.claim("take", "x", "--json").json["claim"]["branch"] == "side"


def test_a_bare_repository_can_claim(clones: Clones, tmp_path: Path) -> None:
    """A bare clone speaks of its remote, the remote itself of itself; neither has files to match."""
    bare = Repo(tmp_path / "bare.git", session="bare")
    clones.alice.git("clone", "--quiet", "--bare", clones.url, bare.path)
    assert resources(bare, "src/a", "task:1") == ["path:src/a", "task:1"]
    clones.alice.claim("take", "src", code=3)
    assert bare.claim("take", "--glob", "*", code=2).stderr.startswith("error: a bare repository has no files")
    clones.remote.claim("take", "task:1", code=3)
    assert clones.remote.claim("take", "task:2", "--json").json["registry"] == "."


def test_commands_work_inside_the_git_directory_and_without_a_commit(tmp_path: Path) -> None:
    """An unborn branch has no base; inside .git there is no work tree, and that is all."""
    repo = make_repo(tmp_path / "new", session="one")
    claim = repo.claim("take", "a", "--json").json["claim"]
    assert (claim["branch"], claim["base"]) == (None, None)
    assert at(repo, ".git").claim("list").stdout == repo.claim("list").stdout


def test_git_s_own_variables_say_which_repository(alice: Repo, tmp_path: Path) -> None:
    """GIT_DIR and GIT_WORK_TREE mean what they mean to git."""
    env = {"GIT_DIR": str(alice.path / ".git"), "GIT_WORK_TREE": str(alice.path)}
    alice.claim("take", "a")
    assert Repo(tmp_path, session="alice").claim("list", "--mine", "--json", env=env).json["claims"]


@pytest.mark.parametrize("odd", ["a b", "ünï", "li\nne", "q'\"$x", os.fsdecode(b"raw\xff")])
def test_a_repository_may_lie_anywhere(clones: Clones, tmp_path: Path, odd: str) -> None:
    """Its own path is nobody's business: with spaces, quotes or bytes that are no UTF-8 it works, or says why not."""
    repo = make_clone(clones.url, tmp_path / odd, session="odd")
    taken = repo.claim("take", "src", "--json", code=None)
    if "\n" in odd:
        assert (taken.code, taken.json["outcome"]) == (1, "error")
    else:
        assert taken.code == 0, taken
        (repo.path / "sub").mkdir()
        assert at(repo, "sub").claim("check", "../src").stdout.startswith("mine: src")
