"""Where the time of a command goes, step by step."""

import json
import os
import statistics
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from tests.bench.cases import Sizes
from tests.bench.report import markdown
from tests.bench.world import SESSION, World
from tests.kit.repos import Repo

_TIMELINE: Final = Path(__file__).with_name("timeline.py")
_Steps = list[tuple[str, float, float]]


def where(world: World, sizes: Sizes) -> str:
    """The steps of a take of a free path, on both kinds of registry."""
    repo = world.embedded("where-embedded")
    remote = world.bare("where")
    clone = world.clone(remote.path.as_uri(), "where-clone")
    parts = []
    for name, at in (("the repository itself", repo), ("a bare repository on this disk", clone)):
        steps = _median(sizes.rounds, lambda number, at=at: _one(world, at, ["take", f"src/{number}"]))  # type: ignore[misc]
        rows = [[what, f"{begun * 1000:.1f}", f"{(ended - begun) * 1000:.1f}"] for what, begun, ended in steps]
        parts.append(f"`take` of a free path, the registry is {name}:\n\n")
        parts.append(markdown(["step", "begins at, ms", "takes, ms"], rows))
        parts.append("\n")
    return "".join(parts).rstrip("\n") + "\n"


def _median(rounds: int, once: Callable[[int], _Steps]) -> _Steps:
    runs = [once(number) for number in range(rounds + 1)][1:]
    # A run that met something else, such as a lock somebody held, did other work: what most of them did is shown.
    (usual, _), *_ = Counter(tuple(what for what, _, _ in run) for run in runs).most_common(1)
    alike = [run for run in runs if tuple(what for what, _, _ in run) == usual]
    return [
        (steps[0][0], statistics.median(step[1] for step in steps), statistics.median(step[2] for step in steps))
        for steps in zip(*alike, strict=True)
    ]


def _one(world: World, repo: Repo, words: Sequence[str]) -> _Steps:
    report = world.root / "timeline.json"
    env = {**os.environ, **world.program.env, "GITCLAIM_SESSION": SESSION}
    begun = time.monotonic_ns()
    subprocess.run(
        [world.program.python, _TIMELINE, str(begun), report, *words],
        cwd=repo.path, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    ended = time.monotonic_ns() - begun
    noted: list[list[Any]] = json.loads(report.read_text(encoding="utf-8"))
    steps = [(str(what), first / 1e9, last / 1e9) for what, first, last in noted]
    return [*steps, ("the process has ended", ended / 1e9, ended / 1e9)]
