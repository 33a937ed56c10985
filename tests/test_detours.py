"""Ways round the wall, and round landing: through another branch, another name, an old decision, or sheer size."""

import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import pytest

from gitclaim.trust import fingerprint
from tests.kit.attacker import altered_wall, server_python, shift_wall, signing_with, wall
from tests.kit.races import at
from tests.kit.repos import PATIENCE, ROOT, Repo, make_bare, make_repo
from tests.kit.walled import SRC, TASK, Scene, accepted, commit, held_by_alice, refused, refused_push


@pytest.fixture
def scene(attacked: Scene) -> Scene:
    return attacked


def test_an_old_decision_is_not_brought_back(scene: Scene) -> None:
    """Maintainers trusted mallory once; the old commit of theirs is pushed again."""
    base = f"maintainers: ['{scene.maintainer.public}']\n"
    scene.decide(base + f"trust: known\nkeys: ['{scene.mallory.public}']\nwhole: anyone\n")
    old = scene.alice.git("rev-parse", "HEAD")
    scene.decide(base + "trust: known\n")
    scene.attacked.git("fetch", "--quiet")
    refused(scene, lambda: scene.mallory.push({"refs/heads/main": old}), "only a maintainer")


def test_a_branch_by_another_name_decides_nothing(scene: Scene) -> None:
    scene.remote.git("symbolic-ref", "refs/heads/master", "refs/heads/main")
    commit(scene.attacked, ".gitclaim.yaml", f"maintainers: ['{scene.mallory.public}']\n")
    refused_push(
        scene, {"refs/heads/master": scene.attacked.git("rev-parse", "HEAD")}, "another name of refs/heads/main"
    )


def test_a_head_that_leads_nowhere_decides_nothing(scene: Scene) -> None:
    """`git init --bare` names another branch than the one that is pushed."""
    scene.remote.git("symbolic-ref", "HEAD", "refs/heads/master")
    commit(scene.attacked, ".gitclaim.yaml", f"maintainers: ['{scene.mallory.public}']\n")
    refused_push(
        scene, {"refs/heads/master": scene.attacked.git("rev-parse", "HEAD")}, "nobody can tell what is decided"
    )
    for words in (("doctor",), ("install", "--server")):
        ran = scene.remote.claim(*words, code=1)
        assert "HEAD names refs/heads/master, and that is not there" in ran.stdout + ran.stderr


def test_in_an_empty_repository_the_branch_that_head_names_comes_first(tmp_path: Path) -> None:
    remote = make_bare(tmp_path / "remote.git")
    remote.git("update-ref", "-d", "refs/heads/main")
    wall(remote, server_python(tmp_path / "python"))
    repo = make_repo(tmp_path / "repo")
    repo.git("remote", "add", "origin", str(remote.path))
    repo.commit_file("a")
    ran = repo.try_git("push", "origin", "HEAD:topic")
    assert "HEAD names refs/heads/main here" in ran.stderr
    repo.git("push", "--quiet", "origin", "HEAD:main", "HEAD:topic")


def test_a_default_branch_that_goes_takes_its_decisions_along(scene: Scene) -> None:
    scene.remote.git("config", "receive.denyDeleteCurrent", "ignore")
    refused(scene, lambda: scene.mallory.push({"refs/heads/main": None}), "")


def test_a_branch_that_is_deleted_and_made_again_takes_no_work_away(scene: Scene) -> None:
    start = scene.alice.git("rev-parse", "HEAD")
    scene.alice.git("push", "--quiet", "origin", "HEAD:refs/heads/release")
    commit(scene.alice, "src/a", "alice\n", f"work\n\nClaim: {scene.id}")
    scene.alice.claim("land", "--to", "release", "--keep")
    refused(scene, lambda: scene.mallory.push({"refs/heads/release": start}), "takes back the work of alice")
    one = scene.mallory.push({"refs/heads/release": None})
    two = scene.mallory.push({"refs/heads/release": start})
    assert (one.code, two.code) != (0, 0)


@pytest.mark.parametrize("ref", ["refs/heads/feature", "refs/tags/v1"])
def test_work_does_not_wait_beside_the_branch(scene: Scene, ref: str) -> None:
    """Pushed while nobody held it; put on main while alice does."""
    work = commit(scene.attacked, "lib/x")
    accepted(scene.mallory.push({ref: work}))
    scene.alice.claim("take", "lib")
    held_by_alice(scene, {"refs/heads/main": work})


@pytest.mark.parametrize("host", ["plain", "walled"])
@pytest.mark.parametrize("way", ["broken", "expired"])
def test_what_was_pushed_elsewhere_does_not_land_without_its_claim(scene: Scene, host: str, way: str) -> None:
    """Alice pushed her branch, for review; her claim was broken, and bob has it; then she lands."""
    plain = host == "plain"
    if plain:
        scene.plain()
    alice, bob = scene.alice, scene.attacked
    alice.git("switch", "--quiet", "-c", "feature")
    alice.claim("install")
    name = scene.id
    commit(alice, "src/a", "alice\n", f"work\n\nClaim: {name}")
    if plain:
        alice.git("push", "--quiet", "origin", "feature")
    else:
        alice.claim("land", "feature", "--to", "feature", "--keep")
    if way == "broken":
        bob.git("fetch", "-q", "origin", "+refs/claims/*:refs/seen/*")
        held = bob.git("rev-parse", "refs/seen/path/src")
        record = scene.maintainer.broken(held)
        accepted(scene.maintainer.push({SRC: None, TASK: None, f"refs/gitclaim/broken/{name}": record}))
        bob.claim("take", "src", session="bob")
    else:
        if not plain:
            shift_wall(scene.remote, scene.python, timedelta(hours=2))
        at(bob, 7200, "take", "src", session="bob")
    before = scene.remote.refs("refs/heads")
    landed = alice.claim("land", "feature", "--to", "main", code=None)
    assert landed.code != 0, landed.stdout
    assert scene.remote.refs("refs/heads") == before


def test_where_claims_live_is_decided_too(scene: Scene) -> None:
    text = (scene.attacked.path / ".gitclaim.yaml").read_text()
    commit(scene.attacked, ".gitclaim.yaml", f"{text}registry: https://evil.example/claims\nttl: 1s\n")
    refused(scene, lambda: scene.mallory.push({"refs/heads/main": scene.attacked.git("rev-parse", "HEAD")}), "only")


def test_a_file_that_clients_can_not_read_is_refused(scene: Scene) -> None:
    path = scene.attacked.path / ".gitclaim.yaml"
    path.write_bytes(path.read_bytes() + b"# caf\xe9\n")
    scene.attacked.git("commit", "--quiet", "--no-verify", "-am", "x")
    refused(scene, lambda: scene.mallory.push({"refs/heads/main": scene.attacked.git("rev-parse", "HEAD")}), "")


def pkt(data: bytes) -> bytes:
    return b"%04x%b" % (len(data) + 4, data)


def test_an_old_certificate_certifies_nothing_else(scene: Scene) -> None:
    """Over http git takes a nonce of any age for SLOP; and commands beside the certificate (git 2.39)."""
    srv, alice, repo = scene.remote, scene.alice, scene.attacked
    signers = scene.root / "signers"
    signers.write_text("")
    srv.git("config", "receive.certNonceSeed", "secret")
    srv.git("config", "gpg.ssh.allowedSignersFile", str(signers))
    list_all = ("cat-file", "--batch-all-objects", "--batch-check")
    before = set(srv.git(*list_all).splitlines())
    commit(alice, "src/a", "alice\n", f"work\n\nClaim: {scene.id}")
    accepted(alice.try_git("push", "--signed", "origin", "HEAD:refs/heads/wip", env=signing_with(scene.holder.key)))
    new = [line.split()[0] for line in srv.git(*list_all).splitlines() if line not in before and " blob " in line]
    cert = next(text for oid in new if "certificate version" in (text := srv.git("cat-file", "blob", oid))) + "\n"
    time.sleep(2)
    main = srv.git("rev-parse", "main")
    work = commit(repo, "src/a", "mallory\n", f"work\n\nClaim: {scene.id}")
    lines = [f"{main} {work} refs/heads/main\0report-status", "push-cert\0report-status"]
    lines += [*cert.splitlines(keepends=True), "push-cert-end\n"]
    body = b"".join(pkt(line.encode()) for line in lines) + b"0000"
    packing = ["git", "pack-objects", "--revs", "--stdout", "-q"]
    pack = subprocess.run(packing, cwd=repo.path, input=f"{work}\n".encode(), capture_output=True, check=True).stdout
    serve = ["git", "receive-pack", "--stateless-rpc", str(srv.path)]
    subprocess.run(serve, input=body + pack, capture_output=True, check=False)
    assert srv.git("rev-parse", "main") == main


def test_a_certificate_is_no_variable_of_who_pushes(scene: Scene) -> None:
    """Where a server's sshd hands `GIT_*` on: git sets these for a push that has a certificate, and clears nothing."""
    work = commit(scene.attacked, words=f"work\n\nClaim: {scene.id}")
    names = ("GIT_PUSH_CERT_STATUS", "GIT_PUSH_CERT_NONCE_STATUS", "GIT_PUSH_CERT_KEY")
    env = dict(zip(names, ("G", "OK", fingerprint(scene.holder.public)), strict=True))
    assert scene.attacked.try_git("push", "-q", "origin", f"{work}:refs/heads/x", env=env).code == 1


def wide(repo: Repo, depth: int) -> str:
    """A commit with lib/x and ten to the power of depth more paths: some ten objects."""
    blob = repo.git("rev-parse", "HEAD:src/a")
    tree = repo.git("mktree", input="".join(f"100644 blob {blob}\tf{i}\n" for i in range(10)))
    for _ in range(depth - 1):
        tree = repo.git("mktree", input="".join(f"040000 tree {tree}\td{i}\n" for i in range(10)))
    lib = repo.git("mktree", input=f"100644 blob {blob}\tx\n")
    base = repo.git("ls-tree", "HEAD")
    root = repo.git("mktree", input=f"{base}\n040000 tree {lib}\tlib\n040000 tree {tree}\tbig\n")
    return repo.git("commit-tree", "-m", "work", "-p", "HEAD", root)


def test_a_few_objects_do_not_hold_the_server_up(scene: Scene) -> None:
    """A dozen trees have ten milliards of paths."""
    scene.remote.git("config", "gitclaim.budget", "2")
    start = time.monotonic()
    refused_push(scene, {"refs/heads/x": wide(scene.attacked, 10)}, "it could not be judged within 2 seconds")
    assert time.monotonic() - start < PATIENCE / 2


def test_more_paths_than_are_read_are_refused(scene: Scene) -> None:
    """Whatever time there is: they would not fit into the server's memory."""
    script = "import gitclaim.serving\ngitclaim.serving._MOST = 1 << 20\n"
    altered_wall(scene.remote, scene.python, script)
    refused_push(scene, {"refs/heads/x": wide(scene.attacked, 5)}, "it answered more than is read")


def test_many_parents_do_not_hold_the_server_up(scene: Scene) -> None:
    repo, base = scene.attacked, scene.attacked.git("rev-parse", "HEAD")
    commit(scene.alice, "src/a", "alice\n", f"work\n\nClaim: {scene.id}")
    scene.alice.claim("land", "--keep")
    repo.git("fetch", "-q")
    sides = [(one, repo.git("rev-parse", f"{one}^{{tree}}")) for one in (base, repo.git("rev-parse", "origin/main"))]
    made = [repo.git("commit-tree", "-m", f"{i}", "-p", one, tree) for i in range(50) for one, tree in sides]
    parents = [word for one in made for word in ("-p", one)]
    work = repo.git("commit-tree", "-m", "octopus", *parents, sides[1][1])
    scene.remote.git("config", "gitclaim.budget", "2")
    start = time.monotonic()
    refused_push(scene, {"refs/heads/x": work}, "it could not be judged within 2 seconds")
    assert time.monotonic() - start < PATIENCE / 2


def test_who_takes_while_a_push_is_judged_holds_it(scene: Scene) -> None:
    """What was read of claims at the beginning is read again at the end."""
    take = [sys.executable, "-m", "gitclaim", "take", "lib"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "GITCLAIM_SESSION": "alice"}
    script = f"""
import os, subprocess
from gitclaim.hooks import receive
guard = receive.guard
def slow(*args):
    if not os.path.exists("taken"):
        open("taken", "w").close()
        subprocess.run({take!r}, cwd={str(scene.alice.path)!r}, env={env!r}, check=True)
    return guard(*args)
receive.guard = slow
"""
    altered_wall(scene.remote, scene.python, script)
    scene.alice.claim("list")
    work = commit(scene.attacked, "lib/x")
    ran = scene.mallory.push({"refs/heads/main": work})
    assert ran.code == 1
    assert "held by alice until" in ran.stderr
    assert scene.remote.git("rev-parse", "main") != work


def test_a_plain_push_of_what_a_branch_there_has_is_looked_at(scene: Scene) -> None:
    """The client's hook: alice's claim was broken, bob has it, and her branch is there for review."""
    scene.plain()
    alice, bob = scene.alice, scene.attacked
    env = {"PYTHONPATH": str(ROOT)}
    alice.git("switch", "--quiet", "-c", "feature")
    alice.claim("install")
    commit(alice, "src/a", "alice\n", f"work\n\nClaim: {scene.id}")
    alice.git("push", "--quiet", "origin", "feature", env=env)
    bob.claim("break", "src", "--reason", "x", session="bob")
    bob.claim("take", "src", session="bob")
    assert alice.try_git("push", "--quiet", "origin", "feature:main", env=env).code != 0
