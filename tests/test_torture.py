"""Kill -9 at random moments: what a killed command leaves behind needs nobody's hand.

`GITCLAIM_TORTURE_ROUNDS` is the number of kills of all four runs together; each kill's moment comes from its seed.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Final

import pytest

from gitclaim.errors import Exit
from gitclaim.resources import touches
from tests.kit.races import LATER, Race, Racer, at
from tests.kit.repos import PATIENCE, Repo, make_bare, make_clones, make_repo

pytestmark = [
    pytest.mark.torture,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the children of a process in /proc"),
]

KILLS: Final = int(os.environ.get("GITCLAIM_TORTURE_ROUNDS", "200"))
RUNS: Final = 4
COMMANDS: Final = ("take", "renew", "release", "sweep")
WHOLE: Final = ("src/api", "docs", "task:1")
"""What every command of this file works on."""


@dataclass(frozen=True)
class Scene:
    """Who is killed, who comes after, and where their claims stand."""

    victim: Repo
    next: Repo
    registry: Repo

    def locks(self) -> list[Path]:
        """git's lock files in any of the repositories; our own `sync.lock` is one that the system lets go."""
        found = [lock for repo in {self.victim.path, self.registry.path} for lock in repo.rglob("*.lock")]
        return [lock for lock in found if lock.parent.name != "gitclaim"]


@pytest.fixture(params=["remote", "embedded"])
def scene(request: pytest.FixtureRequest, tmp_path: Path) -> Scene:
    if request.param == "remote":
        clones = make_clones(tmp_path, make_bare(tmp_path / "remote.git"), (tmp_path / "remote.git").as_uri())
        return Scene(clones.alice, clones.bob, clones.remote)
    repo = make_repo(tmp_path / "repo")
    repo.commit_file("readme")
    repo.git("pack-refs", "--all")
    return Scene(repo, repo, repo)


def prepared(scene: Scene, command: str) -> Racer:
    """A command that is about to do something."""
    if command == "sweep":
        at(scene.next, -LATER, "take", *WHOLE, session="old")
    elif command != "take":
        at(scene.victim, 0, "take", *WHOLE, session="victim")
    arguments = {"take": ("take", *WHOLE), "renew": ("renew",), "release": ("release", "--all"), "sweep": ("sweep",)}
    return Racer(scene.victim, "victim", arguments[command])


@pytest.mark.parametrize("whole", [False, True], ids=["the process", "the process and its children"])
def test_nothing_that_a_killed_command_leaves_needs_a_hand(scene: Scene, *, whole: bool) -> None:
    random = Random(f"kill {whole}")
    left: dict[str, int] = {}
    longest = dict.fromkeys(COMMANDS, 0.2)
    for _ in range(KILLS // RUNS):
        command = random.choice(COMMANDS)
        race = Race([prepared(scene, command)])
        time.sleep(0.2)  # imported by now, and waiting
        race.go()
        time.sleep(random.uniform(0, longest[command]))
        (process,) = race.processes
        kill(process.pid, whole=whole)
        process.communicate(timeout=PATIENCE)
        # Most kills are to meet the command alive, however fast the machine is just now.
        longest[command] *= 1.1 if process.returncode < 0 else 0.6
        left["ended before"] = left.get("ended before", 0) + (process.returncode >= 0)
        wait_until(lambda: not list(inside(scene)), "what the killed command started has ended")
        for lock in scene.locks():
            left[lock.name] = left.get(lock.name, 0) + 1
        consistent(scene, left)
        all_is_well_later(scene)
    sys.stdout.write(f"left behind: {left}\n")
    assert "error" not in scene.registry.try_git("fsck", "--connectivity-only").stderr


def consistent(scene: Scene, left: dict[str, int]) -> None:
    """No ref without its object, and no two claims where only one may be."""
    refs = scene.registry.refs()
    left["incomplete"] = left.get("incomplete", 0) + (len(refs) not in {0, len(WHOLE)})
    for oid in set(refs.values()):
        scene.registry.git("cat-file", "-e", oid)
    assert not [pair for pair in combinations(refs, 2) if touches(*pair)]


def all_is_well_later(scene: Scene) -> None:
    """Hours later, whatever was locked or claimed is free for everybody."""
    for lock in scene.locks():
        hours_ago = lock.stat().st_mtime - LATER
        os.utime(lock, (hours_ago, hours_ago))
    at(scene.next, LATER, "sweep")
    assert scene.registry.refs() == {}
    for repo, session in ((scene.next, "next"), (scene.victim, "victim")):
        at(repo, LATER, "take", *WHOLE, session=session)
        assert len(scene.registry.refs()) == len(WHOLE)
        at(repo, LATER, "release", "--all", session=session, code=None)
        assert scene.registry.refs() == {}
    assert scene.locks() == []


@pytest.mark.parametrize("delay", [None, 0.0, 0.03, 0.06, 0.1, 0.2])
def test_a_holder_that_slept_past_its_lease_learns_that_it_was_taken_over(scene: Scene, delay: float | None) -> None:
    """It is stopped before it begins to renew, or at a moment on the way."""
    at(scene.victim, 0, "take", "src", session="victim")
    race = Race([Racer(scene.victim, "victim", ("renew",))])
    (process,) = race.processes
    time.sleep(0.2)
    if delay is not None:
        race.go()
        time.sleep(delay)
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: all(pid == process.pid or waits_for_input(pid) for pid in inside(scene)), "nothing is under way")
    at(scene.next, LATER, "take", "src", session="next")
    process.send_signal(signal.SIGCONT)
    (renewed,) = race.finish()
    assert renewed.code == Exit.FENCED or (delay is not None and renewed.code == 0), renewed
    at(scene.victim, 0, "renew", session="victim", code=Exit.FENCED if renewed.code == 0 else 0)
    assert "next" in scene.registry.git("log", "-1", "--format=%(trailers)", "refs/claims/path/src")


def kill(pid: int, *, whole: bool) -> None:
    """End a process as the system does when memory is short; with all it started, as when the machine stops."""
    try:
        os.kill(pid, signal.SIGSTOP)
        victims = [pid, *descendants(pid)] if whole else [pid]
    except ProcessLookupError:
        return
    for victim in victims:
        try:
            os.kill(victim, signal.SIGKILL)
        except ProcessLookupError:
            continue


def descendants(pid: int) -> list[int]:
    """What a process started, and what that started."""
    children: dict[int, list[int]] = {}
    for other in processes():
        try:
            # The fourth field; the second is a name in parentheses, which may hold anything.
            parent = int(Path(f"/proc/{other}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        except OSError:
            continue
        children.setdefault(parent, []).append(other)
    found = list(children.get(pid, []))
    for child in found:
        found.extend(children.get(child, []))
    return found


def inside(scene: Scene) -> Iterator[int]:
    """The processes that work in one of the repositories."""
    for pid in processes():
        try:
            where = Path(f"/proc/{pid}/cwd").readlink()
        except OSError:
            continue
        if any(where.is_relative_to(repo.path) for repo in (scene.victim, scene.registry)):
            yield pid


def waits_for_input(pid: int) -> bool:
    """Whether a process has not been given its whole input yet: the one that was stopped would write it."""
    try:
        call = Path(f"/proc/{pid}/syscall").read_text(encoding="utf-8").split()
    except OSError:
        return False
    # read(2) from standard input, on x86-64 and on arm64.
    return call[:2] in (["0", "0x0"], ["63", "0x0"])


def processes() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def wait_until(ready: Callable[[], bool], what: str) -> None:
    """Wait, at most as long as a test may."""
    deadline = time.monotonic() + PATIENCE
    while not ready():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.005)
