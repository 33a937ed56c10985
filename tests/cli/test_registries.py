"""Where claims stand: every way to name a registry, switching, and what happens when it is not there."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.kit.garbage import claim_message, raw_commit
from tests.kit.processes import eventually
from tests.kit.repos import ROOT, Clones, Repo, make_bare, make_clone, make_repo, run
from tests.kit.sized import few


def held(repo: Repo) -> list[str]:
    """The claims this clone sees now."""
    return [str(one["claim"]["session"]) for one in repo.claim("list", "--json").json["claims"]]


WAYS = ("name", "yaml", "pushurl", "insteadOf", "url", "path", "relative", "urls", "mirror")


@pytest.mark.parametrize("way", few(WAYS, 4))
def test_every_way_to_name_a_registry(clones: Clones, way: str) -> None:
    """A claim that goes in one way is met by who came another."""
    alice = clones.alice
    match way:
        case "name":
            alice.git("remote", "rename", "origin", "up")
            alice.claim("init", "--registry", "up")
        case "url":
            alice.git("remote", "remove", "origin")
            alice.claim("init", "--registry", clones.url)
        case "path":
            alice.git("config", "gitclaim.registry", str(clones.remote.path))
        case "relative":
            (alice.path / "sub").mkdir()
            Repo(alice.path / "sub", session="alice").claim("init", "--registry", "../../remote.git")
            assert alice.git("config", "gitclaim.registry") == str(clones.remote.path)
        case "yaml":
            alice.git("remote", "rename", "origin", "up")
            (alice.path / ".gitclaim.yaml").write_text("registry: up\n")
        case "pushurl":
            alice.git("remote", "set-url", "origin", "/nowhere")
            alice.git("remote", "set-url", "--push", "origin", clones.url)
        case "urls":
            alice.git("remote", "set-url", "--add", "origin", "/nowhere")
        case "mirror":
            alice.git("config", "remote.origin.mirror", "true")
            alice.git("config", "remote.origin.fetch", "+refs/*:refs/*")
        case _:
            alice.git("remote", "set-url", "origin", "short:remote.git")
            alice.git("config", f"url.file://{clones.remote.path.parent}/.insteadOf", "short:")
    alice.claim("take", "src")
    assert clones.bob.claim("take", "src/a", "--json", code=3).json["blockers"][0]["claim"]["session"] == "alice"
    assert held(alice) == held(clones.bob) == ["alice"]
    alice.claim("release", "--all")
    clones.bob.claim("take", "src/a")
    alice.claim("take", "src", code=3)


def test_no_such_remote_is_told(alice: Repo) -> None:
    """A typo is no registry; nothing is noted."""
    told = alice.claim("init", "--registry", "orign", code=1).stderr
    assert told == (
        "error: there is no remote named 'orign'\n"
        "hint: gitclaim init --registry NAME-OR-URL sets the registry; a dot is the repository itself\n"
    )
    alice.claim("init", "--registry", "./nowhere", code=4)
    assert alice.git("config", "gitclaim.registry", check=False) == ""


def test_a_file_in_the_tree_starts_no_program(alice: Repo) -> None:
    """`ext::` in .gitclaim.yaml is refused, whatever git's own configuration allows."""
    (alice.path / ".gitclaim.yaml").write_text("registry: ext::touch owned\n")
    alice.git("config", "protocol.ext.allow", "always")
    told = alice.claim("list", code=1).stderr
    assert "may not name a remote helper" in told
    assert not (alice.path / "owned").exists()


@pytest.mark.parametrize("yaml", ["registry: --upload-pack=touch owned;/\n", "registry: -c/x\n", "registry: a/../b\n"])
def test_a_registry_is_never_an_option(alice: Repo, yaml: str) -> None:
    """What looks like an option of git's is an address that is not there: exit code 4."""
    (alice.path / ".gitclaim.yaml").write_text(yaml)
    alice.claim("take", "a", code=4)
    assert not (alice.path / "owned").exists()


def test_live_claims_are_never_dropped_by_a_switch(tmp_path: Path) -> None:
    """A remote appears: refused with the way out, until init moves them, signed as they were."""
    remote = make_bare(tmp_path / "remote.git")
    repo = make_repo(tmp_path / "repo", session="one")
    before = repo.claim("take", "src", "task:1", "--json").json["claim"]
    repo.git("remote", "add", "origin", remote.path.as_uri())
    for line in ("take other", "list", "sweep", "renew", "release --all", "check src"):
        told = repo.claim(*line.split(), code=1).stderr
        assert "live claims stand in the repository itself: src, task:1 (one)" in told
        assert "hint: gitclaim init moves them there" in told
    assert repo.refs().keys() == set(before["refs"])
    said = repo.claim("init").stdout
    assert "moved: src, task:1 (one)\n" in said
    assert remote.refs() == dict.fromkeys(before["refs"], before["oid"])
    assert repo.claim("renew", "--json").json["claims"][0]["id"] == before["id"]
    make_clone(remote.path.as_uri(), tmp_path / "two", session="two").claim("take", "src/a", code=3)
    assert "moved" not in repo.claim("init").stdout


def test_a_move_that_meets_another_s_claim_loses_nothing(clones: Clones) -> None:
    """What is taken there is reported, nothing is switched; once that is settled, init goes through."""
    alice = clones.alice
    alice.git("config", "gitclaim.registry", ".")
    alice.claim("take", "free")
    alice.claim("take", "src/a")
    clones.bob.claim("take", "src")
    alice.git("config", "--unset", "gitclaim.registry")
    denied = alice.claim("init", "--json", code=3).json
    assert denied["outcome"] == "denied"
    assert [one["resources"] for one in denied["moved"]] == [["path:free"]]
    assert [one["resources"] for one in denied["not_moved"]] == [["path:src/a"]]
    assert set(alice.refs()) == {"refs/claims/path/free", "refs/claims/path/src/a"}
    assert "not moved: src/a (alice): taken there" in alice.claim("init", code=3).stdout
    clones.bob.claim("release", "src")
    assert alice.claim("init", "--json").json["outcome"] == "ready"
    assert held(clones.bob) == ["alice", "alice"]


def test_a_move_to_what_is_not_there_changes_nothing(tmp_path: Path) -> None:
    """Exit code 4, and the claims stand where they stood."""
    repo = make_repo(tmp_path / "repo", session="one")
    repo.claim("take", "src")
    assert repo.claim("init", "--registry", "/nowhere/at/all", code=4).stderr.startswith("error: can't read the regis")
    assert held(repo) == ["one"]


def test_what_cannot_be_read_cannot_be_moved(tmp_path: Path) -> None:
    """A live claim of a later format keeps the switch from happening: it is not ours to drop."""
    remote = make_bare(tmp_path / "remote.git")
    repo = make_repo(tmp_path / "repo", session="one")
    repo.git("update-ref", "refs/claims/path/new", raw_commit(repo, claim_message("new", Claim_Format="2")))
    repo.git("remote", "add", "origin", remote.path.as_uri())
    for line in ("list", "init"):
        assert "upgrade gitclaim" in repo.claim(*line.split(), code=1).stderr
    assert repo.refs()


def test_a_mirror_of_one_registry_is_not_shown_as_another(clones: Clones, tmp_path: Path) -> None:
    """After a switch, even offline, nothing of the old registry is told as if it stood in the new one."""
    other = make_bare(tmp_path / "other.git")
    clones.bob.claim("take", "src")
    assert held(clones.alice) == ["bob"]
    clones.alice.claim("init", "--registry", other.path.as_uri())
    assert clones.alice.claim("list", "--offline").stdout.startswith("nothing is claimed")
    clones.alice.claim("take", "src")
    clones.alice.claim("release", "--all")
    clones.alice.claim("init", "--registry", "origin")
    assert held(clones.alice) == ["bob"]
    clones.alice.claim("init", "--registry", ".")
    assert clones.alice.claim("list").stdout == "nothing is claimed\n"
    clones.alice.claim("take", "src")
    assert clones.remote.refs().keys() == {"refs/claims/path/src"}


def test_who_waits_for_another_registry_drops_nothing(clones: Clones) -> None:
    """A process that began before the switch must not take the clone's own live claims for an old mirror."""
    clones.bob.claim("take", "src")
    argv = [sys.executable, "-m", "gitclaim", "take", "src", "--wait", "1m"]
    env = clones.alice._environ({"GITCLAIM_SESSION": "waiter", "PYTHONPATH": str(ROOT)})
    waiting = subprocess.Popen(argv, cwd=clones.alice.path, env=env, stderr=subprocess.PIPE, text=True)
    eventually(lambda: clones.alice.refs() != {})
    clones.alice.claim("init", "--registry", ".")
    clones.alice.claim("take", "local")
    _, err = waiting.communicate(timeout=40)
    assert waiting.returncode == 1
    assert "was switched" in err
    assert clones.alice.refs().keys() == {"refs/claims/path/local"}


def test_a_mirrored_clone_has_nothing_to_move(clones: Clones, tmp_path: Path) -> None:
    """`git clone --mirror` copies claims: they stand there already, so they are no claims of the repository itself."""
    clones.alice.claim("take", "src")
    mirror = Repo(tmp_path / "mirror.git", session="mirror")
    clones.alice.git("clone", "--quiet", "--mirror", clones.url, mirror.path)
    assert mirror.refs()
    assert mirror.claim("take", "src/a", "--json", code=3).json["blockers"][0]["claim"]["session"] == "alice"
    mirror.claim("take", "other")


@pytest.mark.parametrize("kind", ["shallow", "partial", "sha256"])
def test_unusual_repositories(tmp_path: Path, kind: str) -> None:
    """Shallow and partial clones, and repositories with SHA-256 objects, claim like any other."""
    remote = Repo(tmp_path / "remote.git")
    remote.path.mkdir()
    format_ = ["--object-format=sha256"] if kind == "sha256" else []
    remote.git("init", "--quiet", "--bare", *format_)
    remote.git("config", "uploadpack.allowFilter", "true")
    start = remote.empty_commit("start")
    tree = remote.git("rev-parse", f"{start}^{{tree}}")
    remote.git("update-ref", "refs/heads/main", remote.git("commit-tree", tree, "-p", start, "-m", "more"))
    options = {"shallow": ["--depth=1"], "partial": ["--filter=blob:none"], "sha256": []}[kind]
    one, two = (Repo(tmp_path / name, session=name) for name in ("one", "two"))
    for repo in (one, two):
        run("git", "clone", "--quiet", *options, remote.path.as_uri(), repo.path, cwd=tmp_path, env=os.environ)
    one.claim("take", "src", "task:1")
    assert two.claim("take", "src/a", "--json", code=3).json["blockers"][0]["reason"] == "WITHIN"
    one.claim("renew", "--ttl", "2h")
    assert len(two.claim("show", "src", "--json").json["claims"][0]["oid"]) == (64 if kind == "sha256" else 40)
    one.claim("release", "--all")
    two.claim("take", "src/a")
    assert remote.refs().keys() == {"refs/claims/path/src/a"}


def test_a_registry_that_vanished_is_4(clones: Clones) -> None:
    """Nothing is claimed and that is said; the mirror still answers, and says how old it is."""
    clones.bob.claim("take", "src")
    clones.alice.claim("take", "mine")
    clones.alice.claim("list")
    away = clones.remote.path.rename(clones.remote.path.with_name("away.git"))
    for line in ("take a", "renew", "release --all", "list", "check a", "show src", "sweep", "give mine --to bob"):
        told = clones.alice.claim(*line.split(), "--json", code=4).json
        assert (told["outcome"], told["reason"]) == ("error", "OFFLINE")
        assert told["hint"]
    assert "nothing was written" in clones.alice.claim("take", "a", code=4).stderr
    offline = clones.alice.claim("list", "--offline").stdout
    assert "\nsrc " in offline
    assert "\nnote: offline, as of 2" in offline
    assert clones.alice.claim("check", "src/a", "--offline", "--json", code=3).json["age"] > 0
    away.rename(clones.remote.path)
    assert clones.alice.claim("list", "--mine", "--json").json["claims"][0]["claim"]["resources"] == ["path:mine"]
    clones.alice.claim("take", "a")


def test_offline_before_the_first_sync_says_so(clones: Clones) -> None:
    """A mirror that was never filled is not an empty registry."""
    said = clones.alice.claim("list", "--offline").stdout
    assert "note: this clone has never seen the registry" in said
    assert clones.alice.claim("list", "--offline", "--json").json["age"] is None


def test_a_registry_that_hangs_ends_in_time(alice: Repo) -> None:
    """`gitclaim.timeout` bounds every call to a server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        alice.git("remote", "set-url", "origin", f"git://127.0.0.1:{server.getsockname()[1]}/x.git")
        alice.git("config", "gitclaim.timeout", "1")
        for line in ("take a", "list"):
            began = time.monotonic()
            told = alice.claim(*line.split(), code=4).stderr
            assert time.monotonic() - began < 20
            assert "answer" in told
    assert alice.refs() == {}


def test_a_wait_outlives_a_registry_that_is_gone_for_a_moment(clones: Clones) -> None:
    """`take --wait` goes on trying; at its end it says what is wrong."""
    away = clones.remote.path.rename(clones.remote.path.with_name("away.git"))
    argv = [sys.executable, "-m", "gitclaim", "take", "src", "--wait", "1m"]
    env = clones.bob._environ({"GITCLAIM_SESSION": "bob", "PYTHONPATH": str(ROOT)})
    waiting = subprocess.Popen(argv, cwd=clones.bob.path, env=env, stdout=subprocess.PIPE, text=True)
    time.sleep(0.5)
    away.rename(clones.remote.path)
    out, _ = waiting.communicate(timeout=40)
    assert (waiting.returncode, out[:10]) == (0, "held: src ")
    clones.remote.path.rename(away)
    clones.alice.claim("take", "x", "--wait", "1s", code=4)
