"""The program behind the texts in `hooks/`: `gitclaim-hook NAME [ARGS]...`, without what only commands need.

The pre-commit framework runs it too (`.pre-commit-hooks.yaml`), and hands over differently what git hands over.
"""

import gc
import io
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from gitclaim.clock import SystemClock
from gitclaim.errors import Exit, GitclaimError, UsageError
from gitclaim.githook import HOOKS, SERVER_HOOKS
from gitclaim.hooks.commit import pre_commit, prepare_commit_msg
from gitclaim.hooks.door import Hook
from gitclaim.names import printable
from gitclaim.policy import Policy

# The hook commit-msg is its text alone.
NAMES: Final = tuple(name for name in (*HOOKS, *SERVER_HOOKS) if name != "commit-msg")

_FRAMEWORK: Final = "PRE_COMMIT"
_NOBODY: Final = "0" * 40


def main(args: Sequence[str] | None = None) -> int:
    """Run the hook that is named first; its exit code, 0 to let git go on.

    Args:
        args: the hook's name and its arguments; None for those of this process, which then ends here.
    """
    # As in `gitclaim` itself: over before a collection could pay.
    gc.set_threshold(100_000)
    name, *rest = list(sys.argv[1:] if args is None else args) or [""]
    if sys.stderr is None:
        # Started without one: what nobody can read is no reason to fail.
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, PTH123 - open until the end
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
    if args is None:
        # As in `gitclaim` itself: the interpreter's own end takes longer than what is left to do.
        with suppress(OSError, AttributeError):
            sys.stderr.flush()
        os._exit(code)
    return code


def _run(name: str, args: Sequence[str]) -> int:
    hook = Hook(name, os.getcwd(), os.environ, SystemClock(), os.urandom)  # noqa: PTH109 - a Path is made from this anyway
    match name, *args:
        case "pre-commit", *_:
            # The framework starts one entry for both stages, and keeps what git said in the environment.
            return pre_commit(hook, automatic=_FRAMEWORK in os.environ)
        case "pre-merge-commit", *_:
            return pre_commit(hook, automatic=True)
        case "prepare-commit-msg", file, *_:
            return prepare_commit_msg(hook, file)
        case "pre-push", *more:
            # Imported late: what happens at every commit comes first.
            from gitclaim.hooks.push import pre_push  # noqa: PLC0415

            if more or _FRAMEWORK not in os.environ:
                return pre_push(hook, more[0] if more else "", sys.stdin.buffer.read() if sys.stdin else b"")
            return pre_push(hook, *_from_framework(hook))
        case "pre-receive", *_:
            from gitclaim.hooks.receive import pre_receive  # noqa: PLC0415

            return pre_receive(hook, sys.stdin.buffer.read() if sys.stdin else b"")
        case _:
            raise UsageError(f"no hook of that name: {printable(name)!r}", hint=f"one of: {', '.join(NAMES)}")


def _from_framework(hook: Hook) -> tuple[str, bytes]:
    """Where a push goes, and the line git said about it, from what the framework makes of it: one ref of each push.

    Raises:
        GitclaimError: nobody says what is pushed where.
    """
    told = hook.environ
    remote = told.get("PRE_COMMIT_REMOTE_NAME") or told.get("PRE_COMMIT_REMOTE_URL", "")
    local, ref = told.get("PRE_COMMIT_LOCAL_BRANCH", ""), told.get("PRE_COMMIT_REMOTE_BRANCH", "")
    if not (remote and local and ref):
        raise GitclaimError(
            "pre-commit does not say what is pushed where",
            hint="its stage pre-push is for git push; gitclaim check --range A..B looks at a range of commits",
        )
    workspace = hook.open()
    new = told.get("PRE_COMMIT_TO_REF", "")
    if not new:
        # A whole history is pushed: the framework then names no commits, but only what git was told to push.
        (tip,) = workspace.touched().between(f"{local}^!")
        new = tip.commit or ""
    # What it gives for the remote's commit may be one that another ref there has. Where not every ref is guarded, that
    # must not vouch for it.
    old = told.get("PRE_COMMIT_FROM_REF", "") if workspace.settings.policy.guard == Policy().guard else ""
    return remote, os.fsencode(f"{local} {new} {ref} {old or _NOBODY}\n")


def _failed(name: str, error: GitclaimError) -> int:
    """Say what went wrong. A commit message is no reason to refuse a commit: --no-verify would not help there."""
    lines = [f"gitclaim {printable(name)}: {error.message}", *([f"hint: {error.hint}"] if error.hint else [])]
    with suppress(OSError):
        sys.stderr.write("\n".join(map(printable, lines)) + "\n")
    return Exit.DONE if name == "prepare-commit-msg" else error.exit_code


if __name__ == "__main__":
    sys.exit(main())
