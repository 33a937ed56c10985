"""The program: `gitclaim`, or `python -m gitclaim`."""

import gc
import os
import sys


def main() -> None:
    """Run the command line and exit with its code."""
    # A command is over before a collection could pay: those that importing triggers cost 3 ms (docs/performance.md).
    # One that runs for days, `sweep --every`, still collects.
    gc.set_threshold(100_000)
    try:
        # Imported here, where an interrupt during the import is met.
        from gitclaim.cli.app import run  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(130)
    code = run(sys.argv[1:])
    # Not sys.exit: the outputs are flushed, and taking every object apart costs 4 ms more (mypy ends like this too).
    os._exit(code)


if __name__ == "__main__":
    main()
