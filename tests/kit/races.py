"""Races of real processes: all are started, all have imported what they need, then all run at once."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.kit.repos import PATIENCE, ROOT, Ran, Repo

LATER: Final = 3 * 3600.0
"""Seconds after which every lease of a test has ended."""


@dataclass(frozen=True, slots=True)
class Racer:
    """One process of a race."""

    repo: Repo
    session: str
    args: tuple[str, ...]
    ahead: float = 0.0


class Race:
    """Processes that wait for their start; `go` lets all of them run at once."""

    def __init__(self, racers: Sequence[Racer]) -> None:
        gate, self._hold = os.pipe()
        self.processes = [_start(racer, gate) for racer in racers]
        os.close(gate)

    def go(self) -> None:
        """Open the gate."""
        if self._hold >= 0:
            os.close(self._hold)
            self._hold = -1

    def finish(self) -> list[Ran]:
        """Run all to their ends, in the order they were named."""
        self.go()
        ended = []
        for process in self.processes:
            out, err = process.communicate(timeout=PATIENCE * 3)
            ended.append(Ran(process.returncode, out, err))
        return ended


def race(racers: Sequence[Racer]) -> list[Ran]:
    """Run them against each other."""
    return Race(racers).finish()


def at(repo: Repo, ahead: float, *args: str, session: str = "", code: int | None = 0) -> Ran:
    """Run gitclaim once, with a clock that many seconds ahead."""
    (ran,) = race([Racer(repo, session or repo.session, args, ahead)])
    assert code is None or ran.code == code, f"{args}: exit {ran.code}\n{ran.stdout}\n{ran.stderr}"
    return ran


def add_worktrees(repo: Repo, where: Path, number: int) -> list[Repo]:
    """The repository's own work tree, and as many linked ones as make that number."""
    trees = [repo]
    for index in range(1, number):
        repo.git("worktree", "add", "--quiet", "--detach", where / f"tree{index}")
        trees.append(Repo(where / f"tree{index}", env=repo.env))
    return trees


def _start(racer: Racer, gate: int) -> "subprocess.Popen[str]":
    env = {**os.environ, **racer.repo.env, "GITCLAIM_SESSION": racer.session, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.kit.racer", str(gate), str(racer.ahead), *racer.args],
        cwd=racer.repo.path,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=[gate],
        start_new_session=True,
    )
