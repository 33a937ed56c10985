"""A server with its wall, over real transports: what its users do passes, and what breaks a claim does not."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from gitclaim.errors import Exit
from tests.kit.attacker import listing, make_key, server_python, shift_wall, signing_with, wall
from tests.kit.gitolite import ANY_REF, serving_gitolite
from tests.kit.races import LATER, Racer, at, race
from tests.kit.repos import Clones, Ran, Repo, make_bare, make_clone, make_clones
from tests.kit.transport import Transport
from tests.kit.transports import serving

LATE = timedelta(seconds=LATER)


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The server's interpreter."""
    return server_python(tmp_path_factory.mktemp("server") / "python")


@pytest.fixture(scope="module", params=["ssh", "http"])
def way(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Transport]:
    """The transports over which git runs a server's hooks."""
    with serving(request.param, tmp_path_factory.getbasetemp()) as transport:
        yield transport


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the walled clones are built, by the first test that needs them: the others get copies."""
    return tmp_path_factory.mktemp("scene") / "built"


@pytest.fixture
def walled(built: Path, tmp_path: Path, python: Path) -> Clones:
    """Two clones of a server with a wall, on this disk; `src/a` and `docs/b` are there, and bob is a maintainer."""
    if not built.exists():
        draft = built.with_name("draft")
        _build(draft, python)
        draft.rename(built)
    shutil.copytree(built, tmp_path, symlinks=True, dirs_exist_ok=True)
    for name in ("alice", "bob"):
        for path in (tmp_path / name / ".git").glob("**/*"):
            if path.name in {"config", "mirror.json"}:
                path.write_text(path.read_text().replace(str(built.with_name("draft")), str(tmp_path)))
    alice, bob, remote = (Repo(tmp_path / name, name) for name in ("alice", "bob", "remote.git"))
    return Clones(alice, bob, remote, remote.path.as_uri())


def _build(root: Path, python: Path) -> None:
    remote = make_bare(root / "remote.git")
    clones = make_clones(root, remote, remote.path.as_uri())
    prepare(clones)
    wall(remote, python)


def prepare(clones: Clones) -> None:
    """Files to work on, and bob a maintainer."""
    alice, bob = clones.alice, clones.bob
    # The key of a clone is made at its first use.
    bob.claim("take", "lane:key")
    bob.claim("release", "--all")
    for record in clones.remote.refs("refs/gitclaim"):
        clones.remote.git("update-ref", "-d", record)
    for name in ("src/a", "docs/b"):
        alice.commit_file(name, f"{name}\n" * 10)
    public = (bob.path / ".git/gitclaim/key.pub").read_text().strip()
    decide(alice, f"maintainers: ['{public}']\n")
    bob.git("pull", "--quiet")


def decide(repo: Repo, text: str) -> Ran:
    """Push what is decided on the default branch, signed by bob."""
    (repo.path / ".gitclaim.yaml").write_text(text)
    repo.git("add", ".gitclaim.yaml")
    key = repo.path.with_name("bob") / ".git/gitclaim/key"
    repo.git("commit", "--quiet", "-m", "decide", env=signing_with(key))
    return repo.try_git("push", "--quiet", "origin", "HEAD:main")


def commit(repo: Repo, name: str, content: str, words: str = "work", *options: str) -> str:
    """A commit on the branch that is checked out."""
    target = repo.path / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content)
    repo.git("add", "--", name)
    repo.git("commit", "--quiet", "-m", words, *options)
    return repo.git("rev-parse", "HEAD")


def push(repo: Repo, *words: str) -> Ran:
    return repo.try_git("push", "--quiet", *words)


def refused(ran: Ran, *words: str) -> None:
    said = " ".join(ran.stderr.replace("remote:", " ").split())
    assert ran.code == 1, said
    for word in words:
        assert word in said, said


def accepted(ran: Ran) -> None:
    assert (ran.code, ran.stderr) == (0, "")


def claim_of(repo: Repo, resource: str) -> str:
    """The id of the claim on that resource."""
    (found,) = repo.claim("show", resource, "--json").json["claims"]
    name: str = found["claim"]["id"]
    return name


def shown(remote: Repo) -> list[str]:
    return [ref.removeprefix("refs/claims/") for ref in remote.refs()]


def essentials(clones: Clones) -> None:
    """What a transport has to carry: a claim on two things, refusals, a renewal, a landing."""
    alice, bob, remote = clones.alice, clones.bob, clones.remote
    alice.claim("take", "src", "task:7")
    bob.claim("take", "src/a", code=Exit.DENIED)
    refused(push(bob, "origin", f"{commit(bob, 'src/a', 'bob')}:refs/heads/x"), "held by alice until")
    refused(push(bob, "origin", ":refs/claims/task/7"), "alice holds src, task:7 until")
    alice.claim("renew")
    commit(alice, "src/a", "alice\n")
    alice.claim("land", "--keep")
    alice.claim("take", "caf\u00e9/\u65e5\u672c [1]")
    commit(alice, "caf\u00e9/\u65e5\u672c [1]", "alice\n")
    alice.claim("land")
    assert shown(remote) == ["path/src", "task/7"]
    alice.claim("release", "--all")
    assert (shown(remote), remote.git("show", "main:src/a")) == ([], "alice")


def everything(clones: Clones) -> None:
    """All that claims are good for, from the first take to the last landing."""
    alice, bob, remote = clones.alice, clones.bob, clones.remote
    alice.claim("take", "src", "task:7", "--for", "Pages")
    alice.claim("renew", "--ttl", "2h")
    alice.claim("release", "task:7")
    assert shown(remote) == ["path/src"]
    alice.claim("give", "src", "--to", "bob")
    refused(push(alice, "origin", f"{commit(alice, 'src/a', 'alice')}:refs/heads/x"), "held by bob until")
    alice.git("reset", "--quiet", "--hard", "origin/main")
    bob.claim("renew")
    commit(bob, "src/a", "bob\n")
    bob.claim("land", "--keep")
    assert shown(remote) == ["path/src"]
    commit(bob, "src/a", "bob again\n")
    bob.claim("land")
    assert (shown(remote), remote.git("show", "main:src/a")) == ([], "bob again")

    alice.claim("take", "docs/b")
    alice.claim("take", "docs", "--widen")
    bob.claim("break", "docs", "--reason", "gone")
    alice.claim("renew", code=Exit.FENCED)
    bob.claim("take", "docs")
    alice.claim("break", "docs", "--reason", "mine", code=1)
    alice.git("pull", "--quiet")
    alice.claim("take", "lib", "--glob", "src/*", "topic:An idea", "lane:deploy")
    assert shown(remote) == ["lane/deploy", "path/docs", "path/lib", "path/src/a", "topic/idea"]
    refused(push(bob, "origin", f"{commit(bob, 'src/new', 'bob')}:refs/heads/x"), "src/new in commit", "held by alice")
    assert bob.claim("doctor").code == 0
    alice.claim("release", "--all")
    assert shown(remote) == ["path/docs"]


def test_everything_works(walled: Clones) -> None:
    everything(walled)


def test_the_wall_stands_over(way: Transport, tmp_path: Path, python: Path) -> None:
    remote = make_bare(tmp_path / "remote.git")
    clones = make_clones(tmp_path, remote, way.url(remote.path), way.env())
    wall(remote, python)
    essentials(clones)


def test_the_wall_stands_on_gitolite(tmp_path: Path, python: Path) -> None:
    with serving_gitolite(tmp_path) as gitolite:
        gitolite.configure(ANY_REF)
        remote = gitolite.create("app")
        url = gitolite.url("app")
        alice, bob = (
            make_clone(url, tmp_path / name, session=name, env=gitolite.env(name)) for name in ("alice", "bob")
        )
        clones = Clones(alice, bob, remote, url)
        wall(remote, python)
        # gitolite's own, which says who may push at all.
        assert (remote.path / "hooks" / "update").exists()
        essentials(clones)


def test_a_repository_with_long_names_of_objects_has_a_wall_too(tmp_path: Path, python: Path) -> None:
    remote = Repo(tmp_path / "remote.git")
    remote.path.mkdir()
    remote.git("init", "--quiet", "--bare", "--object-format=sha256")
    wall(remote, python)
    # Of an empty repository git (2.39) would make a clone with short ones.
    alice, bob = (Repo(tmp_path / name, name) for name in ("alice", "bob"))
    for repo in (alice, bob):
        repo.path.mkdir()
        repo.git("init", "--quiet", "--object-format=sha256")
        repo.git("remote", "add", "origin", remote.path.as_uri())
    # The first push of all, to a branch that does not exist yet.
    accepted(push(alice, "-u", "origin", f"{commit(alice, 'src/a', 'a')}:refs/heads/main"))
    bob.git("pull", "--quiet", "origin", "main")
    alice.claim("take", "src")
    refused(push(bob, "origin", f"{commit(bob, 'src/a', 'bob')}:main"), "held by alice")
    commit(alice, "src/a", "alice\n")
    alice.claim("land", "--to", "main")
    assert not shown(remote)


# Leases.


def test_what_expired_is_taken_over_and_swept(walled: Clones, python: Path) -> None:
    alice, bob = walled.alice, walled.bob
    alice.claim("take", "src")
    at(bob, LATER, "take", "src/a", code=None)
    assert "path/src/a" not in shown(walled.remote)
    shift_wall(walled.remote, python, LATE)
    at(bob, LATER, "take", "src/a")
    assert shown(walled.remote) == ["path/src/a"]
    at(bob, 2 * LATER, "sweep", code=None)
    assert shown(walled.remote) == ["path/src/a"]
    shift_wall(walled.remote, python, 2 * LATE)
    at(bob, 2 * LATER, "sweep")
    assert not shown(walled.remote)


def test_records_are_swept_when_they_are_of_no_use(walled: Clones, python: Path) -> None:
    alice, bob = walled.alice, walled.bob
    alice.claim("take", "src")
    alice.claim("release", "--all")
    (record,) = walled.remote.refs("refs/gitclaim")
    refused(push(bob, "origin", f":{record}"), "the record is still of use")
    shift_wall(walled.remote, python, LATE)
    at(bob, LATER, "sweep")
    assert not walled.remote.refs("refs/gitclaim")


@pytest.mark.parametrize("paths", [["a"], ["a", "a/b", "a/b/c"]], ids=["one path", "nested paths"])
@pytest.mark.parametrize("rounds", [1, pytest.param(20, marks=pytest.mark.torture)])
def test_of_eight_that_race_one_wins(walled: Clones, paths: list[str], rounds: int) -> None:
    repos = [walled.alice, walled.bob]
    for _ in range(rounds):
        ran = race([Racer(repos[n % 2], f"s{n}", ("take", paths[n % len(paths)])) for n in range(8)])
        assert sorted(one.code for one in ran) == [0, *[Exit.DENIED] * 7], [one.stderr for one in ran]
        winner = [one.code for one in ran].index(0)
        assert shown(walled.remote) == [f"path/{paths[winner % len(paths)]}"]
        repos[winner % 2].claim("release", "--all", session=f"s{winner}")


# Plain pushes.


def test_the_holders_plain_push_is_told_the_way_out(walled: Clones) -> None:
    walled.alice.claim("take", "src")
    commit(walled.alice, "src/a", "alice\n", f"work\n\nClaim: {claim_of(walled.alice, 'src')}")
    refused(
        push(walled.alice, "origin", "HEAD:main"),
        "src/a in commit",
        "held by alice",
        "its holder lands it: gitclaim land",
    )


def signing(repo: Repo, key: Path) -> None:
    repo.git("config", "gpg.format", "ssh")
    repo.git("config", "user.signingKey", str(key))


def test_a_commit_that_names_the_claim_and_is_signed_by_its_key_passes(walled: Clones, tmp_path: Path) -> None:
    alice = walled.alice
    signing(alice, make_key(tmp_path / "keys", "alice"))
    alice.claim("take", "src")
    name = claim_of(alice, "src")
    commit(alice, "src/a", "one\n", f"work\n\nClaim: {name}", "-S")
    accepted(push(alice, "origin", "HEAD:main"))
    commit(alice, "src/a", "two\n", "work", "-S")
    refused(push(alice, "origin", "HEAD:main"), "held by alice")
    alice.git("commit", "--quiet", "--amend", "-S", "-m", f"work\n\nClaim: {name}")
    accepted(push(alice, "origin", "HEAD:main"))
    signing(alice, make_key(tmp_path / "keys", "another"))
    commit(alice, "src/a", "three\n", f"work\n\nClaim: {name}", "-S")
    refused(push(alice, "origin", "HEAD:main"), "held by alice")


def test_a_push_that_is_certified_by_the_claims_key_passes(walled: Clones, tmp_path: Path) -> None:
    alice, bob, remote = walled.alice, walled.bob, walled.remote
    keys = {repo.session: make_key(tmp_path / "keys", repo.session) for repo in (alice, bob)}
    signers = tmp_path / "signers"
    signers.write_text(
        "".join(f"{name}@example.org {key.with_suffix('.pub').read_text()}" for name, key in keys.items())
    )
    remote.git("config", "receive.certNonceSeed", "a secret")
    remote.git("config", "gpg.ssh.allowedSignersFile", str(signers))
    for repo in (alice, bob):
        signing(repo, keys[repo.session])
    alice.claim("take", "src")
    words = f"work\n\nClaim: {claim_of(alice, 'src')}"
    commit(bob, "src/a", "bob\n", words)
    refused(push(bob, "--signed", "origin", "HEAD:main"), "held by alice")
    commit(alice, "src/a", "alice\n", words)
    refused(push(alice, "origin", "HEAD:main"), "held by alice")
    accepted(push(alice, "--signed", "origin", "HEAD:main"))
    # Without the name of the claim it may be anything.
    commit(alice, "src/a", "more\n")
    refused(push(alice, "--signed", "origin", "HEAD:main"), "held by alice")


def test_merging_what_a_colleague_landed_is_nobodys_work(walled: Clones) -> None:
    alice, bob = walled.alice, walled.bob
    alice.claim("take", "src")
    commit(alice, "src/a", "alice\n")
    alice.claim("land", "--keep")
    commit(bob, "lib/x", "bob\n")
    bob.git("fetch", "--quiet")
    bob.git("merge", "--quiet", "-m", "merge", "origin/main")
    accepted(push(bob, "origin", "HEAD:main"))
    # Throwing it away in the merge is.
    bob.git("reset", "--quiet", "--hard", "HEAD^")
    bob.git("merge", "--quiet", "-s", "ours", "-m", "merge", "origin/main")
    refused(push(bob, "origin", "+HEAD:refs/heads/x"), "src/a in commit", "held by alice")


def test_branches_and_tags_come_and_go(walled: Clones) -> None:
    alice, bob = walled.alice, walled.bob
    alice.claim("take", "src")
    commit(bob, "docs/b", "bob\n")
    for ref in ("refs/heads/feature/\u65e5\u672c", "refs/tags/v1", "refs/notes/x"):
        accepted(push(bob, "origin", f"HEAD:{ref}"))
        accepted(push(bob, "origin", f":{ref}"))
    bob.git("tag", "-a", "-m", "two", "v2")
    accepted(push(bob, "origin", "v2"))
    commit(bob, "src/a", "bob\n")
    bob.git("tag", "v3")
    refused(push(bob, "origin", "v3"), "src/a in commit", "held by alice")


def test_a_forced_push_takes_nothing_from_a_holder(walled: Clones) -> None:
    alice, bob = walled.alice, walled.bob
    alice.claim("take", "src")
    commit(alice, "src/a", "alice\n", f"work\n\nClaim: {claim_of(alice, 'src')}")
    alice.claim("land", "--keep", "--to", "feature")
    refused(push(bob, "--force", "origin", "HEAD:feature"), "takes back the work of alice")
    commit(bob, "docs/b", "bob\n")
    accepted(push(bob, "origin", "HEAD:mine"))
    bob.git("commit", "--quiet", "--amend", "-m", "again")
    accepted(push(bob, "--force", "origin", "HEAD:mine"))
    alice.claim("release", "--all")
    accepted(push(bob, "--force", "origin", "HEAD:feature"))


# What is decided.


def test_only_branches_that_are_guarded_are_judged(walled: Clones) -> None:
    accepted(decide(walled.alice, "guard: [main]\n"))
    walled.alice.claim("take", "src")
    commit(walled.bob, "src/a", "bob\n")
    accepted(push(walled.bob, "origin", "HEAD:refs/heads/mine"))
    walled.bob.git("pull", "--quiet", "--no-rebase", "--no-edit", "origin", "main")
    refused(push(walled.bob, "origin", "HEAD:main"), "src/a in commit", "held by alice")


def test_what_nobody_claimed_may_have_to_be(walled: Clones) -> None:
    alice, bob = walled.alice, walled.bob
    accepted(decide(alice, "unclaimed: deny\nexempt: ['*.lock']\n"))
    bob.git("pull", "--quiet")
    commit(bob, "x.lock", "1\n")
    accepted(push(bob, "origin", "HEAD:main"))
    commit(bob, "docs/b", "bob\n")
    refused(push(bob, "origin", "HEAD:main"), "nobody claimed it", "gitclaim take, then gitclaim land --keep")
    bob.claim("take", "docs")
    bob.claim("land")
    assert walled.remote.git("show", "main:docs/b") == "bob"


@pytest.mark.parametrize(
    "text", ["trust: everybody\n", "maintainers: [nobody]\n", "guard:\n  - a b\n", "unclaimd: deny\n", "{"]
)
def test_a_decision_that_makes_no_sense_stays_out_of_the_default_branch(walled: Clones, text: str) -> None:
    before = walled.remote.refs("refs")
    refused(
        decide(walled.alice, text), "gitclaim: refused: refs/heads/main: on the new commit", ".gitclaim.yaml line 1"
    )
    assert walled.remote.refs("refs") == before
    accepted(push(walled.alice, "origin", "HEAD:draft"))


# The hook itself.


def test_a_wall_without_its_python_lets_nothing_in(walled: Clones) -> None:
    hook = walled.remote.path / "hooks" / "pre-receive"
    lines = [
        "python=/nonexistent/python" if line.startswith("python=") else line for line in hook.read_text().split("\n")
    ]
    hook.write_text("\n".join(lines))
    commit(walled.alice, "docs/b", "alice\n")
    refused(push(walled.alice, "origin", "HEAD:main"), "gitclaim is gone from", "so nothing is let in")


def test_a_wall_without_its_package_lets_nothing_in(walled: Clones, tmp_path: Path) -> None:
    bare = tmp_path / "python"
    server_python(bare)
    next(bare.glob("lib/python*/site-packages/checkout.pth")).unlink()
    hook = walled.remote.path / "hooks" / "pre-receive"
    lines = [
        f"python={bare}/bin/python" if line.startswith("python=") else line for line in hook.read_text().split("\n")
    ]
    hook.write_text("\n".join(lines))
    refused(push(walled.alice, "origin", f"{commit(walled.alice, 'x', 'x')}:main"), "so nothing is let in")


@pytest.mark.parametrize("damage", ["settings", "configuration", "temporary"])
def test_a_wall_that_can_not_judge_lets_nothing_in(walled: Clones, damage: str) -> None:
    """And says why."""
    remote, alice = walled.remote, walled.alice
    match damage:
        case "settings":
            tip = commit(alice, ".gitclaim.yaml", "trust: everybody\n")
            remote.git("fetch", "--quiet", str(alice.path), tip)
            remote.git("update-ref", "refs/heads/main", tip)
            words = "trust: means nothing"
        case "configuration":
            remote.git("config", "gitclaim.trustt", "any")
            words = "gitclaim.trustt means nothing"
        case _:
            alice = replace(alice, env={**alice.env, "TMPDIR": "/nonexistent/directory"})
            words = "gitclaim"
    ran = push(alice, "origin", f"{alice.empty_commit('x')}:refs/heads/x")
    if damage == "temporary":
        # Where nothing has to be verified nothing has to be kept.
        alice.claim("take", "src", code=None)
        assert not shown(remote)
    else:
        refused(ran, words)


def test_a_hook_that_was_there_runs_first_and_hears_the_same(walled: Clones, tmp_path: Path, python: Path) -> None:
    remote, alice = walled.remote, walled.alice
    hook = remote.path / "hooks" / "pre-receive"
    remote.claim("uninstall", "--server")
    assert not hook.exists()
    log = tmp_path / "log"
    text = f"#!/bin/sh\ncat >>'{log}'\nif [ -e '{tmp_path}/no' ]; then echo no such luck >&2; exit 3; fi\n"
    hook.write_text(text)
    hook.chmod(0o755)
    wall(remote, python)
    old, new = remote.git("rev-parse", "main"), commit(alice, "docs/b", "alice\n")
    accepted(push(alice, "origin", "HEAD:main", "HEAD:refs/heads/\u65e5"))
    told = sorted([f"{old} {new} refs/heads/main", f"{'0' * 40} {new} refs/heads/\u65e5"])
    assert sorted(log.read_text().splitlines()) == told
    alice.claim("take", "src")
    refused(push(walled.bob, "origin", f"{commit(walled.bob, 'src/a', 'bob')}:refs/heads/x"), "held by alice")
    (tmp_path / "no").touch()
    refused(push(alice, "origin", "HEAD:refs/heads/y"), "no such luck", "pre-receive hook declined")
    remote.claim("uninstall", "--server")
    assert hook.read_text() == text
    assert not hook.with_name("pre-receive.before-gitclaim").exists()


def test_a_bare_repository_wants_the_option(walled: Clones) -> None:
    ran = walled.remote.claim("install", code=1)
    assert "gitclaim install --server" in ran.stderr


def test_the_judgement_can_be_asked_for_by_hand(walled: Clones) -> None:
    walled.alice.claim("take", "src")
    remote = walled.remote
    oid = remote.refs()["refs/claims/path/src"]
    line = f"{oid} {'0' * 40} refs/claims/path/src\n"
    ran = remote.claim("serve-hook", "--json", input=line, code=1)
    (said,) = ran.json["refusals"]
    assert (ran.json["outcome"], said["ref"]) == ("refused", "refs/claims/path/src")
    assert said["message"].startswith("alice holds src until")
    assert remote.claim("serve-hook", input="").stdout == "accepted\n"
    for junk in ("x\n", f"{oid} refs/heads/x\n", f"{oid} {oid}\n", f"{'g' * 40} {oid} refs/heads/x\n"):
        assert remote.claim("serve-hook", input=junk, code=1).stderr.startswith("error: not a line for")
    assert remote.refs() == {"refs/claims/path/src": oid}


def test_judging_writes_nothing_into_the_repository(walled: Clones, tmp_path: Path) -> None:
    """Neither refused pushes nor questions by hand; and nothing stays behind elsewhere."""
    alice, bob, remote = walled.alice, walled.bob, walled.remote
    alice.claim("take", "src")
    # Nothing that is there is pushed again: git itself would mark it as still of use.
    bob.git("fetch", "--quiet", "origin", "refs/claims/path/src")
    claim = bob.git("rev-parse", "FETCH_HEAD")
    commit(bob, "src/a", "bob\n")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    env = {"TMPDIR": str(temporary)}
    before = listing(remote.path)
    oid = remote.refs()["refs/claims/path/src"]
    specs = (["HEAD:main"], [":refs/claims/path/src"], [f"{claim}:refs/claims/path/lib"])
    for spec in specs:
        assert bob.try_git("push", "--quiet", "origin", *spec, env=env).code == 1
    remote.claim("serve-hook", input=f"{oid} {'0' * 40} refs/claims/path/src\n", code=1, env=env)
    after = listing(remote.path)
    # git makes and removes its quarantine there.
    assert {name for name in {*before, *after} if before.get(name) != after.get(name)} <= {"objects"}
    assert not list(temporary.iterdir())
