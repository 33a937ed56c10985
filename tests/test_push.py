"""Commits and pushes of two real clones, with the hooks installed: what git lets through, and what it stops."""

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gitclaim.change import Update
from gitclaim.errors import Exit, GitclaimError
from gitclaim.hooks.push import parsed
from gitclaim.names import Oid
from tests.kit.repos import ROOT, Ran, Repo, make_bare, make_clone, make_clones, make_repo

HELD = "src/a"


@dataclass(frozen=True, slots=True)
class Scene:
    """Alice holds `src`; Bob has the hooks installed, and both start from the same commit."""

    alice: Repo
    bob: Repo
    remote: Repo
    url: str
    root: Path

    def other(self, name: str = "other") -> Repo:
        """A bare repository with nothing in it, a remote of Bob's."""
        bare = Repo(self.root / f"{name}.git")
        bare.path.mkdir()
        bare.git("init", "--quiet", "--bare")
        self.bob.git("remote", "add", name, bare.path.as_uri())
        return bare

    def away(self) -> None:
        """The registry is gone."""
        self.remote.path.rename(self.root / "away.git")


def with_session(repo: Repo) -> Repo:
    """The clone, with what hooks need in the environment."""
    return replace(repo, env={**repo.env, "GITCLAIM_SESSION": repo.session, "PYTHONPATH": str(ROOT)})


def hooked(repo: Repo) -> Repo:
    """The clone, with the hooks installed."""
    repo = with_session(repo)
    repo.claim("install")
    return repo


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the scene is built, by the first test that needs it: the others get copies."""
    return tmp_path_factory.mktemp("scene") / "built"


@pytest.fixture
def scene(built: Path, tmp_path: Path) -> Scene:
    if not built.exists():
        draft = built.with_name("draft")
        _build(draft)
        draft.rename(built)
    shutil.copytree(built, tmp_path, symlinks=True, dirs_exist_ok=True)
    for name in ("alice", "bob"):
        for file in ("config", "gitclaim/mirror.json"):
            path = tmp_path / name / ".git" / file
            path.write_text(path.read_text().replace(str(built.with_name("draft")), str(tmp_path)))
    alice, bob, remote = (Repo(tmp_path / name, name) for name in ("alice", "bob", "remote.git"))
    return Scene(alice, with_session(bob), remote, remote.path.as_uri(), tmp_path)


def _build(root: Path) -> None:
    remote = make_bare(root / "remote.git")
    clones = make_clones(root, remote, remote.path.as_uri())
    alice, bob = clones.alice, hooked(clones.bob)
    for name in (HELD, "docs/b"):
        target = alice.path / name
        target.parent.mkdir()
        target.write_text(f"{name}\n" * 10)
    alice.git("add", "--all")
    alice.git("commit", "--quiet", "-m", "start")
    alice.git("push", "--quiet", "origin", "main")
    bob.git("pull", "--quiet")
    alice.claim("take", "src")
    bob.claim("list")


def foreign(repo: Repo, name: str = HELD, content: str = "bob\n") -> str:
    """A commit that touches what Alice holds, past the first hook."""
    return commit(repo, name, content, "--no-verify")


def commit(repo: Repo, name: str, content: str = "bob\n", *options: str) -> str:
    target = repo.path / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)
    repo.git("add", "--", name)
    repo.git("commit", "--quiet", "-m", f"bob on {name}", *options)
    return repo.git("rev-parse", "HEAD")


def push(repo: Repo, *words: str, remote: str = "origin") -> Ran:
    return repo.try_git("push", "--quiet", remote, *(words or ("HEAD",)))


def refused(ran: Ran, *words: str) -> None:
    assert ran.code == 1
    for word in words or ("blocked: src/a lies within src, held by alice",):
        assert word in ran.stderr


def accepted(ran: Ran) -> None:
    assert (ran.code, ran.stderr) == (0, "")


def heads(repo: Repo) -> dict[str, str]:
    return repo.refs("refs/heads")


def policy(repo: Repo, text: str) -> None:
    """What the repository's people decided, in a file nobody commits."""
    (repo.path / ".git/info/exclude").write_text(".gitclaim.yaml\n")
    (repo.path / ".gitclaim.yaml").write_text(text)


# What is stopped.


@pytest.mark.parametrize("ref", ["HEAD", "HEAD:refs/heads/new", "HEAD:refs/for/main", "HEAD:refs/tags/v1"])
def test_a_push_of_what_another_holds_is_refused_with_every_way_out(scene: Scene, ref: str) -> None:
    oid = foreign(scene.bob)
    before = heads(scene.remote)
    ran = push(scene.bob, ref)
    refused(ran)
    for word in (f"commit {oid[:12]}:", "--wait", "alice", "gitclaim break src", "git push --no-verify", "rebase -i"):
        assert word in ran.stderr
    assert heads(scene.remote) == before
    scene.alice.claim("release", "src")
    accepted(push(scene.bob, ref))


def test_no_verify_goes_round_the_hook(scene: Scene) -> None:
    foreign(scene.bob)
    accepted(push(scene.bob, "--no-verify", "HEAD"))


def test_what_nobody_holds_and_what_is_one_s_own_goes_through(scene: Scene) -> None:
    scene.bob.claim("take", "docs")
    commit(scene.bob, "docs/b")
    commit(scene.bob, "free")
    accepted(push(scene.bob))


def test_every_commit_is_looked_at_and_not_only_the_end(scene: Scene) -> None:
    """Touched, and put back: what is between would land as well."""
    first = foreign(scene.bob)
    foreign(scene.bob, content=f"{HELD}\n" * 10)
    commit(scene.bob, "free")
    ran = push(scene.bob)
    refused(ran, first[:12])
    assert ran.stderr.count("commit ") >= 2


def test_several_refs_are_one_push_and_one_of_them_stops_it(scene: Scene) -> None:
    scene.bob.git("branch", "good")
    oid = foreign(scene.bob)
    scene.bob.git("branch", "bad")
    ran = push(scene.bob, "good", "bad", "main", "HEAD:refs/tags/x")
    refused(ran)
    assert ran.stderr.count(f"commit {oid[:12]}:") == 1
    assert list(heads(scene.remote)) == ["refs/heads/main"]


def test_a_tag_brings_its_commits(scene: Scene) -> None:
    foreign(scene.bob)
    scene.bob.git("tag", "-a", "-m", "x", "v1")
    scene.bob.git("tag", "-a", "-m", "x", "v2", "v1")
    scene.bob.git("reset", "--quiet", "--hard", "HEAD^")
    refused(push(scene.bob, "v1"))
    refused(push(scene.bob, "v2"))


def test_a_tag_of_a_tree_or_a_file_brings_none(scene: Scene) -> None:
    foreign(scene.bob)
    scene.bob.git("tag", "tree", "HEAD^{tree}")
    scene.bob.git("tag", "-a", "-m", "x", "blob", "HEAD:src/a")
    accepted(push(scene.bob, "tree", "blob"))


def test_a_branch_may_be_deleted(scene: Scene) -> None:
    accepted(push(scene.bob, "HEAD:refs/heads/gone", "HEAD:refs/heads/gone2"))
    accepted(push(scene.bob, ":gone"))
    foreign(scene.bob)
    refused(push(scene.bob, ":gone2", "HEAD"))


def test_a_force_push_is_a_push(scene: Scene) -> None:
    """What is rewritten is new; what only goes back is not."""
    start = scene.bob.git("rev-parse", "HEAD")
    commit(scene.bob, "free")
    accepted(push(scene.bob))
    foreign(scene.bob)
    scene.bob.git("commit", "--quiet", "--amend", "--no-verify", "-m", "other words")
    refused(push(scene.bob, "--force", "HEAD"))
    accepted(push(scene.bob, "--force", f"{start}:refs/heads/main"))


def test_a_rebase_of_another_s_commit_is_not_that_commit(scene: Scene) -> None:
    """Bob's copy of what Alice wrote carries her trailer, and is hers."""
    alice = hooked(scene.alice)
    commit(alice, HELD, "alice\n")
    assert f"Claim: {alice.claim('list', '--json').json['claims'][0]['claim']['id']}" in alice.git("log", "-1")
    alice.git("push", "--quiet", "origin", "HEAD:refs/heads/alice")
    commit(scene.bob, "free")
    scene.bob.git("fetch", "--quiet")
    scene.bob.git("cherry-pick", "origin/alice")
    accepted(push(scene.bob))


# What is known already.


def landed(scene: Scene) -> None:
    """Alice's own work under her claim, pushed; Bob's next commit stands on it."""
    commit(scene.alice, HELD, "alice\n", "--no-verify")
    scene.alice.git("push", "--quiet", "origin", "main")
    scene.bob.git("pull", "--quiet")
    commit(scene.bob, "free")


def test_what_the_remote_has_is_nobody_s_fault(scene: Scene) -> None:
    landed(scene)
    accepted(push(scene.bob))


@pytest.mark.parametrize("named", [True, False])
def test_a_push_by_url_is_a_push_to_that_remote(scene: Scene, *, named: bool) -> None:
    """With a remote's tracking refs for that address, or without any: then the address is asked."""
    landed(scene)
    if not named:
        scene.bob.git("config", "gitclaim.registry", scene.url)
        scene.bob.git("remote", "remove", "origin")
    accepted(push(scene.bob, "HEAD:refs/heads/x", remote=scene.url))
    foreign(scene.bob)
    refused(push(scene.bob, "HEAD:refs/heads/x", remote=scene.url))


def test_what_the_registry_s_remote_has_is_known_at_a_fork_too(scene: Scene) -> None:
    """A new remote has nothing, and what it gets from others' published work is not Bob's doing."""
    fork = scene.other("fork")
    landed(scene)
    accepted(push(scene.bob, remote="fork"))
    assert list(heads(fork)) == ["refs/heads/main"]
    foreign(scene.bob)
    refused(push(scene.bob, remote="fork"))


def test_a_fork_that_is_origin_has_its_registry_upstream(scene: Scene) -> None:
    scene.bob.git("remote", "rename", "origin", "upstream")
    scene.other("origin")
    scene.bob.git("config", "gitclaim.registry", "upstream")
    landed(scene)
    accepted(push(scene.bob, "HEAD:refs/heads/x"))
    foreign(scene.bob)
    refused(push(scene.bob, "HEAD:refs/heads/x"))


def test_a_history_of_its_own_is_looked_at_whole(scene: Scene) -> None:
    scene.other()
    scene.bob.git("checkout", "--quiet", "--orphan", "new")
    scene.bob.git("commit", "--quiet", "--no-verify", "-m", "all of it anew")
    refused(push(scene.bob, remote="other"))
    scene.bob.git("rm", "--quiet", "-r", "--cached", "src")
    scene.bob.git("commit", "--quiet", "--no-verify", "--amend", "-m", "without")
    accepted(push(scene.bob, remote="other"))


def test_the_edge_of_a_shallow_clone_blames_nobody(scene: Scene) -> None:
    """Its oldest commit has no parents here: it would look as if it had brought everything."""
    landed(scene)
    accepted(push(scene.bob))
    scene.bob.git("clone", "--quiet", "--depth=1", scene.url, str(scene.root / "shallow"))
    carol = hooked(Repo(scene.root / "shallow", "carol"))
    carol.git("checkout", "--quiet", "-b", "topic")
    commit(carol, "other")
    accepted(push(carol, "topic"))
    accepted(push(carol, "HEAD:refs/heads/again", remote=scene.url))
    foreign(carol)
    refused(push(carol, "topic"))


def test_merging_main_blames_nobody_for_what_others_did_there(scene: Scene) -> None:
    commit(scene.bob, "free")
    commit(scene.alice, HELD, "alice\n", "--no-verify")
    commit(scene.alice, "src/new", "alice\n", "--no-verify")
    scene.alice.git("push", "--quiet", "origin", "main")
    scene.bob.git("fetch", "--quiet")
    scene.bob.git("merge", "--quiet", "--no-edit", "origin/main")
    accepted(push(scene.bob))


def test_a_merge_that_drops_another_s_work_is_stopped_at_the_commit_and_at_the_push(scene: Scene) -> None:
    commit(scene.bob, "free")
    commit(scene.alice, HELD, "alice\n", "--no-verify")
    scene.alice.git("push", "--quiet", "origin", "main")
    scene.bob.git("fetch", "--quiet")
    refused(scene.bob.try_git("merge", "--quiet", "--no-edit", "-s", "ours", "origin/main"))
    scene.bob.git("merge", "--abort")
    scene.bob.git("merge", "--quiet", "--no-edit", "--no-verify", "-s", "ours", "origin/main")
    refused(push(scene.bob))


def test_hundreds_of_commits_are_looked_at_in_one_go(scene: Scene) -> None:
    stream = "".join(
        f"commit refs/heads/many\ncommitter T <t@x> {1800000000 + number} +0000\ndata 1\nx\n"
        f"{'from refs/heads/main^0' + chr(10) if number == 0 else ''}"
        f"M 644 inline {HELD if number == 250 else f'many/{number}'}\ndata 1\n1\n"
        for number in range(500)
    )
    scene.bob.git("fast-import", "--quiet", input=stream)
    accepted(push(scene.bob, "many~250:refs/heads/many"))
    start = time.monotonic()
    ran = push(scene.bob, "many")
    refused(ran, scene.bob.git("rev-parse", "many~249")[:12])
    assert ran.stderr.count("commit ") - ran.stderr.count("git commit ") <= 2
    assert time.monotonic() - start < 10


# What is looked at.


def test_only_guarded_refs_are_looked_at(scene: Scene) -> None:
    policy(scene.bob, "guard: [main, 'release/*']\n")
    oid = foreign(scene.bob)
    accepted(push(scene.bob, "HEAD:refs/heads/wip", "HEAD:refs/heads/main2"))
    for ref in ("HEAD", "HEAD:refs/heads/release/1", "HEAD:refs/tags/main"):
        refused(push(scene.bob, ref), oid[:12])


@pytest.mark.parametrize("by", ["name", "url"])
def test_what_an_unguarded_branch_has_vouches_for_nothing(scene: Scene, by: str) -> None:
    """Else a push there first would open every wall."""
    policy(scene.bob, "guard: [main]\n")
    foreign(scene.bob)
    remote = "origin" if by == "name" else scene.url
    accepted(push(scene.bob, "HEAD:refs/heads/wip", remote=remote))
    scene.bob.git("fetch", "--quiet")
    refused(push(scene.bob, "HEAD:refs/heads/main", remote=remote))
    # Nor together with it.
    refused(push(scene.bob, "HEAD:refs/heads/wip2", "HEAD:refs/heads/main", remote=remote))


@pytest.mark.parametrize("name", ["HEAD@{0}", "HEAD@{1 day ago}", "main^{commit}", ":/bob on"])
def test_whatever_a_person_calls_it_it_is_looked_at(scene: Scene, name: str) -> None:
    foreign(scene.bob)
    old = {"GIT_COMMITTER_DATE": "2020-01-01T00:00:00Z"}
    scene.bob.git("reset", "--quiet", "--hard", "HEAD^", env=old)
    scene.bob.git("reset", "--quiet", "--hard", "HEAD@{1}", env=old)
    refused(push(scene.bob, f"{name}:refs/heads/x"))


def test_refs_of_claims_that_are_pushed_by_hand_are_left_alone(scene: Scene) -> None:
    foreign(scene.bob)
    accepted(push(scene.bob, "HEAD:refs/claims/task/x", "HEAD:refs/gitclaim/x"))
    refused(push(scene.bob, "HEAD:refs/claims/task/y", "HEAD:refs/heads/y"))


def test_a_push_of_nothing_asks_nobody(scene: Scene) -> None:
    """Nor does one that only deletes, or that brings what the registry's remote has."""
    scene.other()
    scene.bob.git("config", "gitclaim.offline", "deny")
    scene.away()
    accepted(push(scene.bob, "HEAD", "HEAD:refs/heads/x", remote="other"))
    accepted(push(scene.bob, remote="other"))
    accepted(push(scene.bob, ":x", remote="other"))


# What nobody claimed.


def test_pushing_what_nobody_claimed_is_warned_of(scene: Scene) -> None:
    scene.bob.git("config", "gitclaim.unclaimed", "warn")
    commit(scene.bob, "free", "x", "--no-verify")
    ran = push(scene.bob)
    assert ran.code == 0
    assert ran.stderr == "warning: nobody claimed free; gitclaim take claims it\n"


def test_pushing_what_nobody_claimed_may_be_denied(scene: Scene) -> None:
    scene.bob.git("config", "gitclaim.unclaimed", "deny")
    commit(scene.bob, "free", "x", "--no-verify")
    refused(push(scene.bob), "nobody claimed free", "gitclaim take free")
    scene.bob.claim("take", "free")
    accepted(push(scene.bob))


def test_what_was_committed_under_a_claim_may_be_pushed_after_its_release(scene: Scene) -> None:
    scene.bob.git("config", "gitclaim.unclaimed", "deny")
    scene.bob.claim("take", "free")
    commit(scene.bob, "free")
    scene.bob.claim("release", "free")
    accepted(push(scene.bob))


def test_who_pushes_what_its_claim_does_not_cover_any_more_is_told(scene: Scene) -> None:
    """Nobody else has it: the work lands, and whoever goes on knows that it needs a claim again."""
    scene.bob.claim("take", "free")
    commit(scene.bob, "free")
    scene.alice.claim("break", "free", "--reason", "gone")
    ran = push(scene.bob)
    assert ran.code == 0
    assert ran.stderr.startswith(
        "note: FENCED: this session's claim on free was broken by alice: gone; nobody else has it"
    )


def test_who_pushes_what_another_has_taken_over_is_fenced(scene: Scene) -> None:
    scene.bob.claim("take", "free")
    commit(scene.bob, "free", "x")
    scene.alice.claim("break", "free", "--reason", "gone")
    scene.alice.claim("take", "free")
    refused(
        push(scene.bob),
        "fenced: this session's claim on free was broken by alice: gone",
        "blocked: free is held by alice",
    )


# A registry that does not answer.


@pytest.mark.parametrize("deny", [False, True])
@pytest.mark.parametrize("held", [False, True])
def test_offline_the_mirror_decides_or_nobody_pushes(scene: Scene, *, deny: bool, held: bool) -> None:
    scene.other()
    scene.bob.git("config", "gitclaim.offline", "deny" if deny else "allow")
    scene.bob.claim("list")
    if held:
        foreign(scene.bob)
    else:
        commit(scene.bob, "free", "x", "--no-verify")
    scene.away()
    ran = push(scene.bob, remote="other")
    if deny:
        refused(ran, "offline: deny")
    elif held:
        refused(ran, "blocked: src/a", "note: OFFLINE")
    else:
        assert ran.code == 0
        assert ran.stderr.startswith("note: OFFLINE: can't read the registry")


@pytest.fixture
def slow(scene: Scene) -> Scene:
    """A registry that accepts a connection and then says nothing."""
    script = scene.root / "slow"
    script.write_text("#!/bin/sh\nsleep 60\n")
    script.chmod(0o755)
    scene.bob.claim("list")
    scene.bob.git("config", "remote.origin.uploadpack", str(script))
    scene.bob.git("config", "gitclaim.budget", "1")
    return scene


@pytest.mark.parametrize("deny", [False, True])
def test_a_registry_that_hangs_costs_a_push_its_budget_and_no_more(slow: Scene, *, deny: bool) -> None:
    slow.other()
    slow.bob.git("config", "gitclaim.offline", "deny" if deny else "allow")
    commit(slow.bob, "free", "x", "--no-verify")
    start = time.monotonic()
    ran = push(slow.bob, remote="other")
    assert 1 <= time.monotonic() - start < 5
    assert ran.code == (1 if deny else 0)
    assert "did not answer within 1 seconds" in ran.stderr


@pytest.mark.parametrize("deny", [False, True])
def test_a_registry_that_hangs_costs_a_commit_its_budget_and_no_more(slow: Scene, *, deny: bool) -> None:
    slow.bob.git("config", "gitclaim.offline", "deny" if deny else "allow")
    slow.bob.git("config", "gitclaim.fresh", "0")
    (slow.bob.path / "free").write_text("x")
    slow.bob.git("add", "free")
    start = time.monotonic()
    ran = slow.bob.try_git("commit", "--quiet", "-m", "x")
    assert 1 <= time.monotonic() - start < 5
    assert ran.code == (1 if deny else 0)
    assert "did not answer within 1 seconds" in ran.stderr


# At the commit.


def try_commit(repo: Repo, *names: str) -> Ran:
    for name in names:
        (repo.path / name).parent.mkdir(exist_ok=True)
        (repo.path / name).write_text("x")
    repo.git("add", "--", *names)
    return repo.try_git("commit", "--quiet", "-m", "x")


def mine(repo: Repo) -> list[str]:
    """What this session holds."""
    return sorted(
        name for one in repo.claim("list", "--mine", "--json").json["claims"] for name in one["claim"]["resources"]
    )


def test_by_policy_a_commit_takes_exactly_what_is_free(scene: Scene) -> None:
    scene.bob.git("config", "gitclaim.unclaimed", "take")
    scene.bob.claim("take", "docs")
    ran = try_commit(scene.bob, "free", "docs/b", "x/new")
    assert ran.code == 0
    assert ran.stderr.startswith("gitclaim: took free, x/new")
    assert mine(scene.bob) == ["path:docs", "path:free", "path:x/new"]
    assert scene.bob.git("log", "-1", "--format=%(trailers:key=Claim,valueonly)").count("\n") == 1
    scene.bob.claim("release", "--all")
    accepted(push(scene.bob))


def test_by_policy_a_commit_takes_all_or_nothing(scene: Scene) -> None:
    """One of the paths was taken a moment ago, and this clone has not seen it yet."""
    scene.bob.git("config", "gitclaim.unclaimed", "take")
    scene.bob.git("config", "gitclaim.fresh", "1h")
    scene.bob.claim("list")
    scene.alice.claim("take", "free2")
    ran = try_commit(scene.bob, "free1", "free2")
    refused(ran, "blocked: free2 is held by alice")
    assert mine(scene.bob) == []
    assert scene.bob.git("rev-parse", "HEAD") == scene.bob.git("rev-parse", "origin/main")


def test_a_new_file_that_matches_another_s_pattern_is_stopped(scene: Scene) -> None:
    (scene.alice.path / "a.sql").write_text("x")
    scene.alice.git("add", "a.sql")
    scene.alice.claim("take", "--glob", "*.sql")
    # What bob's hook goes by may be seconds old.
    scene.bob.claim("list")
    refused(try_commit(scene.bob, "b.sql"), "b.sql matches *.sql, claimed by alice")
    assert scene.bob.try_git("commit", "--quiet", "-am", "x").code == 1
    assert scene.bob.try_git("commit", "--quiet", "-m", "x", "b.sql").code == 1
    scene.bob.git("commit", "--quiet", "--no-verify", "-m", "x")
    refused(push(scene.bob), "b.sql matches *.sql")


@pytest.mark.parametrize("all_", [True, False])
def test_the_index_of_a_commit_of_some_paths_is_the_one_looked_at(scene: Scene, *, all_: bool) -> None:
    """`commit PATH` leaves out what is staged; `commit -a` adds what is not."""
    (scene.bob.path / HELD).write_text("bob")
    if all_:
        refused(scene.bob.try_git("commit", "--quiet", "-am", "x"))
    else:
        scene.bob.git("add", HELD)
        (scene.bob.path / "docs/b").write_text("bob")
        assert scene.bob.try_git("commit", "--quiet", "-m", "x", "docs/b").code == 0
        refused(scene.bob.try_git("commit", "--quiet", "-m", "x"))


def test_an_index_of_100_000_files_is_no_burden(tmp_path: Path) -> None:
    remote = make_bare(tmp_path / "remote.git")
    alice, bob = (make_clone(remote.path.as_uri(), tmp_path / name, session=name) for name in ("alice", "bob"))
    bob = hooked(bob)
    blob = bob.git("hash-object", "-w", "--stdin", input="x")
    lines = (f"100644 {blob}\td{number % 100}/e{number % 1000}/{number}\n" for number in range(100_000))
    bob.git("update-index", "--index-info", input="".join(lines))
    bob.git("commit", "--quiet", "--no-verify", "-m", "many")
    alice.claim("take", "d7")
    changed = bob.git("hash-object", "-w", "--stdin", input="y")
    bob.git("update-index", "--index-info", input=f"100644 {changed}\td8/e8/8\n")
    start = time.monotonic()
    assert bob.try_git("commit", "--quiet", "-m", "x").code == 0
    bob.git("update-index", "--index-info", input=f"100644 {changed}\td7/e7/7\n")
    ran = bob.try_git("commit", "--quiet", "-m", "x")
    refused(ran, "blocked: d7/e7/7 lies within d7, held by alice")
    assert time.monotonic() - start < 10


def test_a_repository_that_is_its_own_registry_is_pushed_from_too(tmp_path: Path) -> None:
    repo = make_repo(tmp_path / "repo", session="bob")
    repo = hooked(repo)
    commit(repo, HELD)
    repo.claim("take", "src", session="alice")
    target = make_bare(tmp_path / "target.git")
    commit(repo, HELD, "more", "--no-verify")
    refused(push(repo, "HEAD:refs/heads/x", remote=str(target.path)))
    accepted(push(with_session(replace(repo, session="alice")), "HEAD:refs/heads/x", remote=str(target.path)))


# What git tells.


def test_what_git_tells_is_read_from_the_right() -> None:
    one, two, none = "1" * 40, "2" * 40, "0" * 40
    text = f"HEAD@{{1 day ago}} {one} refs/heads/x {two}\n(delete) {none} refs/heads/y {one}\n"
    text += f"a {one} refs/heads/é {none}\n"
    assert list(parsed(text)) == [
        Update("refs/heads/x", Oid(one), Oid(two)),
        Update("refs/heads/y", None, Oid(one)),
        Update("refs/heads/é", Oid(one), None),
    ]
    assert list(parsed("")) == []
    assert list(parsed(f"x {'3' * 64} refs/heads/x {'0' * 64}\n")) == [Update("refs/heads/x", Oid("3" * 64), None)]


@pytest.mark.parametrize("line", ["x", "a b c d", f"x {'1' * 39} refs/heads/x {'0' * 40}", f"{'1' * 40} r {'0' * 40}"])
def test_what_git_never_says_is_an_error(line: str) -> None:
    with pytest.raises(GitclaimError, match="not a line for a pre-push hook") as caught:
        list(parsed(f"{line}\n"))
    assert caught.value.exit_code is Exit.FIXABLE


def test_a_forced_push_does_not_throw_a_holder_s_landed_work_away(scene: Scene) -> None:
    """Its commits say whose they are; one's own may be rewritten."""
    under_claim(hooked(scene.alice), "src/a")
    scene.bob.git("fetch", "--quiet", "origin")
    commit(scene.bob, "free")
    main = scene.bob.git("for-each-ref", "--format=%(refname:lstrip=3)", "refs/remotes/origin/main")
    refused(push(scene.bob, f"+HEAD:refs/heads/{main}"))
    refused(push(scene.bob, f"+HEAD~1:refs/heads/{main}"))
    accepted(push(scene.bob, "HEAD:refs/heads/mine"))
    scene.bob.git("commit", "--quiet", "--amend", "--message", "again")
    accepted(push(scene.bob, "+HEAD:refs/heads/mine"))


def under_claim(repo: Repo, path: str) -> None:
    """Work under the session's claim, on the remote's main branch."""
    commit(repo, path)
    accepted(push(repo, "HEAD:refs/heads/main"))


def test_notes_are_no_files(scene: Scene) -> None:
    scene.bob.git("config", "gitclaim.unclaimed", "deny")
    scene.bob.git("notes", "add", "-m", "hi")
    accepted(push(scene.bob, "refs/notes/commits"))


def test_what_another_remote_has_does_not_vouch_for_one_with_a_shorter_name(scene: Scene) -> None:
    other = scene.other()
    scene.bob.git("remote", "rename", "other", "origin/alice")
    commit(scene.bob, "src/a", "1", "--no-verify")
    scene.bob.git("push", "--quiet", "--no-verify", "origin/alice", "HEAD:refs/heads/topic")
    assert other.refs("refs/heads")
    refused(push(scene.bob, "HEAD:refs/heads/main"))


def test_a_pattern_of_many_stars_holds_nobody_up(scene: Scene) -> None:
    (scene.alice.path / "x.py").write_text("1")
    scene.alice.git("add", "x.py")
    assert "at most 4 wildcards" in scene.alice.claim("take", "--glob", "**/" * 40 + "x.py", code=2).stderr
    scene.alice.claim("take", "--glob", "**/" * 4 + "x.py")
    path = "one/two/three/four/five/six/seven/eight/y.java"
    commit(scene.bob, path)
    accepted(push(scene.bob))
    commit(scene.bob, f"{path.removesuffix('y.java')}x.py", "1", "--no-verify")
    refused(push(scene.bob), "claimed by alice")
