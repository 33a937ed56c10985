"""Lock files that a killed git left behind.

git removes its locks however it ends, but not at SIGKILL or when the machine stops: measured (git 2.39.5), a
`git update-ref` killed at a random moment of its 6 ms leaves one in one of eight cases. From then on git refuses every
change of that ref, or with `packed-refs.lock` every deletion in the repository, until somebody removes the file.
"""

import fcntl
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from gitclaim.git import Git

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ABANDONED_AFTER: Final = 300.0
"""Seconds after which no git holds such a lock any more: it does so for milliseconds."""


def own_directory(git: Git) -> "Path":
    """The git directory that all linked work trees of a repository share."""
    # Imported late, as below: only a refused change comes here.
    from pathlib import Path  # noqa: PLC0415

    return Path(git.run("rev-parse", "--path-format=absolute", "--git-common-dir").text.rstrip("\n"))


def directory_of(git: Git, target: str) -> "Path | None":
    """The git directory of a remote that is one on this machine's disks."""
    from pathlib import Path  # noqa: PLC0415

    url = git.run("ls-remote", "--get-url", "--end-of-options", target).text.rstrip("\n")
    path = Path(git.cwd, url.removeprefix("file://"))
    return next((place for place in (path, path / ".git") if (place / "refs").is_dir()), None)


def remove_abandoned(directory: "Path") -> bool:
    """Remove the locks that keep claims from being changed, if they are that old; whether there were any.

    Nobody's fresh lock goes: looking and removing is one step for all who do this, and what is old by the file
    system's own clock was not made since.
    """
    if not any(_locks(directory)):
        return False
    import tempfile  # noqa: PLC0415

    removed = False
    # Not a directory of ours to write to: then git's refusal stands.
    with suppress(OSError):
        fd = os.open(directory, os.O_RDONLY)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            with tempfile.TemporaryFile(dir=directory) as file:
                now = os.fstat(file.fileno()).st_mtime
            for path in _locks(directory):
                with suppress(FileNotFoundError):
                    if now - path.stat().st_mtime > ABANDONED_AFTER:
                        path.unlink()
                        removed = True
        finally:
            os.close(fd)
    return removed


def _locks(directory: "Path") -> "Iterator[Path]":
    # reftable has one lock for all refs.
    yield from (
        path for name in ("packed-refs.lock", "reftable/tables.list.lock") if (path := directory / name).exists()
    )
    for tree in ("refs/claims", "refs/gitclaim"):
        # No component of a ref ends with ".lock".
        yield from (directory / tree).rglob("*.lock")
