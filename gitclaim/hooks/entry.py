"""The program behind the texts in `hooks/`: `gitclaim-hook NAME [ARGS]...`, without what only commands need."""

import gc
import io
import os
import sys
from collections.abc import Sequence
from typing import Final

from gitclaim.clock import SystemClock
from gitclaim.errors import Exit, GitclaimError, UsageError
from gitclaim.hooks.commit import pre_commit, prepare_commit_msg
from gitclaim.hooks.door import Hook
from gitclaim.names import printable

NAMES: Final = ("pre-commit", "pre-merge-commit", "prepare-commit-msg", "pre-push")


def main(args: Sequence[str] | None = None) -> int:
    """Run the hook that is named first; its exit code, 0 to let git go on."""
    # As in `gitclaim` itself: over before a collection could pay.
    gc.set_threshold(100_000)
    name, *rest = list(sys.argv[1:] if args is None else args) or [""]
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors="backslashreplace")
    try:
        code = _run(name, rest)
    except KeyboardInterrupt:
        code = Exit.INTERRUPTED
    except GitclaimError as error:
        code = _failed(name, error)
    except Exception as error:
        if os.environ.get("GITCLAIM_TRACEBACK"):
            raise
        told = f"this is a bug in gitclaim: {type(error).__name__}: {error}"
        code = _failed(name, GitclaimError(told, hint="set GITCLAIM_TRACEBACK=1 to see where, and report it"))
    gc.freeze()
    return code


def _run(name: str, args: Sequence[str]) -> int:
    hook = Hook(name, os.getcwd(), os.environ, SystemClock(), os.urandom)  # noqa: PTH109 - a Path is made from this anyway
    match name, *args:
        case "pre-commit", *_:
            return pre_commit(hook)
        case "pre-merge-commit", *_:
            return pre_commit(hook, automatic=True)
        case "prepare-commit-msg", file, *_:
            return prepare_commit_msg(hook, file)
        case "pre-push", *more:
            # Imported late: what happens at every commit comes first.
            from gitclaim.hooks.push import pre_push  # noqa: PLC0415

            return pre_push(hook, more[0] if more else "", sys.stdin.buffer.read())
        case _:
            raise UsageError(f"no hook of that name: {printable(name)!r}", hint=f"one of: {', '.join(NAMES)}")


def _failed(name: str, error: GitclaimError) -> int:
    """Say what went wrong. A commit message is no reason to refuse a commit: --no-verify would not help there."""
    lines = [f"gitclaim {printable(name)}: {error.message}", *([f"hint: {error.hint}"] if error.hint else [])]
    sys.stderr.write("\n".join(map(printable, lines)) + "\n")
    return Exit.DONE if name == "prepare-commit-msg" else error.exit_code


if __name__ == "__main__":
    sys.exit(main())
