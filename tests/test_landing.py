"""`gitclaim land` on real clones: the work arrives together with the end of its claims, or not at all.

Here too a session is stopped in the middle of it, for longer than its lease, while others take over.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count, islice, product
from pathlib import Path
from typing import Any, Final

import pytest

from gitclaim.errors import Exit
from tests.kit.processes import eventually
from tests.kit.races import LATER, Race, Racer, at, race
from tests.kit.repos import PATIENCE, ROOT, Clones, Ran, Repo, make_bare, make_clone, make_clones, make_repo, run

DAY: Final = 24 * 3600.0
ROUNDS: Final = int(os.environ.get("GITCLAIM_RACE_ROUNDS", "10"))
"""Rounds of each race under `-m torture`."""


@dataclass(frozen=True, slots=True)
class Scene:
    """Alice holds `src` and `task:1` and her commits name her claims; Bob starts from the same commit."""

    alice: Repo
    bob: Repo
    remote: Repo
    root: Path


def with_session(repo: Repo) -> Repo:
    """The clone, with what hooks need in the environment."""
    return replace(repo, env={**repo.env, "GITCLAIM_SESSION": repo.session, "PYTHONPATH": str(ROOT)})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the scene is built, by the first test that needs it: the others get copies."""
    return tmp_path_factory.mktemp("scene") / "built"


Scenes = Iterator[Scene]
"""As many scenes as a test wants, each a copy."""


@pytest.fixture
def scenes(built: Path, tmp_path: Path) -> Scenes:
    def copies() -> Scenes:
        for number in count():
            yield _copied(built, tmp_path / f"{number}")

    if not built.exists():
        draft = built.with_name("draft")
        _build(draft)
        draft.rename(built)
    return copies()


@pytest.fixture
def scene(scenes: Scenes) -> Scene:
    return next(scenes)


def _copied(built: Path, where: Path) -> Scene:
    shutil.copytree(built, where, symlinks=True)
    for name in ("alice", "bob"):
        for file in ("config", "gitclaim/mirror.json"):
            path = where / name / ".git" / file
            path.write_text(path.read_text().replace(str(built.with_name("draft")), str(where)))
    alice, bob, remote = (Repo(where / name, name) for name in ("alice", "bob", "remote.git"))
    return Scene(with_session(alice), with_session(bob), remote, where)


def _build(root: Path) -> None:
    remote = make_bare(root / "remote.git")
    clones = make_clones(root, remote, remote.path.as_uri())
    alice, bob = with_session(clones.alice), with_session(clones.bob)
    for name in ("src/a", "src/b", "docs/b"):
        alice.commit_file(name, f"{name}\n" * 10)
    alice.git("push", "--quiet", "origin", "main")
    bob.git("pull", "--quiet")
    alice.claim("install", "--prepare-commit-msg")
    alice.claim("take", "src", "task:1")
    bob.claim("list")


def work(repo: Repo, name: str = "src/a", content: str = "") -> str:
    """A commit on what the session holds, past its first hook."""
    target = repo.path / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(content or f"{repo.session}\n")
    repo.git("add", "--", name)
    repo.git("commit", "--quiet", "--no-verify", "-m", f"{repo.session} on {name}")
    return repo.git("rev-parse", "HEAD")


def hook(repo: Repo, name: str, *lines: str) -> None:
    """A hook of the user's own, or of a bare repository's people."""
    directory = repo.path / (".git/hooks" if (repo.path / ".git").exists() else "hooks")
    (directory / name).write_text("\n".join(["#!/bin/sh", *lines, ""]))
    (directory / name).chmod(0o755)


def everything(remote: Repo) -> dict[str, str]:
    return remote.refs("refs")


def branch(remote: Repo, name: str = "main") -> str:
    return remote.refs("refs/heads").get(f"refs/heads/{name}", "")


def claims(remote: Repo) -> list[str]:
    return [ref.removeprefix("refs/claims/") for ref in remote.refs()]


def released(remote: Repo) -> list[str]:
    return list(remote.refs("refs/gitclaim/released").values())


def subjects(remote: Repo) -> list[str]:
    """Of all that is on any branch of the remote."""
    return remote.git("log", "--branches", "--format=%s").splitlines()


def unchanged(scene: Scene, *args: str, code: int, says: str = "") -> Ran:
    """Make sure that it is refused with that code, and that nothing changed at the remote."""
    before = everything(scene.remote)
    ran = scene.alice.claim("land", *args, code=code)
    assert everything(scene.remote) == before
    assert says in ran.stdout + ran.stderr
    return ran


# What lands.


def test_the_work_lands_and_its_claims_are_released(scene: Scene) -> None:
    new = work(scene.alice)
    ran = scene.alice.claim("land")
    assert ran.stdout.splitlines() == [
        "landed: 1 commit on main, which touch 1 path",
        "  released  src, task:1",
    ]
    assert branch(scene.remote) == new
    assert claims(scene.remote) == []
    (record,) = released(scene.remote)
    assert f"Lands: refs/heads/main@{new}" in scene.remote.git("log", "-1", "--format=%B", record)
    assert scene.alice.git("rev-parse", "origin/main") == new
    assert scene.alice.claim("land").stdout.startswith("nothing to land: main is there already")
    scene.bob.claim("take", "src/a")


def test_what_landed_is_told_in_json(scene: Scene) -> None:
    old, new = branch(scene.remote), work(scene.alice)
    would = scene.alice.claim("land", "--dry-run", "--json").json
    told = scene.alice.claim("land", "--json").json
    nothing = scene.alice.claim("land", "--json").json
    assert (would["outcome"], told["outcome"], nothing["outcome"]) == ("ready", "landed", "nothing")
    for one in (would, told):
        assert one["schema"] == "gitclaim/1"
        assert (one["ref"], one["old"], one["new"], one["commits"]) == ("refs/heads/main", old, new, [new])
        assert [claim["resources"] for claim in one["released"]] == [["path:src", "task:1"]]
        assert (one["renewed"], one["unclaimed"]) == ([], [])


def test_claims_are_kept_if_asked(scene: Scene) -> None:
    before = scene.remote.refs()
    new = work(scene.alice)
    told = scene.alice.claim("land", "--keep", "--json").json
    assert [claim["resources"] for claim in told["renewed"]] == [["path:src", "task:1"]]
    assert branch(scene.remote) == new
    assert claims(scene.remote) == ["path/src", "task/1"]
    assert set(scene.remote.refs().values()).isdisjoint(before.values())
    scene.bob.claim("take", "src/a", code=3)
    last = work(scene.alice, content="more\n")
    scene.alice.claim("land")
    assert branch(scene.remote) == last
    assert claims(scene.remote) == []


def test_a_dry_run_pushes_nothing(scene: Scene) -> None:
    work(scene.alice)
    ran = unchanged(scene, "--dry-run", code=0, says="would land: 1 commit on main")
    assert "released  src, task:1" in ran.stdout


def test_the_work_lands_where_it_is_told_to(scene: Scene) -> None:
    old, new = branch(scene.remote), work(scene.alice)
    scene.alice.claim("land", "--to", "feature/x", "--keep")
    assert (branch(scene.remote), branch(scene.remote, "feature/x")) == (old, new)
    scene.alice.claim("land", "--to", "refs/heads/feature/y")
    assert branch(scene.remote, "feature/y") == new


@pytest.mark.parametrize("to", ["refs/claims/path/x", "refs/gitclaim/released/x", "a..b", "refs/"])
def test_work_lands_nowhere_but_on_refs_for_work(scene: Scene, to: str) -> None:
    work(scene.alice)
    unchanged(scene, "--to", to, code=2)


def test_a_branch_lands_where_it_is_pulled_from(scene: Scene) -> None:
    scene.alice.git("switch", "--quiet", "-c", "local", "--track", "origin/main")
    new = work(scene.alice)
    scene.alice.claim("land")
    assert branch(scene.remote) == new
    assert branch(scene.remote, "local") == ""


def test_a_branch_of_one_s_own_lands_under_its_name_from_anywhere(scene: Scene) -> None:
    """Its claims on tasks are those that were taken on it."""
    scene.alice.git("switch", "--quiet", "-c", "topic")
    scene.alice.claim("take", "task:2")
    new = work(scene.alice)
    scene.alice.git("switch", "--quiet", "main")
    scene.alice.claim("take", "task:3")
    scene.alice.claim("land", "topic")
    assert branch(scene.remote, "topic") == new
    assert claims(scene.remote) == ["task/3"]


def test_without_a_branch_there_is_nothing_to_land(scene: Scene) -> None:
    work(scene.alice)
    scene.alice.git("switch", "--quiet", "--detach")
    unchanged(scene, code=2, says="no branch is checked out")
    unchanged(scene, "main", "--dry-run", code=0, says="would land")
    unchanged(scene, "unknown", code=1, says="there is no branch unknown")
    unchanged(scene, "bad..name", code=2, says="no branch can have that name")


def test_nothing_new_ends_no_claim(scene: Scene) -> None:
    unchanged(scene, code=0, says="nothing to land")


def test_work_that_falls_under_no_claim_lands_as_the_policy_says(scene: Scene) -> None:
    work(scene.alice, "free")
    scene.alice.git("config", "gitclaim.unclaimed", "deny")
    unchanged(scene, code=3, says="nobody claimed free")
    scene.alice.git("config", "gitclaim.unclaimed", "warn")
    ran = scene.alice.claim("land")
    assert "warning: nobody claimed free" in ran.stdout
    assert "src" in " ".join(claims(scene.remote))


def test_what_another_session_holds_does_not_land(scene: Scene) -> None:
    scene.bob.claim("take", "docs", "--for", "Words")
    work(scene.alice, "docs/b")
    work(scene.alice)
    ran = unchanged(scene, code=3, says="docs/b lies within docs, held by bob")
    assert "Words" in ran.stdout
    assert unchanged(scene, "--json", code=3).json["blocks"][0]["claim"]["session"] == "bob"


# A branch that went on.


def on_main(scene: Scene, name: str = "docs/b") -> str:
    """What Bob lands meanwhile."""
    scene.bob.claim("take", name)
    new = work(scene.bob, name)
    scene.bob.claim("land")
    return new


def test_a_branch_that_went_on_is_told_with_what_to_do(scene: Scene) -> None:
    new = on_main(scene)
    work(scene.alice)
    ran = unchanged(scene, code=1, says=f"moved: main is at {new[:12]}")
    (line,) = (line for line in ran.stdout.splitlines() if line.startswith("  next"))
    commands = line.removeprefix("  next").partition(", then gitclaim land again")[0]
    run("sh", "-ec", commands, cwd=scene.alice.path, env={**os.environ, **scene.alice.env})
    scene.alice.claim("land")
    assert subjects(scene.remote)[:2] == ["alice on src/a", "bob on docs/b"]
    assert unchanged(scene, "--json", code=0).json["outcome"] == "nothing"


def test_what_there_is_can_be_replaced_by_name_only(scene: Scene) -> None:
    work(scene.alice)
    scene.alice.claim("land", "--keep", "--to", "topic")
    old = branch(scene.remote, "topic")
    scene.alice.git("commit", "--quiet", "--amend", "-m", "better words")
    new = scene.alice.git("rev-parse", "HEAD")
    assert unchanged(scene, "--to", "topic", "--json", code=1).json["outcome"] == "moved"
    for wrong in (branch(scene.remote), new, "HEAD", "1" * 40, "junk"):
        unchanged(scene, "--to", "topic", "--force-with-lease", wrong, code=1, says=f"is at {old}")
    unchanged(scene, "--to", "missing", "--force-with-lease", old, code=1, says="is at no commit")
    scene.alice.claim("land", "--to", "topic", "--force-with-lease", old)
    assert branch(scene.remote, "topic") == new
    assert claims(scene.remote) == []


def test_another_s_landed_work_is_not_replaced_while_it_is_claimed(scene: Scene) -> None:
    scene.bob.claim("install", "--prepare-commit-msg")
    scene.bob.claim("take", "docs")
    work(scene.bob, "docs/b")
    scene.bob.claim("land", "--keep")
    work(scene.alice)
    there = branch(scene.remote)
    unchanged(scene, "--force-with-lease", there, code=1, says="is not here")
    scene.alice.git("fetch", "--quiet")
    unchanged(scene, "--force-with-lease", there, code=3, says="held by bob")
    unchanged(scene, "--force-with-lease", "origin/main", code=3, says="held by bob")


# Other remotes, and none.


def test_work_that_goes_to_another_remote_than_its_claims_is_refused(scene: Scene) -> None:
    fork = make_bare(scene.root / "fork.git")
    scene.alice.git("remote", "add", "fork", fork.path.as_uri())
    scene.alice.git("config", "branch.main.pushRemote", "fork")
    work(scene.alice)
    unchanged(scene, code=1, says="one push can't move both")


@pytest.mark.parametrize("to", ["main", "new"])
def test_in_the_repository_itself_a_branch_lands_on_another(tmp_path: Path, to: str) -> None:
    repo = with_session(make_repo(tmp_path / "repo"))
    repo.commit_file("readme")
    repo.git("switch", "--quiet", "-c", "topic")
    repo.claim("take", "docs", session="bob")
    repo.claim("take", "src")
    work(repo, "docs/b")
    assert "held by bob" in repo.claim("land", "--to", to, code=3).stdout
    repo.git("reset", "--quiet", "--hard", "HEAD^")
    new = work(repo)
    assert repo.claim("land", "--to", to, "--json").json["commits"] == [new]
    assert repo.git("rev-parse", to) == new
    assert list(repo.refs()) == ["refs/claims/path/docs"]


def test_a_branch_that_is_checked_out_does_not_move_under_its_files(tmp_path: Path) -> None:
    repo = with_session(make_repo(tmp_path / "repo"))
    repo.commit_file("readme")
    repo.git("switch", "--quiet", "-c", "topic")
    repo.git("worktree", "add", "--quiet", tmp_path / "tree", "main")
    repo.claim("take", "src")
    work(repo)
    before = repo.refs("refs")
    ran = repo.claim("land", "--to", "main", code=1)
    assert f"is checked out in {tmp_path / 'tree'}" in ran.stderr
    assert repo.refs("refs") == before


# Hooks and servers that have a say.


def test_the_user_s_own_hook_runs_and_may_say_what_it_likes(scene: Scene) -> None:
    """Also what looks like git's own report."""
    new = work(scene.alice)
    lies = "To nowhere\\n!\\trefs/heads/main:refs/heads/main\\t[rejected]\\nDone\\n"
    hook(scene.alice, "pre-push", f"printf '{lies}'; echo uploading >&2; cat > ../pushed")
    scene.alice.claim("land")
    assert branch(scene.remote) == new
    assert f"{new} refs/heads/main" in (scene.root / "pushed").read_text()


def test_the_user_s_own_hook_may_refuse(scene: Scene) -> None:
    work(scene.alice)
    hook(scene.alice, "pre-push", "printf 'To x\\n \\tHEAD:refs/heads/main\\tok\\nDone\\n'; echo untested >&2; exit 1")
    unchanged(scene, code=1, says="untested")


def test_gitclaim_s_own_hook_lets_a_landing_through(scene: Scene) -> None:
    scene.alice.claim("install")
    new = work(scene.alice)
    scene.alice.claim("land")
    assert branch(scene.remote) == new


@pytest.mark.parametrize("name", ["pre-receive", "update"])
def test_a_server_that_refuses_changes_nothing(scene: Scene, name: str) -> None:
    test = '[ "$1" = refs/heads/main ] || exit 0' if name == "update" else "grep -q refs/heads/main || exit 0"
    hook(scene.remote, name, test, "echo 'main is protected' >&2", "exit 1")
    work(scene.alice)
    unchanged(scene, code=1, says="nothing landed")
    scene.alice.claim("land", "--to", "topic")


def test_a_server_without_transactions_changes_nothing(scene: Scene) -> None:
    scene.remote.git("config", "receive.advertiseAtomic", "false")
    work(scene.alice)
    unchanged(scene, code=1, says="does not support atomic pushes")


def test_a_registry_that_is_gone_changes_nothing(scene: Scene) -> None:
    work(scene.alice)
    scene.remote.path.rename(scene.root / "away.git")
    scene.alice.claim("land", code=4)


def test_work_lands_over_every_transport(remote_over: Clones) -> None:
    alice, remote = with_session(remote_over.alice), remote_over.remote
    alice.claim("take", "src", "task:1")
    kept = work(alice)
    alice.claim("land", "--keep")
    assert (branch(remote), claims(remote)) == (kept, ["path/src", "task/1"])
    new = work(alice, content="more\n")
    alice.claim("land")
    assert (branch(remote), claims(remote)) == (new, [])


# Whoever was away for longer than its lease.


class Paused:
    """`gitclaim land`, stopped in the middle: its process, its git, and what that runs.

    Args:
        repo: the clone it runs in.
        moment: where it is stopped. At `asking`, before git asks what stands there; at `sending`, when it knows that,
            found nothing in the way, and is about to send.
    """

    def __init__(self, repo: Repo, moment: str, *args: str) -> None:
        self._marker = repo.path.parent / "stopped"
        self._marker.unlink(missing_ok=True)
        env = {**os.environ, **repo.env}
        stop = f'echo "$all" > {self._marker}.new && mv {self._marker}.new {self._marker} && kill -STOP $all'
        if moment == "sending":
            hook(repo, "pre-push", f"[ -e {self._marker} ] && exit 0", 'all="$(ps -o ppid= -p $PPID) $PPID $$"', stop)
        else:
            shim = repo.path.parent / "bin/git"
            shim.parent.mkdir(exist_ok=True)
            pushes = (
                f'case "$*" in *"push --porcelain"*) [ -e {self._marker} ] || {{ all="$PPID $$"; {stop}; }} ;; esac'
            )
            shim.write_text(f'#!/bin/sh\n{pushes}\nexec {shutil.which("git")} "$@"\n')
            shim.chmod(0o755)
            env["PATH"] = f"{shim.parent}{os.pathsep}{env['PATH']}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "gitclaim", "land", *args],
            cwd=repo.path,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        eventually(self._is_stopped)

    def go_on(self) -> Ran:
        """It wakes up, and knows nothing of what happened."""
        for pid in reversed(self._pids()):
            os.kill(pid, signal.SIGCONT)
        out, err = self._process.communicate(timeout=PATIENCE)
        return Ran(self._process.returncode, out, err)

    def _pids(self) -> list[int]:
        return [int(word) for word in self._marker.read_text().split()]

    def _is_stopped(self) -> bool:
        assert self._process.poll() is None, self._process.communicate()
        if not self._marker.exists():
            return False
        pids = ",".join(map(str, self._pids()))
        states = subprocess.run(["ps", "-o", "state=", "-p", pids], capture_output=True, text=True, check=True)
        assert self._process.pid in self._pids()
        return set(states.stdout.split()) == {"T"}


def take_over(scene: Scene) -> None:
    at(scene.bob, LATER, "take", "src")


def take_over_and_land_beside(scene: Scene) -> None:
    take_over(scene)
    work(scene.bob, "src/b")
    at(scene.bob, LATER, "land", "--keep")


def take_over_land_and_release(scene: Scene) -> None:
    take_over(scene)
    work(scene.bob, "src/b")
    at(scene.bob, LATER, "land")


def take_over_land_elsewhere_and_release(scene: Scene) -> None:
    """Nothing is left to see of it, but that the claim is gone."""
    take_over(scene)
    work(scene.bob, "src/b")
    at(scene.bob, LATER, "land", "--to", "other")


def break_it(scene: Scene) -> None:
    scene.bob.claim("break", "src", "--reason", "went home")


def sweep_it(scene: Scene) -> None:
    at(scene.bob, LATER, "sweep")


LOSSES: Final[Mapping[str, tuple[Callable[[Scene], None], bool]]] = {
    "taken over": (take_over, True),
    "taken over, landed": (take_over_and_land_beside, True),
    "taken over, landed, released": (take_over_land_and_release, False),
    "taken over, landed elsewhere, released": (take_over_land_elsewhere_and_release, False),
    "broken": (break_it, False),
    "swept": (sweep_it, False),
}


def fenced(told: Any, *, successor: bool, broken: bool) -> None:  # noqa: ANN401 - JSON
    assert told["outcome"] == "fenced"
    (one,) = told["fenced"]
    assert told["reason"] in {"FENCED", "EXPIRED"}
    assert (one["successor"] or {}).get("session") == ("bob" if successor else None)
    assert (one["broken"] or {}).get("by") == ("bob" if broken else None)


torture = pytest.mark.torture
# Under torture at every moment; else at the one at which nothing is looked at any more before the work is sent.
PAUSES: Final = [
    *(pytest.param(name, "sending", 1, id=name) for name in LOSSES),
    pytest.param("taken over", "asking", 1, id="taken over, early"),
    *(
        pytest.param(name, moment, ROUNDS, id=f"{name}-{moment}-torture", marks=torture)
        for name, moment in product(LOSSES, ("asking", "sending"))
    ),
]


@pytest.mark.parametrize(("name", "moment", "rounds"), PAUSES)
def test_who_slept_through_its_lease_lands_nothing(scenes: Scenes, name: str, moment: str, rounds: int) -> None:
    lose, successor = LOSSES[name]
    for here in islice(scenes, rounds):
        work(here.alice)
        paused = Paused(here.alice, moment, "--json")
        lose(here)
        after = everything(here.remote)
        ran = paused.go_on()
        assert ran.code == Exit.FENCED, ran
        fenced(ran.json, successor=successor, broken=name == "broken")
        # Trying again helps as little, after what a branch that moved asks for.
        here.alice.git("pull", "--quiet", "--rebase")
        here.alice.claim("land", code=Exit.FENCED)
        assert everything(here.remote) == after
        assert "alice on src/a" not in subjects(here.remote)


def test_who_slept_no_longer_than_its_lease_lands(scene: Scene) -> None:
    """What stops it is the registry, and not the pause."""
    for moment in ("asking", "sending"):
        new = work(scene.alice, content=moment)
        paused = Paused(scene.alice, moment, "--keep")
        scene.bob.claim("take", "src/a", code=3)
        ran = paused.go_on()
        assert ran.code == 0, ran
        assert branch(scene.remote) == new


def test_who_was_fenced_is_told_by_whom_and_what_to_do(scene: Scene) -> None:
    work(scene.alice)
    paused = Paused(scene.alice, "sending")
    take_over(scene)
    ran = paused.go_on()
    assert ran.code == Exit.FENCED
    assert "fenced: the claim on src, task:1 was taken over by bob" in ran.stdout
    assert "nothing landed, and nothing was released" in ran.stdout
    assert "gitclaim take src task:1" in ran.stdout
    assert "bob" in unchanged(scene, code=Exit.FENCED).stdout


def test_who_forgot_what_it_lost_is_reminded_by_its_commits(scene: Scene) -> None:
    new = work(scene.alice)
    break_it(scene)
    scene.alice.claim("release", "--all", code=Exit.FENCED)
    for _ in range(2):
        ran = unchanged(scene, code=Exit.FENCED, says=f"fenced: commit {new[:12]} was made under the claim")
        assert "was broken by bob: went home" in ran.stdout
        assert "gitclaim take src/a" in ran.stdout
    (orphan,) = unchanged(scene, "--json", code=Exit.FENCED).json["orphans"]
    assert (orphan["commit"], orphan["paths"]) == (new, ["src/a"])


def test_who_takes_anew_what_was_lost_lands(scene: Scene) -> None:
    work(scene.alice)
    paused = Paused(scene.alice, "sending")
    sweep_it(scene)
    assert paused.go_on().code == Exit.FENCED
    scene.alice.claim("take", "src", "task:1")
    scene.alice.claim("land")
    assert subjects(scene.remote)[0] == "alice on src/a"
    assert claims(scene.remote) == []


# Races.

HEADSTARTS: Final = (0.5, 0.4, 0.6, 0.3, 0.8, 0.45)
"""Seconds."""


def claim_of(repo: Repo) -> tuple[str, str]:
    """The id and the object of what Alice holds."""
    (claim,) = (
        one["claim"] for one in repo.claim("list", "--json").json["claims"] if one["claim"]["session"] == "alice"
    )
    return claim["id"], claim["oid"]


@pytest.mark.parametrize("rounds", [1, pytest.param(ROUNDS, marks=torture)])
def test_a_landing_and_all_who_want_its_claim_agree_on_who_was_first(scene: Scene, rounds: int) -> None:
    alice, remote = scene.alice, scene.remote
    third = make_clone(remote.path.as_uri(), scene.root / "third", session="third")
    for number in range(rounds):
        for ref in (*remote.refs(), *remote.refs("refs/gitclaim")):
            remote.git("update-ref", "-d", ref)
        alice.git("reset", "--quiet", "--hard", "origin/main")
        alice.claim("take", "src", "task:1")
        old, new = branch(remote), work(alice, content=f"{number}")
        claim, oid = claim_of(alice)
        deeds = ["take src", "take src/a", "take task:1", "sweep", "take src", "sweep"]
        racers = [Racer(scene.bob, f"s{index}", tuple(deed.split()), LATER) for index, deed in enumerate(deeds)]
        racers.append(Racer(third, "s6", ("break", "src", "--reason", "x"), LATER))
        landing, others = Race([Racer(alice, "alice", ("land", "--json"))]), Race(racers)
        landing.go()
        # A landing looks at more before it writes than a take: with a start it wins about every other race.
        time.sleep(HEADSTARTS[number % len(HEADSTARTS)])
        others.go()
        (ran,), rest = landing.finish(), others.finish()
        assert not [one for one in rest if one.code not in {0, Exit.FIXABLE, Exit.DENIED, Exit.FENCED}], rest
        broken = f"refs/gitclaim/broken/{claim}" in everything(remote)
        took = [
            one for one in remote.refs().values() if f"Replaces: {oid}" in remote.git("log", "-1", "--format=%B", one)
        ]
        record = remote.refs("refs/gitclaim/released").get(f"refs/gitclaim/released/{claim}")
        if ran.code == 0:
            assert branch(remote) == new
            assert not broken
            assert not took
        else:
            assert ran.code == Exit.FENCED, ran
            assert branch(remote) == old
            assert record is None


JUMPS: Final = (-DAY, 0.0, DAY)
FEW: Final = ((0.0, DAY),)


@pytest.mark.parametrize(
    ("rounds", "jumps"),
    [
        *((1, jump) for jump in FEW),
        *(pytest.param(ROUNDS, jump, marks=torture) for jump in product(JUMPS, JUMPS)),
    ],
)
def test_of_two_with_wrong_clocks_one_lands(scenes: Scenes, rounds: int, jumps: tuple[float, float]) -> None:
    """Whoever lands second took its claim, and started, after the first had landed."""
    hers, his = jumps
    for here in islice(scenes, rounds):
        here.alice.claim("release", "--all")
        at(here.alice, hers, "take", "src", "task:1")
        new, theirs = work(here.alice), work(here.bob, "src/b")
        landed, taken = race(
            [Racer(here.alice, "alice", ("land",), hers), Racer(here.bob, "bob", ("take", "src"), his)]
        )
        again = at(here.bob, his, "land", code=None)
        assert (landed.code == 0) != (again.code == 0), (landed, taken, again)
        if landed.code == 0:
            assert branch(here.remote) == new
        else:
            assert (landed.code, taken.code, again.code) == (Exit.FENCED, 0, 0), (landed, taken, again)
            assert branch(here.remote) == theirs
            assert at(here.alice, hers, "land", code=None).code in {Exit.FENCED, Exit.FIXABLE}
            assert branch(here.remote) == theirs


def test_a_clone_of_one_s_own_session_with_another_key_lands_nothing(scene: Scene) -> None:
    other = with_session(make_clone(scene.remote.path.as_uri(), scene.root / "other", session="alice"))
    new = work(other, "src/b")
    before = everything(scene.remote)
    ran = other.claim("land", code=1)
    assert "is bound to the key" in ran.stderr
    assert everything(scene.remote) == before
    assert new not in everything(scene.remote).values()
