"""What is touched, as git itself sees it: in the index, in commits, in merges, whatever the user configured."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from gitclaim.change import Change, Update
from gitclaim.clock import SystemClock
from gitclaim.errors import GitclaimError
from gitclaim.names import ClaimId, Oid
from gitclaim.touched import Remote, Touched
from gitclaim.workspace import Surroundings, Workspace
from tests.kit.repos import Clones, Repo, make_clone, make_repo

CLAIM: Final = ClaimId.made(1, b"0123456789")
OTHER: Final = ClaimId.made(2, b"0123456789")


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    """A repository with one commit of three files."""
    repo = make_repo(tmp_path / "repo")
    for name in ("a", "src/b", "src/c"):
        write(repo, name, f"{name}\n" * 10)
    commit(repo, "start")
    return repo


def workspace(repo: Repo, cwd: str = "") -> Workspace:
    around = Surroundings(
        str(repo.path / cwd), dict(os.environ), interactive=False, clock=SystemClock(), nonce=os.urandom
    )
    return Workspace.open(around)


def touched(repo: Repo, index: str | None = None, cwd: str = "") -> Touched:
    return workspace(repo, cwd).touched(index)


def write(repo: Repo, name: str, text: str = "") -> None:
    path = repo.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text or name, encoding="utf-8")


def commit(repo: Repo, message: str = "work", *options: str) -> Oid:
    repo.git("add", "--all")
    repo.git("commit", "--quiet", "--allow-empty", "--message", message, *options)
    return Oid(repo.git("rev-parse", "HEAD"))


def staged(repo: Repo, index: str | None = None, cwd: str = "") -> set[str]:
    asks = touched(repo, index, cwd)
    return set(asks.staged(asks.merging({}, automatic=False)).paths)


def last(repo: Repo, revision: str = "HEAD") -> Change:
    """The last commit, as a range shows it."""
    changes = touched(repo).between(f"{revision}^!")
    (change,) = [one for one in changes if one.commit == repo.git("rev-parse", revision)]
    return change


def config(repo: Repo, **settings: str) -> None:
    for key, value in settings.items():
        repo.git("config", key.replace("__", "."), value)


# The index.


def test_what_is_staged_is_touched_and_what_is_not_is_not(repo: Repo) -> None:
    write(repo, "src/b", "x")
    assert staged(repo) == set()
    repo.git("add", "src/b")
    write(repo, "a", "y")
    assert staged(repo) == {"src/b"}


def test_both_sides_of_a_rename_are_touched(repo: Repo) -> None:
    repo.git("mv", "src/b", "src/moved")
    assert staged(repo) == {"src/b", "src/moved"}


def test_a_copy_touches_where_it_went(repo: Repo) -> None:
    config(repo, diff__renames="copies")
    write(repo, "copy", "a\n" * 10)
    repo.git("add", "copy")
    assert staged(repo) == {"copy"}


def test_deletions_modes_and_links_are_touched(repo: Repo) -> None:
    repo.git("rm", "--quiet", "a")
    repo.git("update-index", "--chmod=+x", "src/b")
    (repo.path / "src/c").unlink()
    (repo.path / "src/c").symlink_to("b")
    repo.git("add", "src/c")
    assert staged(repo) == {"a", "src/b", "src/c"}


def test_a_file_that_takes_a_directory_s_place_touches_both(repo: Repo) -> None:
    repo.git("rm", "--quiet", "-r", "src")
    write(repo, "src", "now a file")
    repo.git("add", "src")
    assert staged(repo) == {"src", "src/b", "src/c"}


def test_before_the_first_commit_all_that_is_staged_is_touched(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "new")
    write(repo, "a/b")
    repo.git("add", "a")
    assert staged(repo) == {"a/b"}


def test_from_a_subdirectory_the_whole_index_is_seen(repo: Repo) -> None:
    write(repo, "a", "x")
    repo.git("add", "a")
    assert staged(repo, cwd="src") == {"a"}


@pytest.mark.parametrize("absolute", [True, False])
def test_the_index_git_hands_to_a_hook_is_the_one_looked_at(repo: Repo, *, absolute: bool) -> None:
    """As in `git commit -a` and `git commit PATH`."""
    name = str(repo.path / ".git/other") if absolute else ".git/other"
    repo.git("read-tree", "HEAD", env={"GIT_INDEX_FILE": name})
    write(repo, "a", "x")
    write(repo, "src/b", "x")
    repo.git("add", "a", env={"GIT_INDEX_FILE": name})
    repo.git("add", "src/b")
    assert staged(repo, name) == {"a"}
    assert staged(repo) == {"src/b"}
    assert touched(repo, name).matching([Change((), parents=(head(repo),))], ["*"]) == {"a"}


def head(repo: Repo) -> Oid:
    return Oid(repo.git("rev-parse", "HEAD"))


def test_a_submodule_that_is_ignored_is_touched_all_the_same(repo: Repo, tmp_path: Path) -> None:
    """What .gitmodules ignores is committed all the same."""
    inner = make_repo(tmp_path / "inner")
    one, two = inner.commit_file("x"), inner.commit_file("y")
    repo.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "add", str(inner.path), "sub")
    repo.git("config", "--file", ".gitmodules", "submodule.sub.ignore", "all")
    config(repo, submodule__sub__ignore="all", diff__ignoreSubmodules="all")
    commit(repo)
    repo.git("update-index", "--cacheinfo", f"160000,{one},sub")
    assert staged(repo) == {"sub"}
    repo.git("commit", "--quiet", "--allow-empty", "--message", "back")
    assert (last(repo).paths, one == two) == (("sub",), False)


def test_odd_names_are_names(repo: Repo) -> None:
    """A newline, a quote, bytes that are not UTF-8, a colon, what looks like a pathspec, a tab."""
    names = ["new\nline", 'quo"te', "caf\udce9", ":colon", ":(glob)x", "ta\tb", "-dash", " space ", "é", "*"]
    for name in names:
        (repo.path / name).write_bytes(b"x")
    repo.git("add", "--all")
    assert staged(repo) == set(names)
    commit(repo)
    assert set(last(repo).paths) == set(names)


def test_a_file_named_like_a_commit_is_a_file(repo: Repo) -> None:
    """In the output of `git diff-tree --stdin` the names of commits stand between those of files."""
    for name in (head(repo), f"{head(repo)} ", ":000000"):
        write(repo, name)
        commit(repo)
        assert last(repo).paths == (name,)
    range_ = touched(repo).between("HEAD~3..HEAD")
    assert len(range_) == 3


# Configuration that must not matter.

CONFIGS: Final[dict[str, dict[str, str]]] = {
    "copies": {"diff__renames": "copies"},
    "order": {"diff__orderFile": "order"},
    "no order file": {"diff__orderFile": "missing"},
    "relative": {"diff__relative": "true"},
    "prefix": {"diff__noprefix": "true", "diff__mnemonicPrefix": "true"},
    "quote": {"core__quotePath": "true"},
    "signature": {"log__showSignature": "true"},
    "submodules": {"diff__ignoreSubmodules": "all", "diff__submodule": "log"},
    "latin": {"i18n__logOutputEncoding": "ISO-8859-1"},
    "utf-16": {"i18n__logOutputEncoding": "UTF-16"},
    "root": {"log__showRoot": "false", "log__diffMerges": "first-parent", "log__follow": "true"},
    "format": {"format__pretty": "oneline", "log__date": "relative", "log__decorate": "full"},
    "trailers": {"trailer__separators": "=#", "trailer__claim__key": "Claimed", "trailer__ifexists": "doNothing"},
    "comments": {"core__commentChar": "C"},
    "colour": {"color__ui": "always", "color__diff": "always"},
    "stat": {"diff__statGraphWidth": "3", "diff__algorithm": "patience", "diff__external": "false"},
    "skip": {"diff__autoRefreshIndex": "false", "status__relativePaths": "true", "core__preloadIndex": "false"},
    "monitor": {"core__fsmonitor": "false-monitor"},
}


@pytest.mark.parametrize("name", CONFIGS)
def test_what_the_user_configured_does_not_matter(repo: Repo, name: str) -> None:
    """The same answers under any of it: of the index, of commits, of their trailers."""
    write(repo, "copy", "a\n" * 10)
    repo.git("mv", "src/b", "é")
    message = f"Käse\n\nbody\n\nClaim: {CLAIM}\nSigned-off-by: É <e@x>\n"
    commit(repo, message)
    write(repo, "src/n", "x")
    repo.git("add", "src/n")
    write(repo, "order", "src/*\n")
    expected = touched(repo).between("HEAD~1..HEAD"), touched(repo).between("HEAD")
    assert set(expected[0][0].paths) == {"copy", "src/b", "é"}
    assert expected[0][0].claims == {CLAIM}
    config(repo, **CONFIGS[name])
    for cwd in ("", "src"):
        asks = touched(repo, cwd=cwd)
        assert asks.staged(()).paths == ("src/n",)
        assert (asks.between("HEAD~1..HEAD"), asks.between("HEAD")) == expected
        assert asks.matching(expected[0], ["src/*"]) == {"src/b"}


def test_no_monitor_is_started(repo: Repo) -> None:
    """A hook that asks what is staged needs to know nothing of the work tree."""
    script = repo.path / ".git/monitor"
    script.write_text('#!/bin/sh\ntouch "$0.ran"\nexit 1\n')
    script.chmod(0o755)
    write(repo, "a", "x")
    repo.git("add", "a")
    config(repo, core__fsmonitor=str(script))
    assert staged(repo) == {"a"}
    assert not script.with_name("monitor.ran").exists()


# Patterns that are exempt.


@pytest.mark.parametrize(
    ("exempt", "left"),
    [
        ('"**/lock"', {"src/b", "x/locks"}),
        ("lock", {"src/b", "src/lock", "x/y/lock", "x/locks"}),
        ("x/**", {"src/b", "lock", "src/lock"}),
        ('"*"', {"src/b", "src/lock", "x/y/lock", "x/locks"}),
        ('["**/lock", src/b]', {"x/locks"}),
        ('["**"]', set()),
        ("nothing", {"src/b", "lock", "src/lock", "x/y/lock", "x/locks"}),
    ],
)
def test_what_is_exempt_is_left_out_of_the_index_and_of_commits(repo: Repo, exempt: str, left: set[str]) -> None:
    write(repo, ".git/info/exclude", ".gitclaim.yaml\n")
    write(repo, ".gitclaim.yaml", f"exempt: {exempt}\n")
    for name in ("src/b", "lock", "src/lock", "x/y/lock", "x/locks"):
        write(repo, name)
    repo.git("add", "--all")
    assert staged(repo) == left
    assert staged(repo, cwd="src") == left
    commit(repo)
    assert set(last(repo).paths) == left


# Commits.


def test_a_root_commit_touches_all_it_has(repo: Repo) -> None:
    (change,) = touched(repo).between("HEAD")
    assert set(change.paths) == {"a", "src/b", "src/c"}
    assert change.parents == ()


def test_an_empty_commit_touches_nothing(repo: Repo) -> None:
    commit(repo, "nothing")
    assert last(repo).paths == ()
    assert [one.paths for one in touched(repo).between("HEAD~1..HEAD")] == [()]


def test_an_empty_range_has_no_commits(repo: Repo) -> None:
    assert touched(repo).between("HEAD..HEAD") == []


@pytest.mark.parametrize(
    "revisions", ["nope..HEAD", "HEAD..nope", "nope", "--all", "", "-n1", "HEAD..HEAD..HEAD", "HEAD:a..", "\n", "a b"]
)
def test_a_range_that_does_not_exist_is_an_error(repo: Repo, revisions: str) -> None:
    with pytest.raises(GitclaimError, match="no range of commits") as caught:
        touched(repo).between(revisions)
    assert caught.value.hint


def test_a_commit_says_who_when_and_under_which_claims(repo: Repo) -> None:
    write(repo, "a", "x")
    repo.git("add", "a")
    date = "2026-01-02T03:04:05Z"
    message = f"x\n\nClaim: {CLAIM}\nClaim: not one\nClaim: {OTHER}, {CLAIM}\n"
    repo.git("commit", "--quiet", "-m", message, env={"GIT_COMMITTER_DATE": date})
    change = last(repo)
    assert change.at
    assert change.at.isoformat() == "2026-01-02T03:04:05+00:00"
    assert change.claims == {CLAIM, OTHER}
    assert change.parents == (repo.git("rev-parse", "HEAD^"),)


@pytest.mark.parametrize(
    ("message", "claims"),
    [
        (f"x\n\nClaim: {CLAIM}\n  folded\nOther: y\n", set()),
        (f"x\n\nClaim: one\n {CLAIM}\n", set()),
        (f"x\n\nOther: y\n  folded\nClaim: {CLAIM}\n", {CLAIM}),
        (f"x\n\nClaim: {CLAIM}\r\n", {CLAIM}),
        (f"x\n\nclaim: {CLAIM}\n", {CLAIM}),
        (f"x\n\nClaim: {CLAIM}\n\nmore text\n", set()),
        (f"x\n\nClaim: {CLAIM}\n(cherry picked from commit 1234)\n", {CLAIM}),
        (f"x\n\ntext\n---\nmore\n\nClaim: {CLAIM}\n", {CLAIM}),
        ("x\n\nClaim: \x01\u2028\x85\x0b\x0c\n", set()),
        ("x\n\nClaim:\n", set()),
        ("", set()),
    ],
)
def test_whatever_a_message_says_is_read(repo: Repo, message: str, claims: set[ClaimId]) -> None:
    """An odd message keeps nobody from pushing."""
    tree = repo.git("rev-parse", "HEAD^{tree}")
    oid = repo.git("commit-tree", tree, "-p", "HEAD", input=message)
    (change,) = touched(repo).between(f"HEAD..{oid}")
    assert change.claims == claims
    assert change.paths == ()


def test_a_message_in_another_encoding_is_read(repo: Repo) -> None:
    repo.git("config", "i18n.commitEncoding", "ISO-8859-1")
    raw = f"Claim\xe9\n\nClaim: {CLAIM}\n".encode("latin-1").decode("utf-8", "surrogateescape")
    tree = repo.git("rev-parse", "HEAD^{tree}")
    oid = repo.git("commit-tree", tree, "-p", "HEAD", input=raw)
    (change,) = touched(repo).between(f"HEAD..{oid}")
    assert change.claims == {CLAIM}


@pytest.mark.parametrize("date", ["99999999999999999", "253402300800", "-5", "nonsense", "", "18446744073709551615"])
def test_a_commit_with_a_broken_date_is_a_commit(repo: Repo, date: str) -> None:
    """Old imports have such; the claims that stand now hold for it as for any other."""
    tree, parent = repo.git("rev-parse", "HEAD^{tree}", "HEAD").split()
    text = f"tree {tree}\nparent {parent}\nauthor A <a@b> {date} +0000\ncommitter A <a@b> {date} +0000\n\nx\n"
    oid = repo.git("hash-object", "-t", "commit", "--literally", "-w", "--stdin", input=text)
    (change,) = touched(repo).between(f"HEAD..{oid}")
    assert (change.commit, change.parents) == (oid, (parent,))
    assert change.at
    assert change.at.tzinfo


def test_many_commits_are_asked_for_at_once(repo: Repo) -> None:
    """300 commits by fast-import: each with its own path, none with another's."""
    stream = "".join(
        f"commit refs/heads/main\ncommitter T <t@x> {1000 + number} +0000\ndata 1\nx\n"
        f"{'from refs/heads/main^0' + chr(10) if number == 0 else ''}M 644 inline f{number}\ndata 1\n1\n"
        for number in range(300)
    )
    repo.git("fast-import", "--quiet", input=stream)
    changes = touched(repo).between("main~300..main")
    assert [one.paths for one in changes] == [(f"f{number}",) for number in reversed(range(300))]


# Merges.


@pytest.fixture
def fork(repo: Repo) -> Repo:
    """On `main` and `side`, each changes something of its own since they forked; `main` is checked out."""
    repo.git("branch", "side")
    write(repo, "a", "main\n")
    write(repo, "src/main", "new\n")
    commit(repo, "on main")
    repo.git("checkout", "--quiet", "side")
    write(repo, "src/b", "side\n")
    write(repo, "src/side", "new\n")
    commit(repo, "on side")
    repo.git("checkout", "--quiet", "main")
    return repo


def merged(repo: Repo, *options: str) -> Change:
    repo.git("merge", "--quiet", "--no-edit", *options)
    return last(repo)


def drops(repo: Repo, change: Change) -> set[str]:
    return touched(repo).dropped(change, change.doubtful)


def test_a_merge_touches_nothing_of_what_it_brings_together(fork: Repo) -> None:
    change = merged(fork, "side")
    assert change.paths == ()
    assert set(change.doubtful) == {"a", "src/b", "src/main", "src/side"}
    assert drops(fork, change) == set()


def test_what_differs_from_every_side_is_touched(fork: Repo) -> None:
    fork.git("merge", "--quiet", "--no-commit", "side")
    write(fork, "src/c", "by the merge\n")
    fork.git("add", "src/c")
    asks = touched(fork)
    change = asks.staged(asks.merging({}, automatic=False))
    assert change.paths == ("src/c",)
    assert asks.dropped(change, change.doubtful) == set()
    commit(fork, "merge")
    assert last(fork).paths == ("src/c",)


@pytest.mark.parametrize(
    ("options", "lost"),
    [(("-s", "ours"), {"src/b", "src/side"}), (("-X", "ours"), set()), (("-s", "ort", "-X", "theirs"), set())],
)
def test_a_side_that_is_dropped_is_touched(fork: Repo, options: tuple[str, ...], lost: set[str]) -> None:
    change = merged(fork, *options, "side")
    assert change.paths == ()
    assert drops(fork, change) == lost


def test_a_side_that_is_dropped_in_the_commit_being_made_is_touched(fork: Repo) -> None:
    fork.git("merge", "--quiet", "--no-commit", "-s", "ours", "side")
    asks = touched(fork)
    change = asks.staged(asks.merging({}, automatic=False))
    assert asks.dropped(change, change.doubtful) == {"src/b", "src/side"}
    assert asks.dropped(change, ["src/b", "a", "unheard of"]) == {"src/b"}


def test_our_own_work_that_is_dropped_is_touched_too(fork: Repo) -> None:
    fork.git("merge", "--quiet", "--no-commit", "side")
    fork.git("checkout", "side", "--", "a")
    fork.git("rm", "--quiet", "-f", "src/main")
    commit(fork, "merge")
    assert drops(fork, last(fork)) == {"a", "src/main"}


def test_a_conflict_that_one_side_won_drops_the_other(fork: Repo) -> None:
    for branch in ("main", "side"):
        fork.git("checkout", "--quiet", branch)
        write(fork, "src/c", f"by {branch}\n")
        commit(fork)
    fork.git("merge", "--quiet", "main", check=False)
    fork.git("checkout", "--quiet", "--ours", "src/c")
    commit(fork, "merge")
    assert (last(fork).paths, drops(fork, last(fork))) == ((), {"src/c"})


def test_what_both_sides_did_alike_is_nobody_s_loss(fork: Repo) -> None:
    for branch in ("main", "side"):
        fork.git("checkout", "--quiet", branch)
        write(fork, "src/c", "alike\n")
        commit(fork)
    change = merged(fork, "main")
    assert "src/c" not in {*change.paths, *change.doubtful}


def test_a_rename_on_one_side_and_a_change_on_the_other_drop_nothing(repo: Repo) -> None:
    repo.git("branch", "side")
    repo.git("mv", "src/b", "src/moved")
    commit(repo, "renamed")
    repo.git("checkout", "--quiet", "side")
    write(repo, "src/b", "src/b\n" * 10 + "changed\n")
    commit(repo, "changed")
    repo.git("checkout", "--quiet", "main")
    change = merged(repo, "side")
    assert (change.paths, change.doubtful) == (("src/moved",), ("src/b",))
    assert drops(repo, change) == set()


def test_a_deletion_that_undoes_the_other_side_s_change_drops_it(repo: Repo) -> None:
    repo.git("branch", "side")
    repo.git("rm", "--quiet", "src/b")
    commit(repo, "removed")
    repo.git("checkout", "--quiet", "side")
    write(repo, "src/b", "changed\n")
    commit(repo, "changed")
    repo.git("checkout", "--quiet", "main")
    repo.git("merge", "--quiet", "side", check=False)
    repo.git("rm", "--quiet", "src/b")
    commit(repo, "merge")
    assert drops(repo, last(repo)) == {"src/b"}


def test_unrelated_histories_are_merged_without_blame(fork: Repo) -> None:
    fork.git("checkout", "--quiet", "--orphan", "other")
    fork.git("rm", "--quiet", "-rf", ".")
    write(fork, "unrelated")
    commit(fork, "another start")
    change = merged(fork, "--allow-unrelated-histories", "main")
    assert change.paths == ()
    assert drops(fork, change) == set()
    fork.git("reset", "--quiet", "--hard", "HEAD^")
    change = merged(fork, "--allow-unrelated-histories", "-s", "ours", "main")
    assert drops(fork, change) == {"a", "src/b", "src/c", "src/main"}


def test_an_octopus_is_a_merge_like_any_other(fork: Repo) -> None:
    fork.git("checkout", "--quiet", "-b", "third", "main~1")
    write(fork, "src/c", "third\n")
    commit(fork)
    fork.git("checkout", "--quiet", "main")
    change = merged(fork, "side", "third")
    assert len(change.parents) == 3
    assert change.paths == ()
    assert drops(fork, change) == set()
    fork.git("reset", "--quiet", "--hard", "HEAD^")
    change = merged(fork, "-s", "ours", "side", "third")
    assert drops(fork, change) == {"src/b", "src/side", "src/c"}


def test_an_octopus_of_a_side_and_what_it_grew_into_loses_nothing(fork: Repo) -> None:
    """The older of the two differs from the result, and all of it is in the younger one."""
    fork.git("checkout", "--quiet", "-b", "grown", "side")
    write(fork, "src/b", "side, and more\n")
    commit(fork)
    fork.git("checkout", "--quiet", "main")
    tree = fork.git("merge-tree", "--write-tree", "main", "grown")
    oid = fork.git("commit-tree", tree, "-p", "main", "-p", "side", "-p", "grown", "-m", "merge")
    (change,) = [one for one in touched(fork).between(f"main..{oid}") if one.commit == oid]
    assert change.paths == ()
    assert touched(fork).dropped(change, change.doubtful) == set()


def test_a_criss_cross_has_several_merge_bases_and_drops_nothing(fork: Repo) -> None:
    main, side = fork.git("rev-parse", "main"), fork.git("rev-parse", "side")
    merged(fork, side)
    fork.git("checkout", "--quiet", "side")
    merged(fork, main)
    write(fork, "src/side", "more\n")
    commit(fork)
    fork.git("checkout", "--quiet", "main")
    write(fork, "src/main", "more\n")
    commit(fork)
    assert len(fork.git("merge-base", "--all", "main", "side").split()) == 2
    change = merged(fork, "side")
    assert set(change.doubtful) == {"src/main", "src/side"}
    assert drops(fork, change) == set()
    fork.git("reset", "--quiet", "--hard", "HEAD^")
    assert drops(fork, merged(fork, "-s", "ours", "side")) == {"src/side"}


def test_looking_into_a_large_merge_asks_git_a_few_times(fork: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not once a path: somebody who holds a directory makes hundreds of paths doubtful."""
    fork.git("checkout", "--quiet", "side")
    for number in range(300):
        write(fork, f"many/{number}")
    commit(fork)
    fork.git("checkout", "--quiet", "main")
    change = merged(fork, "side")
    assert len(change.doubtful) > 300
    asks, calls = touched(fork), []
    started = type(asks.git).start

    def counted(self: Any, *args: str, **more: Any) -> Any:  # noqa: ANN401 - whatever the method takes
        calls.append(args[0])
        return started(self, *args, **more)

    monkeypatch.setattr(type(asks.git), "start", counted)
    assert asks.dropped(change, change.doubtful) == set()
    assert len(calls) <= 20


def test_thousands_of_doubtful_paths_fit_the_command_line(fork: Repo) -> None:
    fork.git("checkout", "--quiet", "side")
    blob = fork.git("rev-parse", "HEAD:a")
    names = [f"{'d' * 200}/{'e' * 200}/{number:0200}" for number in range(4000)]
    fork.git("update-index", "--index-info", input="".join(f"100644 {blob}\t{name}\n" for name in names))
    fork.git("commit", "--quiet", "-m", "many")
    tree = fork.git("merge-tree", "--write-tree", "main", "side")
    good = fork.git("commit-tree", tree, "-p", "main", "-p", "side", "-m", "merge")
    bad = fork.git("commit-tree", "main^{tree}", "-p", "main", "-p", "side", "-m", "ours")
    for oid, lost in ((good, set()), (bad, {*names, "src/b", "src/side"})):
        (change,) = [one for one in touched(fork).between(f"main..{oid}") if one.commit == oid]
        assert touched(fork).dropped(change, change.doubtful) == lost


@pytest.mark.parametrize("automatic", [True, False])
def test_an_automatic_merge_names_its_heads_in_the_environment(fork: Repo, *, automatic: bool) -> None:
    """And only then are they looked for there: a commit within a merge tool's shell is none."""
    side, main = Oid(fork.git("rev-parse", "side")), head(fork)
    environ = {f"GITHEAD_{side}": "side", f"GITHEAD_{main}": "main", "GITHEAD_nonsense": "x", "GITHEAD_": ""}
    assert touched(fork).merging(environ, automatic=automatic) == ((side,) if automatic else ())


def test_a_broken_merge_head_is_told(fork: Repo) -> None:
    (fork.path / ".git/MERGE_HEAD").write_text("nonsense\n")
    with pytest.raises(GitclaimError, match="MERGE_HEAD"):
        touched(fork).merging({}, automatic=False)


# What matches a pattern.


def test_git_says_what_matches_its_patterns(repo: Repo) -> None:
    for name in ("new.sql", "x/new.sql", "x/new.py", "a"):
        write(repo, name, "2")
    first = commit(repo)
    repo.git("rm", "--quiet", "x/new.sql")
    write(repo, "staged.sql")
    repo.git("add", "--all")
    asks = touched(repo)
    changes = [asks.staged(()), *asks.between(f"{first}^..{first}")]
    assert asks.matching(changes, ["*.sql"]) == {"new.sql", "staged.sql"}
    assert asks.matching(changes, ["**/*.sql"]) == {"new.sql", "staged.sql", "x/new.sql"}
    assert asks.matching(changes, ["x/*.py", ":(icase)NEW.SQL"]) == {"x/new.py", "new.sql"}
    assert asks.matching(changes, ["src/**"]) == set()
    assert asks.matching(changes, []) == set()
    assert asks.matching([], ["*"]) == set()


@pytest.mark.parametrize(
    "pattern", ["x" * 200_000, ":(bogus)x", "../../x", ":(attr:x=)y", "/etc/x", ":(", "a\0b", ":(top,exclude)x"]
)
def test_a_pattern_git_can_t_read_matches_nothing_and_stops_nobody(repo: Repo, pattern: str) -> None:
    """Anybody may write a claim by hand: a broken one must not keep all others from committing."""
    write(repo, "new")
    repo.git("add", "new")
    asks = touched(repo)
    assert asks.matching([asks.staged(()), *asks.between("HEAD")], [pattern]) <= {"new", "a", "src/b", "src/c"}
    if "exclude" not in pattern:
        assert asks.matching([asks.staged(()), *asks.between("HEAD")], [pattern]) == set()


def test_a_pattern_git_can_t_read_hides_no_other(repo: Repo) -> None:
    for name in ("new.sql", "test.sql"):
        write(repo, name)
    repo.git("add", "--all")
    asks = touched(repo)
    patterns = ["*.sql", ":(bogus)x", ":(exclude)test*", "../x"]
    assert asks.matching([asks.staged(())], patterns) == {"new.sql"}


def test_a_pattern_is_asked_of_all_commits_at_once(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(30):
        write(repo, f"{number}.sql")
        commit(repo)
    asks = touched(repo)
    changes, calls = asks.between("HEAD"), []
    started = type(asks.git).start

    def counted(self: Any, *args: str, **more: Any) -> Any:  # noqa: ANN401 - whatever the method takes
        calls.append(args[0])
        return started(self, *args, **more)

    monkeypatch.setattr(type(asks.git), "start", counted)
    assert asks.matching(changes, ["*.sql"]) == {f"{number}.sql" for number in range(30)}
    assert len(calls) == 1


# Messages.


@pytest.mark.parametrize(
    "text",
    [
        "title\n",
        "title\n\nbody\n",
        "title\n\nbody\n\nSigned-off-by: x <x@y>\n",
        "title\n\nbody\n---\nnot a patch\n",
        "title\n\n# Please enter\n# a message\n",
        f"title\n\nClaim: {CLAIM}\n",
        "\n# nothing but comments: what a person writes comes before\n",
    ],
)
@pytest.mark.parametrize("settings", [{}, CONFIGS["trailers"]], ids=["", "trailers"])
def test_claims_named_in_a_message_are_read_back_from_the_commit(
    repo: Repo, text: str, settings: Mapping[str, str]
) -> None:
    """Each once, whatever the message says and however trailers are configured."""
    config(repo, **settings)
    file = repo.path / ".git/MESSAGE"
    file.write_text(text)
    for _ in range(2):
        touched(repo).note(str(file), [CLAIM, OTHER])
    if not text.startswith("title"):
        file.write_text(f"title\n{file.read_text()}")
    repo.git("commit", "--quiet", "--allow-empty", "--cleanup=strip", "--file", str(file))
    assert last(repo).claims == {CLAIM, OTHER}
    assert repo.git("log", "-1", "--format=%B").count(CLAIM) == 1


def test_nothing_to_name_leaves_a_message_alone(repo: Repo) -> None:
    file = repo.path / ".git/MESSAGE"
    file.write_bytes(b"x \xff\n\n\n\n")
    touched(repo).note(str(file), [])
    assert file.read_bytes() == b"x \xff\n\n\n\n"


# What a remote does not have.

All = Callable[[str], bool]


def everything(_: str) -> bool:
    return True


ORIGIN: Final = Remote("origin", ["origin"], everything, None)


def outgoing(  # noqa: PLR0913 - a push, and what is known of where it goes
    repo: Repo,
    *,
    to: str = "origin",
    old: str | None = None,
    counts: All = everything,
    alike: Sequence[str] = (),
    default: str | None = None,
) -> set[str]:
    """The paths of what a push of `main` would give."""
    update = Update("refs/heads/main", Oid(repo.git("rev-parse", "main")), Oid(old) if old else None)
    return {path for one in touched(repo).outgoing([update], Remote(to, alike, counts, default)) for path in one.paths}


def test_what_a_tracking_ref_shows_is_known(alice: Repo) -> None:
    alice.commit_file("a")
    assert outgoing(alice) == {"a"}
    alice.git("push", "--quiet", "origin", "main")
    alice.commit_file("b")
    assert outgoing(alice, to="file:///nowhere", alike=["origin"]) == {"b"}
    assert outgoing(alice, alike=["origin"], counts=lambda ref: ref == "refs/heads/other") == {"a", "b"}


def test_a_url_is_asked_what_it_has(clones: Clones) -> None:
    alice = clones.alice
    alice.commit_file("a")
    alice.git("push", "--quiet", "origin", "main")
    alice.commit_file("b")
    assert outgoing(alice, to=clones.url) == {"b"}
    assert outgoing(alice, to=clones.url, counts=lambda ref: ref != "refs/heads/main") == {"a", "b"}
    assert outgoing(alice, to="file:///nowhere") == {"a", "b"}


def test_for_the_default_branch_what_others_have_is_new(clones: Clones) -> None:
    """What waits on another branch was judged by the claims of its day."""
    alice = clones.alice
    start = alice.commit_file("a")
    alice.git("push", "--quiet", "origin", "main")
    alice.commit_file("b")
    alice.git("push", "--quiet", "origin", "main:refs/heads/review", "main:refs/tags/v1")
    assert outgoing(alice, alike=["origin"]) == set()
    for old in (start, None):
        assert outgoing(alice, alike=["origin"], old=old, default="refs/heads/main") == {"b"}
    assert outgoing(alice, to=clones.url, old=start, default="refs/heads/main") == {"b"}
    # Nothing is known of that branch: it goes by all the remote has.
    assert outgoing(alice, to=clones.url, default="refs/heads/main") == set()


def test_what_is_deleted_gives_nothing(alice: Repo) -> None:
    old = Oid(alice.commit_file("a"))
    assert touched(alice).outgoing([Update("refs/heads/x", None, old)], ORIGIN) == []


def test_a_tag_of_a_file_gives_no_commits(alice: Repo) -> None:
    alice.commit_file("a", "x")
    for name in ("HEAD:a", "HEAD^{tree}"):
        update = Update("refs/tags/x", Oid(alice.git("rev-parse", name)), None)
        assert touched(alice).outgoing([update], ORIGIN) == []


def test_what_the_remote_has_and_we_have_not_is_no_error(alice: Repo) -> None:
    alice.commit_file("a")
    assert outgoing(alice, old="1" * 40) == {"a"}


def test_the_edge_of_a_shallow_clone_is_nobody_s_work(clones: Clones, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        clones.alice.commit_file(name)
    clones.alice.git("push", "--quiet", "origin", "main")
    repo = make_clone(clones.url, tmp_path / "deep", session="carol")
    repo = Repo(tmp_path / "shallow", session="carol")
    clones.alice.git("clone", "--quiet", "--depth=2", clones.url, str(repo.path))
    repo.commit_file("mine")
    assert outgoing(repo) == {"c", "mine"}
    assert [one.paths for one in touched(repo).between("HEAD")] == [("mine",), ("c",)]
