"""The program `gitclaim`, started long before it runs: `python -m tests.kit.racer GATE SECONDS ARGUMENT...`.

Everything is imported first; then it waits until nobody holds the other end of the pipe GATE any more, and runs with a
clock that many SECONDS ahead. The command line itself has no way to say what time it is, by design.
"""

import os
import sys
from datetime import datetime, timedelta
from importlib import import_module

from gitclaim.cli.app import run
from gitclaim.clock import SystemClock


def main() -> None:
    """Wait for the start, then run."""
    gate, ahead, args = int(sys.argv[1]), timedelta(seconds=float(sys.argv[2])), sys.argv[3:]
    import_module(f"gitclaim.cli.{args[0]}_command")
    real = SystemClock.now

    def now(clock: SystemClock) -> datetime:
        return real(clock) + ahead

    setattr(SystemClock, "now", now)  # noqa: B010 - mypy knows no other way to replace a method
    os.read(gate, 1)
    os.close(gate)
    sys.exit(run(args))


if __name__ == "__main__":
    main()
