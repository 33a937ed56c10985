"""The clone's own files: `gitclaim/` inside the git directory that all linked work trees share."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from gitclaim.errors import GitclaimError
from gitclaim.names import printable

if TYPE_CHECKING:
    from pathlib import Path


class BusyError(GitclaimError):
    """Another process held a lock all the time we waited for it."""


class State:
    """A directory only its owner can read, whose files are replaced whole.

    Args:
        root: the directory; made when first written to.
    """

    def __init__(self, root: "str | Path") -> None:
        self.root = os.fspath(root)

    def at(self, *parts: str) -> str:
        """Where a file of ours lies."""
        return os.path.join(self.root, *parts)

    def path(self, *parts: str) -> "Path":
        """Where a file of ours lies, as a path object."""
        # Imported late: it takes 3 ms, and few commands need it.
        from pathlib import Path  # noqa: PLC0415

        return Path(self.at(*parts))

    def read(self, *parts: str) -> str | None:
        """The file's text, or None when there is none."""
        try:
            with open(self.at(*parts), encoding="utf-8") as file:
                return file.read()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise GitclaimError(f"can't read {printable(self.at(*parts))}: {error}") from error

    def write(self, text: str, *parts: str) -> None:
        """Replace the file's text, whole or not at all."""
        self.make(*parts[:-1])
        target = self.at(*parts)
        # One name per process and moment: two writers each replace the file with a whole text.
        draft = self.at(*parts[:-1], f".{parts[-1]}.{os.getpid()}.{time.monotonic_ns()}")
        try:
            fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            with open(fd, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(draft, target)
        except OSError as error:
            with suppress(OSError):
                os.unlink(draft)
            raise GitclaimError(
                f"can't write {printable(target)}: {error.strerror}",
                hint="gitclaim keeps what it remembers there; make room or give yourself access",
            ) from error

    def write_first(self, text: str, *parts: str) -> str:
        """The file's text: this one if there was none, else what another process wrote first."""
        target = self.at(*parts)
        draft = (*parts[:-1], f".{parts[-1]}.{os.getpid()}.first")
        self.write(text, *draft)
        try:
            os.link(self.at(*draft), target)
        except FileExistsError:
            return self.read(*parts) or text
        finally:
            self.remove(*draft)
        return text

    def remove(self, *parts: str) -> None:
        """Remove the file, if it is there."""
        with suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(self.at(*parts))

    def names(self, *parts: str) -> list[str]:
        """The names of the files in a directory, sorted; none when there is no such directory."""
        try:
            found = sorted(os.listdir(self.at(*parts)))
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [name for name in found if not name.startswith(".")]

    def prune(self, now: datetime, older: timedelta, *parts: str, start: str = "") -> None:
        """Remove the files in a directory that were not written to for that long.

        Args:
            now: the present moment.
            older: how long.
            parts: the directory.
            start: what their names begin with.
        """
        with suppress(OSError):
            for entry in os.scandir(self.at(*parts)):
                if entry.name.startswith(start) and entry.is_file(follow_symlinks=False):
                    age = now.timestamp() - entry.stat(follow_symlinks=False).st_mtime
                    if age > older.total_seconds():
                        os.unlink(entry.path)

    def make(self, *parts: str) -> str:
        """The directory, made if need be, for its owner alone.

        Raises:
            GitclaimError: it cannot be made, or a symbolic link stands in its place.
        """
        path = self.root
        for part in ("", *parts):
            path = os.path.join(path, part) if part else path
            try:
                with suppress(FileExistsError):
                    os.mkdir(path, mode=0o700)
            except OSError as error:
                raise GitclaimError(f"can't make {printable(path)}: {error.strerror}") from error
            if os.path.islink(path):
                raise GitclaimError(
                    f"{printable(path)} is a symbolic link", hint="remove it: keys and verdicts are kept there"
                )
        return path

    @contextmanager
    def lock(self, name: str, timeout: float) -> Iterator[None]:
        """Hold the lock of that name; the system drops it when the process ends, however it ends.

        Args:
            name: the file that carries the lock.
            timeout: seconds to wait for another process.

        Raises:
            BusyError: another process held it all that time.
            GitclaimError: it can't be written to.
        """
        self.make()
        path = self.at(name)
        try:
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise GitclaimError(f"can't lock {printable(path)}: {error.strerror}") from error
        try:
            _wait_for(fd, time.monotonic() + timeout)
            yield
        finally:
            os.close(fd)


def _wait_for(fd: int, deadline: float) -> None:
    pause = 0.001
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise BusyError(
                    "another gitclaim process is busy with this clone", hint="try again in a moment"
                ) from None
            time.sleep(pause)  # noqa: TID251 - waits for another process, not for a time of day
            pause = min(pause * 2, 0.05)
        else:
            return
