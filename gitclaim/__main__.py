"""The program: `gitclaim`, or `python -m gitclaim`."""

import sys


def main() -> None:
    """Run the command line and exit with its code."""
    try:
        # Imported here, where an interrupt during the import is met.
        from gitclaim.cli.app import run  # noqa: PLC0415
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
