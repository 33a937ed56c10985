"""Times whole processes, in turns with what they are compared with."""

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.kit.repos import UnexpectedExitError


@dataclass(frozen=True, slots=True)
class Command:
    """One process to time: what it prints goes to a file, as a script would have it."""

    argv: Sequence[str | Path]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    codes: Collection[int] = (0,)


Contender = Callable[[int], Sequence[Command]]
"""Prepares a round, untimed, and returns the processes that run side by side in it."""


@dataclass(frozen=True, slots=True)
class Times:
    """How long one contender took, a number of seconds for each round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The median."""
        return statistics.median(self.seconds)

    @property
    def middle(self) -> tuple[float, float]:
        """Where the middle half of the rounds lies: how quiet the machine was."""
        if len(self.seconds) == 1:
            return self.seconds[0], self.seconds[0]
        low, _, high = statistics.quantiles(self.seconds, n=4, method="inclusive")
        return low, high


def in_turns(rounds: int, *contenders: Contender) -> list[Times]:
    """Time the contenders A B A B ..., after a round that warms caches and is not counted."""
    taken: list[list[float]] = [[] for _ in contenders]
    for number in range(rounds + 1):
        for seconds, contender in zip(taken, contenders, strict=True):
            spent = timed(contender(number))
            if number:
                seconds.append(spent)
    return [Times(tuple(seconds)) for seconds in taken]


def timed(commands: Sequence[Command]) -> float:
    """Seconds from the start of the first process to the end of the last."""
    outputs = [os.memfd_create("output") for _ in commands]
    try:
        begin = time.perf_counter()
        running = [_start(command, output) for command, output in zip(commands, outputs, strict=True)]
        codes = [process.wait() for process in running]
        spent = time.perf_counter() - begin
        for command, code, output in zip(commands, codes, outputs, strict=True):
            if code not in command.codes:
                said = os.pread(output, 4000, 0).decode(errors="replace")
                words = " ".join(map(str, command.argv))
                raise UnexpectedExitError(f"{words}: exit {code}, not one of {command.codes}\n{said}")
        return spent
    finally:
        for output in outputs:
            os.close(output)


def _start(command: Command, output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [os.fspath(word) for word in command.argv],
        cwd=command.cwd,
        env={**os.environ, **command.env},
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
    )
