"""The program: `gitclaim`, or `python -m gitclaim`."""

import gc
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
    # At its end the interpreter looks at every object once more, 9 ms of a command: at none that is frozen.
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    main()
